//! Paths: those that are learnt, and those apart.

use super::super::super::evidence::{Seen, Trust};
use super::super::super::generalise::path::Segments;
use super::super::super::generalise::tree::{ExactTree, Nearest, PathTree};
use super::released;

/// Most bytes of what is apart in one role and class, but for what operators or other profiles say.
/// A path beyond is new each time.
const MAX_APART: usize = 32 << 10;

#[derive(Clone, Debug, Default)]
pub(in crate::baseline) struct Paths {
    learnt: PathTree<Seen>,
    apart: ExactTree<Seen>,
}

impl Paths {
    pub(super) fn get(&self, path: &Segments) -> Option<&Seen> {
        self.apart.lookup(path).or_else(|| self.learnt.lookup(path))
    }

    pub(super) fn entry(&mut self, path: &Segments) -> &mut Seen {
        if let Some(seen) = self.apart.lookup_mut(path) {
            return seen;
        }
        self.learnt.observe(path).0
    }

    pub(super) fn entry_apart(&mut self, path: &Segments) -> Option<&mut Seen> {
        let known = self.apart.lookup(path).is_some();
        if known {
            return self.apart.lookup_mut(path);
        }
        (self.apart.bytes() < MAX_APART).then(|| self.apart.entry(path))
    }

    pub(super) fn put(&mut self, path: &Segments, seen: &Seen) {
        let known = match seen.trust() {
            Trust::Learnt => self.learnt.observe(path).0,
            _ => self.apart.entry(path),
        };
        known.merge(seen);
    }

    pub(super) fn release(&mut self, path: &Segments) -> bool {
        let pattern = self.apart.pattern(path);
        let Some(pattern) = pattern.and_then(|pattern| Segments::parse(&pattern).ok()) else {
            return false;
        };
        let Some(released) = self.apart.lookup(path).and_then(released) else {
            return false;
        };
        self.apart.remove(&pattern);
        self.learnt.observe(&pattern).0.merge(&released);
        true
    }

    /// Of two that have as much in common with it the learnt one.
    pub(super) fn nearest(&self, path: &Segments) -> Option<Nearest> {
        let nearest = [self.apart.nearest(path), self.learnt.nearest(path)];
        nearest
            .into_iter()
            .flatten()
            .max_by_key(|near| near.matched)
    }

    pub(super) fn pattern(&self, path: &Segments) -> Option<String> {
        self.apart.pattern(path).or_else(|| {
            self.learnt.lookup(path)?;
            Some(self.learnt.nearest(path)?.pattern)
        })
    }

    pub(super) fn patterns(&self) -> Vec<(String, &Seen)> {
        let mut patterns: Vec<_> = self
            .learnt
            .patterns()
            .chain(self.apart.patterns())
            .collect();
        // Stable.
        patterns.sort_by(|(one, _), (other, _)| one.cmp(other));
        patterns
    }

    pub(super) fn seen(&self) -> Vec<&Seen> {
        let mut seen = self.learnt.values();
        seen.extend(self.apart.values());
        seen
    }

    /// What guarded paths are known by. What is apart is taken for guarded as a whole.
    pub(super) fn seen_guarded(&self) -> Vec<&Seen> {
        let mut seen = self.learnt.guarded_values();
        seen.extend(self.apart.values());
        seen
    }

    pub(super) fn shaped(&self, path: &Segments) -> Option<&Seen> {
        self.learnt.lookup_shaped(path)
    }

    pub(super) fn completes(&self, path: &Segments) -> bool {
        self.learnt.completes(path)
    }

    pub(super) fn each_mut(&mut self, mut with: impl FnMut(&mut Seen)) {
        self.learnt.each_value_mut(&mut with);
        self.apart.each_value_mut(&mut with);
    }

    pub(super) fn len(&self) -> usize {
        self.learnt.nodes() + self.apart.len()
    }

    pub(in crate::baseline) fn coarsen(&mut self, depth: usize) {
        self.learnt.coarsen(depth);
    }

    pub(super) fn learnt_bytes(&self) -> usize {
        self.learnt.bytes()
    }

    pub(super) fn apart_bytes(&self) -> usize {
        self.apart.bytes()
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.learnt.merge(&other.learnt);
        self.apart.merge(&other.apart);
    }
}
