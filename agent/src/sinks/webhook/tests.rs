//! The webhook with a real receiver on loopback.

mod receiver;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use reqwest::Url;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::alert::Filter;
use crate::sinks::http::testing::Server;
use crate::sinks::output::testing::{Stream, until};
use crate::sinks::output::{Output, OutputAccount};
use receiver::{Answer, Inbox};

/// A node with one webhook.
struct Node {
    state: TempDir,
    inbox: Inbox,
    settings: WebhookSettings,
}

impl Node {
    fn new(receiver: &Server, inbox: Inbox, scheme: &str) -> Self {
        let url = format!("{scheme}://{}/alerts", receiver.address);
        Self {
            state: tempfile::tempdir().unwrap(),
            inbox,
            settings: WebhookSettings {
                http: HttpSettings {
                    url: Url::parse(&url).unwrap(),
                    headers_file: None,
                    ca: None,
                    timeout: Duration::from_secs(30),
                },
                format: RecordFormat::Falco,
                batch: 1,
            },
        }
    }

    fn start(&self, stream: &Stream) -> (JoinHandle<()>, Arc<OutputAccount>) {
        let cursors = self.state.path().join("cursors");
        let output = Output::begin("webhook", &cursors, &stream.spool, Filter::default()).unwrap();
        let account = output.account();
        let target = WebhookTarget::new(self.settings.clone(), "node".to_owned()).unwrap();
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
    let node = Node::new(&receiver, inbox, "http");
    (receiver, node)
}

fn numbers(to: u64) -> Vec<u64> {
    (1..=to).collect()
}

#[tokio::test]
async fn falcosidekick_gets_one_alert_a_request() {
    let (_receiver, mut node) = plain();
    node.settings.batch = 100;
    let headers = "Authorization: Bearer secret\n";
    node.settings.http.headers_file = Some(node.file("headers", headers));
    let stream = Stream::open(node.state.path());
    let (task, _) = node.start(&stream);
    stream.raise(3).await;
    stream.end().await;
    task.await.unwrap();
    assert_eq!(node.inbox.sequences(), numbers(3));
    for request in node.inbox.requests() {
        assert_eq!(request.records.len(), 1);
        assert_eq!(request.headers["authorization"], "Bearer secret");
        assert_eq!(request.headers["content-type"], "application/json");
        let agent = request.headers["user-agent"].to_str().unwrap();
        assert!(agent.starts_with("gravlens/"), "{agent}");
        // What falcosidekick refuses a request without.
        let alert = &request.records[0];
        for field in ["output", "priority", "rule", "time", "output_fields"] {
            assert!(!alert[field].is_null(), "{field} is missing in {alert}");
        }
    }
}

#[tokio::test]
async fn own_records_come_in_batches() {
    let (_receiver, mut node) = plain();
    node.settings.format = RecordFormat::Json;
    node.settings.batch = 20;
    let stream = Stream::open(node.state.path());
    stream.raise(50).await;
    stream.end().await;
    let stream = Stream::open(node.state.path());
    let (task, _) = node.start(&stream);
    stream.raise(50).await;
    stream.end().await;
    task.await.unwrap();
    assert_eq!(node.inbox.sequences(), (51..=100).collect::<Vec<_>>());
    let requests = node.inbox.requests();
    assert!(requests.iter().all(|request| request.records.len() <= 20));
    assert!(requests.iter().any(|request| request.records.len() > 1));
    assert_eq!(requests[0].headers["content-type"], "application/x-ndjson");
}

#[tokio::test]
async fn a_receiver_that_fails_gets_everything_in_order() {
    let (_receiver, mut node) = plain();
    node.settings.http.timeout = Duration::from_secs(1);
    let stream = Stream::open(node.state.path());
    node.inbox.answer([
        Answer::Status(503, None),
        Answer::Status(401, None),
        Answer::Hang(Duration::from_secs(5)),
    ]);
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
    node.inbox.answer([Answer::Status(429, Some(3))]);
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
async fn one_refused_record_does_not_hold_up_the_rest() {
    let (_receiver, mut node) = plain();
    node.settings.format = RecordFormat::Json;
    node.settings.batch = 10;
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
async fn a_receiver_that_takes_nothing_loses_nothing() {
    let (_receiver, node) = plain();
    let stream = Stream::open(node.state.path());
    node.inbox.refuse_all(true);
    let (task, account) = node.start(&stream);
    stream.raise(3).await;
    until(|| account.attempts_failed() == 2).await;
    node.inbox.refuse_all(false);
    stream.end().await;
    task.await.unwrap();
    assert_eq!(node.inbox.sequences(), numbers(3));
    assert_eq!(account.records_dropped(), 0);
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
    let receiver = receiver::again(address, &node.inbox);
    until(|| account.records_delivered() == 40).await;
    receiver.kill();
    stream.raise(20).await;
    let _receiver = receiver::again(address, &node.inbox);
    until(|| account.records_delivered() == 60).await;
    stream.end().await;
    task.await.unwrap();
    let sequences = node.inbox.sequences();
    assert!(sequences.is_sorted(), "{sequences:?}");
    let mut each = sequences;
    each.dedup();
    assert_eq!(each, numbers(80));
}

#[tokio::test]
async fn a_secret_can_be_changed_while_the_output_runs() {
    let (_receiver, mut node) = plain();
    let path = node.file("headers", "X-Key: old\n");
    node.settings.http.headers_file = Some(path.clone());
    let stream = Stream::open(node.state.path());
    let (task, account) = node.start(&stream);
    stream.raise(1).await;
    until(|| account.records_delivered() == 1).await;
    fs::write(&path, "nonsense\n").unwrap();
    stream.raise(1).await;
    until(|| account.attempts_failed() > 0).await;
    fs::write(&path, "X-Key: new\n").unwrap();
    until(|| account.records_delivered() == 2).await;
    stream.end().await;
    task.await.unwrap();
    let requests = node.inbox.requests();
    let keys: Vec<_> = requests
        .iter()
        .map(|request| request.headers["x-key"].clone())
        .collect();
    assert_eq!(keys, ["old", "new"]);
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let (_receiver, mut node) = plain();
    let error = |settings: &WebhookSettings| {
        let target = WebhookTarget::new(settings.clone(), String::new());
        target.unwrap_err().to_string()
    };
    node.settings.http.ca = Some(node.file("ca.pem", "no certificate\n"));
    let why = error(&node.settings);
    assert!(why.starts_with("outputs.webhook.ca: "), "{why}");
    assert!(why.ends_with("has no certificate in PEM form"), "{why}");
    node.settings.http.ca = Some("no/such/ca.pem".into());
    let why = error(&node.settings);
    assert!(why.contains("no/such/ca.pem cannot be read"), "{why}");
    node.settings.http.headers_file = Some(node.file("headers", "A: 1\nsecret\n"));
    let why = error(&node.settings);
    assert!(why.ends_with("headers:2: expected `Name: value`"), "{why}");
}

/// An authority, and a receiver's side of TLS that it vouches for.
fn authority() -> (String, TlsAcceptor) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    (issuer.pem(), TlsAcceptor::from(Arc::new(config)))
}

#[tokio::test]
async fn a_receiver_is_trusted_only_with_a_certificate_of_the_right_authority() {
    let (ca, acceptor) = authority();
    let (other, _) = authority();
    let inbox = Inbox::default();
    let receiver = receiver::with_tls(&inbox, acceptor);
    let mut node = Node::new(&receiver, inbox, "https");
    let stream = Stream::open(node.state.path());
    for untrusted in [Some(node.file("other.pem", &other)), None] {
        node.settings.http.ca = untrusted;
        let (task, account) = node.start(&stream);
        stream.raise(1).await;
        until(|| account.attempts_failed() > 0).await;
        task.abort();
    }
    assert!(node.inbox.requests().is_empty());
    node.settings.http.ca = Some(node.file("ca.pem", &ca));
    let (task, _) = node.start(&stream);
    stream.end().await;
    task.await.unwrap();
    assert_eq!(node.inbox.sequences(), numbers(2));
}
