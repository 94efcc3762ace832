//! A scrape over a real connection, read by a parser that is not the writer's.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::{Duration, SystemTime};

use prometheus_parse::{Scrape, Value};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc::Receiver;

use super::table::{METRICS, PREFIX};
use super::*;
use crate::alert::Filter;
use crate::sinks::output::Output;
use crate::sinks::output::testing::Stream;
use crate::sinks::query::{self, Query};
use crate::sinks::reload;
use crate::telemetry::{
    AgentFacts, Board, CanaryHook, CanaryStatus, Counter, EventCounts, HookStatus, LossAccount,
    QueueDepth, RingUsage, StatusSnapshot, TopicState, WhenFull,
};

static BROKEN: Counter = Counter::new("test_metrics_broken");

fn account(hook: &str, cgroup_id: u64, seen: u64) -> LossAccount {
    LossAccount {
        hook: hook.to_owned(),
        cgroup_id,
        cgroup_path: "/a \"container\"".to_owned(),
        container: None,
        events: EventCounts {
            seen,
            delivered: seen - 1,
            ring_full: 1,
            ..EventCounts::default()
        },
    }
}

fn snapshot() -> StatusSnapshot {
    StatusSnapshot {
        rings: vec![RingUsage {
            name: "bulk".to_owned(),
            capacity_bytes: 4096,
            used_bytes: 100,
            written_bytes: u64::MAX,
        }],
        queues: vec![QueueDepth {
            name: "alerts".to_owned(),
            capacity: 16,
            depth: 2,
            when_full: WhenFull::DropNewest,
            times_full: Some(3),
        }],
        losses: vec![
            account("open", 1, 10),
            account("exec", 1, 5),
            account("open", 2, 20),
        ],
        containers: 2,
        processes: 40,
        canary: CanaryStatus {
            hooks: vec![CanaryHook {
                hook: "open",
                age_ms: 1_500,
                blind: true,
            }],
            ..CanaryStatus::default()
        },
        ..StatusSnapshot::default()
    }
}

/// The detection task's side of the questions.
async fn answer(mut questions: Receiver<Query>) {
    while let Some(question) = questions.recv().await {
        if let Query::Status(reply) = question {
            // The asker may have gone.
            let _ = reply.send(snapshot());
        }
    }
}

struct Agent {
    stream: Stream,
    address: SocketAddr,
    _directory: tempfile::TempDir,
}

impl Agent {
    async fn start(answers: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let stream = Stream::open(directory.path());
        let (queries, questions) = query::channel();
        if answers {
            tokio::spawn(answer(questions));
        }
        let mut facts = AgentFacts::of_this_node(SystemTime::now());
        facts.node = "a \"node\"\\\n".to_owned();
        facts.rules.loaded = Some(facts.started);
        facts.hooks = vec![HookStatus {
            topic: "exec".to_owned(),
            state: TopicState::Partial,
            taken: None,
            attached: Vec::new(),
            missing: Vec::new(),
            refused: Vec::new(),
            mandatory: true,
        }];
        let cursors = directory.path().join("cursors");
        let output = Output::begin("webhook", &cursors, &stream.spool, Filter::default()).unwrap();
        let sources = Sources {
            services: Services {
                spool: Arc::clone(&stream.spool),
                alerts: stream.counts(),
                board: Board::new(facts),
                queries,
                reloads: reload::channel().0,
                heartbeat: Duration::from_secs(5),
                max_streams: 8,
                max_streams_per_client: 8,
                findings: stream.findings(),
                max_connections: 8,
            },
            outputs: vec![output.account()],
        };
        let server = MetricsServer::bind((Ipv4Addr::LOCALHOST, 0).into()).await;
        let server = server.unwrap();
        let address = server.address().unwrap();
        tokio::spawn(server.serve(sources));
        Self {
            stream,
            address,
            _directory: directory,
        }
    }

    /// Head and body of an answer.
    async fn get(&self, path: &str) -> (String, String) {
        let mut connection = TcpStream::connect(self.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_ascii_lowercase(), body.to_owned())
    }

    async fn scrape(&self) -> String {
        let (head, body) = self.get("/metrics").await;
        assert!(head.starts_with("http/1.1 200 "), "{head}");
        assert!(
            head.contains("content-type: text/plain; version=0.0.4"),
            "{head}"
        );
        body
    }
}

