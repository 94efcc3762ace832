//! Connections over TCP: each in a task of its own until it is let in, so that none waits for
//! another's handshake.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustix::net::sockopt::set_tcp_user_timeout;
use rustls::{CertificateError, PeerIncompatible};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::KEEPALIVE;
use super::audit::{Reason, Refusal};
use super::connection::Connection;
use super::door::Door;
use super::newcomers::{Newcomers, Place};
use super::peer::{self, Name, Origin, Peer};
use super::tls::Shown;
use crate::telemetry::{Counter, Failure};

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1_024;
/// Connections that are let in and wait to be served; *wait* when full.
pub(super) const ADMITTED: usize = 64;
/// Handshakes under way; the oldest of whoever has most *gives way* when there are more.
pub(super) const HANDSHAKES: usize = 128;
/// Handshakes from one address, or of one network of IPv6; more are refused.
pub(super) const HANDSHAKES_PER_ORIGIN: usize = 16;
/// Pause after a connection could not be accepted: the next attempt would fail alike.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// First byte of a TLS connection: a record of a handshake.
const HANDSHAKE: u8 = 22;
/// Kind of the message that a client begins with.
const CLIENT_HELLO: u8 = 1;
/// The version as the wire has it.
const TLS_1_2: [u8; 2] = [3, 3];
/// Between two looks at a ClientHello that comes in pieces.
const PEEK_PAUSE: Duration = Duration::from_millis(50);
/// Longest wait for a client that is turned away to close its side.
const LINGER: Duration = Duration::from_secs(1);

/// Listens at an address. Needs a tokio runtime.
pub(super) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // Connections of a run before may linger.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

struct NotAccepted {
    error: io::Error,
}

impl Failure for NotAccepted {
    fn counter(&self) -> &'static Counter {
        static COUNTER: Counter = Counter::new("connection_not_accepted");
        &COUNTER
    }

    fn log(&self, total: u64) {
        tracing::warn!(
            message = "A connection could not be accepted.",
            error = %self.error,
            total
        );
    }
}

struct HandshakeBroken<'a> {
    address: SocketAddr,
    error: &'a io::Error,
}

impl Failure for HandshakeBroken<'_> {
    fn counter(&self) -> &'static Counter {
        static COUNTER: Counter = Counter::new("handshake_broken_off");
        &COUNTER
    }

    fn log(&self, total: u64) {
        tracing::warn!(
            message = "A client ended its TLS handshake; it may not trust the agent's certificate.",
            address = %self.address,
            error = %self.error,
            total
        );
    }
}

/// Accepts connections until nobody takes them any more.
pub(super) async fn accept(listener: TcpListener, door: Door, admitted: mpsc::Sender<Connection>) {
    let newcomers = Newcomers::new(HANDSHAKES, HANDSHAKES_PER_ORIGIN);
    let mut handshakes = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = handshakes.join_next() => continue,
            () = admitted.closed() => return,
        };
        match accepted.and_then(|(stream, address)| Ok((impatient(stream)?, address))) {
            Ok((stream, address)) => {
                let address = SocketAddr::new(address.ip().to_canonical(), address.port());
                let origin = Origin::network(address.ip());
                let place = match newcomers.take(origin) {
                    Ok(place) => place,
                    Err(why) => {
                        let why = why.to_string();
                        refuse(&door, address, Reason::TooManyHandshakes, None, &why);
                        continue;
                    }
                };
                let newcomer = Newcomer {
                    stream,
                    address,
                    place,
                };
                let (door, admitted) = (door.clone(), admitted.clone());
                handshakes.spawn(async move {
                    if let Some(connection) = newcomer.enter(&door).await {
                        // Nobody takes it when the server stops.
                        let _ = admitted.send(connection).await;
                    }
                });
            }
            Err(error) => not_accepted(error).await,
        }
    }
}

