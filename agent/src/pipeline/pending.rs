//! Findings that wait for a container's identity.
//!
//! Two kinds wait, in one bounded list:
//! - a definite match whose container has no name yet, at most for the grace: then it leaves and
//!   is amended when the name comes;
//! - a rule that cannot be decided without the metadata, until it comes: deciding early would
//!   mean guessing. After a much longer limit it leaves as undecided, since silence would be a
//!   guess too.
//!
//! CRITICAL and worse never wait. When the list is full the oldest leaves as it is.

use std::collections::VecDeque;

use crate::detect::RuleIndex;
use crate::model::Event;
use crate::telemetry::{QueueDepth, WhenFull};

/// Limits of the list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Longest wait of a definite match, in nanoseconds.
    pub(super) grace_ns: u64,
    /// Longest wait of an undecided rule, in nanoseconds.
    pub(super) decide_within_ns: u64,
    /// Most that wait.
    pub(super) max: usize,
}

/// One pair of event and rule.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    /// The event, as it was.
    pub(super) event: Event<'static>,
    /// The rule.
    pub(super) rule: RuleIndex,
    /// The rule matched; only the name is missing.
    pub(super) definite: bool,
    /// cgroup of the process, by which the container is looked up again.
    pub(super) cgroup_id: u64,
    /// When it began to wait, nanoseconds since boot.
    pub(super) since_ns: u64,
}

/// The list, oldest first.
#[derive(Debug)]
pub(super) struct Pending {
    limits: Limits,
    list: VecDeque<Waiting>,
    evicted: u64,
}

impl Pending {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            list: VecDeque::new(),
            evicted: 0,
        }
    }

    /// Number of pairs that wait.
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// How full the list is.
    pub(super) fn depth(&self) -> QueueDepth {
        QueueDepth {
            name: "pending".to_owned(),
            capacity: self.limits.max as u64,
            depth: self.list.len() as u64,
            when_full: WhenFull::EvictOldest,
            times_full: Some(self.evicted),
        }
    }

    /// Adds a pair; returns the oldest one if it must leave for it.
    pub(super) fn push(&mut self, waiting: Waiting) -> Option<Waiting> {
        let oldest = if self.list.len() >= self.limits.max {
            self.evicted += 1;
            self.list.pop_front()
        } else {
            None
        };
        self.list.push_back(waiting);
        oldest
    }

    /// Takes every pair whose container is one of these.
    pub(super) fn take_of(&mut self, container_ids: &[&str]) -> Vec<Waiting> {
        self.take(|waiting| {
            let container = waiting.event.container.container();
            container.is_some_and(|container| container_ids.contains(&container.id.as_str()))
        })
    }

    /// Takes every pair that has waited as long as it may.
    pub(super) fn take_due(&mut self, now_ns: u64) -> Vec<Waiting> {
        let Limits {
            grace_ns,
            decide_within_ns,
            ..
        } = self.limits;
        self.take(|waiting| {
            let limit = if waiting.definite {
                grace_ns
            } else {
                decide_within_ns
            };
            waiting.since_ns.saturating_add(limit) <= now_ns
        })
    }

    /// Whether the wait of this pair went beyond the grace.
    pub(super) fn is_late(&self, waiting: &Waiting, now_ns: u64) -> bool {
        now_ns > waiting.since_ns.saturating_add(self.limits.grace_ns)
    }

    /// Takes everything, at shutdown.
    pub(super) fn take_all(&mut self) -> Vec<Waiting> {
        self.list.drain(..).collect()
    }

    fn take(&mut self, mut wanted: impl FnMut(&Waiting) -> bool) -> Vec<Waiting> {
        if !self.list.iter().any(&mut wanted) {
            return Vec::new();
        }
        let (taken, kept) = self.list.drain(..).partition(wanted);
        self.list = kept;
        Vec::from(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::sample::{CONTAINER_ID, alert_in, pending_container_view};

    const LIMITS: Limits = Limits {
        grace_ns: 250,
        decide_within_ns: 30_000,
        max: 3,
    };

    fn waiting(rule: u32, definite: bool, since_ns: u64) -> Waiting {
        Waiting {
            event: alert_in(pending_container_view()).event,
            rule: RuleIndex(rule),
            definite,
            cgroup_id: 1,
            since_ns,
        }
    }

    fn rules(taken: &[Waiting]) -> Vec<u32> {
        taken.iter().map(|waiting| waiting.rule.0).collect()
    }

    #[test]
    fn a_definite_match_waits_for_the_grace_an_undecided_rule_longer() {
        let mut pending = Pending::new(LIMITS);
        pending.push(waiting(1, true, 100));
        pending.push(waiting(2, false, 100));
        assert!(pending.take_due(349).is_empty());
        assert_eq!(rules(&pending.take_due(350)), [1]);
        assert!(pending.take_due(30_099).is_empty());
        assert_eq!(rules(&pending.take_due(30_100)), [2]);
        assert_eq!(pending.len(), 0);
    }

    #[test]
    fn only_pairs_of_the_container_are_taken() {
        let mut pending = Pending::new(LIMITS);
        pending.push(waiting(1, true, 0));
        assert!(pending.take_of(&["another"]).is_empty());
        assert_eq!(rules(&pending.take_of(&[CONTAINER_ID])), [1]);
    }

    #[test]
    fn a_full_list_lets_the_oldest_go() {
        let mut pending = Pending::new(LIMITS);
        for rule in 1..=3 {
            assert!(pending.push(waiting(rule, false, 0)).is_none());
        }
        let oldest = pending.push(waiting(4, false, 0));
        assert_eq!(oldest.map(|waiting| waiting.rule.0), Some(1));
        assert_eq!(pending.depth().times_full, Some(1));
        assert_eq!(rules(&pending.take_all()), [2, 3, 4]);
    }

    #[test]
    fn late_means_later_than_the_grace() {
        let pending = Pending::new(LIMITS);
        let waiting = waiting(1, false, 100);
        assert!(!pending.is_late(&waiting, 350));
        assert!(pending.is_late(&waiting, 351));
    }
}
