//! The window that an instance is in.

use std::collections::BTreeSet;

use super::WindowId;

/// What came in a window that has not ended. It is bounded: one with more behaviours than its
/// limit is not whole.
#[derive(Clone, Debug)]
pub struct OpenWindow<K> {
    id: WindowId,
    begin: u64,
    limit: usize,
    whole: bool,
    keys: BTreeSet<K>,
}

impl<K: Ord> OpenWindow<K> {
    /// Opens a window at `begin`.
    pub fn new(id: WindowId, begin: u64, limit: usize) -> Self {
        Self {
            id,
            begin,
            limit,
            whole: true,
            keys: BTreeSet::new(),
        }
    }

    /// Which one.
    pub fn id(&self) -> WindowId {
        self.id
    }

    /// When it began.
    pub fn begin(&self) -> u64 {
        self.begin
    }

    /// A behaviour came. One whose [`super::Seen::windows`] is full need not be entered.
    pub fn saw(&mut self, key: K) {
        if !self.whole || self.keys.contains(&key) {
            return;
        }
        if self.keys.len() >= self.limit {
            self.lost();
            return;
        }
        self.keys.insert(key);
    }

    /// An event was lost, or the instance was not there all the time.
    pub fn lost(&mut self) {
        self.whole = false;
        self.keys = BTreeSet::new();
    }

    /// The window has ended: what counts for it, or `None` when it was not whole.
    pub fn close(self) -> Option<BTreeSet<K>> {
        self.whole.then_some(self.keys)
    }
}
