//! A connection that may be served, and how long.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream as _;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_stream::wrappers::WatchStream;
use tonic::transport::server::Connected;

use super::clients::Clients;
use super::peer::Peer;
use super::rights::Answer;
use super::slots::Slot;

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// From the connection to the end of its TLS handshake.
    pub(super) handshake: Duration,
    /// Until the first call. Clients connect when they have one.
    pub(super) first_call: Duration,
    /// From one call to the next. Clients connect anew after that.
    pub(super) idle: Duration,
    /// From the end of a client's rights to the end of its connection: its streams tell it why.
    pub(super) revoked: Duration,
    /// From a call to the begin of its answer. Covers a request that does not come in whole.
    pub(super) answer: Duration,
    /// From there until a call with one answer ends: it is held until the client takes it.
    pub(super) taken: Duration,
    /// Between two looks at the credentials.
    pub(super) reload: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            first_call: Duration::from_secs(30),
            idle: Duration::from_secs(300),
            revoked: Duration::from_secs(3),
            answer: Duration::from_secs(60),
            taken: Duration::from_secs(30),
            reload: Duration::from_secs(3),
        }
    }
}

/// The transport of a connection.
pub(super) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// Which calls a connection has open.
#[derive(Debug)]
pub(super) struct Calls {
    state: Mutex<CallState>,
}

#[derive(Clone, Debug)]
struct CallState {
    open: usize,
    /// When those of them began that have one answer, and the number of each.
    once: BTreeSet<(Instant, u64)>,
    /// The number of the next one of these.
    next: u64,
    /// Whether there ever was one.
    any: bool,
    /// When the last one ended, or the connection began.
    since: Instant,
}

/// A call that is open; dropping it ends it.
#[derive(Debug)]
pub(super) struct Call {
    calls: Arc<Calls>,
    once: Option<(Instant, u64)>,
}

impl Calls {
    /// None yet.
    pub(super) fn new() -> Arc<Self> {
        let state = CallState {
            open: 0,
            once: BTreeSet::new(),
            next: 0,
            any: false,
            since: Instant::now(),
        };
        Arc::new(Self {
            state: Mutex::new(state),
        })
    }

    /// Begins a call.
    pub(super) fn begin(self: &Arc<Self>, answer: Answer) -> Call {
        let mut state = self.state();
        state.open += 1;
        state.any = true;
        let once = (answer == Answer::One).then(|| (Instant::now(), state.next));
        state.next += 1;
        state.once.extend(once);
        Call {
            calls: Arc::clone(self),
            once,
        }
    }

    fn state(&self) -> MutexGuard<'_, CallState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the connection is to end unless a call begins or ends, and why.
    fn deadline(&self, patience: &Patience) -> (Instant, &'static str) {
        let state = self.state();
        if let Some((began, _)) = state.once.first() {
            let end = *began + patience.answer + patience.taken;
            return (end, "the client does not take an answer");
        }
        let end = match *state {
            CallState { open: 1.., .. } => Instant::now() + patience.idle,
            CallState {
                any: true, since, ..
            } => since + patience.idle,
            CallState { since, .. } => since + patience.first_call,
        };
        (end, "the connection has no call")
    }

    /// When to look at the deadline: a call that begins meanwhile may have an earlier one.
    fn next_look(&self, patience: &Patience) -> Instant {
        let (deadline, _) = self.deadline(patience);
        deadline.min(Instant::now() + patience.taken)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let mut state = self.calls.state();
        state.open -= 1;
        if let Some(once) = &self.once {
            state.once.remove(once);
        }
        state.since = Instant::now();
    }
}

/// What a call knows of its connection.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// Who calls.
    pub(super) peer: Peer,
    /// The connection's calls.
    pub(super) calls: Arc<Calls>,
}

/// A connection that was let in.
pub(super) struct Connection {
    transport: Box<dyn Transport>,
    caller: Caller,
    lifetime: Lifetime,
    _slot: Slot,
}

impl Connection {
    /// A connection of `peer`; `clients` tells when its rights end.
    pub(super) fn new(
        transport: Box<dyn Transport>,
        peer: Peer,
        slot: Slot,
        clients: Option<WatchStream<Arc<super::tls::Access>>>,
        patience: Patience,
    ) -> Self {
        let calls = Calls::new();
        Self {
            transport,
            lifetime: Lifetime {
                end: Box::pin(sleep_until(calls.next_look(&patience))),
                peer: peer.clone(),
                calls: Arc::clone(&calls),
                clients,
                revoked: false,
                patience,
            },
            caller: Caller { peer, calls },
            _slot: slot,
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("caller", &self.caller)
            .finish_non_exhaustive()
    }
}

/// When a connection ends although its client does not end it.
struct Lifetime {
    end: Pin<Box<Sleep>>,
    peer: Peer,
    calls: Arc<Calls>,
    clients: Option<WatchStream<Arc<super::tls::Access>>>,
    revoked: bool,
    patience: Patience,
}

impl Lifetime {
    /// Fails when the connection is to end.
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        while let Some(clients) = &mut self.clients {
            match Pin::new(clients).poll_next(context) {
                Poll::Ready(Some(access)) => self.judge(&access.clients),
                Poll::Ready(None) => self.clients = None,
                Poll::Pending => break,
            }
        }
        while self.end.as_mut().poll(context).is_ready() {
            if self.revoked {
                return Err(io::Error::other("the client's rights were taken away"));
            }
            let (deadline, why) = self.calls.deadline(&self.patience);
            if deadline <= Instant::now() {
                return Err(io::Error::other(why));
            }
            let next_look = self.calls.next_look(&self.patience);
            self.end.as_mut().reset(next_look);
        }
        Ok(())
    }

    fn judge(&mut self, clients: &Clients) {
        let revoked = !clients.knows(&self.peer);
        if revoked == self.revoked {
            return;
        }
        self.revoked = revoked;
        let end = if revoked {
            Instant::now() + self.patience.revoked
        } else {
            self.calls.next_look(&self.patience)
        };
        self.end.as_mut().reset(end);
    }
}

impl Connected for Connection {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.lifetime.check(context)?;
        Pin::new(&mut this.transport).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        // While a client does not read, nothing is read of it either.
        this.lifetime.check(context)?;
        Pin::new(&mut this.transport).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().transport).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().transport).poll_shutdown(context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.lifetime.check(context)?;
        Pin::new(&mut this.transport).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }
}
