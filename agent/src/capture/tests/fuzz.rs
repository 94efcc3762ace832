//! Captures that are changed at random: in their bytes, and below their checksums.

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::super::layout::{encode_header, read_block, read_header, sealed};
use super::super::*;
use super::corpus;
use crate::detect::RuleSet;
use crate::pipeline::Replay;
use crate::proto::capture::Header;

/// Set by `cargo xtask soak`: then it goes on for [`LONG`].
const SOAK: &str = "GRAVLENS_SOAK";
const LONG: Duration = Duration::from_secs(600);
/// Inputs of the short form.
const SHORT: u64 = 1_500;
/// Memory that one capture of these sizes may take: of its inputs the longest, decoded.
const MOST_MEMORY: u64 = 256 << 20;

/// Numbers that look like chance: SplitMix64.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

/// A capture whose parts can be changed one by one.
struct Taken {
    header: Header,
    /// Kind and contents.
    blocks: Vec<(u32, Vec<u8>)>,
}

impl Taken {
    fn new(mut bytes: &[u8]) -> Option<Self> {
        let header = read_header(&mut bytes).ok()?;
        let mut blocks = Vec::new();
        while let Ok(Some((block, _))) = read_block(&mut bytes) {
            blocks.push((block.kind.number(), block.contents));
        }
        Some(Self { header, blocks })
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = encode_header(&self.header);
        for (sequence, (kind, contents)) in (self.header.first_block..).zip(&self.blocks) {
            let stored = zstd::bulk::compress(contents, 1).unwrap();
            bytes.extend(sealed(sequence, *kind, &stored, contents.len() as u32));
        }
        bytes
    }
}

