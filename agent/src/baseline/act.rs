//! What an event says a process did, as far as baselines keep it.

use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use super::class::Class;
use super::generalise::names::peer::{self, PeerClass, Protocol};
use super::generalise::path::Segments;
use super::generalise::{arguments, names};
use super::role::{Origin, push_executable};
use crate::model::{
    CallPath, Dns, Event, ExeFile, Open, Paths, Payload, Socket, SocketAddress, Syscall, Transport,
};

/// Set-user-id and set-group-id bits of a mode (chmod(2)).
const SET_ID: u32 = 0o6000;
/// Errors by which a call tells that it was not let, and not that there was nothing: `EPERM`, `EACCES`
/// and `EROFS`.
const REFUSED: [i64; 3] = [-1, -13, -30];
/// `EINPROGRESS`: the connection is under way.
const IN_PROGRESS: i64 = -115;

/// One thing that a process did.
#[derive(Clone, Copy, Debug)]
pub(super) struct Act<'a> {
    pub(super) class: Class,
    pub(super) object: Object<'a>,
    /// Of a kind that no time makes ordinary.
    pub(super) grave: bool,
}

/// What it was about, as the event has it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Object<'a> {
    Path(&'a [u8]),
    Executable(&'a ExeFile),
    Arguments(&'a [Box<[u8]>]),
    Peer {
        protocol: Protocol,
        address: IpAddr,
        port: u16,
        name: Option<&'a str>,
    },
    UnixPeer(&'a [u8]),
    Port {
        protocol: Protocol,
        port: u16,
    },
    Name(&'a str),
    /// A file whose mode makes whoever executes it another user.
    SetId(&'a [u8]),
    Call(Syscall, u64),
}

impl Hash for Object<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Self::Path(path) | Self::UnixPeer(path) | Self::SetId(path) => path.hash(state),
            Self::Executable(exe) => (&exe.path.bytes, Origin::of(exe)).hash(state),
            Self::Arguments(arguments) => arguments.hash(state),
            Self::Peer {
                protocol,
                address,
                port,
                name,
            } => (protocol, address, port, name).hash(state),
            Self::Port { protocol, port } => (protocol, port).hash(state),
            Self::Name(name) => name.hash(state),
            Self::Call(call, detail) => (call.name(), detail).hash(state),
        }
    }
}

impl Object<'_> {
    /// It lies in the folder in which what a name means depends on who asks.
    pub(super) fn is_in_proc(&self) -> bool {
        matches!(self, Self::Path(path) if path.starts_with(b"/proc/"))
    }

    /// The object with nothing taken out of it.
    pub(super) fn exact(&self) -> String {
        match *self {
            Self::SetId(path) => format!("set-id {}", String::from_utf8_lossy(path)),
            Self::Arguments(argv) => {
                let words = argv.iter().map(|word| String::from_utf8_lossy(word));
                words.collect::<Vec<_>>().join(" ")
            }
            Self::Peer {
                protocol,
                address,
                port,
                name,
            } => match name {
                Some(name) => format!("{protocol} {name} {address}:{port}"),
                None => format!("{protocol} {address}:{port}"),
            },
            Self::Port { protocol, port } => format!("{protocol} {port}"),
            Self::Name(name) => name.to_owned(),
            object => object.text(),
        }
    }

    /// What is the same of every such object. A path has its types from a tree of its own.
    pub(super) fn text(&self) -> String {
        match *self {
            Self::Path(path) => String::from_utf8_lossy(path).into_owned(),
            Self::Executable(exe) => {
                let mut text = String::new();
                push_executable(&mut text, &exe.path.bytes, Origin::of(exe));
                text
            }
            Self::Arguments(argv) => arguments::shape(argv),
            Self::Peer {
                protocol,
                address,
                port,
                name,
            } => peer::text(protocol, address, port, name.map(str::as_bytes)),
            Self::UnixPeer(path) => {
                let mut text = "unix ".to_owned();
                super::role::push_escaped(&mut text, path);
                text
            }
            Self::SetId(path) => format!("set-id {}", Segments::of(path, None)),
            Self::Port { protocol, port } => format!("{protocol} {}", peer::port_text(port)),
            Self::Name(name) => names::suffix(name.as_bytes()),
            Self::Call(call, 0) => call.name().to_owned(),
            Self::Call(call, detail) => format!("{} {detail:#x}", call.name()),
        }
    }
}

/// Tells of everything that the event says a process did; most events say one thing or nothing.
pub(super) fn each<'a>(event: &'a Event<'_>, mut with: impl FnMut(Act<'a>)) {
    let mut tell = |class, object, grave| {
        with(Act {
            class,
            object,
            grave,
        });
    };
    match &event.payload {
        Payload::Exec => exec(event, &mut tell),
        Payload::Open(open) => file(open, event.result, &mut tell),
        Payload::Paths(paths) => paths_call(event, paths, &mut tell),
        Payload::Socket(socket) => socket_call(event, socket, &mut tell),
        Payload::Dns(dns) => dns_message(dns, &mut tell),
        Payload::SetIds(ids) if event.result == Some(0) => {
            let object = Object::Call(event.syscall, u64::from(ids.argument));
            tell(Class::Privilege, object, false);
        }
        Payload::Call(call) if event.result.is_none_or(|result| result >= 0) => {
            if let Some((class, detail, grave)) = rare(event.syscall, call.arguments[0]) {
                tell(class, Object::Call(event.syscall, detail), grave);
            }
        }
        _ => {}
    }
}

