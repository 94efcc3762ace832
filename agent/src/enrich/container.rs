//! Container identity: from a cgroup id to the container that a process belongs to.
//!
//! [`parse_cgroup_path`] is what a path tells by itself, [`scan_cgroups`] finds what exists when
//! the agent starts, and [`ContainerTable`] keeps the answer for the detection task. What only a
//! container runtime knows (name, image, labels, ...) arrives later as a [`ContainerMessage`] from
//! that runtime's client; the table never waits for it and never does I/O.

mod cgroup_path;
mod message;
mod metadata_cache;
mod scan;
mod table;
mod unit_path;

pub use cgroup_path::{ContainerPath, parse_cgroup_path};
pub use message::{ContainerMessage, ContainerRequest, ScannedCgroup};
pub(crate) use scan::MAX_CGROUPS;
pub use scan::{Cgroup2Mount, CgroupScan, Incomplete, find_cgroup2_mount, scan_cgroups};
pub use table::{ContainerCounters, ContainerTable, TableSettings};
pub use unit_path::{UnitPath, parse_unit_path};
