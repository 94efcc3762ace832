//! Answers to the sinks' questions, and the account that they are made of.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use gravlens_common::{Hook, limits};
use tokio::sync::oneshot;

use super::Detector;
use crate::model::Container;
use crate::probe::RingMeter;
use crate::sinks::query::Query;
use crate::telemetry::{
    Accounting, CgroupCounts, ContainerName, Counter, EventCounts, Failure, LossAccount,
    QueueDepth, RingUsage, StatusSnapshot, WhenFull, queue_gauge,
};

/// How long a barrier may take before its questions are answered without it.
const BARRIER_PATIENCE_NS: u64 = 1_000_000_000;
/// How long the counters of a removed cgroup stand on their own.
const REMOVED_RETENTION_NS: u64 = 60_000_000_000;
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
                let _ = reply.send(self.rules_snapshot.clone());
            }
        }
    }

    fn ask_behind_barrier(&mut self, reply: oneshot::Sender<StatusSnapshot>) {
        self.barriers.nonce += 1;
        let nonce = self.barriers.nonce;
        if let Err(error) = self.probe.mark(nonce) {
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
        let accounts = self.accounts();
        self.fold_removed(&accounts);
        self.repair.watch(&accounts);
        self.publish(&accounts);
    }

    /// The last account: what has not arrived by now never will.
    pub(in crate::pipeline) fn settle_finally(&mut self) {
        let mut accounts = self.accounts();
        for account in &mut accounts {
            account.events.give_up_in_flight();
        }
        self.publish(&accounts);
    }

    fn publish(&mut self, accounts: &[LossAccount]) {
        let now = SystemTime::now();
        self.losses.report(accounts, now, &self.alerts);
        let mut events = EventCounts::default();
        for account in accounts {
            events += account.events;
        }
        self.board
            .post_accounting(Accounting { events, taken: now });
    }

    fn status(&mut self) -> StatusSnapshot {
        let cgroups = self.containers.counters();
        StatusSnapshot {
            rings: self.rings.iter().map(ring_usage).collect(),
            queues: self.queues(),
            losses: self.accounts(),
            containers: self.running_containers().len() as u32,
            processes: self.processes.len() as u32,
            cgroups: CgroupCounts {
                unknown_lookups: cgroups.unknown_lookups,
                refused_cgroups: cgroups.refused_cgroups,
                identity_conflicts: cgroups.identity_conflicts,
            },
        }
    }

    /// Along the path of an event.
    fn queues(&self) -> Vec<QueueDepth> {
        let mut queues: Vec<_> = self.gauges.iter().map(|gauge| gauge()).collect();
        queues.push(QueueDepth {
            times_full: Some(self.containers.counters().deferred_requests),
            ..queue_gauge("requests", &self.requests, WhenFull::KeepAndRetry)()
        });
        queues.push(self.pending.depth());
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

    /// Every account, by cgroup and hook.
    fn accounts(&mut self) -> Vec<LossAccount> {
        let mut raw = Vec::new();
        let read = self
            .counters
            .visit(|cgroup_id, hook, kernel| raw.push((cgroup_id, hook, kernel)));
        if let Err(error) = read {
            CountersUnreadable {
                error: error.to_string(),
            }
            .emit();
        }
        let mut accounts: Vec<LossAccount> = raw
            .into_iter()
            .map(|(cgroup_id, hook, kernel)| {
                let counts = self.ledger.account(cgroup_id, hook, kernel);
                self.named(cgroup_id, hook, counts)
            })
            .collect();
        self.add_gone(&mut accounts);
        accounts
    }

    /// Adds the accounts of removed cgroups to `other`.
    fn add_gone(&self, accounts: &mut Vec<LossAccount>) {
        let gone: HashMap<Hook, EventCounts> = self.ledger.gone().collect();
        for (hook, counts) in gone {
            let other = accounts.iter_mut().find(|account| {
                account.cgroup_id == limits::OTHER_CGROUP && account.hook == hook.name()
            });
            match other {
                Some(account) => account.events += counts,
                None => accounts.push(LossAccount {
                    hook: hook.name().to_owned(),
                    cgroup_id: limits::OTHER_CGROUP,
                    cgroup_path: String::new(),
                    container: None,
                    events: counts,
                }),
            }
        }
    }

    fn named(&mut self, cgroup_id: u64, hook: Hook, events: EventCounts) -> LossAccount {
        let view = if cgroup_id == limits::OTHER_CGROUP {
            None
        } else {
            self.containers.view(cgroup_id)
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

    /// Moves the counters of cgroups that were removed a while ago to `other`, and gives their
    /// room in the kernel's map back.
    fn fold_removed(&mut self, accounts: &[LossAccount]) {
        let now = self.now_ns;
        let due: Vec<u64> = self
            .removed
            .extract_if(.., |(since, _)| *since + REMOVED_RETENTION_NS <= now)
            .map(|(_, cgroup_id)| cgroup_id)
            .collect();
        for cgroup_id in due {
            for account in accounts.iter().filter(|a| a.cgroup_id == cgroup_id) {
                if let Some(hook) = Hook::ALL.iter().find(|hook| hook.name() == account.hook) {
                    self.ledger.retire(cgroup_id, *hook, account.events);
                }
            }
            self.counters.forget(cgroup_id);
        }
    }
}

fn ring_usage(ring: &RingMeter) -> RingUsage {
    RingUsage {
        name: ring.name().to_owned(),
        capacity_bytes: ring.capacity_bytes(),
        used_bytes: ring.used_bytes(),
    }
}
