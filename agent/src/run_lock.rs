//! One agent per state directory: two would count and report everything twice.

#![forbid(unsafe_code)]

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::state_dir::{self, StateDirError};

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
    /// The state directory cannot be used.
    #[error(transparent)]
    StateDir(#[from] StateDirError),
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
        state_dir::prepare(state_dir)?;
        let path = state_dir.join(FILE);
        let failed = |what, error| StateDirError::io(what, &path, error);
        let mut file = state_dir::open(&path)?;
        let deadline = Instant::now() + ENDING;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(failed("lock", error).into()),
                Err(TryLockError::WouldBlock) => {}
            }
            let holder = holder(&mut file);
            if Instant::now() >= deadline || !holder.is_some_and(is_ending) {
                return Err(held(holder));
            }
            thread::sleep(Duration::from_millis(50));
        }
        write_pid(&mut file).map_err(|error| failed("write", error))?;
        Ok(Self { _file: file })
    }
}

/// The pid of the agent that holds the lock of a state directory, if one does and says which.
pub fn running(state_dir: &Path) -> Option<u32> {
    let mut file = File::open(state_dir.join(FILE)).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => holder(&mut file),
        Ok(()) | Err(TryLockError::Error(_)) => None,
    }
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
        assert_eq!(running(&state), Some(std::process::id()));
        drop(first);
        assert_eq!(running(&state), None);
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
