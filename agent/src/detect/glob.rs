//! Shell patterns as fnmatch(3) reads them without flags: `*` and `?` match slashes too.

/// A pattern over bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Glob<P> {
    pattern: P,
}

impl<P: AsRef<[u8]>> Glob<P> {
    /// Every byte sequence is a pattern: a bracket without its partner stands for itself.
    pub(crate) fn new(pattern: P) -> Self {
        Self { pattern }
    }

    pub(crate) fn pattern(&self) -> &[u8] {
        self.pattern.as_ref()
    }

    /// The whole text matches.
    pub(crate) fn matches(&self, text: &[u8]) -> bool {
        matches(self.pattern.as_ref(), text, |byte| byte)
    }

    /// The whole text matches when ASCII letters of either case are equal.
    pub(crate) fn matches_folded(&self, text: &[u8]) -> bool {
        matches(self.pattern.as_ref(), text, |byte| {
            byte.to_ascii_lowercase()
        })
    }
}

/// Matches with one point of return: only the last `*` can ever need to take more.
fn matches(pattern: &[u8], text: &[u8], fold: fn(u8) -> u8) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star = None;
    loop {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, t));
            p += 1;
            continue;
        }
        let Some(&byte) = text.get(t) else {
            return p == pattern.len();
        };
        if let Some(length) = element(&pattern[p..], byte, fold) {
            p += length;
            t += 1;
        } else if let Some((at, taken)) = star {
            star = Some((at, taken + 1));
            p = at + 1;
            t = taken + 1;
        } else {
            return false;
        }
    }
}

/// Length of the pattern's first element if it matches the byte.
fn element(pattern: &[u8], byte: u8, fold: fn(u8) -> u8) -> Option<usize> {
    let is = |literal: u8| fold(literal) == fold(byte);
    match *pattern.first()? {
        b'?' => Some(1),
        b'[' => match bracket(pattern, byte, fold) {
            Some((length, true)) => Some(length),
            Some((_, false)) => None,
            None => is(b'[').then_some(1),
        },
        b'\\' if pattern.len() > 1 => is(pattern[1]).then_some(2),
        literal => is(literal).then_some(1),
    }
}

/// Length of a bracket expression and whether the byte is in it; `None` if it does not end.
fn bracket(pattern: &[u8], byte: u8, fold: fn(u8) -> u8) -> Option<(usize, bool)> {
    let negated = matches!(pattern.get(1), Some(b'!' | b'^'));
    let first = 1 + usize::from(negated);
    let mut at = first;
    let mut found = false;
    let byte = fold(byte);
    loop {
        match *pattern.get(at)? {
            b']' if at > first => return Some((at + 1, found != negated)),
            b'[' if pattern.get(at + 1) == Some(&b':') => {
                let name = &pattern[at + 2..];
                let length = memchr::memmem::find(name, b":]")?;
                found |= in_class(&name[..length], byte);
                at += length + 4;
            }
            mut low => {
                if low == b'\\' && pattern.len() > at + 1 {
                    at += 1;
                    low = pattern[at];
                }
                let mut high = low;
                if pattern.get(at + 1) == Some(&b'-') && pattern.get(at + 2) != Some(&b']') {
                    high = *pattern.get(at + 2)?;
                    at += 2;
                }
                found |= (fold(low)..=fold(high)).contains(&byte);
                at += 1;
            }
        }
    }
}

fn in_class(name: &[u8], byte: u8) -> bool {
    match name {
        b"alnum" => byte.is_ascii_alphanumeric(),
        b"alpha" => byte.is_ascii_alphabetic(),
        b"blank" => matches!(byte, b' ' | b'\t'),
        b"cntrl" => byte.is_ascii_control(),
        b"digit" => byte.is_ascii_digit(),
        b"graph" => byte.is_ascii_graphic(),
        b"lower" => byte.is_ascii_lowercase(),
        b"print" => byte.is_ascii_graphic() || byte == b' ',
        b"punct" => byte.is_ascii_punctuation(),
        b"space" => byte.is_ascii_whitespace() || byte == 0x0b,
        b"upper" => byte.is_ascii_uppercase(),
        b"xdigit" => byte.is_ascii_hexdigit(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_fnmatch_does() {
        for (pattern, text, expected) in [
            ("/home/*/.ssh/*", "/home/a/b/.ssh/id", true),
            ("*../*../*", "/x/../../etc", true),
            ("a?c", "a/c", true),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[^a-c]x", "dx", true),
            ("[]]", "]", true),
            ("[a", "[a", true),
            ("[[:digit:]]*", "7z", true),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("*a*b*c*", "xxaxxbxxcxx", true),
            ("*a*b*c", "abcb", false),
        ] {
            let glob = Glob::new(pattern.as_bytes());
            assert_eq!(
                glob.matches(text.as_bytes()),
                expected,
                "{pattern} on {text}"
            );
        }
    }

    #[test]
    fn folding_concerns_ascii_letters() {
        assert!(Glob::new(b"*ROOT[A-F]").matches_folded(b"/Rootb"));
        assert!(!Glob::new(b"ROOT").matches(b"root"));
    }
}
