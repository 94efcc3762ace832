//! What every connection passes on its way in, over whichever transport.

use std::sync::Arc;

use futures::StreamExt as _;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio_stream::Stream;
use tokio_stream::wrappers::WatchStream;

use super::audit::{Audit, Reason, Refusal};
use super::authority::AnyAuthority;
use super::connection::{Connection, Patience, Transport};
use super::peer::{Origin, Peer};
use super::slots::{Slot, Slots};
use super::socket;
use super::tls::Access;

/// What both transports share.
#[derive(Clone, Debug)]
pub(super) struct Door {
    /// Room.
    pub(super) slots: Arc<Slots>,
    /// The terms that hold at the moment.
    pub(super) access: watch::Receiver<Arc<Access>>,
    /// Who is told of refusals.
    pub(super) audit: Audit,
    /// How long things may take.
    pub(super) patience: Patience,
}

impl Door {
    /// Takes a slot; `who` is told of when there is none.
    pub(super) fn slot(&self, origin: Origin, who: impl FnOnce() -> String) -> Option<Slot> {
        let why = match self.slots.take(origin) {
            Ok(slot) => return Some(slot),
            Err(why) => why,
        };
        self.audit.refuse(&Refusal {
            reason: Reason::TooManyConnections,
            origin,
            who: who(),
            detail: why.to_string(),
        });
        None
    }

    /// Lets a peer in.
    pub(super) fn admit(
        &self,
        transport: impl Transport + 'static,
        peer: Peer,
        slot: Slot,
    ) -> Connection {
        // The others have the rights that they have.
        let certified = matches!(peer, Peer::Certificate { .. });
        let clients = certified.then(|| WatchStream::from_changes(self.access.clone()));
        Connection::new(Box::new(transport), peer, slot, clients, self.patience)
    }

    fn unix_peer(&self, stream: UnixStream) -> Option<Connection> {
        let peer = socket::permit(&stream, &self.audit)?;
        let slot = self.slot(peer.origin(), || peer.to_string())?;
        Some(self.admit(AnyAuthority::new(stream), peer, slot))
    }

    /// The connections over the unix socket.
    pub(super) fn unix(
        self,
        listener: UnixListener,
    ) -> impl Stream<Item = std::io::Result<Connection>> {
        socket::accepted(listener)
            .filter_map(move |stream| std::future::ready(self.unix_peer(stream).map(Ok)))
    }
}
