//! One event as detection sees it: the decoded record joined with its process and container.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use super::{AddressName, Call, ContainerView, Dns, ExecId, Paths, Process, UnixName};

/// The call that made an event: the kernel programs number it, rules name it.
pub use gravlens_common::Call as Syscall;

/// Where a value was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// From a kernel object: the caller cannot change it after the check.
    Kernel,
    /// From the caller's memory after the call: another thread may have changed it.
    UserMemory,
    /// Computed by the agent, for instance from /proc at start-up.
    Inferred,
}

/// A path relative to the container's root, with what is known of its quality.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path<B> {
    /// The bytes; empty when the path could not be read.
    pub bytes: B,
    /// The path was longer than the capture limit; the *beginning* is missing.
    pub truncated: bool,
    /// The walk ended outside the container's root.
    pub unreachable: bool,
    /// The file had been unlinked.
    pub deleted: bool,
}

impl<B> Path<B> {
    /// The same path with its bytes held in another way.
    pub fn map<C>(self, bytes: impl FnOnce(B) -> C) -> Path<C> {
        Path {
            bytes: bytes(self.bytes),
            truncated: self.truncated,
            unreachable: self.unreachable,
            deleted: self.deleted,
        }
    }
}

/// Address family of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressFamily {
    /// AF_INET.
    Inet,
    /// AF_INET6.
    Inet6,
    /// AF_UNIX.
    Unix,
    /// Any other, by its number.
    Other(u16),
}

impl AddressFamily {
    /// The family of that number (AF_*).
    pub const fn from_number(number: u16) -> Self {
        match number {
            1 => Self::Unix,
            2 => Self::Inet,
            10 => Self::Inet6,
            other => Self::Other(other),
        }
    }
}

/// Layer-4 protocol of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP or ICMPv6.
    Icmp,
    /// Raw or any other protocol, by its IP protocol number.
    Other(u16),
}

/// One end of a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SocketAddress {
    /// Address and port.
    Ip(IpAddr, u16),
    /// Name of a unix socket.
    Unix(UnixName),
}

/// A socket with its two ends, seen from the process that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Address family.
    pub family: AddressFamily,
    /// Layer-4 protocol; `None` for unix sockets.
    pub transport: Option<Transport>,
    /// Own end.
    pub local: Option<SocketAddress>,
    /// Other end.
    pub remote: Option<SocketAddress>,
}

/// An open, also a failed one.
#[derive(Clone, Debug)]
pub struct Open<'a> {
    /// File as the container sees it. Where there was no file to ask (a failed open) the caller's
    /// argument, made absolute and resolved lexically.
    pub path: Path<Cow<'a, [u8]>>,
    /// Name as the caller passed it, where the path was made from it.
    pub name: Option<Cow<'a, [u8]>>,
    /// Flags of the call: open(2)'s, or memfd_create(2)'s.
    pub flags: u32,
    /// The file lives in memory only (memfd_create).
    pub memfd: bool,
    /// The call made the file.
    pub created: bool,
    /// The file that it made is a program: somebody may execute it.
    pub executable: bool,
    /// Where the path was read.
    pub provenance: Provenance,
    /// The descriptor table is shared with another process: the descriptor may have been replaced
    /// between the call and the look-up.
    pub fd_shared: bool,
    /// io_uring made the open, in no system call of its own.
    pub by_io_uring: bool,
}

impl Open<'_> {
    /// Opened for reading.
    pub fn is_read(&self) -> bool {
        self.memfd || !self.is_path_only() && matches!(self.flags & 0o3, 0 | 2)
    }

    /// Opened for writing.
    pub fn is_write(&self) -> bool {
        self.memfd || !self.is_path_only() && matches!(self.flags & 0o3, 1 | 2)
    }

    /// With `O_PATH` a descriptor names a file and gives no access to what is in it.
    fn is_path_only(&self) -> bool {
        self.flags & gravlens_common::O_PATH != 0
    }
}

/// A socket call: connect, send, bind, listen or accept.
#[derive(Clone, Debug)]
pub struct Socket {
    /// The socket and its ends.
    pub endpoint: Endpoint,
    /// Descriptor number in the caller, -1 when the call failed to give one.
    pub fd: i32,
    /// Where the address was read.
    pub provenance: Provenance,
    /// Another thread may have replaced the descriptor, from which the address of all but a connect
    /// or a send comes.
    pub fd_shared: bool,
    /// Names of the own address.
    pub local_name: AddressName,
    /// Names of the other end's address.
    pub remote_name: AddressName,
}

