//! One reader of the spool with its own place, filter and account.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::spool::{Fetch, Missing, RETRY, Read, Tail};
use super::{Filter, OutgoingRecord, Spool, Stored};
use crate::proto;

/// Records read from the spool at a time.
const BATCH: usize = 256;
/// Comparisons of one step, about: whoever steps keeps a thread for well below a millisecond. One
/// record is looked at in any case.
const TURN: usize = 4_096;

/// Where a subscription begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// After this record.
    After {
        /// Epoch of the cursor.
        epoch: u64,
        /// Sequence number of the cursor.
        sequence: u64,
    },
    /// With the next record.
    Live,
    /// With the oldest record kept.
    Oldest,
    /// With the first record kept that is not older.
    Since(SystemTime),
}

/// Why a subscription cannot begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// The cursor points past the end of the stream.
    #[error(
        "the cursor {cursor} is beyond the newest record {newest} of epoch {epoch:016x}: \
         it does not come from this stream"
    )]
    BeyondEnd {
        /// Sequence number of the cursor.
        cursor: u64,
        /// Newest sequence number.
        newest: u64,
        /// Epoch.
        epoch: u64,
    },
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A record to send.
    Record(OutgoingRecord),
    /// Only records that the filter keeps back; there may be more. A chance to yield.
    Filtered,
    /// What comes next is in a file: [`Subscription::load`].
    Behind,
    /// Nothing new: [`Subscription::wait`].
    Idle,
    /// Nothing will ever follow.
    End,
}

/// How far a subscription has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Sequence number up to which every record is accounted for.
    pub complete_through: u64,
    /// Where it began.
    pub start: u64,
    /// Records sent.
    pub delivered: u64,
    /// Records kept back by the filter.
    pub filtered: u64,
    /// Records that were gone.
    pub missed: u64,
}

/// A subscription. Holds no more than one batch of references into the spool, whatever its reader
/// does.
#[derive(Debug)]
pub struct Subscription {
    spool: Arc<Spool>,
    tail: watch::Receiver<Tail>,
    filter: Filter,
    /// Records that one step looks at: fewer with a filter that takes longer.
    turn: usize,
    progress: Progress,
    prev: u64,
    batch: VecDeque<Arc<Stored>>,
    gone: Option<(RangeInclusive<u64>, Missing)>,
    /// Where the file is that has what comes next.
    behind: Option<Fetch>,
    lost_cursor: Option<proto::Cursor>,
    /// The reader was there when the next record was still kept.
    caught: bool,
}

