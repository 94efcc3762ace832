//! The detection task: owns process table, container table, rules in force and what waits.

mod answers;
mod dns;
mod guard;
mod records;
mod repair;
mod tape;

pub(super) use guard::Guard;
pub(super) use tape::{Job, Tape};

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::clock::{Reading, WallClock};
use super::ledger::Ledger;
use super::pending::{Awaited, Limits, Pending, Verdict, Waiting};
use crate::alert::{Alert, AlertSender, LossWatch};
use crate::detect::{Correlated, Correlator, Outcome, RuleIndex, RuleSet, Truth};
use crate::enrich::container::{ContainerMessage, ContainerRequest, ContainerTable, TableSettings};
use crate::enrich::dns::{DnsTable, ResolverRequest, awaits_resolvers};
use crate::enrich::process_table::ProcessTable;
use crate::model::{Event, Identity, Priority};
use crate::probe::{CounterReader, Probe, RingMeter};
use crate::telemetry::{Board, Counter, Failure, Gauge, LossAccount, RulesSnapshot};

/// What the detector is made of.
pub(super) struct Parts {
    /// A replay has none.
    pub(super) sensor: Option<Sensor>,
    /// Where inputs are to be written too.
    pub(super) tape: Option<Tape>,
    pub(super) rules: Arc<RuleSet>,
    pub(super) rules_snapshot: RulesSnapshot,
    pub(super) pending: Limits,
    pub(super) containers: TableSettings,
    pub(super) alerts: AlertSender,
    pub(super) board: Board,
    pub(super) requests: mpsc::Sender<ContainerRequest>,
    pub(super) resolver_requests: mpsc::Sender<ResolverRequest>,
    pub(super) gauges: Vec<Gauge>,
    pub(super) started: SystemTime,
    pub(super) guard: Guard,
}

/// The kernel's side.
pub(super) struct Sensor {
    pub(super) probe: Probe,
    pub(super) counters: CounterReader,
    pub(super) rings: Vec<RingMeter>,
}

/// All detection state, and the only code that changes it.
pub(super) struct Detector {
    sensor: Option<Sensor>,
    tape: Option<Tape>,
    processes: ProcessTable,
    containers: ContainerTable,
    rules: Arc<RuleSet>,
    rules_snapshot: RulesSnapshot,
    outcome: Outcome,
    correlator: Correlator,
    pending: Pending,
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
}

