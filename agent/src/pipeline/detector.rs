//! The detection task: owns process table, container table, rules in force and what waits.

mod answers;
mod records;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::mpsc;

use super::clock::WallClock;
use super::ledger::Ledger;
use super::pending::{Limits, Pending, Waiting};
use crate::alert::{Alert, AlertSender, LossWatch};
use crate::detect::{Outcome, RuleIndex, RuleSet, Truth};
use crate::enrich::container::{ContainerMessage, ContainerRequest, ContainerTable, TableSettings};
use crate::enrich::process_table::ProcessTable;
use crate::model::{ContainerView, Event, Identity, Priority};
use crate::probe::{CounterReader, Probe};
use crate::telemetry::{Board, LossAccount, RulesSnapshot};

/// What the detector is made of.
pub(super) struct Parts {
    pub(super) probe: Probe,
    pub(super) counters: CounterReader,
    pub(super) rules: Arc<RuleSet>,
    pub(super) rules_snapshot: RulesSnapshot,
    pub(super) pending: Limits,
    pub(super) containers: TableSettings,
    pub(super) alerts: AlertSender,
    pub(super) board: Board,
    pub(super) requests: mpsc::Sender<ContainerRequest>,
    pub(super) started: SystemTime,
}

/// All detection state, and the only code that changes it.
pub(super) struct Detector {
    pub(super) probe: Probe,
    counters: CounterReader,
    processes: ProcessTable,
    containers: ContainerTable,
    rules: Arc<RuleSet>,
    rules_snapshot: RulesSnapshot,
    outcome: Outcome,
    pending: Pending,
    ledger: Ledger,
    losses: LossWatch,
    alerts: AlertSender,
    board: Board,
    requests: mpsc::Sender<ContainerRequest>,
    clock: WallClock,
    /// Newest time that an event or a tick brought.
    now_ns: u64,
    /// Events so far.
    number: u64,
    barriers: answers::Barriers,
    /// Every account, as it was taken last.
    accounts: Vec<LossAccount>,
    /// Removed cgroups whose kernel counters are to be folded away, with the time of removal.
    removed: VecDeque<(u64, u64)>,
}

impl Detector {
    pub(super) fn new(parts: Parts, boot_ns: u64) -> Self {
        Self {
            probe: parts.probe,
            counters: parts.counters,
            processes: ProcessTable::default(),
            containers: ContainerTable::new(parts.containers),
            rules: parts.rules,
            rules_snapshot: parts.rules_snapshot,
            outcome: Outcome::default(),
            pending: Pending::new(parts.pending),
            ledger: Ledger::default(),
            losses: LossWatch::new(parts.started),
            alerts: parts.alerts,
            board: parts.board,
            requests: parts.requests,
            clock: WallClock::new(SystemTime::now(), boot_ns),
            now_ns: boot_ns,
            number: 0,
            barriers: answers::Barriers::default(),
            accounts: Vec::new(),
            removed: VecDeque::new(),
        }
    }

    /// A runtime client or a scan found something out.
    pub(super) fn container_message(&mut self, message: ContainerMessage) {
        let changed = self.containers.apply(message);
        self.ask_runtimes();
        if changed.is_empty() {
            return;
        }
        let ids: Vec<&str> = changed
            .iter()
            .map(|container| container.id.as_str())
            .collect();
        for waiting in self.pending.take_of(&ids) {
            self.reconsider(waiting);
        }
        for container in &changed {
            if container.identity != Identity::Pending {
                self.alerts.identified(Arc::clone(container));
            }
        }
    }

    /// Whether cgroups should be scanned because an unknown one was met.
    pub(super) fn scan_wanted(&mut self) -> bool {
        self.containers.take_scan_request()
    }

    /// Something waits for time to pass.
    pub(super) fn is_waiting(&self) -> bool {
        self.pending.len() > 0 || self.barriers.are_asked()
    }

    /// Time passed.
    pub(super) fn tick(&mut self, boot_ns: u64) {
        self.now_ns = self.now_ns.max(boot_ns);
        self.clock = WallClock::new(SystemTime::now(), boot_ns);
        self.processes.tick(self.now_ns);
        self.containers.tick(self.now_ns);
        self.ask_runtimes();
        for waiting in self.pending.take_due(self.now_ns) {
            self.release(waiting);
        }
    }

    /// Nothing comes any more: whatever waits leaves as it is.
    pub(super) fn finish(&mut self) {
        for waiting in self.pending.take_all() {
            self.release(waiting);
        }
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
            if is_pending(&event.container) && !self.is_urgent(rule) {
                self.wait(event, rule, true, cgroup_id);
            } else {
                self.raise(event.to_owned(), rule, false);
            }
        }
        for rule in outcome.undecided.drain(..) {
            if self.is_urgent(rule) {
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

    /// The identity of a waiting pair's container has changed.
    fn reconsider(&mut self, mut waiting: Waiting) {
        self.look_up_again(&mut waiting);
        let late = self.pending.is_late(&waiting, self.now_ns);
        if waiting.definite {
            if is_pending(&waiting.event.container) {
                self.put_back(waiting);
            } else {
                self.raise(waiting.event, waiting.rule, late);
            }
            return;
        }
        match self.rules.decide(waiting.rule, &waiting.event) {
            Truth::True => self.raise(waiting.event, waiting.rule, late),
            Truth::False => {}
            Truth::Unknown => self.put_back(waiting),
        }
    }

    fn put_back(&mut self, waiting: Waiting) {
        if let Some(oldest) = self.pending.push(waiting) {
            self.release(oldest);
        }
    }

    /// A pair has waited long enough: it leaves with what is known now.
    fn release(&mut self, mut waiting: Waiting) {
        self.look_up_again(&mut waiting);
        let late = !is_pending(&waiting.event.container);
        let truth = if waiting.definite {
            Truth::True
        } else {
            self.rules.decide(waiting.rule, &waiting.event)
        };
        if truth != Truth::False {
            self.raise(waiting.event, waiting.rule, late);
        }
    }

    fn look_up_again(&mut self, waiting: &mut Waiting) {
        if let Some(view) = self.containers.view(waiting.cgroup_id) {
            waiting.event.container = view;
        }
    }

    fn raise(&mut self, event: Event<'static>, rule: RuleIndex, late: bool) {
        let finding = self.rules.finding(rule, &event);
        self.alerts.raise(Alert {
            finding,
            event,
            late,
        });
    }
}

fn is_pending(container: &ContainerView) -> bool {
    container
        .container()
        .is_some_and(|container| container.identity == Identity::Pending)
}
