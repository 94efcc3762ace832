//! The objects of one class.

use std::collections::BTreeMap;

use super::super::class::Class;
use super::super::evidence::Seen;
use super::super::generalise::path::Segments;
use super::super::generalise::tree::{Merge, Nearest, PathTree};

/// Texts of one class: what is beyond is new each time.
const MAX_TEXTS: usize = 1_024;

/// The objects of one role, phase and class, with what is known of each.
#[derive(Clone, Debug)]
pub(in crate::baseline) enum Objects {
    /// Paths, in which values become patterns.
    Paths(PathTree<Seen>),
    /// Texts that are general already.
    Texts(BTreeMap<Box<str>, Seen>),
}

/// An object to look for.
#[derive(Clone, Copy, Debug)]
pub(in crate::baseline) enum Found<'a> {
    Path(&'a Segments),
    Text(&'a str),
}

impl Merge for Seen {
    fn merge(&mut self, other: &Self) {
        Self::merge(self, other);
    }
}

impl Objects {
    pub(super) fn of(class: Class) -> Self {
        if class.is_of_files() {
            Self::Paths(PathTree::new())
        } else {
            Self::Texts(BTreeMap::new())
        }
    }

    pub(in crate::baseline) fn get(&self, object: Found<'_>) -> Option<&Seen> {
        match (self, object) {
            (Self::Paths(tree), Found::Path(path)) => tree.lookup(path),
            (Self::Texts(texts), Found::Text(text)) => texts.get(text),
            _ => None,
        }
    }

    /// The object, put in if it is not there. `None` for an object of the other kind.
    pub(in crate::baseline) fn entry(&mut self, object: Found<'_>) -> Option<&mut Seen> {
        match (self, object) {
            (Self::Paths(tree), Found::Path(path)) => Some(tree.observe(path).0),
            (Self::Texts(texts), Found::Text(text)) => {
                if !texts.contains_key(text) {
                    texts.insert(text.into(), Seen::default());
                }
                texts.get_mut(text)
            }
            _ => None,
        }
    }

    /// What comes nearest to an object that is not there.
    pub(in crate::baseline) fn nearest(&self, object: Found<'_>) -> Option<Nearest> {
        match (self, object) {
            (Self::Paths(tree), Found::Path(path)) => tree.nearest(path),
            _ => None,
        }
    }

    /// The pattern that a path, or another pattern, fits.
    pub(in crate::baseline) fn pattern_of(&self, text: &str) -> Option<String> {
        match self {
            Self::Paths(tree) => {
                let path = Segments::parse(text).ok()?;
                tree.lookup(&path)?;
                Some(tree.nearest(&path)?.pattern)
            }
            Self::Texts(texts) => texts.contains_key(text).then(|| text.to_owned()),
        }
    }

    pub(in crate::baseline) fn patterns(&self) -> Vec<(String, &Seen)> {
        match self {
            Self::Paths(tree) => tree.patterns().collect(),
            Self::Texts(texts) => {
                let texts = texts.iter();
                texts.map(|(text, seen)| (text.to_string(), seen)).collect()
            }
        }
    }

    pub(super) fn seen(&self) -> Vec<&Seen> {
        match self {
            Self::Paths(tree) => tree.values(),
            Self::Texts(texts) => texts.values().collect(),
        }
    }

    pub(in crate::baseline) fn each_mut(&mut self, mut with: impl FnMut(&mut Seen)) {
        match self {
            Self::Paths(tree) => tree.each_value_mut(&mut with),
            Self::Texts(texts) => texts.values_mut().for_each(with),
        }
    }

    pub(in crate::baseline) fn len(&self) -> usize {
        match self {
            Self::Paths(tree) => tree.nodes(),
            Self::Texts(texts) => texts.len(),
        }
    }

    /// One more may be kept. Paths become coarser instead.
    pub(in crate::baseline) fn has_room(&self) -> bool {
        match self {
            Self::Paths(_) => true,
            Self::Texts(texts) => texts.len() < MAX_TEXTS,
        }
    }

    pub(in crate::baseline) fn bytes(&self) -> usize {
        match self {
            Self::Paths(tree) => tree.bytes(),
            Self::Texts(texts) => {
                let texts = texts.keys();
                texts
                    .map(|text| text.len() + size_of::<(Box<str>, Seen)>())
                    .sum()
            }
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        match (self, other) {
            (Self::Paths(tree), Self::Paths(other)) => tree.merge(other),
            (Self::Texts(texts), Self::Texts(other)) => {
                for (text, seen) in other {
                    texts.entry(text.clone()).or_default().merge(seen);
                }
            }
            _ => debug_assert!(false, "a class has objects of one kind"),
        }
    }
}
