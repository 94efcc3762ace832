//! Which rules an event meets: those of the set that is in force when it comes. What waits for more
//! to be known is decided by the same set, also when another one has been taken over meanwhile: no
//! event is judged by two sets, and none by a set that did not see it.

use std::sync::Arc;

use super::pending::{Awaited, Limits, Pending, Verdict, Waiting};
use super::rules::RulesInForce;
use crate::alert::{Alert, AlertSender};
use crate::detect::{Outcome, RuleIndex, Truth};
use crate::enrich::container::ContainerTable;
use crate::enrich::dns::{DnsTable, awaits_resolvers};
use crate::model::{Event, Priority};
use crate::telemetry::QueueDepth;

/// Sets that may be kept at a time for what waits under them; with more, what waits under the oldest
/// leaves as it is.
const MAX_SETS: usize = 8;

/// The set in force, and what waits under it and those before.
#[derive(Debug)]
pub(super) struct Rulings {
    in_force: Arc<RulesInForce>,
    outcome: Outcome,
    pending: Pending,
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
            pending: Pending::new(limits),
        }
    }

    /// Judges every later event by another set.
    pub(super) fn take_over(&mut self, rules: Arc<RulesInForce>, bench: &mut Bench<'_>) {
        self.in_force = rules;
        for waiting in self.pending.take_beyond_sets(MAX_SETS) {
            release(waiting, bench);
        }
    }

    /// Pairs of event and rule that wait.
    pub(super) fn waiting(&self) -> usize {
        self.pending.len()
    }

    /// How full their list is.
    pub(super) fn depth(&self) -> QueueDepth {
        self.pending.depth()
    }

    /// Evaluates the rules on an event and raises, or keeps, what they find.
    pub(super) fn judge(&mut self, event: &Event<'_>, cgroup_id: u64, bench: &mut Bench<'_>) {
        let Self {
            in_force: rules,
            outcome,
            pending,
        } = self;
        rules.set.evaluate(event, outcome);
        let mut wait = |rule, definite| {
            let waiting = Waiting {
                event: event.to_owned(),
                rules: Arc::clone(rules),
                rule,
                definite,
                cgroup_id,
                since_ns: event.boot_ns,
            };
            if let Some(oldest) = pending.push(waiting) {
                release(oldest, bench);
            }
        };
        let mut leaving = Vec::new();
        for rule in outcome.matched.drain(..) {
            if event.container.is_pending() && !is_urgent(rules, rule) {
                wait(rule, true);
            } else {
                leaving.push(rule);
            }
        }
        for rule in outcome.undecided.drain(..) {
            if is_urgent(rules, rule) || !is_awaited(event) {
                leaving.push(rule);
            } else {
                wait(rule, false);
            }
        }
        for rule in leaving {
            raise(rules, rule, event.to_owned(), false, bench.alerts);
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
            raise(&rules, rule, event, late, bench.alerts);
        }
    }

    /// Lets go what has waited as long as it may.
    pub(super) fn release_due(&mut self, bench: &mut Bench<'_>) {
        for waiting in self.pending.take_due(bench.now_ns) {
            release(waiting, bench);
        }
    }

    /// Takes everything that waits, for [`release`].
    pub(super) fn take_all(&mut self) -> Vec<Waiting> {
        self.pending.take_all()
    }
}

/// A pair has waited long enough: it leaves with what is known now.
pub(super) fn release(mut waiting: Waiting, bench: &mut Bench<'_>) {
    waiting.event.container = bench.containers.view(waiting.cgroup_id);
    let late = !waiting.event.container.is_pending();
    if truth(&waiting) != Truth::False {
        let Waiting {
            rules, rule, event, ..
        } = waiting;
        raise(&rules, rule, event, late, bench.alerts);
    }
}

fn raise(
    rules: &RulesInForce,
    rule: RuleIndex,
    event: Event<'static>,
    late: bool,
    alerts: &AlertSender,
) {
    let finding = rules.set.finding(rule, &event);
    alerts.raise(Alert {
        finding,
        event,
        late,
        set_generation: rules.generation,
    });
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
