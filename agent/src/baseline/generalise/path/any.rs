//! `{any}`, which stands for the rest of a path.

use crate::baseline::generalise::token::{self, MAX_EXTENSION, Type};

const ANY: &[u8] = Type::Any.text().as_bytes();

/// What stands for the rest of a path: `{any}` with the extension of its last name.
#[derive(Clone, Copy, Debug)]
pub(in crate::baseline::generalise) struct AnyKey {
    bytes: [u8; Self::LONGEST],
    len: usize,
}

impl AnyKey {
    const LONGEST: usize = ANY.len() + 1 + MAX_EXTENSION;

    /// For a last name in its most general text.
    pub(in crate::baseline::generalise) fn of(general: &[u8]) -> Self {
        let mut bytes = [0; Self::LONGEST];
        let mut len = 0;
        for part in [ANY, token::extension(general)] {
            bytes[len..len + part.len()].copy_from_slice(part);
            len += part.len();
        }
        Self { bytes, len }
    }

    pub(in crate::baseline::generalise) fn text(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Whether a segment has one in it.
pub(super) fn is_in(text: &[u8]) -> bool {
    text.windows(ANY.len()).any(|part| part == ANY)
}

/// Whether a segment is one: only an extension may follow.
pub(super) fn is_key(text: &[u8]) -> bool {
    text.strip_prefix(ANY)
        .is_some_and(|rest| rest == token::extension(text))
}
