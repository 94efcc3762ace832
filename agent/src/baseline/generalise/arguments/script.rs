//! The shape of a script: its commands or names and its operators, with values by their type.

mod other;
mod shell;

use super::digest;
use super::interpreter::Language;

/// So many tokens are told one by one.
const MAX_TOKENS: usize = 64;
/// What is behind so many bytes is told as a digest.
const MAX_SCRIPT: usize = 8192;

/// The tokens of a script with spaces between them.
pub(super) fn shape(script: &[u8], language: Language) -> String {
    let (read, unread) = script.split_at(script.len().min(MAX_SCRIPT));
    let mut tokens = match language {
        Language::Shell => shell::tokens(read),
        Language::Other => other::tokens(read),
    };
    let mut rest = tokens.split_off(tokens.len().min(MAX_TOKENS)).join(" ");
    if !rest.is_empty() || !unread.is_empty() {
        rest.push(' ');
        let mut rest = rest.into_bytes();
        rest.extend_from_slice(unread);
        tokens.push(digest::of(&rest));
    }
    tokens.join(" ")
}
