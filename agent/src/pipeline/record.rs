//! A recording: the sensor and the detection task as in a running agent, with what the task takes
//! in written to a capture. There is no stream, no spool on disk and no canary.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep};

use super::clock::Reading;
use super::data_path::{self, ALERTS, DataPath, limits, table_settings};
use super::detector::{Detector, Job};
use super::rules::{RuleLoader, Rules};
use super::run::{RunError, StopSignals, io as failed, printed_on};
use super::sensor::Attached;
use super::start::{self, hook_status};
use super::tasks::Sinks;
use crate::alert::{self, Spool};
use crate::capture::{CaptureLimits, CaptureWriter, CreateError, encode_runtime};
use crate::config::{Config, RecordFormat};
use crate::detect::{self, EventTypes, LoadOptions, Loaded};
use crate::enrich::container::ContainerMessage;
use crate::probe::AttachedTopic;
use crate::proto::capture::{Header, Settings};
use crate::sandbox;
use crate::telemetry::{AgentFacts, Board, boot_id};

/// Jobs under way to the writer; *wait* when full. Then the batches wait, and the rings fill up.
const JOBS: usize = 16;
/// Longest time that an input stays in memory: what a kill of the recorder may cost.
const FLUSH: Duration = Duration::from_millis(500);

/// What to record, and for how long.
#[derive(Clone, Debug)]
pub struct RecordSettings {
    /// The first file.
    pub file: PathBuf,
    /// When a file is full, and how many are kept.
    pub limits: CaptureLimits,
    /// Ends the recording after that time.
    pub duration: Option<Duration>,
    /// Print the alerts of the configured rules meanwhile, in that form.
    pub alerts: Option<RecordFormat>,
}

/// Why a recording ended early, or did not begin.
#[derive(Debug, Error)]
pub enum RecordError {
    /// The file cannot be made.
    #[error(transparent)]
    Create(#[from] CreateError),
    /// The capture cannot be written.
    #[error("{}: {source}{}", path.display(), hint(source))]
    Write {
        /// The file.
        path: PathBuf,
        /// The answer.
        source: io::Error,
    },
    /// The sensor or a task.
    #[error(transparent)]
    Run(#[from] RunError),
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; what was recorded so far can be replayed; --part-bytes and --keep bound a capture"
        }
        _ => "; what was recorded so far can be replayed",
    }
}

/// How far a recording has come. Shared with whoever shows it.
#[derive(Debug, Default)]
pub struct RecordProgress {
    bytes: AtomicU64,
    part_bytes: AtomicU64,
    part: AtomicU64,
    seen: AtomicU64,
    lost: AtomicU64,
}

/// A moment of a recording.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordState {
    /// Bytes written.
    pub bytes: u64,
    /// Number of the present file.
    pub part: u64,
    /// Events that the kernel programs saw.
    pub seen: u64,
    /// Those of them that were lost.
    pub lost: u64,
}

impl RecordProgress {
    /// As it is now.
    pub fn state(&self) -> RecordState {
        let read = |value: &AtomicU64| value.load(Ordering::Relaxed);
        RecordState {
            bytes: read(&self.bytes),
            part: read(&self.part),
            seen: read(&self.seen),
            lost: read(&self.lost),
        }
    }

    fn wrote(&self, writer: &CaptureWriter) {
        self.bytes.store(writer.total_bytes(), Ordering::Relaxed);
        self.part_bytes
            .store(writer.part_bytes(), Ordering::Relaxed);
        self.part.store(writer.part().into(), Ordering::Relaxed);
    }

    pub(super) fn account(&self, seen: u64, lost: u64) {
        self.seen.store(seen, Ordering::Relaxed);
        self.lost.store(lost, Ordering::Relaxed);
    }
}

