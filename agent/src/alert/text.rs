//! Kernel bytes as text.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Bytes as a string, and whether it holds escapes. Valid UTF-8 is passed on unchanged. Otherwise
/// each offending byte becomes `\xNN` and each backslash is doubled, so that the bytes can be
/// recovered.
pub(super) fn lossless(bytes: &[u8]) -> (String, bool) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return (text.to_owned(), false);
    }
    let mut out = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character == '\\' {
                out.push('\\');
            }
            out.push(character);
        }
        for byte in chunk.invalid() {
            // Writing to a string cannot fail.
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    (out, true)
}

/// Text that is safe on a terminal: control characters and those that reorder or hide what is
/// around them (bidirectional controls, zero-width characters) are written as escapes.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            hidden if is_hidden(hidden) => {
                let code = u32::from(hidden);
                // Writing to a string cannot fail.
                let _ = if code < 0x80 {
                    write!(out, "\\x{code:02x}")
                } else {
                    write!(out, "\\u{{{code:x}}}")
                };
            }
            shown => out.push(shown),
        }
    }
    Cow::Owned(out)
}

fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            u32::from(character),
            0xad | 0x61c | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff
                | 0xfff9..=0xfffb | 0xe0000..=0xe007f
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn utf8_is_unchanged_and_other_bytes_are_escaped() {
        assert_eq!(lossless("a\\é\n".as_bytes()), ("a\\é\n".into(), false));
        assert_eq!(lossless(b"a\\\xff\xc3"), ("a\\\\\\xff\\xc3".into(), true));
    }

    #[test]
    fn terminal_controls_are_shown_not_sent() {
        assert_eq!(printable("plain é 名"), "plain é 名");
        assert_eq!(printable("a\x1b[2J\r\n\tb"), "a\\x1b[2J\\r\\n\\tb");
        assert_eq!(
            printable("gpj\u{202e}.exe\u{9b}"),
            "gpj\\u{202e}.exe\\u{9b}"
        );
    }

    /// Reverses [`lossless`] for strings with escapes.
    fn unescape(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let mut rest = text.as_bytes();
        while let Some((&first, tail)) = rest.split_first() {
            match (first, tail) {
                (b'\\', [b'x', high, low, tail @ ..]) => {
                    let digits = [*high, *low];
                    let digits = std::str::from_utf8(&digits).unwrap();
                    out.push(u8::from_str_radix(digits, 16).unwrap());
                    rest = tail;
                }
                (b'\\', [b'\\', tail @ ..]) => {
                    out.push(b'\\');
                    rest = tail;
                }
                _ => {
                    out.push(first);
                    rest = tail;
                }
            }
        }
        out
    }

    proptest! {
        #[test]
        fn escaped_bytes_can_be_recovered(bytes in prop::collection::vec(
            prop_oneof![any::<u8>(), Just(b'\\'), Just(b'x')], 0..40
        )) {
            let (text, escaped) = lossless(&bytes);
            if escaped {
                prop_assert_eq!(unescape(&text), bytes);
            } else {
                prop_assert_eq!(text.as_bytes(), &bytes[..]);
            }
        }

        #[test]
        fn printable_text_has_no_control_characters(text in any::<String>()) {
            prop_assert!(!printable(&text).chars().any(is_hidden));
        }
    }
}
