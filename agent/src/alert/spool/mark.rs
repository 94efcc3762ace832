//! The newest sequence number, beside the records: how a tail that is missing is noticed.
//!
//! A log whose end is cut off or changed looks like one that ended there. The mark is written after
//! each commit and not synced: it outlives the agent, and after a power failure it is behind at
//! worst.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::state_dir::{self, StateDirError};

const NAME: &str = "newest";
/// The number and its checksum.
const LEN: usize = 12;

#[derive(Debug)]
pub(super) struct Mark {
    file: File,
}

impl Mark {
    /// Opens the mark, and reads it where it is whole.
    pub(super) fn open(directory: &Path) -> Result<(Self, Option<u64>), StateDirError> {
        let file = state_dir::open(&directory.join(NAME))?;
        let mut bytes = [0; LEN];
        let newest = match file.read_exact_at(&mut bytes, 0) {
            Ok(()) => decode(bytes),
            Err(_) => None,
        };
        Ok((Self { file }, newest))
    }

    pub(super) fn write(&self, newest: u64) -> io::Result<()> {
        self.file.write_all_at(&encode(newest), 0)
    }
}

fn encode(newest: u64) -> [u8; LEN] {
    let number = newest.to_le_bytes();
    let mut bytes = [0; LEN];
    bytes[..8].copy_from_slice(&number);
    bytes[8..].copy_from_slice(&crc32fast::hash(&number).to_le_bytes());
    bytes
}

fn decode(bytes: [u8; LEN]) -> Option<u64> {
    let newest = u64::from_le_bytes(*bytes.first_chunk()?);
    (encode(newest) == bytes).then_some(newest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_mark_that_is_not_whole_is_none(newest: u64, at in 0..LEN, bit in 0..8) {
            let mut bytes = encode(newest);
            prop_assert_eq!(decode(bytes), Some(newest));
            bytes[at] ^= 1_u8 << bit;
            prop_assert_eq!(decode(bytes), None);
        }
    }

    #[test]
    fn it_is_read_by_the_next_run() {
        let directory = tempfile::tempdir().unwrap();
        let (mark, before) = Mark::open(directory.path()).unwrap();
        assert_eq!(before, None);
        mark.write(7).unwrap();
        mark.write(8).unwrap();
        assert_eq!(Mark::open(directory.path()).unwrap().1, Some(8));
    }
}
