//! Events as protobuf messages.

use super::dns::{dns, texts};
use super::paths::paths;
use super::process::{endpoint, path, stdio};
use super::timestamp;
use crate::model::{Argument, Call, Event, Open, Payload, Provenance, Socket, Syscall};
use crate::proto;

/// An event without its process and container, which the alert carries.
pub(super) fn event(event: &Event<'_>) -> proto::Event {
    proto::Event {
        number: event.number,
        r#type: event.syscall.name().to_owned(),
        result: event.result,
        time: Some(timestamp(event.time)),
        boot_ns: event.boot_ns,
        tid: event.tid,
        payload: Some(payload(event)),
        out_of_order: event.flags.out_of_order,
        seen_late: event.flags.seen_late,
        process_unknown: event.flags.process_unknown,
    }
}

fn payload(event: &Event<'_>) -> proto::event::Payload {
    use proto::event::Payload as Out;
    match &event.payload {
        Payload::Exec => Out::Exec(proto::ExecPayload {}),
        Payload::Fork => Out::Fork(proto::ForkPayload {}),
        &Payload::Exit { status, signal } => Out::Exit(proto::ExitPayload {
            status: u32::from(status),
            signal: u32::from(signal),
        }),
        Payload::Open(call) => Out::Open(open(call)),
        Payload::Socket(call) => Out::Socket(socket(call)),
        Payload::SetIds(call) => Out::SetIds(proto::SetIdsPayload {
            argument: call.argument,
        }),
        Payload::Call(made) => Out::Call(call(made, event.syscall)),
        Payload::Paths(call) => Out::Paths(paths(event.syscall, call)),
        Payload::Dns(message) => Out::Dns(dns(message)),
        Payload::Cgroup(change) => Out::Cgroup(proto::CgroupPayload {
            cgroup_id: change.cgroup_id,
            path: Some(path(&crate::model::Path {
                bytes: &change.path,
                truncated: false,
                unreachable: false,
                deleted: false,
            })),
        }),
    }
}

fn open(open: &Open<'_>) -> proto::OpenPayload {
    proto::OpenPayload {
        path: Some(path(&open.path)),
        flags: open.flags,
        read: open.is_read(),
        write: open.is_write(),
        created: open.created,
        provenance: provenance(open.provenance).into(),
        fd_shared: open.fd_shared,
        by_io_uring: open.by_io_uring,
        memfd: open.memfd,
    }
}

fn socket(socket: &Socket) -> proto::SocketPayload {
    proto::SocketPayload {
        endpoint: Some(endpoint(&socket.endpoint)),
        fd: (socket.fd >= 0).then_some(socket.fd),
        provenance: provenance(socket.provenance).into(),
        local_names: texts(socket.local_name.known()),
        remote_names: texts(socket.remote_name.known()),
        fd_shared: socket.fd_shared,
    }
}

fn call(call: &Call, syscall: Syscall) -> proto::CallPayload {
    proto::CallPayload {
        arguments: call.named(syscall).map(argument).collect(),
        descriptor: call.descriptor.as_ref().map(stdio),
        fd_shared: call.fd_shared,
    }
}

fn argument((name, value): (&str, Argument)) -> proto::Argument {
    proto::Argument {
        name: name.to_owned(),
        value: value.number(),
        text: value.to_string(),
    }
}

pub(super) fn provenance(provenance: Provenance) -> proto::Provenance {
    match provenance {
        Provenance::Kernel => proto::Provenance::Kernel,
        Provenance::UserMemory => proto::Provenance::UserMemory,
        Provenance::Inferred => proto::Provenance::Inferred,
    }
}
