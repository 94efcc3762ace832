//! The unix socket: nobody else's is taken over, nobody else may connect.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _,
};
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// A live server.
    #[error("another process serves {}: stop it, or set stream.socket to another path", .0.display())]
    InUse(PathBuf),
    /// Something that is no socket.
    #[error("{} exists and is no socket: remove it, or set stream.socket to another path", .0.display())]
    NotASocket(PathBuf),
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

/// A listening socket and its place in the filesystem.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) listener: UnixListener,
    pub(super) guard: Guard,
}

/// Removes the socket when dropped, unless somebody has put another in its place.
#[derive(Debug)]
pub(super) struct Guard {
    path: PathBuf,
    inode: u64,
}

impl Socket {
    /// Listens on `path`.
    pub(super) fn bind(path: &Path) -> Result<Self, BindError> {
        make_directory(path)?;
        refuse_live(path)?;
        // Under a name of its own until its mode is right; the rename replaces a dead socket.
        let new = sibling(path);
        let _ = fs::remove_file(&new);
        let listener = StdListener::bind(&new).map_err(failed("bind", &new))?;
        let result = publish(&listener, &new, path);
        if result.is_err() {
            let _ = fs::remove_file(&new);
        }
        let guard = result?;
        let listener = UnixListener::from_std(listener).map_err(failed("listen on", path))?;
        Ok(Self { listener, guard })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.guard.path
    }
}

fn make_directory(path: &Path) -> Result<(), BindError> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    if parent.as_os_str().is_empty() || parent.is_dir() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(parent)
        .map_err(failed("make the directory", parent))
}

fn refuse_live(path: &Path) -> Result<(), BindError> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("look at", path)(error)),
    };
    if !metadata.file_type().is_socket() {
        return Err(BindError::NotASocket(path.to_owned()));
    }
    match StdStream::connect(path) {
        Ok(_) => Err(BindError::InUse(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed("probe", path)(error)),
    }
}

fn sibling(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    name.into()
}

fn publish(listener: &StdListener, new: &Path, path: &Path) -> Result<Guard, BindError> {
    fs::set_permissions(new, Permissions::from_mode(0o600))
        .map_err(failed("set the mode of", new))?;
    listener
        .set_nonblocking(true)
        .map_err(failed("listen on", new))?;
    let inode = fs::symlink_metadata(new)
        .map_err(failed("look at", new))?
        .ino();
    fs::rename(new, path).map_err(failed("rename to", path))?;
    Ok(Guard {
        path: path.to_owned(),
        inode,
    })
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BindError {
    let path = path.to_owned();
    move |source| BindError::Io { what, path, source }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode);
        if ours {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_socket_is_private_and_goes_with_its_server() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("made/on/demand/s.sock");
        let socket = Socket::bind(&path).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        drop(socket);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_live_socket_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s.sock");
        let _first = Socket::bind(&path).unwrap();
        assert!(matches!(Socket::bind(&path), Err(BindError::InUse(_))));
        assert!(StdStream::connect(&path).is_ok());
    }

    #[tokio::test]
    async fn a_dead_socket_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s.sock");
        drop(StdListener::bind(&path).unwrap());
        assert!(path.exists());
        let _socket = Socket::bind(&path).unwrap();
        assert!(StdStream::connect(&path).is_ok());
    }

    #[tokio::test]
    async fn a_file_is_not_removed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s.sock");
        fs::write(&path, "precious").unwrap();
        assert!(matches!(Socket::bind(&path), Err(BindError::NotASocket(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    #[tokio::test]
    async fn another_ones_socket_survives_the_guard() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s.sock");
        let first = Socket::bind(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let _second = Socket::bind(&path).unwrap();
        drop(first);
        assert!(StdStream::connect(&path).is_ok());
    }
}
