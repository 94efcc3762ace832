//! Spools that another version wrote.

use std::collections::BTreeMap;

use prost::Message as _;
use rusqlite::{Connection, Transaction, params};

use super::*;
use crate::alert::spool::segment::step_up;

/// The tables as version 1 made them.
const SCHEMA_1: &str = "
CREATE TABLE format (version INTEGER NOT NULL) STRICT;
CREATE TABLE epoch (epoch INTEGER PRIMARY KEY, first INTEGER NOT NULL) STRICT;
CREATE TABLE missing (first INTEGER PRIMARY KEY, last INTEGER NOT NULL) STRICT;
CREATE TABLE record (
    sequence INTEGER PRIMARY KEY,
    epoch INTEGER NOT NULL,
    time_ns INTEGER NOT NULL,
    facts BLOB NOT NULL,
    tail BLOB NOT NULL,
    checksum INTEGER NOT NULL
) STRICT;
";
const APPLICATION_ID_1: i64 = 0x474C_5350;

/// The epochs of the runs of [`version_1`]. The second one gave no number; by their own numbers it
/// stands behind the third.
const RUNS: [u64; 4] = [0xfedc_ba98_7654_3210, 9, 5, 7];

/// A spool as an agent of version 1 left it that was killed: numbers 1 to 10 in a file that is
/// closed; 11 to 40 but 16 to 19 in another, whose log is still to be taken over.
fn version_1() -> (Disk, Vec<Stored>) {
    let disk = Disk::new(FILES);
    let path = |first: u64| disk.directory.path().join(format!("{first:020}.db"));
    let records = |run: usize, range: RangeInclusive<u64>| {
        range.map(move |sequence| record(RUNS[run], sequence))
    };
    let closed: Vec<_> = records(0, 1..=10).collect();
    let open: Vec<_> = records(0, 11..=15)
        .chain(records(2, 20..=30))
        .chain(records(3, 31..=40))
        .collect();
    let write = |path: &Path, epochs: &[(u64, u64)], records: &[Stored]| {
        let mut connection = Connection::open(path).unwrap();
        connection
            .pragma_update(None, "journal_mode", "WAL")
            .unwrap();
        connection
            .pragma_update(None, "application_id", APPLICATION_ID_1)
            .unwrap();
        connection.pragma_update(None, "user_version", 1).unwrap();
        let transaction = connection.transaction().unwrap();
        transaction.execute_batch(SCHEMA_1).unwrap();
        transaction
            .execute("INSERT INTO format VALUES (1)", [])
            .unwrap();
        for (epoch, first) in epochs {
            let row = params![epoch.cast_signed(), first.cast_signed()];
            transaction
                .execute("INSERT OR IGNORE INTO epoch VALUES (?1, ?2)", row)
                .unwrap();
        }
        for record in records {
            insert(&transaction, record);
        }
        transaction.commit().unwrap();
        connection
    };
    let connection = write(&path(1), &[(RUNS[0], 1)], &closed);
    connection
        .pragma_update(None, "journal_mode", "DELETE")
        .unwrap();
    connection.close().unwrap();
    let epochs = [(RUNS[0], 1), (RUNS[1], 20), (RUNS[2], 20), (RUNS[3], 31)];
    let connection = write(&path(11), &epochs, &open);
    connection
        .execute("INSERT INTO missing VALUES (16, 19)", [])
        .unwrap();
    connection
        .set_db_config(
            rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE,
            true,
        )
        .unwrap();
    connection.close().unwrap();
    let mut newest = 40_u64.to_le_bytes().to_vec();
    newest.extend(crc32fast::hash(&newest).to_le_bytes());
    fs::write(disk.directory.path().join("newest"), newest).unwrap();
    (disk, closed.into_iter().chain(open).collect())
}

fn record(epoch: u64, sequence: u64) -> Stored {
    Stored {
        sequence,
        epoch,
        time: SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_000 + sequence),
        facts: Facts {
            event_type: Some(format!("type {sequence}")),
            ..Facts::gap()
        },
        tail: vec![sequence as u8; 100 + sequence as usize].into(),
    }
}

