//! The stages from the rings to the alerts, with the queues between them: the same for a run and for
//! a recording.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{mpsc, oneshot};

use super::baselines::{Keeper, Reviewed, keeper};
use super::clock::Reading;
use super::detector::{self, Detector, Guard, Known, Sensor, Tape};
use super::inputs::Inputs;
use super::pending::Limits;
use super::record::Recording;
use super::reload::NewRules;
use super::rules::Rules;
use super::run::{RunError, io};
use super::sensor::{Attached, Watching};
use super::start;
use super::tasks::{self, LastCall, Stages};
use crate::alert::{AlertSender, AlertStage};
use crate::baseline::Learner;
use crate::baseline::store::BaselineStore;
use crate::canary::Watch;
use crate::config::{self, Config};
use crate::downtime::Pulse;
use crate::enrich::container::{ContainerMessage, ContainerRequest, TableSettings};
use crate::enrich::dns::{self, ResolverMessage, ResolverRequest};
use crate::enrich::docker::{self, DockerSettings};
use crate::ingest::{self, BatchSender};
use crate::model::Runtime;
use crate::probe::Rings;
use crate::sinks::query::Query;
use crate::telemetry::{Board, WhenFull, queue_gauge};

/// Batches under way from ingest to detection; *wait* when full.
const BATCHES: usize = 8;
/// Their bytes; *wait* when full.
const BATCH_BYTES: u32 = 4 << 20;
/// Alerts under way to the alert stage; *drop newest* when full, with a GAP in the stream.
pub(super) const ALERTS: usize = 16 * 1024;
/// Requests under way to a runtime client; *keep and retry* when full.
pub(super) const REQUESTS: usize = 256;
/// Messages under way from runtime clients; *wait* when full.
const MESSAGES: usize = 256;
/// Look-ups of resolvers under way, and their answers; *keep and retry* and *wait* when full.
pub(super) const RESOLVERS: usize = 64;

/// What a data path is made of.
pub(super) struct Parts {
    pub(super) sensor: Attached,
    /// The canary, or why there is none.
    pub(super) watch: Result<Watch, String>,
    pub(super) rules: Rules,
    pub(super) alerts: AlertSender,
    pub(super) stage: AlertStage,
    pub(super) board: Board,
    /// When the process began.
    pub(super) started: SystemTime,
    /// When detection begins.
    pub(super) begun: Reading,
    pub(super) questions: mpsc::Receiver<Query>,
    pub(super) new_rules: mpsc::Receiver<NewRules>,
    /// Where the inputs go as well.
    pub(super) recording: Option<Recording>,
    /// Who learns, where it is kept, and what is reviewed meanwhile.
    pub(super) baselines: Option<Learning>,
}

/// The baselines' part of a data path.
pub(super) struct Learning {
    pub(super) learner: Learner,
    pub(super) store: BaselineStore,
    pub(super) reviewed: mpsc::Receiver<Reviewed>,
}

/// A data path that is ready to run.
pub(super) struct DataPath {
    hooks: Watching,
    rings: Rings,
    batches: BatchSender,
    detector: Detector,
    inputs: Inputs,
    conclude: oneshot::Sender<LastCall>,
    stage: AlertStage,
    keeper: Option<Keeper>,
    runtimes: Runtimes,
    lookups: Lookups,
}

/// The ends of the queues to and from a runtime client.
struct Runtimes {
    requests: mpsc::Receiver<ContainerRequest>,
    messages: mpsc::Sender<ContainerMessage>,
}

/// The ends of the queues to and from the look-up of resolvers.
struct Lookups {
    cgroups: PathBuf,
    requests: mpsc::Receiver<ResolverRequest>,
    messages: mpsc::Sender<ResolverMessage>,
}

