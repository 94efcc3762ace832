//! Alerts as OpenTelemetry logs to an OTLP receiver, such as the OpenTelemetry Collector: protobuf
//! over HTTP.

mod alert;
mod attributes;
mod baseline;
mod container;
mod event;
mod failures;
mod process;
mod record;
mod reply;

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_semantic_conventions::{SCHEMA_URL, attribute};
use prost::Message as _;
use reqwest::Url;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};

use super::http::{HttpClient, HttpError, HttpSettings, Portion, Receiver, Verdict};
use super::output::{Refusal, Target};
use crate::proto;
use crate::telemetry::Failure as _;
use attributes::Attributes;
use failures::Remark;
use reply::reply;

/// Section of the settings.
const SECTION: &str = "outputs.otlp";
/// `service.name`, and the name of the scope.
const NAME: &str = "gravlens";
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Where a receiver takes logs, below its endpoint.
const PATH: [&str; 2] = ["v1", "logs"];
/// Media type of messages in protobuf.
const PROTOBUF: &str = "application/x-protobuf";

/// Where and how to send.
#[derive(Clone, Debug)]
pub struct OtlpSettings {
    /// The receiver; its URL is the endpoint, with or without `/v1/logs`.
    pub http: HttpSettings,
    /// Bodies are compressed.
    pub gzip: bool,
    /// Records in one request.
    pub batch: usize,
}

/// An OTLP receiver as a target.
#[derive(Debug)]
pub struct OtlpTarget {
    exporter: Exporter,
    portion: Portion,
}

#[derive(Debug)]
struct Exporter {
    client: HttpClient,
    gzip: bool,
    resource: Resource,
    scope: InstrumentationScope,
}

impl OtlpTarget {
    /// Prepares the client and reads the files that it needs; nothing is sent yet. `node` is the
    /// name of this node.
    ///
    /// # Errors
    /// See [`HttpError`].
    pub fn new(mut settings: OtlpSettings, node: &str) -> Result<Self, HttpError> {
        settings.http.url = logs_url(settings.http.url);
        let exporter = Exporter {
            client: HttpClient::new(SECTION, settings.http)?,
            gzip: settings.gzip,
            resource: resource(node),
            scope: InstrumentationScope {
                name: NAME.to_owned(),
                version: VERSION.to_owned(),
                ..InstrumentationScope::default()
            },
        };
        Ok(Self {
            exporter,
            portion: Portion::new(settings.batch),
        })
    }
}

impl Receiver<LogRecord> for Exporter {
    async fn send(&self, records: &[LogRecord]) -> Result<Verdict, Refusal> {
        let mut body = self.request(records).encode_to_vec();
        let mut headers =
            HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(PROTOBUF))]);
        if self.gzip {
            body = compressed(&body);
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let reply = reply(&self.client.post(headers, body).await?);
        if let Some(said) = reply.remark {
            Remark { said: &said }.emit();
        }
        Ok(reply.verdict)
    }
}

impl Exporter {
    fn request(&self, records: &[LogRecord]) -> ExportLogsServiceRequest {
        let logs = ScopeLogs {
            scope: Some(self.scope.clone()),
            log_records: records.to_vec(),
            schema_url: SCHEMA_URL.to_owned(),
        };
        ExportLogsServiceRequest {
            resource_logs: vec![ResourceLogs {
                resource: Some(self.resource.clone()),
                scope_logs: vec![logs],
                schema_url: SCHEMA_URL.to_owned(),
            }],
        }
    }
}

impl Target for OtlpTarget {
    type Item = LogRecord;

    fn form(&self, record: &proto::Record) -> Option<Self::Item> {
        record::log_record(record)
    }

    async fn deliver(&mut self, items: &[Self::Item]) -> Result<usize, Refusal> {
        self.portion.deliver(items, &self.exporter).await
    }
}

/// The endpoint with the path of logs, which may stand in it already.
fn logs_url(mut endpoint: Url) -> Url {
    let path = endpoint.path().trim_end_matches('/');
    if path.ends_with(&format!("/{}", PATH.join("/"))) {
        return endpoint;
    }
    // Other URLs than those of HTTP have no path of segments.
    if let Ok(mut path) = endpoint.path_segments_mut() {
        path.pop_if_empty().extend(PATH);
    }
    endpoint
}

/// Who sends.
fn resource(node: &str) -> Resource {
    let mut attributes = Attributes::default();
    attributes.text(attribute::SERVICE_NAME, NAME);
    attributes.text(attribute::SERVICE_VERSION, VERSION);
    attributes.text(attribute::HOST_NAME, node);
    attributes.text(attribute::OS_TYPE, "linux");
    Resource {
        attributes: attributes.into_list(),
        ..Resource::default()
    }
}

fn compressed(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let written = encoder.write_all(body).and_then(|()| encoder.finish());
    written.expect("memory takes every write")
}

#[cfg(test)]
mod tests;
