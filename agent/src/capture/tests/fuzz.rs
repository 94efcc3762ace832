//! Captures that are changed at random: in their bytes, and below their checksums.

use std::path::Path;
use std::sync::Arc;

use super::super::layout::{encode_header, read_block, read_header, sealed};
use super::super::*;
use crate::detect::RuleSet;
use crate::fuzzing::{Campaign, Chance, change};
use crate::pipeline::Replay;
use crate::proto::capture::Header;

/// Memory that one capture of these sizes may take: of its inputs the longest, decoded.
const MOST_MEMORY: u64 = 256 << 20;

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

fn mutated(seed: &[u8], other: &[u8], chance: &mut Chance) -> Vec<u8> {
    let taken = Taken::new(seed).filter(|taken| !taken.blocks.is_empty());
    let (Some(mut taken), true) = (taken, chance.below(4) > 0) else {
        let mut bytes = seed.to_vec();
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

#[test]
fn mutated_captures_are_read_or_refused() {
    let campaign = Campaign {
        name: "fuzz-capture",
        corpus: "capture",
        short: 1_500,
        most_memory: MOST_MEMORY,
    };
    campaign.run(mutated, try_out);
}
