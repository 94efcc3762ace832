//! What HELLO and HEARTBEAT say. The detection task posts it; sinks read the latest without
//! asking, so a busy detection task delays no stream.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

use super::{EventCounts, HookStatus};
use crate::model::ClassSummary;

/// The running kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelFacts {
    /// Release, as `uname -r` prints it.
    pub release: String,
    /// Machine, as `uname -m` prints it.
    pub machine: String,
    /// Boot id.
    pub boot_id: String,
    /// Size of its type information, 0 when it has none.
    pub btf_bytes: u64,
}

/// The rule set in force, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleSetFacts {
    /// Digest.
    pub digest: String,
    /// 1 for the set of the start, one more for each that was taken over; 0 before the start.
    pub generation: u64,
    /// When it was taken over.
    pub loaded: Option<SystemTime>,
    /// Rules evaluated, those without events among them.
    pub active: u32,
    /// Active rules that can fire on no event of an attached hook.
    pub without_events: u32,
    /// Rules switched off.
    pub disabled: u32,
    /// Rules refused.
    pub refused: u32,
}

/// A rule set that was not taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedReload {
    /// When it was found.
    pub time: SystemTime,
    /// Its digest; empty when it could not be read.
    pub digest: String,
    /// Why, for people; bounded.
    pub reasons: Vec<String>,
    /// The files still say that.
    pub standing: bool,
}

/// What holds for the whole run, or changes only with a reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentFacts {
    /// Node name.
    pub node: String,
    /// Version of the agent.
    pub version: &'static str,
    /// Start of the agent.
    pub started: SystemTime,
    /// Kernel.
    pub kernel: KernelFacts,
    /// cgroup subtree that is watched; empty means everything.
    pub scope_cgroup: String,
    /// Rules.
    pub rules: RuleSetFacts,
    /// The last reload that failed.
    pub failed_reload: Option<FailedReload>,
    /// What the kernel drops since no rule can want it, and which rules keep the rest whole; empty
    /// when it keeps everything.
    pub approvers: Vec<ClassSummary>,
    /// What baselines are made of; `None` when they are off.
    pub baselines: Option<BaselineFacts>,
    /// Hooks.
    pub hooks: Vec<HookStatus>,
    /// What cannot be seen on this kernel.
    pub blind_spots: Vec<String>,
}

/// What baselines are made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BaselineFacts {
    /// Workloads that the store knew at the start.
    pub learnt_workloads: usize,
    /// Workloads of reviewed files.
    pub reviewed_workloads: usize,
    /// Digest of these files; empty when there are none.
    pub reviewed_digest: String,
}

impl AgentFacts {
    /// The facts that need no kernel programs: names, version and kernel of this node.
    pub fn of_this_node(started: SystemTime) -> Self {
        let uname = rustix::system::uname();
        let text = |value: &std::ffi::CStr| value.to_string_lossy().into_owned();
        Self {
            node: text(uname.nodename()),
            version: env!("CARGO_PKG_VERSION"),
            started,
            kernel: KernelFacts {
                release: text(uname.release()),
                machine: text(uname.machine()),
                boot_id: boot_id(),
                btf_bytes: std::fs::metadata("/sys/kernel/btf/vmlinux")
                    .map_or(0, |file| file.len()),
            },
            scope_cgroup: String::new(),
            rules: RuleSetFacts::default(),
            failed_reload: None,
            approvers: Vec::new(),
            baselines: None,
            hooks: Vec::new(),
            blind_spots: Vec::new(),
        }
    }
}

/// The kernel's boot id; empty when /proc does not tell.
pub(crate) fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|id| id.trim().to_owned())
        .unwrap_or_default()
}

/// The account of events, as last taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accounting {
    /// The node's totals.
    pub events: EventCounts,
    /// When they were taken.
    pub taken: SystemTime,
    /// Age of the oldest sign of the canary; `None` without a canary.
    pub canary_age: Option<Duration>,
}

/// The board. Clones show the same.
#[derive(Clone, Debug)]
pub struct Board {
    facts: Arc<watch::Sender<Arc<AgentFacts>>>,
    accounting: Arc<watch::Sender<Accounting>>,
}

impl Board {
    /// A board with no events counted yet.
    pub fn new(facts: AgentFacts) -> Self {
        let accounting = Accounting {
            events: EventCounts::default(),
            taken: facts.started,
            canary_age: None,
        };
        Self {
            facts: Arc::new(watch::Sender::new(Arc::new(facts))),
            accounting: Arc::new(watch::Sender::new(accounting)),
        }
    }

    /// Changes some of the facts, for instance when rules are reloaded.
    pub fn change_facts(&self, change: impl FnOnce(&mut AgentFacts)) {
        self.facts.send_modify(|facts| change(Arc::make_mut(facts)));
    }

    /// Replaces the account: about once a second.
    pub fn post_accounting(&self, accounting: Accounting) {
        self.accounting.send_replace(accounting);
    }

    /// The facts.
    pub fn facts(&self) -> Arc<AgentFacts> {
        Arc::clone(&self.facts.borrow())
    }

    /// The account.
    pub fn accounting(&self) -> Accounting {
        *self.accounting.borrow()
    }
}
