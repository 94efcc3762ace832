//! A real client over a real socket.

mod baselines;
mod hostile;
mod limits;
pub(crate) mod network;
pub(crate) mod pki;

use std::pin::pin;

use proptest::prelude::*;
use prost::Message as _;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_stream::StreamExt as _;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status, Streaming};

use super::*;
use crate::alert::{AlertSender, SpoolLimits, channel, sample};
use crate::baseline::Learner;
use crate::model::{BaselineEvidence, ContainerView};
use crate::proto::alert_service_client::AlertServiceClient;
use crate::proto::container_service_client::ContainerServiceClient;
use crate::proto::record::Body;
use crate::proto::rule_service_client::RuleServiceClient;
use crate::proto::status_service_client::StatusServiceClient;
use crate::proto::watch_request::Start;
use crate::proto::{Record, WatchRequest};
use crate::sinks::query::{self, Query};
use crate::sinks::reload::{self, ReloadAnswer, ReloadOutcome, ReloadRequest};
use crate::telemetry::{
    AgentFacts, EventCounts, LossAccount, RuleSetFacts, RulesSnapshot, StatusSnapshot,
};

const ROOMY: SpoolLimits = SpoolLimits {
    bytes: 1 << 22,
    records: 1_000,
    age: None,
    memory_bytes: 1 << 22,
};

const STREAMS_PER_CLIENT: usize = 4;
const MAX_CONNECTIONS: usize = 64;

/// An agent without kernel programs.
pub(crate) struct Agent {
    socket: PathBuf,
    alerts: Option<AlertSender>,
    channel: Channel,
    /// Where it listens over TCP.
    address: Option<SocketAddr>,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<Result<(), ServeError>>,
    _directory: TempDir,
}

impl Agent {
    async fn start(limits: SpoolLimits, heartbeat: Duration, max_streams: usize) -> Self {
        Self::listen(limits, heartbeat, max_streams, |server| server).await
    }

    /// One that learns what workloads do, or does not.
    pub(crate) async fn learning(learner: Option<Learner>) -> Self {
        let services = services_of(ROOMY, Duration::from_secs(3_600), 8, learner);
        Self::serve(services, |server| server).await
    }

    /// Over TCP as well.
    pub(crate) async fn over_tcp(settings: &config::Tcp, patience: Patience) -> Self {
        let roomy = SpoolLimits {
            bytes: 1 << 24,
            records: 100_000,
            ..ROOMY
        };
        Self::listen(roomy, Duration::from_secs(3_600), 8, |server| {
            let mut server = server.with_tcp(settings).unwrap();
            server.patience = patience;
            server
        })
        .await
    }

    async fn listen(
        limits: SpoolLimits,
        heartbeat: Duration,
        max_streams: usize,
        configure: impl FnOnce(GrpcServer) -> GrpcServer,
    ) -> Self {
        Self::serve(services(limits, heartbeat, max_streams), configure).await
    }

    async fn serve(
        (services, alerts): (Services, AlertSender),
        configure: impl FnOnce(GrpcServer) -> GrpcServer,
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("gravlens.sock");
        let server = configure(GrpcServer::bind(&path).unwrap());
        let address = server.address();
        let (stop, stopped) = oneshot::channel::<()>();
        let server = tokio::spawn(server.serve(services, async {
            let _ = stopped.await;
        }));
        // A small window: what a client does not read soon stays in the spool.
        let endpoint = Endpoint::try_from(format!("unix:{}", path.display()))
            .unwrap()
            .initial_stream_window_size(65_535);
        Self {
            socket: path,
            alerts: Some(alerts),
            channel: endpoint.connect().await.unwrap(),
            address,
            stop: Some(stop),
            server,
            _directory: directory,
        }
    }

    async fn quiet() -> Self {
        Self::start(ROOMY, Duration::from_secs(3_600), 8).await
    }