fn parsed(text: &str) -> Scrape {
    Scrape::parse(text.lines().map(|line| Ok(line.to_owned()))).unwrap()
}

/// The one value of a metric with a label of that value.
fn value(scrape: &Scrape, name: &str, label: &str) -> f64 {
    let named = scrape.samples.iter().filter(|sample| sample.metric == name);
    let mut values = named
        .filter(|sample| label.is_empty() || sample.labels.values().any(|value| value == label))
        .map(|sample| match sample.value {
            Value::Counter(value) | Value::Gauge(value) => value,
            ref other => panic!("{name} is {other:?}"),
        });
    let value = values.next().unwrap_or_else(|| panic!("no {name} {label}"));
    assert_eq!(values.next(), None, "{name} {label} is there twice");
    value
}

#[tokio::test]
async fn every_metric_is_exposed_with_its_type_and_parses() {
    BROKEN.add(7);
    let agent = Agent::start(true).await;
    agent.stream.raise(3).await;
    let text = agent.scrape().await;
    let scrape = parsed(&text);
    for (name, label, expected) in [
        ("gravlens_events_seen_total", "open", 30.0),
        ("gravlens_events_seen_total", "exec", 5.0),
        ("gravlens_alerts_stored_total", "", 3.0),
        ("gravlens_canary_age_seconds", "", 1.5),
        ("gravlens_hook_blind", "open", 1.0),
        ("gravlens_output_behind_records", "webhook", 3.0),
        ("gravlens_failures_total", "test_metrics_broken", 7.0),
        ("gravlens_spool_durable", "", 1.0),
        ("gravlens_detection_answers", "", 1.0),
        ("gravlens_topic_state", "partial", 1.0),
    ] {
        assert_eq!(value(&scrape, name, label), expected, "{name}");
    }
    let exposed: BTreeMap<&str, &str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .collect();
    let known: BTreeSet<String> = METRICS.iter().map(|metric| metric.full_name()).collect();
    assert_eq!(exposed.len(), METRICS.len());
    assert!(
        exposed.keys().all(|name| known.contains(*name)),
        "{exposed:?}"
    );
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        assert!(exposed.contains_key(name), "{line}");
    }
}

#[tokio::test]
async fn without_an_answer_of_detection_the_rest_is_exposed() {
    let agent = Agent::start(false).await;
    let scrape = parsed(&agent.scrape().await);
    assert_eq!(value(&scrape, "gravlens_detection_answers", ""), 0.0);
    assert_eq!(value(&scrape, "gravlens_spool_newest_sequence", ""), 0.0);
    let events = scrape
        .samples
        .iter()
        .any(|sample| sample.metric.contains("_events_"));
    assert!(!events);
}

#[tokio::test]
async fn other_paths_say_where_the_metrics_are() {
    let agent = Agent::start(true).await;
    let (head, body) = agent.get("/").await;
    assert!(head.starts_with("http/1.1 404 "), "{head}");
    assert_eq!(body, "metrics are at /metrics\n");
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let agent = Agent::start(true).await;
    let error = MetricsServer::bind(agent.address).await.unwrap_err();
    let error = error.to_string();
    let address = agent.address;
    let begin = format!("metrics.listen: cannot listen at {address}: ");
    assert!(error.starts_with(&begin), "{error}");
}

#[test]
fn names_follow_the_conventions_and_are_documented() {
    let documented = include_str!("../../../../docs/metrics.md");
    let mut names = BTreeSet::new();
    for metric in METRICS {
        let name = metric.full_name();
        let word = |text: &str| {
            text.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        };
        assert!(
            word(&name) && metric.labels.iter().all(|label| word(label)),
            "{name}"
        );
        assert!(name.starts_with(PREFIX), "{name}");
        assert!(!metric.name.ends_with("_total"), "{name}");
        assert!(names.insert(name.clone()), "{name} is there twice");
        assert!(documented.contains(&format!("| `{name}` |")), "{name}");
        for unbounded in ["container", "rule", "cgroup", "image", "process"] {
            assert!(!metric.labels.contains(&unbounded), "{name}");
        }
    }
}
