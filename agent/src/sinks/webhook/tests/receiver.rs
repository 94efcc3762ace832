//! An HTTP receiver that can fail, hang, and be killed.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use serde_json::Value;
use tokio::time::{Instant, sleep};
use tokio_rustls::TlsAcceptor;

use crate::sinks::http::testing::Server;

/// The answer to one request.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// A status, and the pause asked for.
    Status(u16, Option<u64>),
    /// None, for so long.
    Hang(Duration),
}

#[derive(Debug)]
pub(super) struct Request {
    pub(super) at: Instant,
    pub(super) headers: HeaderMap,
    pub(super) records: Vec<Value>,
}

#[derive(Debug, Default)]
struct Shared {
    answers: VecDeque<Answer>,
    /// Requests with the record of that number are refused for good.
    refused: Option<u64>,
    /// Every request is refused for good.
    refuses_all: bool,
    /// Every request, whatever came of it.
    requests: Vec<Request>,
    /// Records that were accepted.
    accepted: Vec<Value>,
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

    pub(super) fn refuse_all(&self, all: bool) {
        self.0.lock().unwrap().refuses_all = all;
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.0.lock().unwrap().requests)
    }

    pub(super) fn accepted(&self) -> Vec<Value> {
        self.0.lock().unwrap().accepted.clone()
    }

    /// Sequence numbers of the accepted records, as they stand in their ids.
    pub(super) fn sequences(&self) -> Vec<u64> {
        self.accepted().iter().map(sequence).collect()
    }
}

/// Of a record in the agent's own form or in Falco's.
fn sequence(record: &Value) -> u64 {
    match record["sequence"].as_u64() {
        Some(sequence) => sequence,
        None => {
            let uuid = record["uuid"].as_str().unwrap();
            uuid.rsplit('-').next().unwrap().parse().unwrap()
        }
    }
}

async fn receive(State(inbox): State<Inbox>, headers: HeaderMap, body: String) -> Response {
    let records: Vec<Value> = body
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let answer = {
        let mut shared = inbox.0.lock().unwrap();
        shared.requests.push(Request {
            at: Instant::now(),
            headers,
            records: records.clone(),
        });
        let (refused, all) = (shared.refused, shared.refuses_all);
        match shared.answers.pop_front() {
            Some(answer) => answer,
            None if all
                || records
                    .iter()
                    .any(|record| Some(sequence(record)) == refused) =>
            {
                Answer::Status(400, None)
            }
            None => {
                shared.accepted.extend(records);
                return StatusCode::OK.into_response();
            }
        }
    };
    match answer {
        Answer::Status(status, after) => {
            let status = StatusCode::from_u16(status).unwrap();
            match after {
                Some(seconds) => (status, [(RETRY_AFTER, seconds.to_string())]).into_response(),
                None => (status, [(CONTENT_TYPE, "text/plain")], "not now").into_response(),
            }
        }
        Answer::Hang(time) => {
            sleep(time).await;
            StatusCode::OK.into_response()
        }
    }
}

fn router(inbox: &Inbox) -> Router {
    Router::new()
        .route("/alerts", post(receive))
        .with_state(inbox.clone())
}

/// A receiver on a port of its own.
pub(super) fn start(inbox: &Inbox) -> Server {
    Server::start(router(inbox))
}

/// One with TLS.
pub(super) fn with_tls(inbox: &Inbox, acceptor: TlsAcceptor) -> Server {
    Server::with_tls(router(inbox), acceptor)
}

/// One at an address where one was killed.
pub(super) fn again(address: SocketAddr, inbox: &Inbox) -> Server {
    Server::again(address, router(inbox))
}
