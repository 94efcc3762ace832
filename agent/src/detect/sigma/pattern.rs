//! Values with wildcards, and what they are encoded to.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::glob::Glob;
use super::super::ir::Test;
use super::modifiers::{Base64, Comparison, Modifiers, Wide};

/// A value to compare text with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(Vec<u8>),
    /// Anything, also nothing.
    Any,
    /// One character.
    One,
}

/// Most values that `windash` may make of one.
const VARIANTS: usize = 5 * 5 * 5 * 5;

/// What stands for a dash on some command line.
const DASHES: [char; 5] = ['-', '/', '\u{2013}', '\u{2014}', '\u{2015}'];

impl Pattern {
    /// Reads a value: `*` and `?` are wildcards unless a backslash stands before them, which
    /// itself is one where another stands before it. Before anything else it is a backslash.
    pub(crate) fn parse(text: &str) -> Self {
        let mut pattern = Self { parts: Vec::new() };
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            match character {
                '*' => pattern.push(Part::Any),
                '?' => pattern.push(Part::One),
                '\\' => {
                    let escaped = characters.next_if(|next| "*?\\".contains(*next));
                    pattern.push_literal(escaped.unwrap_or('\\'));
                }
                other => pattern.push_literal(other),
            }
        }
        pattern
    }

    /// A text as a value that means this text and nothing else.
    pub(crate) fn escaped(text: &str) -> String {
        let mut value = String::with_capacity(text.len());
        for character in text.chars() {
            if "*?\\".contains(character) {
                value.push('\\');
            }
            value.push(character);
        }
        value
    }

    fn literal(bytes: Vec<u8>) -> Self {
        let parts = if bytes.is_empty() {
            Vec::new()
        } else {
            vec![Part::Literal(bytes)]
        };
        Self { parts }
    }

    fn push(&mut self, part: Part) {
        if part != Part::Any || self.parts.last() != Some(&Part::Any) {
            self.parts.push(part);
        }
    }

    fn push_literal(&mut self, character: char) {
        let mut buffer = [0; 4];
        let bytes = character.encode_utf8(&mut buffer).as_bytes();
        match self.parts.last_mut() {
            Some(Part::Literal(literal)) => literal.extend_from_slice(bytes),
            _ => self.parts.push(Part::Literal(bytes.to_vec())),
        }
    }

    /// The value as it stands, if it has no wildcards.
    pub(crate) fn plain(&self) -> Option<&[u8]> {
        match self.parts.as_slice() {
            [] => Some(b""),
            [Part::Literal(literal)] => Some(literal),
            _ => None,
        }
    }

    /// The values that the encodings make of one; `Err` says what is wrong with it.
    pub(crate) fn encoded(self, modifiers: &Modifiers) -> Result<Vec<Self>, String> {
        if modifiers.wide.is_none() && modifiers.base64.is_none() {
            return if modifiers.windash {
                self.dashed()
            } else {
                Ok(vec![self])
            };
        }
        let Some(plain) = self.plain() else {
            return Err("what is encoded can have no wildcards".to_owned());
        };
        let text = String::from_utf8_lossy(plain);
        let bytes = match modifiers.wide {
            None => plain.to_vec(),
            Some(wide) => widened(&text, wide),
        };
        Ok(match modifiers.base64 {
            None => vec![Self::literal(bytes)],
            Some(Base64::Whole) => vec![Self::literal(STANDARD.encode(bytes).into_bytes())],
            Some(Base64::Offset) => {
                let found = (0..3).map(|offset| within_base64(&bytes, offset));
                let mut found: Vec<_> = found.filter(|found| !found.is_empty()).collect();
                found.dedup();
                found.into_iter().map(Self::literal).collect()
            }
        })
    }

    /// Every way to write its dashes.
    fn dashed(self) -> Result<Vec<Self>, String> {
        let mut variants = vec![Self { parts: Vec::new() }];
        for part in self.parts {
            let Part::Literal(literal) = part else {
                for variant in &mut variants {
                    variant.push(part.clone());
                }
                continue;
            };
            for character in String::from_utf8_lossy(&literal).chars() {
                let written: &[char] = match character {
                    '-' => &DASHES,
                    _ => &[character],
                };
                if variants.len() * written.len() > VARIANTS {
                    return Err(format!(
                        "'windash' makes more than {VARIANTS} values of this one"
                    ));
                }
                variants = written
                    .iter()
                    .flat_map(|&character| {
                        variants.iter().map(move |variant| {
                            let mut variant = variant.clone();
                            variant.push_literal(character);
                            variant
                        })
                    })
                    .collect();
            }
        }
        Ok(variants)
    }

    /// The test that the comparison makes of the value; `Err` says why it cannot be made.
    pub(crate) fn test(self, comparison: Comparison, cased: bool) -> Result<Test, String> {
        let (before, after) = match comparison {
            Comparison::Contains => (true, true),
            Comparison::StartsWith => (false, true),
            Comparison::EndsWith => (true, false),
            _ => (false, false),
        };
        let mut whole = Self { parts: Vec::new() };
        if before {
            whole.push(Part::Any);
        }
        for part in self.parts {
            whole.push(part);
        }
        if after {
            whole.push(Part::Any);
        }
        whole.whole_test(cased)
    }

    fn whole_test(&self, cased: bool) -> Result<Test, String> {
        let fold = |literal: &[u8]| -> Box<[u8]> {
            if cased {
                literal.into()
            } else {
                literal.to_ascii_lowercase().into()
            }
        };
        let plain = cased || !self.has_letters_beyond_ascii();
        Ok(match (self.parts.as_slice(), cased) {
            ([Part::Any], _) => Test::Exists,
            _ if !plain => self.regex(cased)?,
            ([], true) => Test::Equal(Box::default()),
            ([], false) => Test::EqualFolded(Box::default()),
            ([Part::Literal(literal)], true) => Test::Equal(fold(literal)),
            ([Part::Literal(literal)], false) => Test::EqualFolded(fold(literal)),
            ([Part::Literal(literal), Part::Any], true) => Test::Prefix(fold(literal)),
            ([Part::Literal(literal), Part::Any], false) => Test::PrefixFolded(fold(literal)),
            ([Part::Any, Part::Literal(literal)], true) => Test::Suffix(fold(literal)),
            ([Part::Any, Part::Literal(literal)], false) => Test::SuffixFolded(fold(literal)),
            ([Part::Any, Part::Literal(literal), Part::Any], true) => {
                Test::Contains(Box::new(memchr::memmem::Finder::new(literal).into_owned()))
            }
            ([Part::Any, Part::Literal(literal), Part::Any], false) => {
                Test::ContainsFolded(fold(literal))
            }
            // One character may be several bytes.
            _ if self.parts.contains(&Part::One) => self.regex(cased)?,
            (_, true) => Test::Glob(Glob::new(self.glob())),
            (_, false) => Test::GlobFolded(Glob::new(self.glob())),
        })
    }

    /// Letters that folding of ASCII does not reach.
    fn has_letters_beyond_ascii(&self) -> bool {
        let cased = |character: char| {
            !character.is_ascii() && (character.is_lowercase() || character.is_uppercase())
        };
        self.parts.iter().any(|part| match part {
            Part::Literal(literal) => String::from_utf8_lossy(literal).chars().any(cased),
            _ => false,
        })
    }

    fn glob(&self) -> Box<[u8]> {
        let mut glob = Vec::new();
        for part in &self.parts {
            match part {
                Part::Any => glob.push(b'*'),
                Part::One => glob.push(b'?'),
                Part::Literal(literal) => {
                    for &byte in literal {
                        if b"*?[\\".contains(&byte) {
                            glob.push(b'\\');
                        }
                        glob.push(byte);
                    }
                }
            }
        }
        glob.into()
    }

    fn regex(&self, cased: bool) -> Result<Test, String> {
        let mut pattern = String::from("^");
        for part in &self.parts {
            match part {
                Part::Any => pattern.push_str("(?s-u:.)*"),
                // What is no UTF-8 counts byte by byte.
                Part::One => pattern.push_str("(?:(?s:.)|(?-u:[\\x80-\\xff]))"),
                Part::Literal(literal) => {
                    pattern.push_str(&regex::escape(&String::from_utf8_lossy(literal)));
                }
            }
        }
        pattern.push('$');
        build(&pattern, [!cased, false, false])
    }
}

