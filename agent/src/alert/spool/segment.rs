//! One file of the spool: an SQLite database with a run of records.
//!
//! A file is read again by whatever version follows: `format` says how it gets from one version to
//! the next.

mod format;
mod lists;

use std::fs;
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use prost::Message as _;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Row, Statement, Transaction, params};

use super::epochs::Epochs;
use crate::alert::{Facts, Stored};
use crate::state_dir;
use crate::telemetry::{Counter, Failure};
use format::FORMAT;
#[cfg(test)]
pub(super) use format::step_up;

const ALL: &str = "SELECT sequence, epoch, time_ns, facts, tail, checksum FROM record \
                   ORDER BY sequence";
const ONE: &str = "SELECT sequence, epoch, time_ns, facts, tail, checksum FROM record \
                   WHERE sequence = ?1";

/// Sequence numbers that are tried one by one behind the last record that can be read, where
/// nothing tells how many there were.
const TRIES: u64 = 20_000;
/// Least bytes that a record takes in a file.
const LEAST_BYTES: u64 = 64;

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// A later version wrote it.
    #[error(
        "{} was written by a newer version of the agent (format {found}; this one knows {FORMAT}): \
         run that version again, or move the directory away, which loses the records in it",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
    },
    /// SQLite or the disk.
    #[error(transparent)]
    Store(#[from] rusqlite::Error),
    /// The file system.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Contents {
    /// Sequence numbers of the records that are whole, in order.
    pub(super) whole: Vec<RangeInclusive<u64>>,
    /// Sequence numbers of records that left memory before they could be written.
    pub(super) missing: Vec<RangeInclusive<u64>>,
    pub(super) records: usize,
    /// Sum of [`Stored::cost`].
    pub(super) bytes: usize,
    pub(super) alerts: u64,
    /// When the newest was made.
    pub(super) newest_time: Option<SystemTime>,
    /// Something in it cannot be read.
    pub(super) damaged: bool,
}

impl SegmentError {
    /// The file is not as it was written; else something stood in the way that may pass.
    pub(super) fn is_damage(&self) -> bool {
        matches!(self, Self::Store(error) if is_damage(error))
    }
}

impl Contents {
    /// Of a file of which nothing is read yet, and not everything can be.
    fn damaged() -> Self {
        Self {
            damaged: true,
            ..Self::default()
        }
    }

    /// Takes a record that is whole into the account.
    pub(super) fn add(&mut self, stored: &Stored) {
        match self.whole.last_mut() {
            Some(last) if *last.end() + 1 == stored.sequence => {
                *last = *last.start()..=stored.sequence;
            }
            _ => self.whole.push(stored.sequence..=stored.sequence),
        }
        self.records += 1;
        self.bytes += stored.cost();
        self.alerts += u64::from(stored.facts.is_alert());
        self.newest_time = self.newest_time.max(Some(stored.time));
    }

    /// A range may be what the file says was never written: it is no checksum's.
    fn may_miss(&self, missing: &RangeInclusive<u64>, first: u64) -> bool {
        let apart = |range: &RangeInclusive<u64>| {
            range.end() < missing.start() || missing.end() < range.start()
        };
        let last = self.whole.last().map_or(0, |range| *range.end());
        // Records follow what is missing.
        *missing.start() >= first
            && !missing.is_empty()
            && *missing.end() < last
            && self.whole.iter().all(apart)
    }

    /// Records turn out not to be readable.
    pub(super) fn lose(&mut self, lost: &RangeInclusive<u64>) {
        let parts = self.whole.iter().flat_map(|range| {
            let before = *range.start()..=(*range.end()).min(*lost.start() - 1);
            let behind = (*range.start()).max(*lost.end() + 1)..=*range.end();
            [before, behind]
        });
        self.whole = parts.filter(|part| !part.is_empty()).collect();
        let lengths = self
            .whole
            .iter()
            .map(|range| range.end() - range.start() + 1);
        self.records = usize::try_from(lengths.sum::<u64>()).unwrap_or(usize::MAX);
        self.damaged = true;
    }
}

/// A file that is open for writing.
#[derive(Debug)]
pub(super) struct Segment {
    connection: Connection,
}

