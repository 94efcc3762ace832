//! Finds the cgroups that exist already: at start, and again after a record was lost.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::ScannedCgroup;

/// Cgroups that a walk lists at most, as many as the container table holds. There is no limit of
/// depth, for the kernel sets none by default either.
pub(crate) const MAX_CGROUPS: usize = 65_536;

/// Where the cgroup v2 hierarchy is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cgroup2Mount {
    /// Mount point.
    pub mount_point: PathBuf,
    /// Path of the mounted cgroup below the root of the hierarchy, `/` for the whole hierarchy.
    pub root: PathBuf,
}

impl Cgroup2Mount {
    /// The directory of a cgroup, given by its path below the root of the hierarchy; `None` when
    /// that part of the hierarchy is not mounted here.
    pub fn directory(&self, cgroup: &Path) -> Option<PathBuf> {
        let below = cgroup.strip_prefix(&self.root).ok()?;
        Some(self.mount_point.join(below))
    }
}

/// Finds the cgroup v2 mount in the text of a `/proc/PID/mountinfo`, preferring one that shows the
/// whole hierarchy. Where mounts cover one another the last one counts.
pub fn find_cgroup2_mount(mountinfo: &str) -> Option<Cgroup2Mount> {
    let mounts = || mountinfo.lines().rev().filter_map(parse_cgroup2_line);
    mounts()
        .find(|mount| mount.root == Path::new("/"))
        .or_else(|| mounts().next())
}

fn parse_cgroup2_line(line: &str) -> Option<Cgroup2Mount> {
    let (mount, filesystem) = line.split_once(" - ")?;
    if filesystem.split(' ').next()? != "cgroup2" {
        return None;
    }
    let mut fields = mount.split(' ').skip(3);
    Some(Cgroup2Mount {
        root: unescape(fields.next()?),
        mount_point: unescape(fields.next()?),
    })
}

/// Undoes mountinfo's octal escapes (`\040` for a space).
fn unescape(field: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let escaped = (first == b'\\')
            .then(|| std::str::from_utf8(tail.get(..3)?).ok())
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match escaped {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[3..];
            }
            None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

/// What a walk found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgroupScan {
    /// The cgroups, parents before children.
    pub cgroups: Vec<ScannedCgroup>,
    /// Why there may be others, if the walk was not complete.
    pub incomplete: Option<Incomplete>,
}

/// Why a walk did not see everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incomplete {
    /// There are more cgroups than a walk lists.
    TooMany,
    /// A path is longer than the kernel takes.
    PathTooLong,
}

impl std::fmt::Display for Incomplete {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooMany => write!(f, "there are more than {MAX_CGROUPS} cgroups"),
            Self::PathTooLong => f.write_str("a path is too long to be opened"),
        }
    }
}

/// Walks the tree below `scope` (a path below the root of the hierarchy), level by level, `scope`
/// itself first.
///
/// A cgroup that vanishes during the walk is left out. Blocks: never call it on the data path.
pub fn scan_cgroups(mount: &Cgroup2Mount, scope: &Path) -> io::Result<CgroupScan> {
    let top = mount.directory(scope).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            format!(
                "cgroup {} is not below {}, the part of the hierarchy that is mounted at {}",
                scope.display(),
                mount.root.display(),
                mount.mount_point.display()
            ),
        )
    })?;
    walk(&top, scope, MAX_CGROUPS)
}

fn walk(top: &Path, scope: &Path, max: usize) -> io::Result<CgroupScan> {
    let mut scan = CgroupScan {
        cgroups: vec![ScannedCgroup {
            id: std::fs::metadata(top)?.ino(),
            path: scope.as_os_str().as_bytes().to_vec(),
        }],
        incomplete: None,
    };
    let mut next = 0;
    while let Some(cgroup) = scan.cgroups.get(next) {
        next += 1;
        let path = PathBuf::from(OsStr::from_bytes(&cgroup.path));
        let below = path.strip_prefix(scope).unwrap_or(&path).to_owned();
        match children(&top.join(below), &path) {
            Ok(children) => scan.cgroups.extend(children),
            Err(error) if error.kind() == io::ErrorKind::InvalidFilename => {
                scan.incomplete = Some(Incomplete::PathTooLong);
            }
            Err(error) => return Err(error),
        }
        if scan.cgroups.len() > max {
            scan.cgroups.truncate(max);
            scan.incomplete = Some(Incomplete::TooMany);
            break;
        }
    }
    Ok(scan)
}

