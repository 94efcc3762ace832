//! The detection task: owns process table, container table, rules in force and what waits.

mod answers;
mod baselines;
mod dns;
mod guard;
mod known;
mod learning;
mod records;
mod repair;
mod tape;

pub(super) use guard::Guard;
pub(super) use known::Known;
pub(super) use tape::{Job, Tape};

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::approvers;
use super::baselines::Changed;
use super::clock::{Reading, WallClock};
use super::ledger::Ledger;
use super::pending::{Awaited, Limits};
use super::rules::Rules;
use super::rulings::{Bench, Rulings};
use crate::alert::{AlertSender, LossWatch};
use crate::baseline::Learner;
use crate::detect::RuleSet;
use crate::enrich::container::{ContainerMessage, ContainerRequest, ContainerTable, TableSettings};
use crate::enrich::dns::{DnsTable, ResolverRequest};
use crate::enrich::process_table::ProcessTable;
use crate::model::{Event, Identity};
use crate::probe::{CounterReader, Probe, ProbeError, RingMeter};
use crate::telemetry::{Board, Counter, Failure, Gauge, LossAccount, RulesSnapshot};

/// What the detector is made of.
pub(super) struct Parts {
    /// A replay has none.
    pub(super) sensor: Option<Sensor>,
    /// Where inputs are to be written too.
    pub(super) tape: Option<Tape>,
    pub(super) rules: Rules,
    pub(super) pending: Limits,
    pub(super) containers: TableSettings,
    pub(super) alerts: AlertSender,
    pub(super) board: Board,
    pub(super) requests: mpsc::Sender<ContainerRequest>,
    pub(super) resolver_requests: mpsc::Sender<ResolverRequest>,
    pub(super) gauges: Vec<Gauge>,
    pub(super) started: SystemTime,
    pub(super) guard: Guard,
    /// Who learns what workloads do.
    pub(super) learner: Option<Learner>,
    /// What the learner finds new is raised as alerts. Else it stays with the learner, for whoever takes
    /// it from there.
    pub(super) tells_news: bool,
    /// Where what is learnt is kept.
    pub(super) kept: Option<mpsc::Sender<Changed>>,
}

/// The kernel's side.
pub(super) struct Sensor {
    pub(super) probe: Probe,
    pub(super) counters: CounterReader,
    pub(super) rings: Vec<RingMeter>,
    /// What the kernel is told it need not tell.
    pub(super) known: Option<Known>,
}

/// All detection state, and the only code that changes it.
pub(super) struct Detector {
    sensor: Option<Sensor>,
    tape: Option<Tape>,
    processes: ProcessTable,
    containers: ContainerTable,
    rulings: Rulings,
    rules_snapshot: Arc<RulesSnapshot>,
    ledger: Ledger,
    losses: LossWatch,
    alerts: AlertSender,
    board: Board,
    requests: mpsc::Sender<ContainerRequest>,
    dns: DnsTable,
    resolver_requests: mpsc::Sender<ResolverRequest>,
    /// Queues of other tasks.
    gauges: Vec<Gauge>,
    clock: WallClock,
    /// Newest time that an event or a tick brought.
    now_ns: u64,
    /// Events so far.
    number: u64,
    barriers: answers::Barriers,
    /// Every account, as it was taken last.
    accounts: Vec<LossAccount>,
    /// Lost records about cgroups, as of the last account.
    lost_changes: u64,
    /// Removed cgroups whose kernel counters are to be folded away, with the time of removal.
    removed: VecDeque<(u64, u64)>,
    repair: repair::Repair,
    guard: Guard,
    learner: Option<Learner>,
    tells_news: bool,
    kept: Option<mpsc::Sender<Changed>>,
    /// Events lost by cgroup, as of the last account.
    lost_events: HashMap<u64, u64>,
}

impl Detector {
    pub(super) fn new(parts: Parts, now: Reading) -> Self {
        let Rules {
            in_force, snapshot, ..
        } = parts.rules;
        let mut rulings = Rulings::new(in_force, parts.pending);
        if parts.learner.is_some() {
            rulings.watch_suspects();
        }
        Self {
            sensor: parts.sensor,
            tape: parts.tape,
            processes: ProcessTable::default(),
            containers: ContainerTable::new(parts.containers),
            rulings,
            rules_snapshot: snapshot,
            ledger: Ledger::default(),
            losses: LossWatch::new(parts.started),
            alerts: parts.alerts,
            board: parts.board,
            requests: parts.requests,
            dns: DnsTable::new(now.boot_ns),
            resolver_requests: parts.resolver_requests,
            gauges: parts.gauges,
            clock: WallClock::new(now),
            now_ns: now.boot_ns,
            number: 0,
            barriers: answers::Barriers::default(),
            accounts: Vec::new(),
            lost_changes: 0,
            removed: VecDeque::new(),
            repair: repair::Repair::default(),
            guard: parts.guard,
            learner: parts.learner,
            tells_news: parts.tells_news,
            kept: parts.kept,
            lost_events: HashMap::new(),
        }
    }

    /// A runtime client or a scan found something out.
    pub(super) fn container_message(&mut self, message: ContainerMessage) {
        let message = match &mut self.tape {
            Some(tape) => tape.message(message),
            None => message,
        };
        let changed = self.containers.apply(message);
        self.ask_runtimes();
        self.cgroups_settled();
        if changed.is_empty() {
            return;
        }
        let ids: Vec<&str> = changed
            .iter()
            .map(|container| container.id.as_str())
            .collect();
        self.reconsider(&Awaited::Containers(&ids));
        for container in &changed {
            if container.identity != Identity::Pending {
                self.alerts.identified(Arc::clone(container));
            }
            self.learn_identity(container);
        }
    }

