//! Rust source without its comments and literals, so that a word found in it is code.

/// The source with comments and the contents of literals blanked; lines stay where they are.
pub(super) fn only_code(text: &str) -> String {
    let mut rest = text;
    let mut code = String::with_capacity(text.len());
    while let Some(first) = rest.chars().next() {
        let after_word = code.chars().next_back().is_some_and(is_word);
        let length = literal_or_comment(rest, after_word).unwrap_or(0);
        if length == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            code.push(' ');
            code.extend(
                rest[..length]
                    .chars()
                    .filter(|character| *character == '\n'),
            );
            rest = &rest[length..];
        }
    }
    code
}

/// Whether `word` stands in the line by itself, not within a longer name.
pub(super) fn has_word(line: &str, word: &str) -> bool {
    line.split(|character| !is_word(character))
        .any(|candidate| candidate == word)
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// The length of the comment or literal that `rest` starts with.
fn literal_or_comment(rest: &str, after_word: bool) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(block_comment(rest));
    }
    if rest.starts_with('"') {
        return Some(string(rest));
    }
    if rest.starts_with('\'') {
        return character(rest);
    }
    // `br` and `cr` come here at their `r`, as the letter before is then part of no longer name.
    if rest.starts_with('r') && !after_word || starts_raw_bytes(rest, after_word) {
        return raw_string(rest);
    }
    None
}

fn starts_raw_bytes(rest: &str, after_word: bool) -> bool {
    !after_word && (rest.starts_with("br") || rest.starts_with("cr"))
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

fn string(rest: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in rest.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// A character literal; `None` for a lifetime.
fn character(rest: &str) -> Option<usize> {
    let inner = rest[1..].chars().next()?;
    if inner == '\\' {
        return Some(rest[3..].find('\'')? + 4);
    }
    let end = 1 + inner.len_utf8();
    rest[end..].starts_with('\'').then_some(end + 1)
}

fn raw_string(rest: &str) -> Option<usize> {
    let opening = rest.find('"')?;
    let hashes = rest[..opening].trim_start_matches(['b', 'c', 'r']);
    let prefix = &rest[..opening - hashes.len()];
    if !matches!(prefix, "r" | "br" | "cr") || !hashes.bytes().all(|byte| byte == b'#') {
        return None;
    }
    let closing = format!("\"{hashes}");
    let body = opening + 1;
    let end = rest[body..].find(&closing)?;
    Some(body + end + closing.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_go_lifetimes_and_lines_stay() {
        let cases = [
            ("a // unsafe\nb", "a  \nb"),
            ("a /* x /* y */\n z */ b", "a  \n b"),
            (r#"let s = "un\"safe"; b"#, "let s =  ; b"),
            (r##"let s = r#"un"safe"#; b"##, "let s =  ; b"),
            ("let s = br\"x\"; b", "let s =  ; b"),
            ("fn f<'a>(x: &'a u8) {}", "fn f<'a>(x: &'a u8) {}"),
            (
                r"match c { '\'' => '{', '\u{41}' => 1 }",
                "match c {   =>  ,   => 1 }",
            ),
            ("for r in rows {}", "for r in rows {}"),
            ("r#type = 1; // \"", "r#type = 1;  "),
        ];
        for (source, expected) in cases {
            assert_eq!(only_code(source), expected, "{source}");
        }
    }

    #[test]
    fn a_word_is_not_part_of_a_longer_one() {
        assert!(has_word("unsafe { x }", "unsafe"));
        assert!(has_word("#[unsafe(no_mangle)]", "unsafe"));
        assert!(!has_word("#![forbid(unsafe_code)]", "unsafe"));
    }
}
