//! More comes of an armed class than was predicted: the workload is not what it was. That is told
//! once, and what comes then is not told one by one until it is ordinary again.

use super::super::class::Class;
use super::super::completeness::DAY;
use super::super::drift::{Change, Watch};

/// What a novelty is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Surge {
    /// Of nothing: such was to be expected.
    None,
    /// Of a surge that begins with it, after so many novelties in a day.
    Began(u64),
    /// Of one that was told.
    GoesOn,
}

/// The armed classes of a workload in its run phase.
#[derive(Debug, Default)]
pub(super) struct Surges([Option<Box<Watch>>; Class::ALL.len()]);

impl Surges {
    /// A behaviour came that was not known. `bound`: at most so many were predicted for a day of all
    /// instances.
    pub(super) fn novelty(&mut self, class: Class, now: u64, bound: f64) -> Surge {
        let watch =
            self.0[class.index()].get_or_insert_with(|| Box::new(Watch::new(DAY, now, bound)));
        watch.novelty(now);
        match watch.judge(now, bound) {
            Some(Change::Began { observed, .. }) => Surge::Began(observed),
            _ if watch.is_drifting() => Surge::GoesOn,
            _ => Surge::None,
        }
    }

    /// A window ended: what comes may be ordinary again.
    pub(super) fn settle(&mut self, now: u64, bound: impl Fn(Class) -> f64) {
        for class in Class::ALL {
            if let Some(watch) = &mut self.0[class.index()] {
                watch.judge(now, bound(class));
            }
        }
    }

    /// Whether a class surges.
    pub(super) fn is_on(&self, class: Class) -> bool {
        let watch = self.0[class.index()].as_ref();
        watch.is_some_and(|watch| watch.is_drifting())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: u64 = 1_700_000_000;

    #[test]
    fn a_surge_is_told_once_and_ends_when_nothing_more_comes() {
        let mut surges = Surges::default();
        let mut told = Vec::new();
        for second in 0..20 {
            told.push(surges.novelty(Class::FileRead, BEGIN + second, 1.0));
        }
        let began = told.iter().filter(|surge| matches!(surge, Surge::Began(_)));
        assert_eq!(began.count(), 1, "{told:?}");
        assert_eq!(told[0], Surge::None);
        assert_eq!(told[19], Surge::GoesOn);
        assert!(surges.is_on(Class::FileRead) && !surges.is_on(Class::Exec));
        surges.settle(BEGIN + DAY / 2, |_| 1.0);
        assert!(surges.is_on(Class::FileRead));
        surges.settle(BEGIN + 2 * DAY, |_| 1.0);
        assert!(!surges.is_on(Class::FileRead));
    }

    #[test]
    fn what_was_predicted_is_no_surge() {
        let mut surges = Surges::default();
        for second in 0..20 {
            let surge = surges.novelty(Class::NetOut, BEGIN + second, 20.0);
            assert_eq!(surge, Surge::None);
        }
    }
}
