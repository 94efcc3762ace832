//! The detection task over a capture: no sensor, no tasks, no clock.
//!
//! What the live task took in is taken in once more, in the same order and with the times of then,
//! so the same capture and rules give the same records, to the byte.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use gravlens_common::ExecKey;
use tokio::sync::mpsc;

use super::clock::Reading;
use super::data_path::{REQUESTS, RESOLVERS};
use super::detector::{Detector, Guard, Parts};
use super::pending::Limits;
use super::rules::Rules;
use crate::alert::{self, AlertStage, Filter, Spool, SpoolLimits, Start, Step, Subscription};
use crate::baseline::Learner;
use crate::capture::{Fault, Input, decode_reading, decode_runtime};
use crate::detect::RuleSet;
use crate::enrich::container::{
    ContainerMessage, ContainerRequest, MAX_CGROUPS, ScannedCgroup, TableSettings,
};
use crate::enrich::dns::{Owner, ResolverMessage, ResolverRequest};
use crate::proto;
use crate::proto::capture::Header;
use crate::telemetry::{AgentFacts, Board};

/// Pairs that may wait, whatever a header says: ten times the default.
const MAX_PENDING: u64 = 100_000;
/// Room for the alerts of one input: everything that waits and every rule.
const ALERTS: usize = 2 * MAX_PENDING as usize;
/// Processes that an iteration may find, as many as there are pids.
const MAX_PROCESSES: usize = 4 << 20;
/// Owners whose resolvers are told as a file begins.
const MAX_OWNERS: usize = 65_536;

/// What is stored at a time has room in it, whatever the alerts are like.
const SPOOL: SpoolLimits = SpoolLimits {
    bytes: 256 << 20,
    records: 4_096,
    age: None,
    memory_bytes: 256 << 20,
};

/// A replay.
pub struct Replay {
    detector: Detector,
    stage: AlertStage,
    records: Subscription,
    /// Records are stored that were not taken yet.
    stored: bool,
    /// Nobody is asked anything: the answers are in the capture.
    requests: mpsc::Receiver<ContainerRequest>,
    resolver_requests: mpsc::Receiver<ResolverRequest>,
    /// What was known of resolvers as the first file begins.
    resolvers: HashMap<Owner, ResolverMessage>,
    /// Of a walk that has not ended.
    cgroups: Vec<ScannedCgroup>,
    /// Of an iteration that has not ended.
    running: HashSet<ExecKey>,
    seen: u64,
    lost: u64,
}

impl Replay {
    /// Begins the replay of the capture with that header.
    ///
    /// # Errors
    /// The header says something that no recorder says.
    pub fn new(header: &Header, rules: Arc<RuleSet>) -> Result<Self, Fault> {
        Self::with(header, rules, None, false)
    }