impl Segment {
    /// Makes a file.
    pub(super) fn create(path: &Path, epochs: &Epochs) -> Result<Self, SegmentError> {
        // SQLite gives the files beside it the same mode.
        state_dir::open(path).map_err(io::Error::other)?;
        let mut connection = open_to_write(path)?;
        let transaction = connection.transaction()?;
        format::create(&transaction)?;
        for (first, epoch) in epochs.iter() {
            lists::note_epoch(&transaction, first, epoch)?;
        }
        transaction.commit()?;
        if let Some(directory) = path.parent() {
            fs::File::open(directory)?.sync_all()?;
        }
        Ok(Self { connection })
    }

    /// Opens a file that is whole to write more into it; `None` where that cannot be done now, or
    /// its format is not this version's.
    pub(super) fn open(path: &Path) -> Option<Self> {
        let connection = open_to_write(path).ok()?;
        (format::of(&connection) == Some(FORMAT)).then_some(Self { connection })
    }

    /// Notes where an epoch begins.
    pub(super) fn begin(&mut self, first: u64, epoch: u64) -> Result<(), SegmentError> {
        let transaction = self.connection.transaction()?;
        lists::note_epoch(&transaction, first, epoch)?;
        Ok(transaction.commit()?)
    }

    /// Appends records, all of them or none, and notes which before them were never written. When
    /// it returns, they outlive a power failure.
    pub(super) fn append(
        &mut self,
        missing: Option<&RangeInclusive<u64>>,
        records: &[Arc<Stored>],
    ) -> Result<(), SegmentError> {
        let transaction = self.connection.transaction()?;
        if let Some(missing) = missing {
            lists::note_missing(&transaction, missing)?;
        }
        for record in records {
            insert(&transaction, record)?;
        }
        Ok(transaction.commit()?)
    }

    /// Closes a file to which nothing will be added. The log beside it goes, and readers need no
    /// memory that they share: they can read where nothing can be written.
    pub(super) fn seal(self) -> Result<(), SegmentError> {
        // Where it cannot be done, readers find what they need in the log.
        let _ = self
            .connection
            .pragma_update(None, "journal_mode", "DELETE");
        self.connection.close().map_err(|(_, error)| error.into())
    }
}