/// Records until a stop, the end of the time or a failure. What was written can be replayed in any
/// case.
///
/// # Errors
/// See [`RecordError`].
pub async fn record(
    config: &Config,
    settings: &RecordSettings,
    progress: Arc<RecordProgress>,
) -> Result<(), RecordError> {
    CaptureWriter::check(&settings.file)?;
    let facts = AgentFacts::of_this_node(SystemTime::now());
    let loaded = load(config, settings, &facts.node)?;
    let (sensor, ()) = Attached::new(config, false, |_| ())?;
    warn_of_missing(&sensor.topics);
    let begun = Reading::now();
    let header = header(config, &facts, &sensor.probe.scope().path, begun);
    let writer = CaptureWriter::create(&settings.file, header, settings.limits.keep)?;
    let (jobs, writing, failed) = spawn_writer(writer, Arc::clone(&progress)).await;
    let recording = Recording {
        jobs,
        limits: settings.limits,
        progress,
        flushed: Instant::now(),
        part_begun_ns: begun.boot_ns,
        part: 1,
    };
    let duration = settings.duration;
    let ended = async {
        tokio::select! {
            () = over(duration) => {}
            // What went wrong is told when everything has ended.
            _ = failed => {}
        }
    };
    let node = Node {
        facts,
        begun,
        rules: rules(loaded, start::seen_event_types(&sensor.topics)),
    };
    let outcome = follow(config, settings, node, sensor, recording, ended).await;
    // The first failure is the cause of those that follow.
    let written = writing.await.unwrap_or_else(|error| {
        Err(RecordError::Write {
            path: settings.file.clone(),
            source: io::Error::other(error),
        })
    });
    written.and(outcome.map_err(RecordError::from))
}

fn warn_of_missing(topics: &[AttachedTopic]) {
    for hook in hook_status(topics) {
        for missing in &hook.missing {
            tracing::warn!(
                message = "The recording lacks something.",
                topic = hook.topic,
                not_seen = missing.not_seen,
                why = missing.why
            );
        }
    }
}

/// What a recording begins with.
struct Node {
    facts: AgentFacts,
    begun: Reading,
    rules: Rules,
}

/// Runs the stages from the rings to the tape, and to standard output if alerts are wanted, until
/// a signal or until `ended`.
async fn follow(
    config: &Config,
    settings: &RecordSettings,
    node: Node,
    sensor: Attached,
    recording: Recording,
    ended: impl Future<Output = ()>,
) -> Result<(), RunError> {
    let writer = Spool::in_memory(config.stream.spool, "a recording has no spool")
        .map_err(failed("no random numbers"))?;
    let spool = Arc::clone(writer.spool());
    let (alerts, stage) = alert::channel(writer, ALERTS);
    let path = DataPath::new(
        config,
        data_path::Parts {
            sensor,
            watch: Err("a recording has none".to_owned()),
            rules: node.rules,
            alerts,
            stage,
            board: Board::new(node.facts.clone()),
            started: node.begun.wall,
            begun: node.begun,
            // Nobody asks, and the rules stay.
            questions: mpsc::channel(1).1,
            new_rules: mpsc::channel(1).1,
            recording: Some(recording),
            baselines: None,
        },
    )?;
    let stop = StopSignals::new()?;
    let printed = match settings.alerts {
        Some(format) => Some(printed_on(spool, format, node.facts.node)?),
        None => None,
    };
    if config.sandbox.enabled {
        sandbox::drop_capabilities_of_the_start()?;
        sandbox::filter_calls()?;
    }
    let stages = path.start(config, None, std::future::ready(()));
    tracing::info!(
        message = "Recording.",
        file = %settings.file.display(),
        scope = config.scope.cgroup.as_ref().map(|path| path.display().to_string()),
    );
    let stop = async {
        tokio::select! {
            stopped = stop.received() => stopped,
            () = ended => Ok(()),
        }
    };
    stages.until_stopped(Sinks::printing(printed), stop).await
}

/// The configured rules where their alerts are wanted; otherwise none.
fn load(config: &Config, settings: &RecordSettings, node: &str) -> Result<Loaded, RunError> {
    if settings.alerts.is_some() {
        return start::load_rules(&RuleLoader::new(&config.rules, node));
    }
    Ok(detect::load(&[], &LoadOptions::default()))
}

fn rules(loaded: Loaded, seen: EventTypes) -> Rules {
    let rules = Rules::new(loaded, 1, seen);
    rules.log_warnings();
    rules
}

