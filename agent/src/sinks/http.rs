//! What outputs over HTTP have in common: the client, headers from a file, answers.

mod answer;
mod headers;
mod portion;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use reqwest::{Body, Certificate, Client, Url};
use rustls::crypto::ring;
use tokio::task::spawn_blocking;

pub(super) use answer::{Answer, shown};
pub use headers::HeadersError;
pub(super) use portion::{Portion, Receiver, Verdict};

use super::output::Refusal;
use crate::telemetry::with_causes;

/// Where and how to send.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// `http` or `https`.
    pub url: Url,
    /// File with more headers, one a line.
    pub headers_file: Option<PathBuf>,
    /// File with the certificates, in PEM, that may sign the receiver's; without one those of the
    /// node count.
    pub ca: Option<PathBuf>,
    /// Longest time for a request and its answer.
    pub timeout: Duration,
}

/// Why there can be no requests. `section` is that of the settings.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The file with headers.
    #[error("{section}.headers_file: {why}")]
    Headers {
        /// `outputs.webhook`, for instance.
        section: &'static str,
        /// What is wrong.
        #[source]
        why: HeadersError,
    },
    /// The file with certificates.
    #[error("{section}.ca: {} {why}", path.display())]
    Ca {
        /// `outputs.webhook`, for instance.
        section: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The HTTP client.
    #[error("the client of {section} cannot be made: {}", with_causes(.why))]
    Client {
        /// `outputs.webhook`, for instance.
        section: &'static str,
        /// What is wrong.
        #[source]
        why: reqwest::Error,
    },
}

/// A client for one receiver.
#[derive(Debug)]
pub(super) struct HttpClient {
    client: Client,
    settings: HttpSettings,
}

impl HttpClient {
    /// Prepares the client and reads the files that it needs; nothing is sent yet.
    pub(super) fn new(section: &'static str, settings: HttpSettings) -> Result<Self, HttpError> {
        if let Some(path) = &settings.headers_file {
            headers::read(path).map_err(|why| HttpError::Headers { section, why })?;
            headers::warn_if_open(path);
        }
        Ok(Self {
            client: client(section, &settings)?,
            settings,
        })
    }

    /// Sends a body; `headers` say what it is.
    pub(super) async fn post(
        &self,
        headers: HeaderMap,
        body: impl Into<Body>,
    ) -> Result<Answer, Refusal> {
        let request = self
            .client
            .post(self.settings.url.clone())
            .headers(headers)
            .headers(self.headers().await?)
            .body(body);
        let sent = request.send().await;
        // The URL may hold a key.
        let response = sent.map_err(|error| Refusal::later(with_causes(&error.without_url())))?;
        Ok(Answer::read(response).await)
    }

    /// Read for each request, so that a secret can be changed while the agent runs.
    async fn headers(&self) -> Result<HeaderMap, Refusal> {
        let Some(path) = self.settings.headers_file.clone() else {
            return Ok(HeaderMap::new());
        };
        let read = spawn_blocking(move || headers::read(&path));
        let read = read.await.map_err(Refusal::later)?;
        read.map_err(Refusal::later)
    }
}

fn client(section: &'static str, settings: &HttpSettings) -> Result<Client, HttpError> {
    // Fails when there is a default already, which is this one.
    let _ = ring::default_provider().install_default();
    let mut builder = Client::builder()
        .user_agent(concat!("gravlens/", env!("CARGO_PKG_VERSION")))
        .timeout(settings.timeout)
        .redirect(Policy::none())
        .no_proxy();
    if let Some(path) = &settings.ca {
        let found = certificates(path).map_err(|why| HttpError::Ca {
            section,
            path: path.clone(),
            why,
        })?;
        builder = builder.tls_certs_only(found);
    }
    let built = builder.build();
    built.map_err(|why| HttpError::Client { section, why })
}

/// Those of a file, or what is wrong with it.
fn certificates(path: &Path) -> Result<Vec<Certificate>, String> {
    let unreadable = |error: io::Error| format!("cannot be read: {error}");
    let pem = fs::read(path).map_err(unreadable)?;
    let found = Certificate::from_pem_bundle(&pem)
        .map_err(|error| format!("is no PEM file: {}", with_causes(&error)))?;
    if found.is_empty() {
        return Err("has no certificate in PEM form".to_owned());
    }
    Ok(found)
}

#[cfg(test)]
pub(super) mod testing;
