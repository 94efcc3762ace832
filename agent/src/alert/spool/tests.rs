mod versions;

use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::time::Instant;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::alert::Facts;

const MIB: usize = 1 << 20;
const ROOMY: SpoolLimits = SpoolLimits {
    bytes: MIB,
    records: 100,
    age: None,
    memory_bytes: MIB,
};
/// Hardly anything stays in memory.
const FILES: SpoolLimits = SpoolLimits {
    bytes: 64 * MIB,
    records: 100_000,
    age: None,
    memory_bytes: 1,
};

fn stored(writer: &SpoolWriter, bytes: usize) -> Stored {
    let sequence = writer.next_sequence();
    Stored {
        sequence,
        epoch: writer.spool().epoch(),
        time: SystemTime::UNIX_EPOCH + Duration::from_secs(sequence),
        facts: Facts::gap(),
        tail: vec![sequence as u8; bytes].into(),
    }
}

fn fill(writer: &mut SpoolWriter, count: u64) {
    for _ in 0..count {
        let record = stored(writer, 100);
        writer.push(record);
        assert_eq!(writer.commit(), None);
    }
}

fn filled(count: u64, limits: SpoolLimits) -> (Arc<Spool>, SpoolWriter) {
    let mut writer = Spool::with_epoch(1, limits);
    fill(&mut writer, count);
    (Arc::clone(writer.spool()), writer)
}

fn batch(spool: &Spool, after: u64, max: usize) -> Batch {
    match spool.read(after, max) {
        Read::Batch(batch) => batch,
        Read::Stored(fetch) => panic!("it is in a file: {fetch:?}"),
    }
}

fn sequences(batch: &Batch) -> Vec<u64> {
    batch.records.iter().map(|record| record.sequence).collect()
}

#[test]
fn reads_in_order_from_any_place() {
    let (spool, _writer) = filled(5, ROOMY);
    assert_eq!(sequences(&batch(&spool, 0, 3)), [1, 2, 3]);
    assert_eq!(sequences(&batch(&spool, 3, 3)), [4, 5]);
    assert!(sequences(&batch(&spool, 5, 3)).is_empty());
    assert!(sequences(&batch(&spool, u64::MAX - 1, 3)).is_empty());
}

#[test]
fn the_record_cap_evicts_the_oldest_and_readers_learn_which() {
    let limits = SpoolLimits {
        records: 3,
        ..ROOMY
    };
    let (spool, _writer) = filled(5, limits);
    let (oldest, newest) = (3, 5);
    assert_eq!(spool.bounds(), Bounds { oldest, newest });
    let all = batch(&spool, 0, 10);
    assert_eq!(all.gone, Some((1..=2, Missing::Evicted)));
    assert_eq!(sequences(&all), [3, 4, 5]);
    assert_eq!(batch(&spool, 2, 10).gone, None);
}

#[test]
fn the_byte_cap_holds_except_for_one_huge_record() {
    let limits = SpoolLimits {
        memory_bytes: 2 * (100 + size_of::<Stored>()),
        ..ROOMY
    };
    let (spool, mut writer) = filled(5, limits);
    assert_eq!(spool.usage().records, 2);
    let huge = stored(&writer, 2 * MIB);
    writer.push(huge);
    writer.commit();
    assert_eq!(sequences(&batch(&spool, 5, 10)), [6]);
    assert_eq!(spool.usage().records, 1);
}

#[test]
fn finds_the_place_of_a_time() {
    let (spool, _writer) = filled(5, ROOMY);
    let at = |seconds| spool.before(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
    assert_eq!((at(0), at(3), at(9)), (0, 2, 5));
}

#[tokio::test]
async fn a_commit_and_the_end_wake_a_reader() {
    let (spool, mut writer) = filled(0, ROOMY);
    let mut tail = spool.watch();
    fill(&mut writer, 1);
    tail.changed().await.unwrap();
    assert_eq!(tail.borrow_and_update().newest, 1);
    drop(writer);
    tail.changed().await.unwrap();
    assert!(tail.borrow().closed);
}

/// The spool in files.
struct Disk {
    directory: TempDir,
    limits: SpoolLimits,
}

impl Disk {
    fn new(limits: SpoolLimits) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { directory, limits }
    }

    fn open(&self) -> (SpoolWriter, Recovered) {
        Spool::open(self.directory.path(), self.limits).unwrap()
    }

    /// The files of that kind, in order.
    fn files(&self, extension: &str) -> Vec<PathBuf> {
        let files = fs::read_dir(self.directory.path()).unwrap();
        let mut files: Vec<_> = files
            .map(|file| file.unwrap().path())
            .filter(|path| path.extension().is_some_and(|found| found == extension))
            .collect();
        files.sort();
        files
    }
}