    /// Decides anew about what waited for unknown cgroups of which more is known now.
    fn cgroups_settled(&mut self) {
        let settled = self.containers.take_settled();
        if settled.is_empty() {
            return;
        }
        self.reconsider(&Awaited::Cgroups(&settled));
        for cgroup_id in settled {
            let view = self.containers.view(cgroup_id);
            self.alerts.located(cgroup_id, view);
        }
    }

    /// Whether cgroups should be scanned because an unknown one was met.
    pub(super) fn scan_wanted(&mut self) -> bool {
        self.containers.take_scan_request()
    }

    /// Pairs of an event and a rule that wait for metadata.
    pub(super) fn waiting(&self) -> usize {
        self.rulings.waiting()
    }

    /// Something waits for time to pass.
    pub(super) fn is_waiting(&self) -> bool {
        self.rulings.are_waiting() || self.barriers.are_asked() || self.containers.is_scan_due()
    }

    /// Time passed.
    pub(super) fn tick(&mut self, now: Reading) {
        if let Some(tape) = &mut self.tape {
            tape.tick(now);
        }
        self.now_ns = self.now_ns.max(now.boot_ns);
        self.clock = WallClock::new(now);
        self.processes.tick(self.now_ns);
        self.containers.tick(self.now_ns);
        self.dns_tick();
        self.repair_processes();
        self.ask_runtimes();
        let (rulings, mut bench) = self.bench();
        rulings.tick(&mut bench);
        self.learn_time();
    }

    /// Judges every later event by another rule set. What waits stays with the one that saw it.
    pub(super) fn take_over(&mut self, rules: Rules) {
        let Rules {
            in_force,
            snapshot,
            approvers,
            ..
        } = rules;
        self.forget_known();
        self.capture_what_is_read(&in_force.set);
        let mut kept = Vec::new();
        if let Some(sensor) = &mut self.sensor {
            approvers::widen(&mut sensor.probe, &approvers);
            kept = approvers::summary(&sensor.probe, &approvers);
        }
        // Whoever is told of an alert of the new set finds it on the board.
        self.board.change_facts(|facts| {
            facts.rules.clone_from(&snapshot.facts);
            facts.approvers = kept;
        });
        self.alerts.rules_in_force(in_force.id());
        self.rules_snapshot = snapshot;
        let (rulings, mut bench) = self.bench();
        rulings.take_over(in_force, &mut bench);
        if let Some(sensor) = &mut self.sensor {
            approvers::exchange(&mut sensor.probe, &approvers);
        }
    }

    /// Has the sensor capture what the rules of a set read, and nothing else that can be secret.
    fn capture_what_is_read(&mut self, set: &RuleSet) {
        let Some(sensor) = &mut self.sensor else {
            return;
        };
        if let Err(error) = sensor.probe.capture_environment(set.reads_environment()) {
            NotCaptured { why: &error }.emit();
        }
    }

    /// Nothing comes any more: the last account, then whatever waits leaves as it is. The account
    /// first, so that what waits does not take its room. Behind the deadline nothing waits for
    /// room any more, and what finds none is counted.
    pub(super) async fn finish(&mut self, until: Instant) {
        self.settle_finally(until).await;
        for waiting in self.rulings.take_all() {
            self.alerts.room(until).await;
            let (rulings, mut bench) = self.bench();
            rulings.release(waiting, &mut bench);
        }
        self.finish_learning(until).await;
        self.keep_baselines_finally(until).await;
    }

    /// Nothing comes any more of what is replayed: what waits leaves as it is.
    pub(super) fn conclude(&mut self) {
        let (rulings, mut bench) = self.bench();
        rulings.release_all(&mut bench);
        self.conclude_learning();
    }

    /// Wall-clock time of the newest event or tick.
    pub(super) fn time(&self) -> SystemTime {
        self.clock.time(self.now_ns)
    }

    fn ask_runtimes(&mut self) {
        let requests = &self.requests;
        self.containers
            .offer_requests(|request| requests.try_send(request).is_ok());
    }

    /// Judges an event by the rules in force.
    fn detect(&mut self, event: &Event<'_>, cgroup_id: u64) {
        let (rulings, mut bench) = self.bench();
        rulings.judge(event, cgroup_id, &mut bench);
        self.learn(event);
        self.know(event, cgroup_id);
    }

    /// More is known about the containers of these pairs.
    fn reconsider(&mut self, awaited: &Awaited<'_>) {
        let (rulings, mut bench) = self.bench();
        rulings.reconsider(awaited, &mut bench);
    }

    fn bench(&mut self) -> (&mut Rulings, Bench<'_>) {
        let bench = Bench {
            containers: &mut self.containers,
            dns: &mut self.dns,
            alerts: &self.alerts,
            now_ns: self.now_ns,
        };
        (&mut self.rulings, bench)
    }
}

/// The sensor cannot be told what rules read.
struct NotCaptured<'a> {
    why: &'a ProbeError,
}

impl Failure for NotCaptured<'_> {
    fn counter(&self) -> &'static Counter {
        static COUNTER: Counter = Counter::new("environment_not_switched");
        &COUNTER
    }

    fn log(&self, total: u64) {
        tracing::error!(
            message = "The sensor was not told whether rules read environments.",
            why = %self.why,
            total
        );
    }
}
