//! The spool: the records that are kept, in order, below caps of bytes, of records and of age.
//!
//! ```text
//! SpoolWriter -> files (commit) -> memory -> readers
//!                  ^------ readers that are far behind
//! ```
//!
//! One writer appends, any number of readers read by sequence number. A record is in a file before
//! any reader sees it. Nobody waits for a reader: when a cap is reached the oldest records go, and a
//! reader that had not come so far is told which sequence numbers it can never have.
//!
//! While the files cannot be written, records are in memory alone: readers go on, and are told.

mod epochs;
mod kept;
mod mark;
mod segment;
mod store;
mod writer;

use std::collections::VecDeque;
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use rustix::rand::{GetRandomFlags, getrandom};
use tokio::sync::watch;

use super::record::Stored;
use crate::telemetry::{Counter, Failure};
use epochs::Epochs;
use kept::Kept;
use segment::{Reader, SegmentError};
use store::{Entry, Found, Store};

pub use store::StoreError;
pub use writer::SpoolWriter;
pub(super) use writer::{Change, RETRY};

/// Segments that are kept open for readers.
const OPEN_READERS: usize = 4;

/// Caps of the spool. Whichever is reached first evicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpoolLimits {
    /// Bytes in files, as [`Stored::cost`] counts them.
    pub bytes: usize,
    /// Records.
    pub records: usize,
    /// Age.
    pub age: Option<Duration>,
    /// Bytes in memory, counted in the same way.
    pub memory_bytes: usize,
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpoolUsage {
    /// Records kept.
    pub records: usize,
    /// Their cost in bytes.
    pub bytes: usize,
    /// Alerts evicted since the start.
    pub evicted_alerts: u64,
    /// Why records are in memory alone; `None`: they are in files.
    pub not_durable: Option<String>,
}

/// Why records cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// A cap took them.
    Evicted,
    /// They were in a file and cannot be read.
    Damaged,
    /// They left memory before a file could be written.
    NeverStored,
}

/// What a reader gets.
#[derive(Debug)]
pub(super) enum Read {
    /// Records.
    Batch(Batch),
    /// They are in a file: [`Spool::fetch`].
    Stored(Fetch),
}

/// Records out of memory.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Sequence numbers that the reader asked for and cannot have.
    pub(super) gone: Option<(RangeInclusive<u64>, Missing)>,
    /// The records that follow.
    pub(super) records: Vec<Arc<Stored>>,
}

/// Where in the files records are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fetch {
    segment: u64,
    path: PathBuf,
    range: RangeInclusive<u64>,
}

impl Fetch {
    fn of(entry: &Entry, range: RangeInclusive<u64>) -> Self {
        Self {
            segment: entry.first,
            path: entry.path.clone(),
            range,
        }
    }
}

/// What readers wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tail {
    /// Newest sequence number.
    pub(super) newest: u64,
    /// Nothing will follow.
    pub(super) closed: bool,
}

/// Read side of the spool. Share it in an `Arc`.
#[derive(Debug)]
pub struct Spool {
    epoch: u64,
    /// The sequence number before the first of this run.
    before: u64,
    /// This run's epoch is the last; nothing is added while it runs.
    epochs: Epochs,
    limits: SpoolLimits,
    kept: Mutex<Kept>,
    /// The newest last.
    readers: Mutex<VecDeque<(u64, Reader)>>,
    tail: watch::Sender<Tail>,
}

/// What an earlier run left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Records that can be read.
    pub records: usize,
    /// Records that were stored and cannot be read any more.
    pub lost: u64,
    /// There were records, and no file is left.
    pub vanished: bool,
}

struct SpoolUnreadable<'a> {
    path: &'a Path,
    why: &'a str,
}

impl Failure for SpoolUnreadable<'_> {
    fn counter(&self) -> &'static Counter {
        static COUNTER: Counter = Counter::new("spool_unreadable");
        &COUNTER
    }

    fn log(&self, total: u64) {
        tracing::error!(
            message = "Stored records cannot be read.",
            path = %self.path.display(),
            why = self.why,
            total
        );
    }
}

