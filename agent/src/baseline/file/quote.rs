//! Texts as YAML scalars on one line, in the plainest form that every YAML reader takes for that text.

use std::fmt::Write as _;

use super::super::evidence::Trust;

/// Plain words that some reader takes for something else than text.
const SPECIAL: [&str; 9] = ["true", "false", "yes", "no", "on", "off", "y", "n", "null"];

/// Appends a behaviour, with its word where it has one.
pub(in crate::baseline) fn push_item(out: &mut String, trust: Trust, text: &str) {
    if trust != Trust::Learnt {
        out.push_str(trust.name());
        out.push_str(": ");
    }
    push_scalar(out, text);
}

/// Appends a scalar.
pub(super) fn push_scalar(out: &mut String, text: &str) {
    if is_plain(text) {
        out.push_str(text);
    } else if is_printable(text) {
        out.push('\'');
        out.push_str(&text.replace('\'', "''"));
        out.push('\'');
    } else {
        push_escaped(out, text);
    }
}

fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

fn is_plain(text: &str) -> bool {
    let begins = text
        .bytes()
        .next()
        .is_some_and(|first| first == b'/' || first.is_ascii_alphabetic());
    begins
        && is_printable(text)
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && !SPECIAL.iter().any(|word| word.eq_ignore_ascii_case(text))
}

/// Beyond printable ASCII everything is escaped: letters that look like others, or that turn the
/// direction of a line, would deceive who reviews the file.
fn push_escaped(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        let code = u32::from(character);
        match character {
            '"' | '\\' => {
                out.push('\\');
                out.push(character);
            }
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            ' '..='~' => out.push(character),
            _ => {
                let _ = match code {
                    0..=0xff => write!(out, "\\x{code:02x}"),
                    0x100..=0xffff => write!(out, "\\u{code:04x}"),
                    _ => write!(out, "\\U{code:08x}"),
                };
            }
        }
    }
    out.push('"');
}
