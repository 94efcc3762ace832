//! The cgroup subtree that the sensor watches.

use std::{
    fs::{self, File},
    os::unix::fs::MetadataExt,
    path::{Component, Path, PathBuf},
};

use rustix::fs::{AtFlags, CWD, StatxFlags, statx};

use super::ProbeError;
use crate::enrich::container::find_cgroup2_mount;

/// Inode number of the hierarchy's root: the first that kernfs gives.
const ROOT_INODE: u64 = 1;

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
        let mounts = fs::read_to_string("/proc/self/mountinfo")
            .map_err(|error| ProbeError::io("cannot read /proc/self/mountinfo", error))?;
        let found = whole_hierarchy(&mounts).and_then(|mount| Self::below(mount, configured));
        found.map_err(|reason| ProbeError::Scope {
            path: configured.to_owned(),
            reason,
        })
    }

    fn below(mount: PathBuf, configured: &str) -> Result<Self, String> {
        let directory = canonical(configured, &mount)?;
        let below = directory
            .strip_prefix(&mount)
            .map_err(|_| outside(&directory, &mount))?;
        if !directory.join("cgroup.procs").exists() {
            return Err(format!("{} is not a cgroup", directory.display()));
        }
        if mount_id(&directory)? != mount_id(&mount)? {
            // Its place below this other mount says nothing of its place in the hierarchy.
            return Err(outside(&directory, &mount));
        }
        let level = below
            .components()
            .filter(|part| matches!(part, Component::Normal(_)))
            .count() as u32;
        let metadata = fs::metadata(&directory).map_err(|error| told(&directory, &error))?;
        Ok(Self {
            // The id of a cgroup is its directory's inode number (kernfs, 64-bit).
            id: (level > 0).then(|| metadata.ino()),
            path: format!("/{}", below.display()),
            directory,
            mount,
            level,
        })
    }

    /// Opens the directory, to attach cgroup programs to.
    pub(super) fn open(&self) -> Result<File, ProbeError> {
        File::open(&self.directory)
            .map_err(|error| ProbeError::io(self.directory.display().to_string(), error))
    }
}

/// Where the whole hierarchy is mounted. Below a mount of a part of it, a cgroup's depth is not
/// the one that the kernel compares.
fn whole_hierarchy(mounts: &str) -> Result<PathBuf, String> {
    let mount = find_cgroup2_mount(mounts).ok_or("no cgroup v2 hierarchy is mounted")?;
    let path = mount.mount_point;
    let metadata = fs::metadata(&path).map_err(|error| told(&path, &error))?;
    if mount.root != Path::new("/") || metadata.ino() != ROOT_INODE {
        return Err(format!(
            "only a part of the cgroup v2 hierarchy is mounted, at {}: mount the whole one",
            path.display()
        ));
    }
    Ok(path)
}

/// The directory without links and dots, which would count as levels.
fn canonical(configured: &str, mount: &Path) -> Result<PathBuf, String> {
    let path = Path::new(configured);
    if path.is_absolute()
        && let Ok(directory) = path.canonicalize()
        && directory.starts_with(mount)
    {
        return Ok(directory);
    }
    let below: PathBuf = path
        .components()
        .filter(|part| *part != Component::RootDir)
        .collect();
    let directory = mount.join(below);
    directory
        .canonicalize()
        .map_err(|error| format!("{}: make the cgroup first", told(&directory, &error)))
}

fn mount_id(path: &Path) -> Result<u64, String> {
    statx(CWD, path, AtFlags::empty(), StatxFlags::MNT_ID)
        .map(|found| found.stx_mnt_id)
        .map_err(|error| told(path, &error.into()))
}

fn outside(directory: &Path, mount: &Path) -> String {
    format!(
        "{} does not lie in the cgroup v2 hierarchy that is mounted at {}",
        directory.display(),
        mount.display()
    )
}

fn told(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A folder like a hierarchy's mount, with the cgroup `/a/b`.
    fn hierarchy() -> (tempfile::TempDir, PathBuf) {
        let root = tempfile::tempdir().unwrap();
        let mount = root.path().canonicalize().unwrap().join("mount");
        for cgroup in ["", "a", "a/b"] {
            fs::create_dir(mount.join(cgroup)).unwrap();
            fs::write(mount.join(cgroup).join("cgroup.procs"), "").unwrap();
        }
        (root, mount)
    }

    fn found(mount: &Path, configured: &str) -> (String, u32) {
        let scope = Scope::below(mount.to_owned(), configured).unwrap();
        assert_eq!(scope.directory, mount.join(&scope.path[1..]));
        (scope.path, scope.level)
    }

    #[test]
    fn paths_may_be_absolute_or_below_the_mount() {
        let (_root, mount) = hierarchy();
        let absolute = mount.join("a/b").display().to_string();
        for configured in [&absolute, "/a/b", "a/b", "a/b/", "//a//b"] {
            assert_eq!(
                found(&mount, configured),
                ("/a/b".into(), 2),
                "{configured}"
            );
        }
        for everything in ["", "/"] {
            let scope = Scope::below(mount.clone(), everything).unwrap();
            assert_eq!((scope.path.as_str(), scope.id), ("/", None));
        }
    }

    #[test]
    fn dots_and_links_are_no_levels() {
        let (root, mount) = hierarchy();
        let link = root.path().join("link");
        symlink(mount.join("a/b"), &link).unwrap();
        let dots = mount.join("./a/../a/./b").display().to_string();
        for configured in ["/a/../a/b", "a/./b", &dots, link.to_str().unwrap()] {
            assert_eq!(
                found(&mount, configured),
                ("/a/b".into(), 2),
                "{configured}"
            );
        }
        assert_eq!(found(&mount, "/a/b/.."), ("/a".into(), 1));
    }

    #[test]
    fn what_lies_outside_is_refused() {
        let (root, mount) = hierarchy();
        fs::create_dir(root.path().join("other")).unwrap();
        fs::create_dir(mount.join("no-cgroup")).unwrap();
        let refused = |configured: &str| Scope::below(mount.clone(), configured).unwrap_err();
        assert!(refused("../other").contains("does not lie in"));
        assert!(refused("/a/../../other").contains("does not lie in"));
        assert!(refused("/absent").contains("make the cgroup first"));
        assert!(refused("/no-cgroup").contains("is not a cgroup"));
    }

    #[test]
    fn a_mount_of_a_part_of_the_hierarchy_is_refused() {
        let part = "24 23 0:22 /docker/x /proc rw - cgroup2 cgroup2 rw";
        // What a private cgroup namespace calls its root is a cgroup like others.
        let namespace = format!(
            "24 23 0:22 / {} rw - cgroup2 cgroup2 rw",
            std::env::temp_dir().display()
        );
        for mounts in [part, &namespace] {
            let why = whole_hierarchy(mounts).unwrap_err();
            assert!(why.contains("only a part"), "{why}");
        }
        assert!(whole_hierarchy("").unwrap_err().contains("no cgroup v2"));
    }
}
