//! The bytes of a file: a header, then blocks.

use std::fmt;
use std::io::{self, Read};
use std::path::PathBuf;

use prost::Message as _;
use thiserror::Error;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::proto::capture::Header;

/// What a file begins with. The first byte is no text, and whatever changes line ends changes it.
pub(super) const MAGIC: [u8; 8] = *b"\x89GLCAP\r\n";
/// Version of the layout.
pub(super) const FORMAT: u32 = 1;

/// Longest header message.
const MAX_HEADER: usize = 64 << 10;
/// Longest contents of a block.
pub(super) const MAX_BLOCK: usize = 16 << 20;
/// Longest block as it is stored: what cannot be compressed grows a little.
const MAX_STORED: usize = MAX_BLOCK + (MAX_BLOCK >> 7) + 1024;

/// What a block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockKind {
    /// Inputs, in order.
    Inputs,
    /// The state of the node as a file begins. Only a reader that begins with this file needs it.
    State,
    /// The recording ended in order; nothing follows.
    End,
}

impl BlockKind {
    const ALL: [Self; 3] = [Self::Inputs, Self::State, Self::End];

    pub(super) const fn number(self) -> u32 {
        match self {
            Self::Inputs => 1,
            Self::State => 2,
            Self::End => 3,
        }
    }

    fn from_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }
}

/// What is wrong with a file.
#[derive(Debug, Error)]
pub enum Fault {
    /// Its first bytes are those of no capture.
    #[error("this is no capture")]
    NoCapture,
    /// A newer agent wrote it.
    #[error("format {0} is newer than this agent: replay it with the version that recorded it")]
    Newer(u32),
    /// The recording ended in the middle: the recorder was killed, or the file was cut.
    #[error("the capture is cut off here")]
    Cut,
    /// Bytes are not those that were written.
    #[error("the checksum is wrong")]
    Checksum,
    /// A length that no recorder writes.
    #[error("{what} of {len} bytes is longer than any")]
    TooLong {
        /// Of what.
        what: &'static str,
        /// The length.
        len: usize,
    },
    /// A block that cannot be decompressed, or holds something else than it says.
    #[error("the block cannot be decompressed")]
    Compression,
    /// A kind of block that there is not.
    #[error("a block of kind {0}")]
    Kind(u32),
    /// Blocks are missing.
    #[error("block {found} comes where block {expected} should be")]
    Sequence {
        /// Number that should follow.
        expected: u64,
        /// Number that does.
        found: u64,
    },
    /// A message that cannot be decoded.
    #[error("an input cannot be decoded: {0}")]
    Entry(String),
    /// A machine of the other byte order recorded.
    #[error("it comes from a machine with another byte order")]
    ByteOrder,
    /// Records have another layout.
    #[error("its records have layout {0}: replay it with the version that recorded it")]
    Abi(u32),
    /// Something follows the end of the recording.
    #[error("something follows the end of the recording")]
    AfterEnd,
    /// A file of the capture is missing.
    #[error("part {0} of the capture is missing")]
    MissingPart(u32),
    /// The file cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// What is wrong, and where. Everything before it was read.
#[derive(Debug)]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// Bytes from its begin to the header or block.
    pub offset: u64,
    /// What.
    pub fault: Fault,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            offset,
            fault,
        } = self;
        write!(f, "{} at byte {offset}: {fault}", path.display())
    }
}

/// What stands before the header message.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Preamble {
    magic: [u8; 8],
    format: U32,
    len: U32,
    checksum: U32,
}

/// What stands before the contents of a block.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct BlockHeader {
    sequence: U64,
    kind: U32,
    /// Length of the contents as they are stored.
    stored_len: U32,
    /// Length of the contents.
    len: U32,
    /// CRC-32 of what stands before it and of the stored contents.
    checksum: U32,
}

/// Where the checksum of a block stands: after what it covers.
const CHECKSUM_AT: usize = size_of::<BlockHeader>() - size_of::<U32>();

/// A block, decompressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) sequence: u64,
    pub(super) kind: BlockKind,
    pub(super) contents: Vec<u8>,
}

/// The header of a file, as bytes.
pub(super) fn encode_header(header: &Header) -> Vec<u8> {
    let message = header.encode_to_vec();
    let preamble = Preamble {
        magic: MAGIC,
        format: FORMAT.into(),
        len: (message.len() as u32).into(),
        checksum: crc32fast::hash(&message).into(),
    };
    [preamble.as_bytes(), &message].concat()
}

