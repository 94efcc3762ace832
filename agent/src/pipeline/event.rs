//! From a decoded record to an event: the join with process table and container table.

use std::borrow::Cow;

use gravlens_common::{Call, Kind};

use crate::decode::{OpenView, SocketView};
use crate::model::{CgroupChange, Open, Path, Payload, Socket, Syscall};

/// The call as rules name it.
pub(super) const fn syscall(call: Call) -> Syscall {
    match call {
        Call::Execve => Syscall::Execve,
        Call::Execveat => Syscall::Execveat,
        Call::Open => Syscall::Open,
        Call::Openat => Syscall::Openat,
        Call::Openat2 => Syscall::Openat2,
        Call::Creat => Syscall::Creat,
        Call::Connect => Syscall::Connect,
        Call::Sendto => Syscall::Sendto,
        Call::Sendmsg => Syscall::Sendmsg,
        Call::Sendmmsg => Syscall::Sendmmsg,
        Call::Bind => Syscall::Bind,
        Call::Listen => Syscall::Listen,
        Call::Accept => Syscall::Accept,
        Call::Accept4 => Syscall::Accept4,
        Call::Setuid => Syscall::Setuid,
        Call::Setgid => Syscall::Setgid,
        Call::Setreuid => Syscall::Setreuid,
        Call::Setregid => Syscall::Setregid,
        Call::Setresuid => Syscall::Setresuid,
        Call::Setresgid => Syscall::Setresgid,
        Call::Setfsuid => Syscall::Setfsuid,
        Call::Setfsgid => Syscall::Setfsgid,
        Call::Setgroups => Syscall::Setgroups,
    }
}

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
        path: Path {
            bytes: Cow::Borrowed(open.path.bytes),
            truncated: open.path.truncated,
            unreachable: open.path.unreachable,
            deleted: open.path.deleted,
        },
        flags: open.flags,
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
