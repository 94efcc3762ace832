//! One agent per state directory: two would count and report everything twice.

#![forbid(unsafe_code)]

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// Name of the lock file.
const FILE: &str = "run.lock";

/// How long to wait for an agent that is ending.
const ENDING: Duration = Duration::from_secs(10);

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
        let deadline = Instant::now() + ENDING;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(failed("lock")(error)),
                Err(TryLockError::WouldBlock) => {}
            }
            let holder = holder(&mut file);
            if Instant::now() >= deadline || !holder.is_some_and(is_ending) {
                return Err(held(holder));
            }
            thread::sleep(Duration::from_millis(50));
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

/// The pid in the file.
fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn held(holder: Option<u32>) -> RunLockError {
    let holder = holder.map_or_else(
        || "its pid is not known".to_owned(),
        |pid| format!("pid {pid}"),
    );
    RunLockError::Held { holder }
}

/// A process that was killed holds its lock until its kernel programs are gone, which takes the
/// kernel a moment.
fn is_ending(pid: u32) -> bool {
    match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => has_exiting_flag(&stat),
        Err(_) => true,
    }
}

/// Whether the flags in a line of /proc/PID/stat say that the process is exiting.
fn has_exiting_flag(stat: &str) -> bool {
    const PF_EXITING: u64 = 0x4;
    // The name, in parentheses, may hold anything: count from its end.
    let flags = stat
        .rsplit_once(')')
        .and_then(|(_, rest)| rest.split_whitespace().nth(6)?.parse::<u64>().ok());
    flags.is_some_and(|flags| flags & PF_EXITING != 0)
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

    #[test]
    fn a_process_that_ends_is_told_by_its_flags() {
        let stat = |flags| format!("7 (a) b) S 1 7 7 0 -1 {flags} 1 0 0");
        assert!(has_exiting_flag(&stat(4_194_308)));
        assert!(!has_exiting_flag(&stat(4_194_304)));
        assert!(!is_ending(std::process::id()));
        assert!(is_ending(u32::MAX));
    }
}
