//! The spool's files: a directory of segments, each named after its first sequence number.
//!
//! Records are appended to the newest segment until it has its share of the cap, and evicted by
//! removing the oldest. What is damaged stays within its segment.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::SpoolLimits;
use super::epochs::Epochs;
use super::mark::Mark;
use super::segment::{self, Contents, Segment, SegmentError, Through};
use crate::alert::Stored;
use crate::state_dir::{self, StateDirError};
use crate::telemetry::{Counter, Failure};

/// Segments that the cap is divided into.
const SHARES: usize = 8;
const EXTENSION: &str = ".db";
/// Digits of the largest sequence number.
const DIGITS: usize = 20;
/// SQLite's numbers are signed.
const LARGEST: u64 = i64::MAX as u64;

/// Why the spool's files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The directory.
    #[error(transparent)]
    Directory(#[from] StateDirError),
    /// A file in it.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// The file system.
    #[error("cannot list {}: {source}", path.display())]
    List {
        /// The directory.
        path: PathBuf,
        /// The answer.
        source: io::Error,
    },
}

impl StoreError {
    /// A newer version wrote a file.
    pub fn is_newer(&self) -> bool {
        matches!(self, Self::Segment(SegmentError::Newer { .. }))
    }
}

struct NewestNotNoted {
    error: io::Error,
}

impl Failure for NewestNotNoted {
    fn counter(&self) -> &'static Counter {
        static COUNTER: Counter = Counter::new("spool_newest_not_noted");
        &COUNTER
    }

    fn log(&self, total: u64) {
        tracing::warn!(
            message = "The spool's newest number cannot be noted.",
            error = %self.error,
            total
        );
    }
}

/// A segment as readers know it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) first: u64,
    /// Last sequence number that was written to it, read or not.
    pub(super) through: u64,
    pub(super) path: PathBuf,
    pub(super) contents: Contents,
}

impl Entry {
    /// Nothing was ever written to it.
    fn is_empty(&self) -> bool {
        self.through < self.first && !self.contents.damaged
    }

    /// How many records are in it no more.
    fn lost(&self) -> u64 {
        let missing = self.contents.missing.iter();
        let missing: u64 = missing.map(|range| range.end() - range.start() + 1).sum();
        let written = (self.through + 1 - self.first).saturating_sub(missing);
        written.saturating_sub(self.contents.records as u64)
    }
}

/// What an earlier run left.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) entries: Vec<Entry>,
    pub(super) epochs: Epochs,
    /// The first sequence number that is free.
    pub(super) next: u64,
    /// Records that cannot be read any more.
    pub(super) lost: u64,
    /// There were records, and no file is left.
    pub(super) vanished: bool,
}

/// The write side.
#[derive(Debug)]
pub(super) struct Store {
    directory: PathBuf,
    limits: SpoolLimits,
    mark: Mark,
    active: Option<Active>,
    /// This run's epoch is noted.
    begun: bool,
}

#[derive(Debug)]
struct Active {
    segment: Segment,
    path: PathBuf,
    bytes: usize,
    records: usize,
    /// When this run began to write to it.
    since: SystemTime,
    /// Readers know it.
    announced: bool,
}

impl Store {
    /// Opens the directory, and looks through what is in it.
    pub(super) fn open(directory: &Path, limits: SpoolLimits) -> Result<(Self, Found), StoreError> {
        state_dir::prepare(directory)?;
        let firsts = list(directory).map_err(|source| StoreError::List {
            path: directory.to_owned(),
            source,
        })?;
        // First: beside a file that is refused nothing is changed.
        for &first in &firsts {
            segment::require_known(&path_of(directory, first))?;
        }
        let (mark, newest) = Mark::open(directory)?;
        let mut found = examine(directory, &firsts, newest);
        for empty in found.entries.extract_if(.., |entry| entry.is_empty()) {
            remove(&empty.path);
        }
        let whole = |last: &&Entry| !last.contents.damaged && last.lost() == 0;
        // One that cannot be written now is followed by another, once that is possible.
        let active = found.entries.last().filter(whole).and_then(|last| {
            Some(Active {
                segment: Segment::open(&last.path)?,
                path: last.path.clone(),
                bytes: last.contents.bytes,
                records: last.contents.records,
                since: SystemTime::now(),
                announced: true,
            })
        });
        let store = Self {
            directory: directory.to_owned(),
            limits,
            mark,
            active,
            begun: false,
        };
        Ok((store, found))
    }

    /// Notes which epoch this run gives, the last one, unless that is noted. `next`: the number that
    /// is written next. Fails where nothing can be written.
    pub(super) fn begin(&mut self, epochs: &Epochs, next: u64) -> Result<(), SegmentError> {
        let Some((first, epoch)) = epochs.current().filter(|_| !self.begun) else {
            return Ok(());
        };
        self.room(next, epochs)?.segment.begin(first, epoch)?;
        self.begun = true;
        Ok(())
    }