fn insert(transaction: &Transaction<'_>, record: &Stored) {
    let facts = record.facts.encode_to_vec();
    let since = record.time.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let time_ns = i64::try_from(since.as_nanos()).unwrap();
    let mut hasher = crc32fast::Hasher::new();
    for number in [
        record.sequence,
        record.epoch,
        time_ns.cast_unsigned(),
        facts.len() as u64,
    ] {
        hasher.update(&number.to_le_bytes());
    }
    hasher.update(&facts);
    hasher.update(&record.tail);
    let row = params![
        record.sequence.cast_signed(),
        record.epoch.cast_signed(),
        time_ns,
        facts,
        &record.tail[..],
        hasher.finalize(),
    ];
    transaction
        .execute("INSERT INTO record VALUES (?1, ?2, ?3, ?4, ?5, ?6)", row)
        .unwrap();
}

/// Every file of a directory.
fn bytes(disk: &Disk) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = fs::read_dir(disk.directory.path()).unwrap();
    files
        .map(|file| file.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

/// As a kill leaves it now.
fn copy(disk: &Disk) -> Disk {
    let copy = Disk::new(disk.limits);
    for (path, content) in bytes(disk) {
        let name = path.file_name().unwrap();
        // The index of the log is made anew.
        if path.extension().is_none_or(|found| found != "db-shm") {
            fs::write(copy.directory.path().join(name), content).unwrap();
        }
    }
    copy
}

/// The version in both places.
fn version(path: &Path) -> (i64, i64) {
    let connection = Connection::open(path).unwrap();
    let pragma = connection.pragma_query_value(None, "user_version", |row| row.get(0));
    let table = connection.query_row("SELECT version FROM format", [], |row| row.get(0));
    (pragma.unwrap(), table.unwrap())
}

fn set_version(path: &Path, pragma: i64, table: i64) {
    let connection = Connection::open(path).unwrap();
    connection
        .set_db_config(
            rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE,
            true,
        )
        .unwrap();
    connection
        .pragma_update(None, "user_version", pragma)
        .unwrap();
    connection
        .execute("UPDATE format SET version = ?1", [table])
        .unwrap();
}

/// A client that begins at the oldest gets exactly these, then what is added now.
fn assert_delivered(disk: &Disk, expected: &[Stored]) {
    let (mut writer, recovered) = disk.open();
    assert_eq!((recovered.records, recovered.lost), (expected.len(), 0));
    let spool = Arc::clone(writer.spool());
    let mut after = 0;
    let mut read = Vec::new();
    while let Some(last) = match spool.read(after, 7) {
        Read::Batch(batch) => match batch.gone {
            Some((range, why)) => {
                assert_eq!((range.clone(), why), (16..=19, Missing::NeverStored));
                Some(*range.end())
            }
            None => None,
        },
        Read::Stored(fetch) => {
            read.extend(spool.fetch(&fetch, 7));
            read.last().map(|record: &Arc<Stored>| record.sequence)
        }
    } {
        after = last;
    }
    assert_eq!(read.len(), expected.len());
    for (read, expected) in read.iter().zip(expected) {
        assert_eq!(format!("{read:?}"), format!("{expected:?}"));
    }
    let last = RUNS.map(|epoch| spool.last_of(epoch));
    assert_eq!(last, [Some(19), Some(19), Some(30), Some(40)]);
    fill(&mut writer, 3);
    let all = read_all(&spool);
    assert_eq!(all.missing, [(16..=19, Missing::NeverStored)]);
    let added: Vec<_> = all.records[expected.len()..].to_vec();
    assert_eq!(added, [41, 42, 43].map(|number| (spool.epoch(), number)));
}

#[test]
fn what_version_1_stored_is_delivered_unchanged() {
    let (disk, expected) = version_1();
    assert!(!fs::read(&disk.files("db-wal")[0]).unwrap().is_empty());
    assert_delivered(&disk, &expected);
    let files = disk.files("db");
    assert_eq!(files.len(), 2, "it goes on in the file that it found");
    for file in files {
        assert_eq!(version(&file), (2, 2));
    }
    let (writer, recovered) = disk.open();
    assert_eq!((recovered.records, recovered.lost), (39, 0));
    assert_eq!(writer.spool().last_of(RUNS[3]), Some(40));
}

#[test]
fn a_kill_in_the_midst_of_the_migration_leaves_what_was() {
    // One file has a rollback journal then, the other a log.
    for file in 0..2 {
        let (disk, expected) = version_1();
        let path = &disk.files("db")[file];
        let mut connection = Connection::open(path).unwrap();
        // With hardly any memory SQLite writes before the end of the transaction.
        connection
            .execute_batch("PRAGMA cache_size = 1; PRAGMA cache_spill = 1")
            .unwrap();
        let before = bytes(&disk);
        let transaction = connection.transaction().unwrap();
        step_up(&transaction, 1).unwrap();
        transaction
            .execute_batch(
                "CREATE TABLE padding (data BLOB); \
                 WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200) \
                 INSERT INTO padding SELECT randomblob(2000) FROM n",
            )
            .unwrap();
        let killed = copy(&disk);
        let suffix = ["db-journal", "db-wal"][file];
        let journal = fs::metadata(&killed.files(suffix)[0]).unwrap();
        assert!(journal.len() > 0);
        assert!(bytes(&disk) != before, "nothing was written yet");
        transaction.rollback().unwrap();
        drop(connection);
        assert_delivered(&killed, &expected);
        assert_delivered(&disk, &expected);
    }
}

#[test]
fn a_file_that_cannot_be_migrated_is_read_as_it_is() {
    let (disk, expected) = version_1();
    for file in disk.files("db") {
        Connection::open(file)
            .unwrap()
            .execute_batch(
                "CREATE TRIGGER no BEFORE UPDATE ON format BEGIN SELECT RAISE(ABORT, 'no'); END",
            )
            .unwrap();
    }
    assert_delivered(&disk, &expected);
    let versions: Vec<_> = disk.files("db").iter().map(|file| version(file)).collect();
    assert_eq!(versions, [(1, 1), (1, 1), (2, 2)]);
}

#[test]
fn a_newer_version_is_refused_and_nothing_is_changed() {
    let (disk, _) = version_1();
    set_version(&disk.files("db")[1], 3, 3);
    // The file beside it could be migrated, the log be taken over, the mark be made.
    fs::remove_file(disk.directory.path().join("newest")).unwrap();
    let disk = copy(&disk);
    let before = bytes(&disk);
    assert!(!fs::read(&disk.files("db-wal")[0]).unwrap().is_empty());
    for _ in 0..2 {
        let error = Spool::open(disk.directory.path(), FILES).unwrap_err();
        assert!(error.is_newer());
        let text = error.to_string();
        for part in [
            "was written by a newer version of the agent (format 3; this one knows 2)",
            "run that version again, or move the directory away",
        ] {
            assert!(text.contains(part), "{text}");
        }
        assert!(bytes(&disk) == before, "bytes were changed");
    }
    set_version(&disk.files("db")[1], 1, 1);
    assert_eq!(disk.open().1.records, 36);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever stands in the places of the version: a newer version is refused only where both say
    /// so, and otherwise every record is delivered.
    #[test]
    fn a_damaged_version_costs_nothing(
        file in 0..2_usize,
        pragma in prop_oneof![-1..5_i64, i64::from(i32::MIN)..=i64::from(i32::MAX)],
        table in prop_oneof![-1..5_i64, any::<i64>()],
        same: bool,
    ) {
        let table = if same { pragma } else { table };
        let (disk, expected) = version_1();
        set_version(&disk.files("db")[file], pragma, table);
        if pragma == table && pragma > 2 {
            let error = Spool::open(disk.directory.path(), FILES).unwrap_err();
            prop_assert!(error.is_newer());
        } else if pragma == table && pragma == 2 {
            // The tables are those of version 1: nothing is written to them.
            let (_, recovered) = disk.open();
            prop_assert_eq!((recovered.records, recovered.lost), (36, 0));
        } else {
            assert_delivered(&disk, &expected);
        }
    }
}
