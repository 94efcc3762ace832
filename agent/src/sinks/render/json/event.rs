//! Events and processes.

use serde::Serialize;

use super::is_default;
use super::paths::Paths;
use crate::proto;
use crate::sinks::render::{enum_word, time};

/// An event.
#[derive(Debug, Serialize)]
pub(super) struct Event<'a> {
    number: u64,
    r#type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<i64>,
    time: String,
    boot_ns: u64,
    tid: u32,
    #[serde(flatten)]
    payload: Option<Payload<'a>>,
    #[serde(skip_serializing_if = "is_default")]
    out_of_order: bool,
    #[serde(skip_serializing_if = "is_default")]
    seen_late: bool,
    #[serde(skip_serializing_if = "is_default")]
    process_unknown: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Payload<'a> {
    Exec {},
    Fork {},
    Exit {
        status: u32,
        signal: u32,
    },
    Open(Open<'a>),
    Socket(Socket<'a>),
    SetIds {
        argument: u32,
    },
    Cgroup {
        cgroup_id: u64,
        path: Option<Path<'a>>,
    },
    Call(Call<'a>),
    Paths(Paths<'a>),
    Dns(super::dns::Dns<'a>),
}

#[derive(Debug, Serialize)]
struct Open<'a> {
    path: Option<Path<'a>>,
    flags: u32,
    read: bool,
    write: bool,
    created: bool,
    provenance: String,
    #[serde(skip_serializing_if = "is_default")]
    fd_shared: bool,
    by_io_uring: bool,
    #[serde(skip_serializing_if = "is_default")]
    memfd: bool,
}

#[derive(Debug, Serialize)]
struct Socket<'a> {
    #[serde(flatten)]
    endpoint: Option<Endpoint<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fd: Option<i32>,
    provenance: String,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    local_names: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    remote_names: &'a [String],
    #[serde(skip_serializing_if = "is_default")]
    fd_shared: bool,
}

#[derive(Debug, Serialize)]
struct Call<'a> {
    arguments: Vec<Argument<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    descriptor: Option<Stdio<'a>>,
    #[serde(skip_serializing_if = "is_default")]
    fd_shared: bool,
}

#[derive(Debug, Serialize)]
struct Argument<'a> {
    name: &'a str,
    value: i64,
    text: &'a str,
}

impl<'a> From<&'a proto::CallPayload> for Call<'a> {
    fn from(call: &'a proto::CallPayload) -> Self {
        let argument = |argument: &'a proto::Argument| Argument {
            name: &argument.name,
            value: argument.value,
            text: &argument.text,
        };
        Self {
            arguments: call.arguments.iter().map(argument).collect(),
            descriptor: call.descriptor.as_ref().map(stdio),
            fd_shared: call.fd_shared,
        }
    }
}

impl<'a> From<&'a proto::Event> for Event<'a> {
    fn from(event: &'a proto::Event) -> Self {
        Self {
            number: event.number,
            r#type: &event.r#type,
            result: event.result,
            time: time(event.time.as_ref()),
            boot_ns: event.boot_ns,
            tid: event.tid,
            payload: event.payload.as_ref().map(payload),
            out_of_order: event.out_of_order,
            seen_late: event.seen_late,
            process_unknown: event.process_unknown,
        }
    }
}

fn payload(payload: &proto::event::Payload) -> Payload<'_> {
    use proto::event::Payload as In;
    match payload {
        In::Exec(_) => Payload::Exec {},
        In::Fork(_) => Payload::Fork {},
        In::Exit(exit) => Payload::Exit {
            status: exit.status,
            signal: exit.signal,
        },
        In::Open(open) => Payload::Open(Open {
            path: open.path.as_ref().map(Path::from),
            flags: open.flags,
            read: open.read,
            write: open.write,
            created: open.created,
            provenance: enum_word(open.provenance().as_str_name(), "PROVENANCE_"),
            fd_shared: open.fd_shared,
            by_io_uring: open.by_io_uring,
            memfd: open.memfd,
        }),
        In::Socket(socket) => Payload::Socket(Socket {
            endpoint: socket.endpoint.as_ref().map(Endpoint::from),
            fd: socket.fd,
            provenance: enum_word(socket.provenance().as_str_name(), "PROVENANCE_"),
            local_names: &socket.local_names,
            remote_names: &socket.remote_names,
            fd_shared: socket.fd_shared,
        }),
        In::SetIds(ids) => Payload::SetIds {
            argument: ids.argument,
        },
        In::Call(call) => Payload::Call(call.into()),
        In::Paths(call) => Payload::Paths(Paths::from(call)),
        In::Dns(dns) => Payload::Dns(dns.into()),
        In::Cgroup(cgroup) => Payload::Cgroup {
            cgroup_id: cgroup.cgroup_id,
            path: cgroup.path.as_ref().map(Path::from),
        },
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Path<'a> {
    text: &'a str,
    #[serde(skip_serializing_if = "is_default")]
    truncated: bool,
    #[serde(skip_serializing_if = "is_default")]
    unreachable: bool,
    #[serde(skip_serializing_if = "is_default")]
    deleted: bool,
    #[serde(skip_serializing_if = "is_default")]
    escaped: bool,
}

impl<'a> From<&'a proto::Path> for Path<'a> {
    fn from(path: &'a proto::Path) -> Self {
        Self {
            text: &path.text,
            truncated: path.truncated,
            unreachable: path.unreachable,
            deleted: path.deleted,
            escaped: path.escaped,
        }
    }
}

