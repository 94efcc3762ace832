//! Which rules an event meets: those of the set that is in force when it comes. What waits for more
//! to be known is decided by the same set, also when another one has been taken over meanwhile: no
//! event is judged by two sets, and none by a set that did not see it.

use std::sync::Arc;

use gravlens_common::ExecKey;

use super::pending::{Awaited, Limits, Pending, Verdict, Waiting};
use super::rules::RulesInForce;
use crate::alert::{Alert, AlertSender};
use crate::detect::{Correlated, Correlator, Outcome, RuleIndex, Truth};
use crate::enrich::container::ContainerTable;
use crate::enrich::dns::{DnsTable, awaits_resolvers};
use crate::model::{Event, Priority, RuleInfo, RuleSetId};
use crate::telemetry::{Counter, Failure, QueueDepth};

/// Sets that may be kept at a time for what waits under them; with more, what waits under the oldest
/// leaves as it is.
const MAX_SETS: usize = 8;

/// A process that met a rule of this priority teaches a baseline nothing. Less urgent rules match what
/// workloads do as well.
const SUSPECT: Priority = Priority::Warning;
/// Tag of rules about how a container was made (CIS Docker Benchmark): they say nothing of its processes.
const OF_CONTAINER: &str = "cis";

/// The set in force, what it remembers, and what waits under it and those before.
#[derive(Debug)]
pub(super) struct Rulings {
    in_force: Arc<RulesInForce>,
    outcome: Outcome,
    correlator: Correlator,
    pending: Pending,
    /// Processes that met a rule of [`SUSPECT`], since they were taken last; `None` while nobody wants
    /// to know.
    suspects: Option<Vec<ExecKey>>,
}

/// What rulings are made of beside the event, and where they go.
pub(super) struct Bench<'a> {
    pub(super) containers: &'a mut ContainerTable,
    pub(super) dns: &'a mut DnsTable,
    pub(super) alerts: &'a AlertSender,
    pub(super) now_ns: u64,
}

impl Rulings {
    pub(super) fn new(in_force: Arc<RulesInForce>, limits: Limits) -> Self {
        Self {
            in_force,
            outcome: Outcome::default(),
            correlator: Correlator::default(),
            pending: Pending::new(limits),
            suspects: None,
        }
    }

    /// Keeps who meets a rule of some urgency, for whoever learns from the others.
    pub(super) fn watch_suspects(&mut self) {
        self.suspects = Some(Vec::new());
    }

    /// Processes that met a rule of some urgency since this was asked last.
    pub(super) fn take_suspects(&mut self) -> Vec<ExecKey> {
        self.suspects.as_mut().map_or_else(Vec::new, std::mem::take)
    }

    /// Judges every later event by another set. Its correlations begin to count with it.
    pub(super) fn take_over(&mut self, rules: Arc<RulesInForce>, bench: &mut Bench<'_>) {
        self.in_force = rules;
        self.correlator = Correlator::default();
        for waiting in self.pending.take_beyond_sets(MAX_SETS) {
            self.release(waiting, bench);
        }
    }

    /// The set in force.
    /// The set in force.
    pub(super) fn set(&self) -> &crate::detect::RuleSet {
        &self.in_force.set
    }

    pub(super) fn in_force(&self) -> RuleSetId {
        self.in_force.id()
    }

    /// Whether what came then has waited for longer than the grace.
    pub(super) fn is_beyond_grace(&self, since_ns: u64, now_ns: u64) -> bool {
        self.pending.is_beyond_grace(since_ns, now_ns)
    }

    /// Pairs of event and rule that wait.
    pub(super) fn waiting(&self) -> usize {
        self.pending.len()
    }

    /// Something waits for time to pass.
    pub(super) fn are_waiting(&self) -> bool {
        self.pending.len() > 0 || self.correlator.is_waiting()
    }

    /// How full the list of those that wait is.
    pub(super) fn depth(&self) -> QueueDepth {
        self.pending.depth()
    }

    /// Evaluates the rules on an event and raises, or keeps, what they find.
    pub(super) fn judge(&mut self, event: &Event<'_>, cgroup_id: u64, bench: &mut Bench<'_>) {
        let mut outcome = std::mem::take(&mut self.outcome);
        self.in_force.set.evaluate(event, &mut outcome);
        if !outcome.is_empty() {
            for &rule in &outcome.matched {
                let in_force = Arc::clone(&self.in_force);
                self.suspect(&in_force.set.rule(rule).info, event);
            }
            self.rule(event, cgroup_id, &mut outcome, bench);
        }
        self.outcome = outcome;
    }

    fn suspect(&mut self, rule: &RuleInfo, event: &Event<'_>) {
        let is_of_container = rule.tags.iter().any(|tag| tag == OF_CONTAINER);
        if let Some(suspects) = &mut self.suspects
            && rule.priority.at_least(SUSPECT)
            && !is_of_container
        {
            suspects.push(event.exec_id().key());
        }
    }