/// Lets the kernel end the connection when its other side takes nothing for so long.
fn impatient(stream: TcpStream) -> io::Result<TcpStream> {
    let limit = (KEEPALIVE.0 + KEEPALIVE.1).as_millis();
    set_tcp_user_timeout(&stream, u32::try_from(limit).unwrap_or(u32::MAX))?;
    Ok(stream)
}

/// Tells that a connection could not be accepted, and waits before the next attempt.
pub(super) async fn not_accepted(error: io::Error) {
    NotAccepted { error }.emit();
    sleep(ACCEPT_PAUSE).await;
}

/// A connection of which nothing is known but where it comes from.
struct Newcomer {
    stream: TcpStream,
    address: SocketAddr,
    place: Place,
}

/// How a handshake ends.
enum Handshake {
    /// The client has shown a certificate that is good.
    Done(Box<TlsStream<TcpStream>>, Peer),
    /// The client was refused and is to be told why, outside of TLS.
    TurnedAway(TcpStream, Vec<u8>),
    /// There is nobody to talk to.
    Ended,
}

impl Newcomer {
    /// Lets it in, or tells why not.
    async fn enter(self, door: &Door) -> Option<Connection> {
        let Self {
            stream,
            address,
            mut place,
        } = self;
        let _ = stream.set_nodelay(true);
        // As the files say now: what comes later holds for later connections.
        let terms = door.access.borrow().terms();
        let Some((config, shown)) = terms else {
            let peer = Peer::Loopback(address);
            let slot = door.slot(peer.origin(), || peer.to_string())?;
            return Some(door.admit(stream, peer, slot));
        };
        let limit = door.patience.handshake;
        let acceptor = TlsAcceptor::from(config);
        let handshake = timeout(limit, handshake(stream, address, door, acceptor, shown));
        let (why, detail) = tokio::select! {
            ended = handshake => match ended {
                Ok(Handshake::Done(stream, peer)) => {
                    let slot = door.slot(peer.origin(), || peer.to_string())?;
                    return Some(door.admit(stream, peer, slot));
                }
                Ok(Handshake::TurnedAway(stream, text)) => {
                    tokio::select! {
                        () = answer(stream, &text) => {}
                        () = place.given_away() => {}
                    }
                    return None;
                }
                Ok(Handshake::Ended) => return None,
                Err(_) => (Reason::SlowHandshake, format!("{limit:?}")),
            },
            () = place.given_away() => (
                Reason::TooManyHandshakes,
                format!("{HANDSHAKES} handshakes are under way; its own gave way to a newer one"),
            ),
        };
        refuse(door, address, why, None, &detail);
        None
    }
}

async fn handshake(
    stream: TcpStream,
    address: SocketAddr,
    door: &Door,
    acceptor: TlsAcceptor,
    shown: Shown,
) -> Handshake {
    match opening(&stream).await {
        Opening::Tls => {}
        Opening::OldTls(version) => {
            refuse(door, address, Reason::TlsVersion, None, "");
            return Handshake::TurnedAway(stream, protocol_version(version));
        }
        Opening::Plaintext => {
            refuse(door, address, Reason::Plaintext, None, "");
            return Handshake::TurnedAway(stream, needs_tls());
        }
        // Whoever looks whether a port is open asks for nothing.
        Opening::Nothing => return Handshake::Ended,
    }
    match acceptor.accept(stream).await {
        Ok(stream) => {
            let names = shown.get().cloned().unwrap_or_default().into();
            Handshake::Done(Box::new(stream), Peer::Certificate { address, names })
        }
        Err(error) => {
            match reason(&error) {
                Some(reason) => refuse(door, address, reason, shown.get(), &error.to_string()),
                None => HandshakeBroken {
                    address,
                    error: &error,
                }
                .emit(),
            }
            Handshake::Ended
        }
    }
}

/// What a client begins with.
enum Opening {
    /// A ClientHello of TLS 1.2 or later.
    Tls,
    /// One of this older version, in its two bytes.
    OldTls([u8; 2]),
    /// Something else.
    Plaintext,
    /// The end.
    Nothing,
}