impl Spool {
    /// Opens the spool in a directory, which is made if it is missing.
    ///
    /// # Errors
    /// A newer version wrote it, or it cannot be used.
    pub fn open(
        directory: &Path,
        limits: SpoolLimits,
    ) -> Result<(SpoolWriter, Recovered), StoreError> {
        let (mut store, mut found) = Store::open(directory, limits)?;
        let epoch = random_epoch().map_err(SegmentError::from)?;
        found.epochs.begin(found.next, epoch);
        // What cannot be written now is tried again with the first record.
        let begun = store.begin(&found.epochs, found.next);
        let recovered = Recovered {
            records: found
                .entries
                .iter()
                .map(|entry| entry.contents.records)
                .sum(),
            lost: found.lost,
            vanished: found.vanished,
        };
        let writer = Self::with(epoch, limits, found, Some(store));
        if let Err(error) = begun {
            tracing::warn!(message = "The spool cannot be written.", %error);
        }
        writer.spool.evict();
        Ok((writer, recovered))
    }

    /// A spool that ends with the agent, and why.
    ///
    /// # Errors
    /// The kernel has no random numbers yet.
    pub fn in_memory(limits: SpoolLimits, why: &str) -> io::Result<SpoolWriter> {
        let writer = Self::with_epoch(random_epoch()?, limits);
        writer.spool.kept().not_durable = Some(why.to_owned());
        Ok(writer)
    }

    /// One of that epoch, without files.
    pub(crate) fn with_epoch(epoch: u64, limits: SpoolLimits) -> SpoolWriter {
        let mut found = Found {
            next: 1,
            ..Found::default()
        };
        found.epochs.begin(1, epoch);
        Self::with(epoch, limits, found, None)
    }

    fn with(epoch: u64, limits: SpoolLimits, found: Found, store: Option<Store>) -> SpoolWriter {
        let next = found.next;
        let first = found.entries.first().map(|entry| entry.first);
        let spool = Arc::new(Self {
            epoch,
            before: next - 1,
            epochs: found.epochs,
            limits,
            kept: Mutex::new(Kept {
                recent: VecDeque::new(),
                recent_bytes: 0,
                recent_first: next,
                entries: found.entries.into(),
                oldest: first.unwrap_or(next),
                evicted_alerts: 0,
                lost: 0,
                not_durable: None,
            }),
            readers: Mutex::default(),
            tail: watch::Sender::new(Tail {
                newest: next - 1,
                closed: false,
            }),
        });
        SpoolWriter {
            spool,
            next,
            pending: Vec::new(),
            store,
            refused: None,
        }
    }

    /// The epoch of the records that this run makes.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The sequence number before the first that this run gives.
    pub fn before_run(&self) -> u64 {
        self.before
    }

    /// The last sequence number that an epoch gave; `None` when it is not known.
    pub(super) fn last_of(&self, epoch: u64) -> Option<u64> {
        self.epochs.last(epoch, self.bounds().newest)
    }

