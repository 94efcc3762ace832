//! How far an output has come, in a file: one line with a version and a checksum.
//!
//! ```text
//! gravlens-cursor 1 f33b13cade1c173e 4711 0d5ae3b2
//!                 |        |           |      CRC-32 of what stands before it
//!                 version  epoch       sequence number
//! ```

use std::io;
use std::path::PathBuf;

use tokio::task::spawn_blocking;

use super::failures::CursorNotWritten;
use crate::state_dir;
use crate::telemetry::Failure as _;

const MAGIC: &str = "gravlens-cursor";
const VERSION: u32 = 1;
/// More than the file ever has.
const MAX_BYTES: u64 = 256;

/// A place in the stream: everything up to it is dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Epoch.
    pub epoch: u64,
    /// Sequence number.
    pub sequence: u64,
}

/// Why a cursor cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CursorError {
    /// A newer version wrote it.
    #[error(
        "{} was written by a newer version of Gravlens (format {version}, this one knows \
         {VERSION}): run that version, or remove the file to begin with what happens from now on",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        version: u32,
    },
    /// It is not as it was written.
    #[error("{} is damaged: its content is not what its checksum says", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("{} cannot be read: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The answer.
        source: io::Error,
    },
}

/// Why a text is no cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unreadable {
    Newer(u32),
    Damaged,
}

impl Cursor {
    fn to_line(self) -> String {
        let Self { epoch, sequence } = self;
        let line = format!("{MAGIC} {VERSION} {epoch:016x} {sequence}");
        let sum = crc32fast::hash(line.as_bytes());
        format!("{line} {sum:08x}\n")
    }

    fn parse(bytes: &[u8]) -> Result<Self, Unreadable> {
        let damaged = Unreadable::Damaged;
        let text = std::str::from_utf8(bytes).map_err(|_| damaged)?;
        let line = text.strip_suffix('\n').ok_or(damaged)?;
        let (content, sum) = line.rsplit_once(' ').ok_or(damaged)?;
        let expected = format!("{:08x}", crc32fast::hash(content.as_bytes()));
        if sum != expected {
            return Err(damaged);
        }
        let mut words = content.split(' ');
        if words.next() != Some(MAGIC) {
            return Err(damaged);
        }
        match words.next().and_then(|version| version.parse().ok()) {
            Some(VERSION) => {}
            Some(version) if version > VERSION => return Err(Unreadable::Newer(version)),
            _ => return Err(damaged),
        }
        let epoch = words
            .next()
            .and_then(|hex| u64::from_str_radix(hex, 16).ok());
        let sequence = words.next().and_then(|number| number.parse().ok());
        match (epoch, sequence, words.next()) {
            (Some(epoch), Some(sequence), None) => Ok(Self { epoch, sequence }),
            _ => Err(damaged),
        }
    }
}

/// The file of a cursor.
#[derive(Clone, Debug)]
pub(super) struct CursorFile {
    path: PathBuf,
}

impl CursorFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The cursor; `None` when there is none yet.
    pub(super) fn read(&self) -> Result<Option<Cursor>, CursorError> {
        let path = self.path.clone();
        let bytes = match state_dir::read(&path, MAX_BYTES) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(CursorError::Io { path, source }),
        };
        match Cursor::parse(&bytes) {
            Ok(cursor) => Ok(Some(cursor)),
            Err(Unreadable::Newer(version)) => Err(CursorError::Newer { path, version }),
            Err(Unreadable::Damaged) => Err(CursorError::Damaged { path }),
        }
    }

    /// Replaces the cursor in one step; it outlives a power failure. Waits for the disk.
    pub(super) fn write(&self, cursor: Cursor) -> io::Result<()> {
        if let Some(directory) = self.path.parent() {
            state_dir::prepare(directory).map_err(io::Error::other)?;
        }
        state_dir::replace(&self.path, cursor.to_line().as_bytes(), true)
    }

    /// [`Self::write`], off the threads that others wait for.
    pub(super) async fn save(&self, cursor: Cursor) -> io::Result<()> {
        let file = self.clone();
        let written = spawn_blocking(move || file.write(cursor)).await;
        written.map_err(io::Error::other)?
    }

    /// Tells that it could not be written.
    pub(super) fn not_written(&self, output: &'static str, error: io::Error) {
        let path = &self.path;
        CursorNotWritten {
            output,
            path,
            error,
        }
        .emit();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cursor_is_there_after_it_was_written() {
        let state = tempfile::tempdir().unwrap();
        let file = CursorFile::new(state.path().join("cursors/webhook"));
        assert!(matches!(file.read(), Ok(None)));
        for sequence in [7, 8] {
            let cursor = Cursor { epoch: 3, sequence };
            file.write(cursor).unwrap();
            assert_eq!(file.read().unwrap(), Some(cursor));
        }
    }

    #[test]
    fn a_newer_format_is_refused_with_what_to_do() {
        let state = tempfile::tempdir().unwrap();
        let file = CursorFile::new(state.path().join("webhook"));
        let line = format!("{MAGIC} 2 0000000000000003 7 more");
        let sum = crc32fast::hash(line.as_bytes());
        fs::write(&file.path, format!("{line} {sum:08x}\n")).unwrap();
        let error = file.read().unwrap_err().to_string();
        assert!(
            error.contains("newer version of Gravlens (format 2"),
            "{error}"
        );
        assert!(error.contains("remove the file"), "{error}");
    }

    #[test]
    fn a_link_is_not_followed() {
        let state = tempfile::tempdir().unwrap();
        let other = state.path().join("other");
        fs::write(
            &other,
            Cursor {
                epoch: 1,
                sequence: 1,
            }
            .to_line(),
        )
        .unwrap();
        let file = CursorFile::new(state.path().join("webhook"));
        std::os::unix::fs::symlink(&other, &file.path).unwrap();
        assert!(matches!(file.read(), Err(CursorError::Io { .. })));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(epoch: u64, sequence: u64) {
            let cursor = Cursor { epoch, sequence };
            prop_assert_eq!(Cursor::parse(cursor.to_line().as_bytes()), Ok(cursor));
        }

        #[test]
        fn no_changed_byte_goes_unnoticed(
            epoch: u64, sequence: u64, at: prop::sample::Index, byte: u8
        ) {
            let line = Cursor { epoch, sequence }.to_line();
            let mut bytes = line.clone().into_bytes();
            let at = at.index(bytes.len());
            prop_assume!(bytes[at] != byte);
            bytes[at] = byte;
            prop_assert_eq!(Cursor::parse(&bytes), Err(Unreadable::Damaged));
            prop_assert_eq!(Cursor::parse(&line.as_bytes()[..at]), Err(Unreadable::Damaged));
        }

        #[test]
        fn arbitrary_bytes_are_no_cursor(bytes: Vec<u8>) {
            prop_assert!(Cursor::parse(&bytes).is_err());
        }
    }
}
