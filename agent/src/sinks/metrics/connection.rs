//! Connections that are few and do not last: whoever opens them and says nothing keeps nobody out
//! for long.

use std::future::Future as _;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};

/// Connections at a time; *wait* when there are more.
const CONNECTIONS: usize = 16;

/// How long a connection may last.
#[derive(Clone, Copy, Debug)]
struct Lifetime {
    /// It is read for so long; a client that comes back makes another.
    read: Duration,
    /// Then it ends, also when its client has not taken the answer.
    whole: Duration,
}

const LIFETIME: Lifetime = Lifetime {
    read: Duration::from_secs(60),
    whole: Duration::from_secs(70),
};

/// A listener with a limit of connections.
pub(super) struct Limited {
    listener: TcpListener,
    permits: Arc<Semaphore>,
    lifetime: Lifetime,
}

impl Limited {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self {
            listener,
            permits: Arc::new(Semaphore::new(CONNECTIONS)),
            lifetime: LIFETIME,
        }
    }
}

impl Listener for Limited {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let permit = permit.expect("the semaphore is never closed");
        // The trait's own method for this type: it waits when no descriptor is left.
        let (stream, peer) = Listener::accept(&mut self.listener).await;
        let connection = Connection {
            stream,
            last_read: Box::pin(sleep(self.lifetime.read)),
            end: Box::pin(sleep(self.lifetime.whole)),
            _permit: permit,
        };
        (connection, peer)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// A connection.
pub(super) struct Connection {
    stream: TcpStream,
    last_read: Pin<Box<Sleep>>,
    end: Pin<Box<Sleep>>,
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    /// Fails when the connection is to end; else whoever polls is woken then. Asked whatever is
    /// done with it: a client that does not read keeps the writer waiting.
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.end.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        if self.last_read.as_mut().poll(context).is_ready() {
            // As if the client had closed it: an answer under way is still written.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::io::AsyncWriteExt as _;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn a_client_that_reads_nothing_loses_its_place() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut limited = Limited {
            lifetime: Lifetime {
                read: Duration::from_millis(100),
                whole: Duration::from_millis(200),
            },
            ..Limited::new(listener)
        };
        let _client = TcpStream::connect(address).await.unwrap();
        let (mut connection, _) = limited.accept().await;
        // More than the kernel keeps for both sides.
        let answer = vec![0; 64 << 20];
        let written = timeout(Duration::from_secs(20), connection.write_all(&answer)).await;
        let error = written.expect("it ends").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(connection);
        assert_eq!(limited.permits.available_permits(), CONNECTIONS);
    }
}