/// Changes some bytes: single ones, numbers, stretches, and the length.
fn change(bytes: &mut Vec<u8>, other: &[u8], chance: &mut Chance) {
    for _ in 0..=chance.below(6) {
        if bytes.is_empty() {
            bytes.push(chance.next() as u8);
        }
        let at = chance.below(bytes.len());
        match chance.below(8) {
            0 => bytes[at] ^= 1 << chance.below(8),
            1 => bytes[at] = chance.next() as u8,
            2 => bytes[at] = [0, 1, 0x7F, 0x80, 0xFF][chance.below(5)],
            3 => bytes.truncate(at),
            4 => drop(bytes.drain(at..(at + chance.below(64)).min(bytes.len()))),
            5 => {
                let end = (at + chance.below(64)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                let to = chance.below(bytes.len());
                bytes.splice(to..to, copy);
            }
            6 => {
                let from = chance.below(other.len());
                let end = (from + chance.below(256)).min(other.len());
                bytes.splice(at..at, other[from..end].iter().copied());
            }
            _ => {
                let number = chance.next() >> chance.below(64);
                let number = number.to_le_bytes();
                let len = number.len().min(bytes.len() - at);
                bytes[at..at + len].copy_from_slice(&number[..len]);
            }
        }
    }
}

/// Changes inputs of a block and keeps their lengths right: leaves some out, doubles them, exchanges
/// them, and changes bytes within one.
fn change_inputs(contents: &mut Vec<u8>, chance: &mut Chance) {
    let mut inputs: Vec<Vec<u8>> = Vec::new();
    let mut rest = &contents[..];
    while let Ok(len) = prost::decode_length_delimiter(&mut rest)
        && let Some((input, behind)) = rest.split_at_checked(len)
    {
        inputs.push(input.to_vec());
        rest = behind;
    }
    for _ in 0..=chance.below(4) {
        if inputs.is_empty() {
            return;
        }
        let at = chance.below(inputs.len());
        let other = chance.below(inputs.len());
        match chance.below(6) {
            0 => drop(inputs.remove(at)),
            1 => inputs.insert(other, inputs[at].clone()),
            2 => inputs.swap(at, other),
            // A few bytes: what stands before a text or a record stays right more often.
            3 | 4 => {
                for _ in 0..=chance.below(8) {
                    let input = &mut inputs[at];
                    let byte = chance.below(input.len());
                    if let Some(byte) = input.get_mut(byte) {
                        *byte = chance.next() as u8;
                    }
                }
            }
            _ => {
                let other = inputs[other].clone();
                change(&mut inputs[at], &other, chance);
            }
        }
    }
    contents.clear();
    for input in inputs {
        prost::encode_length_delimiter(input.len(), contents).unwrap();
        contents.extend(input);
    }
}

fn mutated(seeds: &[Vec<u8>], chance: &mut Chance) -> Vec<u8> {
    let seed = &seeds[chance.below(seeds.len())];
    let other = &seeds[chance.below(seeds.len())];
    let taken = Taken::new(seed).filter(|taken| !taken.blocks.is_empty());
    let (Some(mut taken), true) = (taken, chance.below(4) > 0) else {
        let mut bytes = seed.clone();
        change(&mut bytes, other, chance);
        return bytes;
    };
    let at = chance.below(taken.blocks.len());
    // The end of a capture has nothing that could change.
    let at = if taken.blocks[at].1.is_empty() { 0 } else { at };
    match chance.below(16) {
        0 => taken.blocks.swap(at, 0),
        1 => {
            let block = taken.blocks[at].clone();
            taken.blocks.insert(at, block);
        }
        2 => taken.blocks[at].0 = chance.below(5) as u32,
        3 => {
            let settings = taken.header.settings.get_or_insert_default();
            settings.grace_ns = chance.next() >> chance.below(64);
            settings.decide_within_ns = chance.next() >> chance.below(64);
            settings.pending_max = chance.next() >> chance.below(64);
            settings.runtimes = (0..chance.below(9) as i32).collect();
            let begun = taken.header.begun.get_or_insert_default();
            begun.boot_ns = chance.next() >> chance.below(64);
            begun.unix_ns = chance.next() as i64 >> chance.below(64);
        }
        4..13 => change_inputs(&mut taken.blocks[at].1, chance),
        _ => {
            let other = Taken::new(other).and_then(|other| other.blocks.into_iter().next());
            let other = other.map_or_else(Vec::new, |(_, contents)| contents);
            change(&mut taken.blocks[at].1, &other, chance);
        }
    }
    taken.bytes()
}

fn rules() -> Arc<RuleSet> {
    Arc::new(crate::detect::testing::loaded(sample::RULES).set)
}

/// Reads a capture and replays it as far as it goes. Whether it was read to its end.
pub(super) fn try_out(bytes: &[u8]) -> bool {
    let Ok(mut reader) = PartReader::new(Path::new("capture"), bytes) else {
        return false;
    };
    let Ok(mut replay) = Replay::new(reader.header(), rules()) else {
        return false;
    };
    let mut whole = false;
    loop {
        let input = match reader.step() {
            Ok(Step::State(input) | Step::Input(input)) => input,
            Ok(end) => {
                whole = end == Step::End;
                break;
            }
            Err(_) => break,
        };
        if replay.apply(input).is_err() {
            break;
        }
        while let Some(record) = replay.next_record() {
            render(&record);
        }
    }
    replay.finish();
    while let Some(record) = replay.next_record() {
        render(&record);
    }
    whole
}

fn render(record: &crate::proto::Record) {
    use crate::config::RecordFormat;
    for format in [RecordFormat::Json, RecordFormat::Falco, RecordFormat::Text] {
        crate::sinks::render::record(record, format, "node");
    }
}

/// Where a capture is kept that the reader did not stand.
fn kept(bytes: &[u8]) -> PathBuf {
    let path = std::env::temp_dir().join(format!("gravlens-found-{:08x}", crc32fast::hash(bytes)));
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn mutated_captures_are_read_or_refused() {
    let long = std::env::var_os(SOAK).is_some();
    let start = match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
        Ok(now) if long => now.as_nanos() as u64,
        _ => 1,
    };
    println!("fuzz-capture: begins with {start}");
    let seeds: Vec<Vec<u8>> = fs::read_dir(corpus::folder())
        .unwrap()
        .map(|entry| fs::read(entry.unwrap().path()).unwrap())
        .collect();
    let mut chance = Chance(start);
    let begin = Instant::now();
    let (mut tried, mut whole, mut most) = (0, 0, 0);
    while if long {
        begin.elapsed() < LONG
    } else {
        tried < SHORT
    } {
        let bytes = mutated(&seeds, &mut chance);
        let mut outcome = Ok(false);
        let taken = allocation_counter::measure(|| outcome = catch_unwind(|| try_out(&bytes)));
        let Ok(read) = outcome else {
            panic!("a capture that is not stood: {}", kept(&bytes).display());
        };
        if taken.bytes_max > MOST_MEMORY {
            let path = kept(&bytes);
            panic!("{} takes {} bytes", path.display(), taken.bytes_max);
        }
        tried += 1;
        whole += u64::from(read);
        most = most.max(taken.bytes_max);
    }
    println!("fuzz-capture: {tried} captures, {whole} whole, at most {most} bytes of memory");
    assert!(whole > 0 && whole < tried, "{whole} of {tried} are whole");
}
