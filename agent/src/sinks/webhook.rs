//! Alerts to an HTTP receiver, such as falcosidekick.

mod reply;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};

use super::http::{HttpClient, HttpError, HttpSettings, Portion, Receiver, Verdict};
use super::output::{Refusal, Target};
use super::render;
use crate::config::RecordFormat;
use crate::proto;
use reply::verdict;

/// Section of the settings.
const SECTION: &str = "outputs.webhook";

/// Where and how to send.
#[derive(Clone, Debug)]
pub struct WebhookSettings {
    /// The receiver.
    pub http: HttpSettings,
    /// Form of a record.
    pub format: RecordFormat,
    /// Records in one request. A request in Falco's form has one, as its readers take no more.
    pub batch: usize,
}

/// An HTTP receiver as a target.
#[derive(Debug)]
pub struct WebhookTarget {
    poster: Poster,
    format: RecordFormat,
    portion: Portion,
    node: String,
}

#[derive(Debug)]
struct Poster {
    client: HttpClient,
    content_type: &'static str,
}

impl WebhookTarget {
    /// Prepares the client and reads the files that it needs; nothing is sent yet. `node` is the
    /// name of this node.
    ///
    /// # Errors
    /// See [`HttpError`].
    pub fn new(settings: WebhookSettings, node: String) -> Result<Self, HttpError> {
        let batch = match settings.format {
            RecordFormat::Falco => 1,
            _ => settings.batch,
        };
        Ok(Self {
            poster: Poster {
                client: HttpClient::new(SECTION, settings.http)?,
                content_type: match batch {
                    1 => "application/json",
                    _ => "application/x-ndjson",
                },
            },
            format: settings.format,
            portion: Portion::new(batch),
            node,
        })
    }
}

impl Receiver<String> for Poster {
    async fn send(&self, items: &[String]) -> Result<Verdict, Refusal> {
        let content_type = HeaderValue::from_static(self.content_type);
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, content_type)]);
        Ok(verdict(&self.client.post(headers, items.concat()).await?))
    }
}

impl Target for WebhookTarget {
    type Item = String;

    fn form(&self, record: &proto::Record) -> Option<Self::Item> {
        render::record(record, self.format, &self.node)
    }

    async fn deliver(&mut self, items: &[Self::Item]) -> Result<usize, Refusal> {
        self.portion.deliver(items, &self.poster).await
    }
}

#[cfg(test)]
mod tests;
