//! Writing a capture: blocks into files that rotate, with a bound on what is kept.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::rand::{GetRandomFlags, getrandom};
use thiserror::Error;

use super::layout::{BlockKind, encode_block, encode_header};
use super::parts::{part_path, parts_on_disk};
use crate::proto::capture::{Header, Reading};

/// When a file is full, and how many are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaptureLimits {
    /// Bytes of a file after which the next begins.
    pub part_bytes: u64,
    /// Age of a file after which the next begins, in nanoseconds.
    pub part_age_ns: u64,
    /// Files kept; the oldest goes when there are more.
    pub keep: u32,
}

/// Why a capture cannot begin.
#[derive(Debug, Error)]
pub enum CreateError {
    /// There is one of that name.
    #[error("{} exists already: name another file, or remove it", .0.display())]
    Exists(PathBuf),
    /// The file cannot be made.
    #[error("{}: {source}{}", path.display(), hint(source))]
    Io {
        /// The file.
        path: PathBuf,
        /// The answer.
        source: io::Error,
    },
}

/// The recorder has given up what would let it write everywhere.
fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "; the recorder writes only where its user may: name a directory of that user's"
        }
        _ => "",
    }
}

/// Writes a capture.
#[derive(Debug)]
pub struct CaptureWriter {
    base: PathBuf,
    /// The header of the present file.
    header: Header,
    file: File,
    part_bytes: u64,
    total_bytes: u64,
    next_block: u64,
    keep: u32,
    /// Number of the oldest file that is kept.
    oldest: u32,
}

impl CaptureWriter {
    /// Makes the first file. What the header says of capture, part and block is set here.
    ///
    /// # Errors
    /// See [`CreateError`].
    pub fn create(path: &Path, mut header: Header, keep: u32) -> Result<Self, CreateError> {
        Self::check(path)?;
        let io = |source: io::Error| CreateError::Io {
            path: path.to_owned(),
            source,
        };
        header.capture_id = random_id().map_err(io)?;
        header.part = 1;
        header.first_block = 1;
        let (file, part_bytes) = begin(path, &header).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => CreateError::Exists(path.to_owned()),
            _ => io(error),
        })?;
        Ok(Self {
            base: path.to_owned(),
            header,
            file,
            part_bytes,
            total_bytes: part_bytes,
            next_block: 1,
            keep: keep.max(1),
            oldest: 1,
        })
    }

    /// Whether a capture may get that name, for whoever has much to do before it begins.
    ///
    /// # Errors
    /// See [`CreateError`].
    pub fn check(path: &Path) -> Result<(), CreateError> {
        let parts = parts_on_disk(path).map_err(|source| CreateError::Io {
            path: path.to_owned(),
            source,
        })?;
        match parts.into_values().next() {
            Some(other) => Err(CreateError::Exists(other)),
            None => Ok(()),
        }
    }

    /// Appends a block of encoded inputs. It is in the file when this returns, whatever becomes of
    /// the process.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn append(&mut self, kind: BlockKind, contents: &[u8]) -> io::Result<()> {
        let bytes = encode_block(self.next_block, kind, contents)?;
        self.file.write_all(&bytes)?;
        self.next_block += 1;
        self.part_bytes += bytes.len() as u64;
        self.total_bytes += bytes.len() as u64;
        Ok(())
    }

    /// Goes on in the next file; removes the oldest if there are too many.
    ///
    /// # Errors
    /// A file cannot be written, made or removed.
    pub fn next_part(&mut self, begun: Reading) -> io::Result<()> {
        self.file.sync_data()?;
        self.header.part += 1;
        self.header.first_block = self.next_block;
        self.header.begun = Some(begun);
        let path = part_path(&self.base, self.header.part);
        (self.file, self.part_bytes) = begin(&path, &self.header)?;
        self.total_bytes += self.part_bytes;
        while self.header.part - self.oldest >= self.keep {
            fs::remove_file(part_path(&self.base, self.oldest))?;
            self.oldest += 1;
        }
        Ok(())
    }

    /// Ends the recording in order.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(&mut self) -> io::Result<()> {
        self.append(BlockKind::End, &[])?;
        self.file.sync_data()
    }

    /// Bytes of the present file.
    pub fn part_bytes(&self) -> u64 {
        self.part_bytes
    }

    /// Bytes written so far, also those of files that were removed since.
    pub fn total_bytes(&self) -> u64 {
        self.total_bytes
    }

    /// Number of the present file, from 1.
    pub fn part(&self) -> u32 {
        self.header.part
    }

    /// The present file.
    pub fn path(&self) -> PathBuf {
        part_path(&self.base, self.header.part)
    }
}

/// Makes a file, which its owner alone may read: it holds arguments and paths of everybody.
fn begin(path: &Path, header: &Header) -> io::Result<(File, u64)> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    let bytes = encode_header(header);
    file.write_all(&bytes)?;
    Ok((file, bytes.len() as u64))
}

fn random_id() -> io::Result<u64> {
    let mut bytes = [0; 8];
    getrandom(&mut bytes, GetRandomFlags::empty())?;
    Ok(u64::from_ne_bytes(bytes))
}