/// A regular expression that is found anywhere in the text, with the flags of
/// [`Modifiers::flags`].
pub(crate) fn regex(text: &str, flags: [bool; 3]) -> Result<Test, String> {
    build(text, flags)
}

fn build(pattern: &str, [folded, lines, dot_all]: [bool; 3]) -> Result<Test, String> {
    let regex = regex::bytes::RegexBuilder::new(pattern)
        .case_insensitive(folded)
        .multi_line(lines)
        .dot_matches_new_line(dot_all)
        .size_limit(1 << 20)
        .build();
    regex
        .map(|regex| Test::Regex(Box::new(regex)))
        .map_err(|error| {
            let message = error.to_string();
            let last = message.lines().last().unwrap_or_default().trim();
            format!("the regular expression cannot be used: {last}")
        })
}

fn widened(text: &str, wide: Wide) -> Vec<u8> {
    let mut bytes = match wide {
        Wide::Marked => vec![0xff, 0xfe],
        _ => Vec::new(),
    };
    for unit in text.encode_utf16() {
        bytes.extend(match wide {
            Wide::BigEndian => unit.to_be_bytes(),
            Wide::LittleEndian | Wide::Marked => unit.to_le_bytes(),
        });
    }
    bytes
}

/// The characters in base64 that only these bytes decide, when so many stand before them.
fn within_base64(bytes: &[u8], offset: usize) -> Vec<u8> {
    let mut padded = vec![0; offset];
    padded.extend_from_slice(bytes);
    let encoded = STANDARD.encode(&padded);
    // A character holds six bits: those that begin before the first byte or end behind the last
    // one depend on what stands there.
    let start = (offset * 8).div_ceil(6);
    let end = padded.len() * 8 / 6;
    encoded
        .as_bytes()
        .get(start..end)
        .unwrap_or_default()
        .to_vec()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(text: &str) -> String {
        let show = |part: &Part| match part {
            Part::Any => "<any>".to_owned(),
            Part::One => "<one>".to_owned(),
            Part::Literal(literal) => String::from_utf8_lossy(literal).into_owned(),
        };
        Pattern::parse(text).parts.iter().map(show).collect()
    }

    #[test]
    fn backslashes_escape_wildcards_and_themselves_only() {
        for (text, expected) in [
            ("a*b?", "a<any>b<one>"),
            (r"a\*b\?", "a*b?"),
            (r"a\\*", r"a\<any>"),
            (r"C:\Windows\x", r"C:\Windows\x"),
            (r"end\", r"end\"),
            ("**", "<any>"),
        ] {
            assert_eq!(parts(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_escaped_text_means_itself(text in r"[a*?\\\\]{0,9}|.{0,9}") {
            let pattern = Pattern::parse(&Pattern::escaped(&text));
            prop_assert_eq!(pattern.plain(), Some(text.as_bytes()));
        }
    }

    #[test]
    fn encodings_are_those_of_the_specification() {
        let encode = |text: &str, key: &str| {
            let key = super::super::super::falco::source::Text::made(key);
            let (_, modifiers) = Modifiers::of_key(&key).unwrap();
            let encoded = Pattern::parse(text).encoded(&modifiers).unwrap();
            encoded
                .iter()
                .map(|pattern| pattern.plain().unwrap().to_vec())
                .collect::<Vec<_>>()
        };
        assert_eq!(encode("cmd", "f|utf16le"), [b"c\0m\0d\0"]);
        assert_eq!(encode("cmd", "f|utf16be"), [b"\0c\0m\0d"]);
        assert_eq!(encode("cmd", "f|utf16"), [b"\xff\xfec\0m\0d\0"]);
        assert_eq!(encode("foo", "f|base64"), [b"Zm9v"]);
        // "foobar" behind none, one and two other bytes.
        let offsets: [&[u8]; 3] = [b"Zm9vYmFy", b"Zvb2Jhc", b"mb29iYX"];
        assert_eq!(encode("foobar", "f|base64offset|contains"), offsets);
        assert_eq!(encode("a -x", "f|windash").len(), 5);
    }

    #[test]
    fn a_value_found_in_base64_is_found_behind_any_bytes() {
        let secret = b"/bin/bash";
        for before in 0..9_usize {
            for after in 0..4 {
                let mut bytes = vec![0xa7; before];
                bytes.extend_from_slice(secret);
                bytes.extend(vec![0x5b; after]);
                let encoded = STANDARD.encode(bytes);
                let wanted = within_base64(secret, before % 3);
                assert!(
                    memchr::memmem::find(encoded.as_bytes(), &wanted).is_some(),
                    "{before} {after}"
                );
            }
        }
    }
}
