//! Snapshots of what the agent sees, loses and holds. Plain values: the tasks that own the state
//! fill them in, the sinks and the command line show them.

use std::ops::AddAssign;

use serde::Serialize;

use super::{CanaryStatus, IntegrityStatus, QueueDepth, RuleSetFacts};
use crate::model::RuleInfo;

/// A hook that the kernel refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RefusedHook {
    /// Name: `fentry:security_file_open`.
    pub hook: String,
    /// Why, in words.
    pub why: String,
}

/// A program of a topic that is not attached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MissingProgram {
    /// Name of the program.
    pub program: String,
    /// What nobody sees without it.
    pub not_seen: String,
    /// Why, in words.
    pub why: String,
}

/// How much of a topic is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TopicState {
    /// Every program is attached.
    Full,
    /// Some are.
    Partial,
    /// None is.
    Off,
}

impl TopicState {
    /// Name, as in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Partial => "partial",
            Self::Off => "off",
        }
    }
}

/// One topic and the hook that serves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HookStatus {
    /// Topic: `exec`, `open`, `connect`.
    pub topic: String,
    /// How much of it is watched.
    pub state: TopicState,
    /// The hook in use; `None` when the topic is not watched.
    pub taken: Option<String>,
    /// Programs that are attached.
    pub attached: Vec<String>,
    /// Programs that are not.
    pub missing: Vec<MissingProgram>,
    /// Better hooks that were tried first.
    pub refused: Vec<RefusedHook>,
    /// The agent does not start without it.
    pub mandatory: bool,
}

/// What became of events. See [`EventCounts::balances`] for the equation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EventCounts {
    /// Counted in the kernel, after scope.
    pub seen: u64,
    /// Reached detection.
    pub delivered: u64,
    /// Kept back in the kernel because nobody can want them.
    pub suppressed: u64,
    /// Dropped: no room in the ring.
    pub ring_full: u64,
    /// Dropped: the container used up its share.
    pub rate_limited: u64,
    /// Dropped: a nested program found no scratch space.
    pub scratch_busy: u64,
    /// Dropped: a queue of the agent was full.
    pub queue: u64,
    /// Dropped: not decodable.
    pub decode: u64,
    /// On their way when the count was taken.
    pub in_flight: u64,
}

impl EventCounts {
    /// Events that are lost, for whatever reason.
    pub fn dropped(&self) -> u64 {
        self.ring_full + self.rate_limited + self.scratch_busy + self.queue + self.decode
    }

    /// Counts what is under way as dropped by a queue: nobody will receive it any more.
    pub fn give_up_in_flight(&mut self) {
        self.queue += std::mem::take(&mut self.in_flight);
    }

    /// Whether every event seen is accounted for.
    pub fn balances(&self) -> bool {
        self.seen == self.delivered + self.suppressed + self.dropped() + self.in_flight
    }
}

impl AddAssign for EventCounts {
    fn add_assign(&mut self, other: Self) {
        self.seen += other.seen;
        self.delivered += other.delivered;
        self.suppressed += other.suppressed;
        self.ring_full += other.ring_full;
        self.rate_limited += other.rate_limited;
        self.scratch_busy += other.scratch_busy;
        self.queue += other.queue;
        self.decode += other.decode;
        self.in_flight += other.in_flight;
    }
}

/// A container, as far as an account needs to name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ContainerName {
    /// Full id.
    pub id: String,
    /// Name; empty while it is not known.
    pub name: String,
}

/// The account of one hook in one cgroup since the start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LossAccount {
    /// Hook.
    pub hook: String,
    /// cgroup v2 id; 0 is `other`: cgroups that had no room in the kernel's table, or are gone.
    pub cgroup_id: u64,
    /// Path below the cgroup root; empty when it is not known any more.
    pub cgroup_path: String,
    /// The container, when the cgroup is one's.
    pub container: Option<ContainerName>,
    /// The counts.
    pub events: EventCounts,
}

/// How full a ring is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RingUsage {
    /// `critical` or `bulk`.
    pub name: String,
    /// Size.
    pub capacity_bytes: u64,
    /// Bytes not yet consumed.
    pub used_bytes: u64,
    /// Bytes put into it since the start.
    pub written_bytes: u64,
}

/// Cgroups that the container table could not place, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CgroupCounts {
    /// Look-ups of a cgroup that the table does not know: until it is found its events are neither
    /// the node's nor a container's.
    pub unknown_lookups: u64,
    /// Cgroups refused because the table was full.
    pub refused_cgroups: u64,
    /// Cgroups inside a container that bore the id of another container.
    pub identity_conflicts: u64,
}

/// What only the detection task knows at the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StatusSnapshot {
    /// Ring buffers.
    pub rings: Vec<RingUsage>,
    /// Queues, those of the sinks excepted.
    pub queues: Vec<QueueDepth>,
    /// Accounts per hook and cgroup.
    pub losses: Vec<LossAccount>,
    /// Containers known and running.
    pub containers: u32,
    /// Processes in the process table.
    pub processes: u32,
    /// Cgroups that found no place.
    pub cgroups: CgroupCounts,
    /// The canary.
    pub canary: CanaryStatus,
    /// Links and maps.
    pub integrity: IntegrityStatus,
}

impl StatusSnapshot {
    /// Sum of the accounts.
    pub fn totals(&self) -> EventCounts {
        let mut totals = EventCounts::default();
        for account in &self.losses {
            totals += account.events;
        }
        totals
    }
}

/// State of a rule in the loaded set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleState {
    /// Evaluated.
    Active,
    /// Evaluated, and no hook that is attached tells of an event that it can fire on: which.
    WithoutEvents(String),
    /// Switched off in its file.
    Disabled,
    /// Not loaded, and why.
    Refused(String),
}

/// One rule of the set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleEntry {
    /// The rule, as far as it could be read.
    pub info: RuleInfo,
    /// Its state.
    pub state: RuleState,
}

/// The loaded rule set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RulesSnapshot {
    /// The set in numbers.
    pub facts: RuleSetFacts,
    /// Rules in the order of evaluation, refused ones last.
    pub rules: Vec<RuleEntry>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_up_is_dropped_and_the_account_still_balances() {
        let mut events = EventCounts {
            seen: 5,
            delivered: 2,
            in_flight: 3,
            ..EventCounts::default()
        };
        events.give_up_in_flight();
        assert_eq!((events.queue, events.in_flight), (3, 0));
        assert!(events.balances());
    }

    #[test]
    fn totals_balance_when_the_accounts_do() {
        let account = |seen, delivered, ring_full| LossAccount {
            hook: "open".into(),
            cgroup_id: 7,
            cgroup_path: String::new(),
            container: None,
            events: EventCounts {
                seen,
                delivered,
                ring_full,
                in_flight: seen - delivered - ring_full,
                ..EventCounts::default()
            },
        };
        let snapshot = StatusSnapshot {
            losses: vec![account(10, 7, 2), account(5, 5, 0)],
            ..StatusSnapshot::default()
        };
        let totals = snapshot.totals();
        assert_eq!(
            (totals.seen, totals.dropped(), totals.in_flight),
            (15, 2, 1)
        );
        assert!(totals.balances());
    }
}
