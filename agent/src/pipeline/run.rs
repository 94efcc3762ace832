//! From a configuration to a running agent.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use thiserror::Error;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use super::approvers;
use super::baselines::{self, BaselineError, Baselines, Review};
use super::clock::Reading;
use super::data_path::{self, ALERTS, DataPath, Learning, nanos};
use super::outputs::{self, OutputError};
use super::reload::{self, Reloader};
use super::rules::{RuleLoader, Rules};
use super::sensor::Attached;
use super::start::{self, hook_status};
use super::tasks::Sinks;
use crate::alert::{
    self, AlertSender, Filter, SensorFinding, Spool, Start, StartError, StoreError, Subscription,
};
use crate::canary::{Canary, Watch};
use crate::config::{self, Config};
use crate::detect::ReadError;
use crate::downtime::{self, Moment};
use crate::ingest::{IngestError, boot_ns};
use crate::probe::{AttachedTopic, Probe, ProbeError};
use crate::run_lock::{RunLock, RunLockError};
use crate::sandbox::{self, SandboxError};
use crate::sinks::grpc::{BindError, GrpcServer, ServeError, Services};
use crate::sinks::query;
use crate::sinks::reload as asked_reload;
use crate::sinks::stdout;
use crate::telemetry::{AgentFacts, Board, service_manager};

/// Rule sets under way to detection; *wait* when full.
const NEW_RULES: usize = 1;
/// Reviewed baselines under way to detection; *wait* when full.
const REVIEWED: usize = 1;

