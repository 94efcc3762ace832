//! The spool: the records that are kept, in order, below a cap of bytes and of records.
//!
//! One writer appends, any number of readers read by sequence number. Nobody waits for anybody:
//! when the cap is reached the oldest record goes, and a reader that had not come so far is told
//! which sequence numbers it can never have.

use std::collections::VecDeque;
use std::io;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use rustix::rand::{GetRandomFlags, getrandom};
use tokio::sync::watch;

use super::record::Stored;

/// Cap of the spool. Whichever is reached first evicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpoolLimits {
    /// Bytes, as [`Stored::cost`] counts them.
    pub bytes: usize,
    /// Records.
    pub records: usize,
}

/// Oldest and newest record kept. `newest + 1 == oldest` when there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Sequence number of the oldest.
    pub oldest: u64,
    /// Sequence number of the newest.
    pub newest: u64,
}

/// How full the spool is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpoolUsage {
    /// Records kept.
    pub records: usize,
    /// Their cost in bytes.
    pub bytes: usize,
    /// Alerts evicted so far.
    pub evicted_alerts: u64,
}

/// What a reader gets.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Sequence numbers that the reader asked for and that are gone.
    pub(super) gone: Option<RangeInclusive<u64>>,
    /// The records that follow.
    pub(super) records: Vec<Arc<Stored>>,
}

/// What readers wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tail {
    /// Newest sequence number.
    pub(super) newest: u64,
    /// Nothing will follow.
    pub(super) closed: bool,
}

#[derive(Debug)]
struct Kept {
    records: VecDeque<Arc<Stored>>,
    oldest: u64,
    bytes: usize,
    evicted_alerts: u64,
}

/// Read side of the spool. Share it in an `Arc`.
#[derive(Debug)]
pub struct Spool {
    epoch: u64,
    limits: SpoolLimits,
    kept: Mutex<Kept>,
    tail: watch::Sender<Tail>,
}

/// Write side of the spool; there is one.
#[derive(Debug)]
pub struct SpoolWriter {
    spool: Arc<Spool>,
    next: u64,
}

impl Spool {
    /// An empty spool with a new random epoch, and its writer.
    ///
    /// # Errors
    /// The kernel has no random numbers yet.
    pub fn create(limits: SpoolLimits) -> io::Result<(Arc<Self>, SpoolWriter)> {
        let mut bytes = [0; 8];
        getrandom(&mut bytes, GetRandomFlags::empty())?;
        // 0 is what an unset cursor has.
        Ok(Self::with_epoch(u64::from_ne_bytes(bytes).max(1), limits))
    }

    pub(super) fn with_epoch(epoch: u64, limits: SpoolLimits) -> (Arc<Self>, SpoolWriter) {
        let spool = Arc::new(Self {
            epoch,
            limits,
            kept: Mutex::new(Kept {
                records: VecDeque::new(),
                oldest: 1,
                bytes: 0,
                evicted_alerts: 0,
            }),
            tail: watch::Sender::new(Tail {
                newest: 0,
                closed: false,
            }),
        });
        let writer = SpoolWriter {
            spool: Arc::clone(&spool),
            next: 1,
        };
        (spool, writer)
    }

    /// The life of this spool.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The cap.
    pub fn limits(&self) -> SpoolLimits {
        self.limits
    }

    /// Oldest and newest record.
    pub fn bounds(&self) -> Bounds {
        let kept = self.kept();
        Bounds {
            oldest: kept.oldest,
            newest: kept.newest(),
        }
    }

    /// How full it is.
    pub fn usage(&self) -> SpoolUsage {
        let kept = self.kept();
        SpoolUsage {
            records: kept.records.len(),
            bytes: kept.bytes,
            evicted_alerts: kept.evicted_alerts,
        }
    }

    /// At most `max` records after sequence number `after`.
    pub(super) fn read(&self, after: u64, max: usize) -> Batch {
        let kept = self.kept();
        let first = after + 1;
        let gone = (first < kept.oldest).then(|| first..=kept.oldest - 1);
        let skip = first.saturating_sub(kept.oldest);
        let records = match usize::try_from(skip) {
            Ok(skip) => kept.records.iter().skip(skip).take(max).cloned().collect(),
            Err(_) => Vec::new(),
        };
        Batch { gone, records }
    }

    /// Sequence number before the first record that is not older than `time`.
    pub(super) fn before(&self, time: SystemTime) -> u64 {
        // The wall clock may have been set back: the first match counts, not a binary search.
        let kept = self.kept();
        let older = kept.records.iter().take_while(|stored| stored.time < time);
        kept.oldest - 1 + older.count() as u64
    }

