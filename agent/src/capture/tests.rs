mod corpus;
mod fuzz;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use prost::Message as _;

use super::layout::{MAX_BLOCK, encode_block, encode_header, read_block, sealed};
use super::*;
use crate::proto::capture::{Entry, Header, entry};

/// A block of one message, as a recorder encodes it.
fn encoded(input: entry::Input) -> Vec<u8> {
    Entry { input: Some(input) }.encode_length_delimited_to_vec()
}

fn records(texts: &[&str]) -> Vec<u8> {
    let record = |text: &&str| encoded(entry::Input::Record(text.as_bytes().to_vec()));
    texts.iter().flat_map(record).collect()
}

/// Of a file in memory: the inputs before its end or its damage, and which.
fn read(bytes: &[u8]) -> (Vec<Input>, Result<Step, Damage>) {
    let mut inputs = Vec::new();
    let mut reader = match PartReader::new(Path::new("capture"), bytes) {
        Ok(reader) => reader,
        Err(damage) => return (inputs, Err(damage)),
    };
    loop {
        match reader.step() {
            Ok(Step::State(input) | Step::Input(input)) => inputs.push(input),
            end => return (inputs, end),
        }
    }
}

/// A whole file with blocks of so many records.
fn file(blocks: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = encode_header(&sample::header());
    for (sequence, block) in (1..).zip(blocks) {
        bytes.extend(encode_block(sequence, BlockKind::Inputs, block).unwrap());
    }
    let end = blocks.len() as u64 + 1;
    bytes.extend(encode_block(end, BlockKind::End, &[]).unwrap());
    bytes
}

fn writer(path: &Path, keep: u32) -> CaptureWriter {
    CaptureWriter::create(path, sample::header(), keep).unwrap()
}

/// Every input of a capture, and how it ends.
fn read_all(path: &Path) -> (Vec<Input>, Option<Damage>) {
    let mut inputs = Vec::new();
    let mut all = captures(&[path.to_owned()]).unwrap();
    assert_eq!(all.len(), 1);
    loop {
        match all[0].next_input() {
            Ok(Some(input)) => inputs.push(input),
            Ok(None) => return (inputs, None),
            Err(damage) => {
                assert!(all[0].next_input().unwrap().is_none(), "nothing follows");
                return (inputs, Some(damage));
            }
        }
    }
}

fn texts(inputs: &[Input]) -> Vec<String> {
    let text = |input: &Input| match input {
        Input::Record(bytes) => String::from_utf8(bytes.clone()).unwrap(),
        other => format!("{other:?}"),
    };
    inputs.iter().map(text).collect()
}

#[test]
fn what_was_written_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace");
    let mut writer = writer(&path, 3);
    writer.append(BlockKind::State, &records(&["s"])).unwrap();
    writer
        .append(BlockKind::Inputs, &records(&["a", "b"]))
        .unwrap();
    writer.append(BlockKind::Inputs, &records(&["c"])).unwrap();
    writer.finish().unwrap();
    assert_eq!(writer.part_bytes(), std::fs::metadata(&path).unwrap().len());
    let (inputs, damage) = read_all(&path);
    assert!(damage.is_none(), "{damage:?}");
    assert_eq!(texts(&inputs), ["s", "a", "b", "c"]);
}

#[test]
fn only_the_owner_may_read_a_capture() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace");
    writer(&path, 1);
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_capture_that_exists_is_never_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace");
    writer(&path, 1);
    for path in [path.clone(), folder.path().join("trace")] {
        let error = CaptureWriter::create(&path, sample::header(), 1).unwrap_err();
        assert!(matches!(error, CreateError::Exists(_)), "{error}");
    }
    // Also where only a later part is left.
    std::fs::rename(&path, folder.path().join("trace.7")).unwrap();
    let error = CaptureWriter::create(&path, sample::header(), 1).unwrap_err();
    assert!(error.to_string().contains("trace.7"), "{error}");
    let nowhere = folder.path().join("absent/trace");
    let error = CaptureWriter::create(&nowhere, sample::header(), 1).unwrap_err();
    assert!(matches!(error, CreateError::Io { .. }), "{error}");
}

