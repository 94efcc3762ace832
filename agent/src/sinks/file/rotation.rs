//! A file of whole records. When it is full it becomes `PATH.1`, what was `PATH.1` becomes
//! `PATH.2`, and so on.
//!
//! Written here, since `file-rotate` reports success for what it could not write.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// Bytes that are looked at in one go for the end of the last whole record.
const BLOCK: u64 = 8 << 10;

/// A symbolic link is refused, with ELOOP, and a pipe does not make the agent wait for its reader.
const FLAGS: i32 = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).bits() as i32;

/// A file and its predecessors.
#[derive(Debug)]
pub struct RotatingFile {
    path: PathBuf,
    max_bytes: u64,
    keep: u32,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    /// Bytes of whole records.
    bytes: u64,
}

impl RotatingFile {
    /// A file of at most `max_bytes`, more only for a single record, and `keep` full ones. Nothing
    /// is opened yet.
    pub fn new(path: PathBuf, max_bytes: u64, keep: u32) -> Self {
        Self {
            path,
            max_bytes,
            keep,
            open: None,
        }
    }

    /// Appends the first records, as many as there is room for without a rotation, at least one,
    /// and returns how many. They are on disk then.
    pub(super) fn append(&mut self, records: &[impl AsRef<str>]) -> io::Result<usize> {
        let first = records.first().map_or(0, |record| record.as_ref().len());
        let mut open = self.current()?;
        if open.bytes > 0 && open.bytes + first as u64 > self.max_bytes {
            drop(open);
            self.rotate()?;
            open = self.current()?;
        }
        let mut text = String::new();
        let mut count = 0;
        for record in records.iter().map(AsRef::as_ref) {
            let full = open.bytes + (text.len() + record.len()) as u64 > self.max_bytes;
            if count > 0 && full {
                break;
            }
            text.push_str(record);
            count += 1;
        }
        // Kept only when all is well: after a failure the file is opened and looked at anew.
        open.append(text.as_bytes())?;
        self.open = Some(open);
        Ok(count)
    }

    /// The file that is written, opened anew when somebody has moved or removed it.
    fn current(&mut self) -> io::Result<Open> {
        if let Some(open) = self.open.take()
            && open.is_at(&self.path)?
        {
            return Ok(open);
        }
        Open::at(&self.path)
    }

    fn rotate(&self) -> io::Result<()> {
        for number in (1..self.keep).rev() {
            rename(&self.numbered(number), &self.numbered(number + 1))?;
        }
        match self.keep {
            0 => fs::remove_file(&self.path),
            _ => rename(&self.path, &self.numbered(1)),
        }
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut name = OsString::from(&self.path);
        name.push(format!(".{number}"));
        name.into()
    }
}

/// What is not there need not move.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

impl Open {
    fn at(path: &Path) -> io::Result<Self> {
        let directory = path.parent().unwrap_or(Path::new("/"));
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(|error| in_path("make the directory", directory, &error))?;
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .custom_flags(FLAGS)
            .open(path)
            .map_err(|error| in_path("open", path, &error))?;
        let found = file.metadata()?;
        if !found.is_file() || found.nlink() != 1 {
            let why = "it is no file, or one with several names: set outputs.file.path to another";
            return Err(in_path("write to", path, &why));
        }
        file.set_permissions(Permissions::from_mode(0o600))
            .map_err(|error| in_path("set the mode of", path, &error))?;
        let bytes = whole_records(&file, found.len())?;
        if bytes < found.len() {
            // Of a write that did not end; its record comes again.
            file.set_len(bytes)?;
        }
        // The file's own sync says nothing of its name.
        File::open(directory)?.sync_all()?;
        Ok(Self { file, bytes })
    }

    fn is_at(&self, path: &Path) -> io::Result<bool> {
        let own = self.file.metadata()?;
        match fs::symlink_metadata(path) {
            Ok(there) => Ok((there.dev(), there.ino()) == (own.dev(), own.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn append(&mut self, records: &[u8]) -> io::Result<()> {
        let written = self.file.write_all(records);
        if let Err(error) = written.and_then(|()| self.file.sync_data()) {
            // No half of a record, and none twice. Where that fails too, the next look cuts it.
            let _ = self.file.set_len(self.bytes);
            return Err(error);
        }
        self.bytes += records.len() as u64;
        Ok(())
    }
}

/// Bytes up to the end of the last whole line.
fn whole_records(file: &File, length: u64) -> io::Result<u64> {
    let mut end = length;
    while end > 0 {
        let begin = end.saturating_sub(BLOCK);
        let mut block = vec![0; (end - begin) as usize];
        file.read_exact_at(&mut block, begin)?;
        if let Some(at) = memchr::memrchr(b'\n', &block) {
            return Ok(begin + at as u64 + 1);
        }
        end = begin;
    }
    Ok(0)
}

fn in_path(what: &str, path: &Path, why: &dyn std::fmt::Display) -> io::Error {
    io::Error::other(format!("cannot {what} {}: {why}", path.display()))
}
