//! The agent about itself: logs, counters, failures, and the snapshots that status, HELLO and
//! HEARTBEAT show.

#![forbid(unsafe_code)]

mod board;
mod counter;
mod failure;
mod guard;
mod log;
mod queue;
pub mod service_manager;
mod status;

pub(crate) use board::boot_id;
pub use board::{
    Accounting, AgentFacts, BaselineFacts, Board, FailedReload, KernelFacts, RuleSetFacts,
};
pub use counter::{Counter, counters};
pub use failure::Failure;
pub(crate) use failure::with_causes;
pub use guard::{CanaryHook, CanaryStatus, IntegrityStatus};
pub use log::{LogFormat, init};
pub use queue::{Gauge, QueueDepth, WhenFull, queue_gauge};
pub use status::{
    CgroupCounts, ContainerName, EventCounts, HookStatus, LossAccount, MissingProgram, RefusedHook,
    RingUsage, RuleEntry, RuleState, RulesSnapshot, StatusSnapshot, TopicState,
};