/// What a reader gets that begins at the oldest: records, and what is missing.
#[derive(Debug, Default, PartialEq, Eq)]
struct All {
    records: Vec<(u64, u64)>,
    missing: Vec<(RangeInclusive<u64>, Missing)>,
}

fn read_all(spool: &Spool) -> All {
    let mut all = All::default();
    let mut after = spool.bounds().oldest - 1;
    loop {
        let records = match spool.read(after, 7) {
            Read::Batch(batch) => {
                if let Some((range, why)) = batch.gone {
                    after = *range.end();
                    all.missing.push((range, why));
                } else if batch.records.is_empty() {
                    return all;
                }
                batch.records
            }
            Read::Stored(fetch) => spool.fetch(&fetch, 7),
        };
        for record in records {
            assert_eq!(record.sequence, after + 1, "out of order");
            assert!(
                record
                    .tail
                    .iter()
                    .all(|byte| *byte == record.sequence as u8)
            );
            after = record.sequence;
            all.records.push((record.epoch, record.sequence));
        }
    }
}

#[test]
fn the_next_run_goes_on_in_an_epoch_of_its_own() {
    let disk = Disk::new(FILES);
    let (mut writer, recovered) = disk.open();
    assert_eq!(recovered, Recovered::default());
    fill(&mut writer, 10);
    let first = writer.spool().epoch();
    drop(writer);
    let (mut writer, recovered) = disk.open();
    assert_eq!((recovered.records, recovered.lost), (10, 0));
    fill(&mut writer, 5);
    let spool = Arc::clone(writer.spool());
    let epochs = |epoch, range: RangeInclusive<u64>| range.map(move |sequence| (epoch, sequence));
    let expected: Vec<_> = epochs(first, 1..=10)
        .chain(epochs(spool.epoch(), 11..=15))
        .collect();
    assert_ne!(first, spool.epoch());
    let all = read_all(&spool);
    assert_eq!((all.records, all.missing), (expected, Vec::new()));
    assert_eq!(
        (spool.last_of(first), spool.last_of(spool.epoch())),
        (Some(10), Some(15))
    );
    assert_eq!(disk.files("db").len(), 1);
    // Another run that stores nothing is known all the same.
    let epoch = spool.epoch();
    drop((writer, spool));
    drop(disk.open());
    assert_eq!(disk.open().0.spool().last_of(epoch), Some(15));
}

#[test]
fn a_run_that_stores_nothing_hides_no_other() {
    let disk = Disk::new(FILES);
    let mut runs = Vec::new();
    for _ in 0..12 {
        // Its epoch begins with the number that the next run gives.
        drop(disk.open());
        let (mut writer, _) = disk.open();
        fill(&mut writer, 2);
        runs.push((writer.spool().epoch(), writer.next_sequence() - 1));
    }
    let (writer, _) = disk.open();
    for (epoch, last) in runs {
        assert_eq!(writer.spool().last_of(epoch), Some(last));
    }
}

#[test]
fn a_kill_while_a_file_is_made_is_no_damage() {
    let disk = Disk::new(FILES);
    let (mut writer, _) = disk.open();
    fill(&mut writer, 5);
    let epoch = writer.spool().epoch();
    drop(writer);
    fs::write(disk.directory.path().join("00000000000000000006.db"), "").unwrap();
    let (mut writer, recovered) = disk.open();
    assert_eq!((recovered.records, recovered.lost), (5, 0));
    assert_eq!(writer.spool().last_of(epoch), Some(5));
    fill(&mut writer, 1);
    assert_eq!(read_all(writer.spool()).missing, []);
}

