//! Limits and counters of the table.

use crate::model::Runtime;

/// Limits of a [`ContainerTable`](super::ContainerTable).
#[derive(Clone, Debug)]
pub struct TableSettings {
    /// Runtimes that have a client.
    pub runtimes: Vec<Runtime>,
    /// How long a removed cgroup stays known: its last events are still under way.
    pub retention_ns: u64,
    /// Removed cgroups kept at most; the oldest goes first.
    pub max_removed: usize,
    /// Cgroups kept at most; those beyond are refused and counted.
    pub max_cgroups: usize,
    /// Descriptions of containers without a cgroup kept at most.
    pub max_descriptions: usize,
}

impl Default for TableSettings {
    fn default() -> Self {
        Self {
            runtimes: vec![Runtime::Docker],
            retention_ns: 60_000_000_000,
            max_removed: 4_096,
            max_cgroups: 65_536,
            max_descriptions: 4_096,
        }
    }
}

/// What happened to a [`ContainerTable`](super::ContainerTable), monotonic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContainerCounters {
    /// Look-ups of a cgroup that the table does not know.
    pub unknown_lookups: u64,
    /// Cgroups that were not taken because the table was full.
    pub refused_cgroups: u64,
    /// Times a request found its channel full and was kept for later.
    pub deferred_requests: u64,
    /// Cgroups inside a container that bore the id of another container.
    pub identity_conflicts: u64,
}
