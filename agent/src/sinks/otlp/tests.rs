//! The output with a real receiver on loopback, and what becomes of every sample.

mod mapping;
mod receiver;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::*;
use crate::alert::Filter;
use crate::sinks::http::testing::Server;
use crate::sinks::output::testing::{Stream, until};
use crate::sinks::output::{Output, OutputAccount};
use receiver::{Answer, Inbox};

/// A node with one receiver.
struct Node {
    state: TempDir,
    inbox: Inbox,
    settings: OtlpSettings,
}

impl Node {
    fn start(&self, stream: &Stream) -> (JoinHandle<()>, Arc<OutputAccount>) {
        let cursors = self.state.path().join("cursors");
        let output = Output::begin("otlp", &cursors, &stream.spool, Filter::default()).unwrap();
        let account = output.account();
        let target = OtlpTarget::new(self.settings.clone(), "a-node").unwrap();
        (tokio::spawn(output.run(target)), account)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.state.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

fn plain() -> (Server, Node) {
    let inbox = Inbox::default();
    let receiver = receiver::start(&inbox);
    let url = format!("http://{}", receiver.address);
    let node = Node {
        state: tempfile::tempdir().unwrap(),
        inbox,
        settings: OtlpSettings {
            http: HttpSettings {
                url: Url::parse(&url).unwrap(),
                headers_file: None,
                ca: None,
                timeout: Duration::from_secs(30),
            },
            gzip: true,
            batch: 20,
        },
    };
    (receiver, node)
}

fn numbers(to: u64) -> Vec<u64> {
    (1..=to).collect()
}

#[tokio::test]
async fn records_come_in_batches_with_who_sends_them() {
    for gzip in [true, false] {
        let (_receiver, mut node) = plain();
        node.settings.gzip = gzip;
        let headers = "Authorization: Bearer secret\n";
        node.settings.http.headers_file = Some(node.file("headers", headers));
        let stream = Stream::open(node.state.path());
        // Switched on before there is anything, and off again.
        node.start(&stream).0.abort();
        stream.raise(50).await;
        let (task, account) = node.start(&stream);
        stream.end().await;
        task.await.unwrap();
        assert_eq!(node.inbox.sequences(), numbers(50));
        assert_eq!(account.records_delivered(), 50);
        let requests = node.inbox.requests();
        assert!(requests.iter().any(|request| request.records() == 20));
        for request in requests {
            assert!(request.records() <= 20);
            assert_eq!(request.headers["authorization"], "Bearer secret");
            assert_eq!(request.headers["content-type"], "application/x-protobuf");
            assert_eq!(request.headers.contains_key("content-encoding"), gzip);
            let [logs] = &request.export.resource_logs[..] else {
                panic!("{request:?}");
            };
            assert_eq!(logs.resource, Some(resource("a-node")));
            let [logs] = &logs.scope_logs[..] else {
                panic!("{request:?}");
            };
            assert_eq!(logs.scope.as_ref().unwrap().name, "gravlens");
        }
    }
}

#[tokio::test]
async fn whatever_can_be_mended_loses_nothing() {
    let (_receiver, mut node) = plain();
    node.settings.http.timeout = Duration::from_secs(1);
    let stream = Stream::open(node.state.path());
    let answers = [503, 401].map(Answer::status);
    node.inbox.answer(answers);
    node.inbox.answer([Answer::Hang(Duration::from_secs(5))]);
    let (task, account) = node.start(&stream);
    stream.raise(30).await;
    until(|| account.records_delivered() == 30).await;
    stream.end().await;
    task.await.unwrap();
    assert_eq!(node.inbox.sequences(), numbers(30));
    assert_eq!(account.attempts_failed(), 3);
    assert_eq!(account.records_dropped(), 0);
}

#[tokio::test]
async fn a_receiver_that_asks_for_time_gets_it() {
    let (_receiver, node) = plain();
    let stream = Stream::open(node.state.path());
    node.inbox.answer([Answer::Status {
        status: 429,
        after: Some(3),
        body: Vec::new(),
    }]);
    let (task, account) = node.start(&stream);
    stream.raise(1).await;
    until(|| account.records_delivered() == 1).await;
    stream.end().await;
    task.await.unwrap();
    let requests = node.inbox.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests[1].at - requests[0].at >= Duration::from_secs(3));
}

#[tokio::test]
async fn what_a_receiver_rejects_in_part_is_counted_and_not_sent_again() {
    let (_receiver, node) = plain();
    let stream = Stream::open(node.state.path());
    node.inbox.answer([
        Answer::rejects(0, "a remark"),
        Answer::rejects(1, "too old"),
        // More than there are.
        Answer::rejects(1_000, "much too old"),
    ]);
    let (task, account) = node.start(&stream);
    for count in 1..=3 {
        stream.raise(1).await;
        until(|| account.complete_through() == count).await;
    }
    stream.raise(1).await;
    stream.end().await;
    task.await.unwrap();
    assert_eq!(node.inbox.requests().len(), 4);
    assert_eq!(account.records_dropped(), 2);
    assert_eq!(account.records_delivered(), 2);
    assert_eq!(account.attempts_failed(), 0);
    assert_eq!(account.complete_through(), 4);
}

#[tokio::test]
async fn of_a_batch_rejected_in_part_the_rest_counts_as_delivered() {
    let (_receiver, node) = plain();
    let stream = Stream::open(node.state.path());
    node.start(&stream).0.abort();
    stream.raise(20).await;
    node.inbox.answer([Answer::rejects(3, "too old")]);
    let (task, account) = node.start(&stream);
    stream.end().await;
    task.await.unwrap();
    assert_eq!(account.records_dropped(), 3);
    assert_eq!(account.records_delivered(), 17);
    assert_eq!(node.inbox.requests().len(), 1);
}

#[tokio::test]
async fn one_refused_record_does_not_hold_up_the_rest() {
    let (_receiver, node) = plain();
    node.inbox.refuse(5);
    let stream = Stream::open(node.state.path());
    let (task, account) = node.start(&stream);
    stream.raise(40).await;
    stream.end().await;
    task.await.unwrap();
    let others: Vec<u64> = (1..=40).filter(|sequence| *sequence != 5).collect();
    assert_eq!(node.inbox.sequences(), others);
    assert_eq!(account.records_dropped(), 1);
    assert_eq!(account.records_delivered(), 39);
    assert_eq!(account.complete_through(), 40);
}

#[tokio::test]
async fn nothing_is_lost_when_receiver_and_output_are_killed() {
    let (receiver, node) = plain();
    let address = receiver.address;
    let stream = Stream::open(node.state.path());
    let (task, account) = node.start(&stream);
    stream.raise(20).await;
    until(|| account.records_delivered() == 20).await;
    receiver.kill();
    stream.raise(20).await;
    until(|| account.attempts_failed() > 0).await;
    // As a kill of the agent would.
    task.abort();
    stream.raise(20).await;
    stream.end().await;
    let stream = Stream::open(node.state.path());
    let (task, account) = node.start(&stream);
    until(|| account.attempts_failed() > 0).await;
    let _receiver = receiver::again(address, &node.inbox);
    until(|| account.records_delivered() == 40).await;
    stream.raise(20).await;
    stream.end().await;
    task.await.unwrap();
    let sequences = node.inbox.sequences();
    assert!(sequences.is_sorted(), "{sequences:?}");
    let mut each = sequences;
    each.dedup();
    assert_eq!(each, numbers(80));
}

#[test]
fn the_endpoint_is_that_of_all_signals_or_of_logs() {
    for (endpoint, url) in [
        ("http://a", "http://a/v1/logs"),
        ("http://a:4318/", "http://a:4318/v1/logs"),
        ("https://a/otlp", "https://a/otlp/v1/logs"),
        ("https://a/otlp/?key=x", "https://a/otlp/v1/logs?key=x"),
        ("http://a/v1/logs", "http://a/v1/logs"),
        ("http://a/x/v1/logs/", "http://a/x/v1/logs/"),
    ] {
        assert_eq!(logs_url(Url::parse(endpoint).unwrap()).as_str(), url);
    }
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let (_receiver, mut node) = plain();
    node.settings.http.ca = Some(node.file("ca.pem", "no certificate\n"));
    let target = OtlpTarget::new(node.settings, "a-node");
    let why = target.unwrap_err().to_string();
    assert!(why.starts_with("outputs.otlp.ca: "), "{why}");
}