#[test]
fn an_epoch_that_is_not_certain_is_not_known() {
    let disk = Disk::new(FILES);
    let mut epochs = Vec::new();
    for _ in 0..3 {
        let (mut writer, _) = disk.open();
        fill(&mut writer, 5);
        epochs.push(writer.spool().epoch());
    }
    let connection = rusqlite::Connection::open(&disk.files("db")[0]).unwrap();
    connection
        .execute_batch("UPDATE epoch SET first = first + 1 WHERE place = 2")
        .unwrap();
    connection.close().unwrap();
    let (writer, recovered) = disk.open();
    assert_eq!((recovered.records, recovered.lost), (15, 0));
    let last = epochs.iter().map(|epoch| writer.spool().last_of(*epoch));
    assert_eq!(last.collect::<Vec<_>>(), [None, None, Some(15)]);
}

#[test]
fn what_left_memory_before_it_was_written_is_not_taken_for_damage() {
    let disk = Disk::new(FILES);
    let (mut writer, _) = disk.open();
    fill(&mut writer, 10);
    // As after a write that was refused just now.
    writer.refused = Some(Instant::now());
    fill(&mut writer, 5);
    writer.refused = None;
    fill(&mut writer, 1);
    let missing = [(11..=14, Missing::NeverStored)];
    assert_eq!(read_all(writer.spool()).missing, missing);
    drop(writer);
    let (writer, recovered) = disk.open();
    assert_eq!((recovered.records, recovered.lost), (12, 0));
    assert_eq!(read_all(writer.spool()).missing, missing);
}

#[test]
fn files_go_when_a_cap_is_reached() {
    let limits = SpoolLimits {
        records: 80,
        ..FILES
    };
    let disk = Disk::new(limits);
    let (mut writer, _) = disk.open();
    fill(&mut writer, 1_000);
    let spool = Arc::clone(writer.spool());
    let Bounds { oldest, newest } = spool.bounds();
    assert_eq!(newest, 1_000);
    assert!((920..=931).contains(&oldest), "{oldest}");
    let kept = newest + 1 - oldest;
    assert_eq!(spool.usage().records as u64, kept);
    assert_eq!(read_all(&spool).records.len() as u64, kept);
    assert!(disk.files("db").len() <= 9, "{:?}", disk.files("db"));
    let gone = match spool.read(0, 1) {
        Read::Batch(batch) => batch.gone,
        Read::Stored(fetch) => panic!("{fetch:?}"),
    };
    assert_eq!(gone, Some((1..=oldest - 1, Missing::Evicted)));
}

#[test]
fn files_go_when_they_are_too_old() {
    let limits = SpoolLimits {
        records: 80,
        age: Some(Duration::from_secs(3_600)),
        ..FILES
    };
    let disk = Disk::new(limits);
    let (mut writer, _) = disk.open();
    // Their records are of 1970.
    fill(&mut writer, 35);
    assert_eq!(disk.files("db").len(), 1);
    assert!(writer.spool().bounds().oldest >= 30);
}

