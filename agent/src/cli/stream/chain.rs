//! What a client can check of the records that it received: `docs/stream.md` explains it.

use std::time::Duration;

use crate::cli::client;
use crate::cli::status::dropped;
use crate::proto::record::Body;
use crate::proto::{AlertAccount, EventAccount, Gap, Heartbeat, Hello, Progress, Record};
use crate::sinks::render::enum_word;

/// Problems that are told one by one; the rest is counted.
const TOLD: usize = 20;

/// The check of one subscription.
#[derive(Debug, Default)]
pub(super) struct Chain {
    /// How long the agent may say nothing, once HELLO has stated it.
    patience: Option<Duration>,
    start: u64,
    /// Newest record at the begin.
    goal: u64,
    last: u64,
    received: u64,
    heartbeats: u64,
    problems: Vec<String>,
    untold: u64,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Report {
    /// What is wrong, in words.
    pub(super) problems: Vec<String>,
    /// Records with a place.
    pub(super) records: u64,
    pub(super) heartbeats: u64,
    pub(super) complete_through: u64,
}

impl Chain {
    /// How long the agent may say nothing, once HELLO has stated it.
    pub(super) fn patience(&self) -> Option<Duration> {
        self.patience
    }

    pub(super) fn heartbeats(&self) -> u64 {
        self.heartbeats
    }

    /// Everything that there was at the begin has come.
    pub(super) fn has_caught_up(&self) -> bool {
        self.patience.is_some() && self.last >= self.goal
    }

    pub(super) fn problem(&mut self, problem: String) {
        if self.problems.len() < TOLD {
            self.problems.push(problem);
        } else {
            self.untold += 1;
        }
    }

    /// The agent said nothing for so long.
    pub(super) fn silence(&mut self, length: Duration) {
        let seconds = length.as_secs();
        self.problem(format!(
            "nothing came for {seconds} s: the agent is stopped or hangs"
        ));
    }

    pub(super) fn finish(mut self) -> Report {
        if self.untold > 0 {
            self.problems.push(format!("and {} more", self.untold));
        }
        Report {
            problems: self.problems,
            records: self.received,
            heartbeats: self.heartbeats,
            complete_through: self.last,
        }
    }

    pub(super) fn take(&mut self, record: &Record) {
        match &record.body {
            Some(Body::Hello(hello)) => self.hello(hello),
            Some(Body::Heartbeat(heartbeat)) => self.heartbeat(heartbeat),
            _ => self.placed(record),
        }
    }

    fn hello(&mut self, hello: &Hello) {
        if self.patience.is_some() {
            self.problem("a second HELLO came".to_owned());
        }
        self.patience = Some(client::patience(hello));
        self.start = hello.progress.unwrap_or_default().complete_through;
        self.last = self.start;
        self.goal = hello.newest_sequence;
    }

    fn placed(&mut self, record: &Record) {
        if self.patience.is_none() {
            self.problem("the first record is no HELLO".to_owned());
        }
        let (sequence, previous) = (record.sequence, record.prev_sequence);
        if previous != self.last || sequence <= self.last {
            let last = self.last;
            self.problem(format!(
                "record {sequence} follows {previous}, but {last} was received before it"
            ));
        }
        self.last = sequence;
        self.received += 1;
        if let Some(Body::Gap(gap)) = &record.body {
            self.gap(gap);
        }
    }

    fn gap(&mut self, gap: &Gap) {
        if gap.from_sequence != 0 {
            self.received -= 1;
        }
        let why = enum_word(gap.why().as_str_name(), "WHY_");
        self.problem(format!("a GAP ({why}): {}", gap.message));
    }

    fn heartbeat(&mut self, heartbeat: &Heartbeat) {
        self.heartbeats += 1;
        self.progress(heartbeat.progress.unwrap_or_default());
        let alerts = heartbeat.alerts.unwrap_or_default();
        let AlertAccount {
            raised,
            stored,
            rolled_up,
            throttled,
            queue_full,
            in_flight,
            ..
        } = alerts;
        if raised != stored + rolled_up + throttled + queue_full + in_flight {
            self.problem(format!(
                "the account of alerts does not balance: {alerts:?}"
            ));
        }
        let events = heartbeat.events.unwrap_or_default();
        if events.seen != became(&events) {
            self.problem(format!(
                "the account of events does not balance: {events:?}"
            ));
        }
    }

