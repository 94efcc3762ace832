//! What travels between the container table and the tasks that ask for it.

use std::sync::Arc;

use crate::model::{ContainerMetadata, Runtime};

/// To the detection task: what a runtime client or a scan found out. Recordings store these, so
/// that a replay decides as the live run did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContainerMessage {
    /// A runtime described a container, be it asked for or announced by an event.
    Full {
        /// Runtime that answered.
        runtime: Runtime,
        /// Container id.
        id: String,
        /// The answer.
        metadata: Arc<ContainerMetadata>,
    },
    /// A runtime does not know the container or could not be made to answer.
    Failed {
        /// Runtime that was asked.
        runtime: Runtime,
        /// Container id.
        id: String,
        /// A sentence for people.
        why: Arc<str>,
    },
    /// A runtime removed the container: it will not be started again.
    Gone {
        /// Container id.
        id: String,
    },
    /// A runtime cannot be reached; nothing will be answered until it is back.
    RuntimeLost {
        /// The runtime.
        runtime: Runtime,
        /// A sentence for people.
        why: Arc<str>,
    },
    /// A runtime can be reached, for the first time or again.
    RuntimeBack {
        /// The runtime.
        runtime: Runtime,
    },
    /// The result of a walk over the cgroup tree.
    Scan {
        /// Boot time before the walk began, in nanoseconds.
        started_boot_ns: u64,
        /// Boot time when it was done.
        ended_boot_ns: u64,
        /// Cgroups in scope, parents before children.
        cgroups: Vec<ScannedCgroup>,
        /// These are all: what was there before the walk and is not among them is gone.
        complete: bool,
    },
}

/// To a runtime client: describe this container.
///
/// Travels over a bounded channel whose full-policy is *keep and retry*: a request that finds the
/// channel full stays in the table, once per container, and is offered again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerRequest {
    /// Runtime as read off the cgroup path; `Unknown` goes to every client.
    pub runtime: Runtime,
    /// Container id.
    pub id: String,
}

/// A cgroup found by a scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScannedCgroup {
    /// cgroup v2 id.
    pub id: u64,
    /// Path below the root of the hierarchy, `/` for the root itself.
    pub path: Vec<u8>,
}
