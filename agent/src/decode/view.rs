//! Views of the critical records.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use gravlens_common::{
    Call, CgroupRecord, ExecKey, ExecRecord, ExitRecord, ForkRecord, Kind, SetIdsRecord,
    SocketEnds, StdioRecord, TaskRecord, exe_flags, path_flags, stdio_kind,
};

use super::{Context, DecodeError, call, take};
use crate::model::{
    AddressFamily, Endpoint, ExeFile, Layer, Path, SocketAddress, Stdio, StdioKind, Transport,
};

const IPPROTO_ICMP: u16 = 1;
const IPPROTO_TCP: u16 = 6;
const IPPROTO_UDP: u16 = 17;
const IPPROTO_ICMPV6: u16 = 58;

/// The executed file.
#[derive(Clone, Debug)]
pub struct ExeView<'a> {
    /// Path relative to the container's root.
    pub path: Path<&'a [u8]>,
    inode: u64,
    device: u32,
    flags: u16,
}

impl<'a> ExeView<'a> {
    fn new(path: &'a [u8], marks: u8, inode: u64, device: u32, flags: u16) -> Self {
        let memfd = flags & exe_flags::MEMFD != 0;
        Self {
            // The walker puts a slash before the name of a file that has no place.
            path: self::path(
                if memfd {
                    path.strip_prefix(b"/").unwrap_or(path)
                } else {
                    path
                },
                marks,
            ),
            inode,
            device,
            flags,
        }
    }

    /// The file, unless the kernel could not tell.
    pub fn file(&self) -> Option<ExeFile> {
        let has = |bit: u16| self.flags & bit != 0;
        has(exe_flags::FILE_VALID).then(|| ExeFile {
            path: Path {
                bytes: self.path.bytes.into(),
                truncated: self.path.truncated,
                unreachable: self.path.unreachable,
                deleted: has(exe_flags::UNLINKED),
            },
            inode: self.inode,
            device: self.device,
            layer: layer(self.flags),
            memfd: has(exe_flags::MEMFD),
            unlinked: has(exe_flags::UNLINKED),
        })
    }
}

fn layer(flags: u16) -> Option<Layer> {
    if flags & exe_flags::LAYER_VALID == 0 {
        return None;
    }
    let upper = flags & exe_flags::UPPER != 0;
    let lower = flags & exe_flags::LOWER != 0;
    match (upper, lower) {
        (true, true) => Some(Layer::CopiedUp),
        (true, false) => Some(Layer::UpperOnly),
        (false, true) => Some(Layer::Lower),
        (false, false) => None,
    }
}

/// A new image.
#[derive(Clone, Debug)]
pub struct ExecView<'a> {
    /// The process.
    pub context: Context,
    /// Name passed to execve.
    pub filename: &'a [u8],
    /// Interpreter, `None` when it is the file itself.
    pub interpreter: Option<&'a [u8]>,
    /// Executed file.
    pub exe: ExeView<'a>,
    /// Working directory.
    pub cwd: Path<&'a [u8]>,
    /// Arguments, each with its final zero.
    pub argv: &'a [u8],
    /// There were more arguments.
    pub argv_truncated: bool,
    /// Environment, each variable with its final zero; `None` when it was not captured.
    pub environment: Option<&'a [u8]>,
    /// There was more of it.
    pub environment_truncated: bool,
    /// The call was execveat with a descriptor.
    pub by_descriptor: bool,
    /// Standard streams, `None` when they could not be read.
    pub stdio: Option<[Stdio; 3]>,
}

impl<'a> ExecView<'a> {
    pub(super) fn new(raw: &ExecRecord, mut rest: &'a [u8]) -> Result<Self, DecodeError> {
        let filename = take(&mut rest, raw.filename_len)?;
        let interpreter = take(&mut rest, raw.interpreter_len)?;
        let exe_path = take(&mut rest, raw.exe_path_len)?;
        let cwd = take(&mut rest, raw.cwd_len)?;
        let argv = take(&mut rest, raw.argv_len)?;
        let environment = take(&mut rest, raw.environment_len)?;
        let has = |bit: u16| raw.exe_flags & bit != 0;
        Ok(Self {
            context: Context::new(&raw.process),
            filename,
            interpreter: (!interpreter.is_empty()).then_some(interpreter),
            exe: ExeView::new(
                exe_path,
                raw.exe_path_flags,
                raw.exe_inode,
                raw.exe_device,
                raw.exe_flags,
            ),
            cwd: path(cwd, raw.cwd_flags),
            argv,
            argv_truncated: has(exe_flags::ARGV_TRUNCATED),
            environment: has(exe_flags::ENVIRONMENT).then_some(environment),
            environment_truncated: has(exe_flags::ENVIRONMENT_TRUNCATED),
            by_descriptor: has(exe_flags::EXECVEAT),
            stdio: has(exe_flags::STDIO_VALID).then(|| raw.stdio.map(|stream| stdio(&stream))),
        })
    }
}

/// What a descriptor is.
pub(super) fn stdio(raw: &StdioRecord) -> Stdio {
    let kind = match raw.kind {
        stdio_kind::CLOSED => StdioKind::Closed,
        stdio_kind::FILE => StdioKind::File,
        stdio_kind::CHAR_DEVICE => StdioKind::CharDevice,
        stdio_kind::PIPE => StdioKind::Pipe,
        stdio_kind::SOCKET => StdioKind::Socket(Box::new(endpoint(&raw.ends))),
        _ => StdioKind::Other,
    };
    Stdio {
        kind,
        inode: raw.inode,
    }
}