/// Reads the header of a file. The machine and the layouts must be this agent's.
pub(super) fn read_header(source: &mut impl Read) -> Result<Header, Fault> {
    let bytes = read_up_to(source, size_of::<Preamble>())?;
    if !bytes.starts_with(&MAGIC) {
        // The begin of one that was killed at once is still one's.
        let begun = MAGIC.starts_with(&bytes);
        return Err(if begun { Fault::Cut } else { Fault::NoCapture });
    }
    let preamble = Preamble::read_from_bytes(&bytes).map_err(|_| Fault::Cut)?;
    if preamble.format.get() != FORMAT {
        return Err(Fault::Newer(preamble.format.get()));
    }
    let len = limited("a header", preamble.len, MAX_HEADER)?;
    let message = read_exactly(source, len)?;
    if crc32fast::hash(&message) != preamble.checksum.get() {
        return Err(Fault::Checksum);
    }
    let header =
        Header::decode(message.as_slice()).map_err(|error| Fault::Entry(error.to_string()))?;
    if header.big_endian != cfg!(target_endian = "big") {
        return Err(Fault::ByteOrder);
    }
    if header.abi_version != u32::from(gravlens_common::ABI_VERSION) {
        return Err(Fault::Abi(header.abi_version));
    }
    Ok(header)
}

/// A block, as bytes.
///
/// # Errors
/// The compressor has no memory.
pub(super) fn encode_block(sequence: u64, kind: BlockKind, contents: &[u8]) -> io::Result<Vec<u8>> {
    let stored = zstd::bulk::compress(contents, zstd::DEFAULT_COMPRESSION_LEVEL)?;
    let len = contents.len() as u32;
    Ok(sealed(sequence, kind.number(), &stored, len))
}

/// A block of compressed contents, which have that length, with its checksum.
pub(super) fn sealed(sequence: u64, kind: u32, stored: &[u8], len: u32) -> Vec<u8> {
    let mut header = BlockHeader {
        sequence: sequence.into(),
        kind: kind.into(),
        stored_len: (stored.len() as u32).into(),
        len: len.into(),
        checksum: 0.into(),
    };
    header.checksum = checksum(&header, stored).into();
    [header.as_bytes(), stored].concat()
}

fn checksum(header: &BlockHeader, stored: &[u8]) -> u32 {
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(&header.as_bytes()[..CHECKSUM_AT]);
    checksum.update(stored);
    checksum.finalize()
}

/// Reads the next block and its stored length; `None` at the end of the file.
pub(super) fn read_block(source: &mut impl Read) -> Result<Option<(Block, u64)>, Fault> {
    let bytes = read_up_to(source, size_of::<BlockHeader>())?;
    if bytes.is_empty() {
        return Ok(None);
    }
    let header = BlockHeader::read_from_bytes(&bytes).map_err(|_| Fault::Cut)?;
    let stored_len = limited("a block", header.stored_len, MAX_STORED)?;
    let len = limited("the contents of a block", header.len, MAX_BLOCK)?;
    let stored = read_exactly(source, stored_len)?;
    if checksum(&header, &stored) != header.checksum.get() {
        return Err(Fault::Checksum);
    }
    // Takes no more memory than that, whatever the bytes say.
    let contents = zstd::bulk::decompress(&stored, len).map_err(|_| Fault::Compression)?;
    if contents.len() != len {
        return Err(Fault::Compression);
    }
    let kind = header.kind.get();
    let block = Block {
        sequence: header.sequence.get(),
        kind: BlockKind::from_number(kind).ok_or(Fault::Kind(kind))?,
        contents,
    };
    let size = size_of::<BlockHeader>() + stored_len;
    Ok(Some((block, size as u64)))
}

fn limited(what: &'static str, len: U32, max: usize) -> Result<usize, Fault> {
    let len = len.get() as usize;
    if len > max {
        return Err(Fault::TooLong { what, len });
    }
    Ok(len)
}

/// Memory grows with what there is, not with what a length claims.
fn read_up_to(source: &mut impl Read, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(len as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn read_exactly(source: &mut impl Read, len: usize) -> Result<Vec<u8>, Fault> {
    let bytes = read_up_to(source, len)?;
    if bytes.len() < len {
        return Err(Fault::Cut);
    }
    Ok(bytes)
}