    /// The caps.
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
        let stored = |of: fn(&Entry) -> usize| kept.entries.iter().map(of).sum::<usize>();
        let (mut records, mut bytes) = (0, 0);
        for record in kept.waiting() {
            records += 1;
            bytes += record.cost();
        }
        SpoolUsage {
            records: records + stored(|entry| entry.contents.records),
            bytes: bytes + stored(|entry| entry.contents.bytes),
            evicted_alerts: kept.evicted_alerts,
            not_durable: kept.not_durable.clone(),
        }
    }

    /// At most `max` records after sequence number `after`. Never waits.
    pub(super) fn read(&self, after: u64, max: usize) -> Read {
        let kept = self.kept();
        let (first, gone) = kept.skip(after + 1);
        if first < kept.recent_first
            && gone.is_none()
            && let Some(fetch) = kept.locate(first)
        {
            return Read::Stored(fetch);
        }
        let records = match first.checked_sub(kept.recent_first).map(usize::try_from) {
            Some(Ok(skip)) => kept.recent.iter().skip(skip).take(max).cloned().collect(),
            _ => Vec::new(),
        };
        Read::Batch(Batch { gone, records })
    }

    /// Reads records from a file; it waits for the disk. When there are none, [`Self::read`] tells
    /// why.
    pub(super) fn fetch(&self, fetch: &Fetch, max: usize) -> Vec<Arc<Stored>> {
        let read = self.with_reader(fetch, |reader| reader.read(fetch.range.clone(), max));
        let records = match read {
            Ok(records) => records,
            Err(error) => {
                let (path, why) = (&fetch.path, &error.to_string());
                if error.is_damage() {
                    self.give_up(fetch, &fetch.range, why);
                } else {
                    SpoolUnreadable { path, why }.emit();
                    std::thread::sleep(RETRY);
                }
                return Vec::new();
            }
        };
        if records.is_empty() {
            let first = *fetch.range.start();
            self.give_up(fetch, &(first..=first), "a record is not as it was written");
        }
        records.into_iter().map(Arc::new).collect()
    }

    /// Sequence number before the first record that is not older than `time`. It may wait for the
    /// disk.
    pub(super) fn before(&self, time: SystemTime) -> u64 {
        // The wall clock may have been set back: the first match counts, not a binary search.
        for fetch in self.not_older(time) {
            match self.with_reader(&fetch, |reader| reader.since(time)) {
                Ok(Some(sequence)) => return sequence - 1,
                Ok(None) => {}
                // Rather too many than too few.
                Err(_) => return fetch.range.start() - 1,
            }
        }
        let kept = self.kept();
        let older = kept.recent.iter().take_while(|stored| stored.time < time);
        kept.recent_first - 1 + older.count() as u64
    }

    /// The files that have such records, as a whole each.
    fn not_older(&self, time: SystemTime) -> Vec<Fetch> {
        let kept = self.kept();
        let entries = kept.entries.iter();
        entries
            .filter(|entry| entry.contents.newest_time >= Some(time))
            .map(|entry| Fetch::of(entry, entry.first..=entry.through))
            .collect()
    }

    /// A receiver that wakes when a record was appended or the spool closed.
    pub(super) fn watch(&self) -> watch::Receiver<Tail> {
        self.tail.subscribe()
    }

    fn with_reader<T>(
        &self,
        fetch: &Fetch,
        read: impl FnOnce(&Reader) -> Result<T, SegmentError>,
    ) -> Result<T, SegmentError> {
        let open = {
            let mut readers = lock(&self.readers);
            let found = readers.iter().position(|open| open.0 == fetch.segment);
            found.and_then(|index| readers.remove(index))
        };
        let (segment, reader) = match open {
            Some(open) => open,
            None => (fetch.segment, Reader::open(&fetch.path)?),
        };
        let result = read(&reader)?;
        let mut readers = lock(&self.readers);
        let displaced = (readers.len() == OPEN_READERS).then(|| readers.pop_front());
        readers.push_back((segment, reader));
        drop(readers);
        // Closing a file takes time, which nobody else waits for.
        drop(displaced);
        Ok(result)
    }

    /// Records cannot be read: from now on they count as lost.
    fn give_up(&self, fetch: &Fetch, lost: &RangeInclusive<u64>, why: &str) {
        let mut kept = self.kept();
        let entry = kept
            .entries
            .iter_mut()
            .find(|entry| entry.first == fetch.segment);
        // Evicted meanwhile: that is told by itself.
        if let Some(entry) = entry {
            let before = entry.contents.records;
            entry.contents.lose(lost);
            let lost = before.saturating_sub(entry.contents.records);
            kept.lost += lost as u64;
            let path = &fetch.path;
            SpoolUnreadable { path, why }.emit();
        }
    }

    /// Removes what is beyond the caps.
    fn evict(&self) {
        let gone = self.kept().evict(self.limits, SystemTime::now());
        for entry in &gone {
            let mut readers = lock(&self.readers);
            let (gone, left): (VecDeque<_>, VecDeque<_>) =
                readers.drain(..).partition(|open| open.0 == entry.first);
            *readers = left;
            drop(readers);
            // Closing a file takes time, which nobody else waits for.
            drop(gone);
            store::remove(&entry.path);
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // No code that can panic runs under the lock with the state half changed.
        lock(&self.kept)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn random_epoch() -> io::Result<u64> {
    let mut bytes = [0; 8];
    getrandom(&mut bytes, GetRandomFlags::empty())?;
    // 0 is what an unset cursor has.
    Ok(u64::from_ne_bytes(bytes).max(1))
}

#[cfg(test)]
mod tests;