fn header(config: &Config, facts: &AgentFacts, scope: &str, begun: Reading) -> Header {
    let limits = limits(config);
    Header {
        agent_version: facts.version.to_owned(),
        abi_version: gravlens_common::ABI_VERSION.into(),
        big_endian: cfg!(target_endian = "big"),
        kernel: facts.kernel.release.clone(),
        machine: facts.kernel.machine.clone(),
        boot_id: boot_id(),
        node: facts.node.clone(),
        scope: scope.to_owned(),
        begun: Some(crate::capture::encode_reading(begun.boot_ns, begun.wall)),
        settings: Some(Settings {
            grace_ns: limits.grace_ns,
            decide_within_ns: limits.decide_within_ns,
            pending_max: limits.max as u64,
            runtimes: table_settings(config)
                .runtimes
                .into_iter()
                .map(|runtime| encode_runtime(runtime).into())
                .collect(),
        }),
        ..Header::default()
    }
}

async fn over(duration: Option<Duration>) {
    match duration {
        Some(duration) => sleep(duration).await,
        None => std::future::pending().await,
    }
}

type Writing = JoinHandle<Result<(), RecordError>>;

/// The writer, off the tasks' threads, on one that has begun: it gives up its capabilities as it
/// begins, which the filter of calls refuses later. The third value comes when it cannot go on.
async fn spawn_writer(
    writer: CaptureWriter,
    progress: Arc<RecordProgress>,
) -> (mpsc::Sender<Job>, Writing, oneshot::Receiver<()>) {
    let (jobs, mut queue) = mpsc::channel(JOBS);
    let (fail, failed) = oneshot::channel();
    let (begin, begun) = oneshot::channel();
    progress.wrote(&writer);
    let writing = spawn_blocking(move || {
        // Whoever waits for it is there.
        let _ = begin.send(());
        let result = write(writer, &mut queue, &progress);
        // Without a failure the stages have ended, and nobody waits.
        let _ = fail.send(());
        // The stages come to their end in order, also when nobody can write what they send.
        while queue.blocking_recv().is_some() {}
        result
    });
    // A thread that cannot begin ends the recording below.
    let _ = begun.await;
    (jobs, writing, failed)
}

fn write(
    mut writer: CaptureWriter,
    queue: &mut mpsc::Receiver<Job>,
    progress: &RecordProgress,
) -> Result<(), RecordError> {
    let mut done = || -> io::Result<()> {
        while let Some(job) = queue.blocking_recv() {
            match job {
                Job::Block(kind, contents) => writer.append(kind, &contents)?,
                Job::Part(begun) => writer.next_part(begun)?,
            }
            progress.wrote(&writer);
        }
        writer.finish()
    };
    let result = done();
    progress.wrote(&writer);
    result.map_err(|source| RecordError::Write {
        path: writer.path(),
        source,
    })
}

/// The way from the detection task to the writer.
pub(super) struct Recording {
    jobs: mpsc::Sender<Job>,
    limits: CaptureLimits,
    progress: Arc<RecordProgress>,
    flushed: Instant,
    /// When the present file began.
    part_begun_ns: u64,
    /// The file that was begun last.
    part: u64,
}

impl Recording {
    /// Passes on what the task took in, after each input. False when the writer has ended.
    pub(super) async fn pass_on(&mut self, detector: &mut Detector, last: bool) -> bool {
        let all = last || self.flushed.elapsed() >= FLUSH;
        if all {
            self.flushed = Instant::now();
            let (seen, lost) = detector.account();
            self.progress.account(seen, lost);
        }
        for job in detector.take_tape(all) {
            if self.jobs.send(job).await.is_err() {
                return false;
            }
        }
        true
    }

    /// Whether a new file should begin. The writer has begun the one that was asked for last.
    pub(super) fn is_part_full(&self, now_ns: u64) -> bool {
        let part_bytes = self.progress.part_bytes.load(Ordering::Relaxed);
        let begun = self.progress.part.load(Ordering::Relaxed) >= self.part;
        let age_ns = now_ns.saturating_sub(self.part_begun_ns);
        begun && (part_bytes >= self.limits.part_bytes || age_ns >= self.limits.part_age_ns)
    }

    /// Begins a new file.
    pub(super) fn begin_part(&mut self, detector: &mut Detector, scope: &(PathBuf, String)) {
        let now = Reading::now();
        self.part += 1;
        self.part_begun_ns = now.boot_ns;
        let scan: Option<ContainerMessage> = start::scan(&scope.0, &scope.1)
            .inspect_err(|error| {
                tracing::warn!(message = "A file of the capture begins without cgroups.", %error);
            })
            .ok();
        if let Err(error) = detector.begin_part(now, scan) {
            tracing::warn!(message = "A file of the capture begins without processes.", %error);
        }
    }
}
