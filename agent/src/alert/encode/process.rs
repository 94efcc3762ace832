//! Processes as protobuf messages.

use std::time::{Duration, SystemTime};

use super::timestamp;
use crate::alert::text::lossless;
use crate::model::{
    AddressFamily, Capabilities, Endpoint, ExeFile, Ids, Layer, Path, Process, SocketAddress,
    Stdio, StdioKind, Transport,
};
use crate::proto;

/// Bytes of arguments that an ancestor may bring along; the process itself brings all.
const MAX_ANCESTOR_ARGS: usize = 4096;

/// A process with everything that is known of it.
pub(super) fn process(process: &Process, boot: Option<SystemTime>) -> proto::Process {
    encode(process, boot, usize::MAX)
}

/// An ancestor: long arguments are cut.
pub(super) fn ancestor(process: &Process, boot: Option<SystemTime>) -> proto::Process {
    encode(process, boot, MAX_ANCESTOR_ARGS)
}

fn encode(process: &Process, boot: Option<SystemTime>, max_args: usize) -> proto::Process {
    let mut strings = Strings::default();
    let (args, cut) = arguments(process, max_args, &mut strings);
    let line = &process.image.cmdline[..process.image.cmdline.len().min(max_args)];
    let started = Duration::from_nanos(process.exec_id.start_boottime_ns);
    proto::Process {
        exec_id: Some(proto::ExecId {
            pid: process.exec_id.tgid,
            start_boot_ns: process.exec_id.start_boottime_ns,
            exec_number: process.exec_id.exec_seq,
        }),
        pid: process.exec_id.tgid,
        parent_pid: process.parent_tgid,
        container_pid: process.vpid,
        name: strings.take(&process.comm),
        executable: process.image.exe.as_ref().map(executable),
        filename: strings.take(&process.image.filename),
        interpreter: process
            .image
            .interpreter
            .as_ref()
            .map_or_else(String::new, |bytes| strings.take(bytes)),
        args,
        args_truncated: process.image.argv_truncated || cut,
        command_line: strings.take(line),
        cwd: known_path(&process.image.cwd),
        credentials: process.ids.map(credentials),
        capabilities: process.capabilities.map(capabilities),
        tty: process.tty.map(|tty| proto::Tty {
            major: tty.major,
            minor: tty.minor,
        }),
        stdio: process.image.stdio.iter().flatten().map(stdio).collect(),
        start_time: boot.and_then(|boot| Some(timestamp(boot.checked_add(started)?))),
        cgroup_id: process.cgroup_id,
        pid_namespace: process.pid_namespace,
        mount_namespace: process.mount_namespace,
        seen_late: process.seen_late,
        escaped: strings.escaped,
    }
}

fn arguments(process: &Process, max: usize, strings: &mut Strings) -> (Vec<String>, bool) {
    let mut left = max;
    let mut args = Vec::with_capacity(process.image.argv.len());
    for arg in &process.image.argv {
        if arg.len() > left {
            return (args, true);
        }
        left -= arg.len();
        args.push(strings.take(arg));
    }
    (args, false)
}

/// Strings of one message, and whether any of them holds escapes.
#[derive(Default)]
struct Strings {
    escaped: bool,
}

impl Strings {
    fn take(&mut self, bytes: &[u8]) -> String {
        let (text, escaped) = lossless(bytes);
        self.escaped |= escaped;
        text
    }
}

fn executable(exe: &ExeFile) -> proto::Executable {
    let layer = match exe.layer {
        None => proto::Layer::Unspecified,
        Some(Layer::Lower) => proto::Layer::Lower,
        Some(Layer::CopiedUp) => proto::Layer::CopiedUp,
        Some(Layer::UpperOnly) => proto::Layer::UpperOnly,
    };
    proto::Executable {
        path: known_path(&exe.path),
        inode: exe.inode,
        // The kernel's own encoding has 20 bits for the minor number.
        device_major: exe.device >> 20,
        device_minor: exe.device & 0xf_ffff,
        layer: layer.into(),
        memfd: exe.memfd,
        unlinked: exe.unlinked,
    }
}

/// A path; unset when it could not be read.
fn known_path<B: AsRef<[u8]>>(value: &Path<B>) -> Option<proto::Path> {
    (!value.bytes.as_ref().is_empty()).then(|| path(value))
}

/// A path.
pub(super) fn path<B: AsRef<[u8]>>(path: &Path<B>) -> proto::Path {
    let (text, escaped) = lossless(path.bytes.as_ref());
    proto::Path {
        text,
        truncated: path.truncated,
        unreachable: path.unreachable,
        deleted: path.deleted,
        escaped,
    }
}

fn credentials(ids: Ids) -> proto::Credentials {
    proto::Credentials {
        uid: ids.uid,
        euid: ids.euid,
        gid: ids.gid,
        egid: ids.egid,
        login_uid: ids.login_uid,
    }
}

fn capabilities(sets: Capabilities) -> proto::Capabilities {
    proto::Capabilities {
        effective: sets.effective,
        permitted: sets.permitted,
        inheritable: sets.inheritable,
    }
}

/// What a descriptor is.
pub(super) fn stdio(stdio: &Stdio) -> proto::Stdio {
    use proto::stdio::Kind;
    let (kind, socket) = match &stdio.kind {
        StdioKind::Closed => (Kind::Closed, None),
        StdioKind::File => (Kind::File, None),
        StdioKind::CharDevice => (Kind::CharDevice, None),
        StdioKind::Pipe => (Kind::Pipe, None),
        StdioKind::Socket(socket) => (Kind::Socket, Some(endpoint(socket))),
        StdioKind::Other => (Kind::Other, None),
    };
    proto::Stdio {
        kind: kind.into(),
        inode: stdio.inode,
        socket,
    }
}

/// A socket.
pub(super) fn endpoint(endpoint: &Endpoint) -> proto::Endpoint {
    let family = match endpoint.family {
        AddressFamily::Inet => "inet".to_owned(),
        AddressFamily::Inet6 => "inet6".to_owned(),
        AddressFamily::Unix => "unix".to_owned(),
        AddressFamily::Other(number) => number.to_string(),
    };
    proto::Endpoint {
        family,
        transport: endpoint.transport.map(transport).unwrap_or_default(),
        local: endpoint.local.as_ref().map(address),
        remote: endpoint.remote.as_ref().map(address),
    }
}

/// A layer-4 protocol.
pub(super) fn transport(transport: Transport) -> String {
    match transport {
        Transport::Tcp => "tcp".to_owned(),
        Transport::Udp => "udp".to_owned(),
        Transport::Icmp => "icmp".to_owned(),
        Transport::Other(number) => number.to_string(),
    }
}

fn address(address: &SocketAddress) -> proto::SocketAddress {
    match address {
        SocketAddress::Ip(ip, port) => proto::SocketAddress {
            ip: ip.to_string(),
            port: u32::from(*port),
            ..proto::SocketAddress::default()
        },
        SocketAddress::Unix(name) => {
            let (path, escaped) = match name.split_first() {
                Some((0, rest)) => {
                    let (text, escaped) = lossless(rest);
                    (format!("@{text}"), escaped)
                }
                _ => lossless(name),
            };
            proto::SocketAddress {
                path,
                escaped,
                ..proto::SocketAddress::default()
            }
        }
    }
}