    /// Begins a replay that tells what the workloads do that is new, among the alerts of the rules.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn telling(header: &Header, rules: Arc<RuleSet>, learner: Learner) -> Result<Self, Fault> {
        Self::with(header, rules, Some(learner), true)
    }

    /// Begins a replay from which something learns what the workloads do. What is new stays with the
    /// learner.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn learning(header: &Header, rules: Arc<RuleSet>, learner: Learner) -> Result<Self, Fault> {
        Self::with(header, rules, Some(learner), false)
    }

    /// Who learns, if anybody does.
    pub fn learner(&mut self) -> Option<&mut Learner> {
        self.detector.learner()
    }

    /// Ends the replay and gives back who learnt from it.
    pub fn into_learner(self) -> Option<Learner> {
        self.detector.into_learner()
    }

    fn with(
        header: &Header,
        rules: Arc<RuleSet>,
        learner: Option<Learner>,
        tells_news: bool,
    ) -> Result<Self, Fault> {
        let begun = decode_reading(header.begun.unwrap_or_default())?;
        let begun = Reading {
            boot_ns: begun.0,
            wall: begun.1,
        };
        let settings = header.settings.clone().unwrap_or_default();
        let runtimes = settings
            .runtimes
            .iter()
            .map(|number| decode_runtime(*number));
        let containers = TableSettings {
            runtimes: runtimes.collect::<Result<_, _>>()?,
            ..TableSettings::default()
        };
        // The id of the capture, so that every replay gives the alerts the same ids.
        let writer = Spool::with_epoch(header.capture_id, SPOOL);
        let spool = Arc::clone(writer.spool());
        let records = Subscription::new(spool, Start::Oldest, Filter::default())
            .expect("an empty spool can be read from its begin");
        let (alerts, stage) = alert::channel(writer, ALERTS);
        let (request, requests) = mpsc::channel(REQUESTS);
        let (resolver_request, resolver_requests) = mpsc::channel(RESOLVERS);
        let detector = Detector::new(
            Parts {
                sensor: None,
                tape: None,
                rules: Rules::undescribed(rules),
                pending: Limits {
                    grace_ns: settings.grace_ns,
                    decide_within_ns: settings.decide_within_ns,
                    max: settings.pending_max.min(MAX_PENDING) as usize,
                },
                containers,
                alerts,
                board: Board::new(AgentFacts::of_this_node(begun.wall)),
                requests: request,
                resolver_requests: resolver_request,
                gauges: Vec::new(),
                started: begun.wall,
                guard: Guard::new(Err("a replay has none".to_owned()), None),
                learner,
                tells_news,
                kept: None,
            },
            begun,
        );
        Ok(Self {
            detector,
            stage,
            records,
            stored: false,
            requests,
            resolver_requests,
            resolvers: HashMap::new(),
            cgroups: Vec::new(),
            running: HashSet::new(),
            seen: 0,
            lost: 0,
        })
    }

    /// Takes an input. The records that it makes are to be taken before the next: they bear the time
    /// at which they are.
    ///
    /// # Errors
    /// It is none that a recorder writes here.
    pub fn apply(&mut self, input: Input) -> Result<(), Fault> {
        match input {
            Input::Record(bytes) => self.detector.bytes(&bytes),
            Input::Tick { boot_ns, wall } => self.detector.tick(Reading { boot_ns, wall }),
            Input::Message(message) => self.detector.container_message(message),
            Input::ScannedCgroup(cgroup) => {
                self.cgroups.push(cgroup);
                limited("cgroups", self.cgroups.len(), MAX_CGROUPS)?;
            }
            Input::Scan {
                started_boot_ns,
                ended_boot_ns,
                complete,
            } => self.detector.container_message(ContainerMessage::Scan {
                started_boot_ns,
                ended_boot_ns,
                cgroups: std::mem::take(&mut self.cgroups),
                complete,
            }),
            Input::FoundProcess(record, details) => self.detector.found(&record, &details),
            Input::Running(keys) => {
                self.running.extend(keys.into_iter().map(ExecKey));
                limited("processes", self.running.len(), MAX_PROCESSES)?;
            }
            Input::Iteration(started_ns) => {
                let running = std::mem::take(&mut self.running);
                self.detector.iterated(started_ns, &running);
            }
            Input::Resolvers(message) => self.detector.resolvers(message),
            Input::KnownResolvers(message) => {
                self.resolvers.insert(message.owner, message);
                limited("owners of resolvers", self.resolvers.len(), MAX_OWNERS)?;
            }
            Input::Account { seen, lost } => {
                if lost > self.lost
                    && let Some(learner) = self.detector.learner()
                {
                    learner.lost();
                }
                (self.seen, self.lost) = (seen, lost);
            }
        }
        self.answer();
        Ok(())
    }

    /// Takes a record, and leaves what is asked because of it: [`Self::settle`] is for that. What a
    /// record costs can be measured so.
    pub fn record(&mut self, bytes: &[u8]) {
        self.detector.bytes(bytes);
    }

    /// Answers what was asked because of the last records.
    pub fn settle(&mut self) {
        self.answer();
    }

    /// Number of events and rules that wait for metadata.
    pub fn waiting(&self) -> usize {
        self.detector.waiting()
    }

    /// The capture has no more inputs: what waits leaves as it is.
    pub fn finish(&mut self) {
        self.detector.conclude();
    }

    /// The next record, as the stream would have it; `None` when the next input is to be taken.
    pub fn next_record(&mut self) -> Option<proto::Record> {
        loop {
            if !self.stored {
                self.stored = self.stage.store_replayed(self.detector.time());
                if !self.stored {
                    return None;
                }
            }
            match self.records.step() {
                Step::Record(record) => {
                    let record = record.decode();
                    return Some(record.expect("what was just encoded can be decoded"));
                }
                Step::Filtered => {}
                Step::Behind | Step::Idle | Step::End => self.stored = false,
            }
        }
    }

    /// Events that the recorder saw, and those of them that it lost.
    pub fn account(&self) -> (u64, u64) {
        (self.seen, self.lost)
    }

    /// Answers what is asked with what was known as the first file began. Everything else was asked
    /// while recording.
    fn answer(&mut self) {
        while self.requests.try_recv().is_ok() {}
        while let Ok(request) = self.resolver_requests.try_recv() {
            if let Some(known) = self.resolvers.remove(&request.owner) {
                self.detector.resolvers(known);
            }
        }
    }
}

fn limited(what: &'static str, count: usize, max: usize) -> Result<(), Fault> {
    if count > max {
        return Err(Fault::Entry(format!("more than {max} {what}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
