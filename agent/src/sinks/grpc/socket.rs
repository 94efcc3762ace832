//! The unix socket: nobody else's is taken over, nobody but the agent's user and root may connect.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _,
};
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};
use std::path::{Path, PathBuf};

use futures::stream::{self, Stream};
use rustix::fs::{Mode, fchmod};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with,
};
use rustix::process::geteuid;
use tokio::net::{UnixListener, UnixStream};

use super::audit::{Audit, Reason, Refusal};
use super::peer::{Origin, Peer};
use super::tcp;
use super::tls::CredentialsError;

/// Connections that wait to be accepted: as many as the kernel allows.
const BACKLOG: i32 = i32::MAX;

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// A live server.
    #[error("another process serves {}: stop it, or set stream.socket to another path", .0.display())]
    InUse(PathBuf),
    /// Something that is no socket.
    #[error("{} exists and is no socket: remove it, or set stream.socket to another path", .0.display())]
    NotASocket(PathBuf),
    /// The address for TCP cannot be had.
    #[error(
        "stream.tcp.listen: cannot listen at {address}: {source}; end whoever does, or set \
         another address"
    )]
    Tcp {
        /// The address.
        address: SocketAddr,
        /// The operating system's answer.
        source: io::Error,
    },
    /// A file for TLS cannot be used.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
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
        // Under a name of its own until it listens; the rename replaces a dead socket.
        let new = sibling(path);
        let _ = fs::remove_file(&new);
        let result = bind_private(&new)
            .map_err(failed("bind", &new))
            .and_then(|listener| Ok((listener, publish(&new, path)?)));
        if result.is_err() {
            let _ = fs::remove_file(&new);
        }
        let (listener, guard) = result?;
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

/// Listens on a socket that was never anybody else's to connect to: the kernel makes its file with
/// the mode of the unbound socket, less the umask.
fn bind_private(path: &Path) -> io::Result<StdListener> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    // Between the two calls connections are refused: the mode is looked at while that holds.
    require_private(path)?;
    listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

fn require_private(path: &Path) -> io::Result<()> {
    let mode = fs::symlink_metadata(path)?.mode() & 0o777;
    if mode & !0o600 == 0 {
        return Ok(());
    }
    let why = format!("the kernel made it with mode {mode:03o}");
    Err(io::Error::other(why))
}

/// The connections as they come.
pub(super) fn accepted(listener: UnixListener) -> impl Stream<Item = UnixStream> {
    stream::unfold(listener, |listener| async {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => return Some((stream, listener)),
                Err(error) => tcp::not_accepted(error).await,
            }
        }
    })
}

/// Who it is, if it may be served, whatever became of the socket's mode: root, or whoever runs as
/// the agent does.
pub(super) fn permit(stream: &UnixStream, audit: &Audit) -> Option<Peer> {
    let credentials = stream.peer_cred().ok();
    let uid = credentials.map(|peer| peer.uid());
    let pid = credentials.and_then(|peer| peer.pid());
    if let Some(uid) = uid.filter(|&uid| uid == 0 || uid == geteuid().as_raw()) {
        return Some(Peer::Unix { uid, pid });
    }
    audit.refuse(&Refusal {
        reason: Reason::UnixPeer,
        origin: Origin::User(uid),
        who: match uid {
            Some(uid) => Peer::Unix { uid, pid }.to_string(),
            None => "a process of which the kernel tells nothing".to_owned(),
        },
        detail: String::new(),
    });
    None
}

fn sibling(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    name.into()
}

fn publish(new: &Path, path: &Path) -> Result<Guard, BindError> {
    // A umask may have taken from the owner as well.
    fs::set_permissions(new, Permissions::from_mode(0o600))
        .map_err(failed("set the mode of", new))?;
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
    use std::io::Read as _;

    use rustix::process::Uid;
    use rustix::thread::set_thread_uid;

    use super::*;
    use crate::alert::{AlertSender, AlertStage, Spool, SpoolLimits, channel};
    use crate::telemetry::counters;

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

    fn alerts() -> (AlertSender, AlertStage) {
        let limits = SpoolLimits {
            bytes: 1 << 20,
            records: 16,
            age: None,
            memory_bytes: 1 << 16,
        };
        channel(Spool::in_memory(limits, "a test").unwrap(), 16)
    }

    /// Does something as another user, which is a matter of a thread; `None` without the right to.
    fn as_nobody<T: Send>(act: impl FnOnce() -> T + Send) -> Option<T> {
        const NOBODY: u32 = 65_534;
        if !geteuid().is_root() {
            return None;
        }
        let result = std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                set_thread_uid(Uid::from_raw(NOBODY)).unwrap();
                act()
            });
            thread.join().unwrap()
        });
        Some(result)
    }

    /// A directory that everybody can pass.
    fn passable() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        directory
    }

    #[test]
    fn a_socket_has_its_mode_from_the_beginning() {
        let directory = passable();
        let path = directory.path().join("s.sock");
        let _listener = bind_private(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().mode();
        assert_eq!(mode & 0o077, 0, "{mode:o}");
        if let Some(connected) = as_nobody(|| StdStream::connect(&path)) {
            assert_eq!(
                connected.unwrap_err().kind(),
                io::ErrorKind::PermissionDenied
            );
        }
    }

    #[tokio::test]
    async fn another_user_is_refused_even_when_the_socket_lets_him_in() {
        let directory = passable();
        let path = directory.path().join("s.sock");
        let Socket { listener, guard } = Socket::bind(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        let Some(stranger) = as_nobody(|| StdStream::connect(&path)) else {
            return;
        };
        let mut stranger = stranger.unwrap();
        let own = StdStream::connect(&path).unwrap();
        let (alerts, stage) = alerts();
        let audit = Audit::new(alerts.downgrade());
        let accepted = [listener.accept().await, listener.accept().await];
        let peers = accepted.map(|accepted| permit(&accepted.unwrap().0, &audit));
        assert_eq!(peers.iter().flatten().count(), 1);
        let raised = alerts.counts().account(0).raised;
        assert_eq!(raised, 1, "an alert tells of it");
        assert_eq!(stranger.read(&mut [0]).unwrap(), 0, "the connection ended");
        let refused = counters()
            .into_iter()
            .find(|(name, _)| *name == "peer_refused");
        assert_eq!(refused, Some(("peer_refused", 1)));
        drop((own, guard, stage));
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