    /// Where its socket is.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Raises an alert of a baseline.
    pub(crate) fn tell(&self, evidence: BaselineEvidence) {
        let alert = sample::alert_of(evidence);
        self.alerts.as_ref().unwrap().raise(alert);
    }

    /// The first alert that is stored.
    pub(crate) async fn first_alert(&self) -> proto::Alert {
        let mut stream = self.watch(oldest()).await.unwrap();
        loop {
            if let Some(Body::Alert(alert)) = next(&mut stream).await.body {
                return alert;
            }
        }
    }

    fn raise(&self) {
        let alert = sample::alert_in(sample::container_view());
        self.alerts.as_ref().unwrap().raise(alert);
    }

    fn raise_on_the_node(&self) {
        let alert = sample::alert_in(ContainerView::Host(None));
        self.alerts.as_ref().unwrap().raise(alert);
    }

    async fn watch(&self, request: WatchRequest) -> Result<Streaming<Record>, Status> {
        let mut client = AlertServiceClient::new(self.channel.clone());
        Ok(client.watch(request).await?.into_inner())
    }
}

/// What an agent without kernel programs serves, and the way to its alert stage.
fn services(
    limits: SpoolLimits,
    heartbeat: Duration,
    max_streams: usize,
) -> (Services, AlertSender) {
    services_of(limits, heartbeat, max_streams, None)
}

fn services_of(
    limits: SpoolLimits,
    heartbeat: Duration,
    max_streams: usize,
    learner: Option<Learner>,
) -> (Services, AlertSender) {
    let writer = Spool::in_memory(limits, "a test").unwrap();
    let spool = Arc::clone(writer.spool());
    let (alerts, stage) = channel(writer, 10_000);
    tokio::spawn(stage.run());
    let (queries, questions) = query::channel();
    tokio::spawn(answer(questions, learner));
    let (reloads, requests) = reload::channel();
    tokio::spawn(answer_reloads(requests));
    let services = Services {
        spool,
        alerts: Arc::clone(alerts.counts()),
        findings: alerts.downgrade(),
        board: Board::new(AgentFacts::of_this_node(std::time::SystemTime::now())),
        queries,
        reloads,
        heartbeat,
        max_streams,
        max_streams_per_client: STREAMS_PER_CLIENT,
        max_connections: MAX_CONNECTIONS,
    };
    (services, alerts)
}

/// The detection task's side of the questions.
async fn answer(mut questions: tokio::sync::mpsc::Receiver<Query>, mut learner: Option<Learner>) {
    while let Some(question) = questions.recv().await {
        match question {
            Query::Status(reply) => {
                let _ = reply.send(StatusSnapshot {
                    containers: 1,
                    losses: vec![LossAccount {
                        hook: "open".into(),
                        cgroup_id: 1,
                        cgroup_path: "/x".into(),
                        container: None,
                        events: EventCounts {
                            seen: 5,
                            delivered: 3,
                            ring_full: 2,
                            ..EventCounts::default()
                        },
                    }],
                    ..StatusSnapshot::default()
                });
            }
            Query::Containers(reply) => {
                let _ = reply.send(vec![sample::known_container()]);
            }
            Query::Baselines(work) => work.with(learner.as_mut()),
            Query::Rules(reply) => {
                let _ = reply.send(RulesSnapshot {
                    facts: RuleSetFacts {
                        digest: "sha256:0011".into(),
                        generation: 3,
                        ..RuleSetFacts::default()
                    },
                    rules: vec![crate::telemetry::RuleEntry {
                        info: sample::rule(),
                        state: crate::telemetry::RuleState::Refused("no such field".into()),
                    }],
                });
            }
        }
    }
}

/// The reloading task's side: every set is refused, in the name of who asked.
async fn answer_reloads(mut requests: mpsc::Receiver<ReloadRequest>) {
    while let Some(ReloadRequest { by, reply }) = requests.recv().await {
        let _ = reply.send(ReloadAnswer {
            outcome: ReloadOutcome::Refused,
            facts: RuleSetFacts {
                generation: 3,
                ..RuleSetFacts::default()
            },
            reasons: vec![by],
            warnings: Vec::new(),
        });
    }
}

