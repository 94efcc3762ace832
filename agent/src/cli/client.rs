//! The way to the running agent.

mod network;

use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status, Streaming};

use super::{Exit, Failure, Global};
use crate::proto::alert_service_client::AlertServiceClient;
use crate::proto::{Hello, Record, WatchRequest};
use network::Network;

/// Largest answer and largest record. gRPC's default of 4 MiB is too small for both: `status` has
/// an account for each hook in each of 4,096 cgroups, and a command line of 32 KiB has many
/// ancestors. The agent bounds what it sends.
pub(super) const MAX_MESSAGE_BYTES: usize = 256 << 20;

/// Where the agent is.
#[derive(Clone, Debug)]
pub(super) enum Agent {
    /// On this node.
    Socket(PathBuf),
    /// Somewhere else, or here without its socket.
    Network(Box<Network>),
}

/// The agent that the arguments or the configuration name.
pub(super) fn agent(global: &Global) -> Result<Agent, Failure> {
    // First: a variable that names another agent must not outrank what was typed.
    if let Some(socket) = &global.socket {
        return Ok(Agent::Socket(socket.clone()));
    }
    if let Some(url) = &global.connect {
        let network = Network::new(url, global)?;
        return Ok(Agent::Network(Box::new(network)));
    }
    let config = global.load(Vec::new())?.config;
    Ok(Agent::Socket(config.stream.socket))
}

/// A runtime for a client.
pub(super) fn runtime() -> Result<Runtime, Failure> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

/// Connects to the agent.
pub(super) async fn connect(agent: &Agent) -> Result<Channel, Failure> {
    match agent {
        Agent::Socket(path) => socket(path).await,
        Agent::Network(network) => network.connect().await,
    }
}

async fn socket(socket: &Path) -> Result<Channel, Failure> {
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

/// Subscribes to the stream.
pub(super) async fn watch(
    agent: &Agent,
    request: WatchRequest,
) -> Result<Streaming<Record>, Failure> {
    let mut client =
        AlertServiceClient::new(connect(agent).await?).max_decoding_message_size(MAX_MESSAGE_BYTES);
    let answer = client.watch(request).await.map_err(refused)?;
    Ok(answer.into_inner())
}

/// The agent sends a heartbeat at the interval that its HELLO states, also when there is nothing
/// else to say: twice as long without any record means that it is stopped or hangs.
pub(super) fn patience(hello: &Hello) -> Duration {
    Duration::from_secs(hello.heartbeat_seconds.max(1).into()) * 2
}

/// An agent that refuses the request. Elsewhere the library says "out of range" of messages that
/// are too large; here the agent says it of a cursor.
fn refused(status: Status) -> Failure {
    match status.code() {
        Code::OutOfRange => Failure::new(Exit::Usage, status.message()),
        _ => broken(status),
    }
}

/// A connection that breaks reports one of several codes, depending on where it breaks.
pub(super) fn broken(status: Status) -> Failure {
    match status.code() {
        Code::Unknown | Code::Internal | Code::Cancelled => {
            Failure::new(Exit::Unreachable, status.message())
        }
        _ => status.into(),
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let exit = match status.code() {
            // Of a name that was typed.
            Code::InvalidArgument | Code::NotFound => Exit::Usage,
            Code::Unavailable => Exit::Unreachable,
            Code::PermissionDenied => Exit::Permission,
            _ => Exit::Failure,
        };
        let message = match status.message() {
            "" => status.code().description(),
            message => message,
        };
        Self::new(exit, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refused_cursor_is_a_wrong_argument() {
        let too_large = || Status::out_of_range("message length too large");
        assert_eq!(refused(too_large()).exit(), Exit::Usage);
        assert_eq!(broken(too_large()).exit(), Exit::Failure);
        assert_eq!(
            broken(Status::permission_denied("x")).exit(),
            Exit::Permission
        );
        assert_eq!(
            refused(Status::invalid_argument("77 is no severity")).exit(),
            Exit::Usage
        );
    }
}
