//! The output with a real `nats-server`.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::stream;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_stream::StreamExt as _;

use super::*;
use crate::alert::Filter;
use crate::sinks::output::testing::{Stream, until};
use crate::sinks::output::{Output, OutputAccount};

const STREAM: &str = "ALERTS";
const SUBJECT: &str = "gravlens.alerts";

/// A server with its storage in a directory. It is killed when it is dropped.
struct Server(Child);

impl Server {
    async fn start(directory: &Path, address: SocketAddr) -> Self {
        let child = Command::new("nats-server")
            .args(["-js", "-a", "127.0.0.1", "-p"])
            .arg(address.port().to_string())
            .arg("-sd")
            .arg(directory.join("jetstream"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nats-server is not there: `cargo xtask setup` installs it");
        let server = Self(child);
        while TcpStream::connect(address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Node {
    state: TempDir,
    address: SocketAddr,
}

impl Node {
    fn new() -> Self {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        Self {
            state: tempfile::tempdir().unwrap(),
            address: free.local_addr().unwrap(),
        }
    }

    async fn server(&self) -> Server {
        Server::start(self.state.path(), self.address).await
    }

    async fn jetstream(&self) -> Context {
        let client = async_nats::connect(self.address.to_string()).await;
        jetstream::new(client.unwrap())
    }

    async fn make_stream(&self) {
        let config = stream::Config {
            name: STREAM.to_owned(),
            subjects: vec![SUBJECT.to_owned()],
            ..stream::Config::default()
        };
        self.jetstream().await.create_stream(config).await.unwrap();
    }

    /// Lets the stream take messages of no more than so many bytes, or of any size.
    async fn limit_messages(&self, bytes: Option<i32>) {
        let config = stream::Config {
            name: STREAM.to_owned(),
            subjects: vec![SUBJECT.to_owned()],
            max_message_size: bytes.unwrap_or(-1),
            ..stream::Config::default()
        };
        self.jetstream().await.update_stream(config).await.unwrap();
    }

    fn start(&self, stream: &Stream) -> (JoinHandle<()>, Arc<OutputAccount>) {
        let cursors = self.state.path().join("cursors");
        let output = Output::begin("nats", &cursors, &stream.spool, Filter::default()).unwrap();
        let account = output.account();
        let settings = NatsSettings {
            url: format!("nats://{}", self.address),
            subject: SUBJECT.to_owned(),
            stream: Some(STREAM.to_owned()),
            credentials_file: None,
        };
        let target = NatsTarget::new(settings, "a-node");
        (tokio::spawn(output.run(target)), account)
    }

    /// Sequence numbers of the records in the stream, in its order.
    async fn received(&self) -> Vec<u64> {
        let stream = self.jetstream().await.get_stream(STREAM).await.unwrap();
        let count = stream.cached_info().state.messages as usize;
        let consumer = stream
            .create_consumer(pull::Config::default())
            .await
            .unwrap();
        let messages = consumer.messages().await.unwrap();
        let messages: Vec<_> = messages.take(count).collect().await;
        messages
            .into_iter()
            .map(|message| {
                let message = message.unwrap();
                let headers = message.headers.as_ref().unwrap();
                assert_eq!(headers.get(NODE).unwrap().as_str(), "a-node");
                let record: Value = serde_json::from_slice(&message.payload).unwrap();
                record["sequence"].as_u64().unwrap()
            })
            .collect()
    }
}

#[tokio::test]
async fn nothing_is_lost_or_doubled_when_the_server_is_killed() {
    let node = Node::new();
    let server = node.server().await;
    node.make_stream().await;
    let stream = Stream::open(node.state.path());
    let (task, account) = node.start(&stream);
    stream.raise(100).await;
    until(|| account.records_delivered() >= 30).await;
    drop(server);
    stream.raise(50).await;
    until(|| account.attempts_failed() > 0).await;
    let server = node.server().await;
    until(|| account.records_delivered() == 150).await;
    // As a kill of the agent would: what its cursor does not have is sent again.
    stream.raise(50).await;
    task.abort();
    stream.end().await;
    let stream = Stream::open(node.state.path());
    let (task, _) = node.start(&stream);
    stream.raise(50).await;
    stream.end().await;
    task.await.unwrap();
    assert_eq!(node.received().await, (1..=250).collect::<Vec<_>>());
    drop(server);
}

#[tokio::test]
async fn what_is_too_large_for_the_stream_holds_nothing_up() {
    let node = Node::new();
    let _server = node.server().await;
    node.make_stream().await;
    node.limit_messages(Some(16)).await;
    let stream = Stream::open(node.state.path());
    let (task, account) = node.start(&stream);
    stream.raise(2).await;
    until(|| account.records_dropped() == 2).await;
    node.limit_messages(None).await;
    stream.raise(1).await;
    until(|| account.records_delivered() == 1).await;
    stream.end().await;
    task.await.unwrap();
    assert_eq!(node.received().await, [3]);
}

#[tokio::test]
async fn records_wait_until_there_is_a_stream() {
    let node = Node::new();
    let _server = node.server().await;
    let stream = Stream::open(node.state.path());
    let (task, account) = node.start(&stream);
    stream.raise(3).await;
    until(|| account.attempts_failed() > 0).await;
    node.make_stream().await;
    until(|| account.records_delivered() == 3).await;
    stream.end().await;
    task.await.unwrap();
    assert_eq!(node.received().await, [1, 2, 3]);
}