fn insert(transaction: &Transaction<'_>, stored: &Stored) -> rusqlite::Result<()> {
    let mut statement = transaction
        .prepare_cached("INSERT OR REPLACE INTO record VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    let facts = stored.facts.encode_to_vec();
    let row = Raw {
        sequence: stored.sequence,
        epoch: stored.epoch,
        time_ns: nanos(stored.time),
    };
    statement.execute(params![
        row.sequence.cast_signed(),
        row.epoch.cast_signed(),
        row.time_ns,
        facts,
        &stored.tail[..],
        row.checksum(&facts, &stored.tail),
    ])?;
    Ok(())
}

/// A file that is open for reading.
#[derive(Debug)]
pub(super) struct Reader {
    connection: Connection,
}

impl Reader {
    pub(super) fn open(path: &Path) -> Result<Self, SegmentError> {
        let connection = open_to_read(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        // It serves a slow reader: a few pages are enough. Negative: KiB.
        connection.pragma_update(None, "cache_size", -256)?;
        Ok(Self { connection })
    }

    /// At most `max` of these records, in order; fewer where one cannot be read. Each is asked for
    /// by itself: what is found is then what [`examine`] found, whatever is damaged beside it.
    pub(super) fn read(
        &self,
        range: RangeInclusive<u64>,
        max: usize,
    ) -> Result<Vec<Stored>, SegmentError> {
        let mut statement = self.connection.prepare_cached(ONE)?;
        let mut records = Vec::new();
        for sequence in range.take(max) {
            match one(&mut statement, sequence) {
                Ok(Some(record)) => records.push(record),
                Ok(None) => break,
                // What was read until then is not to be lost for it.
                Err(_) if !records.is_empty() => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(records)
    }

    /// The first record that is not older than that.
    pub(super) fn since(&self, time: SystemTime) -> Result<Option<u64>, SegmentError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT min(sequence) FROM record WHERE time_ns >= ?1")?;
        let sequence: Option<i64> = statement.query_row([nanos(time)], |row| row.get(0))?;
        Ok(sequence.map(i64::cast_unsigned))
    }
}

/// Up to where a file may have records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Through {
    /// No further.
    Exactly(u64),
    /// At least so far, as far as is known.
    AtLeast(u64),
}

/// Refuses a file that a newer version wrote, and leaves its bytes as they are.
///
/// # Errors
/// [`SegmentError::Newer`]. A file that cannot be read is damaged, not newer.
pub(super) fn require_known(path: &Path) -> Result<(), SegmentError> {
    let Ok(connection) = open_to_read(path, OpenFlags::SQLITE_OPEN_READ_WRITE) else {
        return Ok(());
    };
    // Whoever closes a file last takes its log over.
    let _ = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
    lock_alone(&connection);
    match format::of(&connection) {
        Some(found) if found > FORMAT => {
            let path = path.to_owned();
            Err(SegmentError::Newer { path, found })
        }
        _ => Ok(()),
    }
}

/// Looks through a file that an earlier run left, and brings it to this version's format: what it
/// holds and the epochs that it names. What cannot be read is damage; what cannot be written stays in
/// the format that it has.
pub(super) fn examine(path: &Path, first: u64, through: Through) -> (Contents, Epochs) {
    // For writing, so that what its log holds is taken over.
    let Ok(mut connection) = open_to_read(path, OpenFlags::SQLITE_OPEN_READ_WRITE) else {
        return (Contents::damaged(), Epochs::cut());
    };
    lock_alone(&connection);
    // Of a run that was killed while it made the file: it has stored nothing in it.
    let (Through::Exactly(told) | Through::AtLeast(told)) = through;
    if told < first && has_no_tables(&connection) {
        return (Contents::default(), Epochs::default());
    }
    let mut contents = match scan(&connection) {
        Some(contents) => contents,
        None => {
            let length = fs::metadata(path).map_or(0, |found| found.len());
            try_each(&connection, first, through, first + length / LEAST_BYTES)
        }
    };
    if !contents.damaged
        && let Err(why) = bring_up(&mut connection)
    {
        FormatKept { path, why }.emit();
    }
    contents.missing = lists::missing(&connection)
        .into_iter()
        .filter(|missing| contents.may_miss(missing, first))
        .collect();
    (contents, lists::epochs(&connection))
}

fn bring_up(connection: &mut Connection) -> Result<(), String> {
    match format::of(connection) {
        Some(FORMAT) => Ok(()),
        Some(older) => format::migrate(connection, older).map_err(|error| error.to_string()),
        None => Err("the version of its format is damaged".to_owned()),
    }
}

struct FormatKept<'a> {
    path: &'a Path,
    why: String,
}

impl Failure for FormatKept<'_> {
    fn counter(&self) -> &'static Counter {
        static COUNTER: Counter = Counter::new("spool_format_kept");
        &COUNTER
    }

    fn log(&self, total: u64) {
        tracing::warn!(
            message = "A file of the spool cannot be brought to this version's format: it is read \
                       as it is, and nothing is added to it.",
            path = %self.path.display(),
            why = self.why,
            total
        );
    }
}

/// Alone with the file, SQLite keeps the index of the log in memory of its own: the disk may be full.
/// Where somebody else reads it too, that cannot be.
fn lock_alone(connection: &Connection) {
    // What fails here because the file is damaged fails again where it is told.
    let _ = connection.pragma_update(None, "locking_mode", "EXCLUSIVE");
    let looked = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()));
    let busy = Some(rusqlite::ErrorCode::DatabaseBusy);
    if looked.is_err_and(|error| error.sqlite_error_code() == busy) {
        let _ = connection.pragma_update(None, "locking_mode", "NORMAL");
    }
}

fn has_no_tables(connection: &Connection) -> bool {
    let tables = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0));
    tables.is_ok_and(|tables: i64| tables == 0)
}

/// Everything in order; `None` when something is damaged.
fn scan(connection: &Connection) -> Option<Contents> {
    let check: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .ok()?;
    if check != "ok" {
        return None;
    }
    let mut statement = connection.prepare(ALL).ok()?;
    let mut rows = statement.query([]).ok()?;
    let mut contents = Contents::default();
    while let Some(row) = rows.next().ok()? {
        contents.add(&decode(row).ok()??);
    }
    Some(contents)
}

