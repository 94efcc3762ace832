//! Texts that a field is compared with, all at once.

use std::collections::HashMap;

use aho_corasick::AhoCorasick;
use foldhash::fast::FixedState;

use super::trie::{Trie, TrieBuilder};

/// Texts under construction. What is added stands for a number, which is given back when a text
/// meets it.
#[derive(Debug)]
pub(super) struct TextsBuilder {
    equal: HashMap<Box<[u8]>, Vec<u32>, FixedState>,
    prefixes: TrieBuilder,
    suffixes: TrieBuilder,
    paths: TrieBuilder,
    /// Substrings, and what each stands for.
    parts: (Vec<Box<[u8]>>, Vec<u32>),
}

impl TextsBuilder {
    pub(super) fn new() -> Self {
        Self {
            equal: HashMap::default(),
            prefixes: TrieBuilder::new(),
            suffixes: TrieBuilder::new(),
            paths: TrieBuilder::new(),
            parts: Default::default(),
        }
    }

    pub(super) fn equal(&mut self, text: &[u8], value: u32) {
        self.equal.entry(text.into()).or_default().push(value);
    }

    pub(super) fn prefix(&mut self, prefix: &[u8], value: u32) {
        self.prefixes.add(prefix.iter().copied(), value);
    }

    pub(super) fn suffix(&mut self, suffix: &[u8], value: u32) {
        self.suffixes.add(suffix.iter().rev().copied(), value);
    }

    /// A path, or what lies below it.
    pub(super) fn path(&mut self, path: &[u8], value: u32) {
        self.paths.add(path.iter().copied(), value);
    }

    pub(super) fn part(&mut self, part: &[u8], value: u32) {
        self.parts.0.push(part.into());
        self.parts.1.push(value);
    }

    pub(super) fn finish(self) -> Texts {
        let (parts, part_values) = self.parts;
        let parts = (!parts.is_empty()).then(|| {
            AhoCorasick::new(&parts).expect("the texts of rule files fit into an automaton")
        });
        Texts {
            longest: self.equal.keys().map(|text| text.len()).max().unwrap_or(0),
            equal: self
                .equal
                .into_iter()
                .map(|(text, values)| (text, values.into()))
                .collect(),
            prefixes: self.prefixes.finish(),
            suffixes: self.suffixes.finish(),
            paths: self.paths.finish(),
            parts,
            part_values,
        }
    }
}

/// Texts that a field is compared with.
#[derive(Debug)]
pub(super) struct Texts {
    equal: HashMap<Box<[u8]>, Box<[u32]>, FixedState>,
    /// Bytes of the longest of these.
    longest: usize,
    prefixes: Trie,
    /// Backwards.
    suffixes: Trie,
    paths: Trie,
    parts: Option<AhoCorasick>,
    part_values: Vec<u32>,
}

impl Texts {
    /// Calls `met` with what the text meets; more than once where it does so more than once.
    pub(super) fn look_up(&self, text: &[u8], mut met: impl FnMut(u32)) {
        if text.len() <= self.longest
            && let Some(values) = self.equal.get(text)
        {
            values.iter().copied().for_each(&mut met);
        }
        if !self.prefixes.is_empty() {
            self.prefixes.walk(text.iter().copied(), |_, values| {
                values.iter().copied().for_each(&mut met);
            });
        }
        if !self.suffixes.is_empty() {
            self.suffixes.walk(text.iter().rev().copied(), |_, values| {
                values.iter().copied().for_each(&mut met);
            });
        }
        if !self.paths.is_empty() {
            self.paths.walk(text.iter().copied(), |length, values| {
                // A component of the path ends here.
                if length == 0 || text.get(length).is_none_or(|byte| *byte == b'/') {
                    values.iter().copied().for_each(&mut met);
                }
            });
        }
        if let Some(parts) = &self.parts {
            for part in parts.find_overlapping_iter(text) {
                met(self.part_values[part.pattern().as_usize()]);
            }
        }
    }
}
