//! Containers: what the cgroup path tells at once and what the runtime tells later.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use super::unit::Unit;

/// Labels by which every Kubernetes runtime tells a container's pod.
pub mod pod_labels {
    /// Its name.
    pub const NAME: &str = "io.kubernetes.pod.name";
    /// Its namespace.
    pub const NAMESPACE: &str = "io.kubernetes.pod.namespace";
    /// Its unique id.
    pub const UID: &str = "io.kubernetes.pod.uid";
    /// The container's name in it.
    pub const CONTAINER: &str = "io.kubernetes.container.name";
}

/// Container runtime, as read off the cgroup path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// Docker Engine.
    Docker,
    /// containerd through CRI.
    Containerd,
    /// CRI-O.
    Crio,
    /// Podman.
    Podman,
    /// A 64-digit id below a cgroup that names no runtime.
    Unknown,
}

/// A bind mount or volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Path on the node or volume name.
    pub source: String,
    /// Path in the container.
    pub destination: String,
    /// Writable from inside.
    pub read_write: bool,
}

/// What the container runtime knows of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerMetadata {
    /// Name, without the leading slash that Docker puts there.
    pub name: String,
    /// Image as the user wrote it (`repository[:tag]`).
    pub image: String,
    /// Image repository without tag and digest.
    pub image_repository: String,
    /// Image tag, empty when none.
    pub image_tag: String,
    /// Image id or digest (`sha256:...`), empty when the runtime gives none.
    pub image_digest: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Runs with all privileges.
    pub privileged: bool,
    /// Mounts from outside the image.
    pub mounts: Vec<Mount>,
    /// Start time, `None` before the first start.
    pub started_at: Option<SystemTime>,
    /// Pid of the container's first process on the node, 0 when not running.
    pub init_pid: u32,
}

/// State of a container's identity. A field that only the runtime knows is *unknown* while
/// `Pending`, and *missing* once `Failed`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// The runtime has been asked and has not answered yet.
    Pending,
    /// The runtime has answered.
    Full(Arc<ContainerMetadata>),
    /// The runtime cannot be asked or does not know the container; the reason is for people.
    Failed(Arc<str>),
}

/// A container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Full id (64 hexadecimal digits).
    pub id: String,
    /// Runtime.
    pub runtime: Runtime,
    /// cgroup v2 id of the container's own cgroup.
    pub cgroup_id: u64,
    /// Path of that cgroup below the cgroup root.
    pub cgroup_path: String,
    /// What the runtime told.
    pub identity: Identity,
    /// Boot time of the cgroup's creation in nanoseconds; `None` when it is older than the agent.
    pub created_boot_ns: Option<u64>,
}

impl Container {
    /// The runtime's answer, if there is one.
    pub fn metadata(&self) -> Option<&ContainerMetadata> {
        match &self.identity {
            Identity::Full(metadata) => Some(metadata),
            Identity::Pending | Identity::Failed(_) => None,
        }
    }

    /// First twelve digits of the id: Falco's `container.id`.
    pub fn short_id(&self) -> &str {
        self.id.get(..12).unwrap_or(&self.id)
    }
}

/// The container that an event belongs to.
#[derive(Clone, Debug)]
pub enum ContainerView {
    /// A process of the node itself, and the service that it is part of. `container.id` is `host`.
    Host(Option<Arc<Unit>>),
    /// A container.
    Container(Arc<Container>),
    /// A process in a cgroup of which nothing is known: the node's or a container's. Every
    /// `container.*` field is *unknown*.
    Unknown {
        /// cgroup v2 id.
        cgroup_id: u64,
        /// Why it stays unknown, once looking for it has failed; the reason is for people.
        why: Option<Arc<str>>,
    },
}

impl ContainerView {
    /// The container, unless the process belongs to the node or its cgroup is unknown.
    pub fn container(&self) -> Option<&Arc<Container>> {
        match self {
            Self::Host(_) | Self::Unknown { .. } => None,
            Self::Container(container) => Some(container),
        }
    }

    /// Cgroup v2 id of the own cgroup of the container or the service.
    pub fn own_cgroup_id(&self) -> Option<u64> {
        match self {
            Self::Host(unit) => unit.as_ref().map(|unit| unit.cgroup_id),
            Self::Container(container) => Some(container.cgroup_id),
            Self::Unknown { .. } => None,
        }
    }

    /// More will be known soon: somebody has been asked.
    pub fn is_pending(&self) -> bool {
        match self {
            Self::Host(_) => false,
            Self::Container(container) => container.identity == Identity::Pending,
            Self::Unknown { why, .. } => why.is_none(),
        }
    }
}
