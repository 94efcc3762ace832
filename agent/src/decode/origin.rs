//! Whose account a record belongs to that cannot be decoded.

use gravlens_common::{
    ABI_VERSION, BulkCallRecord, Call, CgroupRecord, DnsRecord, ForkRecord, Hook, Kind, OpenRecord,
    PathsRecord, RecordHeader, ShortOpenRecord, SocketRecord,
};
use zerocopy::FromBytes;

/// The account that the kernel counted a record in, as far as the bytes tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// cgroup v2 id; `None` when the record's fixed part is not there to tell.
    pub cgroup_id: Option<u64>,
    /// Hook; the most frequent one that it can be when the bytes do not tell.
    pub hook: Hook,
}

/// Reads the origin of a record. `None` when it is of a kind that the kernel does not count.
pub fn origin(bytes: &[u8]) -> Option<Origin> {
    let kind = prefix::<RecordHeader>(bytes)
        .filter(|header| header.version == ABI_VERSION)
        .and_then(|header| Kind::from_number(header.kind));
    let told = |hook, cgroup_id| Some(Origin { cgroup_id, hook });
    match kind {
        Some(Kind::Exec) => told(Hook::Exec, of_process(bytes)),
        Some(Kind::Fork) => told(Hook::Fork, of_process(bytes)),
        Some(Kind::Exit) => told(Hook::Exit, of_process(bytes)),
        Some(Kind::SetIds) => told(Hook::SetIds, of_process(bytes)),
        Some(Kind::CgroupMkdir) => told(Hook::CgroupMkdir, of_change(bytes)),
        Some(Kind::CgroupRmdir) => told(Hook::CgroupRmdir, of_change(bytes)),
        Some(Kind::CgroupAttach) => told(Hook::CgroupAttach, of_change(bytes)),
        Some(Kind::Call) => told(Hook::Privilege, of_process(bytes)),
        Some(Kind::Socket) => Some(of_socket(bytes)),
        Some(Kind::BulkCall) => Some(of_bulk_call(bytes)),
        Some(Kind::Open) => {
            let record = prefix::<OpenRecord>(bytes);
            told(Hook::Open, record.map(|record| record.context.cgroup_id))
        }
        Some(Kind::ShortOpen) => {
            let record = prefix::<ShortOpenRecord>(bytes);
            told(Hook::Open, record.map(|record| record.cgroup_id.into()))
        }
        Some(Kind::Paths) => Some(of_paths(bytes)),
        Some(Kind::Dns) => {
            let record = prefix::<DnsRecord>(bytes);
            told(Hook::Dns, record.map(|record| record.context.cgroup_id))
        }
        Some(Kind::Marker | Kind::Task) => None,
        None => told(Hook::Open, None),
    }
}

/// The process context follows the header in every critical record.
fn of_process(bytes: &[u8]) -> Option<u64> {
    Some(prefix::<ForkRecord>(bytes)?.process.cgroup_id)
}

/// A change of the tree is counted in the cgroup that changed.
fn of_change(bytes: &[u8]) -> Option<u64> {
    Some(prefix::<CgroupRecord>(bytes)?.cgroup_id)
}

fn of_socket(bytes: &[u8]) -> Origin {
    let record = prefix::<SocketRecord>(bytes);
    let told = record.map(|record| (record.context.cgroup_id, record.call));
    of_call(told, Hook::Connect)
}

fn of_bulk_call(bytes: &[u8]) -> Origin {
    let record = prefix::<BulkCallRecord>(bytes);
    let told = record.map(|record| (record.context.cgroup_id, record.call));
    of_call(told, Hook::Descriptor)
}

/// The call tells the hook; without it the cgroup is of no use.
fn of_call(told: Option<(u64, u8)>, most_frequent: Hook) -> Origin {
    let known = told.and_then(|(cgroup_id, call)| Some((cgroup_id, Call::from_number(call)?)));
    match known {
        Some((cgroup_id, call)) => Origin {
            cgroup_id: Some(cgroup_id),
            hook: call.hook(),
        },
        None => Origin {
            cgroup_id: None,
            hook: most_frequent,
        },
    }
}

/// Likewise.
fn of_paths(bytes: &[u8]) -> Origin {
    let known = prefix::<PathsRecord>(bytes)
        .and_then(|record| Some((record.context.cgroup_id, Call::from_number(record.call)?)));
    Origin {
        cgroup_id: known.map(|(cgroup_id, _)| cgroup_id),
        hook: known.map_or(Hook::FileChange, |(_, call)| PathsRecord::hook(call)),
    }
}

fn prefix<T: FromBytes>(bytes: &[u8]) -> Option<T> {
    Some(T::read_from_prefix(bytes).ok()?.0)
}