impl Detector {
    pub(super) fn new(parts: Parts, now: Reading) -> Self {
        Self {
            sensor: parts.sensor,
            tape: parts.tape,
            processes: ProcessTable::default(),
            containers: ContainerTable::new(parts.containers),
            rules: parts.rules,
            rules_snapshot: parts.rules_snapshot,
            outcome: Outcome::default(),
            correlator: Correlator::default(),
            pending: Pending::new(parts.pending),
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
        self.pending.len()
    }

    /// Something waits for time to pass.
    pub(super) fn is_waiting(&self) -> bool {
        self.pending.len() > 0
            || self.correlator.is_waiting()
            || self.barriers.are_asked()
            || self.containers.is_scan_due()
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
        for waiting in self.pending.take_due(self.now_ns) {
            self.release(waiting);
        }
        let correlated = self.correlator.expire(&self.rules, self.now_ns);
        self.raise_correlated(correlated, false);
    }

    /// Nothing comes any more: the last account, then whatever waits leaves as it is. The account
    /// first, so that what waits does not take its room. Behind the deadline nothing waits for
    /// room any more, and what finds none is counted.
    pub(super) async fn finish(&mut self, until: Instant) {
        self.settle_finally(until).await;
        for waiting in self.pending.take_all() {
            self.alerts.room(until).await;
            self.release(waiting);
        }
    }

    /// Nothing comes any more of what is replayed: what waits leaves as it is.
    pub(super) fn conclude(&mut self) {
        for waiting in self.pending.take_all() {
            self.release(waiting);
        }
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

    /// Evaluates the rules on an event and raises, or keeps, what they find.
    fn detect(&mut self, event: &Event<'_>, cgroup_id: u64) {
        let mut outcome = std::mem::take(&mut self.outcome);
        self.rules.evaluate(event, &mut outcome);
        for rule in outcome.matched.drain(..) {
            if event.container.is_pending() && !self.is_urgent(rule) {
                self.wait(event, rule, true, cgroup_id);
            } else {
                self.raise(event.to_owned(), rule, false);
            }
        }
        for rule in outcome.undecided.drain(..) {
            if self.is_urgent(rule) || !is_awaited(event) {
                self.raise(event.to_owned(), rule, false);
            } else {
                self.wait(event, rule, false, cgroup_id);
            }
        }
        self.outcome = outcome;
    }

    /// CRITICAL never waits.
    fn is_urgent(&self, rule: RuleIndex) -> bool {
        let priority = self.rules.rule(rule).info.priority;
        priority.at_least(Priority::Critical)
    }

    fn wait(&mut self, event: &Event<'_>, rule: RuleIndex, definite: bool, cgroup_id: u64) {
        let waiting = Waiting {
            event: event.to_owned(),
            rule,
            definite,
            cgroup_id,
            since_ns: event.boot_ns,
        };
        if let Some(oldest) = self.pending.push(waiting) {
            self.release(oldest);
        }
    }

    /// More is known about the containers of these pairs.
    fn reconsider(&mut self, awaited: &Awaited<'_>) {
        let now_ns = self.now_ns;
        let Self {
            pending,
            containers,
            dns,
            rules,
            ..
        } = self;
        let leaving = pending.reconsider(awaited, |waiting| {
            waiting.event.container = containers.view(waiting.cgroup_id);
            dns.settle(&mut waiting.event, now_ns);
            match truth(rules, waiting) {
                Truth::True if waiting.definite && waiting.event.container.is_pending() => {
                    Verdict::Wait
                }
                Truth::True => Verdict::Raise,
                Truth::False => Verdict::Drop,
                Truth::Unknown if is_awaited(&waiting.event) => Verdict::Wait,
                Truth::Unknown => Verdict::Raise,
            }
        });
        for waiting in leaving {
            let late = self.pending.is_late(&waiting, self.now_ns);
            self.raise(waiting.event, waiting.rule, late);
        }
    }

    /// A pair has waited long enough: it leaves with what is known now.
    fn release(&mut self, mut waiting: Waiting) {
        waiting.event.container = self.containers.view(waiting.cgroup_id);
        let late = !waiting.event.container.is_pending();
        if truth(&self.rules, &waiting) != Truth::False {
            self.raise(waiting.event, waiting.rule, late);
        }
    }

    fn raise(&mut self, event: Event<'static>, rule: RuleIndex, late: bool) {
        let finding = self.rules.finding(rule, &event);
        let definite = finding.undecided.is_empty();
        let correlated = match definite {
            true => self
                .correlator
                .observe(&self.rules, rule, &event, self.now_ns),
            false => Vec::new(),
        };
        // What is undecided cannot be counted, and silence would be a guess.
        if self.rules.rule(rule).alerts || !definite {
            self.alerts.raise(Alert {
                finding,
                event,
                late,
            });
        }
        self.raise_correlated(correlated, late);
    }

    fn raise_correlated(&mut self, correlated: Vec<Correlated>, late: bool) {
        for Correlated { event, finding, .. } in correlated {
            self.alerts.raise(Alert {
                finding,
                event,
                late,
            });
        }
        for _ in 0..self.correlator.take_forgotten() {
            CorrelationForgotten.emit();
        }
    }
}

/// Correlations remembered more than they may.
struct CorrelationForgotten;

impl Failure for CorrelationForgotten {
    fn counter(&self) -> &'static Counter {
        static COUNTER: Counter = Counter::new("correlation_forgotten");
        &COUNTER
    }

    fn log(&self, total: u64) {
        tracing::warn!(
            message =
                "A correlation forgot events: the containers made more groups than it may keep.",
            total
        );
    }
}

/// Whether more will come about an event: of a container that is known, nothing but names.
fn is_awaited(event: &Event<'_>) -> bool {
    event.container.is_pending() || awaits_resolvers(event)
}

/// What a waiting pair's rule says now. A match is one whatever the container turns out to be.
fn truth(rules: &RuleSet, waiting: &Waiting) -> Truth {
    if waiting.definite {
        Truth::True
    } else {
        rules.decide(waiting.rule, &waiting.event)
    }
}
