//! Both rings and the merge: passes while the agent runs, and the end.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::Batch;
use super::merge::{Lane, Merger, Source};
use super::queue::BatchSender;
use super::reader::boot_ns;
use crate::telemetry::{Counter, Failure};

/// Passes that must find nothing before the rings count as drained: a program that ran when its
/// hook was detached may still write.
const QUIET_PASSES: u32 = 2;
/// Time between them.
const QUIET_PAUSE: Duration = Duration::from_millis(5);

/// The rings' records on their way into batches.
pub(super) struct Intake<S> {
    pub(super) critical: S,
    pub(super) bulk: S,
    pub(super) merger: Merger,
    /// Released and not sent yet: whoever stops waiting for room loses nothing.
    pub(super) ready: Batch,
}

struct LeftAtStop {
    records: u64,
}

impl Failure for LeftAtStop {
    fn counter(&self) -> &'static Counter {
        static COUNTER: Counter = Counter::new("records_left_at_stop");
        &COUNTER
    }

    fn log(&self, total: u64) {
        tracing::error!(
            message = "The rings were not drained in time: what is left is lost.",
            records = self.records,
            total
        );
    }

    /// One for each record.
    fn emit(&self) {
        let total = self.counter().add(self.records);
        self.log(total);
    }
}

impl<S: Source> Intake<S> {
    pub(super) fn new(critical: S, bulk: S) -> Self {
        Self {
            critical,
            bulk,
            merger: Merger::default(),
            ready: Batch::default(),
        }
    }

    /// One pass; what it releases is [`Self::ready`]. The bulk ring first: what is older than
    /// a bulk record then stands in the critical ring already.
    pub(super) fn pass(&mut self, now_ns: u64) {
        self.merger.fill(Lane::Bulk, &mut self.bulk, now_ns);
        self.merger.fill(Lane::Critical, &mut self.critical, now_ns);
        self.ready = self.merger.release(now_ns);
    }

    /// Whether both rings are empty; takes a record from each that is not.
    pub(super) fn is_empty(&mut self, now_ns: u64) -> bool {
        let mut empty = true;
        for (lane, ring) in [
            (Lane::Critical, &mut self.critical),
            (Lane::Bulk, &mut self.bulk),
        ] {
            empty &= !ring.take(&mut |record| self.merger.push(lane, record, now_ns));
        }
        empty
    }

    /// Sends what is ready when there is room for it; false when nobody receives any more.
    pub(super) async fn send(&mut self, batches: &BatchSender) -> bool {
        if self.ready.is_empty() {
            return true;
        }
        let Some(slot) = batches.reserve(self.ready.cost()).await else {
            return false;
        };
        slot.send(std::mem::take(&mut self.ready));
        true
    }

    /// Sends everything that is still in the rings, whose programs have been detached. What is left
    /// at the deadline is counted.
    pub(super) async fn drain(&mut self, batches: &BatchSender, deadline: Instant) {
        let sent = timeout_at(deadline, self.send_all(batches, deadline)).await;
        if sent != Ok(true) {
            let records = self.discard();
            if records > 0 {
                LeftAtStop { records }.emit();
            }
        }
    }

    /// Whether everything was sent.
    async fn send_all(&mut self, batches: &BatchSender, deadline: Instant) -> bool {
        let mut quiet = 0;
        while quiet < QUIET_PASSES {
            // Rings that go on filling up must not keep the deadline from being looked at.
            if Instant::now() >= deadline || !self.send(batches).await {
                return false;
            }
            self.pass(boot_ns());
            if self.ready.is_empty() && !self.merger.has_more() {
                quiet += 1;
                sleep(QUIET_PAUSE).await;
            } else {
                quiet = 0;
            }
        }
        self.ready = self.merger.release_all();
        self.send(batches).await
    }

    /// Drops what is left and says how much it was.
    fn discard(&mut self) -> u64 {
        let mut records = (self.ready.len() + self.merger.release_all().len()) as u64;
        self.ready = Batch::default();
        for ring in [&mut self.critical, &mut self.bulk] {
            while ring.take(&mut |_| records += 1) {}
        }
        records
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use gravlens_common::RecordHeader;
    use zerocopy::IntoBytes;

    use super::*;
    use crate::ingest::queue;

    fn ring(times: std::ops::Range<u64>) -> VecDeque<Vec<u8>> {
        let record = |boot_ns| RecordHeader {
            boot_ns,
            ..RecordHeader::default()
        };
        times.map(|time| record(time).as_bytes().to_vec()).collect()
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(100)
    }

    #[tokio::test]
    async fn everything_in_the_rings_and_in_the_merge_is_sent() {
        let (sender, mut receiver) = queue(8, 1 << 20);
        let mut intake = Intake::new(ring(0..10), ring(0..30_000));
        intake.merger.push(Lane::Bulk, &[0; 16], 0);
        // As the clock of another record may be: it waits until the end.
        let future = RecordHeader {
            boot_ns: u64::MAX,
            ..RecordHeader::default()
        };
        intake.merger.push(Lane::Critical, future.as_bytes(), 0);
        let received = async {
            let mut records = 0;
            while let Some(batch) = receiver.recv().await {
                records += batch.len();
            }
            records
        };
        let drained = async move {
            let deadline = Instant::now() + Duration::from_secs(60);
            intake.drain(&sender, deadline).await;
            intake.discard()
        };
        assert_eq!(tokio::join!(drained, received), (0, 30_012));
    }

    #[tokio::test]
    async fn a_receiver_that_hangs_does_not_hold_up_the_end() {
        let (sender, receiver) = queue(1, 1 << 20);
        let mut intake = Intake::new(ring(0..10), ring(0..50_000));
        let before = left();
        let begin = Instant::now();
        intake.drain(&sender, soon()).await;
        assert!(begin.elapsed() < Duration::from_secs(10));
        let sent: usize = { receiver }.try_recv().map_or(0, |batch| batch.len());
        assert_eq!(left() - before, 50_010 - sent as u64);
    }

    fn left() -> u64 {
        let all = crate::telemetry::counters();
        let left = all.iter().find(|(name, _)| *name == "records_left_at_stop");
        left.map_or(0, |(_, count)| *count)
    }
}
