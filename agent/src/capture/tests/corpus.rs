//! Captures that are whole or wrong in one way each, in `tests/corpora/capture`. What fuzzing finds
//! is added to them.
//!
//! `GRAVLENS_WRITE_SEEDS=1 cargo test -p gravlens --lib capture::tests::corpus` writes them anew.

use std::collections::BTreeSet;
use std::fs;

use prost::Message as _;

use super::super::layout::{FORMAT, encode_block, encode_header, sealed};
use super::super::*;
use super::{encoded, read, records};
use crate::fuzzing;
use crate::proto::capture::{self as message, Entry, Header, entry};

/// The input as a recorder writes it.
pub(super) fn message(input: &Input) -> Entry {
    let input = match input.clone() {
        Input::Record(record) => entry::Input::Record(record),
        Input::Tick { boot_ns, wall } => entry::Input::Tick(encode_reading(boot_ns, wall)),
        Input::Message(message) => encode_message(&message).unwrap(),
        Input::ScannedCgroup(cgroup) => entry::Input::ScannedCgroup(message::ScannedCgroup {
            id: cgroup.id,
            path: cgroup.path,
        }),
        Input::Scan {
            started_boot_ns,
            ended_boot_ns,
            complete,
        } => entry::Input::Scan(message::Scan {
            started_boot_ns,
            ended_boot_ns,
            complete,
        }),
        Input::FoundProcess(record, details) => entry::Input::FoundProcess(message::FoundProcess {
            record,
            argv: details.argv,
            argv_truncated: details.argv_truncated,
            cwd: details.cwd,
        }),
        Input::Running(exec_keys) => entry::Input::Running(message::Running { exec_keys }),
        Input::Iteration(started_boot_ns) => {
            entry::Input::Iteration(message::Iteration { started_boot_ns })
        }
        Input::Resolvers(message) | Input::KnownResolvers(message) => {
            entry::Input::Resolvers(encode_resolvers(&message))
        }
        Input::Account { seen, lost } => entry::Input::Account(message::Account { seen, lost }),
    };
    Entry { input: Some(input) }
}

fn contents(inputs: &[Input]) -> Vec<u8> {
    let bytes = |input| message(input).encode_length_delimited_to_vec();
    inputs.iter().flat_map(bytes).collect()
}

/// The story as a file.
pub(super) fn story() -> Vec<u8> {
    let story = sample::story();
    let (first, second) = story.split_at(story.len() / 2);
    [
        encode_header(&sample::header()),
        encode_block(1, BlockKind::State, &contents(&sample::state())).unwrap(),
        encode_block(2, BlockKind::Inputs, &contents(first)).unwrap(),
        encode_block(3, BlockKind::Inputs, &contents(second)).unwrap(),
        encode_block(4, BlockKind::End, &[]).unwrap(),
    ]
    .concat()
}

/// A header and one block of inputs.
fn one(contents: &[u8]) -> Vec<u8> {
    [
        encode_header(&sample::header()),
        encode_block(1, BlockKind::Inputs, contents).unwrap(),
    ]
    .concat()
}

fn with_header(change: impl FnOnce(&mut Header)) -> Vec<u8> {
    let mut header = sample::header();
    change(&mut header);
    encode_header(&header)
}