impl DataPath {
    /// Makes the queues, and takes in the state of the node as it is when the hooks are attached:
    /// containers, then processes.
    pub(super) fn new(config: &Config, parts: Parts) -> Result<Self, RunError> {
        let (requests, request_queue) = mpsc::channel(REQUESTS);
        let (messages, message_queue) = mpsc::channel(MESSAGES);
        let (resolver_requests, resolver_queue) = mpsc::channel(RESOLVERS);
        let (resolver_messages, resolvers) = mpsc::channel(RESOLVERS);
        let (batches, batch_queue) = ingest::queue(BATCHES, BATCH_BYTES);
        let (conclude, concluding) = oneshot::channel();
        let Attached {
            mut probe,
            meters,
            rings,
            counters,
            hooks,
            integrity,
            ..
        } = parts.sensor;
        let scope = (probe.scope().mount.clone(), probe.scope().path.clone());
        let mut gauges = Vec::from(batches.gauges());
        gauges.push(queue_gauge("messages", &messages, WhenFull::Wait));
        gauges.push(queue_gauge("resolvers", &resolver_messages, WhenFull::Wait));
        let (mut learner, mut kept, mut kept_by, mut reviewed) = (None, None, None, None);
        if let Some(learning) = parts.baselines {
            let (sender, keeper) = keeper(learning.store);
            learner = Some(learning.learner);
            (kept, kept_by, reviewed) = (Some(sender), Some(keeper), Some(learning.reviewed));
        }
        let known = match learner {
            Some(_) => probe.take_known()?.map(Known::new),
            None => None,
        };
        let detector = detector::Parts {
            sensor: Some(Sensor {
                known,
                probe,
                counters,
                rings: meters,
            }),
            tape: parts.recording.is_some().then(Tape::new),
            rules: parts.rules,
            pending: limits(config),
            containers: table_settings(config),
            alerts: parts.alerts,
            board: parts.board,
            requests,
            resolver_requests,
            gauges,
            started: parts.started,
            guard: Guard::new(parts.watch, Some(integrity)),
            learner,
            tells_news: true,
            kept,
        };
        let detector = bootstrap(detector, parts.begun, &scope)?;
        let inputs = Inputs {
            concluding,
            scope: scope.clone(),
            batches: batch_queue,
            messages: message_queue,
            resolvers,
            scans: messages.clone(),
            questions: parts.questions,
            rules: parts.new_rules,
            reviewed,
            unwatched: hooks.unwatched(),
            recording: parts.recording,
        };
        Ok(Self {
            hooks,
            rings,
            batches,
            detector,
            inputs,
            conclude,
            stage: parts.stage,
            keeper: kept_by,
            runtimes: Runtimes {
                requests: request_queue,
                messages,
            },
            lookups: Lookups {
                cgroups: scope.0,
                requests: resolver_queue,
                messages: resolver_messages,
            },
        })
    }

    /// Begins to run, with a task that ends when detection does.
    pub(super) fn start(
        self,
        config: &Config,
        pulse: Option<Arc<Pulse>>,
        helper: impl Future<Output = ()> + Send + 'static,
    ) -> Stages<Watching> {
        let (drain, draining) = oneshot::channel();
        let Lookups {
            cgroups,
            requests,
            messages,
        } = self.lookups;
        let lookups = dns::run_lookups(cgroups, requests, messages);
        let runtimes = docker_task(config.docker.clone(), self.runtimes);
        let helpers = async {
            tokio::join!(runtimes, lookups, helper);
        };
        Stages::spawn(tasks::Parts {
            hooks: self.hooks,
            drain,
            conclude: self.conclude,
            ingest: ingest::run(self.rings, self.batches, draining),
            detector: self.inputs.run(self.detector, pulse),
            alerts: self.stage.run(),
            keeper: self.keeper.map(Keeper::run),
            helpers,
        })
    }
}

fn bootstrap(
    parts: detector::Parts,
    now: Reading,
    scope: &(PathBuf, String),
) -> Result<Detector, RunError> {
    let mut detector = Detector::new(parts, now);
    let scan = start::scan(&scope.0, &scope.1).map_err(io("cannot list the cgroups"))?;
    detector.container_message(scan);
    detector.find_processes(usize::MAX)?;
    detector.end_state();
    Ok(detector)
}

async fn docker_task(config: config::Docker, queues: Runtimes) {
    if config.enabled {
        let settings = DockerSettings::new(&config.socket);
        docker::run(settings, queues.requests, queues.messages).await;
    }
}

pub(super) fn limits(config: &Config) -> Limits {
    Limits {
        grace_ns: nanos(config.identity.grace),
        decide_within_ns: nanos(config.identity.decide_within),
        max: config.identity.pending_max,
    }
}

pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

pub(super) fn table_settings(config: &Config) -> TableSettings {
    let runtimes = if config.docker.enabled {
        vec![Runtime::Docker]
    } else {
        Vec::new()
    };
    TableSettings {
        runtimes,
        ..TableSettings::default()
    }
}