impl Subscription {
    /// Begins reading.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn new(spool: Arc<Spool>, start: Start, filter: Filter) -> Result<Self, StartError> {
        let tail = spool.watch();
        let bounds = spool.bounds();
        let (position, lost_cursor) = match start {
            Start::After { epoch, sequence } => {
                let lost = proto::Cursor { epoch, sequence };
                match spool.last_of(epoch) {
                    None => (bounds.oldest - 1, Some(lost)),
                    // A later epoch's numbers, or the end of this one.
                    Some(last) if sequence <= last => (sequence, None),
                    Some(last) if epoch != spool.epoch() => (last, Some(lost)),
                    Some(newest) => {
                        let cursor = sequence;
                        return Err(StartError::BeyondEnd {
                            cursor,
                            newest,
                            epoch,
                        });
                    }
                }
            }
            Start::Live => (bounds.newest, None),
            Start::Oldest => (bounds.oldest - 1, None),
            Start::Since(time) => (spool.before(time), None),
        };
        Ok(Self {
            spool,
            tail,
            turn: (TURN / filter.effort()).max(1),
            filter,
            progress: Progress {
                complete_through: position,
                start: position,
                ..Progress::default()
            },
            prev: position,
            batch: VecDeque::new(),
            gone: None,
            behind: None,
            lost_cursor,
            caught: position + 1 >= bounds.oldest,
        })
    }

    /// The spool it reads.
    pub fn spool(&self) -> &Arc<Spool> {
        &self.spool
    }

    /// How far it has come.
    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// A GAP must be sent, although no record is new.
    pub fn owes_gap(&self) -> bool {
        self.lost_cursor.is_some()
    }

    /// The next step. Never waits.
    pub fn step(&mut self) -> Step {
        if let Some(cursor) = self.lost_cursor.take() {
            return Step::Record(self.lost_cursor_gap(cursor));
        }
        if self.batch.is_empty() && self.gone.is_none() && self.behind.is_none() {
            self.fetch();
        }
        if self.behind.is_some() {
            return Step::Behind;
        }
        if let Some((gone, why)) = self.gone.take() {
            return Step::Record(self.missing_gap(&gone, why));
        }
        if self.batch.is_empty() {
            return if self.is_over() {
                Step::End
            } else {
                Step::Idle
            };
        }
        for _ in 0..self.turn {
            let Some(stored) = self.batch.pop_front() else {
                break;
            };
            self.progress.complete_through = stored.sequence;
            if self.filter.admits(&stored.facts) {
                self.progress.delivered += 1;
                let prev = std::mem::replace(&mut self.prev, stored.sequence);
                return Step::Record(OutgoingRecord::stored(prev, &stored));
            }
            self.progress.filtered += 1;
        }
        Step::Filtered
    }

    /// Returns when [`Self::step`] may have something new.
    pub async fn wait(&mut self) {
        let position = self.progress.complete_through;
        // The spool outlives the subscription, so its sender is there.
        let _ = self
            .tail
            .wait_for(|tail| tail.newest > position || tail.closed)
            .await;
    }

    /// Whether nothing is added to the spool any more; there may still be records to read.
    pub fn is_closed(&self) -> bool {
        self.tail.borrow().closed
    }

    /// Returns when nothing is added to the spool any more.
    pub async fn closed(&mut self) {
        // The spool outlives the subscription, so its sender is there.
        let _ = self.tail.wait_for(|tail| tail.closed).await;
    }

    fn fetch(&mut self) {
        match self.spool.read(self.progress.complete_through, BATCH) {
            Read::Batch(batch) => {
                self.gone = batch.gone;
                self.batch = batch.records.into();
            }
            Read::Stored(fetch) => self.behind = Some(fetch),
        }
    }

    /// Reads what [`Step::Behind`] told of, off the threads that others wait for.
    pub async fn load(&mut self) {
        self.load_holding(()).await;
    }

    /// The same; keeps something until it has been read, also when nobody waits for it any more.
    pub async fn load_holding(&mut self, held: impl Send + 'static) {
        let Some(fetch) = self.behind.clone() else {
            return;
        };
        let spool = Arc::clone(&self.spool);
        let read = move || {
            let records = spool.fetch(&fetch, BATCH);
            drop(held);
            records
        };
        let records = spawn_blocking(read).await;
        // Forgotten afterwards, so that a call that is given up can be made again.
        self.behind = None;
        match records {
            Ok(records) => self.batch = records.into(),
            // A panic, which its own message tells: the next step tries again.
            Err(_) => tokio::time::sleep(RETRY).await,
        }
    }

    fn is_over(&self) -> bool {
        let tail = *self.tail.borrow();
        tail.closed && tail.newest <= self.progress.complete_through
    }

    /// The record that stands in the place of those that cannot be had.
    fn missing_gap(&mut self, gone: &RangeInclusive<u64>, missing: Missing) -> OutgoingRecord {
        use proto::gap::Why;
        let (from, to) = (*gone.start(), *gone.end());
        let count = to - from + 1;
        let (why, what) = match missing {
            Missing::Evicted if self.caught => (
                Why::ClientTooSlow,
                "are not kept any more: this client did not read them in time",
            ),
            Missing::Evicted => (
                Why::SpoolCap,
                "are not kept any more: this client came too late for them",
            ),
            Missing::Damaged => (
                Why::SpoolDamaged,
                "cannot be read: the spool's files are damaged",
            ),
            Missing::NeverStored => (
                Why::NotDurable,
                "are lost: they were in memory alone, since the spool could not be written",
            ),
        };
        self.caught = true;
        self.progress.missed += count;
        self.progress.complete_through = to;
        let prev = std::mem::replace(&mut self.prev, to);
        let gap = proto::Gap {
            why: why.into(),
            from_sequence: from,
            to_sequence: to,
            count: Some(count),
            message: format!("{count} records {what}."),
            ..proto::Gap::default()
        };
        self.own_gap((to, prev), gap)
    }

    fn lost_cursor_gap(&self, cursor: proto::Cursor) -> OutgoingRecord {
        let gap = proto::Gap {
            why: proto::gap::Why::SpoolLost.into(),
            message: format!(
                "Records after {} of epoch {:016x} are not kept any more.",
                cursor.sequence, cursor.epoch
            ),
            lost_cursor: Some(cursor),
            ..proto::Gap::default()
        };
        // It stands before the first record: a cursor made of it leads to that record.
        self.own_gap((self.progress.start, self.prev), gap)
    }

    fn own_gap(&self, place: (u64, u64), gap: proto::Gap) -> OutgoingRecord {
        let body = proto::record::Body::Gap(gap);
        OutgoingRecord::own(self.spool.epoch(), place, SystemTime::now(), body)
    }
}

#[cfg(test)]
mod tests;
