//! One file of a capture, input by input.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use prost::Message as _;

use super::input::Input;
use super::layout::{Block, BlockKind, Damage, Fault, read_block, read_header};
use crate::proto::capture::{Entry, Header};

/// Longest input. A decoded one takes up to 24 times as much memory.
pub(crate) const MAX_ENTRY: usize = 4 << 20;

/// What comes next in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Part of the state of the node as the file begins.
    State(Input),
    /// An input.
    Input(Input),
    /// The recording ended in order.
    End,
    /// The file has no more blocks: the recording goes on in the next, or was cut off here.
    OutOfBlocks,
}

/// Reads a file of a capture.
#[derive(Debug)]
pub struct PartReader<R> {
    path: PathBuf,
    source: R,
    header: Header,
    /// Where the block begins that is read next.
    offset: u64,
    /// Where the block began whose inputs are read now.
    block_at: u64,
    /// Number of the block that is read next.
    next: u64,
    block: Block,
    /// Inputs of the block up to here were read.
    read: usize,
    ended: bool,
}

impl PartReader<BufReader<File>> {
    /// Opens a file.
    ///
    /// # Errors
    /// It cannot be read, or its header is no capture's.
    pub fn open(path: &Path) -> Result<Self, Damage> {
        let file = File::open(path).map_err(|error| Damage {
            path: path.to_owned(),
            offset: 0,
            fault: error.into(),
        })?;
        Self::new(path, BufReader::new(file))
    }
}

impl<R: Read> PartReader<R> {
    /// Begins to read; the path is for messages.
    ///
    /// # Errors
    /// It cannot be read, or its header is no capture's.
    pub fn new(path: &Path, source: R) -> Result<Self, Damage> {
        let mut source = Counting { source, count: 0 };
        let header = read_header(&mut source).map_err(|fault| Damage {
            path: path.to_owned(),
            offset: 0,
            fault,
        })?;
        Ok(Self {
            path: path.to_owned(),
            offset: source.count,
            block_at: source.count,
            next: header.first_block,
            source: source.source,
            header,
            block: Block {
                sequence: 0,
                kind: BlockKind::Inputs,
                contents: Vec::new(),
            },
            read: 0,
            ended: false,
        })
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Number of the block that follows what was read.
    pub fn next_block(&self) -> u64 {
        self.next
    }

    /// What comes next.
    ///
    /// # Errors
    /// What is wrong with the file. There is nothing to be read after it.
    pub fn step(&mut self) -> Result<Step, Damage> {
        loop {
            if self.read < self.block.contents.len() {
                let kind = self.block.kind;
                let at = self.block_at;
                let input = self.input().map_err(|fault| self.damage(at, fault))?;
                return Ok(match kind {
                    BlockKind::State => Step::State(input),
                    BlockKind::Inputs | BlockKind::End => Step::Input(input),
                });
            }
            let offset = self.offset;
            let more = self
                .next_one()
                .map_err(|fault| self.damage(offset, fault))?;
            if !more {
                return Ok(if self.ended {
                    Step::End
                } else {
                    Step::OutOfBlocks
                });
            }
        }
    }

    /// That something is wrong where the next block should be.
    pub fn damage_here(&self, fault: Fault) -> Damage {
        self.damage(self.offset, fault)
    }

    /// That something is wrong in the block that was read last.
    pub fn damage_of_block(&self, fault: Fault) -> Damage {
        self.damage(self.block_at, fault)
    }

    fn damage(&self, offset: u64, fault: Fault) -> Damage {
        Damage {
            path: self.path.clone(),
            offset,
            fault,
        }
    }

    /// Reads the next block; false when there is none.
    fn next_one(&mut self) -> Result<bool, Fault> {
        let Some((block, size)) = read_block(&mut self.source)? else {
            return Ok(false);
        };
        if self.ended {
            return Err(Fault::AfterEnd);
        }
        if block.sequence != self.next {
            return Err(Fault::Sequence {
                expected: self.next,
                found: block.sequence,
            });
        }
        let end = block.kind == BlockKind::End;
        if end && !block.contents.is_empty() {
            return Err(Fault::Entry("the end has contents".to_owned()));
        }
        self.ended = end;
        self.next = self.next.saturating_add(1);
        self.block_at = self.offset;
        self.offset += size;
        self.block = block;
        self.read = 0;
        Ok(true)
    }

    fn input(&mut self) -> Result<Input, Fault> {
        let mut rest = &self.block.contents[self.read..];
        let before = rest.len();
        let len = prost::decode_length_delimiter(&mut rest).map_err(undecodable)?;
        if len > MAX_ENTRY {
            let what = "an input";
            return Err(Fault::TooLong { what, len });
        }
        let short = || Fault::Entry("it goes beyond its block".to_owned());
        let bytes = rest.get(..len).ok_or_else(short)?;
        let input = Input::decode(Entry::decode(bytes).map_err(undecodable)?)?;
        self.read += before - rest.len() + len;
        Ok(input)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn undecodable(error: prost::DecodeError) -> Fault {
    Fault::Entry(error.to_string())
}

/// Counts what was read.
struct Counting<R> {
    source: R,
    count: u64,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.count += read as u64;
        Ok(read)
    }
}
