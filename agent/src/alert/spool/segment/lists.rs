//! What a file says beside its records: which epochs there were, and which sequence numbers were
//! never written.
//!
//! SQLite does not notice a changed byte of a value. An epoch that seems to begin elsewhere would
//! let a client pass over records untold, so each row has a checksum, and what is not certain is
//! not known: the client is then told that its cursor is not, and gets everything.

use std::ops::RangeInclusive;

use rusqlite::{Connection, Row, Transaction, params};

use crate::alert::spool::epochs::Epochs;

/// The tables.
pub(super) const SCHEMA: &str = "
CREATE TABLE epoch (
    place INTEGER PRIMARY KEY,
    epoch INTEGER NOT NULL,
    first INTEGER NOT NULL,
    checksum INTEGER NOT NULL
) STRICT;
CREATE TABLE missing (
    first INTEGER PRIMARY KEY,
    last INTEGER NOT NULL,
    checksum INTEGER NOT NULL
) STRICT;
";

const EPOCHS: &str = "SELECT place, first, epoch, checksum FROM epoch ORDER BY place";
const MISSING: &str = "SELECT first, last, checksum FROM missing ORDER BY first";

/// As version 1 has them. Of epochs with the same first number, one gave it: that is the last.
const EPOCHS_1: &str = "SELECT first, epoch FROM epoch ORDER BY first, EXISTS (
    SELECT 1 FROM record WHERE record.sequence = epoch.first AND record.epoch = epoch.epoch)";
const MISSING_1: &str = "SELECT first, last FROM missing ORDER BY first";

/// Adds an epoch behind the others, unless it is there.
pub(super) fn note_epoch(
    transaction: &Transaction<'_>,
    first: u64,
    epoch: u64,
) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached("SELECT 1 FROM epoch WHERE epoch = ?1")?;
    if statement.exists([epoch.cast_signed()])? {
        return Ok(());
    }
    let mut statement = transaction.prepare_cached("SELECT max(place) FROM epoch")?;
    let last: Option<i64> = statement.query_row([], |row| row.get(0))?;
    let place = last.unwrap_or_default() + 1;
    let mut statement = transaction.prepare_cached("INSERT INTO epoch VALUES (?1, ?2, ?3, ?4)")?;
    let checksum = checksum([place.cast_unsigned(), first, epoch]);
    statement.execute(params![
        place,
        epoch.cast_signed(),
        first.cast_signed(),
        checksum
    ])?;
    Ok(())
}

/// Notes that these numbers were never written.
pub(super) fn note_missing(
    transaction: &Transaction<'_>,
    missing: &RangeInclusive<u64>,
) -> rusqlite::Result<()> {
    let (first, last) = (*missing.start(), *missing.end());
    let mut statement =
        transaction.prepare_cached("INSERT OR REPLACE INTO missing VALUES (?1, ?2, ?3)")?;
    let checksum = checksum([first, last]);
    statement.execute(params![first.cast_signed(), last.cast_signed(), checksum])?;
    Ok(())
}

/// The epochs, as far as they are certain. The tables tell by their columns of which version they
/// are: the number may be damaged.
pub(super) fn epochs(connection: &Connection) -> Epochs {
    let begins = match connection.prepare(EPOCHS) {
        Ok(_) => signed(connection),
        Err(_) => pairs(connection, EPOCHS_1).ok(),
    };
    // Every file has the epoch in which it was made.
    let Some(begins) = begins.filter(|begins| !begins.is_empty()) else {
        return Epochs::cut();
    };
    let mut epochs = match begins.iter().any(Option::is_none) {
        true => Epochs::cut(),
        false => Epochs::default(),
    };
    // Where the epoch before a damaged row ends is not known.
    let certain = begins.rsplit(Option::is_none).next().unwrap_or_default();
    for &(first, epoch) in certain.iter().flatten() {
        epochs.begin(first, epoch);
    }
    epochs
}

/// First number and epoch of each row, `None` for one that is not as it was written; `None` when the
/// rows cannot be read to their end.
fn signed(connection: &Connection) -> Option<Vec<Option<(u64, u64)>>> {
    let mut statement = connection.prepare(EPOCHS).ok()?;
    let mut rows = statement.query([]).ok()?;
    let mut begins = Vec::new();
    let mut before = 0;
    while let Some(row) = rows.next().ok()? {
        let values = (
            number(row, 0),
            number(row, 1),
            number(row, 2),
            row.get::<_, u32>(3),
        );
        let begin = match values {
            (Ok(place), Ok(first), Ok(epoch), Ok(sum)) => {
                let follows = place == before + 1;
                before = place;
                (follows && checksum([place, first, epoch]) == sum).then_some((first, epoch))
            }
            _ => None,
        };
        begins.push(begin);
    }
    Some(begins)
}

/// Sequence numbers that were never written, as far as they can be read. Whatever else is missing
/// counts as damage.
pub(super) fn missing(connection: &Connection) -> Vec<RangeInclusive<u64>> {
    let Ok(mut statement) = connection.prepare(MISSING) else {
        let pairs = pairs(connection, MISSING_1).unwrap_or_default();
        return ranges(pairs.into_iter().flatten());
    };
    let whole = |row: &Row<'_>| {
        let (first, last) = (number(row, 0)?, number(row, 1)?);
        Ok((checksum([first, last]) == row.get::<_, u32>(2)?).then_some((first, last)))
    };
    match statement.query_map([], whole) {
        Ok(rows) => ranges(rows.map_while(Result::ok).flatten()),
        Err(_) => Vec::new(),
    }
}

fn ranges(pairs: impl Iterator<Item = (u64, u64)>) -> Vec<RangeInclusive<u64>> {
    pairs.map(|(first, last)| first..=last).collect()
}

/// From version 1 to 2: the epochs get places, and every row a checksum.
pub(super) fn sign(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let epochs = pairs(transaction, EPOCHS_1)?;
    let missing = pairs(transaction, MISSING_1)?;
    transaction.execute_batch("DROP TABLE epoch; DROP TABLE missing")?;
    transaction.execute_batch(SCHEMA)?;
    for (first, epoch) in epochs.into_iter().flatten() {
        note_epoch(transaction, first, epoch)?;
    }
    for missing in ranges(missing.into_iter().flatten()) {
        note_missing(transaction, &missing)?;
    }
    Ok(())
}

/// Rows of two numbers.
fn pairs(connection: &Connection, select: &str) -> rusqlite::Result<Vec<Option<(u64, u64)>>> {
    let mut statement = connection.prepare(select)?;
    let rows = statement.query_map([], |row| Ok(Some((number(row, 0)?, number(row, 1)?))))?;
    rows.collect()
}

fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)?.cast_unsigned())
}

fn checksum<const N: usize>(numbers: [u64; N]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for number in numbers {
        hasher.update(&number.to_le_bytes());
    }
    hasher.finalize()
}