#[test]
fn finds_the_place_of_a_time_in_files() {
    let limits = SpoolLimits {
        records: 80,
        ..FILES
    };
    let disk = Disk::new(limits);
    let (mut writer, _) = disk.open();
    fill(&mut writer, 50);
    let at = |seconds| {
        writer
            .spool()
            .before(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
    };
    assert_eq!((at(0), at(25), at(50), at(51)), (0, 24, 49, 50));
}

#[test]
fn a_file_that_is_gone_is_told_of() {
    let limits = SpoolLimits {
        records: 80,
        ..FILES
    };
    let disk = Disk::new(limits);
    let (mut writer, _) = disk.open();
    fill(&mut writer, 35);
    drop(writer);
    fs::remove_file(&disk.files("db")[1]).unwrap();
    let (writer, recovered) = disk.open();
    assert_eq!((recovered.records, recovered.lost), (25, 10));
    let all = read_all(writer.spool());
    assert_eq!(all.missing, [(11..=20, Missing::Damaged)]);
    drop(writer);
    for file in disk.files("db") {
        fs::remove_file(file).unwrap();
    }
    let (writer, recovered) = disk.open();
    assert!(recovered.vanished);
    assert_eq!(writer.next_sequence(), 36);
}

#[test]
fn a_log_that_is_cut_off_is_told_of() {
    let disk = Disk::new(FILES);
    let (mut writer, _) = disk.open();
    fill(&mut writer, 20);
    // As after a kill: nothing of the log is in the database yet.
    let copy = Disk::new(FILES);
    for file in fs::read_dir(disk.directory.path()).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), copy.directory.path().join(file.file_name())).unwrap();
    }
    let log = &copy.files("db-wal")[0];
    let length = fs::metadata(log).unwrap().len();
    fs::OpenOptions::new()
        .write(true)
        .open(log)
        .unwrap()
        .set_len(length / 2)
        .unwrap();
    let (mut writer, recovered) = copy.open();
    assert!(recovered.lost > 0, "{recovered:?}");
    assert_eq!(recovered.records as u64 + recovered.lost, 20);
    fill(&mut writer, 3);
    let all = read_all(writer.spool());
    let first_lost = recovered.records as u64 + 1;
    assert_eq!(all.missing, [(first_lost..=20, Missing::Damaged)]);
    assert_eq!(all.records.last(), Some(&(writer.spool().epoch(), 23)));
}

#[test]
fn a_file_that_is_cut_off_keeps_what_is_before() {
    let disk = Disk::new(FILES);
    let (mut writer, _) = disk.open();
    fill(&mut writer, 1_000);
    drop(writer);
    let file = &disk.files("db")[0];
    let length = fs::metadata(file).unwrap().len();
    fs::OpenOptions::new()
        .write(true)
        .open(file)
        .unwrap()
        .set_len(length / 2)
        .unwrap();
    let (writer, recovered) = disk.open();
    assert!((300..700).contains(&recovered.records), "{recovered:?}");
    assert_eq!(read_all(writer.spool()).records.len(), recovered.records);
}

#[test]
fn what_turns_out_unreadable_is_told_of() {
    let disk = Disk::new(FILES);
    let (mut writer, _) = disk.open();
    fill(&mut writer, 20);
    let spool = Arc::clone(writer.spool());
    let connection = rusqlite::Connection::open(&disk.files("db")[0]).unwrap();
    connection
        .execute_batch("UPDATE record SET tail = x'00' WHERE sequence = 7")
        .unwrap();
    assert_eq!(read_all(&spool).missing, [(7..=7, Missing::Damaged)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever happens to the bytes of a file: what is read is what was written, in order, and
    /// everything else is told as missing.
    #[test]
    fn damage_costs_what_it_hit_and_is_told(
        cut: bool, place in 0.0..1.0_f64, file in 0..3_usize, bytes: [u8; 16]
    ) {
        let limits = SpoolLimits { records: 800, ..FILES };
        let disk = Disk::new(limits);
        let (mut writer, _) = disk.open();
        for _ in 0..6 {
            for _ in 0..50 {
                let record = stored(&writer, 100);
                writer.push(record);
            }
            prop_assert_eq!(writer.commit(), None);
        }
        drop(writer);
        let path = &disk.files("db")[file];
        let length = fs::metadata(path).unwrap().len();
        let at = (length as f64 * place) as u64;
        let mut damaged = fs::OpenOptions::new().write(true).open(path).unwrap();
        if cut {
            damaged.set_len(at).unwrap();
        } else {
            damaged.seek(SeekFrom::Start(at)).unwrap();
            damaged.write_all(&bytes).unwrap();
        }
        drop(damaged);
        let (mut writer, recovered) = match Spool::open(disk.directory.path(), limits) {
            Ok(opened) => opened,
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        };
        fill(&mut writer, 10);
        let all = read_all(writer.spool());
        let missing: u64 = all.missing.iter().map(|(range, _)| range.end() - range.start() + 1).sum();
        prop_assert_eq!(all.records.len() as u64 + missing, 310);
        prop_assert_eq!(missing, recovered.lost);
        prop_assert!(missing <= 100, "more than the file that was hit: {}", missing);
        prop_assert!(all.missing.iter().all(|(_, why)| *why == Missing::Damaged));
    }
}
