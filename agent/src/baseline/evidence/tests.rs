use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Few ids, so that sets meet, and the extremes.
fn ids() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0..8_u64, 1 => Just(u64::MAX), 1 => Just(u64::MAX - 1), 1 => any::<u64>()]
}

fn decisions() -> impl Strategy<Value = (Decision, u64)> {
    (
        prop_oneof![Just(Decision::Accepted), Just(Decision::Rejected)],
        ids(),
    )
}

pub(in crate::baseline) fn seen() -> impl Strategy<Value = Seen> {
    let marks = prop_oneof![
        Just(Marks::default()),
        Just(Marks::QUARANTINED),
        Just(Marks::OWN.union(Marks::NEVER_LEARNT)),
    ];
    let observed = vec((ids(), ids(), ids()), 0..6);
    (observed, vec(ids(), 0..6), vec(decisions(), 0..3), marks).prop_map(
        |(observed, windows, decisions, marks)| {
            let mut seen = Seen::default();
            for (time, instance, version) in observed {
                seen.observe(time, InstanceId(instance), version);
            }
            windows
                .into_iter()
                .for_each(|window| seen.count(WindowId(window)));
            for (decision, time) in decisions {
                seen.decide(decision, time);
            }
            seen.marks = marks;
            seen
        },
    )
}

pub(in crate::baseline) fn exposures() -> impl Strategy<Value = Exposure> {
    (0..3_u64, vec((ids(), ids(), ids(), ids(), 0..3_u8), 0..8)).prop_map(|(since, watched)| {
        let mut exposure = Exposure::default();
        exposure.restart(since);
        for (node, instance, begin, end, kind) in watched {
            let (node, instance) = (NodeId(node), InstanceId(instance));
            match kind {
                0 => exposure.whole_window(node, instance, begin, end),
                1 => exposure.start(node, instance, begin, end),
                _ => exposure.lossy(node, end),
            }
        }
        exposure
    })
}

fn join<T: Clone>(merge: fn(&mut T, &T)) -> impl Fn(&T, &T) -> T {
    move |one, other| {
        let mut joined = one.clone();
        merge(&mut joined, other);
        joined
    }
}

proptest! {
    #[test]
    fn a_sample_is_the_smallest_of_the_set(one in vec(ids(), 0..9), other in vec(ids(), 0..9)) {
        let set = |ids: &[u64]| -> BTreeSet<u64> {
            ids.iter().map(|id| (*id).min(u64::MAX - 1)).collect()
        };
        let mut sample: Sample<3> = one.iter().copied().collect();
        prop_assert_eq!(sample.count(), set(&one).len().min(3));
        sample.merge(&other.iter().copied().collect());
        let both = set(&[one, other].concat());
        prop_assert!(sample.ids().eq(both.iter().copied().take(3)));
        prop_assert_eq!(sample.is_full(), both.len() >= 3);
    }

    #[test]
    fn merging_behaviours_is_a_join(a in seen(), b in seen(), c in seen()) {
        let join = join(Seen::merge);
        prop_assert_eq!(join(&a, &b), join(&b, &a));
        prop_assert_eq!(join(&join(&a, &b), &c), join(&a, &join(&b, &c)));
        prop_assert_eq!(join(&a, &a), a);
        prop_assert_eq!(join(&join(&a, &b), &b), join(&a, &b));
        prop_assert_eq!(join(&a, &Seen::default()), a);
    }

    #[test]
    fn merging_exposures_is_a_join(a in exposures(), b in exposures(), c in exposures()) {
        let join = join(Exposure::merge);
        prop_assert_eq!(join(&a, &b), join(&b, &a));
        prop_assert_eq!(join(&join(&a, &b), &c), join(&a, &join(&b, &c)));
        prop_assert_eq!(join(&a, &a), a.clone());
        prop_assert_eq!(join(&join(&a, &b), &b), join(&a, &b));
        prop_assert_eq!(join(&a, &Exposure::default()), a.clone());
        let totals = join(&a, &b).totals();
        if a.since() == b.since() {
            prop_assert!(totals.seconds >= a.totals().seconds.max(b.totals().seconds));
        }
        prop_assert!(a.span() <= a.last());
    }

    #[test]
    fn what_is_observed_is_never_less(a in seen(), time: u64, instance: u64, version: u64) {
        let mut more = a;
        more.observe(time, InstanceId(instance), version);
        prop_assert_eq!(join(Seen::merge)(&a, &more), more);
        prop_assert!(more.is_seen() && more.gap <= MAX_GAP);
    }
}

