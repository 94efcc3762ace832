//! Metrics for Prometheus over HTTP.

mod connection;
mod exposition;
mod table;
mod view;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use tokio::net::TcpListener;

pub use table::metrics_markdown;

use super::grpc::Services;
use super::output::OutputAccount;
use connection::Limited;
use view::View;

/// Form of the text.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Why there are no metrics.
#[derive(Debug, thiserror::Error)]
#[error("metrics.listen: cannot listen at {address}: {source}")]
pub struct MetricsError {
    address: SocketAddr,
    source: io::Error,
}

/// What metrics are about.
#[derive(Clone, Debug)]
pub struct Sources {
    /// What the gRPC services speak for.
    pub services: Services,
    /// The outputs that run.
    pub outputs: Vec<Arc<OutputAccount>>,
}

/// A server that listens and does not answer yet.
#[derive(Debug)]
pub struct MetricsServer {
    listener: TcpListener,
}

impl MetricsServer {
    /// Listens. There is neither TLS nor a check of who asks; what is told names no container.
    ///
    /// # Errors
    /// The address cannot be had.
    pub async fn bind(address: SocketAddr) -> Result<Self, MetricsError> {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| MetricsError { address, source })?;
        if !address.ip().is_loopback() {
            tracing::warn!(
                message = "Metrics can be read from other machines: let a firewall say by which.",
                %address
            );
        }
        Ok(Self { listener })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The operating system does not tell.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers for ever.
    pub async fn serve(self, sources: Sources) {
        let router = Router::new()
            .route("/metrics", get(metrics))
            .fallback(elsewhere)
            .with_state(Arc::new(sources));
        let listener = Limited::new(self.listener);
        // It waits and goes on when no connection can be had; it does not end.
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(message = "Metrics are not served any more.", %error);
        }
    }
}

async fn metrics(State(sources): State<Arc<Sources>>) -> Response {
    let view = View::of(&sources).await;
    ([(CONTENT_TYPE, TEXT)], exposition::text(view)).into_response()
}

async fn elsewhere() -> Response {
    (StatusCode::NOT_FOUND, "metrics are at /metrics\n").into_response()
}

#[cfg(test)]
mod tests;
