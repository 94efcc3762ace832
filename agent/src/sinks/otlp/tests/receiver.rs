//! An OTLP receiver that can fail, reject, hang, and be killed.

use std::collections::VecDeque;
use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use flate2::read::GzDecoder;
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use prost::Message as _;
use tokio::time::{Instant, sleep};

use crate::sinks::http::testing::Server;
use crate::sinks::otlp::PROTOBUF;

/// The answer to one request.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// A status, the pause asked for, and a body.
    Status {
        status: u16,
        after: Option<u64>,
        body: Vec<u8>,
    },
    /// None, for so long.
    Hang(Duration),
}

impl Answer {
    pub(super) fn status(status: u16) -> Self {
        Self::Status {
            status,
            after: None,
            body: Vec::new(),
        }
    }

    /// A success but for so many records.
    pub(super) fn rejects(count: i64, message: &str) -> Self {
        let response = ExportLogsServiceResponse {
            partial_success: Some(ExportLogsPartialSuccess {
                rejected_log_records: count,
                error_message: message.to_owned(),
            }),
        };
        Self::Status {
            status: 200,
            after: None,
            body: response.encode_to_vec(),
        }
    }
}

#[derive(Debug)]
pub(super) struct Request {
    pub(super) at: Instant,
    pub(super) headers: HeaderMap,
    pub(super) export: ExportLogsServiceRequest,
}

impl Request {
    /// How many log records it has.
    pub(super) fn records(&self) -> usize {
        records(&self.export).count()
    }
}

#[derive(Debug, Default)]
struct Shared {
    answers: VecDeque<Answer>,
    /// Requests with the record of that number are refused for good.
    refused: Option<u64>,
    /// Every request, whatever came of it.
    requests: Vec<Request>,
    /// Sequence numbers of records that were accepted.
    accepted: Vec<u64>,
}

/// What is received outlives the receiver.
#[derive(Clone, Debug, Default)]
pub(super) struct Inbox(Arc<Mutex<Shared>>);

impl Inbox {
    /// The next requests are answered so; those that follow are accepted.
    pub(super) fn answer(&self, answers: impl IntoIterator<Item = Answer>) {
        self.0.lock().unwrap().answers.extend(answers);
    }

    pub(super) fn refuse(&self, sequence: u64) {
        self.0.lock().unwrap().refused = Some(sequence);
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.0.lock().unwrap().requests)
    }

    /// Of the accepted records.
    pub(super) fn sequences(&self) -> Vec<u64> {
        self.0.lock().unwrap().accepted.clone()
    }
}

fn records(export: &ExportLogsServiceRequest) -> impl Iterator<Item = &LogRecord> {
    let scopes = export.resource_logs.iter().flat_map(|it| &it.scope_logs);
    scopes.flat_map(|it| &it.log_records)
}

fn sequence(record: &LogRecord) -> u64 {
    let found = record
        .attributes
        .iter()
        .find(|attribute| attribute.key == "gravlens.stream.sequence");
    let value = found.and_then(|attribute| attribute.value.clone());
    match value.and_then(|value| value.value) {
        Some(Value::IntValue(sequence)) => sequence.try_into().unwrap(),
        other => panic!("{other:?} is no sequence number"),
    }
}

fn decoded(headers: &HeaderMap, body: &[u8]) -> ExportLogsServiceRequest {
    let mut plain = Vec::new();
    if headers.contains_key(CONTENT_ENCODING) {
        GzDecoder::new(body).read_to_end(&mut plain).unwrap();
    } else {
        plain.extend_from_slice(body);
    }
    ExportLogsServiceRequest::decode(&*plain).unwrap()
}

async fn receive(State(inbox): State<Inbox>, headers: HeaderMap, body: Bytes) -> Response {
    let export = decoded(&headers, &body);
    let sequences: Vec<u64> = records(&export).map(sequence).collect();
    let answer = {
        let mut shared = inbox.0.lock().unwrap();
        shared.requests.push(Request {
            at: Instant::now(),
            headers,
            export,
        });
        let refused = shared.refused;
        let next = shared.answers.pop_front();
        next.unwrap_or_else(|| {
            let bad = sequences.iter().any(|it| Some(*it) == refused);
            if !bad {
                shared.accepted.extend(sequences);
            }
            Answer::status(if bad { 400 } else { 200 })
        })
    };
    match answer {
        Answer::Status {
            status,
            after,
            body,
        } => {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROTOBUF));
            if let Some(seconds) = after {
                headers.insert(RETRY_AFTER, seconds.into());
            }
            (StatusCode::from_u16(status).unwrap(), headers, body).into_response()
        }
        Answer::Hang(time) => {
            sleep(time).await;
            StatusCode::OK.into_response()
        }
    }
}

fn router(inbox: &Inbox) -> Router {
    Router::new()
        .route("/v1/logs", post(receive))
        .with_state(inbox.clone())
}

/// A receiver on a port of its own.
pub(super) fn start(inbox: &Inbox) -> Server {
    Server::start(router(inbox))
}

/// One at an address where one was killed.
pub(super) fn again(address: SocketAddr, inbox: &Inbox) -> Server {
    Server::again(address, router(inbox))
}
