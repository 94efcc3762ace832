//! Cgroups that the harness made.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use gravlens::enrich::container::{Cgroup2Mount, find_cgroup2_mount};

use crate::undo::{self, Leftover};

/// All cgroups of the harness begin with this.
pub const PREFIX: &str = "gravlens-test-";

/// A cgroup below the root of the cgroup v2 hierarchy, gone with all below it when dropped.
#[derive(Debug)]
pub struct TestCgroup {
    name: String,
    directory: PathBuf,
    _guard: undo::Guard,
}

impl TestCgroup {
    /// Makes a cgroup with a name that no other has.
    pub fn new() -> Result<Self> {
        Self::ending_in("")
    }

    /// One that is called like a slice of systemd, below which there are services.
    pub fn slice() -> Result<Self> {
        Self::ending_in(".slice")
    }

    fn ending_in(end: &str) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{number}{end}", std::process::id());
        let mount = mount()?;
        let directory = mount
            .directory(&Path::new("/").join(&name))
            .context("the root of the cgroup v2 hierarchy is not mounted here")?;
        let guard = undo::register(Leftover::Cgroup(directory.clone()));
        fs::create_dir(&directory)
            .with_context(|| format!("cannot make the cgroup {}", directory.display()))?;
        Ok(Self {
            name,
            directory,
            _guard: guard,
        })
    }

    /// Path below the root of the hierarchy: what `--cgroup-parent` and `scope.cgroup` take.
    pub fn path(&self) -> String {
        format!("/{}", self.name)
    }

    /// Where the cgroup lies in the file system.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// cgroup v2 id.
    pub fn id(&self) -> Result<u64> {
        Ok(fs::metadata(&self.directory)?.ino())
    }

    /// Processes in this cgroup and those below.
    pub fn processes(&self) -> Vec<i32> {
        processes(&self.directory)
    }
}

/// The cgroup v2 mount of this mount namespace.
pub fn mount() -> Result<Cgroup2Mount> {
    let mountinfo = fs::read_to_string("/proc/self/mountinfo")?;
    find_cgroup2_mount(&mountinfo)
        .context("no cgroup v2 hierarchy is mounted: the suites need one, see CONTRIBUTING.md")
}

fn processes(directory: &Path) -> Vec<i32> {
    subtree(directory)
        .iter()
        .filter_map(|cgroup| fs::read_to_string(cgroup.join("cgroup.procs")).ok())
        .flat_map(|text| {
            text.lines()
                .filter_map(|l| l.parse().ok())
                .collect::<Vec<i32>>()
        })
        .collect()
}

/// The cgroup and all below it, parents first.
fn subtree(directory: &Path) -> Vec<PathBuf> {
    let mut found = vec![directory.to_owned()];
    let mut next = 0;
    while let Some(parent) = found.get(next) {
        let children: Vec<PathBuf> = fs::read_dir(parent)
            .into_iter()
            .flatten()
            .filter_map(io::Result::ok)
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .map(|entry| entry.path())
            .collect();
        found.extend(children);
        next += 1;
    }
    found
}

/// Kills what runs in a cgroup of the harness and removes it.
pub(crate) fn remove_tree(directory: &Path) -> Result<()> {
    let ours = directory
        .file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with(PREFIX));
    if !ours {
        bail!("{} is not a cgroup of this harness", directory.display());
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    while directory.exists() {
        // Kills the members of this cgroup and of those below, and no other process.
        let _ = fs::write(directory.join("cgroup.kill"), "1");
        for cgroup in subtree(directory).iter().rev() {
            let _ = fs::remove_dir(cgroup);
        }
        if directory.exists() && Instant::now() >= deadline {
            bail!("processes {:?} do not leave it", processes(directory));
        }
        sleep(Duration::from_millis(20));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_cgroups_of_the_harness_are_removed() {
        assert!(remove_tree(Path::new("/sys/fs/cgroup/unified/other")).is_err());
    }
}
