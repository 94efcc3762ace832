//! Alerts into a stream of NATS JetStream, for a fleet of nodes.

use std::error::Error as _;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, Context, ErrorCode};
use async_nats::{ConnectError, ConnectOptions, HeaderValue};
use bytes::Bytes;

use super::output::{Refusal, Target};
use super::render;
use crate::proto;

/// Header with the name of the node.
const NODE: &str = "Gravlens-Node";
/// Longest time for a connection, and for the acknowledgement of a record.
const PATIENCE: Duration = Duration::from_secs(5);
/// Records between two looks at how far the output has come.
const TURN: usize = 64;

/// Where to publish.
#[derive(Clone, Debug)]
pub struct NatsSettings {
    /// `nats` or `tls`.
    pub url: String,
    /// Subject of every record.
    pub subject: String,
    /// The stream that must take them; `None`: whichever has the subject.
    pub stream: Option<String>,
    /// File with a user's credentials.
    pub credentials_file: Option<PathBuf>,
}

/// A stream of JetStream as a target.
#[derive(Debug)]
pub struct NatsTarget {
    settings: NatsSettings,
    node: Option<HeaderValue>,
    /// Reconnects by itself. Made anew after a failure, with the credentials that hold then.
    connection: Option<Context>,
}

/// A record with the id by which JetStream knows it again.
#[derive(Debug)]
pub struct NatsItem {
    id: String,
    record: Bytes,
}

#[derive(Debug, thiserror::Error)]
enum Unreachable {
    #[error("outputs.nats.credentials_file: {0}")]
    Credentials(#[from] io::Error),
    #[error("no connection to the server: {0}")]
    Connect(#[from] ConnectError),
}

impl NatsTarget {
    /// A target that connects with its first record. `node` is the name of this node.
    pub fn new(settings: NatsSettings, node: &str) -> Self {
        Self {
            settings,
            // A name that no header may have is left out.
            node: node.parse().ok(),
            connection: None,
        }
    }

    async fn connection(&mut self) -> Result<Context, Unreachable> {
        if let Some(connection) = &self.connection {
            return Ok(connection.clone());
        }
        let mut options = ConnectOptions::new()
            .name("gravlens")
            .connection_timeout(PATIENCE);
        if let Some(path) = &self.settings.credentials_file {
            options = options.credentials_file(path).await?;
        }
        let mut connection = jetstream::new(options.connect(&self.settings.url).await?);
        connection.set_timeout(PATIENCE);
        self.connection = Some(connection.clone());
        Ok(connection)
    }

    fn message(&self, item: &NatsItem) -> PublishMessage {
        let mut message = PublishMessage::build()
            .payload(item.record.clone())
            .message_id(&item.id);
        if let Some(stream) = &self.settings.stream {
            message = message.expected_stream(stream);
        }
        match &self.node {
            Some(node) => message.header(NODE, node.clone()),
            None => message,
        }
    }

    /// Publishes one record and waits until the stream has it.
    async fn publish(&self, connection: &Context, item: &NatsItem) -> Result<(), PublishError> {
        let subject = self.settings.subject.clone();
        let sent = connection.send_publish(subject, self.message(item));
        sent.await?.await.map(drop)
    }
}

impl Target for NatsTarget {
    type Item = NatsItem;

    fn form(&self, record: &proto::Record) -> Option<Self::Item> {
        Some(NatsItem {
            id: format!("{:016x}-{}", record.stream_epoch, record.sequence),
            record: render::json_record(record).into(),
        })
    }

    /// One after the other: were several under way when the connection breaks, a later one could
    /// get into the stream before an earlier one.
    async fn deliver(&mut self, items: &[Self::Item]) -> Result<usize, Refusal> {
        let connection = self.connection().await.map_err(Refusal::later)?;
        let mut count = 0;
        for item in items.iter().take(TURN) {
            match self.publish(&connection, item).await {
                Ok(()) => count += 1,
                Err(_) if count > 0 => break,
                Err(error) => {
                    let refusal = refusal(&error);
                    if matches!(refusal, Refusal::Later { .. }) {
                        self.connection = None;
                    }
                    return Err(refusal);
                }
            }
        }
        Ok(count)
    }
}

fn refusal(error: &PublishError) -> Refusal {
    let why = error.to_string();
    if error.kind() == PublishErrorKind::MaxPayloadExceeded || is_beyond_the_stream(error) {
        return Refusal::Never { why };
    }
    Refusal::later(why)
}

/// Whether the record is larger than the stream's own limit, `max_msg_size`.
fn is_beyond_the_stream(error: &PublishError) -> bool {
    let answer = error
        .source()
        .and_then(|source| source.downcast_ref::<jetstream::Error>());
    answer.is_some_and(|it| it.error_code() == ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM)
}

#[cfg(test)]
mod tests;
