//! The smallest members of a set: enough to count it while it is small.

use std::mem;

/// Stands for no id.
const NONE: u64 = u64::MAX;

/// The `K` smallest distinct ids of a set of hashes (a bottom-k sketch). The sample of a union
/// follows from the samples of its parts, and the size of the set is exact below `K`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sample<const K: usize>(
    /// Ascending, then `NONE`.
    [u64; K],
);

impl<const K: usize> Default for Sample<K> {
    fn default() -> Self {
        Self([NONE; K])
    }
}

impl<const K: usize> Sample<K> {
    /// Adds a member. `u64::MAX` counts as the id below it.
    pub fn insert(&mut self, id: u64) {
        let mut id = id.min(NONE - 1);
        for kept in &mut self.0 {
            if *kept == id {
                return;
            }
            if *kept > id {
                mem::swap(kept, &mut id);
            }
        }
    }

    /// Union.
    pub fn merge(&mut self, other: &Self) {
        other.ids().for_each(|id| self.insert(id));
    }

    /// Size of the set below `K`; `K` says `K` or more.
    pub fn count(&self) -> usize {
        self.ids().count()
    }

    /// Whether the set may be larger than the sample.
    pub fn is_full(&self) -> bool {
        self.count() == K
    }

    /// The members kept, ascending.
    pub fn ids(&self) -> impl Iterator<Item = u64> {
        self.0.iter().copied().take_while(|id| *id != NONE)
    }
}

impl<const K: usize> FromIterator<u64> for Sample<K> {
    fn from_iter<I: IntoIterator<Item = u64>>(ids: I) -> Self {
        let mut sample = Self::default();
        ids.into_iter().for_each(|id| sample.insert(id));
        sample
    }
}
