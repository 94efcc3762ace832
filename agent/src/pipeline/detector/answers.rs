//! Answers to the sinks' questions, and the account that they are made of.

use std::sync::Arc;
use std::time::SystemTime;

use gravlens_common::{Hook, limits};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Detector;
use crate::canary;
use crate::model::Container;
use crate::pipeline::ledger::Balance;
use crate::probe::{ProbeError, RingMeter};
use crate::sinks::query::Query;
use crate::telemetry::{
    Accounting, CgroupCounts, ContainerName, Counter, EventCounts, Failure, LossAccount,
    QueueDepth, RingUsage, StatusSnapshot, WhenFull, queue_gauge,
};

/// How long a barrier may take before its questions are answered without it.
const BARRIER_PATIENCE_NS: u64 = 1_000_000_000;
/// How long the counters of a removed cgroup stand on their own.
const REMOVED_RETENTION_NS: u64 = 60_000_000_000;
/// Removed cgroups whose counters stand on their own at most.
const MAX_REMOVED: usize = limits::COUNTED_CGROUPS as usize / 2;
/// A marker stands in each ring.
const RINGS: u8 = 2;

/// Questions that wait for a barrier.
#[derive(Debug, Default)]
pub(super) struct Barriers {
    nonce: u64,
    waiting: Vec<Asked>,
}

impl Barriers {
    /// Somebody waits for an answer.
    pub(super) fn are_asked(&self) -> bool {
        !self.waiting.is_empty()
    }
}

#[derive(Debug)]
struct Asked {
    nonce: u64,
    markers: u8,
    since_ns: u64,
    reply: oneshot::Sender<StatusSnapshot>,
}

struct CountersUnreadable {
    error: String,
}

impl Failure for CountersUnreadable {
    fn counter(&self) -> &'static Counter {
        static COUNTER: Counter = Counter::new("kernel_counters_unreadable");
        &COUNTER
    }

    fn log(&self, total: u64) {
        tracing::error!(
            message = "Loss counters cannot be read.",
            error = self.error,
            total
        );
    }
}

impl Detector {
    /// Answers a question. Status waits until everything that was in the rings when it was asked
    /// has been counted.
    pub(in crate::pipeline) fn answer(&mut self, query: Query) {
        match query {
            Query::Status(reply) => self.ask_behind_barrier(reply),
            // An asker that has gone needs no answer, here and below.
            Query::Containers(reply) => {
                let _ = reply.send(self.running_containers());
            }
            Query::Rules(reply) => {
                let _ = reply.send((*self.rules_snapshot).clone());
            }
            Query::Baselines(work) => {
                self.forget_known();
                work.with(self.learner.as_mut());
            }
        }
    }

    fn ask_behind_barrier(&mut self, reply: oneshot::Sender<StatusSnapshot>) {
        self.barriers.nonce += 1;
        let nonce = self.barriers.nonce;
        let Some(sensor) = &mut self.sensor else {
            let _ = reply.send(self.status());
            return;
        };
        if let Err(error) = sensor.probe.mark(nonce) {
            tracing::error!(message = "No barrier: the status is approximate.", %error);
            let _ = reply.send(self.status());
            return;
        }
        self.barriers.waiting.push(Asked {
            nonce,
            markers: 0,
            since_ns: self.now_ns,
            reply,
        });
    }

    /// A marker came out of a ring.
    pub(super) fn marker(&mut self, nonce: u64) {
        for asked in &mut self.barriers.waiting {
            if asked.nonce == nonce {
                asked.markers += 1;
            }
        }
        self.reply_to(|asked| asked.markers >= RINGS);
    }

    /// Answers questions whose marker did not come: a full ring has no room for it.
    fn give_up_barriers(&mut self) {
        let now = self.now_ns;
        self.reply_to(|asked| asked.since_ns + BARRIER_PATIENCE_NS <= now);
    }

    fn reply_to(&mut self, ready: impl Fn(&Asked) -> bool) {
        let (ready, waiting) = std::mem::take(&mut self.barriers.waiting)
            .into_iter()
            .partition(|asked| ready(asked));
        self.barriers.waiting = waiting;
        let ready: Vec<Asked> = ready;
        if ready.is_empty() {
            return;
        }
        let status = self.status();
        for asked in ready {
            let _ = asked.reply.send(status.clone());
        }
    }

    /// Takes the account, posts it, and reports what was lost since the last time. Once a second.
    pub(in crate::pipeline) fn settle(&mut self) {
        self.give_up_barriers();
        let fresh = self.take_accounts();
        self.publish(fresh);
        if fresh {
            self.tell_learner_of_losses();
        }
        self.keep_baselines();
        self.fold_removed();
        self.look_for_lost_cgroups();
        self.look_at_canary();
        self.look_at_links();
    }

    /// The last account: what has not arrived by now never will.
    pub(super) async fn settle_finally(&mut self, until: Instant) {
        let fresh = self.take_accounts();
        for account in &mut self.accounts {
            account.events.give_up_in_flight();
        }
        let now = SystemTime::now();
        if fresh {
            self.losses
                .report_finally(&self.accounts, now, &self.alerts, until)
                .await;
        }
        self.post(now);
    }

    /// Accounts that are not fresh may have been folded since, and reported under both names.
    fn publish(&mut self, fresh: bool) {
        let now = SystemTime::now();
        if fresh {
            self.repair.watch(&self.accounts, self.now_ns);
            self.losses.report(&self.accounts, now, &self.alerts);
        }
        self.post(now);
    }

    /// Events seen and lost, as of the last account.
    pub(in crate::pipeline) fn account(&self) -> (u64, u64) {
        let events = self.accounts.iter().map(|account| account.events);
        let counts = events.map(|events| (events.seen, events.dropped()));
        counts.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }

    fn post(&mut self, now: SystemTime) {
        let mut events = EventCounts::default();
        for account in &self.accounts {
            events += account.events;
        }
        if let Some(tape) = &mut self.tape {
            tape.account(events);
        }
        self.board.post_accounting(Accounting {
            events,
            taken: now,
            canary_age: self.guard.canary_age(self.now_ns),
        });
    }

    /// Which cgroups came and went is not known where records about it were lost.
    fn look_for_lost_cgroups(&mut self) {
        let changes = [Hook::CgroupMkdir.name(), Hook::CgroupRmdir.name()];
        let accounts = self.accounts.iter();
        let lost = accounts
            .filter(|account| changes.contains(&account.hook.as_str()))
            .map(|account| account.events.dropped())
            .sum();
        if lost > self.lost_changes {
            self.lost_changes = lost;
            self.containers.want_scan();
        }
    }

    fn status(&mut self) -> StatusSnapshot {
        self.take_accounts();
        let cgroups = self.containers.counters();
        let rings = self.sensor.iter().flat_map(|sensor| &sensor.rings);
        StatusSnapshot {
            rings: rings.map(ring_usage).collect(),
            queues: self.queues(),
            losses: self.accounts.clone(),
            containers: self.running_containers().len() as u32,
            processes: self.processes.len() as u32,
            cgroups: CgroupCounts {
                unknown_lookups: cgroups.unknown_lookups,
                refused_cgroups: cgroups.refused_cgroups,
                identity_conflicts: cgroups.identity_conflicts,
            },
            canary: self.guard.canary_status(self.now_ns),
            integrity: self.guard.integrity_status(self.now_ns),
        }
    }

    /// Along the path of an event.
    fn queues(&self) -> Vec<QueueDepth> {
        let mut queues: Vec<_> = self.gauges.iter().map(|gauge| gauge()).collect();
        queues.push(QueueDepth {
            times_full: Some(self.containers.counters().deferred_requests),
            ..queue_gauge("requests", &self.requests, WhenFull::KeepAndRetry)()
        });
        queues.push(self.rulings.depth());
        queues.push(self.alerts.depth());
        queues
    }

    fn running_containers(&self) -> Vec<Arc<Container>> {
        self.containers
            .containers()
            .filter(|(_, ended)| ended.is_none())
            .map(|(container, _)| Arc::clone(container))
            .collect()
    }

    /// Takes every account, by cgroup and hook. False when the kernel's side cannot be read: then
    /// those of the last time stand.
    fn take_accounts(&mut self) -> bool {
        let Some(sensor) = &mut self.sensor else {
            return false;
        };
        let kernel = match sensor.counters.read() {
            Ok(kernel) => kernel,
            Err(error) => {
                counters_unreadable(&error);
                return false;
            }
        };
        let Balance { accounts, folded } = self.ledger.balance(&kernel);
        for cgroup_id in folded {
            self.losses.fold(cgroup_id);
        }
        self.accounts = accounts
            .into_iter()
            .map(|(cgroup_id, hook, counts)| self.named(cgroup_id, hook, counts))
            .collect();
        true
    }

    fn named(&self, cgroup_id: u64, hook: Hook, events: EventCounts) -> LossAccount {
        if self.guard.canary_cgroup() == Some(cgroup_id) {
            return LossAccount {
                hook: hook.name().to_owned(),
                cgroup_id,
                cgroup_path: canary::ACCOUNT.to_owned(),
                container: None,
                events,
            };
        }
        let view = if cgroup_id == limits::OTHER_CGROUP {
            None
        } else {
            self.containers.known(cgroup_id)
        };
        let container = view.as_ref().and_then(|view| view.container());
        LossAccount {
            hook: hook.name().to_owned(),
            cgroup_id,
            cgroup_path: container
                .map(|container| container.cgroup_path.clone())
                .unwrap_or_default(),
            container: container.map(|container| ContainerName {
                id: container.id.clone(),
                name: container
                    .metadata()
                    .map(|metadata| metadata.name.clone())
                    .unwrap_or_default(),
            }),
            events,
        }
    }

    /// Moves the accounts of cgroups that were removed a while ago to `other`, and gives their
    /// room in the kernel's map back: earlier when many are removed, or those that are made
    /// meanwhile would find no room.
    fn fold_removed(&mut self) {
        let gone = self.containers.take_gone();
        let gone = gone.into_iter().map(|cgroup_id| (self.now_ns, cgroup_id));
        self.removed.extend(gone);
        let excess = self.removed.len().saturating_sub(MAX_REMOVED);
        let due = self.removed.iter().enumerate().take_while(|(at, removed)| {
            *at < excess || removed.0.saturating_add(REMOVED_RETENTION_NS) <= self.now_ns
        });
        let due = due.count();
        let Some(sensor) = &mut self.sensor else {
            return;
        };
        for (_, cgroup_id) in self.removed.drain(..due) {
            match sensor.counters.take(cgroup_id) {
                Ok(kernel) => {
                    self.ledger.retire(cgroup_id, &kernel);
                    self.losses.fold(cgroup_id);
                }
                // It goes on standing by itself.
                Err(error) => counters_unreadable(&error),
            }
        }
    }
}

fn ring_usage(ring: &RingMeter) -> RingUsage {
    RingUsage {
        name: ring.name().to_owned(),
        capacity_bytes: ring.capacity_bytes(),
        used_bytes: ring.used_bytes(),
        written_bytes: ring.written_bytes(),
    }
}

fn counters_unreadable(error: &ProbeError) {
    CountersUnreadable {
        error: error.to_string(),
    }
    .emit();
}
