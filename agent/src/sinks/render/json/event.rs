//! Events and processes.

use schemars::JsonSchema;
use serde::Serialize;

use super::is_default;
use super::paths::Paths;
use crate::proto;
use crate::sinks::render::{enum_word, time};

/// An event.
#[derive(Debug, JsonSchema, Serialize)]
pub(super) struct Event<'a> {
    /// Number of the event in this run of the agent.
    number: u64,
    /// Falco's event type: `openat`.
    r#type: &'a str,
    /// Return value: a descriptor, 0 or a negated errno.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<i64>,
    /// When it happened.
    #[schemars(extend("format" = "date-time"))]
    time: String,
    /// Nanoseconds since boot.
    boot_ns: u64,
    /// Calling thread.
    tid: u32,
    #[serde(flatten)]
    payload: Payload<'a>,
    /// A record of an earlier time arrived after this one.
    #[serde(skip_serializing_if = "is_default")]
    out_of_order: bool,
    /// Found by a scan after a gap.
    #[serde(skip_serializing_if = "is_default")]
    seen_late: bool,
    /// The agent had no certain knowledge of the process.
    #[serde(skip_serializing_if = "is_default")]
    process_unknown: bool,
}

/// What is told of the call; one at most is there.
#[derive(Debug, Default, JsonSchema, Serialize)]
struct Payload<'a> {
    /// A new image runs; it is the process.
    #[serde(skip_serializing_if = "Option::is_none")]
    exec: Option<Nothing>,
    /// A process was forked; it is the process.
    #[serde(skip_serializing_if = "Option::is_none")]
    fork: Option<Nothing>,
    /// A process ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    exit: Option<Exit>,
    /// A file was opened or made.
    #[serde(skip_serializing_if = "Option::is_none")]
    open: Option<Open<'a>>,
    /// A call on a socket.
    #[serde(skip_serializing_if = "Option::is_none")]
    socket: Option<Socket<'a>>,
    /// A change of ids.
    #[serde(skip_serializing_if = "Option::is_none")]
    set_ids: Option<SetIds>,
    /// A cgroup was made or removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    cgroup: Option<Cgroup<'a>>,
    /// A call without a path.
    #[serde(skip_serializing_if = "Option::is_none")]
    call: Option<Call<'a>>,
    /// A call on paths.
    #[serde(skip_serializing_if = "Option::is_none")]
    paths: Option<Paths<'a>>,
    /// A DNS message.
    #[serde(skip_serializing_if = "Option::is_none")]
    dns: Option<super::dns::Dns<'a>>,
}

/// The process says it all.
#[derive(Debug, JsonSchema, Serialize)]
struct Nothing {}

#[derive(Debug, JsonSchema, Serialize)]
struct Exit {
    status: u32,
    /// 0 when none ended it.
    signal: u32,
}

#[derive(Debug, JsonSchema, Serialize)]
struct SetIds {
    /// First argument of the call, as passed.
    argument: u32,
}

#[derive(Debug, JsonSchema, Serialize)]
struct Cgroup<'a> {
    cgroup_id: u64,
    path: Option<Path<'a>>,
}

#[derive(Debug, JsonSchema, Serialize)]
struct Open<'a> {
    path: Option<Path<'a>>,
    /// As passed to the call.
    flags: u32,
    read: bool,
    write: bool,
    /// The call made the file.
    created: bool,
    /// Where the path was read: `kernel`, `user_memory` or `inferred`.
    provenance: String,
    /// Another thread may have replaced the descriptor.
    #[serde(skip_serializing_if = "is_default")]
    fd_shared: bool,
    /// io_uring opened it.
    by_io_uring: bool,
    /// It lives in memory only.
    #[serde(skip_serializing_if = "is_default")]
    memfd: bool,
}

#[derive(Debug, JsonSchema, Serialize)]
struct Socket<'a> {
    #[serde(flatten)]
    endpoint: Option<Endpoint<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fd: Option<i32>,
    /// Where the address was read: `kernel`, `user_memory` or `inferred`.
    provenance: String,
    /// Names by which the container looked the own address up, the newest last.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    local_names: &'a [String],
    /// The same of the other end's address.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    remote_names: &'a [String],
    /// Another thread may have replaced the descriptor.
    #[serde(skip_serializing_if = "is_default")]
    fd_shared: bool,
}

#[derive(Debug, JsonSchema, Serialize)]
struct Call<'a> {
    arguments: Vec<Argument<'a>>,
    /// What a copied descriptor is.
    #[serde(skip_serializing_if = "Option::is_none")]
    descriptor: Option<Stdio<'a>>,
    /// Another thread may have replaced the descriptor.
    #[serde(skip_serializing_if = "is_default")]
    fd_shared: bool,
}

#[derive(Debug, JsonSchema, Serialize)]
struct Argument<'a> {
    name: &'a str,
    value: i64,
    /// The value as rules see it.
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
            payload: event.payload.as_ref().map(payload).unwrap_or_default(),
            out_of_order: event.out_of_order,
            seen_late: event.seen_late,
            process_unknown: event.process_unknown,
        }
    }
}

