//! Who may teach: a container, or a service of the node.

use super::super::drift::Version;
use super::super::evidence::{InstanceId, NodeId};
use super::instance::fingerprint;
use super::rollout::version_of;
use crate::model::{Container, Unit};

/// A container or a service of the node, for one life of its cgroup.
#[derive(Clone, Copy, Debug)]
pub(super) enum Member<'a> {
    Container(&'a Container),
    Unit(&'a Unit),
}

impl Member<'_> {
    /// Its own cgroup.
    pub(super) fn cgroup_id(self) -> u64 {
        match self {
            Self::Container(container) => container.cgroup_id,
            Self::Unit(unit) => unit.cgroup_id,
        }
    }

    /// When its cgroup was made; `None` when that was before the agent.
    pub(super) fn created_boot_ns(self) -> Option<u64> {
        match self {
            Self::Container(container) => container.created_boot_ns,
            Self::Unit(unit) => unit.created_boot_ns,
        }
    }

    /// As whom it vouches for what it does. One that is started again is the same: the files that it
    /// works with are.
    pub(super) fn instance_id(self, node: NodeId) -> InstanceId {
        InstanceId(match self {
            Self::Container(container) => fingerprint(&[b"instance", container.id.as_bytes()]),
            Self::Unit(unit) => {
                let path = unit.cgroup_path.as_bytes();
                fingerprint(&[b"unit", &node.0.to_le_bytes(), path])
            }
        })
    }

    /// The version of the workload that it is of. Nothing tells that of a service.
    pub(super) fn version(self) -> Option<Version> {
        match self {
            Self::Container(container) => version_of(container),
            Self::Unit(_) => None,
        }
    }
}