/// Asks for each number by itself, so that a damaged page costs the records in it and no others.
/// `ceiling`: more than the file can hold.
fn try_each(connection: &Connection, first: u64, through: Through, ceiling: u64) -> Contents {
    let mut contents = Contents::damaged();
    let Ok(mut statement) = connection.prepare(ONE) else {
        return contents;
    };
    let mut last = first.saturating_sub(1);
    let mut sequence = first;
    let goes_on = |sequence: u64, last: u64| match through {
        Through::Exactly(through) => sequence <= through.min(ceiling),
        Through::AtLeast(through) => sequence <= through.min(ceiling) || sequence - last <= TRIES,
    };
    while goes_on(sequence, last) {
        if let Ok(Some(stored)) = one(&mut statement, sequence) {
            last = sequence;
            contents.add(&stored);
        }
        sequence += 1;
    }
    contents
}

/// The record with that number; `None` when it is not there, or not as it was written. An error is
/// not about the record.
fn one(statement: &mut Statement<'_>, sequence: u64) -> rusqlite::Result<Option<Stored>> {
    match statement.query_row([sequence.cast_signed()], decode) {
        Ok(found) => Ok(found.filter(|stored| stored.sequence == sequence)),
        Err(rusqlite::Error::QueryReturnedNoRows) => Ok(None),
        Err(error) if is_damage(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The file is not as it was written; else something stood in the way that may pass.
fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ffi;
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => {
            matches!(
                failure.code,
                rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase
            ) || matches!(
                failure.extended_code,
                ffi::SQLITE_IOERR_READ | ffi::SQLITE_IOERR_SHORT_READ
            )
        }
        // A value of another type than was written.
        _ => true,
    }
}

/// A record; `None` when it is not as it was written.
fn decode(row: &Row<'_>) -> rusqlite::Result<Option<Stored>> {
    let raw = Raw {
        sequence: row.get::<_, i64>(0)?.cast_unsigned(),
        epoch: row.get::<_, i64>(1)?.cast_unsigned(),
        time_ns: row.get(2)?,
    };
    let facts = row.get_ref(3)?.as_blob()?;
    let tail = row.get_ref(4)?.as_blob()?;
    if row.get::<_, u32>(5)? != raw.checksum(facts, tail) {
        return Ok(None);
    }
    let Ok(decoded) = Facts::decode(facts) else {
        return Ok(None);
    };
    let tail = tail.to_vec().into();
    Ok(Some(Stored {
        sequence: raw.sequence,
        epoch: raw.epoch,
        time: time(raw.time_ns),
        facts: decoded,
        tail,
    }))
}

/// The numbers of a record.
struct Raw {
    sequence: u64,
    epoch: u64,
    time_ns: i64,
}

impl Raw {
    /// CRC-32 of the whole record: SQLite does not notice a changed byte of a value.
    fn checksum(&self, facts: &[u8], tail: &[u8]) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.sequence.to_le_bytes());
        hasher.update(&self.epoch.to_le_bytes());
        hasher.update(&self.time_ns.to_le_bytes());
        hasher.update(&(facts.len() as u64).to_le_bytes());
        hasher.update(facts);
        hasher.update(tail);
        hasher.finalize()
    }
}

/// Nanoseconds since 1970, before it too.
fn nanos(time: SystemTime) -> i64 {
    let of = |duration: Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => of(since),
        Err(before) => -of(before.duration()),
    }
}

fn time(nanos: i64) -> SystemTime {
    let distance = Duration::from_nanos(nanos.unsigned_abs());
    let time = if nanos < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(distance)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(distance)
    };
    time.unwrap_or(SystemTime::UNIX_EPOCH)
}

fn open_to_write(path: &Path) -> Result<Connection, SegmentError> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // A log that is appended to takes one sync for a transaction, and readers need not wait.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // The default of a log leaves the last transactions to a power failure.
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

/// Opens a file that may have been damaged.
fn open_to_read(path: &Path, flags: OpenFlags) -> Result<Connection, SegmentError> {
    let connection = open(path, flags)?;
    // SQLite refuses a file that is shorter than its header says, except with this.
    connection.pragma_update(None, "writable_schema", "ON")?;
    Ok(connection)
}

fn open(path: &Path, flags: OpenFlags) -> Result<Connection, SegmentError> {
    // Each connection has one user at a time.
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    Ok(Connection::open_with_flags(path, flags)?)
}
