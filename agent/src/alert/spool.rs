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
mod mark;
mod segment;
mod store;

use std::collections::VecDeque;
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rustix::rand::{GetRandomFlags, getrandom};
use tokio::sync::watch;

use super::record::Stored;
use crate::telemetry::{Counter, Failure};
use epochs::Epochs;
use segment::{Reader, SegmentError};
use store::{Entry, Found, Store};

pub use store::StoreError;

/// Time between two tries to write files that could not be written.
pub(super) const RETRY: Duration = Duration::from_secs(1);
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

#[derive(Debug)]
struct Kept {
    /// The newest records.
    recent: VecDeque<Arc<Stored>>,
    recent_bytes: usize,
    /// Sequence number of the first of them, or the next.
    recent_first: u64,
    entries: VecDeque<Entry>,
    oldest: u64,
    evicted_alerts: u64,
    /// Records that turned out not to be readable, and are not told of yet.
    lost: u64,
    not_durable: Option<String>,
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

/// Write side of the spool; there is one.
#[derive(Debug)]
pub struct SpoolWriter {
    spool: Arc<Spool>,
    next: u64,
    pending: Vec<Arc<Stored>>,
    store: Option<Store>,
    /// When the files could not be written last.
    refused: Option<Instant>,
}

/// What a commit has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Records are in memory alone from that one on, and why.
    NotDurable(u64, String),
    /// Everything that is still kept is in files again.
    Durable,
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

    pub(super) fn with_epoch(epoch: u64, limits: SpoolLimits) -> SpoolWriter {
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
            lock(&self.readers).retain(|open| open.0 != entry.first);
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

impl Kept {
    fn newest(&self) -> u64 {
        self.recent_first - 1 + self.recent.len() as u64
    }

    /// The first number from there on that can be read, and what is skipped for it.
    fn skip(&self, first: u64) -> (u64, Option<(RangeInclusive<u64>, Missing)>) {
        if first < self.oldest {
            let gone = first..=self.oldest - 1;
            return (self.oldest, Some((gone, Missing::Evicted)));
        }
        if first >= self.recent_first {
            return (first, None);
        }
        let readable = self
            .entries
            .iter()
            .flat_map(|entry| &entry.contents.whole)
            .find(|range| *range.end() >= first)
            .map_or(self.recent_first, |range| first.max(*range.start()));
        if readable == first {
            return (first, None);
        }
        let mut missing = self
            .entries
            .iter()
            .flat_map(|entry| &entry.contents.missing);
        let next_missing = missing.find(|range| *range.end() >= first);
        if let Some(missing) = next_missing.filter(|range| range.contains(&first)) {
            let end = *missing.end();
            return (end + 1, Some((first..=end, Missing::NeverStored)));
        }
        // One reason at a time: what is behind the files has left memory.
        if first > self.in_files() {
            let gone = first..=self.recent_first - 1;
            return (self.recent_first, Some((gone, Missing::NeverStored)));
        }
        let end = readable.min(self.in_files() + 1).min(self.recent_first);
        let end = next_missing.map_or(end, |missing| end.min(*missing.start()));
        (end, Some((first..=end - 1, Missing::Damaged)))
    }

    /// Where the file is that has that record.
    fn locate(&self, sequence: u64) -> Option<Fetch> {
        let entry = self
            .entries
            .iter()
            .find(|entry| entry.through >= sequence)?;
        let whole = entry
            .contents
            .whole
            .iter()
            .find(|range| range.contains(&sequence))?;
        Some(Fetch::of(entry, sequence..=*whole.end()))
    }

    /// Last sequence number that was written to a file.
    fn in_files(&self) -> u64 {
        self.entries.back().map_or(0, |entry| entry.through)
    }

    /// What is in memory alone.
    fn waiting(&self) -> impl Iterator<Item = &Arc<Stored>> {
        let skip = (self.in_files() + 1).saturating_sub(self.recent_first);
        self.recent
            .iter()
            .skip(usize::try_from(skip).unwrap_or(usize::MAX))
    }

    fn push(&mut self, stored: Arc<Stored>) {
        self.recent_bytes += stored.cost();
        self.recent.push_back(stored);
    }

    /// Takes records that are in a file now into its account.
    fn stored(&mut self, written: Written) {
        self.entries.extend(written.segment);
        if let Some(entry) = self.entries.back_mut() {
            entry.contents.missing.extend(written.missing);
            for record in &written.records {
                entry.contents.add(record);
                entry.through = record.sequence;
            }
        }
    }

    /// Lets memory go down to its cap. What is in no file is lost by that.
    fn trim(&mut self, limits: SpoolLimits) {
        let in_files = self.in_files();
        // The newest record is kept whatever it costs: a reader that waits must see it.
        while self.recent.len() > 1
            && (self.recent_bytes > limits.memory_bytes || self.recent.len() > limits.records)
        {
            let Some(evicted) = self.recent.pop_front() else {
                return;
            };
            self.recent_first += 1;
            self.recent_bytes -= evicted.cost();
            if evicted.sequence > in_files {
                self.evicted_alerts += u64::from(evicted.facts.is_alert());
                if self.entries.is_empty() {
                    self.oldest = self.recent_first;
                }
            }
        }
    }

    /// Takes the files out that are beyond the caps.
    fn evict(&mut self, limits: SpoolLimits, now: SystemTime) -> Vec<Entry> {
        let count = store::beyond(&self.entries, limits, now);
        let gone: Vec<Entry> = self.entries.drain(..count).collect();
        if let Some(oldest) = self.entries.front()
            && count > 0
        {
            self.oldest = oldest.first;
        }
        self.evicted_alerts += gone.iter().map(|entry| entry.contents.alerts).sum::<u64>();
        gone
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

    /// Takes a record, which carries [`Self::next_sequence`]; readers see it after
    /// [`Self::commit`].
    pub(super) fn push(&mut self, stored: Stored) {
        debug_assert_eq!(stored.sequence, self.next);
        self.next += 1;
        self.pending.push(Arc::new(stored));
    }

    /// Stores what was pushed, and wakes the readers. It waits for the disk.
    pub(super) fn commit(&mut self) -> Option<Change> {
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
    pub(super) fn take_lost(&self) -> u64 {
        std::mem::take(&mut self.spool.kept().lost)
    }

    /// The next commit tries the files, however lately they could not be written.
    pub(super) fn insist(&mut self) {
        self.refused = None;
    }

    /// A commit waits for the disk.
    pub(super) fn waits_for_disk(&self) -> bool {
        self.store.is_some()
    }

    /// Records are in memory alone, and wait for a file.
    pub(super) fn is_waiting(&self) -> bool {
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
struct Written {
    /// The segment, if it is a new one.
    segment: Option<Entry>,
    /// Sequence numbers before the records that never will be.
    missing: Option<RangeInclusive<u64>>,
    records: Vec<Arc<Stored>>,
}

impl Drop for SpoolWriter {
    /// Nothing will follow: readers end when they have read what is there.
    fn drop(&mut self) {
        self.spool.tail.send_modify(|tail| tail.closed = true);
    }
}

#[cfg(test)]
mod tests;
