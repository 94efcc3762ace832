//! Alerts to an HTTP receiver, such as falcosidekick.

mod headers;
mod reply;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Response, Url};
use rustls::crypto::ring;
use tokio::task::spawn_blocking;

pub use headers::HeadersError;

use super::output::{Refusal, Target};
use super::render;
use crate::config::RecordFormat;
use crate::proto;
use crate::telemetry::with_causes;
use reply::Verdict;

/// Bytes of an answer that are read, so that the connection can serve the next request.
const ANSWER_BYTES: usize = 64 << 10;
/// Characters of a refusal that the log shows.
const REASON_LENGTH: usize = 200;

/// Where and how to send.
#[derive(Clone, Debug)]
pub struct WebhookSettings {
    /// `http` or `https`.
    pub url: Url,
    /// Form of a record.
    pub format: RecordFormat,
    /// File with more headers, one a line.
    pub headers_file: Option<PathBuf>,
    /// File with the certificates, in PEM, that may sign the receiver's; without one those of the
    /// node count.
    pub ca: Option<PathBuf>,
    /// Longest time for a request and its answer.
    pub timeout: Duration,
    /// Records in one request. A request in Falco's form has one, as its readers take no more.
    pub batch: usize,
}

/// Why there can be no requests.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The file with headers.
    #[error("outputs.webhook.headers_file: {0}")]
    Headers(#[from] HeadersError),
    /// The file with certificates.
    #[error("outputs.webhook.ca: {} {why}", path.display())]
    Ca {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The HTTP client.
    #[error("the client of outputs.webhook cannot be made: {}", with_causes(.0))]
    Client(#[source] reqwest::Error),
}

/// An HTTP receiver as a target.
#[derive(Debug)]
pub struct WebhookTarget {
    client: Client,
    settings: WebhookSettings,
    node: String,
    /// The next so many records are sent one by one: one of them is refused.
    alone: usize,
}

impl WebhookTarget {
    /// Prepares the client and reads the files that it needs; nothing is sent yet. `node` is the
    /// name of this node.
    ///
    /// # Errors
    /// See [`WebhookError`].
    pub fn new(mut settings: WebhookSettings, node: String) -> Result<Self, WebhookError> {
        if let Some(path) = &settings.headers_file {
            headers::read(path)?;
            headers::warn_if_open(path);
        }
        if settings.format == RecordFormat::Falco {
            settings.batch = 1;
        }
        Ok(Self {
            client: client(&settings)?,
            settings,
            node,
            alone: 0,
        })
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

    fn content_type(&self) -> &'static str {
        match self.settings.batch {
            1 => "application/json",
            _ => "application/x-ndjson",
        }
    }

    async fn post(&self, body: String) -> Result<Verdict, Refusal> {
        let request = self
            .client
            .post(self.settings.url.clone())
            .header(CONTENT_TYPE, self.content_type())
            .headers(self.headers().await?)
            .body(body);
        let sent = request.send().await;
        // The URL may hold a key.
        let response = sent.map_err(|error| Refusal::later(with_causes(&error.without_url())))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let answer = read_answer(response).await;
        Ok(reply::verdict(status, &headers, &answer))
    }
}

impl Target for WebhookTarget {
    type Item = String;

    fn form(&self, record: &proto::Record) -> Option<Self::Item> {
        render::record(record, self.settings.format, &self.node)
    }

    async fn deliver(&mut self, items: &[Self::Item]) -> Result<usize, Refusal> {
        loop {
            let count = match self.alone {
                0 => self.settings.batch.min(items.len()),
                _ => 1,
            };
            match self.post(items[..count].concat()).await? {
                Verdict::Accepted => {
                    self.alone = self.alone.saturating_sub(count);
                    return Ok(count);
                }
                Verdict::Later { why, after } => return Err(Refusal::Later { why, after }),
                // It does not say which of them.
                Verdict::Never(_) if count > 1 => self.alone = count,
                Verdict::Never(why) => {
                    self.alone = self.alone.saturating_sub(1);
                    return Err(Refusal::Never { why });
                }
            }
        }
    }
}

fn client(settings: &WebhookSettings) -> Result<Client, WebhookError> {
    // Fails when there is a default already, which is this one.
    let _ = ring::default_provider().install_default();
    let mut builder = Client::builder()
        .user_agent(concat!("gravlens/", env!("CARGO_PKG_VERSION")))
        .timeout(settings.timeout)
        .redirect(Policy::none())
        .no_proxy();
    if let Some(path) = &settings.ca {
        builder = builder.tls_certs_only(certificates(path)?);
    }
    builder.build().map_err(WebhookError::Client)
}

fn certificates(path: &Path) -> Result<Vec<Certificate>, WebhookError> {
    let wrong = |why: String| WebhookError::Ca {
        path: path.to_owned(),
        why,
    };
    let unreadable = |error: io::Error| wrong(format!("cannot be read: {error}"));
    let pem = fs::read(path).map_err(unreadable)?;
    let found = Certificate::from_pem_bundle(&pem)
        .map_err(|error| wrong(format!("is no PEM file: {}", with_causes(&error))))?;
    if found.is_empty() {
        return Err(wrong("has no certificate in PEM form".to_owned()));
    }
    Ok(found)
}

/// The begin of the answer's body, as far as it comes.
async fn read_answer(mut response: Response) -> Vec<u8> {
    let mut answer = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        answer.extend_from_slice(&chunk);
        if answer.len() >= ANSWER_BYTES {
            break;
        }
    }
    answer
}

#[cfg(test)]
mod tests;
