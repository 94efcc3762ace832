//! Python, Perl, Ruby, JavaScript, PHP: enough of what they have in common.

use crate::baseline::generalise::arguments::value;
use crate::baseline::generalise::text;

/// Longer names are `{word}`.
const MAX_NAME: usize = 40;

/// Tokens of a script.
pub(super) fn tokens(script: &[u8]) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&byte) = script.get(at) {
        let rest = &script[at..];
        let length = match byte {
            b'\'' | b'"' | b'`' => {
                let (content, length) = string(rest);
                tokens.push(format!("'{}'", value::shape(&content)));
                length
            }
            b'\n' => {
                tokens.push(";".to_owned());
                1
            }
            _ if byte.is_ascii_whitespace() => 1,
            _ if byte.is_ascii_digit() => {
                tokens.push("{n}".to_owned());
                span(rest, |byte| byte.is_ascii_alphanumeric() || byte == b'.')
            }
            _ if is_name(byte) => {
                let length = span(rest, |byte| {
                    is_name(byte) || byte.is_ascii_digit() || byte == b'.'
                });
                tokens.push(match length {
                    0..=MAX_NAME => text::string(&rest[..length]),
                    _ => value::WORD.to_owned(),
                });
                length
            }
            _ => {
                let length = span(rest, is_operator);
                let mut operator = Vec::new();
                text::escape(&rest[..length], &mut operator);
                tokens.push(text::string(&operator));
                length
            }
        };
        at += length.max(1);
    }
    tokens
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'$' | b'@')
}

fn is_operator(byte: u8) -> bool {
    !is_name(byte)
        && !byte.is_ascii_digit()
        && !byte.is_ascii_whitespace()
        && !matches!(byte, b'\'' | b'"' | b'`')
}

fn span(rest: &[u8], within: impl Fn(u8) -> bool) -> usize {
    rest.iter().take_while(|byte| within(**byte)).count()
}

/// The content of a string and the length that it has with its quotes.
fn string(rest: &[u8]) -> (Vec<u8>, usize) {
    let quote = rest[0];
    let mut content = Vec::new();
    let mut at = 1;
    while let Some(&byte) = rest.get(at) {
        at += 1;
        match byte {
            b'\\' => {
                content.extend(rest.get(at));
                at += 1;
            }
            _ if byte == quote => break,
            _ => content.push(byte),
        }
    }
    (content, at.min(rest.len()))
}