/// Looks at the first bytes and leaves them where they are.
async fn opening(stream: &TcpStream) -> Opening {
    // Headers of a record and of a message, and the version: later ones stand in an extension.
    let mut first = [0; 11];
    loop {
        match stream.peek(&mut first).await {
            Ok(1..) if first[0] != HANDSHAKE => return Opening::Plaintext,
            Ok(11) if first[5] == CLIENT_HELLO && first[9..] < TLS_1_2[..] => {
                return Opening::OldTls([first[9], first[10]]);
            }
            Ok(11) => return Opening::Tls,
            // Nothing tells when more is there than what was seen.
            Ok(1..) => sleep(PEEK_PAUSE).await,
            _ => return Opening::Nothing,
        }
    }
}

/// The alert that says that a version is not spoken, in a record of that version. The library says
/// that the handshake failed: such clients lack what it looks for first.
fn protocol_version([major, minor]: [u8; 2]) -> Vec<u8> {
    const ALERT: u8 = 21;
    const FATAL: u8 = 2;
    const PROTOCOL_VERSION: u8 = 70;
    vec![ALERT, major, minor, 0, 2, FATAL, PROTOCOL_VERSION]
}

/// Tells an HTTP/2 client that it needs TLS: empty settings, then a GOAWAY with a text, as most
/// clients show it.
fn needs_tls() -> Vec<u8> {
    const TEXT: &[u8] = b"this port speaks TLS alone: connect with https and a certificate";
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    const GOAWAY: u8 = 7;
    const INADEQUATE_SECURITY: u8 = 12;
    let length = 8 + TEXT.len() as u8;
    let mut answer = Vec::from(SETTINGS);
    answer.extend([0, 0, length, GOAWAY, 0, 0, 0, 0, 0]);
    answer.extend([0, 0, 0, 0, 0, 0, 0, INADEQUATE_SECURITY]);
    answer.extend(TEXT);
    answer
}

/// Answers a client that is turned away, and lets it read that.
async fn answer(mut stream: TcpStream, answer: &[u8]) {
    let _ = stream.write_all(answer).await;
    let _ = stream.shutdown().await;
    // What stays unread makes the kernel reset the connection, and the answer is lost.
    let _ = timeout(LINGER, async {
        let mut unread = [0; 1_024];
        while matches!(stream.read(&mut unread).await, Ok(1..)) {}
    })
    .await;
}

fn refuse(
    door: &Door,
    address: SocketAddr,
    reason: Reason,
    shown: Option<&Vec<Name>>,
    detail: &str,
) {
    let who = match shown {
        Some(names) => format!("{address}, which calls itself {}", peer::list(names)),
        None => address.to_string(),
    };
    door.audit.refuse(&Refusal {
        reason,
        origin: Origin::network(address.ip()),
        who,
        detail: detail.to_owned(),
    });
}

/// Why the agent ended a handshake; `None` when the client did.
fn reason(error: &io::Error) -> Option<Reason> {
    use CertificateError as Wrong;
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    Some(match error {
        rustls::Error::AlertReceived(_) => return None,
        rustls::Error::NoCertificatesPresented => Reason::NoCertificate,
        // A CA of the same name has another key.
        rustls::Error::InvalidCertificate(Wrong::UnknownIssuer | Wrong::BadSignature) => {
            Reason::UnknownCa
        }
        rustls::Error::InvalidCertificate(
            Wrong::Expired
            | Wrong::ExpiredContext { .. }
            | Wrong::NotValidYet
            | Wrong::NotValidYetContext { .. },
        ) => Reason::Expired,
        rustls::Error::InvalidCertificate(_) => Reason::BadCertificate,
        rustls::Error::PeerIncompatible(
            PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::SupportedVersionsExtensionRequired,
        ) => Reason::TlsVersion,
        _ => Reason::BadHandshake,
    })
}