#[test]
fn the_longest_gap_is_kept() {
    let mut seen = Seen::default();
    let mut gap_after = |time| {
        seen.observe(time, InstanceId(1), 0);
        seen.gap
    };
    assert_eq!(
        [100, 100, 130, 131, 120, 10].map(&mut gap_after),
        [0, 0, 30, 30, 30, 90]
    );
    assert_eq!(gap_after(u64::MAX), MAX_GAP);
}

#[test]
fn the_last_word_holds_and_the_stricter_of_two() {
    let mut seen = Seen {
        marks: Marks::QUARANTINED,
        ..Seen::default()
    };
    assert_eq!(seen.trust(), Trust::Quarantined);
    seen.decide(Decision::Rejected, 10);
    seen.decide(Decision::Accepted, 10);
    assert_eq!(seen.trust(), Trust::Rejected);
    seen.decide(Decision::Accepted, 11);
    seen.decide(Decision::Rejected, 9);
    assert_eq!(seen.trust(), Trust::Accepted);
    // Another node that had not heard of it quarantines it anew.
    seen.merge(&Seen {
        marks: Marks::QUARANTINED.union(Marks::NEVER_LEARNT),
        ..Seen::default()
    });
    assert_eq!(seen.trust(), Trust::Accepted);
}

#[test]
fn a_window_counts_only_as_a_whole() {
    let open = |limit| OpenWindow::new(WindowId(1), 0, limit);
    let mut whole = open(2);
    [7, 8, 7].into_iter().for_each(|key| whole.saw(key));
    assert_eq!(whole.close(), Some(BTreeSet::from([7, 8])));
    let mut lossy = open(2);
    lossy.saw(7);
    lossy.lost();
    lossy.saw(8);
    assert_eq!(lossy.close(), None);
    let mut flooded = open(2);
    (0..3).for_each(|key| flooded.saw(key));
    assert_eq!(flooded.close(), None);
}

#[test]
fn replicas_add_exposure_but_no_span() {
    let mut exposure = Exposure::default();
    let nodes = [1, 1, 2].map(NodeId);
    for begin in [1_000, 1_060, 5_000] {
        for (instance, node) in nodes.into_iter().enumerate() {
            exposure.whole_window(node, InstanceId(instance as u64), begin, begin + 60);
        }
    }
    assert_eq!(
        (exposure.totals().seconds, exposure.totals().windows),
        (540, 9)
    );
    assert_eq!(exposure.nodes()[&NodeId(1)].covered_seconds, 180);
    // Both nodes have the same gap: too long by the overlap at most.
    assert_eq!(exposure.span(), 360);
    assert_eq!((exposure.instances().count(), exposure.last()), (3, 5_060));
    exposure.whole_window(NodeId(1), InstanceId(1), 6_000, 6_000);
    assert_eq!(exposure.totals().windows, 9);
}

#[test]
fn a_restart_forgets_the_time_before() {
    let node = NodeId(1);
    let mut exposure = Exposure::default();
    exposure.whole_window(node, InstanceId(1), 100, 160);
    let old = exposure.clone();
    exposure.restart(150);
    exposure.restart(120);
    assert_eq!(exposure.since(), 150);
    // It began before.
    exposure.whole_window(node, InstanceId(1), 149, 160);
    exposure.start(node, InstanceId(1), 149, 160);
    assert_eq!(exposure.totals(), Totals::default());
    exposure.whole_window(node, InstanceId(1), 150, 210);
    let mut merged = old;
    merged.merge(&exposure);
    assert_eq!(merged, exposure);
}
