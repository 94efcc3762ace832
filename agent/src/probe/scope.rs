//! The cgroup subtree that the sensor watches.

use std::{
    fs::{self, File},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::ProbeError;
use crate::enrich::container::find_cgroup2_mount;

/// A cgroup of the v2 hierarchy.
#[derive(Debug)]
pub struct Scope {
    /// Its directory.
    pub directory: PathBuf,
    /// Mount point of the v2 hierarchy.
    pub mount: PathBuf,
    /// Path below the mount, starting with a slash.
    pub path: String,
    /// cgroup id; `None` for the root, which limits nothing.
    pub id: Option<u64>,
    /// Depth below the root.
    pub level: u32,
}

impl Scope {
    /// Finds a scope by its path, absolute or below the mount of the v2 hierarchy; an empty path
    /// is everything.
    pub fn find(configured: &str) -> Result<Self, ProbeError> {
        let fail = |reason: String| ProbeError::Scope {
            path: configured.to_owned(),
            reason,
        };
        let mounts = fs::read_to_string("/proc/self/mountinfo")
            .map_err(|error| ProbeError::io("cannot read /proc/self/mountinfo", error))?;
        let mount = find_cgroup2_mount(&mounts)
            .ok_or_else(|| fail("no cgroup v2 hierarchy is mounted".to_owned()))?
            .mount_point;
        let path = below_mount(configured, &mount);
        let directory = mount.join(path.trim_start_matches('/'));
        let metadata = fs::metadata(&directory).map_err(|error| {
            fail(format!(
                "{}: {error}: make the cgroup first",
                directory.display()
            ))
        })?;
        if !directory.join("cgroup.procs").exists() {
            return Err(fail(format!("{} is not a cgroup", directory.display())));
        }
        let level = path.split('/').filter(|part| !part.is_empty()).count() as u32;
        Ok(Self {
            // The id of a cgroup is its directory's inode number (kernfs, 64-bit).
            id: (level > 0).then(|| metadata.ino()),
            directory,
            mount,
            path,
            level,
        })
    }

    /// Opens the directory, to attach cgroup programs to.
    pub(super) fn open(&self) -> Result<File, ProbeError> {
        File::open(&self.directory)
            .map_err(|error| ProbeError::io(self.directory.display().to_string(), error))
    }
}

fn below_mount(configured: &str, mount: &Path) -> String {
    let path = Path::new(configured);
    let relative = path.strip_prefix(mount).unwrap_or(path);
    let trimmed = relative.to_string_lossy();
    format!("/{}", trimmed.trim_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_may_be_absolute_or_below_the_mount() {
        let mount = Path::new("/sys/fs/cgroup");
        for configured in ["/sys/fs/cgroup/a/b", "/a/b", "a/b", "a/b/"] {
            assert_eq!(below_mount(configured, mount), "/a/b", "{configured}");
        }
        assert_eq!(below_mount("", mount), "/");
    }
}