/// A capture of four parts, of which `keep` are kept.
fn rotated(path: &Path, keep: u32) {
    let mut writer = writer(path, keep);
    for part in 1..=4_u32 {
        if part > 1 {
            writer.next_part(sample::reading(u64::from(part))).unwrap();
        }
        let state = format!("state {part}");
        let input = format!("input {part}");
        writer
            .append(BlockKind::State, &records(&[&state]))
            .unwrap();
        writer
            .append(BlockKind::Inputs, &records(&[&input]))
            .unwrap();
    }
    writer.finish().unwrap();
}

#[test]
fn parts_follow_one_another_and_state_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace");
    rotated(&path, 16);
    let expected = ["state 1", "input 1", "input 2", "input 3", "input 4"];
    let (inputs, damage) = read_all(&path);
    assert!(damage.is_none(), "{damage:?}");
    assert_eq!(texts(&inputs), expected);
    // The directory, and every file by itself, are the same capture; other files are passed over.
    std::fs::write(folder.path().join("notes"), "no capture").unwrap();
    assert_eq!(texts(&read_all(folder.path()).0), expected);
    let every: Vec<PathBuf> = ["trace", "trace.2", "trace.3", "trace.4"]
        .map(|name| folder.path().join(name))
        .into();
    assert_eq!(captures(&every).unwrap().len(), 1);
}

#[test]
fn the_oldest_parts_go_and_what_is_left_begins_with_its_state() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace");
    rotated(&path, 2);
    assert!(!path.exists() && !folder.path().join("trace.2").exists());
    let (inputs, damage) = read_all(&path);
    assert!(damage.is_none(), "{damage:?}");
    assert_eq!(texts(&inputs), ["state 3", "input 3", "input 4"]);
}

#[test]
fn a_part_that_is_missing_ends_the_capture_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace");
    rotated(&path, 16);
    std::fs::remove_file(folder.path().join("trace.3")).unwrap();
    let (inputs, damage) = read_all(&path);
    assert_eq!(texts(&inputs), ["state 1", "input 1", "input 2"]);
    let damage = damage.unwrap();
    assert!(matches!(damage.fault, Fault::MissingPart(3)), "{damage}");
}

#[test]
fn a_part_that_was_cut_before_the_next_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace");
    rotated(&path, 16);
    // Its last block, whole.
    let bytes = std::fs::read(&path).unwrap();
    let mut rest = &bytes[encode_header(&header_of(&path)).len()..];
    let (_, size) = read_block(&mut rest).unwrap().unwrap();
    let through_state = bytes.len() - rest.len();
    assert!(size > 0);
    std::fs::write(&path, &bytes[..through_state]).unwrap();
    let (inputs, damage) = read_all(&path);
    assert_eq!(texts(&inputs), ["state 1"]);
    let damage = damage.unwrap();
    assert_eq!(damage.offset, through_state as u64);
    let fault = damage.fault;
    assert!(
        matches!(
            fault,
            Fault::Sequence {
                expected: 2,
                found: 3
            }
        ),
        "{fault}"
    );
}

fn header_of(path: &Path) -> Header {
    PartReader::open(path).unwrap().header().clone()
}

#[test]
fn captures_come_in_the_order_in_which_they_began() {
    let folder = tempfile::tempdir().unwrap();
    for (name, second) in [("a", 9), ("b", 3), ("c", 6)] {
        let header = Header {
            begun: Some(sample::reading(second)),
            node: name.to_owned(),
            ..sample::header()
        };
        let path = folder.path().join(name);
        CaptureWriter::create(&path, header, 1)
            .unwrap()
            .finish()
            .unwrap();
    }
    let nodes = |paths: &[PathBuf]| -> Vec<String> {
        let all = captures(paths).unwrap();
        all.iter().map(|it| it.header().node.clone()).collect()
    };
    assert_eq!(nodes(&[folder.path().to_owned()]), ["b", "c", "a"]);
    assert_eq!(nodes(&[folder.path().join("c")]), ["c"]);
}