    /// Appends records, all of them or none, and returns the segment if it is a new one. `missing`:
    /// the sequence numbers before them that were never written.
    pub(super) fn append(
        &mut self,
        epochs: &Epochs,
        missing: Option<&RangeInclusive<u64>>,
        records: &[Arc<Stored>],
    ) -> Result<Option<Entry>, SegmentError> {
        let (Some(first), Some(last)) = (records.first(), records.last()) else {
            return Ok(None);
        };
        let first = missing.map_or(first.sequence, |missing| *missing.start());
        self.begin(epochs, first)?;
        let active = self.room(first, epochs)?;
        active.segment.append(missing, records)?;
        active.bytes += records.iter().map(|record| record.cost()).sum::<usize>();
        active.records += records.len();
        let announced = std::mem::replace(&mut active.announced, true);
        let new = (!announced).then(|| Entry {
            first,
            through: first - 1,
            path: active.path.clone(),
            contents: Contents::default(),
        });
        // The records are there: what is told of a later cut is less exact, and that is all.
        if let Err(error) = self.mark.write(last.sequence) {
            NewestNotNoted { error }.emit();
        }
        Ok(new)
    }

    /// The segment to write to: the active one, or a new one when that has its share.
    fn room(&mut self, first: u64, epochs: &Epochs) -> Result<&mut Active, SegmentError> {
        let (bytes, records) = (self.limits.bytes / SHARES, self.limits.records / SHARES);
        let share = self.limits.age.map(|age| age / SHARES as u32);
        let full = |active: &mut Active| {
            let old =
                share.is_some_and(|share| active.since.elapsed().is_ok_and(|age| age > share));
            active.bytes >= bytes || active.records >= records.max(1) || old && active.records > 0
        };
        if let Some(full) = self.active.take_if(full) {
            full.segment.seal()?;
        }
        if self.active.is_none() {
            let path = path_of(&self.directory, first);
            // Of a try that failed.
            remove(&path);
            self.active = Some(Active {
                segment: Segment::create(&path, epochs)?,
                path,
                bytes: 0,
                records: 0,
                since: SystemTime::now(),
                announced: false,
            });
        }
        Ok(self.active.as_mut().expect("it was made just now"))
    }
}

/// Removes a segment and what SQLite keeps beside it. One that stays is found by the next run.
pub(super) fn remove(path: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        match fs::remove_file(&name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(
                    message = "A file of the spool cannot be removed.",
                    path = %Path::new(&name).display(),
                    %error
                );
            }
            _ => {}
        }
    }
}

fn examine(directory: &Path, firsts: &[u64], newest: Option<u64>) -> Found {
    let mut found = Found {
        vanished: firsts.is_empty() && newest > Some(0),
        ..Found::default()
    };
    for (index, &first) in firsts.iter().enumerate() {
        let path = path_of(directory, first);
        let through = match firsts.get(index + 1) {
            Some(next) => Through::Exactly(next - 1),
            // It is written after the records.
            None => Through::AtLeast(newest.unwrap_or(first - 1)),
        };
        let (contents, epochs) = segment::examine(&path, first, through);
        found.epochs.merge(&epochs);
        let entry = Entry {
            first,
            through: last_written(first, through, &contents),
            path,
            contents,
        };
        found.lost += entry.lost();
        found.entries.push(entry);
    }
    let last = found.entries.last().map(|entry| entry.through);
    found.next = last.max(newest).unwrap_or_default() + 1;
    found
}

/// The last sequence number that was written to a file, as far as anything tells.
fn last_written(first: u64, through: Through, contents: &Contents) -> u64 {
    let (Through::Exactly(told) | Through::AtLeast(told)) = through;
    let read = contents.whole.last().map_or(0, |range| *range.end());
    // Of a damaged file its name is not given again.
    let least = if contents.damaged { first } else { first - 1 };
    told.max(read).max(least)
}

/// The first sequence number of each segment, in order.
fn list(directory: &Path) -> io::Result<Vec<u64>> {
    let mut firsts = Vec::new();
    for file in fs::read_dir(directory)? {
        let name = file?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(EXTENSION));
        if let Some(number) = number.filter(|number| number.len() == DIGITS)
            && let Ok(first @ 1..=LARGEST) = number.parse()
        {
            firsts.push(first);
        }
    }
    firsts.sort_unstable();
    Ok(firsts)
}

fn path_of(directory: &Path, first: u64) -> PathBuf {
    directory.join(format!("{first:0DIGITS$}{EXTENSION}"))
}

/// How many of the oldest segments are beyond the caps.
pub(super) fn beyond(entries: &VecDeque<Entry>, limits: SpoolLimits, now: SystemTime) -> usize {
    let contents = || entries.iter().map(|entry| &entry.contents);
    let mut bytes: usize = contents().map(|contents| contents.bytes).sum();
    let mut records: usize = contents().map(|contents| contents.records).sum();
    let oldest = limits.age.and_then(|age| now.checked_sub(age));
    let mut count = 0;
    // The newest stays whatever it costs: it is being written.
    for contents in contents().take(entries.len().saturating_sub(1)) {
        let aged = contents
            .newest_time
            .zip(oldest)
            .is_some_and(|(newest, oldest)| newest < oldest);
        if bytes <= limits.bytes && records <= limits.records && !aged {
            break;
        }
        bytes -= contents.bytes;
        records -= contents.records;
        count += 1;
    }
    count
}