#[derive(Debug, Serialize)]
struct Endpoint<'a> {
    family: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    transport: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    local: Option<Address<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote: Option<Address<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Address<'a> {
    Ip {
        ip: &'a str,
        port: u32,
    },
    Unix {
        path: &'a str,
        #[serde(skip_serializing_if = "is_default")]
        escaped: bool,
    },
}

impl<'a> From<&'a proto::Endpoint> for Endpoint<'a> {
    fn from(endpoint: &'a proto::Endpoint) -> Self {
        Self {
            family: &endpoint.family,
            transport: &endpoint.transport,
            local: endpoint.local.as_ref().map(Address::from),
            remote: endpoint.remote.as_ref().map(Address::from),
        }
    }
}

impl<'a> From<&'a proto::SocketAddress> for Address<'a> {
    fn from(address: &'a proto::SocketAddress) -> Self {
        if address.ip.is_empty() {
            return Self::Unix {
                path: &address.path,
                escaped: address.escaped,
            };
        }
        Self::Ip {
            ip: &address.ip,
            port: address.port,
        }
    }
}

/// A process.
#[derive(Debug, Serialize)]
pub struct Process<'a> {
    pid: u32,
    parent_pid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    container_pid: Option<u32>,
    exec_id: Option<ExecId>,
    name: &'a str,
    executable: Option<Executable<'a>>,
    filename: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    interpreter: &'a str,
    args: &'a [String],
    #[serde(skip_serializing_if = "is_default")]
    args_truncated: bool,
    command_line: &'a str,
    cwd: Option<Path<'a>>,
    credentials: Option<Credentials>,
    capabilities: Option<Capabilities>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tty: Option<Tty>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stdio: Vec<Stdio<'a>>,
    start_time: String,
    cgroup_id: u64,
    pid_namespace: u32,
    mount_namespace: u32,
    #[serde(skip_serializing_if = "is_default")]
    seen_late: bool,
    #[serde(skip_serializing_if = "is_default")]
    escaped: bool,
}

#[derive(Debug, Serialize)]
struct ExecId {
    pid: u32,
    start_boot_ns: u64,
    exec_number: u32,
}

#[derive(Debug, Serialize)]
struct Executable<'a> {
    path: Option<Path<'a>>,
    inode: u64,
    device: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    layer: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    memfd: bool,
    #[serde(skip_serializing_if = "is_default")]
    unlinked: bool,
}

#[derive(Debug, Serialize)]
struct Credentials {
    uid: u32,
    euid: u32,
    gid: u32,
    egid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    login_uid: Option<u32>,
}

/// Hexadecimal masks, as /proc shows them.
#[derive(Debug, Serialize)]
struct Capabilities {
    effective: String,
    permitted: String,
    inheritable: String,
}

#[derive(Debug, Serialize)]
struct Tty {
    major: u32,
    minor: u32,
}

#[derive(Debug, Serialize)]
struct Stdio<'a> {
    kind: String,
    #[serde(skip_serializing_if = "is_default")]
    inode: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    socket: Option<Endpoint<'a>>,
}

impl<'a> From<&'a proto::Process> for Process<'a> {
    fn from(process: &'a proto::Process) -> Self {
        Self {
            pid: process.pid,
            parent_pid: process.parent_pid,
            container_pid: process.container_pid,
            exec_id: process.exec_id.as_ref().map(|id| ExecId {
                pid: id.pid,
                start_boot_ns: id.start_boot_ns,
                exec_number: id.exec_number,
            }),
            name: &process.name,
            executable: process.executable.as_ref().map(executable),
            filename: &process.filename,
            interpreter: &process.interpreter,
            args: &process.args,
            args_truncated: process.args_truncated,
            command_line: &process.command_line,
            cwd: process.cwd.as_ref().map(Path::from),
            credentials: process.credentials.map(credentials),
            capabilities: process.capabilities.map(capabilities),
            tty: process.tty.map(|tty| Tty {
                major: tty.major,
                minor: tty.minor,
            }),
            stdio: process.stdio.iter().map(stdio).collect(),
            start_time: time(process.start_time.as_ref()),
            cgroup_id: process.cgroup_id,
            pid_namespace: process.pid_namespace,
            mount_namespace: process.mount_namespace,
            seen_late: process.seen_late,
            escaped: process.escaped,
        }
    }
}

fn executable(executable: &proto::Executable) -> Executable<'_> {
    let layer = executable.layer();
    Executable {
        path: executable.path.as_ref().map(Path::from),
        inode: executable.inode,
        device: format!("{}:{}", executable.device_major, executable.device_minor),
        layer: (layer != proto::Layer::Unspecified)
            .then(|| enum_word(layer.as_str_name(), "LAYER_")),
        memfd: executable.memfd,
        unlinked: executable.unlinked,
    }
}

fn credentials(credentials: proto::Credentials) -> Credentials {
    Credentials {
        uid: credentials.uid,
        euid: credentials.euid,
        gid: credentials.gid,
        egid: credentials.egid,
        login_uid: credentials.login_uid,
    }
}

fn capabilities(sets: proto::Capabilities) -> Capabilities {
    let mask = |mask: u64| format!("{mask:016x}");
    Capabilities {
        effective: mask(sets.effective),
        permitted: mask(sets.permitted),
        inheritable: mask(sets.inheritable),
    }
}

fn stdio(stdio: &proto::Stdio) -> Stdio<'_> {
    Stdio {
        kind: enum_word(stdio.kind().as_str_name(), "KIND_"),
        inode: stdio.inode,
        socket: stdio.socket.as_ref().map(Endpoint::from),
    }
}
