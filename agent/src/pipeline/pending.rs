//! Findings that wait for a container's identity.
//!
//! Two kinds wait, in one bounded list:
//! - a definite match whose container has no name yet, or whose cgroup is not known, at most for
//!   the grace: then it leaves and is amended when the name comes;
//! - a rule that cannot be decided without the metadata or the resolvers, until they come: deciding early would
//!   mean guessing. After a much longer limit it leaves as undecided, since silence would be a
//!   guess too.
//!
//! CRITICAL and worse never wait. When the list is full the oldest leaves as it is. What waits keeps
//! the rule set that saw its event.

use std::collections::VecDeque;
use std::sync::Arc;

use super::rules::RulesInForce;
use crate::detect::RuleIndex;
use crate::enrich::dns::{Owner, awaits_resolvers};
use crate::model::{ContainerView, Event};
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
    /// The set that saw it.
    pub(super) rules: Arc<RulesInForce>,
    /// The rule in that set.
    pub(super) rule: RuleIndex,
    /// The rule matched; only the name is missing.
    pub(super) definite: bool,
    /// cgroup of the process, by which the container is looked up again.
    pub(super) cgroup_id: u64,
    /// When it began to wait, nanoseconds since boot.
    pub(super) since_ns: u64,
}

/// What pairs wait for.
#[derive(Debug)]
pub(super) enum Awaited<'a> {
    /// The metadata of these containers, by id.
    Containers(&'a [&'a str]),
    /// Whose these cgroups are.
    Cgroups(&'a [u64]),
    /// Which resolvers these have.
    Resolvers(&'a [Owner]),
}

impl Awaited<'_> {
    fn covers(&self, waiting: &Waiting) -> bool {
        match (self, &waiting.event.container) {
            (Self::Containers(ids), ContainerView::Container(container)) => {
                ids.contains(&container.id.as_str())
            }
            (Self::Cgroups(ids), ContainerView::Unknown { cgroup_id, .. }) => {
                ids.contains(cgroup_id)
            }
            (Self::Resolvers(owners), container) => {
                awaits_resolvers(&waiting.event)
                    && Owner::of(container).is_some_and(|owner| owners.contains(&owner))
            }
            _ => false,
        }
    }
}

