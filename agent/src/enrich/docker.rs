//! Asks the Docker Engine what a container is.
//!
//! One tokio task beside the data path. It subscribes to the engine's events first and lists what
//! runs second, so that no container falls between the two; after that every event about a
//! container leads to an inspect, and so does every [`ContainerRequest`]. Docker announces a
//! container (`create`) before its first process exists, so the description is normally there
//! before the first kernel event. Answers go to the detection task as [`ContainerMessage`]s.
//!
//! Queues: requests arrive over a bounded channel (when it is full the container table keeps them);
//! messages leave over a bounded channel (*block*: this task waits, the engine's event stream
//! waits in its socket). A container is inspected once at a time, however many events ask for it.

mod image_reference;
mod inspect;
mod session;
#[cfg(test)]
mod tests;
mod timestamp;
mod work;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tracing::{info, warn};

use self::session::{Ended, Session};
use super::container::{ContainerMessage, ContainerRequest};
use crate::model::Runtime;

/// How to reach the engine and how hard to try.
#[derive(Clone, Debug)]
pub struct DockerSettings {
    /// The engine's socket.
    pub socket: PathBuf,
    /// Inspects under way at most.
    pub concurrency: usize,
    /// Limit of one call.
    pub timeout: Duration,
    /// Tries of one inspect before the container counts as failed.
    pub attempts: u32,
    /// Wait before the second try of an inspect; doubles with each further one.
    pub retry_delay: Duration,
    /// Shortest and longest wait between two tries to connect.
    pub reconnect_delay: (Duration, Duration),
}

impl DockerSettings {
    /// Default limits for the engine at `socket`.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self {
            socket: socket.into(),
            concurrency: 8,
            timeout: Duration::from_secs(15),
            attempts: 4,
            retry_delay: Duration::from_millis(50),
            reconnect_delay: (Duration::from_millis(100), Duration::from_secs(5)),
        }
    }
}

/// Talks to the engine until the receiver of `messages` or the sender of `requests` is gone.
///
/// While the engine cannot be reached this tries again with growing waits; requests meanwhile stay
/// in their channel.
pub async fn run(
    settings: DockerSettings,
    mut requests: mpsc::Receiver<ContainerRequest>,
    messages: mpsc::Sender<ContainerMessage>,
) {
    let (shortest, longest) = settings.reconnect_delay;
    let mut delay = shortest;
    let mut told: Option<Arc<str>> = None;
    loop {
        let why = match Session::open(&settings).await {
            Ok(session) => {
                info!(socket = %settings.socket.display(), "Docker answers");
                told = None;
                let begin = Instant::now();
                let ended = session.run(&mut requests, &messages).await;
                if begin.elapsed() > longest {
                    delay = shortest; // else it may be an engine that greets and hangs up
                }
                match ended {
                    Ended::Stopped => return,
                    Ended::Lost(why) => why,
                }
            }
            Err(why) => why,
        };
        if told.as_ref() != Some(&why) {
            warn!(socket = %settings.socket.display(), error = %why, "Docker does not answer");
            told = Some(Arc::clone(&why));
            let lost = ContainerMessage::RuntimeLost {
                runtime: Runtime::Docker,
                why,
            };
            if messages.send(lost).await.is_err() {
                return;
            }
        }
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = messages.closed() => return,
        }
        delay = (delay * 2).min(longest);
    }
}