/// The cgroups right below one; none when it vanishes.
fn children(directory: &Path, path: &Path) -> io::Result<Vec<ScannedCgroup>> {
    let mut found = Vec::new();
    let entries = match std::fs::read_dir(directory) {
        Err(error) if vanished(&error) => return Ok(found),
        entries => entries?,
    };
    for entry in entries {
        let entry = match entry {
            Err(error) if vanished(&error) => return Ok(found),
            entry => entry?,
        };
        if !entry.file_type()?.is_dir() {
            continue;
        }
        let metadata = match entry.metadata() {
            Err(error) if vanished(&error) => continue,
            metadata => metadata?,
        };
        let child = path.join(entry.file_name());
        found.push(ScannedCgroup {
            id: metadata.ino(),
            path: child.as_os_str().as_bytes().to_vec(),
        });
    }
    Ok(found)
}

/// kernfs answers ENODEV for a cgroup that is being removed.
fn vanished(error: &io::Error) -> bool {
    const ENODEV: i32 = 19;
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(ENODEV)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime shared:3 - cgroup cgroup rw,cpu
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";

    fn mount(root: &str, mount_point: &str) -> Option<Cgroup2Mount> {
        Some(Cgroup2Mount {
            mount_point: mount_point.into(),
            root: root.into(),
        })
    }

    #[test]
    fn the_mount_is_found_on_unified_and_hybrid_hosts() {
        assert_eq!(
            find_cgroup2_mount(HYBRID),
            mount("/", "/sys/fs/cgroup/unified")
        );
        let unified =
            "24 23 0:22 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate";
        assert_eq!(find_cgroup2_mount(unified), mount("/", "/sys/fs/cgroup"));
        assert_eq!(
            find_cgroup2_mount("31 23 0:28 / / rw - ext4 /dev/vda rw"),
            None
        );
    }

    #[test]
    fn a_mount_of_the_whole_hierarchy_is_preferred() {
        let two = "\
24 23 0:22 / /run/my\\040cgroup rw - cgroup2 cgroup2 rw
25 23 0:22 /docker/x /sys/fs/cgroup rw - cgroup2 cgroup2 rw
";
        let found = find_cgroup2_mount(two);
        assert_eq!(found, mount("/", "/run/my cgroup"));
        let part = find_cgroup2_mount(two.lines().last().unwrap()).unwrap();
        assert_eq!(
            part.directory(Path::new("/docker/x/y")),
            Some("/sys/fs/cgroup/y".into())
        );
        assert_eq!(part.directory(Path::new("/other")), None);
    }

    #[test]
    fn a_walk_lists_parents_first_and_only_the_scope() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("scope/a/b")).unwrap();
        std::fs::create_dir_all(root.path().join("other")).unwrap();
        std::fs::write(root.path().join("scope/cgroup.procs"), "").unwrap();
        let mount = mount("/", root.path().to_str().unwrap()).unwrap();
        let scan = scan_cgroups(&mount, Path::new("/scope")).unwrap();
        assert_eq!(scan.incomplete, None);
        let found = scan.cgroups;
        let paths: Vec<_> = found
            .iter()
            .map(|cgroup| String::from_utf8_lossy(&cgroup.path).into_owned())
            .collect();
        assert_eq!(paths, ["/scope", "/scope/a", "/scope/a/b"]);
        assert_eq!(
            found[2].id,
            std::fs::metadata(root.path().join("scope/a/b"))
                .unwrap()
                .ino()
        );
        assert!(scan_cgroups(&mount, Path::new("/absent")).is_err());
    }

    #[test]
    fn a_walk_goes_down_to_the_last_level() {
        let root = tempfile::tempdir().unwrap();
        let deepest = "a/".repeat(300);
        std::fs::create_dir_all(root.path().join(&deepest)).unwrap();
        let scan = walk(root.path(), Path::new("/"), MAX_CGROUPS).unwrap();
        assert_eq!((scan.cgroups.len(), scan.incomplete), (301, None));
        let last = format!("/{}", deepest.trim_end_matches('/'));
        assert_eq!(scan.cgroups[300].path, last.as_bytes());
    }

    #[test]
    fn a_walk_that_is_cut_says_so() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("a/b")).unwrap();
        let cut = walk(root.path(), Path::new("/"), 2).unwrap();
        assert_eq!(cut.incomplete, Some(Incomplete::TooMany));
        assert_eq!(cut.cgroups.len(), 2);
        let whole = walk(root.path(), Path::new("/"), 3).unwrap();
        assert_eq!(whole.incomplete, None);
    }
}
