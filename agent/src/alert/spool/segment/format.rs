//! The version of a file's format, and the way from each version to the next.
//!
//! | version | holds |
//! |---|---|
//! | 1 | records, each with a checksum; epochs; sequence numbers that were never written |
//! | 2 | the epochs in the order in which they began; a checksum for each row |
//!
//! A file carries its version twice: where SQLite has a place for it, and in a table. Only when both
//! agree is a number that this version does not know taken for a newer format, and not for damage.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::lists;

/// Version of the format.
pub(super) const FORMAT: i64 = 2;
/// `GLSP`, by which tools like `file` can tell what it is.
const APPLICATION_ID: i64 = 0x474C_5350;

const SCHEMA: &str = "
CREATE TABLE format (version INTEGER NOT NULL) STRICT;
CREATE TABLE record (
    sequence INTEGER PRIMARY KEY,
    epoch INTEGER NOT NULL,
    time_ns INTEGER NOT NULL,
    facts BLOB NOT NULL,
    tail BLOB NOT NULL,
    checksum INTEGER NOT NULL
) STRICT;
";

type Step = fn(&Transaction<'_>) -> rusqlite::Result<()>;

/// The first leads from version 1 to 2, and so on.
const STEPS: [Step; FORMAT as usize - 1] = [lists::sign];

/// Makes the tables of a new file.
pub(super) fn create(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch(SCHEMA)?;
    transaction.execute_batch(lists::SCHEMA)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.execute("INSERT INTO format VALUES (?1)", [FORMAT])?;
    Ok(())
}

/// The version; `None` where its places do not agree, or name none that ever was.
pub(super) fn of(connection: &Connection) -> Option<i64> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let table = connection.query_row("SELECT version FROM format", [], |row| row.get::<_, i64>(0));
    let agreed = pragma("application_id").ok()? == APPLICATION_ID;
    let version = pragma("user_version").ok()?;
    (agreed && version >= 1 && table.ok()? == version).then_some(version)
}

/// Brings a file from an earlier version to this one. It is one transaction: a kill or a full disk
/// leaves the file as it was.
pub(super) fn migrate(connection: &mut Connection, from: i64) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    step_up(&transaction, from)?;
    transaction.commit()
}

/// [`migrate`] without its end.
pub(in crate::alert::spool) fn step_up(
    transaction: &Transaction<'_>,
    from: i64,
) -> rusqlite::Result<()> {
    let done = usize::try_from(from - 1).unwrap_or_default();
    for step in STEPS.iter().skip(done) {
        step(transaction)?;
    }
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.execute("UPDATE format SET version = ?1", [FORMAT])?;
    Ok(())
}
