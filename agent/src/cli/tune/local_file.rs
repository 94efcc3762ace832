//! The file of one's own rules: an exception is added to it, or nothing happens to it.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::cli::{Exit, Failure};
use crate::detect::{RuleFile, RuleSources, is_rule_file};

/// Of a file that is new: rules hold no secrets.
const MODE: u32 = 0o644;

/// The file as it is.
pub(super) struct LocalFile {
    /// Where it is, links followed: a link must not be replaced by a file.
    path: PathBuf,
    /// As it was named, for messages.
    named: PathBuf,
    /// `None` when there is none yet.
    text: Option<String>,
    mode: u32,
}

impl LocalFile {
    /// Reads the file; one that is not there is empty.
    pub(super) fn read(named: &Path) -> Result<Self, Failure> {
        let failed =
            |error: io::Error| Failure::new(Exit::Failure, format!("{}: {error}", named.display()));
        let (path, text, mode) = match fs::canonicalize(named) {
            Ok(path) => {
                let metadata = path.metadata().map_err(failed)?;
                if !metadata.is_file() {
                    let why = format!("{}: it is no regular file", named.display());
                    return Err(Failure::new(Exit::Usage, why));
                }
                let text = fs::read_to_string(&path).map_err(failed)?;
                (path, Some(text), metadata.permissions().mode() & 0o7777)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let directory = named
                    .parent()
                    .filter(|parent| !parent.as_os_str().is_empty());
                let directory =
                    fs::canonicalize(directory.unwrap_or(Path::new("."))).map_err(failed)?;
                let name = named.file_name().ok_or_else(|| {
                    Failure::new(
                        Exit::Usage,
                        format!("{}: no file is named", named.display()),
                    )
                })?;
                (directory.join(name), None, MODE)
            }
            Err(error) => return Err(failed(error)),
        };
        Ok(Self {
            path,
            named: named.to_owned(),
            text,
            mode,
        })
    }

    /// As it was named, for messages.
    pub(super) fn name(&self) -> String {
        self.named.display().to_string()
    }

    /// What the file would be with an item at its end: of a list, or a document of its own.
    pub(super) fn with(&self, item: &str) -> String {
        let mut text = self.text.clone().unwrap_or_default();
        if !text.is_empty() {
            if !text.ends_with('\n') {
                text.push('\n');
            }
            let is_one_list = ends_with_list(&text) && ends_with_list(item);
            text.push_str(if is_one_list { "\n" } else { "---\n" });
        }
        text.push_str(item);
        text
    }

    /// The configured files with this one as it would be: in its place, or last.
    pub(super) fn among(&self, mut files: Vec<RuleFile>, text: &str) -> Vec<RuleFile> {
        let own =
            |file: &RuleFile| fs::canonicalize(&file.path).is_ok_and(|path| path == self.path);
        let new = RuleFile {
            path: self.name(),
            text: text.to_owned(),
        };
        match files.iter().position(own) {
            Some(place) => files[place] = new,
            None => files.push(new),
        }
        files
    }

    /// Whether a set from there has the file, once it is written.
    pub(super) fn is_loaded_from(&self, sources: &RuleSources) -> bool {
        let directory = self.path.parent().filter(|_| is_rule_file(&self.path));
        sources.places().any(|place| {
            // The file itself need not be there; what else is not there is none of its places.
            fs::canonicalize(place).map_or_else(
                |_| *place == self.named,
                |place| place == self.path || Some(&*place) == directory,
            )
        })
    }

    /// Replaces the file at once: whoever reads it sees the old text or the new one.
    pub(super) fn write(&self, text: &str) -> Result<(), Failure> {
        self.replace(text).map_err(|error| {
            let why = format!("{}: {error}; the file is as it was", self.named.display());
            Failure::new(Exit::Failure, why)
        })
    }

    fn replace(&self, text: &str) -> io::Result<()> {
        let directory = self.path.parent().unwrap_or(Path::new("/"));
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        // A hidden file is no rule file, wherever the agent reads the directory.
        let temporary = directory.join(format!(".{name}.{}.new", std::process::id()));
        let written = self.write_temporary(&temporary, text).and_then(|()| {
            if self.changed()? {
                return Err(io::Error::other("somebody changed it meanwhile: try again"));
            }
            fs::rename(&temporary, &self.path)
        });
        if written.is_err() {
            // What is told is why the write failed.
            let _ = fs::remove_file(&temporary);
        }
        written?;
        fs::File::open(directory)?.sync_all()
    }