fn exec<'a>(event: &'a Event<'_>, tell: &mut impl FnMut(Class, Object<'a>, bool)) {
    let image = &event.process.image;
    if let Some(exe) = &image.exe {
        let foreign = Origin::of(exe).is_foreign();
        tell(Class::Exec, Object::Executable(exe), foreign);
    }
    tell(Class::Arguments, Object::Arguments(&image.argv), false);
}

fn file<'a>(
    open: &'a Open<'_>,
    result: Option<i64>,
    tell: &mut impl FnMut(Class, Object<'a>, bool),
) {
    let failed = result.filter(|result| *result < 0);
    if open.memfd || failed.is_some_and(|error| !REFUSED.contains(&error)) {
        return;
    }
    let path = &open.path.bytes[..];
    let class = if open.created {
        Class::FileCreate
    } else if open.is_write() {
        Class::FileWrite
    } else if is_library(path) {
        Class::Library
    } else {
        Class::FileRead
    };
    tell(class, Object::Path(path), false);
}

/// By its name: `libc.so.6`, `mod_x.so`. The loader and interpreters open these to map them.
fn is_library(path: &[u8]) -> bool {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    memchr::memmem::find_iter(name, b".so").any(|at| matches!(name.get(at + 3), None | Some(b'.')))
}

fn paths_call<'a>(
    event: &'a Event<'_>,
    paths: &'a Paths<'_>,
    tell: &mut impl FnMut(Class, Object<'a>, bool),
) {
    if event.result != Some(0) {
        return;
    }
    let object = |path: &'a CallPath<'_>| Object::Path(&path.path.bytes);
    match event.syscall {
        Syscall::Unlink | Syscall::Unlinkat | Syscall::Rmdir => {
            tell(Class::FileRemove, object(&paths.first), false);
        }
        Syscall::Rename | Syscall::Renameat | Syscall::Renameat2 => {
            tell(Class::FileRemove, object(&paths.first), false);
            tell(Class::FileCreate, object(&paths.second), false);
        }
        Syscall::Link | Syscall::Linkat | Syscall::Symlink | Syscall::Symlinkat => {
            tell(Class::FileCreate, object(&paths.second), false);
        }
        Syscall::Mkdir | Syscall::Mkdirat | Syscall::Mknod | Syscall::Mknodat => {
            tell(Class::FileCreate, object(&paths.first), false);
        }
        Syscall::Chmod | Syscall::Fchmod | Syscall::Fchmodat | Syscall::Fchmodat2 => {
            let path = &paths.first.path.bytes;
            if paths.numbers[0] & SET_ID != 0 {
                tell(Class::Privilege, Object::SetId(path), true);
            } else {
                tell(Class::FileMode, Object::Path(path), false);
            }
        }
        Syscall::Mount
        | Syscall::Umount
        | Syscall::PivotRoot
        | Syscall::Fsopen
        | Syscall::OpenTree
        | Syscall::MoveMount
        | Syscall::MountSetattr => {
            tell(Class::RareCall, Object::Call(event.syscall, 0), true);
        }
        // Servers shut their workers into an empty root.
        Syscall::Chroot => tell(Class::RareCall, Object::Call(event.syscall, 0), false),
        Syscall::Execve | Syscall::Execveat | Syscall::Fsconfig | Syscall::Fsmount => {}
        // What is left changes a file that is there: its owner, length or attributes.
        _ => tell(Class::FileWrite, object(&paths.first), false),
    }
}