/// A process's begin.
#[derive(Clone, Debug)]
pub struct ForkView {
    /// The child.
    pub child: Context,
    /// Who made the call: the child runs its image.
    pub forker: ExecKey,
}

impl ForkView {
    pub(super) fn new(raw: &ForkRecord) -> Self {
        Self {
            child: Context::new(&raw.process),
            forker: ExecKey(raw.forker_key),
        }
    }
}

/// A process's end.
#[derive(Clone, Debug)]
pub struct ExitView {
    /// The process.
    pub context: Context,
    /// Exit status.
    pub status: u8,
    /// Signal that ended it, zero for none.
    pub signal: u8,
}

impl ExitView {
    pub(super) fn new(raw: &ExitRecord) -> Self {
        Self {
            context: Context::new(&raw.process),
            status: (raw.code >> 8) as u8,
            // wait(2): seven bits of signal, one for a core dump.
            signal: (raw.code & 0x7F) as u8,
        }
    }
}

/// A cgroup change.
#[derive(Clone, Debug)]
pub struct CgroupView<'a> {
    /// CgroupMkdir, CgroupRmdir or CgroupAttach.
    pub kind: Kind,
    /// The process that moved or that changed the tree.
    pub context: Context,
    /// The cgroup.
    pub cgroup_id: u64,
    /// Its path below the root.
    pub path: &'a [u8],
}

impl<'a> CgroupView<'a> {
    pub(super) fn new(raw: &CgroupRecord, mut rest: &'a [u8]) -> Result<Self, DecodeError> {
        let number = raw.header.kind;
        Ok(Self {
            kind: Kind::from_number(number).ok_or(DecodeError::Unknown {
                what: "kind",
                number,
            })?,
            context: Context::new(&raw.process),
            cgroup_id: raw.cgroup_id,
            path: take(&mut rest, raw.path_len)?,
        })
    }
}

/// A credential call.
#[derive(Clone, Debug)]
pub struct SetIdsView {
    /// The process, with its ids after the call.
    pub context: Context,
    /// The call.
    pub call: Call,
    /// Its result.
    pub result: i32,
    /// Its first argument.
    pub argument: u32,
}

impl SetIdsView {
    pub(super) fn new(raw: &SetIdsRecord) -> Result<Self, DecodeError> {
        Ok(Self {
            context: Context::new(&raw.process),
            call: call(raw.call)?,
            result: raw.result,
            argument: raw.argument,
        })
    }
}

/// A process found by the iterator.
#[derive(Clone, Debug)]
pub struct TaskView<'a> {
    /// The process.
    pub context: Context,
    /// Executed file.
    pub exe: ExeView<'a>,
}

impl<'a> TaskView<'a> {
    pub(super) fn new(raw: &TaskRecord, mut rest: &'a [u8]) -> Result<Self, DecodeError> {
        let exe_path = take(&mut rest, raw.exe_path_len)?;
        Ok(Self {
            context: Context::new(&raw.process),
            exe: ExeView::new(
                exe_path,
                raw.exe_path_flags,
                raw.exe_inode,
                raw.exe_device,
                raw.exe_flags,
            ),
        })
    }
}

/// A path with its qualifiers; empty when it could not be read.
pub(super) fn path(bytes: &[u8], marks: u8) -> Path<&[u8]> {
    let has = |bit: u8| marks & bit != 0;
    Path {
        bytes: if has(path_flags::UNREADABLE) {
            &[]
        } else {
            bytes
        },
        truncated: has(path_flags::TRUNCATED),
        unreachable: has(path_flags::UNREACHABLE),
        deleted: has(path_flags::DELETED),
    }
}

/// Both ends of an IP socket, or a unix socket without names.
pub(super) fn endpoint(ends: &SocketEnds) -> Endpoint {
    let family = AddressFamily::from_number(ends.family);
    let is_ip = matches!(family, AddressFamily::Inet | AddressFamily::Inet6);
    Endpoint {
        family,
        transport: is_ip.then(|| transport(ends.protocol)),
        local: address(family, ends.local, ends.local_port),
        remote: address(family, ends.remote, ends.remote_port),
    }
}

fn transport(protocol: u16) -> Transport {
    match protocol {
        IPPROTO_TCP => Transport::Tcp,
        IPPROTO_UDP => Transport::Udp,
        IPPROTO_ICMP | IPPROTO_ICMPV6 => Transport::Icmp,
        other => Transport::Other(other),
    }
}

/// An end that is set: all zeroes means that the socket has none.
fn address(family: AddressFamily, bytes: [u8; 16], port: u16) -> Option<SocketAddress> {
    if bytes == [0; 16] && port == 0 {
        return None;
    }
    let ip = match family {
        AddressFamily::Inet => IpAddr::V4(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3])),
        // A v6 socket that talks IPv4: rules are written for the IPv4 address.
        AddressFamily::Inet6 => Ipv6Addr::from(bytes).to_canonical(),
        AddressFamily::Unix | AddressFamily::Other(_) => return None,
    };
    Some(SocketAddress::Ip(ip, port))
}