    /// Raises, or keeps, what the rules found.
    fn rule(
        &mut self,
        event: &Event<'_>,
        cgroup_id: u64,
        outcome: &mut Outcome,
        bench: &mut Bench<'_>,
    ) {
        let rules = Arc::clone(&self.in_force);
        let waiting = |rule, definite| Waiting {
            event: event.to_owned(),
            rules: Arc::clone(&rules),
            rule,
            definite,
            cgroup_id,
            since_ns: event.boot_ns,
        };
        for rule in outcome.matched.drain(..) {
            if event.container.is_pending() && !is_urgent(&rules, rule) {
                self.keep(waiting(rule, true), bench);
            } else {
                self.raise(&rules, rule, event.to_owned(), false, bench);
            }
        }
        for rule in outcome.undecided.drain(..) {
            if is_urgent(&rules, rule) || !is_awaited(event) {
                self.raise(&rules, rule, event.to_owned(), false, bench);
            } else {
                self.keep(waiting(rule, false), bench);
            }
        }
    }

    fn keep(&mut self, waiting: Waiting, bench: &mut Bench<'_>) {
        if let Some(oldest) = self.pending.push(waiting) {
            self.release(oldest, bench);
        }
    }

    /// More is known about the containers of these pairs.
    pub(super) fn reconsider(&mut self, awaited: &Awaited<'_>, bench: &mut Bench<'_>) {
        let now_ns = bench.now_ns;
        let leaving = self.pending.reconsider(awaited, |waiting| {
            waiting.event.container = bench.containers.view(waiting.cgroup_id);
            bench.dns.settle(&mut waiting.event, now_ns);
            match truth(waiting) {
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
            let late = self.pending.is_late(&waiting, now_ns);
            let Waiting {
                rules, rule, event, ..
            } = waiting;
            self.raise(&rules, rule, event, late, bench);
        }
    }

    /// Time passed: what has waited as long as it may leaves, and correlations come to their end.
    pub(super) fn tick(&mut self, bench: &mut Bench<'_>) {
        for waiting in self.pending.take_due(bench.now_ns) {
            self.release(waiting, bench);
        }
        let correlated = self.correlator.expire(&self.in_force.set, bench.now_ns);
        self.raise_correlated(correlated, false, bench);
    }

    /// Takes everything that waits, for [`Self::release`].
    pub(super) fn take_all(&mut self) -> Vec<Waiting> {
        self.pending.take_all()
    }

    /// Lets everything go that waits.
    pub(super) fn release_all(&mut self, bench: &mut Bench<'_>) {
        for waiting in self.take_all() {
            self.release(waiting, bench);
        }
    }

    /// A pair has waited long enough: it leaves with what is known now.
    pub(super) fn release(&mut self, mut waiting: Waiting, bench: &mut Bench<'_>) {
        waiting.event.container = bench.containers.view(waiting.cgroup_id);
        let late = !waiting.event.container.is_pending();
        if truth(&waiting) != Truth::False {
            let Waiting {
                rules, rule, event, ..
            } = waiting;
            self.raise(&rules, rule, event, late, bench);
        }
    }

    fn raise(
        &mut self,
        rules: &Arc<RulesInForce>,
        rule: RuleIndex,
        event: Event<'static>,
        late: bool,
        bench: &Bench<'_>,
    ) {
        let finding = rules.set.finding(rule, &event);
        self.suspect(&finding.rule, &event);
        let definite = finding.undecided.is_empty();
        // The correlations of a set that is no longer in force have ended with it.
        let correlated = if definite && Arc::ptr_eq(rules, &self.in_force) {
            self.correlator
                .observe(&rules.set, rule, &event, bench.now_ns)
        } else {
            Vec::new()
        };
        // What is undecided cannot be counted, and silence would be a guess.
        if rules.set.rule(rule).alerts || !definite {
            bench.alerts.raise(Alert {
                finding,
                event,
                late,
                set_generation: rules.generation,
            });
        }
        self.raise_correlated(correlated, late, bench);
    }

    fn raise_correlated(&mut self, correlated: Vec<Correlated>, late: bool, bench: &Bench<'_>) {
        for Correlated { event, finding, .. } in correlated {
            bench.alerts.raise(Alert {
                finding,
                event,
                late,
                set_generation: self.in_force.generation,
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

/// CRITICAL never waits.
fn is_urgent(rules: &RulesInForce, rule: RuleIndex) -> bool {
    let priority = rules.set.rule(rule).info.priority;
    priority.at_least(Priority::Critical)
}

/// Whether more will come about an event: of a container that is known, nothing but names.
fn is_awaited(event: &Event<'_>) -> bool {
    event.container.is_pending() || awaits_resolvers(event)
}

/// What a waiting pair's rule says now. A match is one whatever the container turns out to be.
fn truth(waiting: &Waiting) -> Truth {
    if waiting.definite {
        Truth::True
    } else {
        waiting.rules.set.decide(waiting.rule, &waiting.event)
    }
}

#[cfg(test)]
mod tests;
