//! The agent's side: the helper's cgroup, and the helper as a child.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// Names of its cgroups begin with this; the agent's pid follows.
const PREFIX: &str = "gravlens-canary-";
/// A cgroup whose last process has just ended is busy for a moment.
const REMOVE_ATTEMPTS: u32 = 50;
const REMOVE_PAUSE: Duration = Duration::from_millis(10);

/// By what its events are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its cgroup.
    pub cgroup_id: u64,
    /// The helper's thread group, which has one thread.
    pub pid: u32,
}

/// The helper in its cgroup. Both end with this value; when the agent is killed the helper ends by
/// itself, and the next agent removes the cgroup.
#[derive(Debug)]
pub struct Canary {
    child: Child,
    identity: Identity,
    /// Dropped after the helper has ended.
    cgroup: Cgroup,
}

impl Canary {
    /// Makes the cgroup below the scope's directory and puts the helper into it. It waits for
    /// [`Self::begin`].
    ///
    /// # Errors
    /// Why there can be no canary, for people.
    pub fn start(scope: &Path, interval: Duration) -> Result<Self, String> {
        let cgroup = Cgroup::make(scope)?;
        let child = Command::new("/proc/self/exe")
            .arg("canary")
            .arg("--cgroup")
            .arg(&cgroup.0)
            .arg("--interval-ms")
            .arg(interval.as_millis().to_string())
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("its process cannot be started: {error}"))?;
        // From here on one value takes both down.
        let mut canary = Self {
            identity: Identity {
                cgroup_id: 0,
                pid: child.id(),
            },
            child,
            cgroup,
        };
        let path = &canary.cgroup.0;
        let metadata = fs::metadata(path)
            .map_err(|error| format!("cannot look at {}: {error}", path.display()))?;
        fs::write(path.join("cgroup.procs"), canary.identity.pid.to_string())
            .map_err(|error| format!("no process may enter {}: {error}", path.display()))?;
        // The id of a cgroup is its directory's inode number.
        canary.identity.cgroup_id = metadata.ino();
        Ok(canary)
    }

    /// By what its events are known.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Lets it begin its rounds.
    ///
    /// # Errors
    /// It has ended already.
    pub fn begin(&mut self) -> io::Result<()> {
        match &mut self.child.stdin {
            Some(stdin) => stdin.write_all(b"!"),
            None => Ok(()),
        }
    }
}

impl Drop for Canary {
    fn drop(&mut self) {
        // It may be in the midst of a round; nothing that it does needs to be finished.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a canary's cgroup can be made in this scope.
///
/// # Errors
/// Why not, for people.
pub fn check_cgroup(scope: &Path) -> Result<(), String> {
    Cgroup::make(scope).map(drop)
}

/// A cgroup, removed when dropped.
#[derive(Debug)]
struct Cgroup(PathBuf);

impl Cgroup {
    /// Also removes what agents that were killed have left.
    fn make(scope: &Path) -> Result<Self, String> {
        remove_leftovers(scope);
        let path = scope.join(format!("{PREFIX}{}", std::process::id()));
        match fs::create_dir(&path) {
            Ok(()) => Ok(Self(path)),
            Err(error) => Err(format!(
                "its cgroup {} cannot be made: {error}",
                path.display()
            )),
        }
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for _ in 0..REMOVE_ATTEMPTS {
            if remove(&self.0) {
                return;
            }
            sleep(REMOVE_PAUSE);
        }
        tracing::warn!(
            message = "The canary's cgroup cannot be removed.",
            cgroup = %self.0.display()
        );
    }
}

/// Removes the cgroups of canaries whose agent is gone. One with a process in it cannot be removed,
/// so that of a live agent is safe.
fn remove_leftovers(scope: &Path) {
    let entries = fs::read_dir(scope).into_iter().flatten().flatten();
    for entry in entries {
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            remove(&entry.path());
        }
    }
}

/// Removes a cgroup and what a round that was cut short left in it; false when it is in use.
fn remove(cgroup: &Path) -> bool {
    let inner = fs::read_dir(cgroup).into_iter().flatten().flatten();
    for entry in inner {
        // Control files are not directories and stay.
        let _ = fs::remove_dir(entry.path());
    }
    match fs::remove_dir(cgroup) {
        Ok(()) => true,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_go_and_other_directories_stay() {
        let scope = tempfile::tempdir().unwrap();
        let at = |name: &str| scope.path().join(name);
        fs::create_dir_all(at("gravlens-canary-7/round")).unwrap();
        fs::create_dir_all(at("gravlens-canary-8/in-use/deeper")).unwrap();
        fs::create_dir(at("other")).unwrap();
        check_cgroup(scope.path()).unwrap();
        let mut left: Vec<_> = fs::read_dir(scope.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["gravlens-canary-8", "other"]);
    }

    #[test]
    fn a_scope_that_takes_no_cgroup_says_why() {
        let why = check_cgroup(Path::new("/proc/self/absent")).unwrap_err();
        assert!(why.contains("cannot be made"), "{why}");
    }
}
