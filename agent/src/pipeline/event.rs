//! From a decoded record to an event: the join with process table and container table.

use std::borrow::Cow;

use gravlens_common::Kind;

use crate::decode::{OpenView, SocketView};
use crate::model::{CgroupChange, Open, Payload, Socket, Syscall};

/// The cgroup change as rules name it.
pub(super) const fn cgroup_syscall(kind: Kind) -> Syscall {
    match kind {
        Kind::CgroupMkdir => Syscall::CgroupMkdir,
        Kind::CgroupRmdir => Syscall::CgroupRmdir,
        _ => Syscall::CgroupAttach,
    }
}

pub(super) fn open_payload<'a>(open: &OpenView<'a>) -> Payload<'a> {
    Payload::Open(Open {
        path: open.path.clone(),
        name: open.name.map(Cow::Borrowed),
        flags: open.flags,
        memfd: open.call == Syscall::MemfdCreate,
        created: open.created,
        provenance: open.provenance,
        fd_shared: open.fd_shared,
    })
}

pub(super) fn socket_payload(socket: &SocketView<'_>) -> Payload<'static> {
    Payload::Socket(Socket {
        endpoint: socket.endpoint(),
        fd: socket.fd,
        provenance: socket.provenance,
    })
}

pub(super) fn cgroup_payload(cgroup_id: u64, path: &[u8]) -> Payload<'_> {
    Payload::Cgroup(CgroupChange {
        cgroup_id,
        path: Cow::Borrowed(path),
    })
}