    fn write_temporary(&self, path: &Path, text: &str) -> io::Result<()> {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(self.mode)
            .open(path)?;
        // The process's mask does not count: the file stays readable for whom it was.
        file.set_permissions(fs::Permissions::from_mode(self.mode))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    }

    fn changed(&self) -> io::Result<bool> {
        match (fs::read_to_string(&self.path), &self.text) {
            (Ok(now), Some(before)) => Ok(now != *before),
            (Ok(_), None) => Ok(true),
            (Err(error), before) if error.kind() == io::ErrorKind::NotFound => Ok(before.is_some()),
            (Err(error), _) => Err(error),
        }
    }
}

/// The last thing in the file that begins a line is an item of a list.
fn ends_with_list(text: &str) -> bool {
    let begins = |line: &&str| !line.starts_with([' ', '#', ']', '}']) && !line.is_empty();
    let last = text.lines().rfind(begins);
    last.is_none_or(|line| line.starts_with("- "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_added_and_what_stands_there_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("local.yaml");
        let new = LocalFile::read(&path).unwrap();
        new.write(&new.with("- a\n")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "- a\n");
        fs::write(&path, "- a # mine").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let old = LocalFile::read(&path).unwrap();
        old.write(&old.with("- b\n")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "- a # mine\n\n- b\n");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn documents_of_another_kind_stand_apart() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("local.yaml");
        let with = |before: &str, item: &str| {
            fs::write(&path, before).unwrap();
            LocalFile::read(&path).unwrap().with(item)
        };
        assert_eq!(with("# mine\n", "- a\n"), "# mine\n\n- a\n");
        assert_eq!(
            with("- a:\n  b\n", "title: c\n"),
            "- a:\n  b\n---\ntitle: c\n"
        );
        assert_eq!(
            with("title: c\n", "title: d\n"),
            "title: c\n---\ntitle: d\n"
        );
        assert_eq!(with("title: c\n# x", "- a\n"), "title: c\n# x\n---\n- a\n");
    }

    #[test]
    fn a_link_stays_a_link_and_a_change_by_others_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let (path, link) = (
            directory.path().join("real.yaml"),
            directory.path().join("link.yaml"),
        );
        fs::write(&path, "- a\n").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let file = LocalFile::read(&link).unwrap();
        file.write(&file.with("- b\n")).unwrap();
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&path).unwrap(), "- a\n\n- b\n");
        // What was read is not what is there any more.
        let refused = file.write("- c\n").unwrap_err();
        assert!(refused.to_string().contains("try again"), "{refused}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "- a\n\n- b\n");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }

    #[test]
    fn the_file_stands_in_its_place_or_last() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("local.yaml");
        fs::write(&path, "- a\n").unwrap();
        let rules = |path: &Path| RuleFile {
            path: path.display().to_string(),
            text: "- a\n".to_owned(),
        };
        let file = LocalFile::read(&path).unwrap();
        let other = directory.path().join("other.yaml");
        let files = file.among(vec![rules(&path), rules(&other)], "- new\n");
        assert!(files.len() == 2 && files[0].text == "- new\n");
        let files = file.among(vec![rules(&other)], "- new\n");
        assert!(files.len() == 2 && files[1].text == "- new\n");
    }

    #[test]
    fn a_file_is_loaded_where_it_or_its_directory_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let read = |name: &str| LocalFile::read(&directory.path().join(name)).unwrap();
        let loaded = |name: &str, sources: &RuleSources| read(name).is_loaded_from(sources);
        let local = |path: &Path| RuleSources {
            local: Some(path.to_owned()),
            ..RuleSources::default()
        };
        let (whole, one) = (
            local(directory.path()),
            local(&directory.path().join("a.yaml")),
        );
        assert!(loaded("a.yaml", &whole) && loaded("a.yaml", &one));
        assert!(!loaded("b.yaml", &one) && !loaded("a.txt", &whole));
        fs::write(directory.path().join("a.yaml"), "- a\n").unwrap();
        assert!(loaded("a.yaml", &whole) && loaded("a.yaml", &one));
        assert!(!loaded("a.yaml", &RuleSources::default()));
    }
}
