//! The way to the running agent.

use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use tokio::runtime::{Builder, Runtime};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use super::{Exit, Failure, Global};

/// Largest answer and largest record. gRPC's default of 4 MiB is too small for both: `status` has
/// an account for each hook in each of 4,096 cgroups, and a command line of 32 KiB has many
/// ancestors. The agent bounds what it sends.
pub(super) const MAX_MESSAGE_BYTES: usize = 256 << 20;

/// The socket that the arguments or the configuration name.
pub(super) fn socket(global: &Global) -> Result<PathBuf, Failure> {
    if let Some(socket) = &global.socket {
        return Ok(socket.clone());
    }
    Ok(global.load(Vec::new())?.config.stream.socket)
}

/// A runtime for a client.
pub(super) fn runtime() -> Result<Runtime, Failure> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

/// Connects to the agent.
pub(super) async fn connect(socket: &Path) -> Result<Channel, Failure> {
    // The transport's own error does not say what went wrong.
    if let Err(error) = UnixStream::connect(socket) {
        return Err(unreachable(socket, &error));
    }
    let socket_uri = format!("unix:{}", socket.display());
    let endpoint = Endpoint::try_from(socket_uri)
        .map_err(|error| Failure::new(Exit::Usage, format!("{}: {error}", socket.display())))?;
    endpoint
        .connect()
        .await
        .map_err(|error| Failure::new(Exit::Unreachable, format!("{}: {error}", socket.display())))
}

fn unreachable(socket: &Path, error: &std::io::Error) -> Failure {
    let path = socket.display();
    match error.kind() {
        ErrorKind::PermissionDenied => Failure::new(
            Exit::Permission,
            format!("{path}: permission denied; only the agent's user may connect: try as root"),
        ),
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => Failure::new(
            Exit::Unreachable,
            format!(
                "no agent serves {path}: start one with `gravlens run`, or name its socket with \
                 --socket"
            ),
        ),
        _ => Failure::new(Exit::Unreachable, format!("{path}: {error}")),
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let exit = match status.code() {
            Code::InvalidArgument => Exit::Usage,
            Code::Unavailable => Exit::Unreachable,
            _ => Exit::Failure,
        };
        let message = match status.message() {
            "" => status.code().description(),
            message => message,
        };
        Self::new(exit, message)
    }
}
