//! Inputs of the detection task, as messages and back.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::layout::Fault;
use crate::enrich::container::{ContainerMessage, ScannedCgroup};
use crate::enrich::dns::{Owner, ResolverMessage};
use crate::enrich::process_table::ProcDetails;
use crate::model::{ContainerMetadata, Mount, Runtime};
use crate::proto::capture::{self as message, entry};

/// A time that is later is none that a clock showed, and sums with it could overflow: 146 years of
/// nanoseconds.
const MAX_NS: u64 = 1 << 62;

/// One input of the detection task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A record of the kernel programs.
    Record(Vec<u8>),
    /// Time passed.
    Tick {
        /// Nanoseconds since boot.
        boot_ns: u64,
        /// Wall-clock time at that moment.
        wall: SystemTime,
    },
    /// From a container runtime.
    Message(ContainerMessage),
    /// A cgroup of the walk that [`Input::Scan`] ends.
    ScannedCgroup(ScannedCgroup),
    /// A walk over the cgroups has ended.
    Scan {
        /// Boot time before the walk, in nanoseconds.
        started_boot_ns: u64,
        /// Boot time after it.
        ended_boot_ns: u64,
        /// No cgroup was left out.
        complete: bool,
    },
    /// A process that the task iterator found, with its record.
    FoundProcess(Vec<u8>, ProcDetails),
    /// Exec keys of processes of the iteration that [`Input::Iteration`] ends.
    Running(Vec<u64>),
    /// An iteration over the tasks, begun at that boot time, has ended.
    Iteration(u64),
    /// The resolvers of a container.
    Resolvers(ResolverMessage),
    /// The resolvers of a container, as they were known when the first file that is read began.
    KnownResolvers(ResolverMessage),
    /// Events seen and lost since the recording began.
    Account {
        /// Seen.
        seen: u64,
        /// Of them lost.
        lost: u64,
    },
}

/// A message of a container runtime. A walk over the cgroups is many inputs: they are no message.
pub fn encode_message(from: &ContainerMessage) -> Option<entry::Input> {
    Some(match from {
        ContainerMessage::Full {
            runtime,
            id,
            metadata,
        } => entry::Input::Described(message::Described {
            runtime: encode_runtime(*runtime).into(),
            id: id.clone(),
            container: Some(encode_container(metadata)),
        }),
        ContainerMessage::Failed { runtime, id, why } => {
            entry::Input::NotDescribed(message::NotDescribed {
                runtime: encode_runtime(*runtime).into(),
                id: id.clone(),
                why: why.as_ref().to_owned(),
            })
        }
        ContainerMessage::Gone { id } => entry::Input::Removed(id.clone()),
        ContainerMessage::RuntimeLost { runtime, why } => {
            entry::Input::RuntimeLost(message::RuntimeLost {
                runtime: encode_runtime(*runtime).into(),
                why: why.as_ref().to_owned(),
            })
        }
        ContainerMessage::RuntimeBack { runtime } => {
            entry::Input::RuntimeBack(encode_runtime(*runtime).into())
        }
        ContainerMessage::Scan { .. } => return None,
    })
}