/// A call of the setuid and setgid family: credentials before and after.
#[derive(Clone, Debug)]
pub struct SetIds {
    /// First argument of the call, as passed.
    pub argument: u32,
}

/// A change of the cgroup tree or of a process's place in it.
#[derive(Clone, Debug)]
pub struct CgroupChange<'a> {
    /// cgroup v2 id of the cgroup.
    pub cgroup_id: u64,
    /// Path below the cgroup root.
    pub path: Cow<'a, [u8]>,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Payload<'a> {
    /// A new image runs; it is described by the event's process.
    Exec,
    /// A process was forked; it is the event's process.
    Fork,
    /// A process ended.
    Exit {
        /// Exit status, 0 to 255.
        status: u8,
        /// Signal that ended it, 0 when none.
        signal: u8,
    },
    /// A file was opened or could not be.
    Open(Open<'a>),
    /// A socket call.
    Socket(Socket),
    /// A credential change or its refusal.
    SetIds(SetIds),
    /// A cgroup change.
    Cgroup(CgroupChange<'a>),
    /// A call that takes no path.
    Call(Call),
    /// A call on paths.
    Paths(Paths<'a>),
    /// A DNS message.
    Dns(Box<Dns>),
}

/// Flags that qualify a whole event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventFlags {
    /// A record of an earlier time arrived after this stage had passed it.
    pub out_of_order: bool,
    /// Found by a scan after a gap, not by its own hook.
    pub seen_late: bool,
    /// The process table did not know the exec id; the process is what the kernel's own scan
    /// says, or a stub.
    pub process_unknown: bool,
}

/// One event.
#[derive(Clone, Debug)]
pub struct Event<'a> {
    /// Sequence number of the event in this run of the agent, from 1: Falco's `evt.num`.
    pub number: u64,
    /// Nanoseconds since boot, at the hook.
    pub boot_ns: u64,
    /// The same as wall-clock time.
    pub time: SystemTime,
    /// The call.
    pub syscall: Syscall,
    /// Return value: a descriptor, 0 or a negated errno. `None` where the hook has none: it is no
    /// call, or a socket call whose end is not traced (io_uring, a message of sendmmsg).
    pub result: Option<i64>,
    /// Calling thread.
    pub tid: u32,
    /// Calling process.
    pub process: Arc<Process>,
    /// Its container.
    pub container: ContainerView,
    /// What happened.
    pub payload: Payload<'a>,
    /// Qualifiers.
    pub flags: EventFlags,
}

impl Event<'_> {
    /// Exec id of the calling process.
    pub fn exec_id(&self) -> ExecId {
        self.process.exec_id
    }

    /// A copy that outlives the ring record it was decoded from.
    pub fn to_owned(&self) -> Event<'static> {
        Event {
            payload: self.payload.to_owned(),
            process: Arc::clone(&self.process),
            container: self.container.clone(),
            ..*self
        }
    }
}

impl Payload<'_> {
    fn to_owned(&self) -> Payload<'static> {
        match self {
            Self::Exec => Payload::Exec,
            Self::Fork => Payload::Fork,
            &Self::Exit { status, signal } => Payload::Exit { status, signal },
            Self::Open(open) => Payload::Open(Open {
                path: Path {
                    bytes: Cow::Owned(open.path.bytes.to_vec()),
                    ..open.path
                },
                name: open.name.as_deref().map(|name| Cow::Owned(name.to_vec())),
                ..*open
            }),
            Self::Socket(socket) => Payload::Socket(socket.clone()),
            Self::SetIds(ids) => Payload::SetIds(ids.clone()),
            Self::Call(call) => Payload::Call(call.clone()),
            Self::Paths(paths) => Payload::Paths(paths.to_owned()),
            Self::Dns(dns) => Payload::Dns(dns.clone()),
            Self::Cgroup(change) => Payload::Cgroup(CgroupChange {
                cgroup_id: change.cgroup_id,
                path: Cow::Owned(change.path.to_vec()),
            }),
        }
    }
}
