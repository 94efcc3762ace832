//! One agent per state directory: two would count and report everything twice.

#![forbid(unsafe_code)]

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Name of the lock file.
const FILE: &str = "run.lock";

/// Why the lock is not ours.
#[derive(Debug, thiserror::Error)]
pub enum RunLockError {
    /// Another agent holds it.
    #[error(
        "another gravlens runs already ({holder}); stop it first, or give this one a state_dir, \
         a socket and a cgroup of its own"
    )]
    Held {
        /// Who, as far as the file tells.
        holder: String,
    },
    /// The operating system refused.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which path.
        path: PathBuf,
        /// Its answer.
        source: io::Error,
    },
}

/// The lock. The kernel releases it when the process ends, however it ends.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}

impl RunLock {
    /// Takes the lock; makes the directory if it is missing.
    ///
    /// # Errors
    /// See [`RunLockError`].
    pub fn acquire(state_dir: &Path) -> Result<Self, RunLockError> {
        make_directory(state_dir)?;
        let path = state_dir.join(FILE);
        let failed = |what| {
            let path = path.clone();
            move |source| RunLockError::Io { what, path, source }
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed("open"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(held(&mut file)),
            Err(TryLockError::Error(error)) => return Err(failed("lock")(error)),
        }
        write_pid(&mut file).map_err(failed("write"))?;
        Ok(Self { _file: file })
    }
}

fn make_directory(path: &Path) -> Result<(), RunLockError> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| RunLockError::Io {
            what: "make the directory",
            path: path.to_owned(),
            source,
        })
}

fn held(file: &mut File) -> RunLockError {
    let mut text = String::new();
    let pid = match file.read_to_string(&mut text) {
        Ok(_) => text.trim().parse::<u32>().ok(),
        Err(_) => None,
    };
    let holder = pid.map_or_else(
        || "its pid is not known".to_owned(),
        |pid| format!("pid {pid}"),
    );
    RunLockError::Held { holder }
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

/// Replaces a file in one step, so that a reader finds the old or the new content.
pub(crate) fn replace_file(path: &Path, content: &[u8], durable: bool) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(content)?;
    if durable {
        file.sync_all()?;
    }
    fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_agent_is_refused_with_the_pid_of_the_first() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("a/b");
        let first = RunLock::acquire(&state).unwrap();
        let error = RunLock::acquire(&state).unwrap_err().to_string();
        assert!(
            error.contains(&format!("pid {}", std::process::id())),
            "{error}"
        );
        drop(first);
        assert!(RunLock::acquire(&state).is_ok());
    }
}
