//! A folder of files.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::error::{FileError, Place};
use super::events::Result;
use super::read::too_large;
use super::{MAX_BYTES, read};
use crate::baseline::profile::Profile;
use crate::baseline::workload::Workload;

/// Reads every `*.yaml` and `*.yml` of a folder in the order of their names, hidden ones left out.
///
/// # Errors
/// The first file that cannot be used.
pub fn read_folder(folder: &Path) -> Result<Vec<(Workload, Profile)>> {
    let files = list_folder(folder).map_err(|error| unreadable(folder, &error))?;
    files.iter().map(|path| read_file(path)).collect()
}

/// Reads a file. No more of it is taken in than a file may have.
///
/// # Errors
/// It cannot be opened or read; see [`read`] for the rest.
pub fn read_file(path: &Path) -> Result<(Workload, Profile)> {
    let bytes = contents(path).map_err(|error| unreadable(path, &error))?;
    read_bytes(&bytes, &path.display().to_string())
}

/// [`read`] for contents that may be no text.
///
/// # Errors
/// See [`read`].
pub fn read_bytes(bytes: &[u8], file: &str) -> Result<(Workload, Profile)> {
    match std::str::from_utf8(bytes) {
        Ok(text) => read(text, file),
        // The last character may be cut.
        Err(_) if bytes.len() > MAX_BYTES => Err(too_large(file)),
        Err(error) => {
            let (before, _) = bytes.split_at(error.valid_up_to());
            let last = before.rsplit(|byte| *byte == b'\n').next();
            let place = Place {
                line: before.iter().filter(|byte| **byte == b'\n').count() + 1,
                column: String::from_utf8_lossy(last.unwrap_or_default())
                    .chars()
                    .count()
                    + 1,
            };
            let reason = "this is no UTF-8: write bytes beyond ASCII as \\xNN";
            Err(FileError::at(file, place, reason))
        }
    }
}

/// [`read_folder`] for reviewed files alone, with [`folder_digest`] of what was read.
///
/// # Errors
/// The first file that cannot be used, or has evidence.
pub fn read_reviewed(folder: &Path) -> Result<(Vec<(Workload, Profile)>, String)> {
    let mut digest = Sha256::new();
    let mut profiles = Vec::new();
    for path in list_folder(folder).map_err(|error| unreadable(folder, &error))? {
        let bytes = contents(&path).map_err(|error| unreadable(&path, &error))?;
        add_file(&mut digest, &path, &bytes);
        let name = path.display().to_string();
        let (workload, profile) = read_bytes(&bytes, &name)?;
        if !profile.is_reviewed() {
            let reason = "this is no reviewed file, for it has evidence: take the part 'evidence' out, \
                          or import it with 'gravlens baseline import'";
            return Err(FileError::whole(name, reason));
        }
        profiles.push((workload, profile));
    }
    Ok((profiles, in_hex(digest)))
}

/// Digest of the names and contents of a folder's files, those that cannot be read included; empty
/// where there is no folder.
pub fn folder_digest(folder: &Path) -> String {
    let mut digest = Sha256::new();
    match list_folder(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return String::new(),
        Err(error) => digest.update(error.to_string()),
        Ok(files) => {
            for path in files {
                match contents(&path) {
                    Ok(bytes) => add_file(&mut digest, &path, &bytes),
                    Err(error) => add_file(&mut digest, &path, error.to_string().as_bytes()),
                }
            }
        }
    }
    in_hex(digest)
}

fn add_file(digest: &mut Sha256, path: &Path, bytes: &[u8]) {
    let name = path.file_name().unwrap_or_default().as_bytes();
    for part in [name, bytes] {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
}

fn in_hex(digest: Sha256) -> String {
    let bytes = digest.finalize();
    let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
    format!("sha256:{}", digits.collect::<String>())
}

/// What several files know of one workload, put together.
pub fn merged(files: impl IntoIterator<Item = (Workload, Profile)>) -> BTreeMap<Workload, Profile> {
    let mut known: BTreeMap<Workload, Profile> = BTreeMap::new();
    for (workload, profile) in files {
        match known.get_mut(&workload) {
            Some(known) => known.merge(&profile),
            None => drop(known.insert(workload, profile)),
        }
    }
    known
}

fn unreadable(path: &Path, error: &io::Error) -> FileError {
    let reason = format!("cannot be read: {error}");
    FileError::whole(path.display().to_string(), reason)
}

/// The files of a folder that [`read_folder`] reads.
///
/// # Errors
/// The folder cannot be read.
pub fn list_folder(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        // A link to nowhere is a file that cannot be read, not one that is not there.
        if is_ours(&path) && !path.is_dir() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn is_ours(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    !name.starts_with('.') && (name.ends_with(".yaml") || name.ends_with(".yml"))
}

/// What is in a file, up to one byte more than it may have, for the reader to refuse it.
///
/// # Errors
/// The file cannot be read.
pub fn contents(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = MAX_BYTES as u64 + 1;
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}
