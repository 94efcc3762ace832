//! The client against an engine that answers as told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;

const LIMIT: Duration = Duration::from_secs(10);

/// An engine whose `inspect` fails a given number of times, then describes the container by the
/// number of times it was asked.
struct FakeEngine {
    folder: tempfile::TempDir,
    state: Arc<Mutex<FakeState>>,
    events: broadcast::Sender<String>,
    task: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct FakeState {
    running: Vec<String>,
    failures_left: u32,
    asked: HashMap<String, u32>,
}

impl FakeEngine {
    fn new() -> Self {
        let mut engine = Self {
            folder: tempfile::tempdir().unwrap(),
            state: Arc::default(),
            events: broadcast::channel(16).0,
            task: None,
        };
        engine.start();
        engine
    }

    fn start(&mut self) {
        let listener = UnixListener::bind(self.socket()).unwrap();
        let (state, events) = (Arc::clone(&self.state), self.events.clone());
        self.task = Some(tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(answer(stream, Arc::clone(&state), events.subscribe()));
            }
        }));
    }

    fn stop(&mut self) {
        self.task.take().unwrap().abort();
        std::fs::remove_file(self.socket()).unwrap();
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }

    fn says(&self, action: &str, id: &str) {
        let event =
            format!(r#"{{"Type":"container","Action":"{action}","Actor":{{"ID":"{id}"}}}}"#);
        self.events.send(event + "\n").unwrap();
    }

    fn client(
        &self,
    ) -> (
        mpsc::Sender<ContainerRequest>,
        mpsc::Receiver<ContainerMessage>,
    ) {
        let (requests, request_receiver) = mpsc::channel(4);
        let (message_sender, messages) = mpsc::channel(4);
        let settings = DockerSettings {
            retry_delay: Duration::from_millis(1),
            reconnect_delay: (Duration::from_millis(1), Duration::from_millis(20)),
            ..DockerSettings::new(self.socket())
        };
        tokio::spawn(run(settings, request_receiver, message_sender));
        (requests, messages)
    }
}

async fn answer(
    mut stream: UnixStream,
    state: Arc<Mutex<FakeState>>,
    mut events: broadcast::Receiver<String>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split([' ', '?']).nth(1).unwrap_or_default();
    if path.ends_with("/events") {
        let begin = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        stream.write_all(begin.as_bytes()).await?;
        while let Ok(event) = events.recv().await {
            let chunk = format!("{:x}\r\n{event}\r\n", event.len());
            stream.write_all(chunk.as_bytes()).await?;
        }
        return Ok(());
    }
    let (status, body) = respond(path, &mut state.lock().unwrap());
    let length = body.len();
    let text = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(text.as_bytes()).await
}

fn respond(path: &str, state: &mut FakeState) -> (&'static str, String) {
    if path.ends_with("/version") {
        return ("200 OK", r#"{"ApiVersion":"1.41"}"#.to_owned());
    }
    if path.ends_with("/containers/json") {
        let running = state.running.iter().map(|id| format!(r#"{{"Id":"{id}"}}"#));
        return (
            "200 OK",
            format!("[{}]", running.collect::<Vec<_>>().join(",")),
        );
    }
    let id = path.rsplit('/').nth(1).unwrap_or_default();
    if id == "absent" {
        return (
            "404 Not Found",
            r#"{"message":"No such container"}"#.to_owned(),
        );
    }
    if state.failures_left > 0 {
        state.failures_left -= 1;
        return (
            "500 Internal Server Error",
            r#"{"message":"busy"}"#.to_owned(),
        );
    }
    let asked = state.asked.entry(id.to_owned()).or_default();
    *asked += 1;
    (
        "200 OK",
        format!(r#"{{"Id":"{id}","Name":"/{id}-{asked}"}}"#),
    )
}

async fn next(messages: &mut mpsc::Receiver<ContainerMessage>) -> ContainerMessage {
    timeout(LIMIT, messages.recv())
        .await
        .expect("in time")
        .expect("the client lives")
}

async fn named(messages: &mut mpsc::Receiver<ContainerMessage>) -> String {
    match next(messages).await {
        ContainerMessage::Full { metadata, .. } => metadata.name.clone(),
        other => panic!("{other:?}"),
    }
}

const BACK: ContainerMessage = ContainerMessage::RuntimeBack {
    runtime: Runtime::Docker,
};

fn request(id: &str) -> ContainerRequest {
    ContainerRequest {
        runtime: Runtime::Docker,
        id: id.to_owned(),
    }
}

#[tokio::test]
async fn what_runs_is_described_and_changes_are_followed() {
    let engine = FakeEngine::new();
    engine.state.lock().unwrap().running = vec!["a".to_owned()];
    let (_requests, mut messages) = engine.client();
    assert_eq!(next(&mut messages).await, BACK);
    assert_eq!(named(&mut messages).await, "a-1");
    engine.says("create", "b");
    assert_eq!(named(&mut messages).await, "b-1");
    engine.says("exec_start: sh", "b");
    engine.says("rename", "b");
    assert_eq!(named(&mut messages).await, "b-2", "an exec changes nothing");
    engine.says("destroy", "b");
    let gone = ContainerMessage::Gone { id: "b".to_owned() };
    assert_eq!(next(&mut messages).await, gone);
}

#[tokio::test]
async fn an_engine_that_fails_is_asked_again_but_not_for_ever() {
    let engine = FakeEngine::new();
    engine.state.lock().unwrap().failures_left = 3;
    let (requests, mut messages) = engine.client();
    assert_eq!(next(&mut messages).await, BACK);
    requests.send(request("a")).await.unwrap();
    assert_eq!(named(&mut messages).await, "a-1");
    engine.state.lock().unwrap().failures_left = 4;
    requests.send(request("b")).await.unwrap();
    match next(&mut messages).await {
        ContainerMessage::Failed { id, why, .. } => {
            assert!(id == "b" && why.contains("busy"), "{why}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_unknown_container_fails_at_once() {
    let engine = FakeEngine::new();
    let (requests, mut messages) = engine.client();
    assert_eq!(next(&mut messages).await, BACK);
    requests.send(request("absent")).await.unwrap();
    let failed = ContainerMessage::Failed {
        runtime: Runtime::Docker,
        id: "absent".to_owned(),
        why: "Docker does not know this container".into(),
    };
    assert_eq!(next(&mut messages).await, failed);
}

#[tokio::test]
async fn an_engine_that_comes_back_is_listed_again() {
    let mut engine = FakeEngine::new();
    let (_requests, mut messages) = engine.client();
    assert_eq!(next(&mut messages).await, BACK);
    engine.stop();
    let lost = next(&mut messages).await;
    assert!(
        matches!(lost, ContainerMessage::RuntimeLost { .. }),
        "{lost:?}"
    );
    engine.state.lock().unwrap().running = vec!["a".to_owned()];
    engine.start();
    // One outage may have several reasons on its way; each is told once.
    loop {
        match next(&mut messages).await {
            ContainerMessage::RuntimeLost { .. } => {}
            other => break assert_eq!(other, BACK),
        }
    }
    assert_eq!(named(&mut messages).await, "a-1");
}

#[tokio::test]
async fn the_client_ends_with_its_listeners() {
    let engine = FakeEngine::new();
    let (request_sender, request_receiver) = mpsc::channel(1);
    let (message_sender, messages) = mpsc::channel(1);
    let client = tokio::spawn(run(
        DockerSettings::new(engine.socket()),
        request_receiver,
        message_sender,
    ));
    drop(messages);
    timeout(LIMIT, client).await.expect("in time").unwrap();
    drop(request_sender);
}