/// Why the agent did not start, or ended.
#[derive(Debug, Error)]
pub enum RunError {
    /// The sensor.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// The rings.
    #[error(transparent)]
    Ingest(#[from] IngestError),
    /// Rule files cannot be read.
    #[error(transparent)]
    ReadRules(#[from] ReadError),
    /// Rules were refused.
    #[error(
        "{0}\nThe agent does not start with refused rules: correct them, or set \
         rules.allow_refused"
    )]
    RulesRefused(String),
    /// Another agent runs, or the state directory cannot be used.
    #[error(transparent)]
    Lock(#[from] RunLockError),
    /// A newer version wrote the spool.
    #[error(transparent)]
    Spool(#[from] StoreError),
    /// The agent cannot take from itself what it has no use for.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The socket.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The server.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// An output cannot begin.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// A sink cannot read the stream.
    #[error(transparent)]
    Subscribe(#[from] StartError),
    /// Baselines cannot begin.
    #[error(transparent)]
    Baselines(#[from] BaselineError),
    /// The operating system.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// The answer.
        source: std::io::Error,
    },
    /// Alerts cannot be written to standard output.
    #[error("standard output: {0}")]
    Stdout(#[source] std::io::Error),
    /// A task ended that must not.
    #[error("the {0} task ended unexpectedly")]
    TaskEnded(&'static str),
    /// A task did not end when it was told to.
    #[error("the {0} task did not end in time")]
    NotStopped(&'static str),
}

/// Runs the agent until SIGTERM or SIGINT.
pub async fn run(config: &Config, started: SystemTime) -> Result<(), RunError> {
    let _lock = RunLock::acquire(&config.state_dir)?;
    let (pulse, last) = downtime::begin(&config.state_dir);
    let pulse = Arc::new(pulse);
    let server = GrpcServer::bind(&config.stream.socket)?.with_tcp(&config.stream.tcp)?;
    let mut facts = AgentFacts::of_this_node(started);
    let loader = RuleLoader::new(&config.rules, &facts.node);
    // Before the hooks: a SIGHUP that comes too early must not end the agent.
    let hangup = signal(SignalKind::hangup()).map_err(io("cannot wait for SIGHUP"))?;
    let loaded = start::load_rules(&loader)?;
    let (writer, news) = start::open_spool(config)?;
    let spool = Arc::clone(writer.spool());
    let (alerts, stage) = alert::channel(writer, ALERTS);
    let stage = stage.limited(config.alerts);
    let (queries, questions) = query::channel();
    let (reloads, reload_requests) = asked_reload::channel();
    let baselines = baselines::open(&config.baselines, &config.state_dir)?;
    let (new_rules, rule_queue) = mpsc::channel(NEW_RULES);

    // Before the hooks: what brings it to its cgroup is nobody's event.
    let canary = |probe: &Probe| start_canary(&config.canary, probe);
    let reads_environment = loaded.set.reads_environment();
    let (mut sensor, mut canary) = Attached::new(config, reads_environment, canary)?;
    let seen = start::seen_event_types(&sensor.topics);
    let rules = Rules::new(loaded, 1, seen);
    rules.log_warnings();
    alerts.rules_in_force(rules.in_force.id());
    approvers::at_start(&mut sensor.probe, &rules.approvers, &canary)?;
    let watch = watch_canary(&mut canary, &sensor.topics, config.canary.interval);
    match last {
        Some(last) => alerts.downtime(last.until(&Moment::now())),
        // There is no GAP to wait for: what a kill interrupts now is to be told.
        None => pulse.beat(),
    }
    match news {
        // The queue is empty.
        Some(start::SpoolNews::Damaged(finding)) => drop(alerts.sensor(finding)),
        Some(start::SpoolNews::NotDurable(why)) => alerts.not_durable(why),
        None => {}
    }
    facts.rules.clone_from(&rules.snapshot.facts);
    let active = facts.rules.active;
    facts.approvers = approvers::summary(&sensor.probe, &rules.approvers);
    facts.hooks = hook_status(&sensor.topics);
    facts.blind_spots = sensor.probe.blind_spots(&sensor.topics);
    facts.blind_spots.extend(start::unproven(&watch));
    facts.scope_cgroup.clone_from(&sensor.probe.scope().path);
    facts.baselines = baselines.as_ref().map(|baselines| baselines.facts.clone());
    let board = Board::new(facts);
    let services = Services::new(
        spool.clone(),
        &alerts,
        board.clone(),
        queries,
        reloads,
        &config.stream,
    );
    let reloader = Reloader::new(reload::Parts {
        loader,
        current: rules.clone(),
        seen,
        watch: config.rules.watch,
        hangup,
        requests: reload_requests,
        rules: new_rules,
        board: board.clone(),
        alerts: alerts.downgrade(),
        pace: reload::Pace::USUAL,
    });
    let (learning, review) = match baselines {
        Some(baselines) => {
            let (learning, review) = learn(baselines, config, &board, &alerts)?;
            (Some(learning), review)
        }
        None => (None, None),
    };
    let unwatched = sensor.hooks.unwatched();
    let path = DataPath::new(
        config,
        data_path::Parts {
            sensor,
            watch,
            rules,
            alerts,
            stage,
            board,
            started,
            begun: Reading::now(),
            questions,
            new_rules: rule_queue,
            recording: None,
            baselines: learning,
        },
    )?;
    // What can fail comes before the stages, which from then on are stopped in order.
    let outputs = outputs::open(config, &services).await?;
    // Before the services answer: whoever sees them do so may stop the agent.
    let stop = StopSignals::new()?;
    let printed = printed(&services, &config.outputs.stdout)?;
    if config.sandbox.enabled {
        sandbox::drop_capabilities_of_the_start()?;
        sandbox::filter_calls()?;
    }
    let helpers = async {
        tokio::join!(reloader.run(), reviewing(review));
    };
    let stages = path.start(config, Some(Arc::clone(&pulse)), helpers);
    let mut sinks = sinks(server, services, printed);
    outputs.spawn(&mut sinks);
    service_manager::ready();
    tracing::info!(
        message = "Watching.",
        scope = config.scope.cgroup.as_ref().map(|path| path.display().to_string()),
        socket = %config.stream.socket.display(),
        tcp = config.stream.tcp.listen.map(|address| address.to_string()),
        rules = active,
    );
    stages.until_stopped(sinks, stop.received()).await?;
    pulse.stop(unwatched.get());
    drop(canary);
    Ok(())
}

/// Tells what of the store is lost, and makes the ways from the reviewed files to the learner.
fn learn(
    baselines: Baselines,
    config: &Config,
    board: &Board,
    alerts: &AlertSender,
) -> Result<(Learning, Option<Review>), RunError> {
    for lost in &baselines.lost {
        tracing::error!(message = "Baselines are lost.", what = lost);
        // The queue is empty.
        let _ = alerts.sensor(SensorFinding::baselines_lost(lost));
    }
    let (sender, reviewed) = mpsc::channel(REVIEWED);
    let review = match &config.baselines.dir {
        Some(folder) => Some(Review {
            folder: folder.clone(),
            seen: baselines.reviewed.digest().to_owned(),
            hangup: signal(SignalKind::hangup()).map_err(io("cannot wait for SIGHUP"))?,
            reviewed: sender,
            board: board.clone(),
            alerts: alerts.downgrade(),
        }),
        None => None,
    };
    let learning = Learning {
        learner: baselines.learner,
        store: baselines.store,
        reviewed,
    };
    Ok((learning, review))
}

async fn reviewing(review: Option<Review>) {
    if let Some(review) = review {
        review.run().await;
    }
}

fn start_canary(config: &config::Canary, probe: &Probe) -> Result<Canary, String> {
    if !config.enabled {
        return Err("canary.enabled is false".to_owned());
    }
    Canary::start(&probe.scope().directory, config.interval)
}

/// Lets the canary begin, and watches it at the hooks that are attached.
fn watch_canary(
    canary: &mut Result<Canary, String>,
    topics: &[AttachedTopic],
    interval: Duration,
) -> Result<Watch, String> {
    let canary = canary.as_mut().map_err(|why| why.clone())?;
    canary
        .begin()
        .map_err(|error| format!("its process has ended: {error}"))?;
    let hooks = start::attached_hooks(topics);
    Ok(Watch::new(
        canary.identity(),
        hooks,
        nanos(interval),
        boot_ns(),
    ))
}

pub(super) fn io(what: &'static str) -> impl FnOnce(std::io::Error) -> RunError {
    move |source| RunError::Io { what, source }
}

/// The output on stdout, if it is wanted.
fn printed(
    services: &Services,
    settings: &config::Stdout,
) -> Result<Option<impl Future<Output = std::io::Result<()>> + use<>>, StartError> {
    if !settings.enabled {
        return Ok(None);
    }
    let node = services.board.facts().node.clone();
    printed_on(services.spool.clone(), settings.format, node).map(Some)
}

/// What a spool gets from now on, on stdout.
pub(super) fn printed_on(
    spool: Arc<Spool>,
    format: config::RecordFormat,
    node: String,
) -> Result<impl Future<Output = std::io::Result<()>> + use<>, StartError> {
    // What this run makes, from its first record on.
    let start = Start::After {
        epoch: spool.epoch(),
        sequence: spool.before_run(),
    };
    let all = Subscription::new(spool, start, Filter::default())?;
    Ok(stdout::run(all, format, node, tokio::io::stdout()))
}

fn sinks(
    server: GrpcServer,
    services: Services,
    printed: Option<impl Future<Output = std::io::Result<()>> + Send + 'static>,
) -> Sinks {
    let (stop, stopping) = oneshot::channel::<()>();
    let server = server.serve(services, async {
        // A dropped sender means stop as well.
        let _ = stopping.await;
    });
    Sinks::spawn(stop, server, printed)
}

/// What tells the agent to stop in order, from here on.
pub(super) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    pub(super) fn new() -> Result<Self, RunError> {
        let of = |kind, what| signal(kind).map_err(io(what));
        Ok(Self {
            terminate: of(SignalKind::terminate(), "cannot wait for SIGTERM")?,
            interrupt: of(SignalKind::interrupt(), "cannot wait for SIGINT")?,
        })
    }

    /// Waits for one.
    pub(super) async fn received(mut self) -> Result<(), RunError> {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        service_manager::stopping();
        Ok(())
    }
}