async fn next(stream: &mut Streaming<Record>) -> Record {
    let record = tokio::time::timeout(Duration::from_secs(10), stream.next());
    record.await.expect("a record in time").unwrap().unwrap()
}

fn oldest() -> WatchRequest {
    WatchRequest {
        start: Some(Start::Oldest(proto::Oldest {})),
        ..WatchRequest::default()
    }
}

fn places(records: &[Record]) -> Vec<(u64, u64)> {
    records
        .iter()
        .map(|record| (record.sequence, record.prev_sequence))
        .collect()
}

#[tokio::test]
async fn hello_comes_first_and_alerts_follow() {
    let agent = Agent::quiet().await;
    let mut stream = agent.watch(WatchRequest::default()).await.unwrap();
    let first = next(&mut stream).await;
    let Some(Body::Hello(hello)) = first.body else {
        panic!("no hello: {first:?}");
    };
    assert_eq!(hello.agent_version, env!("CARGO_PKG_VERSION"));
    assert!(!hello.kernel_release.is_empty());
    assert_eq!(hello.progress.unwrap().complete_through, 0);
    agent.raise();
    let record = next(&mut stream).await;
    assert_eq!((record.sequence, record.prev_sequence), (1, 0));
    let Some(Body::Alert(alert)) = record.body else {
        panic!("no alert");
    };
    assert_eq!(alert.id, format!("{:016x}-1", record.stream_epoch));
    assert_eq!(alert.container.unwrap().name, "web");
}

#[tokio::test]
async fn a_filter_keeps_back_and_the_last_heartbeat_accounts_for_it() {
    let agent = Agent::quiet().await;
    for _ in 0..3 {
        agent.raise();
        agent.raise_on_the_node();
    }
    wait_for(&agent, 6).await;
    let request = WatchRequest {
        filter: Some(proto::Filter {
            allow: vec![proto::Selector {
                container_names: vec!["web".into()],
                ..Default::default()
            }],
            ..Default::default()
        }),
        until_now: true,
        ..oldest()
    };
    let stream = agent.watch(request).await.unwrap();
    let records: Vec<_> = stream.map(Result::unwrap).collect().await;
    assert_eq!(places(&records), [(0, 0), (1, 0), (3, 1), (5, 3), (0, 0)]);
    let Some(Body::Heartbeat(heartbeat)) = &records[4].body else {
        panic!("no heartbeat");
    };
    let progress = heartbeat.progress.unwrap();
    assert_eq!((progress.complete_through, progress.start), (6, 0));
    assert_eq!(
        (progress.delivered, progress.filtered_count, progress.missed),
        (3, 3, 0)
    );
    let alerts = heartbeat.alerts.unwrap();
    assert_eq!((alerts.raised, alerts.stored, alerts.in_flight), (6, 6, 0));
}

