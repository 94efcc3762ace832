//! Which run of the agent gave which sequence numbers.
//!
//! Sequence numbers go on from run to run; each run has an epoch of its own. So a number that a run
//! gave and that did not reach the disk can be given again without two records being taken for one:
//! they are of different epochs.

use std::collections::VecDeque;

/// Epochs that are remembered. A cursor of an older one is not known any more.
const MAX: usize = 4_096;

/// The epochs in order, each with its first sequence number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Epochs {
    begins: VecDeque<(u64, u64)>,
    /// Which epochs there were before these, and where they ended, is not certain.
    cut: bool,
}

impl Epochs {
    /// None, of a list that had some.
    pub(super) fn cut() -> Self {
        Self {
            cut: true,
            ..Self::default()
        }
    }

    /// An epoch that is not known yet begins with that sequence number. It may give none at all.
    pub(super) fn begin(&mut self, first: u64, epoch: u64) {
        if self.begins.iter().any(|begin| begin.1 == epoch) {
            return;
        }
        if self.begins.len() == MAX {
            self.begins.pop_front();
        }
        self.begins.push_back((first, epoch));
    }

    /// What the other, which is newer, knows beyond this. A list names all epochs before it: where
    /// one of the two is cut, what stands in the newer one is all that is certain.
    pub(super) fn merge(&mut self, newer: &Self) {
        if self.cut || newer.cut {
            self.clone_from(newer);
            return;
        }
        for (first, epoch) in newer.iter() {
            self.begin(first, epoch);
        }
    }

    /// First sequence number and epoch of the last one.
    pub(super) fn current(&self) -> Option<(u64, u64)> {
        self.begins.back().copied()
    }

    /// First sequence number and epoch of each.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.begins.iter().copied()
    }

    /// The last sequence number that an epoch gave, or `newest` when it is the last epoch; `None`
    /// when it is not known.
    pub(super) fn last(&self, epoch: u64, newest: u64) -> Option<u64> {
        let index = self.begins.iter().rposition(|begin| begin.1 == epoch)?;
        let next = self.begins.get(index + 1);
        Some(next.map_or(newest, |next| next.0.saturating_sub(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_ends_where_the_next_begins() {
        let mut epochs = Epochs::default();
        epochs.begin(1, 0xa);
        epochs.begin(5, 0xb);
        assert_eq!(epochs.last(0xa, 9), Some(4));
        assert_eq!(epochs.last(0xb, 9), Some(9));
        assert_eq!(epochs.last(0xc, 9), None);
    }

    #[test]
    fn an_epoch_may_give_no_number() {
        let mut epochs = Epochs::default();
        for (first, epoch) in [(1, 0xa), (5, 0xb), (5, 0xc)] {
            epochs.begin(first, epoch);
        }
        assert_eq!(epochs.last(0xb, 9), Some(4));
        assert_eq!(epochs.last(0xc, 9), Some(9));
    }

    #[test]
    fn what_is_not_certain_is_not_known() {
        let list = |begins: &[(u64, u64)], mut epochs: Epochs| {
            for &(first, epoch) in begins {
                epochs.begin(first, epoch);
            }
            epochs
        };
        let mut merged = list(&[(1, 0xa), (5, 0xb)], Epochs::default());
        // Between b and d there was another, whose row is damaged.
        merged.merge(&list(&[(9, 0xd)], Epochs::cut()));
        assert_eq!(
            (merged.last(0xb, 12), merged.last(0xd, 12)),
            (None, Some(12))
        );
        let all = list(
            &[(1, 0xa), (5, 0xb), (7, 0xc), (9, 0xd), (13, 0xe)],
            Epochs::default(),
        );
        merged.merge(&all);
        assert_eq!(merged, all);
    }

    #[test]
    fn the_oldest_is_forgotten_first() {
        let mut epochs = Epochs::default();
        for first in 1..=MAX as u64 + 1 {
            epochs.begin(first, first);
        }
        assert_eq!(epochs.last(1, 9), None);
        assert_eq!(epochs.last(2, 9), Some(2));
    }
}
