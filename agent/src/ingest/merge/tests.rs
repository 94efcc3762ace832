use std::collections::VecDeque;

use proptest::prelude::*;
use zerocopy::{FromBytes, IntoBytes};

use super::*;

const FLAGGED: u16 = record_flags::OUT_OF_ORDER;

impl Source for VecDeque<Vec<u8>> {
    fn take(&mut self, with: &mut dyn FnMut(&[u8])) -> bool {
        let record = self.pop_front();
        if let Some(record) = &record {
            with(record);
        }
        record.is_some()
    }
}

fn record(boot_ns: u64) -> Vec<u8> {
    RecordHeader {
        boot_ns,
        ..RecordHeader::default()
    }
    .as_bytes()
    .to_vec()
}

/// A record that is so large that four of them fill a lane.
fn large(boot_ns: u64) -> Vec<u8> {
    let mut bytes = record(boot_ns);
    bytes.resize(LANE_BYTES / 4, 0);
    bytes
}

fn ring(records: impl IntoIterator<Item = Vec<u8>>) -> VecDeque<Vec<u8>> {
    records.into_iter().collect()
}

fn times(batch: &Batch) -> Vec<(u64, u16)> {
    batch
        .records()
        .map(|bytes| {
            let (header, _) = RecordHeader::read_from_prefix(bytes).unwrap();
            (header.boot_ns, header.flags)
        })
        .collect()
}

/// One pass over both rings.
fn pass(
    merger: &mut Merger,
    bulk: &mut VecDeque<Vec<u8>>,
    critical: &mut VecDeque<Vec<u8>>,
    now_ns: u64,
) -> Vec<(u64, u16)> {
    merger.fill(Lane::Bulk, bulk, now_ns);
    merger.fill(Lane::Critical, critical, now_ns);
    times(&merger.release(now_ns))
}

#[test]
fn what_is_newer_than_the_pass_waits() {
    let mut merger = Merger::default();
    let (mut bulk, mut critical) = (ring([record(10), record(30)]), ring([record(20)]));
    let released = pass(&mut merger, &mut bulk, &mut critical, 20);
    assert_eq!(released, [(10, 0), (20, 0)]);
    assert_eq!(merger.len(), 1);
    assert_eq!(times(&merger.release(40)), [(30, 0)]);
}

#[test]
fn a_record_that_comes_too_late_says_so() {
    let mut merger = Merger::default();
    pass(&mut merger, &mut ring([record(30)]), &mut ring([]), 30);
    let late = pass(&mut merger, &mut ring([record(20)]), &mut ring([]), 40);
    assert_eq!(late, [(20, FLAGGED)]);
}

#[test]
fn a_fragment_is_passed_on_for_the_decoder_to_refuse() {
    let mut merger = Merger::default();
    merger.push(Lane::Bulk, &[1, 2, 3], 0);
    assert_eq!(merger.release(0).len(), 1);
}

#[test]
fn a_bulk_record_waits_for_older_critical_ones() {
    let mut merger = Merger::default();
    let mut critical = ring((1..=8).map(large));
    let mut bulk = ring([record(6)]);
    let first = pass(&mut merger, &mut bulk, &mut critical, 100);
    assert_eq!(first, [(1, 0), (2, 0), (3, 0), (4, 0)]);
    assert!(merger.has_more());
    let second = pass(&mut merger, &mut bulk, &mut critical, 101);
    assert_eq!(second, [5, 6, 6, 7, 8].map(|time| (time, 0)));
}

#[test]
fn a_flood_of_critical_records_delays_bulk_records_no_longer_than_allowed() {
    let mut merger = Merger::default();
    let mut critical = ring((1..=100).map(large));
    let mut bulk = ring([record(1_000)]);
    let mut released = pass(&mut merger, &mut bulk, &mut critical, 2_000);
    released.extend(pass(&mut merger, &mut bulk, &mut critical, MAX_WAIT_NS));
    assert!(released.iter().all(|(time, _)| *time <= 8));
    let overdue = pass(&mut merger, &mut bulk, &mut critical, 2_000 + MAX_WAIT_NS);
    assert_eq!(overdue.last(), Some(&(1_000, FLAGGED)));
}

#[test]
fn what_waits_is_bounded_whichever_ring_is_behind() {
    for bulk_is_behind in [false, true] {
        let mut merger = Merger::default();
        let mut behind = ring((1..=40).map(large));
        let mut ahead = ring((1_000..1_040).map(large));
        let mut released = 0;
        for step in 0..12 {
            let now = 2_000 + step;
            released += if bulk_is_behind {
                pass(&mut merger, &mut behind, &mut ahead, now).len()
            } else {
                pass(&mut merger, &mut ahead, &mut behind, now).len()
            };
            assert!(merger.waiting.cost() <= 2 * (LANE_BYTES + Entry::cost(LANE_BYTES / 4)));
        }
        assert!(released >= 40, "the ring that is behind goes on");
    }
}

#[test]
fn bulk_records_do_not_hold_back_a_full_lane_of_critical_ones() {
    let mut merger = Merger::default();
    let mut bulk = ring((1..=100).map(large));
    let mut critical = ring((1_000..1_008).map(large));
    pass(&mut merger, &mut bulk, &mut critical, 2_000);
    let released = pass(&mut merger, &mut bulk, &mut critical, 2_000 + MAX_WAIT_NS);
    assert!(released.contains(&(1_000, 0)));
    let late = pass(&mut merger, &mut bulk, &mut critical, 2_001 + MAX_WAIT_NS);
    assert_eq!(late.first(), Some(&(9, FLAGGED)));
}

proptest! {
    #[test]
    fn nothing_is_lost_and_unflagged_records_are_in_order(
        passes in proptest::collection::vec(
            (proptest::collection::vec((0u64..100, any::<bool>()), 0..20), 0u64..120), 0..10)
    ) {
        let mut merger = Merger::default();
        let mut pushed = 0;
        let mut seen = Vec::new();
        for (arrivals, now) in &passes {
            for (time, critical) in arrivals {
                let lane = if *critical { Lane::Critical } else { Lane::Bulk };
                merger.push(lane, &record(*time), *now);
            }
            pushed += arrivals.len();
            seen.extend(times(&merger.release(*now)));
        }
        seen.extend(times(&merger.release_all()));
        prop_assert_eq!(seen.len(), pushed);
        prop_assert_eq!(merger.lanes.map(|lane| lane.cost), [0, 0]);
        let mut newest = 0;
        for (time, flags) in seen {
            prop_assert!(flags != 0 || time >= newest);
            newest = newest.max(time);
        }
    }
}