fn payload(payload: &proto::event::Payload) -> Payload<'_> {
    use proto::event::Payload as In;
    let mut told = Payload::default();
    match payload {
        In::Exec(_) => told.exec = Some(Nothing {}),
        In::Fork(_) => told.fork = Some(Nothing {}),
        In::Exit(exit) => {
            let (status, signal) = (exit.status, exit.signal);
            told.exit = Some(Exit { status, signal });
        }
        In::Open(call) => told.open = Some(open(call)),
        In::Socket(call) => told.socket = Some(socket(call)),
        In::SetIds(ids) => {
            let argument = ids.argument;
            told.set_ids = Some(SetIds { argument });
        }
        In::Call(call) => told.call = Some(call.into()),
        In::Paths(call) => told.paths = Some(call.into()),
        In::Dns(dns) => told.dns = Some(dns.into()),
        In::Cgroup(cgroup) => {
            told.cgroup = Some(Cgroup {
                cgroup_id: cgroup.cgroup_id,
                path: cgroup.path.as_ref().map(Path::from),
            });
        }
    }
    told
}

fn open(open: &proto::OpenPayload) -> Open<'_> {
    Open {
        path: open.path.as_ref().map(Path::from),
        flags: open.flags,
        read: open.read,
        write: open.write,
        created: open.created,
        provenance: enum_word(open.provenance().as_str_name(), "PROVENANCE_"),
        fd_shared: open.fd_shared,
        by_io_uring: open.by_io_uring,
        memfd: open.memfd,
    }
}

fn socket(socket: &proto::SocketPayload) -> Socket<'_> {
    Socket {
        endpoint: socket.endpoint.as_ref().map(Endpoint::from),
        fd: socket.fd,
        provenance: enum_word(socket.provenance().as_str_name(), "PROVENANCE_"),
        local_names: &socket.local_names,
        remote_names: &socket.remote_names,
        fd_shared: socket.fd_shared,
    }
}

#[derive(Debug, JsonSchema, Serialize)]
pub(super) struct Path<'a> {
    /// Relative to the container's root.
    text: &'a str,
    /// The beginning is missing.
    #[serde(skip_serializing_if = "is_default")]
    truncated: bool,
    /// The file lies outside the container's root.
    #[serde(skip_serializing_if = "is_default")]
    unreachable: bool,
    /// The file had been unlinked.
    #[serde(skip_serializing_if = "is_default")]
    deleted: bool,
    /// The text holds escapes.
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

#[derive(Debug, JsonSchema, Serialize)]
struct Endpoint<'a> {
    /// `inet`, `inet6`, `unix` or a number.
    family: &'a str,
    /// `tcp`, `udp`, `icmp` or a number.
    #[serde(skip_serializing_if = "str::is_empty")]
    transport: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    local: Option<Address<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote: Option<Address<'a>>,
}

#[derive(Debug, JsonSchema, Serialize)]
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
#[derive(Debug, JsonSchema, Serialize)]
pub struct Process<'a> {
    pid: u32,
    parent_pid: u32,
    /// Pid in its own pid namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    container_pid: Option<u32>,
    /// One executed image, for as long as the kernel lives.
    exec_id: Option<ExecId>,
    name: &'a str,
    executable: Option<Executable<'a>>,
    /// Name passed to execve; for a script the script's own path.
    filename: &'a str,
    /// Set when it differs from `filename`.
    #[serde(skip_serializing_if = "str::is_empty")]
    interpreter: &'a str,
    /// Arguments, the program's own name first.
    args: &'a [String],
    /// There were more than are captured.
    #[serde(skip_serializing_if = "is_default")]
    args_truncated: bool,
    /// Name and arguments on one line.
    command_line: &'a str,
    cwd: Option<Path<'a>>,
    credentials: Option<Credentials>,
    capabilities: Option<Capabilities>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tty: Option<Tty>,
    /// What descriptors 0, 1 and 2 were at exec.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stdio: Vec<Stdio<'a>>,
    /// When it started.
    #[schemars(extend("format" = "date-time"))]
    start_time: String,
    cgroup_id: u64,
    pid_namespace: u32,
    mount_namespace: u32,
    /// Found by a scan, not by its own exec event.
    #[serde(skip_serializing_if = "is_default")]
    seen_late: bool,
    /// Some of its texts hold escapes.
    #[serde(skip_serializing_if = "is_default")]
    escaped: bool,
}

#[derive(Debug, JsonSchema, Serialize)]
struct ExecId {
    pid: u32,
    /// When the process started, in nanoseconds since boot.
    start_boot_ns: u64,
    /// How many images ran in the process before.
    exec_number: u32,
}

#[derive(Debug, JsonSchema, Serialize)]
struct Executable<'a> {
    path: Option<Path<'a>>,
    inode: u64,
    /// `major:minor`.
    device: String,
    /// Where it lies on overlayfs: `lower`, `copied_up` or `upper_only`.
    #[serde(skip_serializing_if = "Option::is_none")]
    layer: Option<String>,
    /// It lives in memory only.
    #[serde(skip_serializing_if = "is_default")]
    memfd: bool,
    /// It had no name left when it was executed.
    #[serde(skip_serializing_if = "is_default")]
    unlinked: bool,
}

#[derive(Debug, JsonSchema, Serialize)]
struct Credentials {
    uid: u32,
    euid: u32,
    gid: u32,
    egid: u32,
    /// Left out when no login was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    login_uid: Option<u32>,
}

/// Hexadecimal masks, as /proc shows them.
#[derive(Debug, JsonSchema, Serialize)]
struct Capabilities {
    effective: String,
    permitted: String,
    inheritable: String,
}

#[derive(Debug, JsonSchema, Serialize)]
struct Tty {
    major: u32,
    minor: u32,
}

#[derive(Debug, JsonSchema, Serialize)]
struct Stdio<'a> {
    /// `closed`, `file`, `char_device`, `pipe`, `socket`, `other` or `unspecified`.
    kind: String,
    /// Two ends of one pipe share it.
    #[serde(skip_serializing_if = "is_default")]
    inode: u64,
    /// Its ends, as far as they are known.
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