    fn progress(&mut self, progress: Progress) {
        let Progress {
            complete_through,
            start,
            delivered,
            filtered_count,
            missed,
        } = progress;
        let balances =
            complete_through.checked_sub(start) == Some(delivered + filtered_count + missed);
        if !balances || start != self.start {
            self.problem(format!("the sums of the stream differ: {progress:?}"));
        }
        if delivered != self.received {
            let received = self.received;
            self.problem(format!(
                "{delivered} records were sent, {received} received"
            ));
        }
        if complete_through < self.last {
            let last = self.last;
            self.problem(format!(
                "complete through {complete_through}, but {last} was received"
            ));
        }
    }
}

/// What every event that was seen has become.
fn became(events: &EventAccount) -> u64 {
    events.delivered + events.suppressed + dropped(events) + events.in_flight
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::Alert;

    fn hello(start: u64) -> Record {
        let progress = Progress {
            complete_through: start,
            start,
            ..Progress::default()
        };
        of(Body::Hello(Hello {
            progress: Some(progress),
            heartbeat_seconds: 5,
            ..Hello::default()
        }))
    }

    fn alert(sequence: u64, prev_sequence: u64) -> Record {
        Record {
            sequence,
            prev_sequence,
            ..of(Body::Alert(Alert::default()))
        }
    }

    fn heartbeat(start: u64, delivered: u64, filtered_count: u64) -> Record {
        let progress = Progress {
            complete_through: start + delivered + filtered_count,
            start,
            delivered,
            filtered_count,
            missed: 0,
        };
        of(Body::Heartbeat(Heartbeat {
            progress: Some(progress),
            ..Heartbeat::default()
        }))
    }

    fn of(body: Body) -> Record {
        Record {
            body: Some(body),
            ..Record::default()
        }
    }

    fn problems(records: &[Record]) -> Vec<String> {
        let mut chain = Chain::default();
        records.iter().for_each(|record| chain.take(record));
        chain.finish().problems
    }

    #[test]
    fn a_whole_stream_has_no_problem() {
        let records = [hello(7), alert(8, 7), alert(10, 8), heartbeat(7, 2, 1)];
        assert_eq!(problems(&records), Vec::<String>::new());
    }

    #[test]
    fn a_missing_record_is_found_by_the_chain_and_by_the_sums() {
        let records = [hello(7), alert(10, 8), heartbeat(7, 2, 1)];
        assert_eq!(
            problems(&records),
            [
                "record 10 follows 8, but 7 was received before it",
                "2 records were sent, 1 received",
            ]
        );
    }

    #[test]
    fn a_gap_is_a_problem() {
        let gap = Gap {
            message: "Nothing was watched.".to_owned(),
            ..Gap::default()
        };
        let gap = Record {
            sequence: 8,
            prev_sequence: 7,
            ..of(Body::Gap(gap))
        };
        let found = problems(&[hello(7), gap, heartbeat(7, 1, 0)]);
        assert_eq!(found, ["a GAP (unspecified): Nothing was watched."]);
    }

    #[test]
    fn an_account_that_does_not_balance_is_a_problem() {
        let events = EventAccount {
            seen: 3,
            delivered: 2,
            ..EventAccount::default()
        };
        let beat = of(Body::Heartbeat(Heartbeat {
            progress: Some(Progress::default()),
            events: Some(events),
            ..Heartbeat::default()
        }));
        let found = problems(&[hello(0), beat]);
        assert!(found[0].starts_with("the account of events"), "{found:?}");
    }

    #[test]
    fn many_problems_are_counted() {
        let records: Vec<_> = (1..=30).map(|n| alert(n, n)).collect();
        let found = problems(&records);
        assert_eq!(found.len(), TOLD + 1);
        // The first record is no HELLO either, and each of the thirty follows itself.
        assert!(found[TOLD].starts_with("and 40 more"), "{found:?}");
    }
}
