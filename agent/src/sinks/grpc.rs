//! The gRPC server: on a unix socket, and over TCP where that is configured.
//!
//! ```text
//! socket (peer's user) ───────────────────┐
//!                                         ├─ slots ─> Connection ─> Authorize (rights) ─> services
//! tcp ─ newcomers (handshake, mutual TLS) ┘
//! ```

mod audit;
mod authority;
mod authorize;
mod baselines;
mod clients;
mod codec;
mod connection;
mod convert;
mod door;
mod newcomers;
mod peer;
mod places;
mod rights;
mod services;
mod slots;
mod socket;
mod tally;
mod tcp;
mod tls;
mod watch;

use std::future::{Future, pending};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::stream::select;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch as latest};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;
use tonic::transport::server::Router;
use tower::layer::util::{Identity, Stack};

pub use codec::RecordCodec;
pub use socket::BindError;
pub use tls::CredentialsError;

use super::query::QueryClient;
use super::reload::ReloadClient;
use crate::alert::{AlertCounts, AlertSender, Spool, WeakAlertSender};
use crate::config;
use crate::proto;
use crate::proto::baseline_service_server::BaselineServiceServer;
use crate::proto::container_service_server::ContainerServiceServer;
use crate::proto::rule_service_server::RuleServiceServer;
use crate::proto::status_service_server::StatusServiceServer;
use crate::proto::stream_server::alert_service_server::AlertServiceServer;
use crate::telemetry::Board;
use audit::Audit;
use authorize::Authorize;
use connection::Patience;
use door::Door;
use places::Places;
use slots::Slots;
use socket::Socket;
use tls::{Access, Reloader};

/// Largest request, of whichever service: a filter of a thousand usual patterns fits.
const MAX_REQUEST_BYTES: usize = 64 << 10;

/// Calls that one connection may have open. With requests that are under way they bound what is
/// held for a client: 2 MiB.
const MAX_CALLS_PER_CONNECTION: u32 = 32;

/// Calls with one answer, such as `Status.Get`, that all clients and one client may have open: who
/// does not take an answer has it held here.
const MAX_ANSWERS: (usize, usize) = (64, 16);

/// Bytes of one call, and of all calls of a connection, that the client may send before somebody
/// reads them: the least that HTTP/2 knows.
const WINDOW_BYTES: u32 = 65_535;

/// Bytes that the headers of a call may have: those of honest clients have some hundred.
const MAX_HEADER_BYTES: u32 = 16 << 10;

/// Bytes of a frame: the least that HTTP/2 knows, so that little is held for a client.
const MAX_FRAME_BYTES: u32 = 16 << 10;

/// Calls that a client has reset and that are not yet cleared away; more end the connection.
const MAX_RESET_CALLS: usize = 32;

/// Connections from one address, or of one network of IPv6: a client needs one.
const MAX_CONNECTIONS_PER_ORIGIN: usize = 32;

/// How often refusals are told that had no alert of their own.
const SWEEP: Duration = Duration::from_secs(15);

/// How long open streams may drain when the server stops.
const DRAIN: Duration = Duration::from_secs(3);

/// A peer that does not answer a ping within the second time after the first one is gone; and over
/// TCP one whose kernel takes nothing for both times together, as a full buffer keeps pings back.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(10));

/// What the services speak for.
#[derive(Clone, Debug)]
pub struct Services {
    /// Records.
    pub spool: Arc<Spool>,
    /// Account of alerts: [`crate::alert::AlertSender::counts`].
    pub alerts: Arc<AlertCounts>,
    /// Where refusals of clients are told.
    pub findings: WeakAlertSender,
    /// Facts and account of events.
    pub board: Board,
    /// The way to the detection task.
    pub queries: QueryClient,
    /// The way to the task that reloads rules.
    pub reloads: ReloadClient,
    /// Time between heartbeats.
    pub heartbeat: Duration,
    /// Streams that may be open at a time.
    pub max_streams: usize,
    /// Those of them that one client may have over the network.
    pub max_streams_per_client: usize,
    /// Connections that may be open at a time, over the socket and over TCP each.
    pub max_connections: usize,
}

/// A server that listens and does not answer yet.
#[derive(Debug)]
pub struct GrpcServer {
    socket: Socket,
    tcp: Option<Tcp>,
    patience: Patience,
}

