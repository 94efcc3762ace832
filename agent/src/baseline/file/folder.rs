//! A folder of files.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::error::{FileError, Place};
use super::events::Result;
use super::read::too_large;
use super::{MAX_BYTES, read};
use crate::baseline::profile::Profile;
use crate::baseline::workload::Workload;

/// Reads every `*.yaml` and `*.yml` of a folder in the order of their names, hidden ones left out.
/// What several files know of one workload is merged.
///
/// # Errors
/// The first file that cannot be used.
pub fn read_folder(folder: &Path) -> Result<BTreeMap<Workload, Profile>> {
    let mut profiles: BTreeMap<Workload, Profile> = BTreeMap::new();
    let files = files(folder).map_err(|error| unreadable(folder, &error))?;
    for path in files {
        let (workload, profile) = read_file(&path)?;
        match profiles.get_mut(&workload) {
            Some(known) => known.merge(&profile),
            None => drop(profiles.insert(workload, profile)),
        }
    }
    Ok(profiles)
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

fn unreadable(path: &Path, error: &io::Error) -> FileError {
    let reason = format!("cannot be read: {error}");
    FileError::whole(path.display().to_string(), reason)
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
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

/// One byte more than a file may have, for the reader to refuse it.
fn contents(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = MAX_BYTES as u64 + 1;
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}
