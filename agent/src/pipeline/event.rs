//! From a decoded record to an event: the join with process table and container table.

use std::borrow::Cow;

use gravlens_common::Kind;

use crate::decode::{BulkCallView, CallView, OpenView, SocketView};
use crate::model::{AddressName, Call, CgroupChange, Open, Payload, Socket, Syscall};

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
        executable: open.executable,
        provenance: open.provenance,
        fd_shared: open.fd_shared,
        by_io_uring: open.by_io_uring,
    })
}

pub(super) fn socket_payload(socket: &SocketView<'_>) -> Payload<'static> {
    Payload::Socket(Socket {
        endpoint: socket.endpoint(),
        fd: socket.fd,
        provenance: socket.provenance,
        fd_shared: socket.fd_shared,
        // The event's container tells them.
        local_name: AddressName::None,
        remote_name: AddressName::None,
    })
}

pub(super) fn call_payload(call: &CallView) -> Payload<'static> {
    Payload::Call(Call {
        arguments: call.arguments,
        descriptor: None,
        fd_shared: false,
    })
}

pub(super) fn bulk_call_payload(call: &BulkCallView) -> Payload<'static> {
    Payload::Call(Call {
        arguments: call.arguments,
        descriptor: call.descriptor.clone(),
        fd_shared: call.fd_shared,
    })
}

pub(super) fn cgroup_payload(cgroup_id: u64, path: &[u8]) -> Payload<'_> {
    Payload::Cgroup(CgroupChange {
        cgroup_id,
        path: Cow::Borrowed(path),
    })
}