#[test]
fn what_is_no_capture_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let absent = folder.path().join("absent");
    let error = captures(std::slice::from_ref(&absent)).unwrap_err();
    assert!(matches!(error, OpenError::Io { .. }), "{error}");
    let empty = captures(&[folder.path().to_owned()]).unwrap_err();
    assert!(matches!(empty, OpenError::Nothing(_)), "{empty}");
    std::fs::write(&absent, "- rule: x").unwrap();
    let error = captures(&[absent]).unwrap_err().to_string();
    assert!(error.ends_with("at byte 0: this is no capture"), "{error}");
}

#[test]
fn a_copy_beside_its_part_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace");
    writer(&path, 1).finish().unwrap();
    std::fs::copy(&path, folder.path().join("copy")).unwrap();
    let error = captures(&[folder.path().to_owned()]).unwrap_err();
    assert!(matches!(error, OpenError::Twice(..)), "{error}");
}

/// Wherever a kill cuts it, everything in whole blocks is read, and no more.
#[test]
fn a_file_can_be_cut_anywhere() {
    let blocks = [records(&["a", "b"]), records(&["c"]), records(&["d", "e"])];
    let whole = file(&blocks);
    let mut ends = vec![encode_header(&sample::header()).len()];
    let mut rest = &whole[ends[0]..];
    while let Some((_, size)) = read_block(&mut rest).unwrap() {
        ends.push(ends.last().unwrap() + size as usize);
    }
    let counts = [0, 2, 3, 5, 5];
    for len in 0..=whole.len() {
        let (inputs, end) = read(&whole[..len]);
        let blocks = ends.iter().filter(|end| **end <= len).count();
        if blocks == 0 {
            let damage = end.unwrap_err();
            assert!(matches!(damage.fault, Fault::Cut), "{len}: {damage}");
            continue;
        }
        assert_eq!(inputs.len(), counts[blocks - 1], "cut at {len}");
        match end {
            Ok(Step::End) => assert_eq!(len, whole.len()),
            Ok(Step::OutOfBlocks) => assert!(ends.contains(&len), "cut at {len}"),
            Ok(step) => panic!("{step:?}"),
            Err(damage) => {
                assert!(matches!(damage.fault, Fault::Cut), "{len}: {damage}");
                assert_eq!(damage.offset, ends[blocks - 1] as u64);
            }
        }
    }
}

