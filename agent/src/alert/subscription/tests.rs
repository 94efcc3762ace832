use proptest::prelude::*;

use super::*;
use crate::alert::{SpoolLimits, SpoolWriter, sample};
use crate::proto::record::Body;

use sample::EPOCH;

fn spool(records: usize) -> (Arc<Spool>, SpoolWriter) {
    let limits = SpoolLimits {
        bytes: usize::MAX,
        records,
        age: None,
        memory_bytes: usize::MAX,
    };
    let writer = Spool::with_epoch(EPOCH, limits);
    (Arc::clone(writer.spool()), writer)
}

/// Admits the records that [`sample::stored`] makes `matching`.
fn matching_only() -> Filter {
    Filter::new(proto::Filter {
        allow: vec![proto::Selector {
            rules: vec![sample::rule().name],
            ..proto::Selector::default()
        }],
        ..proto::Filter::default()
    })
    .unwrap()
}

fn append(writer: &mut SpoolWriter, matching: bool) {
    writer.push(sample::stored(writer.next_sequence(), matching));
    assert_eq!(writer.commit(), None);
}

/// Steps until there is nothing left to send.
fn drain(subscription: &mut Subscription) -> Vec<OutgoingRecord> {
    let mut records = Vec::new();
    loop {
        match subscription.step() {
            Step::Record(record) => records.push(record),
            Step::Filtered => {}
            Step::Behind => panic!("there are no files"),
            Step::Idle | Step::End => return records,
        }
    }
}

fn places(records: &[OutgoingRecord]) -> Vec<(u64, u64)> {
    records
        .iter()
        .map(|record| (record.sequence, record.prev_sequence))
        .collect()
}

fn gap(record: &OutgoingRecord) -> Option<proto::Gap> {
    match record.decode().unwrap().body {
        Some(Body::Gap(gap)) => Some(gap),
        _ => None,
    }
}

#[test]
fn a_cursor_resumes_behind_its_record() {
    let (spool, mut writer) = spool(100);
    (0..5).for_each(|_| append(&mut writer, true));
    let start = Start::After {
        epoch: EPOCH,
        sequence: 3,
    };
    let mut subscription = Subscription::new(spool, start, Filter::default()).unwrap();
    assert_eq!(places(&drain(&mut subscription)), [(4, 3), (5, 4)]);
}

#[test]
fn live_and_oldest_begin_at_the_ends() {
    let (spool, mut writer) = spool(3);
    (0..5).for_each(|_| append(&mut writer, true));
    let new = |start| Subscription::new(Arc::clone(&spool), start, Filter::default()).unwrap();
    let (mut live, mut oldest) = (new(Start::Live), new(Start::Oldest));
    assert_eq!(live.progress().complete_through, 5);
    assert_eq!(drain(&mut live), []);
    assert_eq!(places(&drain(&mut oldest)), [(3, 2), (4, 3), (5, 4)]);
}

#[test]
fn a_filter_that_asks_much_gives_way_often() {
    let (spool, mut writer) = spool(100);
    (0..20).for_each(|_| append(&mut writer, true));
    let filter = Filter::new(proto::Filter {
        allow: vec![proto::Selector {
            rules: vec!["*no such rule*".to_owned(); 1_000],
            ..proto::Selector::default()
        }],
        ..proto::Filter::default()
    });
    let mut subscription = Subscription::new(spool, Start::Oldest, filter.unwrap()).unwrap();
    let mut steps = 0;
    while subscription.step() == Step::Filtered {
        steps += 1;
    }
    assert_eq!((steps, subscription.progress().filtered), (5, 20));
}

#[test]
fn a_cursor_beyond_the_end_is_refused() {
    let (spool, _writer) = spool(3);
    let start = Start::After {
        epoch: EPOCH,
        sequence: 1,
    };
    let error = Subscription::new(spool, start, Filter::default()).unwrap_err();
    assert!(matches!(error, StartError::BeyondEnd { cursor: 1, .. }));
}

#[test]
fn a_client_that_stalls_learns_what_it_missed_and_that_it_was_slow() {
    let (spool, mut writer) = spool(3);
    let mut slow = Subscription::new(spool, Start::Live, Filter::default()).unwrap();
    append(&mut writer, true);
    assert_eq!(places(&drain(&mut slow)), [(1, 0)]);
    (0..9).for_each(|_| append(&mut writer, true));
    let records = drain(&mut slow);
    assert_eq!(places(&records), [(7, 1), (8, 7), (9, 8), (10, 9)]);
    let gap = gap(&records[0]).unwrap();
    assert_eq!(gap.why(), proto::gap::Why::ClientTooSlow);
    assert_eq!((gap.from_sequence, gap.to_sequence), (2, 7));
    assert_eq!(gap.count, Some(6));
}