fn socket_call<'a>(
    event: &'a Event<'_>,
    socket: &'a Socket,
    tell: &mut impl FnMut(Class, Object<'a>, bool),
) {
    let endpoint = &socket.endpoint;
    match event.syscall {
        Syscall::Connect | Syscall::Sendto | Syscall::Sendmsg | Syscall::Sendmmsg => {
            let under_way = event
                .result
                .is_none_or(|result| result >= 0 || result == IN_PROGRESS);
            let refused = event.result.is_some_and(|result| result < 0) && !under_way;
            match endpoint.remote.as_ref() {
                Some(&SocketAddress::Ip(address, port)) => {
                    // An attempt that nobody answered went out all the same.
                    let grave = PeerClass::of(address) == PeerClass::Metadata;
                    let object = Object::Peer {
                        protocol: protocol(endpoint.transport),
                        address,
                        port,
                        name: socket.remote_name.known().last().map(|name| &**name),
                    };
                    tell(Class::NetOut, object, grave);
                }
                Some(SocketAddress::Unix(path)) if !refused && !path.is_empty() => {
                    tell(Class::NetOut, Object::UnixPeer(path), false);
                }
                _ => {}
            }
        }
        Syscall::Listen if event.result.is_none_or(|result| result >= 0) => {
            if let Some(&SocketAddress::Ip(_, port)) = endpoint.local.as_ref() {
                let object = Object::Port {
                    protocol: protocol(endpoint.transport),
                    port,
                };
                tell(Class::Listen, object, false);
            }
        }
        _ => {}
    }
}

fn protocol(transport: Option<Transport>) -> Protocol {
    match transport {
        Some(Transport::Tcp) => Protocol::Tcp,
        Some(Transport::Udp) => Protocol::Udp,
        Some(Transport::Icmp) => Protocol::Other(1),
        Some(Transport::Other(number)) => Protocol::Other(number as u8),
        None => Protocol::Other(0),
    }
}

fn dns_message<'a>(dns: &'a Dns, tell: &mut impl FnMut(Class, Object<'a>, bool)) {
    if dns.received {
        return;
    }
    if let Some(question) = &dns.message.question {
        tell(Class::Dns, Object::Name(&question.name), false);
    }
}

/// Calls that few programs make: their class, what of their first argument is kept, and whether no
/// time makes them ordinary.
const fn rare(call: Syscall, first: u64) -> Option<(Class, u64, bool)> {
    Some(match call {
        Syscall::Capset => (Class::Privilege, 0, false),
        Syscall::Ptrace | Syscall::Unshare | Syscall::Bpf => (Class::RareCall, first, true),
        Syscall::Setns
        | Syscall::InitModule
        | Syscall::FinitModule
        | Syscall::DeleteModule
        | Syscall::ProcessVmReadv
        | Syscall::ProcessVmWritev
        | Syscall::PidfdGetfd => (Class::RareCall, 0, true),
        Syscall::IoUringSetup
        | Syscall::Userfaultfd
        | Syscall::PerfEventOpen
        | Syscall::AddKey
        | Syscall::RequestKey => (Class::RareCall, 0, false),
        Syscall::Keyctl => (Class::RareCall, first, false),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_known_by_their_names() {
        for (path, library) in [
            ("/lib/libc.so.6", true),
            ("/usr/lib/apache2/mod_x.so", true),
            ("/etc/ld.so.cache", true),
            ("/usr/lib/my.solver.so", true),
            ("/a.sort", false),
            ("/x.so/readme", false),
            ("/home/a.song", false),
        ] {
            assert_eq!(is_library(path.as_bytes()), library, "{path}");
        }
    }
}