/// The side of the network.
#[derive(Debug)]
struct Tcp {
    listener: TcpListener,
    access: Access,
    /// What to look after, and what it was when it was loaded; `None` without TLS.
    credentials: Option<(config::Tcp, Vec<u8>)>,
}

/// Why the server ended too early.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Transport.
    #[error("the gRPC server failed: {0}")]
    Transport(#[from] tonic::transport::Error),
    /// Reflection.
    #[error("the descriptors for reflection are damaged: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

impl GrpcServer {
    /// Listens on `path`, mode 0600. Needs a tokio runtime.
    ///
    /// # Errors
    /// Somebody else listens there, or the socket cannot be made.
    pub fn bind(path: &Path) -> Result<Self, BindError> {
        Ok(Self {
            socket: Socket::bind(path)?,
            tcp: None,
            patience: Patience::default(),
        })
    }

    /// Listens over TCP too, where that is configured. Reads the credentials.
    ///
    /// # Errors
    /// Somebody else listens there, or a file cannot be used.
    pub fn with_tcp(mut self, settings: &config::Tcp) -> Result<Self, BindError> {
        if let Some(address) = settings.listen {
            self.tcp = Some(Tcp::bind(address, settings)?);
        }
        Ok(self)
    }

    /// Where it listens.
    pub fn path(&self) -> PathBuf {
        self.socket.path().to_owned()
    }

    /// Where it listens over TCP.
    pub fn address(&self) -> Option<SocketAddr> {
        self.tcp.as_ref()?.listener.local_addr().ok()
    }

    /// Answers until `stop` is done. Then open streams get a few seconds to send what the spool
    /// still has; they end by themselves when the spool's writer is gone.
    ///
    /// # Errors
    /// The transport failed.
    pub async fn serve(
        self,
        services: Services,
        stop: impl Future<Output = ()>,
    ) -> Result<(), ServeError> {
        let Self {
            socket: Socket { listener, guard },
            tcp,
            patience,
        } = self;
        let (listening, access, credentials) = Tcp::parts(tcp);
        let (access, terms) = latest::channel(Arc::new(access));
        let audit = Audit::new(services.findings.clone());
        let max = services.max_connections;
        let door = |each| Door {
            slots: Slots::new(max, each),
            access: terms.clone(),
            audit: audit.clone(),
            patience,
        };
        let (admitted, over_tcp) = mpsc::channel(tcp::ADMITTED);
        let network = door(MAX_CONNECTIONS_PER_ORIGIN);
        let accepting = async {
            match listening {
                Some(listener) => tcp::accept(listener, network, admitted).await,
                None => drop(admitted),
            }
        };
        // Users of the socket are the agent's own: they share the room as they like.
        let incoming = select(
            Box::pin(door(max).unix(listener)),
            ReceiverStream::new(over_tcp).map(Ok),
        );
        let reloading = reload(credentials, access, services.findings.clone(), patience);
        let authorize = Authorize::new(
            terms.clone(),
            audit.clone(),
            Places::new(MAX_ANSWERS.0, MAX_ANSWERS.1),
            patience.answer,
        );
        let router = router(services, authorize).await?;
        let (stopped, signal) = oneshot::channel::<()>();
        let mut serving = std::pin::pin!(router.serve_with_incoming_shutdown(incoming, async {
            let _ = signal.await;
        }));
        {
            let upkeep = async { tokio::join!(accepting, reloading, sweep(&audit)) };
            tokio::select! {
                result = &mut serving => return Ok(result?),
                () = stop => {}
                _ = upkeep => {}
            }
        }
        drop(guard);
        let _ = stopped.send(());
        match tokio::time::timeout(DRAIN, serving).await {
            Ok(result) => Ok(result?),
            Err(_) => {
                tracing::warn!(message = "Some clients did not read their streams to the end.");
                Ok(())
            }
        }
    }
}

impl Tcp {
    fn bind(address: SocketAddr, settings: &config::Tcp) -> Result<Self, BindError> {
        let (access, credentials) = if settings.plaintext {
            (Access::default(), None)
        } else {
            let (access, digest) = Reloader::start(settings)?;
            (access, Some((settings.clone(), digest)))
        };
        let listener = tcp::listen(address).map_err(|source| BindError::Tcp { address, source })?;
        Ok(Self {
            listener,
            access,
            credentials,
        })
    }

    #[expect(clippy::type_complexity, reason = "taken apart at once")]
    fn parts(tcp: Option<Self>) -> (Option<TcpListener>, Access, Option<(config::Tcp, Vec<u8>)>) {
        match tcp {
            Some(tcp) => (Some(tcp.listener), tcp.access, tcp.credentials),
            None => (None, Access::default(), None),
        }
    }
}

/// Looks after the credentials, where there are any.
async fn reload(
    credentials: Option<(config::Tcp, Vec<u8>)>,
    access: latest::Sender<Arc<Access>>,
    findings: WeakAlertSender,
    patience: Patience,
) {
    let Some((settings, digest)) = credentials else {
        // The sender stays: nobody is to be told that the terms have ended.
        return pending().await;
    };
    Reloader::new(settings, access, findings, digest)
        .run(patience.reload)
        .await;
}

async fn sweep(audit: &Audit) {
    loop {
        tokio::time::sleep(SWEEP).await;
        audit.sweep();
    }
}

impl Services {
    /// The parts that the configuration decides.
    pub fn new(
        spool: Arc<Spool>,
        alerts: &AlertSender,
        board: Board,
        queries: QueryClient,
        reloads: ReloadClient,
        config: &config::Stream,
    ) -> Self {
        Self {
            spool,
            alerts: Arc::clone(alerts.counts()),
            findings: alerts.downgrade(),
            board,
            queries,
            reloads,
            heartbeat: config.heartbeat,
            max_streams: config.max_streams,
            max_streams_per_client: config.max_streams_per_client,
            max_connections: config.max_connections,
        }
    }
}

async fn router(
    services: Services,
    authorize: Authorize,
) -> Result<Router<Stack<Authorize, Identity>>, ServeError> {
    let (health, health_service) = tonic_health::server::health_reporter();
    let streams = Places::new(services.max_streams, services.max_streams_per_client);
    let services = Arc::new(services);
    let answers = services::Answers {
        services: Arc::clone(&services),
        streams: Arc::clone(&streams),
    };
    let baselines = BaselineServiceServer::new(baselines::Baselines::new(Arc::clone(&services)));
    let watch = AlertServiceServer::new(watch::Watch { services, streams })
        .max_decoding_message_size(MAX_REQUEST_BYTES);
    let status = StatusServiceServer::new(answers.clone());
    let containers = ContainerServiceServer::new(answers.clone());
    let rules = RuleServiceServer::new(answers);
    let (reflected, reflected_alpha) = (reflection().build_v1()?, reflection().build_v1alpha()?);
    health
        .set_serving::<AlertServiceServer<watch::Watch>>()
        .await;
    health
        .set_serving::<StatusServiceServer<services::Answers>>()
        .await;
    health
        .set_serving::<ContainerServiceServer<services::Answers>>()
        .await;
    health
        .set_serving::<RuleServiceServer<services::Answers>>()
        .await;
    health
        .set_serving::<BaselineServiceServer<baselines::Baselines>>()
        .await;
    Ok(Server::builder()
        .layer(authorize)
        .max_concurrent_streams(MAX_CALLS_PER_CONNECTION)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_frame_size(MAX_FRAME_BYTES)
        .http2_max_header_list_size(MAX_HEADER_BYTES)
        .http2_max_pending_accept_reset_streams(Some(MAX_RESET_CALLS))
        .http2_max_local_error_reset_streams(Some(MAX_RESET_CALLS))
        .http2_keepalive_interval(Some(KEEPALIVE.0))
        .http2_keepalive_timeout(Some(KEEPALIVE.1))
        .add_service(health_service.max_decoding_message_size(MAX_REQUEST_BYTES))
        // Both versions: stock clients still ask for the older one.
        .add_service(reflected.max_decoding_message_size(MAX_REQUEST_BYTES))
        .add_service(reflected_alpha.max_decoding_message_size(MAX_REQUEST_BYTES))
        .add_service(watch)
        .add_service(status.max_decoding_message_size(MAX_REQUEST_BYTES))
        .add_service(containers.max_decoding_message_size(MAX_REQUEST_BYTES))
        .add_service(rules.max_decoding_message_size(MAX_REQUEST_BYTES))
        .add_service(baselines.max_decoding_message_size(MAX_REQUEST_BYTES)))
}

fn reflection<'a>() -> tonic_reflection::server::Builder<'a> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}

#[cfg(test)]
pub(crate) mod tests;