/// Returns when so many records are stored.
async fn wait_for(agent: &Agent, newest: u64) {
    let mut client = StatusServiceClient::new(agent.channel.clone());
    loop {
        let status = client.get(proto::GetStatusRequest {}).await.unwrap();
        if status.into_inner().stream.unwrap().newest_sequence >= newest {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_client_resumes_from_its_cursor() {
    let agent = Agent::quiet().await;
    (0..4).for_each(|_| agent.raise());
    let mut stream = agent.watch(oldest()).await.unwrap();
    let mut last = next(&mut stream).await;
    while last.sequence < 2 {
        last = next(&mut stream).await;
    }
    drop(stream);
    let request = WatchRequest {
        start: Some(Start::Cursor(proto::Cursor {
            epoch: last.stream_epoch,
            sequence: last.sequence,
        })),
        ..WatchRequest::default()
    };
    let mut stream = agent.watch(request).await.unwrap();
    let mut records = Vec::new();
    for _ in 0..3 {
        records.push(next(&mut stream).await);
    }
    assert_eq!(places(&records), [(0, 0), (3, 2), (4, 3)]);
}

#[tokio::test]
async fn a_slow_client_gets_a_gap_and_the_others_everything() {
    let limits = SpoolLimits {
        records: 20,
        ..ROOMY
    };
    let agent = Agent::start(limits, Duration::from_secs(3_600), 8).await;
    let mut slow = agent.watch(oldest()).await.unwrap();
    let mut fast = agent.watch(oldest()).await.unwrap();
    next(&mut fast).await;
    // Far more than what the transport buffers for a client that does not read.
    for sequence in 1..=2_000 {
        agent.raise();
        assert_eq!(next(&mut fast).await.sequence, sequence);
    }
    next(&mut slow).await;
    let (mut expected, mut gaps, mut missed) = (0, 0, 0);
    while expected < 2_000 {
        let record = next(&mut slow).await;
        assert_eq!(record.prev_sequence, expected);
        if let Some(Body::Gap(gap)) = &record.body {
            assert_eq!(gap.why(), proto::gap::Why::ClientTooSlow);
            assert_eq!(gap.from_sequence, expected + 1);
            gaps += 1;
            missed += gap.count.unwrap();
        }
        expected = record.sequence;
    }
    assert!(gaps >= 1 && missed > 0, "the transport held everything");
}

#[tokio::test]
async fn heartbeats_come_without_alerts() {
    let agent = Agent::start(ROOMY, Duration::from_millis(20), 8).await;
    let mut stream = agent.watch(WatchRequest::default()).await.unwrap();
    next(&mut stream).await;
    for _ in 0..2 {
        let record = next(&mut stream).await;
        assert!(matches!(record.body, Some(Body::Heartbeat(_))));
    }
}

#[tokio::test]
async fn bad_requests_are_refused_with_a_reason() {
    let agent = Agent::quiet().await;
    let refused = async |request| agent.watch(request).await.unwrap_err();
    let cursor = proto::Cursor {
        epoch: 0,
        sequence: 5,
    };
    // A foreign epoch is a gap, not an error.
    let foreign = WatchRequest {
        start: Some(Start::Cursor(cursor)),
        ..WatchRequest::default()
    };
    let mut stream = agent.watch(foreign).await.unwrap();
    let epoch = next(&mut stream).await.stream_epoch;
    let gap = next(&mut stream).await;
    assert!(matches!(gap.body, Some(Body::Gap(_))));
    let beyond = refused(WatchRequest {
        start: Some(Start::Cursor(proto::Cursor { epoch, ..cursor })),
        ..WatchRequest::default()
    });
    assert_eq!(beyond.await.code(), Code::OutOfRange);
    let filter = proto::Filter {
        min_severity: 77,
        ..proto::Filter::default()
    };
    let bad = refused(WatchRequest {
        filter: Some(filter),
        ..WatchRequest::default()
    });
    let bad = bad.await;
    assert_eq!(
        (bad.code(), bad.message()),
        (Code::InvalidArgument, "77 is no severity")
    );
}

#[tokio::test]
async fn streams_beyond_the_cap_are_refused_and_a_slot_comes_back() {
    let agent = Agent::start(ROOMY, Duration::from_secs(3_600), 1).await;
    let mut first = agent.watch(WatchRequest::default()).await.unwrap();
    next(&mut first).await;
    let refused = agent.watch(WatchRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    drop(first);
    while agent.watch(WatchRequest::default()).await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn when_the_agent_stops_the_stream_is_read_to_its_end() {
    let mut agent = Agent::quiet().await;
    let mut stream = agent.watch(WatchRequest::default()).await.unwrap();
    next(&mut stream).await;
    agent.raise();
    drop(agent.alerts.take());
    agent.stop.take().unwrap().send(()).unwrap();
    let record = next(&mut stream).await;
    assert_eq!(record.sequence, 1);
    let last = next(&mut stream).await;
    assert!(matches!(last.body, Some(Body::Heartbeat(_))));
    let end = stream.next().await.unwrap().unwrap_err();
    assert_eq!(end.code(), Code::Unavailable);
    agent.server.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_other_services_answer() {
    let agent = Agent::quiet().await;
    let mut status = StatusServiceClient::new(agent.channel.clone());
    let status = status.get(proto::GetStatusRequest {}).await.unwrap();
    let status = status.into_inner();
    assert_eq!(status.events.unwrap().ring_full, 2);
    assert_eq!(status.pid, std::process::id());
    let mut containers = ContainerServiceClient::new(agent.channel.clone());
    let containers = containers
        .list(proto::ListContainersRequest {})
        .await
        .unwrap();
    assert_eq!(containers.into_inner().containers[0].name, "web");
    let mut rules = RuleServiceClient::new(agent.channel.clone());
    let rules = rules
        .list(proto::ListRulesRequest {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!(rules.rules[0].state(), proto::loaded_rule::State::Refused);
    assert_eq!(rules.rules[0].reason, "no such field");
    assert_eq!(rules.set.unwrap().generation, 3);
    let rule = rules.rules[0].rule.as_ref().unwrap();
    assert_eq!(
        (&*rules.set_digest, rule.set_generation),
        ("sha256:0011", 3)
    );
}

#[tokio::test]
async fn a_reload_is_asked_for_in_the_callers_name() {
    let agent = Agent::quiet().await;
    let mut rules = RuleServiceClient::new(agent.channel.clone());
    let answer = rules.reload(proto::ReloadRulesRequest {}).await;
    let answer = answer.unwrap().into_inner();
    let refused = proto::reload_rules_response::Outcome::Refused;
    assert_eq!(answer.outcome(), refused);
    let own = std::process::id();
    assert!(
        answer.reasons[0].starts_with(&format!("process {own} of user ")),
        "{answer:?}"
    );
    assert_eq!(answer.set.unwrap().generation, 3);
}

#[tokio::test]
async fn health_names_every_service() {
    use tonic_health::pb::health_check_response::ServingStatus;
    use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
    let agent = Agent::quiet().await;
    let mut client = HealthClient::new(agent.channel.clone());
    for service in ["", "gravlens.v1.AlertService", "gravlens.v1.StatusService"] {
        let request = HealthCheckRequest {
            service: service.into(),
        };
        let answer = client.check(request).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service}");
    }
}

#[tokio::test]
async fn reflection_lists_the_services_in_both_versions() {
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1alpha::server_reflection_client::ServerReflectionClient as Alpha;
    use tonic_reflection::pb::{v1, v1alpha};
    let agent = Agent::quiet().await;

    let request = v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(v1::server_reflection_request::MessageRequest::ListServices(
            String::new(),
        )),
    };
    let mut client = ServerReflectionClient::new(agent.channel.clone());
    let mut answers = client
        .server_reflection_info(tokio_stream::once(request))
        .await
        .unwrap()
        .into_inner();
    let answer = answers.next().await.unwrap().unwrap();
    assert!(format!("{answer:?}").contains("gravlens.v1.AlertService"));

    let request = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(
            v1alpha::server_reflection_request::MessageRequest::FileContainingSymbol(
                "gravlens.v1.AlertService".into(),
            ),
        ),
    };
    let mut client = Alpha::new(agent.channel.clone());
    let answers = client.server_reflection_info(tokio_stream::once(request));
    let mut answers = pin!(answers.await.unwrap().into_inner());
    let answer = answers.next().await.unwrap().unwrap();
    assert!(format!("{answer:?}").contains("FileDescriptorResponse"));
}

proptest! {
    #[test]
    fn no_request_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(request) = WatchRequest::decode(&bytes[..]) {
            let _ = crate::alert::Filter::new(request.filter.unwrap_or_default());
        }
    }
}