#[test]
fn a_client_that_comes_late_learns_that_the_cap_was_reached() {
    let (spool, mut writer) = spool(2);
    (0..5).for_each(|_| append(&mut writer, true));
    let start = Start::After {
        epoch: EPOCH,
        sequence: 1,
    };
    let mut late = Subscription::new(spool, start, Filter::default()).unwrap();
    let records = drain(&mut late);
    assert_eq!(places(&records), [(3, 1), (4, 3), (5, 4)]);
    assert_eq!(gap(&records[0]).unwrap().why(), proto::gap::Why::SpoolCap);
}

#[test]
fn a_cursor_of_another_epoch_gives_a_gap_and_then_everything() {
    let (spool, mut writer) = spool(100);
    append(&mut writer, true);
    let start = Start::After {
        epoch: 1,
        sequence: 77,
    };
    let mut subscription = Subscription::new(spool, start, Filter::default()).unwrap();
    let records = drain(&mut subscription);
    assert_eq!(places(&records), [(0, 0), (1, 0)]);
    let gap = gap(&records[0]).unwrap();
    assert_eq!(gap.why(), proto::gap::Why::SpoolLost);
    assert_eq!(gap.lost_cursor.unwrap().sequence, 77);
}

#[test]
fn the_end_comes_after_the_last_record() {
    let (spool, mut writer) = spool(100);
    let mut subscription = Subscription::new(spool, Start::Live, Filter::default()).unwrap();
    assert_eq!(subscription.step(), Step::Idle);
    append(&mut writer, true);
    drop(writer);
    assert!(matches!(subscription.step(), Step::Record(_)));
    assert_eq!(subscription.step(), Step::End);
}

#[derive(Clone, Copy, Debug)]
enum Action {
    Append(bool),
    Step,
    Reconnect,
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let action = prop_oneof![
        4 => any::<bool>().prop_map(Action::Append),
        3 => Just(Action::Step),
        1 => Just(Action::Reconnect),
    ];
    prop::collection::vec(action, 0..120)
}

/// What a client keeps to prove that it missed nothing.
struct Client {
    subscription: Subscription,
    cursor: u64,
    /// Sequence numbers seen: records, and ranges of GAPs.
    seen: Vec<u64>,
    missed: Vec<u64>,
}

impl Client {
    fn receive(&mut self, record: &OutgoingRecord) -> Result<(), TestCaseError> {
        prop_assert_eq!(record.prev_sequence, self.cursor, "the chain is broken");
        prop_assert!(record.sequence > self.cursor, "not in order");
        self.cursor = record.sequence;
        match gap(record) {
            Some(gap) => self.missed.extend(gap.from_sequence..=gap.to_sequence),
            None => self.seen.push(record.sequence),
        }
        Ok(())
    }

    fn check_account(&self) -> Result<(), TestCaseError> {
        let progress = self.subscription.progress();
        prop_assert_eq!(
            progress.complete_through - progress.start,
            progress.delivered + progress.filtered + progress.missed
        );
        Ok(())
    }
}

proptest! {
    /// Whatever the interleaving of appends, evictions, reads and reconnects: records come in
    /// order and once, the chain of previous numbers holds, and every record that matches was
    /// either received or lies in a GAP.
    #[test]
    fn nothing_is_lost_without_a_gap(cap in 1_usize..8, actions in actions()) {
        let (spool, mut writer) = spool(cap);
        let start = |cursor| Start::After { epoch: EPOCH, sequence: cursor };
        let new = |cursor| {
            Subscription::new(Arc::clone(&spool), start(cursor), matching_only()).unwrap()
        };
        let mut client = Client {
            subscription: new(0),
            cursor: 0,
            seen: Vec::new(),
            missed: Vec::new(),
        };
        let mut matching = Vec::new();
        for action in actions {
            match action {
                Action::Append(matches) => {
                    if matches {
                        matching.push(writer.next_sequence());
                    }
                    append(&mut writer, matches);
                }
                Action::Step => {
                    if let Step::Record(record) = client.subscription.step() {
                        client.receive(&record)?;
                    }
                }
                Action::Reconnect => client.subscription = new(client.cursor),
            }
            client.check_account()?;
        }
        for record in drain(&mut client.subscription) {
            client.receive(&record)?;
        }
        client.check_account()?;
        prop_assert_eq!(client.subscription.progress().complete_through, spool.bounds().newest);
        for sequence in &matching {
            let (seen, missed) =
                (client.seen.contains(sequence), client.missed.contains(sequence));
            prop_assert!(seen != missed, "{} seen {} missed {}", sequence, seen, missed);
        }
        prop_assert!(client.seen.iter().all(|sequence| matching.contains(sequence)));
    }
}
