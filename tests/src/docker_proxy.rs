//! A socket in front of Docker's that holds descriptions of containers back.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, copy_bidirectional};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::runtime::runtime;
use crate::undo::{self, Leftover};

const LONGEST_HEAD: usize = 64 * 1024;

/// The proxy; ends when dropped.
#[derive(Debug)]
pub struct DockerProxy {
    socket: PathBuf,
    delayed: Arc<AtomicU64>,
    gate: watch::Sender<bool>,
    task: JoinHandle<()>,
    _guard: undo::Guard,
}

/// What an answer waits for.
#[derive(Clone, Debug)]
enum Hold {
    For(Duration),
    UntilOpened(watch::Receiver<bool>),
}

impl Hold {
    async fn wait(self) {
        match self {
            Self::For(delay) => tokio::time::sleep(delay).await,
            Self::UntilOpened(mut gate) => {
                // An error means that the proxy is gone, and its connections with it.
                let _ = gate.wait_for(|open| *open).await;
            }
        }
    }
}

impl DockerProxy {
    /// Listens on `socket` and forwards to `engine`. Answers to `GET /containers/ID/json` are held
    /// back for `delay`; the request itself goes through at once.
    pub async fn start(socket: &Path, engine: &Path, delay: Duration) -> Result<Self> {
        let (gate, _) = watch::channel(true);
        Self::listen(socket, engine, gate, Hold::For(delay))
    }

    /// Like [`start`](Self::start), but answers are held back until [`open`](Self::open).
    pub async fn closed(socket: &Path, engine: &Path) -> Result<Self> {
        let (gate, closed) = watch::channel(false);
        Self::listen(socket, engine, gate, Hold::UntilOpened(closed))
    }

    fn listen(socket: &Path, engine: &Path, gate: watch::Sender<bool>, hold: Hold) -> Result<Self> {
        let guard = undo::register(Leftover::Path(socket.to_owned()));
        let listener = UnixListener::bind(socket)?;
        let delayed = Arc::new(AtomicU64::new(0));
        let (engine, counter) = (engine.to_owned(), Arc::clone(&delayed));
        let task = runtime().spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (engine, counter) = (engine.clone(), Arc::clone(&counter));
                let hold = hold.clone();
                tokio::spawn(async move {
                    // A broken connection is the client's or the engine's affair.
                    let _ = forward(client, &engine, hold, &counter).await;
                });
            }
        });
        Ok(Self {
            socket: socket.to_owned(),
            delayed,
            gate,
            task,
            _guard: guard,
        })
    }

    /// The proxy's socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Lets the answers through, those held back and all that follow.
    pub fn open(&self) {
        self.gate.send_replace(true);
    }

    /// Answers held back so far.
    pub fn delayed(&self) -> u64 {
        self.delayed.load(Ordering::Relaxed)
    }
}

impl Drop for DockerProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Forwards one connection. The agent's client makes one request on each.
async fn forward(
    mut client: UnixStream,
    engine: &Path,
    hold: Hold,
    delayed: &AtomicU64,
) -> std::io::Result<()> {
    let mut engine = UnixStream::connect(engine).await?;
    let head = read_head(&mut client).await?;
    engine.write_all(&head).await?;
    if !asks_for_a_description(&head) {
        copy_bidirectional(&mut client, &mut engine).await?;
        return Ok(());
    }
    delayed.fetch_add(1, Ordering::Relaxed);
    let mut first = vec![0; 1];
    engine.read_exact(&mut first).await?;
    hold.wait().await;
    client.write_all(&first).await?;
    let (mut from_client, mut to_client) = client.split();
    let (mut from_engine, mut to_engine) = engine.split();
    tokio::select! {
        done = copy(&mut from_engine, &mut to_client) => done,
        done = copy(&mut from_client, &mut to_engine) => done,
    }?;
    Ok(())
}

async fn read_head(client: &mut UnixStream) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") && head.len() < LONGEST_HEAD {
        if client.read_buf(&mut head).await? == 0 {
            break;
        }
    }
    Ok(head)
}

/// `GET [/vVERSION]/containers/ID/json`, but not the list `/containers/json`.
fn asks_for_a_description(head: &[u8]) -> bool {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let Some(target) = line
        .strip_prefix("GET ")
        .and_then(|rest| rest.split(' ').next())
    else {
        return false;
    };
    let path = target.split('?').next().unwrap_or(target);
    let mut parts = path.rsplit('/');
    parts.next() == Some("json")
        && parts.next().is_some_and(|id| id != "containers")
        && parts.next() == Some("containers")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_containers_description_is_slow() {
        for (line, slow) in [
            ("GET /v1.41/containers/abc/json HTTP/1.1\r\n", true),
            ("GET /containers/abc/json?size=1 HTTP/1.1\r\n", true),
            ("GET /v1.41/containers/json HTTP/1.1\r\n", false),
            ("GET /v1.41/events HTTP/1.1\r\n", false),
            ("POST /v1.41/containers/abc/json HTTP/1.1\r\n", false),
            ("GET /v1.41/images/abc/json HTTP/1.1\r\n", false),
        ] {
            assert_eq!(asks_for_a_description(line.as_bytes()), slow, "{line}");
        }
    }
}
