//! From findings to the stream: alerts get an id, are stored in the spool and read from there by
//! every subscriber at its own pace.
//!
//! ```text
//! detection -> AlertSender -> [queue] -> AlertStage -> Spool <- Subscription (one per reader)
//! ```
//!
//! Records are encoded once, when they are stored; a subscriber adds its own header to the bytes.

#![forbid(unsafe_code)]

mod dedup;
mod encode;
mod facts;
mod filter;
mod loss;
mod mask;
mod record;
#[cfg(test)]
pub(crate) mod sample;
mod sensor;
mod spool;
mod stage;
mod subscription;
mod text;
mod throttle;

use std::time::SystemTime;

use crate::model::{Event, Finding};
use crate::telemetry::ContainerName;

pub(crate) use encode::container as encode_container;
pub(crate) use encode::{rule as encode_rule, severity as encode_severity, timestamp};
pub use facts::Facts;
pub use filter::{Filter, FilterError};
pub use loss::LossWatch;
pub use mask::{FieldMask, MaskError};
pub use record::{OutgoingRecord, Stored};
pub use sensor::SensorFinding;
pub use spool::{Bounds, Recovered, Spool, SpoolLimits, SpoolUsage, SpoolWriter, StoreError};
pub use stage::{AlertCounts, AlertLimits, AlertSender, AlertStage, WeakAlertSender, channel};
pub use subscription::{Progress, Start, StartError, Step, Subscription};
pub use text::printable;

/// A finding on its way out.
#[derive(Clone, Debug)]
pub struct Alert {
    /// What detection says.
    pub finding: Finding,
    /// The event that it is about.
    pub event: Event<'static>,
    /// The container's metadata came after the event's grace: rules waited for it.
    pub late: bool,
    /// Generation of the rule set that saw the event; its digest stands with the rule.
    pub set_generation: u64,
}

/// A time that nobody watched, found at start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Downtime {
    /// Last sign of life of the run before.
    pub from: SystemTime,
    /// When this run's hooks were attached.
    pub to: SystemTime,
    /// The run before ended in order.
    pub clean: bool,
    /// The node is known to have booted anew in between.
    pub rebooted: bool,
}

/// Events lost by one hook in one cgroup, for one reason, over one interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Hook.
    pub hook: String,
    /// Reason.
    pub reason: LossReason,
    /// Events lost in the interval.
    pub count: u64,
    /// Begin of the interval.
    pub from: SystemTime,
    /// End of the interval.
    pub to: SystemTime,
    /// cgroup v2 id; 0 when the cgroups cannot be told apart.
    pub cgroup_id: u64,
    /// Path of the cgroup, empty when not known.
    pub cgroup_path: String,
    /// The container, when the cgroup is one's.
    pub container: Option<ContainerName>,
}

/// Why events were lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LossReason {
    /// No room in the ring.
    RingFull,
    /// The container used up its share.
    RateLimited,
    /// A nested program found no scratch space.
    ScratchBusy,
    /// A queue of the agent was full.
    Queue,
    /// Not decodable.
    Decode,
}