/// No byte can change without notice.
#[test]
fn a_byte_that_changed_is_noticed_wherever_it_is() {
    let blocks = [records(&["a", "b"]), records(&["c"])];
    let whole = file(&blocks);
    let (inputs, end) = read(&whole);
    assert!(matches!(end, Ok(Step::End)), "{end:?}");
    for at in 0..whole.len() {
        for bit in [0, 3, 7] {
            let mut changed = whole.clone();
            changed[at] ^= 1 << bit;
            let (found, end) = read(&changed);
            assert!(end.is_err(), "bit {bit} of byte {at}: {end:?}");
            assert_eq!(found, inputs[..found.len()], "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn what_follows_the_end_is_refused() {
    let mut bytes = file(&[records(&["a"])]);
    let more = encode_block(3, BlockKind::Inputs, &records(&["b"])).unwrap();
    bytes.extend(more);
    let mut reader = PartReader::new(Path::new("capture"), &bytes[..]).unwrap();
    assert!(matches!(reader.step(), Ok(Step::Input(_))));
    let damage = reader.step().unwrap_err();
    assert!(matches!(damage.fault, Fault::AfterEnd), "{damage}");
}

/// A few hundred bytes cannot make the reader take gigabytes.
#[test]
fn a_bomb_takes_no_more_memory_than_a_block_may() {
    let contents = vec![0; MAX_BLOCK + 1];
    let mut bomb = encode_header(&sample::header());
    bomb.extend(encode_block(1, BlockKind::Inputs, &contents).unwrap());
    let fault = read(&bomb).1.unwrap_err().fault;
    assert!(matches!(fault, Fault::TooLong { .. }), "{fault}");

    // Its header says that it is short.
    let zeros = vec![0; 512 << 20];
    let stored = zstd::bulk::compress(&zeros, 1).unwrap();
    drop(zeros);
    let mut bomb = encode_header(&sample::header());
    bomb.extend(sealed(1, 1, &stored, 4_096));
    let mut fault = None;
    let taken = allocation_counter::measure(|| fault = read(&bomb).1.err());
    let fault = fault.unwrap().fault;
    assert!(matches!(fault, Fault::Compression), "{fault}");
    assert!(taken.bytes_max < 2 << 20, "{} bytes", taken.bytes_max);
}

/// Lengths are believed only as far as there are bytes.
#[test]
fn a_length_without_bytes_takes_no_memory() {
    let mut bytes = encode_header(&sample::header());
    bytes.extend(sealed(1, 1, &[0; 16], MAX_BLOCK as u32));
    let at = encode_header(&sample::header()).len() + 12;
    bytes[at..at + 4].copy_from_slice(&(MAX_BLOCK as u32).to_le_bytes());
    let taken = allocation_counter::measure(|| {
        let fault = read(&bytes).1.unwrap_err().fault;
        assert!(matches!(fault, Fault::Cut), "{fault}");
    });
    assert!(taken.bytes_max < 1 << 20, "{} bytes", taken.bytes_max);
}

/// Every input of the story as messages; those of the container runtime are whole.
#[test]
fn every_kind_of_input_is_read_as_it_was_written() {
    for input in sample::state().into_iter().chain(sample::story()) {
        let message = corpus::message(&input);
        assert_eq!(Input::decode(message).unwrap(), input);
    }
}

#[test]
fn a_full_disk_is_an_error_and_what_was_written_is_read() {
    // The device that is always full.
    let full = Path::new("/dev/full");
    let mut file = std::fs::OpenOptions::new().write(true).open(full).unwrap();
    let error = file.write_all(b"x").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    let error = crate::pipeline::RecordError::Write {
        path: full.to_owned(),
        source: error,
    };
    let text = error.to_string();
    assert!(text.contains("--part-bytes and --keep"), "{text}");
}

proptest! {
    /// Whatever the bytes are, reading ends with an answer.
    #[test]
    fn arbitrary_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        prop_assert!(read(&bytes).1.is_err());
    }

    /// Behind a good header too.
    #[test]
    fn arbitrary_blocks_are_refused(bytes in prop::collection::vec(any::<u8>(), 1..512)) {
        let file = [encode_header(&sample::header()), bytes].concat();
        prop_assert!(read(&file).1.is_err());
    }

    /// Also with a good checksum.
    #[test]
    fn arbitrary_contents_end_with_an_answer(
        contents in prop::collection::vec(any::<u8>(), 0..512),
    ) {
        let (inputs, end) = read(&file(std::slice::from_ref(&contents)));
        match end {
            Ok(step) => prop_assert_eq!(step, Step::End),
            Err(damage) => {
                let told = matches!(damage.fault, Fault::Entry(_) | Fault::TooLong { .. });
                prop_assert!(told, "{damage}");
            }
        }
        prop_assert!(inputs.len() <= contents.len());
    }

    /// What is written is read, however it is divided into blocks.
    #[test]
    fn any_records_in_any_blocks_are_read(
        blocks in prop::collection::vec(
            prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..5),
            0..6,
        ),
    ) {
        let encode = |block: &Vec<Vec<u8>>| -> Vec<u8> {
            block.iter().flat_map(|record| encoded(entry::Input::Record(record.clone()))).collect()
        };
        let (inputs, end) = read(&file(&blocks.iter().map(encode).collect::<Vec<_>>()));
        prop_assert!(matches!(end, Ok(Step::End)));
        let expected: Vec<Input> = blocks.into_iter().flatten().map(Input::Record).collect();
        prop_assert_eq!(inputs, expected);
    }
}