/// The resolvers of a container.
pub fn encode_resolvers(from: &ResolverMessage) -> message::Resolvers {
    let octets = |server: &IpAddr| match server {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    message::Resolvers {
        container: match from.owner {
            Owner::Node => None,
            Owner::Container(cgroup_id) => Some(cgroup_id),
        },
        known: from.servers.is_some(),
        servers: from.servers.iter().flatten().map(octets).collect(),
    }
}

pub(crate) const fn encode_runtime(runtime: Runtime) -> message::Runtime {
    match runtime {
        Runtime::Unknown => message::Runtime::Unspecified,
        Runtime::Docker => message::Runtime::Docker,
        Runtime::Containerd => message::Runtime::Containerd,
        Runtime::Crio => message::Runtime::Crio,
        Runtime::Podman => message::Runtime::Podman,
    }
}

pub(crate) fn decode_runtime(number: i32) -> Result<Runtime, Fault> {
    Ok(match message::Runtime::try_from(number) {
        Ok(message::Runtime::Unspecified) => Runtime::Unknown,
        Ok(message::Runtime::Docker) => Runtime::Docker,
        Ok(message::Runtime::Containerd) => Runtime::Containerd,
        Ok(message::Runtime::Crio) => Runtime::Crio,
        Ok(message::Runtime::Podman) => Runtime::Podman,
        Err(_) => return Err(Fault::Entry(format!("runtime {number}"))),
    })
}

/// Both clocks at one moment.
pub(crate) fn encode_reading(boot_ns: u64, wall: SystemTime) -> message::Reading {
    message::Reading {
        boot_ns,
        unix_ns: unix_ns(wall),
    }
}

pub(crate) fn decode_reading(reading: message::Reading) -> Result<(u64, SystemTime), Fault> {
    Ok((boot_time(reading.boot_ns)?, wall(reading.unix_ns)))
}

impl Input {
    /// Of a message.
    ///
    /// # Errors
    /// It says something that no recorder says.
    pub(super) fn decode(entry: message::Entry) -> Result<Self, Fault> {
        // An input that this version does not know cannot be left out: what follows builds on it.
        let unknown = || Fault::Entry("an input of an unknown kind".to_owned());
        Ok(match entry.input.ok_or_else(unknown)? {
            entry::Input::Record(record) => Self::Record(checked_record(record)?),
            entry::Input::Tick(reading) => {
                let (boot_ns, wall) = decode_reading(reading)?;
                Self::Tick { boot_ns, wall }
            }
            entry::Input::Described(described) => Self::Message(ContainerMessage::Full {
                runtime: decode_runtime(described.runtime)?,
                id: described.id,
                metadata: Arc::new(decode_container(described.container.unwrap_or_default())),
            }),
            entry::Input::NotDescribed(message) => Self::Message(ContainerMessage::Failed {
                runtime: decode_runtime(message.runtime)?,
                id: message.id,
                why: message.why.into(),
            }),
            entry::Input::Removed(id) => Self::Message(ContainerMessage::Gone { id }),
            entry::Input::RuntimeLost(message) => Self::Message(ContainerMessage::RuntimeLost {
                runtime: decode_runtime(message.runtime)?,
                why: message.why.into(),
            }),
            entry::Input::RuntimeBack(runtime) => Self::Message(ContainerMessage::RuntimeBack {
                runtime: decode_runtime(runtime)?,
            }),
            entry::Input::ScannedCgroup(cgroup) => Self::ScannedCgroup(ScannedCgroup {
                id: cgroup.id,
                path: cgroup.path,
            }),
            entry::Input::Scan(scan) => Self::Scan {
                started_boot_ns: boot_time(scan.started_boot_ns)?,
                ended_boot_ns: boot_time(scan.ended_boot_ns)?,
                complete: scan.complete,
            },
            entry::Input::FoundProcess(process) => Self::FoundProcess(
                checked_record(process.record)?,
                ProcDetails {
                    argv: process.argv,
                    argv_truncated: process.argv_truncated,
                    cwd: process.cwd,
                },
            ),
            entry::Input::Running(running) => Self::Running(running.exec_keys),
            entry::Input::Iteration(iteration) => {
                Self::Iteration(boot_time(iteration.started_boot_ns)?)
            }
            entry::Input::Resolvers(resolvers) => Self::Resolvers(decode_resolvers(&resolvers)?),
            entry::Input::Account(message::Account { seen, lost }) => Self::Account { seen, lost },
        })
    }
}

/// A record whose times a clock may have shown. Whether it is one at all is the decoder's to say,
/// as it is while recording.
fn checked_record(record: Vec<u8>) -> Result<Vec<u8>, Fault> {
    if let Ok((head, _)) = crate::decode::decode(&record) {
        boot_time(head.boot_ns)?;
    }
    Ok(record)
}

fn boot_time(boot_ns: u64) -> Result<u64, Fault> {
    if boot_ns > MAX_NS {
        return Err(Fault::Entry(format!("a time of {boot_ns} ns since boot")));
    }
    Ok(boot_ns)
}

fn unix_ns(time: SystemTime) -> i64 {
    let nanos = |duration: Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => nanos(since),
        Err(before) => -nanos(before.duration()),
    }
}

fn wall(unix_ns: i64) -> SystemTime {
    let distance = Duration::from_nanos(unix_ns.unsigned_abs());
    let epoch = SystemTime::UNIX_EPOCH;
    // 292 years to either side fit.
    let time = if unix_ns < 0 {
        epoch.checked_sub(distance)
    } else {
        epoch.checked_add(distance)
    };
    time.unwrap_or(epoch)
}

fn encode_container(metadata: &ContainerMetadata) -> message::Container {
    message::Container {
        name: metadata.name.clone(),
        image: metadata.image.clone(),
        image_repository: metadata.image_repository.clone(),
        image_tag: metadata.image_tag.clone(),
        image_digest: metadata.image_digest.clone(),
        labels: metadata
            .labels
            .iter()
            .map(|(key, value)| message::Label {
                key: key.clone(),
                value: value.clone(),
            })
            .collect(),
        privileged: metadata.privileged,
        mounts: metadata
            .mounts
            .iter()
            .map(|mount| message::Mount {
                source: mount.source.clone(),
                destination: mount.destination.clone(),
                read_write: mount.read_write,
            })
            .collect(),
        started_unix_ns: metadata.started_at.map(unix_ns),
        init_pid: metadata.init_pid,
    }
}

fn decode_container(container: message::Container) -> ContainerMetadata {
    let labels = container.labels.into_iter();
    let mounts = container.mounts.into_iter();
    ContainerMetadata {
        name: container.name,
        image: container.image,
        image_repository: container.image_repository,
        image_tag: container.image_tag,
        image_digest: container.image_digest,
        labels: labels.map(|label| (label.key, label.value)).collect(),
        privileged: container.privileged,
        mounts: mounts
            .map(|mount| Mount {
                source: mount.source,
                destination: mount.destination,
                read_write: mount.read_write,
            })
            .collect(),
        started_at: container.started_unix_ns.map(wall),
        init_pid: container.init_pid,
    }
}

fn decode_resolvers(from: &message::Resolvers) -> Result<ResolverMessage, Fault> {
    let server = |octets: &Vec<u8>| {
        let four = <[u8; 4]>::try_from(octets.as_slice()).map(IpAddr::from);
        let sixteen = <[u8; 16]>::try_from(octets.as_slice()).map(IpAddr::from);
        four.or(sixteen)
            .map_err(|_| Fault::Entry(format!("an address of {} bytes", octets.len())))
    };
    let servers: Vec<IpAddr> = from.servers.iter().map(server).collect::<Result<_, _>>()?;
    Ok(ResolverMessage {
        owner: from.container.map_or(Owner::Node, Owner::Container),
        servers: from.known.then_some(servers),
    })
}
