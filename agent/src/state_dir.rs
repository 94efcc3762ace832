//! The directory of what outlives a run. Nobody but the agent's user may write there: who can may
//! have the agent truncate a file of his choice, or believe that nobody was ever blind.

#![forbid(unsafe_code)]

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::process::geteuid;

/// Write permission of group and others.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Why the directory or a file in it cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateDirError {
    /// Somebody else may have written there.
    #[error("{} {why}", path.display())]
    Untrusted {
        /// The directory or file.
        path: PathBuf,
        /// Why it is not trusted, and what to do.
        why: String,
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

impl StateDirError {
    /// Names what was tried when it failed.
    pub(crate) fn io(what: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            what,
            path: path.to_owned(),
            source,
        }
    }
}

/// Makes the directory if it is missing, and refuses one that others can write to.
pub(crate) fn prepare(path: &Path) -> Result<(), StateDirError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| StateDirError::io("make the directory", path, error))?;
    let found = fs::metadata(path).map_err(|error| StateDirError::io("look at", path, error))?;
    require_owner(path, found.uid())?;
    let mode = found.mode() & 0o7777;
    if mode & WRITABLE_BY_OTHERS == 0 {
        return Ok(());
    }
    let why = format!(
        "can be written by others (mode {mode:04o}): run chmod go-w on it, or set state_dir to \
         another directory"
    );
    let path = path.to_owned();
    Err(StateDirError::Untrusted { path, why })
}

/// Opens a file of the directory for reading and writing, makes it if it is missing, and sees to
/// it that nobody else may open it.
pub(crate) fn open(path: &Path) -> Result<File, StateDirError> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(NO_FOLLOW)
        .open(path)
        .map_err(|error| StateDirError::io("open", path, error))?;
    let found = file
        .metadata()
        .map_err(|error| StateDirError::io("look at", path, error))?;
    // A hard link would have a file elsewhere truncated.
    if !found.is_file() || found.nlink() != 1 {
        let path = path.to_owned();
        let why = "is no file, or one with several names: remove it".to_owned();
        return Err(StateDirError::Untrusted { path, why });
    }
    require_owner(path, found.uid())?;
    file.set_permissions(Permissions::from_mode(0o600))
        .map_err(|error| StateDirError::io("set the mode of", path, error))?;
    Ok(file)
}

/// A symbolic link is refused, with ELOOP.
const NO_FOLLOW: i32 = OFlags::NOFOLLOW.bits() as i32;

fn require_owner(path: &Path, owner: u32) -> Result<(), StateDirError> {
    let own = geteuid().as_raw();
    if owner == own {
        return Ok(());
    }
    let why = format!(
        "belongs to uid {owner} and the agent runs as uid {own}: run chown {own} on it, or set \
         state_dir to another directory"
    );
    let path = path.to_owned();
    Err(StateDirError::Untrusted { path, why })
}

/// Reads at most `max` bytes of a file of the directory.
pub(crate) fn read(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(NO_FOLLOW)
        .open(path)?;
    let mut bytes = Vec::new();
    file.take(max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Replaces a file in one step, so that a reader finds the old or the new content; `durable`: also
/// one that reads after a power failure finds the new.
pub(crate) fn replace(path: &Path, content: &[u8], durable: bool) -> io::Result<()> {
    let new = path.with_extension("new");
    // What a run before left: the new file is to be ours, with our mode.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(content)?;
    if durable {
        file.sync_all()?;
    }
    fs::rename(&new, path)?;
    match path.parent() {
        // The file's own sync says nothing of its name.
        Some(directory) if durable => File::open(directory)?.sync_all(),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{chown, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    fn why(result: Result<impl std::fmt::Debug, StateDirError>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn a_directory_is_made_for_its_owner_alone() {
        let parent = tempfile::tempdir().unwrap();
        let state = parent.path().join("a/b");
        prepare(&state).unwrap();
        assert_eq!(mode(&state), 0o700);
        fs::set_permissions(&state, Permissions::from_mode(0o755)).unwrap();
        prepare(&state).unwrap();
    }

    #[test]
    fn a_directory_that_others_write_to_is_refused() {
        let state = tempfile::tempdir().unwrap();
        for mode in [0o770, 0o702, 0o1777] {
            fs::set_permissions(state.path(), Permissions::from_mode(mode)).unwrap();
            let why = why(prepare(state.path()));
            assert!(why.contains("chmod go-w"), "{why}");
        }
    }

    #[test]
    fn what_belongs_to_another_is_refused() {
        if !geteuid().is_root() {
            return;
        }
        let state = tempfile::tempdir().unwrap();
        let file = state.path().join("run.lock");
        fs::write(&file, "").unwrap();
        chown(&file, Some(65_534), None).unwrap();
        assert!(why(open(&file)).contains("belongs to uid 65534"));
        chown(state.path(), Some(65_534), None).unwrap();
        assert!(why(prepare(state.path())).contains("chown 0"));
    }

    #[test]
    fn links_are_neither_followed_nor_truncated() {
        let state = tempfile::tempdir().unwrap();
        let precious = state.path().join("precious");
        fs::write(&precious, "precious").unwrap();
        for name in ["run.lock", "heartbeat", "heartbeat.new"] {
            symlink(&precious, state.path().join(name)).unwrap();
        }
        assert!(why(open(&state.path().join("run.lock"))).contains("symbolic link"));
        let hard = state.path().join("hard.lock");
        fs::hard_link(&precious, &hard).unwrap();
        assert!(why(open(&hard)).contains("several names"));
        assert!(read(&state.path().join("heartbeat"), 10).is_err());
        replace(&state.path().join("heartbeat"), b"new", true).unwrap();
        assert_eq!(fs::read(&precious).unwrap(), b"precious");
        assert_eq!(read(&state.path().join("heartbeat"), 10).unwrap(), b"new");
    }

    #[test]
    fn a_file_that_others_could_open_is_closed_to_them() {
        let state = tempfile::tempdir().unwrap();
        for (name, make) in [("run.lock", true), ("heartbeat.new", false)] {
            let file = state.path().join(name);
            fs::write(&file, "").unwrap();
            fs::set_permissions(&file, Permissions::from_mode(0o666)).unwrap();
            if make {
                open(&file).unwrap();
                assert_eq!(mode(&file), 0o600);
            }
        }
        let file = state.path().join("heartbeat");
        replace(&file, b"new", false).unwrap();
        assert_eq!(mode(&file), 0o600);
    }
}
