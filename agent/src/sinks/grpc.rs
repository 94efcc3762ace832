//! The gRPC server on a unix socket.

mod authority;
mod codec;
mod convert;
mod services;
mod socket;
mod watch;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};
use tokio_stream::StreamExt as _;
use tonic::transport::Server;
use tonic::transport::server::Router;

pub use codec::RecordCodec;
pub use socket::BindError;

use super::query::QueryClient;
use crate::alert::{AlertCounts, Spool};
use crate::config;
use crate::proto;
use crate::proto::container_service_server::ContainerServiceServer;
use crate::proto::rule_service_server::RuleServiceServer;
use crate::proto::status_service_server::StatusServiceServer;
use crate::proto::stream_server::alert_service_server::AlertServiceServer;
use crate::telemetry::Board;
use authority::AnyAuthority;
use socket::Socket;

/// Largest request: a filter with every pattern it may have fits.
const MAX_REQUEST_BYTES: usize = 1 << 20;

/// Calls that one connection may have open.
const MAX_CALLS_PER_CONNECTION: u32 = 256;

/// How long open streams may drain when the server stops.
const DRAIN: Duration = Duration::from_secs(3);

/// A peer that does not answer a ping within this time after this interval is gone.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(20));

/// What the services speak for.
#[derive(Clone, Debug)]
pub struct Services {
    /// Records.
    pub spool: Arc<Spool>,
    /// Account of alerts: [`crate::alert::AlertSender::counts`].
    pub alerts: Arc<AlertCounts>,
    /// Facts and account of events.
    pub board: Board,
    /// The way to the detection task.
    pub queries: QueryClient,
    /// Time between heartbeats.
    pub heartbeat: Duration,
    /// Streams that may be open at a time.
    pub max_streams: usize,
}

/// A server that listens and does not answer yet.
#[derive(Debug)]
pub struct GrpcServer {
    socket: Socket,
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
        })
    }

    /// Where it listens.
    pub fn path(&self) -> PathBuf {
        self.socket.path().to_owned()
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
        let Socket { listener, guard } = self.socket;
        let router = router(services).await?;
        let (stopped, signal) = oneshot::channel::<()>();
        let incoming = socket::permitted(listener).map(|accepted| accepted.map(AnyAuthority::new));
        let mut serving = std::pin::pin!(router.serve_with_incoming_shutdown(incoming, async {
            let _ = signal.await;
        }));
        tokio::select! {
            result = &mut serving => return Ok(result?),
            () = stop => {}
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

impl Services {
    /// The parts that the configuration decides.
    pub fn new(
        spool: Arc<Spool>,
        alerts: Arc<AlertCounts>,
        board: Board,
        queries: QueryClient,
        config: &config::Stream,
    ) -> Self {
        Self {
            spool,
            alerts,
            board,
            queries,
            heartbeat: config.heartbeat,
            max_streams: config.max_streams,
        }
    }
}

async fn router(services: Services) -> Result<Router, ServeError> {
    let (health, health_service) = tonic_health::server::health_reporter();
    let slots = Arc::new(Semaphore::new(services.max_streams));
    let services = Arc::new(services);
    let answers = services::Answers {
        services: Arc::clone(&services),
        slots: Arc::clone(&slots),
    };
    let watch = AlertServiceServer::new(watch::Watch { services, slots })
        .max_decoding_message_size(MAX_REQUEST_BYTES);
    let status = StatusServiceServer::new(answers.clone());
    let containers = ContainerServiceServer::new(answers.clone());
    let rules = RuleServiceServer::new(answers);
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
    Ok(Server::builder()
        .max_concurrent_streams(MAX_CALLS_PER_CONNECTION)
        .http2_keepalive_interval(Some(KEEPALIVE.0))
        .http2_keepalive_timeout(Some(KEEPALIVE.1))
        .add_service(health_service)
        // Both versions: stock clients still ask for the older one.
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?)
        .add_service(watch)
        .add_service(status.max_decoding_message_size(MAX_REQUEST_BYTES))
        .add_service(containers.max_decoding_message_size(MAX_REQUEST_BYTES))
        .add_service(rules.max_decoding_message_size(MAX_REQUEST_BYTES)))
}

fn reflection<'a>() -> tonic_reflection::server::Builder<'a> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}

#[cfg(test)]
mod tests;