    /// A receiver that wakes when a record was appended or the spool closed.
    pub(super) fn watch(&self) -> watch::Receiver<Tail> {
        self.tail.subscribe()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // No code that can panic runs under the lock with the state half changed.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn newest(&self) -> u64 {
        self.oldest - 1 + self.records.len() as u64
    }

    fn evict(&mut self, limits: SpoolLimits) {
        // The newest record is kept whatever it costs: a reader that waits must see it.
        while self.records.len() > 1
            && (self.records.len() > limits.records || self.bytes > limits.bytes)
        {
            let Some(evicted) = self.records.pop_front() else {
                return;
            };
            self.oldest += 1;
            self.bytes -= evicted.cost();
            if evicted.facts.is_alert() {
                self.evicted_alerts += 1;
            }
        }
    }
}

impl SpoolWriter {
    /// The spool it writes to.
    pub fn spool(&self) -> &Arc<Spool> {
        &self.spool
    }

    /// The sequence number that the next record gets.
    pub fn next_sequence(&self) -> u64 {
        self.next
    }

    /// Appends a record, which carries [`Self::next_sequence`], and wakes the readers.
    pub(super) fn append(&mut self, stored: Stored) {
        debug_assert_eq!(stored.sequence, self.next);
        let newest = self.next;
        {
            let mut kept = self.spool.kept();
            kept.bytes += stored.cost();
            kept.records.push_back(Arc::new(stored));
            kept.evict(self.spool.limits);
        }
        self.next += 1;
        self.spool.tail.send_modify(|tail| tail.newest = newest);
    }
}

impl Drop for SpoolWriter {
    /// Nothing will follow: readers end when they have read what is there.
    fn drop(&mut self) {
        self.spool.tail.send_modify(|tail| tail.closed = true);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::alert::Facts;

    fn stored(sequence: u64, bytes: usize) -> Stored {
        Stored {
            sequence,
            time: SystemTime::UNIX_EPOCH + Duration::from_secs(sequence),
            facts: Facts::gap(),
            tail: vec![0; bytes].into(),
        }
    }

    fn filled(count: u64, limits: SpoolLimits) -> (Arc<Spool>, SpoolWriter) {
        let (spool, mut writer) = Spool::with_epoch(1, limits);
        for sequence in 1..=count {
            writer.append(stored(sequence, 100));
        }
        (spool, writer)
    }

    fn sequences(batch: &Batch) -> Vec<u64> {
        batch.records.iter().map(|record| record.sequence).collect()
    }

    const ROOMY: SpoolLimits = SpoolLimits {
        bytes: 1 << 20,
        records: 100,
    };

    #[test]
    fn reads_in_order_from_any_place() {
        let (spool, _writer) = filled(5, ROOMY);
        assert_eq!(sequences(&spool.read(0, 3)), [1, 2, 3]);
        assert_eq!(sequences(&spool.read(3, 3)), [4, 5]);
        assert!(sequences(&spool.read(5, 3)).is_empty());
        assert!(sequences(&spool.read(u64::MAX - 1, 3)).is_empty());
    }

    #[test]
    fn the_record_cap_evicts_the_oldest_and_readers_learn_which() {
        let limits = SpoolLimits {
            records: 3,
            ..ROOMY
        };
        let (spool, _writer) = filled(5, limits);
        assert_eq!(
            spool.bounds(),
            Bounds {
                oldest: 3,
                newest: 5
            }
        );
        let batch = spool.read(0, 10);
        assert_eq!(batch.gone, Some(1..=2));
        assert_eq!(sequences(&batch), [3, 4, 5]);
        assert_eq!(spool.read(2, 10).gone, None);
    }

    #[test]
    fn the_byte_cap_holds_except_for_one_huge_record() {
        let limits = SpoolLimits {
            bytes: 2 * (100 + size_of::<Stored>()),
            ..ROOMY
        };
        let (spool, mut writer) = filled(5, limits);
        assert_eq!(spool.usage().records, 2);
        writer.append(stored(6, 1 << 21));
        assert_eq!(sequences(&spool.read(5, 10)), [6]);
        assert_eq!(spool.usage().records, 1);
    }

    #[test]
    fn finds_the_place_of_a_time() {
        let (spool, _writer) = filled(5, ROOMY);
        let at = |seconds| spool.before(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!((at(0), at(3), at(9)), (0, 2, 5));
    }

    #[tokio::test]
    async fn an_append_and_the_end_wake_a_reader() {
        let (spool, mut writer) = filled(0, ROOMY);
        let mut tail = spool.watch();
        writer.append(stored(1, 1));
        tail.changed().await.unwrap();
        assert_eq!(tail.borrow_and_update().newest, 1);
        drop(writer);
        tail.changed().await.unwrap();
        assert!(tail.borrow().closed);
    }
}