/// Name, contents, and how reading ends.
fn seeds() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let whole = story();
    let header = encode_header(&sample::header());
    let after_header = |block: Vec<u8>| [header.clone(), block].concat();
    let changed = |at: usize, to: u8| {
        let mut bytes = whole.clone();
        bytes[at] = to;
        bytes
    };
    let compressed = |bytes: &[u8]| zstd::bulk::compress(bytes, 1).unwrap();
    vec![
        ("story", whole.clone(), "the end"),
        ("empty", Vec::new(), "the capture is cut off here"),
        ("magic", whole[..8].to_vec(), "the capture is cut off here"),
        ("text", b"- rule: x\n".to_vec(), "this is no capture"),
        (
            "newer",
            changed(8, FORMAT as u8 + 1),
            "format 2 is newer than this agent: replay it with the version that recorded it",
        ),
        (
            "long-header",
            [&whole[..12], &(1_u32 << 24).to_le_bytes(), &whole[16..]].concat(),
            "a header of 16777216 bytes is longer than any",
        ),
        ("changed-header", changed(30, 0xFF), "the checksum is wrong"),
        (
            "other-layout",
            with_header(|header| header.abi_version = 99),
            "its records have layout 99: replay it with the version that recorded it",
        ),
        (
            "other-byte-order",
            with_header(|header| header.big_endian = !header.big_endian),
            "it comes from a machine with another byte order",
        ),
        (
            "cut",
            whole[..whole.len() - 40].to_vec(),
            "the capture is cut off here",
        ),
        ("open-end", one(&records(&["a"])), "no more blocks"),
        (
            "changed-block",
            changed(whole.len() - 40, whole[whole.len() - 40] ^ 0xFF),
            "the checksum is wrong",
        ),
        (
            "sequence",
            after_header(encode_block(3, BlockKind::Inputs, &records(&["a"])).unwrap()),
            "block 3 comes where block 1 should be",
        ),
        (
            "kind",
            after_header(sealed(1, 9, &compressed(b""), 0)),
            "a block of kind 9",
        ),
        (
            "long-block",
            after_header(sealed(1, 1, &compressed(b""), u32::MAX)),
            "the contents of a block of 4294967295 bytes is longer than any",
        ),
        (
            "bomb",
            after_header(sealed(1, 1, &compressed(&vec![0; 64 << 20]), 4_096)),
            "the block cannot be decompressed",
        ),
        (
            "not-compressed",
            after_header(sealed(1, 1, b"plain", 5)),
            "the block cannot be decompressed",
        ),
        (
            "end-with-contents",
            after_header(encode_block(1, BlockKind::End, &records(&["a"])).unwrap()),
            "an input cannot be decoded: the end has contents",
        ),
        (
            "after-end",
            [whole.clone(), encode_block(5, BlockKind::End, &[]).unwrap()].concat(),
            "something follows the end of the recording",
        ),
        (
            "beyond-block",
            one(&[200, 1, 0, 0]),
            "an input cannot be decoded: it goes beyond its block",
        ),
        (
            "long-input",
            one(&[0xFF, 0xFF, 0xFF, 0x7F]),
            "an input of 268435455 bytes is longer than any",
        ),
        (
            "no-input",
            one(&Entry { input: None }.encode_length_delimited_to_vec()),
            "an input cannot be decoded: an input of an unknown kind",
        ),
        (
            // Field 99, of a later version.
            "later-input",
            one(&[3, 0x9A, 0x06, 0]),
            "an input cannot be decoded: an input of an unknown kind",
        ),
        (
            "runtime",
            one(&encoded(entry::Input::RuntimeBack(77))),
            "an input cannot be decoded: runtime 77",
        ),
        (
            "address",
            one(&encoded(entry::Input::Resolvers(message::Resolvers {
                container: None,
                known: true,
                servers: vec![vec![1, 2, 3]],
            }))),
            "an input cannot be decoded: an address of 3 bytes",
        ),
        (
            "late-tick",
            one(&encoded(entry::Input::Tick(message::Reading {
                boot_ns: u64::MAX,
                unix_ns: i64::MIN,
            }))),
            "an input cannot be decoded: a time of 18446744073709551615 ns since boot",
        ),
    ]
}

fn outcome(bytes: &[u8]) -> String {
    match read(bytes).1 {
        Ok(Step::End) => "the end".to_owned(),
        Ok(Step::OutOfBlocks) => "no more blocks".to_owned(),
        Ok(step) => panic!("{step:?} is no end"),
        Err(damage) => damage.fault.to_string(),
    }
}

#[test]
fn every_seed_ends_as_it_should() {
    let folder = fuzzing::corpus("capture");
    let seeds = seeds();
    if std::env::var_os("GRAVLENS_WRITE_SEEDS").is_some() {
        fs::create_dir_all(&folder).unwrap();
        for (name, bytes, _) in &seeds {
            fs::write(folder.join(name), bytes).unwrap();
        }
    }
    let stored = fs::read_dir(&folder).unwrap();
    let mut stored: BTreeSet<String> = stored
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    for (name, built, expected) in seeds {
        assert!(stored.remove(name), "{name} is not stored");
        let bytes = fs::read(folder.join(name)).unwrap();
        assert_eq!(outcome(&bytes), expected, "{name}");
        assert_eq!(outcome(&built), expected, "{name}, as it is built");
    }
    // What was found by fuzzing: it is refused or read, and nothing panics.
    for name in stored {
        assert!(name.starts_with("found-"), "{name} is not in the table");
        super::fuzz::try_out(&fs::read(folder.join(name)).unwrap());
    }
}
