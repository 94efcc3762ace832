//! Texts, each of which stands for itself.

use std::collections::BTreeMap;

use super::super::super::evidence::Seen;
use super::released;

/// Most texts of one role and class that are learnt: one beyond is new each time.
const MAX_TEXTS: usize = 1_024;
/// Most bytes of them.
const MAX_BYTES: usize = 32 << 10;

#[derive(Clone, Debug, Default)]
pub(in crate::baseline) struct Texts {
    known: BTreeMap<Box<str>, Seen>,
    /// Bytes of all texts.
    length: usize,
}

impl Texts {
    pub(super) fn get(&self, text: &str) -> Option<&Seen> {
        self.known.get(text)
    }

    pub(super) fn entry(&mut self, text: &str) -> &mut Seen {
        if !self.known.contains_key(text) {
            self.length += text.len();
        }
        self.known.entry(text.into()).or_default()
    }

    pub(super) fn entry_within_bounds(&mut self, text: &str) -> Option<&mut Seen> {
        (self.known.contains_key(text) || self.has_room()).then(|| self.entry(text))
    }

    pub(super) fn release(&mut self, text: &str) -> bool {
        let seen = self.known.get_mut(text);
        let Some((seen, released)) = seen.and_then(|seen| released(seen).map(|new| (seen, new)))
        else {
            return false;
        };
        *seen = released;
        true
    }

    pub(super) fn patterns(&self) -> Vec<(String, &Seen)> {
        let known = self.known.iter();
        known.map(|(text, seen)| (text.to_string(), seen)).collect()
    }

    pub(super) fn seen(&self) -> impl Iterator<Item = &Seen> {
        self.known.values()
    }

    pub(super) fn each_mut(&mut self, with: impl FnMut(&mut Seen)) {
        self.known.values_mut().for_each(with);
    }

    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    pub(super) fn has_room(&self) -> bool {
        self.known.len() < MAX_TEXTS && self.length < MAX_BYTES
    }

    pub(super) fn bytes(&self) -> usize {
        self.length + self.known.len() * size_of::<(Box<str>, Seen)>()
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (text, seen) in &other.known {
            self.entry(text).merge(seen);
        }
    }
}
