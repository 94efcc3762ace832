//! Which classes of a workload an operator holds.
//!
//! A lock is a register of which the last word counts, so that locks merge as the rest of a profile
//! does: in any order, and however often. Of two words at one time the stricter counts.

use super::class::Class;
use super::profile::Phase;

/// What an operator said last of a class. The default is the least element: nobody said anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lock {
    /// When, in seconds since the Unix epoch. It comes first: the later of two is the greater.
    time: u64,
    locked: bool,
}

impl Lock {
    /// A word that was said at `time`.
    pub const fn new(locked: bool, time: u64) -> Self {
        Self { time, locked }
    }

    /// The class is held.
    pub const fn is_locked(self) -> bool {
        self.locked
    }

    /// When that was said; `None` when nobody ever said anything.
    pub fn time(self) -> Option<u64> {
        (self != Self::default()).then_some(self.time)
    }

    /// The lock after a word that is said at `time`, which is the last one also where clocks differ.
    #[must_use]
    pub fn then(self, locked: bool, time: u64) -> Self {
        let next = self.time().map_or(0, |before| before.saturating_add(1));
        self.max(Self::new(locked, time.max(next)))
    }
}

/// The locks of a workload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Locks([[Lock; Class::ALL.len()]; Phase::ALL.len()]);

impl Locks {
    /// That of a class in a phase.
    pub fn get(&self, phase: Phase, class: Class) -> Lock {
        self.0[phase as usize][class.index()]
    }

    /// Joins a word to what was said before.
    pub fn join(&mut self, phase: Phase, class: Class, lock: Lock) {
        let known = &mut self.0[phase as usize][class.index()];
        *known = lock.max(*known);
    }

    /// Joins all that others said.
    pub fn merge(&mut self, other: &Self) {
        for (phase, class, lock) in other.iter() {
            self.join(phase, class, lock);
        }
    }

    /// Everything that was said, in the order of profiles.
    pub fn iter(&self) -> impl Iterator<Item = (Phase, Class, Lock)> {
        Phase::ALL.into_iter().flat_map(move |phase| {
            let of = Class::ALL.map(|class| (phase, class, self.get(phase, class)));
            of.into_iter().filter(|(.., lock)| lock.time().is_some())
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    /// Locks of few classes and times, so that they meet.
    pub(in crate::baseline) fn locks() -> impl Strategy<Value = Locks> {
        let lock = prop_oneof![3 => 0..4_u64, 1 => any::<u64>()];
        let word = (
            select(&Phase::ALL[..]),
            select(&[Class::Exec, Class::FileRead, Class::RareCall][..]),
            any::<bool>(),
            lock,
        );
        vec(word, 0..6).prop_map(|words| {
            let mut locks = Locks::default();
            for (phase, class, locked, time) in words {
                locks.join(phase, class, Lock::new(locked, time));
            }
            locks
        })
    }

    fn merged(one: &Locks, other: &Locks) -> Locks {
        let mut all = one.clone();
        all.merge(other);
        all
    }

    #[test]
    fn the_last_word_counts_and_of_two_at_a_time_the_stricter() {
        let (locked, unlocked) = (Lock::new(true, 5), Lock::new(false, 5));
        assert_eq!(locked.max(unlocked), locked);
        assert_eq!(locked.max(Lock::new(false, 6)), Lock::new(false, 6));
        assert_eq!(unlocked.max(Lock::new(true, 4)), unlocked);
    }

    #[test]
    fn a_word_is_the_last_one_whatever_the_clock_says() {
        let ahead = Lock::default().then(true, 100);
        assert_eq!(ahead, Lock::new(true, 100));
        assert_eq!(ahead.then(false, 7), Lock::new(false, 101));
        let never = Lock::new(true, u64::MAX);
        assert_eq!(never.then(false, 7), never, "nothing comes after it");
        assert_eq!(Lock::default().time(), None);
        assert_eq!(Lock::default().then(false, 0).time(), None);
    }

    proptest! {
        #[test]
        fn merging_is_a_join(a in locks(), b in locks(), c in locks()) {
            prop_assert_eq!(merged(&a, &b), merged(&b, &a));
            prop_assert_eq!(
                merged(&merged(&a, &b), &c),
                merged(&a, &merged(&b, &c))
            );
            prop_assert_eq!(merged(&a, &a), a.clone());
            prop_assert_eq!(merged(&a, &Locks::default()), a);
        }

        #[test]
        fn what_was_said_is_all_there_is(locks in locks()) {
            let mut again = Locks::default();
            for (phase, class, lock) in locks.iter() {
                again.join(phase, class, lock);
            }
            prop_assert_eq!(again, locks);
        }
    }
}
