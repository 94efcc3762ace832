//! From a configuration to a running agent.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use thiserror::Error;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::clock::Reading;
use super::detector::{Detector, Guard, Parts, Sensor};
use super::outputs::{self, OutputError};
use super::pending::Limits;
use super::record::Recording;
use super::reload::{self, NewRules, Reloader};
use super::rules::{RuleLoader, Rules};
use super::start::{self, hook_status, probe_options};
use super::tasks::{self, LastCall, Sinks, Stages};
use crate::alert::{self, Filter, Spool, Start, StartError, StoreError, Subscription};
use crate::canary::{Canary, Watch};
use crate::config::{self, Config};
use crate::detect::ReadError;
use crate::downtime::{self, Moment, Pulse};
use crate::enrich::container::{ContainerMessage, ContainerRequest, TableSettings};
use crate::enrich::dns::{self, ResolverMessage};
use crate::enrich::docker::{self, DockerSettings};
use crate::ingest::{self, Batch, IngestError, boot_ns};
use crate::model::Runtime;
use crate::probe::{AttachedTopic, Hooks, Probe, ProbeError};
use crate::run_lock::{RunLock, RunLockError};
use crate::sandbox::{self, SandboxError};
use crate::sinks::grpc::{BindError, GrpcServer, ServeError, Services};
use crate::sinks::query::{self, Query};
use crate::sinks::reload as asked_reload;
use crate::sinks::stdout;
use crate::telemetry::{AgentFacts, Board, WhenFull, queue_gauge, service_manager};

/// Batches under way from ingest to detection; *wait* when full.
pub(super) const BATCHES: usize = 8;
/// Their bytes; *wait* when full.
pub(super) const BATCH_BYTES: u32 = 4 << 20;
/// Alerts under way to the alert stage; *drop newest* when full, with a GAP in the stream.
pub(super) const ALERTS: usize = 16 * 1024;
/// Requests under way to a runtime client; *keep and retry* when full.
pub(super) const REQUESTS: usize = 256;
/// Messages under way from runtime clients; *wait* when full.
pub(super) const MESSAGES: usize = 256;
/// Look-ups of resolvers under way, and their answers; *keep and retry* and *wait* when full.
pub(super) const RESOLVERS: usize = 64;
/// Rule sets under way to detection; *wait* when full.
const NEW_RULES: usize = 1;
/// Longest wait of anything that depends on time passing: a fifth of the identity grace.
const TICK: Duration = Duration::from_millis(50);
/// How often accounts are taken and losses reported.
const SETTLE: Duration = Duration::from_secs(1);

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
    let (new_rules, rule_queue) = mpsc::channel(NEW_RULES);
    let (requests, request_queue) = mpsc::channel(REQUESTS);
    let (messages, message_queue) = mpsc::channel(MESSAGES);
    let (resolver_requests, resolver_queue) = mpsc::channel(RESOLVERS);
    let (resolver_messages, resolvers) = mpsc::channel(RESOLVERS);
    let (batches, batch_queue) = ingest::queue(BATCHES, BATCH_BYTES);

    let mut probe = Probe::load(&probe_options(config))?;
    probe.capture_environment(loaded.set.reads_environment())?;
    let meters = probe.ring_meters()?;
    let rings = probe.take_rings()?;
    let counters = probe.take_counters()?;
    // Before the hooks: what brings it to its cgroup is nobody's event.
    let mut canary = start_canary(&config.canary, &probe);
    let (topics, hooks) = probe.attach()?;
    let integrity = probe.integrity(&hooks)?;
    let seen = start::seen_event_types(&topics);
    let rules = Rules::new(loaded, 1, seen);
    rules.log_warnings();
    alerts.rules_in_force(rules.in_force.id());
    let watch = watch_canary(&mut canary, &topics, config.canary.interval);
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
    facts.hooks = hook_status(&topics);
    facts.blind_spots = probe.blind_spots(&topics);
    facts.blind_spots.extend(start::unproven(&watch));
    facts.scope_cgroup.clone_from(&probe.scope().path);
    let board = Board::new(facts);
    let services = Services::new(
        spool.clone(),
        &alerts,
        board.clone(),
        queries,
        reloads,
        &config.stream,
    );
    let watching = Watching::new(hooks);
    let unwatched = watching.unwatched();
    let scope = (probe.scope().mount.clone(), probe.scope().path.clone());
    let (conclude, concluding) = oneshot::channel();
    let inputs = Inputs {
        concluding,
        scope: scope.clone(),
        batches: batch_queue,
        messages: message_queue,
        resolvers,
        scans: messages.clone(),
        questions,
        rules: rule_queue,
        unwatched: Arc::clone(&unwatched),
        recording: None,
    };
    let mut gauges = Vec::from(batches.gauges());
    gauges.push(queue_gauge("messages", &messages, WhenFull::Wait));
    gauges.push(queue_gauge("resolvers", &resolver_messages, WhenFull::Wait));
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
    let lookups = dns::run_lookups(scope.0.clone(), resolver_queue, resolver_messages);
    let parts = Parts {
        sensor: Some(Sensor {
            probe,
            counters,
            rings: meters,
        }),
        tape: None,
        rules,
        pending: limits(config),
        containers: table_settings(config),
        alerts,
        board,
        requests,
        resolver_requests,
        gauges,
        started,
        guard: Guard::new(watch, Some(integrity)),
    };
    let detector = bootstrap(parts, Reading::now(), &scope)?;
    // What can fail comes before the stages, which from then on are stopped in order.
    let outputs = outputs::open(config, &services).await?;
    // Before the services answer: whoever sees them do so may stop the agent.
    let stop = StopSignals::new()?;
    let printed = printed(&services, &config.outputs.stdout)?;
    if config.sandbox.enabled {
        sandbox::drop_capabilities_of_the_start()?;
        sandbox::filter_calls()?;
    }
    let (drain, draining) = oneshot::channel();
    let stages = Stages::spawn(tasks::Parts {
        hooks: watching,
        drain,
        conclude,
        ingest: ingest::run(rings, batches, draining),
        detector: inputs.run(detector, Some(Arc::clone(&pulse))),
        alerts: stage.run(),
        helpers: both(
            both(
                docker_task(config.docker.clone(), request_queue, messages),
                lookups,
            ),
            reloader.run(),
        ),
    });
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

