//! The write side: files first, then memory, then the readers are woken.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Spool;
use super::segment::SegmentError;
use super::store::{Entry, Store};
use crate::alert::Stored;

/// Time between two tries to write files that could not be written.
pub(in crate::alert) const RETRY: Duration = Duration::from_secs(1);

/// Write side of the spool; there is one.
#[derive(Debug)]
pub struct SpoolWriter {
    pub(super) spool: Arc<Spool>,
    pub(super) next: u64,
    pub(super) pending: Vec<Arc<Stored>>,
    pub(super) store: Option<Store>,
    /// When the files could not be written last.
    pub(super) refused: Option<Instant>,
}

/// What a commit has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::alert) enum Change {
    /// Records are in memory alone from that one on, and why.
    NotDurable(u64, String),
    /// Everything that is still kept is in files again.
    Durable,
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

    /// Takes a record, which carries [`Self::next_sequence`]; readers see it after
    /// [`Self::commit`].
    pub(in crate::alert) fn push(&mut self, stored: Stored) {
        debug_assert_eq!(stored.sequence, self.next);
        self.next += 1;
        self.pending.push(Arc::new(stored));
    }

    /// Stores what was pushed, and wakes the readers. It waits for the disk.
    pub(in crate::alert) fn commit(&mut self) -> Option<Change> {
        let records = std::mem::take(&mut self.pending);
        let stored = self.store(&records);
        let mut kept = self.spool.kept();
        for record in records {
            kept.push(record);
        }
        let change = match stored {
            Some(Ok(written)) => {
                kept.stored(written);
                kept.not_durable.take().map(|_| Change::Durable)
            }
            Some(Err(error)) => {
                self.refused = Some(Instant::now());
                let why = error.to_string();
                let was = kept.not_durable.replace(why.clone());
                was.is_none()
                    .then(|| Change::NotDurable(kept.in_files() + 1, why))
            }
            None => None,
        };
        kept.trim(self.spool.limits);
        drop(kept);
        self.spool.evict();
        let newest = self.next - 1;
        self.spool.tail.send_modify(|tail| tail.newest = newest);
        change
    }

    /// Records that turned out not to be readable since the last call.
    pub(in crate::alert) fn take_lost(&self) -> u64 {
        std::mem::take(&mut self.spool.kept().lost)
    }

    /// The next commit tries the files, however lately they could not be written.
    pub(in crate::alert) fn insist(&mut self) {
        self.refused = None;
    }

    /// A commit waits for the disk.
    pub(in crate::alert) fn waits_for_disk(&self) -> bool {
        self.store.is_some()
    }

    /// Records are in memory alone, and wait for a file.
    pub(in crate::alert) fn is_waiting(&self) -> bool {
        self.store.is_some() && self.spool.kept().not_durable.is_some()
    }

    /// Writes records to the files, after those that wait in memory for that; `None` when nothing
    /// is to be written now.
    fn store(&mut self, records: &[Arc<Stored>]) -> Option<Result<Written, SegmentError>> {
        let store = self.store.as_mut()?;
        if self
            .refused
            .is_some_and(|refused| refused.elapsed() < RETRY)
        {
            return None;
        }
        self.refused = None;
        let (in_files, mut written): (_, Vec<_>) = {
            let kept = self.spool.kept();
            (kept.in_files(), kept.waiting().cloned().collect())
        };
        written.extend(records.iter().cloned());
        let first = written.first()?.sequence;
        // What is in the files is followed by what is written, unless memory could not hold it.
        let missing = Some(in_files + 1..=first - 1);
        let missing = missing.filter(|missing| in_files > 0 && !missing.is_empty());
        let stored = store.append(&self.spool.epochs, missing.as_ref(), &written);
        Some(stored.map(|segment| Written {
            segment,
            missing,
            records: written,
        }))
    }
}

/// What is in a file now.
pub(super) struct Written {
    /// The segment, if it is a new one.
    pub(super) segment: Option<Entry>,
    /// Sequence numbers before the records that never will be.
    pub(super) missing: Option<RangeInclusive<u64>>,
    pub(super) records: Vec<Arc<Stored>>,
}

impl Drop for SpoolWriter {
    /// Nothing will follow: readers end when they have read what is there.
    fn drop(&mut self) {
        self.spool.tail.send_modify(|tail| tail.closed = true);
    }
}
