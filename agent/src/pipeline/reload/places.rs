//! The directories whose change may change what the rule files say.
//!
//! A file may be reached through links: a ConfigMap of Kubernetes is a directory of links to
//! `..data/NAME`, and `..data` is a link that an update replaces. So each link on the way counts, and
//! each directory that has one of the names on the way in it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::detect::is_rule_file;

/// Links that are followed on the way to one file: as many as the kernel follows.
const MAX_LINKS: usize = 40;
/// Directories that are looked after, at most: beyond any real set of rules.
const MAX_DIRECTORIES: usize = 1_024;

/// What matters in a directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Interest {
    /// Names that come, go or are replaced.
    pub(super) names: BTreeSet<OsString>,
    /// Every name does.
    pub(super) all: bool,
    /// So does what files of those names say.
    pub(super) contents: bool,
}

/// Directories by their own path, without links in it.
pub(super) type Places = BTreeMap<PathBuf, Interest>;

/// The places of these files and directories, whether or not they are there. Blocks.
pub(super) fn places<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> Places {
    let mut places = Places::new();
    for path in paths {
        // A relative path is one of the working directory, which does not change.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
        let Some(end) = walk(&path, &mut places) else {
            continue;
        };
        if !end.is_dir() {
            // What the file says is told by the directory that it is in.
            note_contents(&end, &mut places);
            continue;
        }
        let entries = fs::read_dir(&end).into_iter().flatten().flatten();
        let links = entries
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_symlink()))
            .map(|entry| entry.path())
            .filter(|path| is_rule_file(path));
        for link in links {
            if places.len() >= MAX_DIRECTORIES {
                break;
            }
            if let Some(file) = walk(&link, &mut places) {
                note_contents(&file, &mut places);
            }
        }
        let directory = places.entry(end).or_default();
        directory.all = true;
        directory.contents = true;
    }
    places
}

/// What a file says is told by the directory that it is in.
fn note_contents(file: &Path, places: &mut Places) {
    if let Some(directory) = file.parent().and_then(|parent| places.get_mut(parent)) {
        directory.contents = true;
    }
}

/// Follows a path name by name, and notes each in its directory. Where it leads, without links;
/// `None` where something on the way is not there.
fn walk(path: &Path, places: &mut Places) -> Option<PathBuf> {
    let mut left: VecDeque<OsString> = names(path);
    let mut at = PathBuf::from("/");
    let mut links = 0;
    while let Some(name) = left.pop_front() {
        if name == ".." {
            at.pop();
            continue;
        }
        let next = at.join(&name);
        places.entry(at.clone()).or_default().names.insert(name);
        if !fs::symlink_metadata(&next).ok()?.is_symlink() {
            at = next;
            continue;
        }
        links += 1;
        let target = fs::read_link(&next).ok().filter(|_| links <= MAX_LINKS)?;
        if target.is_absolute() {
            at = PathBuf::from("/");
        }
        for name in names(&target).into_iter().rev() {
            left.push_front(name);
        }
    }
    Some(at)
}

/// The names of a path, `..` among them.
fn names(path: &Path) -> VecDeque<OsString> {
    let name = |component: Component<'_>| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
    };
    path.components().filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// What matters below the folder, one line a directory.
    fn shown(folder: &Path, path: &PathBuf) -> String {
        let folder = folder.canonicalize().unwrap();
        let mut text = String::new();
        for (directory, interest) in places([path]) {
            let Ok(below) = directory.strip_prefix(&folder) else {
                continue;
            };
            let names: Vec<_> = interest
                .names
                .iter()
                .map(|name| name.to_string_lossy())
                .collect();
            let all = match (interest.all, interest.contents) {
                (true, _) => ", all others",
                (false, true) => ", contents",
                (false, false) => "",
            };
            text.push_str(&format!("/{}: {}{all}\n", below.display(), names.join(" ")));
        }
        text
    }

    #[test]
    fn every_link_of_a_config_map_counts() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path();
        let mount = folder.join("rules");
        fs::create_dir_all(mount.join("..v1")).unwrap();
        fs::write(mount.join("..v1/a.yaml"), "").unwrap();
        symlink("..v1", mount.join("..data")).unwrap();
        symlink("..data/a.yaml", mount.join("a.yaml")).unwrap();
        assert_eq!(
            shown(folder, &mount),
            "/: rules\n/rules: ..data ..v1 a.yaml, all others\n/rules/..v1: a.yaml, contents\n"
        );
        // One file of it, reached through another link.
        symlink(&mount, folder.join("way")).unwrap();
        assert_eq!(
            shown(folder, &folder.join("way/a.yaml")),
            "/: rules way\n/rules: ..data ..v1 a.yaml\n/rules/..v1: a.yaml, contents\n"
        );
    }

    #[test]
    fn what_is_not_there_is_waited_for() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path();
        assert_eq!(shown(folder, &folder.join("x/y/z.yaml")), "/: x\n");
        symlink("x/../loop", folder.join("loop")).unwrap();
        assert_eq!(shown(folder, &folder.join("loop/z.yaml")), "/: loop x\n");
        fs::create_dir(folder.join("x")).unwrap();
        assert_eq!(
            shown(folder, &folder.join("loop/z.yaml")),
            "/: loop x\n",
            "a link that leads to itself ends"
        );
    }
}