pub(super) fn limits(config: &Config) -> Limits {
    Limits {
        grace_ns: nanos(config.identity.grace),
        decide_within_ns: nanos(config.identity.decide_within),
        max: config.identity.pending_max,
    }
}

fn nanos(duration: Duration) -> u64 {
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

/// The state of the node as it is when the hooks are attached: containers, then processes.
pub(super) fn bootstrap(
    parts: Parts,
    now: Reading,
    scope: &(PathBuf, String),
) -> Result<Detector, RunError> {
    let mut detector = Detector::new(parts, now);
    let scan = start::scan(&scope.0, &scope.1).map_err(io("cannot list the cgroups"))?;
    detector.container_message(scan);
    detector.find_processes(usize::MAX)?;
    Ok(detector)
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

/// Runs two tasks as one.
pub(super) async fn both(one: impl Future<Output = ()>, other: impl Future<Output = ()>) {
    tokio::join!(one, other);
}

pub(super) async fn docker_task(
    config: config::Docker,
    requests: mpsc::Receiver<ContainerRequest>,
    messages: mpsc::Sender<ContainerMessage>,
) {
    if config.enabled {
        docker::run(DockerSettings::new(&config.socket), requests, messages).await;
    }
}

/// The hooks while they are attached.
pub(super) struct Watching {
    hooks: Hooks,
    /// Told when they begin to be detached: from then on nobody watches.
    unwatched: Arc<OnceLock<Moment>>,
}

impl Watching {
    pub(super) fn new(hooks: Hooks) -> Self {
        Self {
            hooks,
            unwatched: Arc::new(OnceLock::new()),
        }
    }

    /// When nobody watched any more; set at the end.
    pub(super) fn unwatched(&self) -> Arc<OnceLock<Moment>> {
        Arc::clone(&self.unwatched)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        // Set once, here.
        let _ = self.unwatched.set(Moment::now());
        self.hooks.detach();
    }
}

/// Everything that reaches the detection task.
pub(super) struct Inputs {
    /// Tells when to come to an end.
    pub(super) concluding: oneshot::Receiver<LastCall>,
    /// Mount point of the cgroup hierarchy and path of the scope, for scans.
    pub(super) scope: (PathBuf, String),
    pub(super) batches: mpsc::Receiver<Batch>,
    pub(super) messages: mpsc::Receiver<ContainerMessage>,
    pub(super) resolvers: mpsc::Receiver<ResolverMessage>,
    pub(super) scans: mpsc::Sender<ContainerMessage>,
    pub(super) questions: mpsc::Receiver<Query>,
    pub(super) rules: mpsc::Receiver<NewRules>,
    /// Since when the hooks are detached.
    pub(super) unwatched: Arc<OnceLock<Moment>>,
    /// Where the inputs go as well.
    pub(super) recording: Option<Recording>,
}

impl Inputs {
    /// The detection task: takes inputs until ingest has ended or its own time is over. The first
    /// sign of life comes when the GAP since the last one is in the stream.
    pub(super) async fn run(mut self, mut detector: Detector, pulse: Option<Arc<Pulse>>) {
        let mut ticked = Instant::now();
        let mut settled = ticked;
        let mut last_call = None;
        loop {
            if last_call.is_none() {
                last_call = self.concluding.try_recv().ok();
            }
            let take = last_call.map(|last: LastCall| last.take);
            if is_over(take) {
                break;
            }
            // Time matters to what waits; an idle agent need not wake up for it. What will wait in a
            // replay depends on its rules.
            let pause = if detector.is_waiting() || self.recording.is_some() {
                TICK
            } else {
                SETTLE
            };
            tokio::select! {
                batch = self.batches.recv() => match batch {
                    Some(batch) => detector.batch(&batch, take),
                    None => break,
                },
                Some(message) = self.messages.recv() => detector.container_message(message),
                Some(message) = self.resolvers.recv() => detector.resolvers(message),
                Some(question) = self.questions.recv() => detector.answer(question),
                Some(new) = self.rules.recv() => {
                    detector.take_over(new.rules);
                    // Who reloads may have ended meanwhile.
                    let _ = new.taken.send(());
                }
                () = sleep_until(ticked + pause) => {}
            }
            let now = Instant::now();
            if now >= ticked + pause {
                ticked = now;
                detector.tick(Reading::now());
                if detector.scan_wanted() {
                    self.scan();
                }
            }
            if now >= settled + SETTLE {
                settled = now;
                detector.settle();
                if let (Some(pulse), None) = (&pulse, self.unwatched.get()) {
                    pulse.beat();
                }
                service_manager::alive();
            }
            if !self.record(&mut detector, false).await {
                break;
            }
        }
        let last_call = last_call.or_else(|| self.concluding.try_recv().ok());
        // What has become known by now may still decide what waits.
        while let Ok(message) = self.messages.try_recv() {
            detector.container_message(message);
        }
        while let Ok(message) = self.resolvers.try_recv() {
            detector.resolvers(message);
        }
        let tell = last_call.unwrap_or_else(LastCall::unasked).tell;
        detector.finish(tell).await;
        self.record(&mut detector, true).await;
    }

    /// Passes on what was taken in to the capture, if there is one. False when it cannot be
    /// written any more.
    async fn record(&mut self, detector: &mut Detector, last: bool) -> bool {
        let Some(recording) = &mut self.recording else {
            return true;
        };
        if !last && recording.is_part_full(boot_ns()) {
            recording.begin_part(detector, &self.scope);
        }
        recording.pass_on(detector, last).await
    }

    /// Lists the cgroups off the data path.
    fn scan(&self) {
        let (mount, path) = self.scope.clone();
        let scans = self.scans.clone();
        tokio::task::spawn_blocking(move || match start::scan(&mount, &path) {
            // The detection task has ended when nobody receives.
            Ok(message) => drop(scans.blocking_send(message)),
            Err(error) => tracing::warn!(message = "Cannot list the cgroups.", %error),
        });
    }
}

/// Whether that time has come; never, where there is none.
pub(super) fn is_over(until: Option<Instant>) -> bool {
    until.is_some_and(|until| Instant::now() >= until)
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