/// What becomes of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It goes on waiting.
    Wait,
    /// It leaves as an alert.
    Raise,
    /// Its rule does not match after all.
    Drop,
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

    /// Adds a pair; returns the oldest one if it must leave for it. A pair may come after newer
    /// ones: a late record makes it.
    pub(super) fn push(&mut self, waiting: Waiting) -> Option<Waiting> {
        let since = waiting.since_ns;
        let at = self.list.partition_point(|other| other.since_ns <= since);
        self.list.insert(at, waiting);
        if self.list.len() > self.limits.max {
            self.evicted += 1;
            self.list.pop_front()
        } else {
            None
        }
    }

    /// Asks about every pair of these whether it goes on waiting. Returns those that leave to be
    /// raised, oldest first; the others keep their places.
    pub(super) fn reconsider(
        &mut self,
        awaited: &Awaited<'_>,
        mut verdict: impl FnMut(&mut Waiting) -> Verdict,
    ) -> Vec<Waiting> {
        if !self.list.iter().any(|waiting| awaited.covers(waiting)) {
            return Vec::new();
        }
        let mut raised = Vec::new();
        let mut kept = VecDeque::with_capacity(self.list.len());
        for mut waiting in self.list.drain(..) {
            let verdict = if awaited.covers(&waiting) {
                verdict(&mut waiting)
            } else {
                Verdict::Wait
            };
            match verdict {
                Verdict::Wait => kept.push_back(waiting),
                Verdict::Raise => raised.push(waiting),
                Verdict::Drop => {}
            }
        }
        self.list = kept;
        raised
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
        self.is_beyond_grace(waiting.since_ns, now_ns)
    }

    /// Whether a wait since then went beyond the grace.
    pub(super) fn is_beyond_grace(&self, since_ns: u64, now_ns: u64) -> bool {
        now_ns > since_ns.saturating_add(self.limits.grace_ns)
    }

    /// Takes what waits under the oldest sets, where there are more than so many. That counts as
    /// leaving for want of room.
    pub(super) fn take_beyond_sets(&mut self, sets: usize) -> Vec<Waiting> {
        let mut generations: Vec<u64> = Vec::new();
        for waiting in &self.list {
            let generation = waiting.rules.generation;
            if let Err(at) = generations.binary_search(&generation) {
                generations.insert(at, generation);
            }
        }
        let excess = generations.len().saturating_sub(sets);
        let Some(&oldest_kept) = generations.get(excess) else {
            return Vec::new();
        };
        let taken = self.take(|waiting| waiting.rules.generation < oldest_kept);
        self.evicted += taken.len() as u64;
        taken
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
    use proptest::prelude::*;

    use super::super::rules::testing::rules_of;
    use super::*;
    use crate::alert::sample::{CONTAINER_ID, alert_in, pending_container_view, unknown_view};

    const LIMITS: Limits = Limits {
        grace_ns: 250,
        decide_within_ns: 30_000,
        max: 3,
    };

    fn waiting(rule: u32, definite: bool, since_ns: u64) -> Waiting {
        Waiting {
            event: alert_in(pending_container_view()).event,
            rules: rules_of("", 1).in_force,
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
        pending.push(Waiting {
            event: alert_in(unknown_view(7, None)).event,
            ..waiting(2, true, 1)
        });
        let raised = |pending: &mut Pending, awaited| {
            rules(&pending.reconsider(&awaited, |_| Verdict::Raise))
        };
        assert!(raised(&mut pending, Awaited::Containers(&["another"])).is_empty());
        assert!(raised(&mut pending, Awaited::Cgroups(&[1])).is_empty());
        assert_eq!(
            raised(&mut pending, Awaited::Containers(&[CONTAINER_ID])),
            [1]
        );
        assert_eq!(raised(&mut pending, Awaited::Cgroups(&[7])), [2]);
    }

    #[test]
    fn who_goes_on_waiting_keeps_its_place() {
        let mut pending = Pending::new(LIMITS);
        for rule in 1..=3 {
            pending.push(waiting(rule, false, u64::from(rule)));
        }
        let awaited = Awaited::Containers(&[CONTAINER_ID]);
        let raised = pending.reconsider(&awaited, |waiting| match waiting.rule.0 {
            2 => Verdict::Raise,
            _ => Verdict::Wait,
        });
        assert_eq!(rules(&raised), [2]);
        pending.push(waiting(4, false, 4));
        let oldest = pending.push(waiting(5, false, 5));
        assert_eq!(oldest.map(|waiting| waiting.rule.0), Some(1));
        assert_eq!(rules(&pending.take_all()), [3, 4, 5]);
    }

    proptest! {
        #[test]
        fn the_list_is_bounded_and_oldest_first(
            steps in prop::collection::vec((0..20_u64, 0..3_u8), 0..40),
            max in 0..6_usize,
        ) {
            let mut pending = Pending::new(Limits { max, ..LIMITS });
            let mut inside: Vec<u64> = Vec::new();
            for (since, kind) in steps {
                inside.push(since);
                inside.sort_unstable();
                if let Some(left) = pending.push(waiting(0, false, since)) {
                    prop_assert_eq!(left.since_ns, inside.remove(0));
                }
                prop_assert!(pending.len() <= max);
                let verdict = [Verdict::Wait, Verdict::Raise, Verdict::Drop][kind as usize];
                let picked = |at: u64| at.is_multiple_of(4);
                let awaited = Awaited::Containers(&[CONTAINER_ID]);
                let raised = pending.reconsider(&awaited, |waiting| {
                    if picked(waiting.since_ns) { verdict } else { Verdict::Wait }
                });
                prop_assert!(raised.is_sorted_by_key(|waiting| waiting.since_ns));
                inside.retain(|since| verdict == Verdict::Wait || !picked(*since));
                let order: Vec<u64> = pending.list.iter().map(|w| w.since_ns).collect();
                prop_assert_eq!(&order, &inside);
            }
        }
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
    fn what_waits_under_the_oldest_sets_leaves_when_there_are_too_many() {
        let mut pending = Pending::new(Limits { max: 10, ..LIMITS });
        for rule in 1..=6 {
            pending.push(Waiting {
                rules: rules_of("", u64::from(rule).div_ceil(2)).in_force,
                ..waiting(rule, false, 0)
            });
        }
        assert!(pending.take_beyond_sets(3).is_empty());
        assert_eq!(rules(&pending.take_beyond_sets(2)), [1, 2]);
        assert_eq!(pending.depth().times_full, Some(2));
        assert_eq!(rules(&pending.take_all()), [3, 4, 5, 6]);
    }

    #[test]
    fn late_means_later_than_the_grace() {
        let pending = Pending::new(LIMITS);
        let waiting = waiting(1, false, 100);
        assert!(!pending.is_late(&waiting, 350));
        assert!(pending.is_late(&waiting, 351));
    }
}
