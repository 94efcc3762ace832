//! `fd.*`: the file or socket that a call works on.

use std::net::IpAddr;

use super::super::catalogue::{address, family, flag, number, text};
use super::super::event_types::EventTypes;
use super::super::value::{Scalar, Value, Values};
use super::names::O_DIRECTORY;
use super::{paths, present, put};
use crate::model::{
    AddressFamily, AddressName, Call, Endpoint, Event, Open, Paths, Payload, Socket, SocketAddress,
    StdioKind, Syscall, Transport,
};

const FILE: EventTypes = EventTypes::OPEN.union(EventTypes::FILE);
const SOCKET: EventTypes = EventTypes::SOCKET_OR_DUP;
const BOTH: EventTypes = EventTypes::DESCRIPTOR.union(EventTypes::DUP);
const ANY: EventTypes = BOTH.union(EventTypes::of(&[Syscall::Socket]));

family! { Fd {
    Num = number("fd.num", "Descriptor number, -1 when the call gave none; of a socket unknown as `evt.res` is.").on(ANY);
    Type = text("fd.type", "`file`, `directory`, `memfd`, `pipe`, `ipv4`, `ipv6`, `unix` or `other`; a directory that dup copies is a `file`.").on(ANY).of_few();
    Typechar = text("fd.typechar", "`f`, `d`, `m`, `p`, `4`, `6`, `u` or `o`.").on(ANY).of_few();
    Name = text("fd.name", "Path, or both ends of a connection, client first; of what dup copies only a connection, its own end first.").on(BOTH);
    Nameraw = text("fd.nameraw", "Path as the caller passed it.").on(FILE)
        .limit("known where there was no file to ask (a failed open): else the path is read resolved");
    Directory = text("fd.directory", "Directory of the file.").on(FILE);
    Filename = text("fd.filename", "Name of the file without its directory.").on(FILE);
    Ip = address("fd.ip", "Address of either end.").on(SOCKET).either_end();
    Cip = address("fd.cip", "Address of the client.").on(SOCKET);
    Sip = address("fd.sip", "Address of the server.").on(SOCKET);
    Lip = address("fd.lip", "Own address.").on(SOCKET);
    Rip = address("fd.rip", "Address of the other end.").on(SOCKET);
    Net = address("fd.net", "Network of either end.").on(SOCKET).either_end();
    Cnet = address("fd.cnet", "Network of the client.").on(SOCKET);
    Snet = address("fd.snet", "Network of the server.").on(SOCKET);
    Lnet = address("fd.lnet", "Own network.").on(SOCKET);
    Rnet = address("fd.rnet", "Network of the other end.").on(SOCKET);
    Cipname = text("fd.cip.name", "Names by which the container looked the client's address up, in lower case: those that its configured resolvers answered, as long as the answers hold. Unknown while it is read which resolvers are configured.").on(SOCKET).either_end();
    Sipname = text("fd.sip.name", "As `fd.cip.name`, of the server's address.").on(SOCKET).either_end();
    Lipname = text("fd.lip.name", "As `fd.cip.name`, of the own address.").on(SOCKET).either_end();
    Ripname = text("fd.rip.name", "As `fd.cip.name`, of the other end's address.").on(SOCKET).either_end();
    Port = number("fd.port", "Port of either end.").on(SOCKET).either_end();
    Cport = number("fd.cport", "Port of the client.").on(SOCKET);
    Sport = number("fd.sport", "Port of the server.").on(SOCKET);
    Lport = number("fd.lport", "Own port.").on(SOCKET);
    Rport = number("fd.rport", "Port of the other end.").on(SOCKET);
    L4proto = text("fd.l4proto", "`tcp`, `udp`, `icmp` or `raw`; missing for unix sockets.").on(SOCKET).of_few();
    Sockfamily = text("fd.sockfamily", "`ip` or `unix`.").on(SOCKET).of_few();
    IsServer = flag("fd.is_server", "The process is the server of the connection.").on(SOCKET);
    Connected = flag("fd.connected", "The socket is connected.").on(SOCKET);
    NameChanged = flag("fd.name_changed", "The call gave the socket a new address.").on(SOCKET);
} }

pub(super) fn get<'a>(event: &'a Event<'_>, field: Fd, scratch: &'a mut Vec<u8>) -> Value<'a> {
    match &event.payload {
        Payload::Open(open) => of_file(event, open, field),
        Payload::Socket(socket) => match names(socket, event.syscall, field) {
            Some(names) => of_names(names),
            None => of_socket(event, &socket.endpoint, field, scratch),
        },
        Payload::Paths(paths) if EventTypes::FILE.contains(event.syscall) => {
            of_open_file(event, paths, field)
        }
        Payload::Call(call) => of_call(event, call, field, scratch),
        _ => Value::Missing,
    }
}

/// The names that a field asks for.
fn names(socket: &Socket, syscall: Syscall, field: Fd) -> Option<&AddressName> {
    let (local, remote) = (&socket.local_name, &socket.remote_name);
    let (client, server) = if is_server(syscall) {
        (remote, local)
    } else {
        (local, remote)
    };
    Some(match field {
        Fd::Cipname => client,
        Fd::Sipname => server,
        Fd::Lipname => local,
        Fd::Ripname => remote,
        _ => return None,
    })
}

fn of_names(names: &AddressName) -> Value<'_> {
    match names {
        AddressName::Pending => Value::Unknown,
        AddressName::None => Value::Missing,
        AddressName::Known(names) => Value::texts(names),
    }
}

/// The descriptor that a call makes: dup copies one that is something already, socket makes an
/// empty one.
fn of_call<'a>(
    event: &'a Event<'_>,
    call: &'a Call,
    field: Fd,
    scratch: &'a mut Vec<u8>,
) -> Value<'a> {
    let Some(descriptor) = &call.descriptor else {
        return of_new_socket(event, call, field);
    };
    let (kind, character) = match &descriptor.kind {
        _ if matches!(field, Fd::Num) => return self::descriptor(event),
        StdioKind::Socket(endpoint) => return of_socket(event, endpoint, field, scratch),
        StdioKind::Closed => return Value::Missing,
        StdioKind::File | StdioKind::CharDevice => ("file", "f"),
        StdioKind::Pipe => ("pipe", "p"),
        StdioKind::Other => ("other", "o"),
    };
    match field {
        Fd::Type => Value::text(kind.as_bytes()),
        Fd::Typechar => Value::text(character.as_bytes()),
        _ => Value::Missing,
    }
}

fn of_new_socket<'a>(event: &Event<'_>, call: &Call, field: Fd) -> Value<'a> {
    if event.syscall != Syscall::Socket {
        return Value::Missing;
    }
    let family = AddressFamily::from_number(call.arguments[0] as u16);
    match field {
        Fd::Num => descriptor(event),
        Fd::Type => Value::text(family_type(family)),
        Fd::Typechar => Value::text(family_char(family)),
        _ => Value::Missing,
    }
}

/// Descriptor number of an open, of a socket call, or of a call that makes or copies one.
pub(super) fn descriptor<'a>(event: &Event<'_>) -> Value<'a> {
    match (&event.payload, event.result) {
        (Payload::Open(_) | Payload::Call(_), Some(result)) => Value::number(result.max(-1)),
        // A hook that sees no result sees no descriptor either.
        (Payload::Socket(_), None) => Value::Unknown,
        (Payload::Socket(socket), Some(_)) => Value::number(socket.fd),
        (Payload::Paths(paths), _) => {
            paths::file_descriptor(event.syscall, paths).map_or(Value::Missing, Value::number)
        }
        _ => Value::Missing,
    }
}

fn of_file<'a>(event: &Event<'_>, open: &'a Open<'_>, field: Fd) -> Value<'a> {
    let path = file_name(open);
    let is_directory = !open.memfd && open.flags & O_DIRECTORY != 0;
    match field {
        Fd::Num => descriptor(event),
        Fd::Type if open.memfd => Value::text(b"memfd"),
        Fd::Typechar if open.memfd => Value::text(b"m"),
        Fd::Type if is_directory => Value::text(b"directory"),
        Fd::Type => Value::text(b"file"),
        Fd::Typechar if is_directory => Value::text(b"d"),
        Fd::Typechar => Value::text(b"f"),
        Fd::Name => present(path),
        Fd::Nameraw => present(open.name.as_deref().unwrap_or_default()),
        _ => of_path(path, field),
    }
}

/// The file of a call that takes its descriptor.
fn of_open_file<'a>(event: &Event<'_>, paths: &'a Paths<'_>, field: Fd) -> Value<'a> {
    let path = &*paths.first.path.bytes;
    match field {
        Fd::Num => descriptor(event),
        Fd::Type if !path.is_empty() => Value::text(b"file"),
        Fd::Typechar if !path.is_empty() => Value::text(b"f"),
        Fd::Name => present(path),
        _ => of_path(path, field),
    }
}

fn of_path(path: &[u8], field: Fd) -> Value<'_> {
    match field {
        Fd::Directory => split(path).map_or(Value::Missing, |(directory, _)| present(directory)),
        Fd::Filename => split(path).map_or(present(path), |(_, name)| present(name)),
        _ => Value::Missing,
    }
}

/// Path of an opened file; a file in memory has a name only, and Falco leaves its prefix out.
pub(super) fn file_name<'a>(open: &'a Open<'_>) -> &'a [u8] {
    let path = &*open.path.bytes;
    if open.memfd {
        path.strip_prefix(b"memfd:").unwrap_or(path)
    } else {
        path
    }
}

/// Directory and name of a path; the directory of a file in `/` is `/`.
pub(super) fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let slash = memchr::memrchr(b'/', path)?;
    Some((&path[..slash.max(1)], &path[slash + 1..]))
}

fn of_socket<'a>(
    event: &'a Event<'_>,
    endpoint: &'a Endpoint,
    field: Fd,
    scratch: &'a mut Vec<u8>,
) -> Value<'a> {
    let (local, remote) = (endpoint.local.as_ref(), endpoint.remote.as_ref());
    let (client, server) = client_and_server(endpoint, event.syscall);
    match field {
        Fd::Num => descriptor(event),
        Fd::Type => Value::text(family_type(endpoint.family)),
        Fd::Typechar => Value::text(family_char(endpoint.family)),
        Fd::Name => socket_name(endpoint, event.syscall, scratch),
        Fd::Ip | Fd::Net => ends(local, remote, ip),
        Fd::Cip | Fd::Cnet => Value::optional(client.and_then(ip)),
        Fd::Sip | Fd::Snet => Value::optional(server.and_then(ip)),
        Fd::Lip | Fd::Lnet => Value::optional(local.and_then(ip)),
        Fd::Rip | Fd::Rnet => Value::optional(remote.and_then(ip)),
        Fd::Port => ends(local, remote, port),
        Fd::Cport => Value::optional(client.and_then(port)),
        Fd::Sport => Value::optional(server.and_then(port)),
        Fd::Lport => Value::optional(local.and_then(port)),
        Fd::Rport => Value::optional(remote.and_then(port)),
        Fd::L4proto => endpoint.transport.map_or(Value::Missing, |transport| {
            Value::text(transport_name(transport))
        }),
        Fd::Sockfamily => socket_family(endpoint.family),
        Fd::IsServer => Value::flag(is_server(event.syscall)),
        Fd::Connected => is_connected(event, endpoint).map_or(Value::Unknown, Value::flag),
        Fd::NameChanged => Value::flag(changes_name(event.syscall, endpoint)),
        Fd::Nameraw | Fd::Directory | Fd::Filename => Value::Missing,
        // Names belong to the call's own addresses, not to those of what it copies.
        Fd::Cipname | Fd::Sipname | Fd::Lipname | Fd::Ripname => Value::Missing,
    }
}

/// What Falco calls a socket of that family.
pub(super) fn family_type(family: AddressFamily) -> &'static [u8] {
    match family {
        AddressFamily::Inet => b"ipv4",
        AddressFamily::Inet6 => b"ipv6",
        AddressFamily::Unix => b"unix",
        AddressFamily::Other(_) => b"other",
    }
}

fn family_char(family: AddressFamily) -> &'static [u8] {
    match family {
        AddressFamily::Inet => b"4",
        AddressFamily::Inet6 => b"6",
        AddressFamily::Unix => b"u",
        AddressFamily::Other(_) => b"o",
    }
}

fn socket_family<'a>(family: AddressFamily) -> Value<'a> {
    match family {
        AddressFamily::Inet | AddressFamily::Inet6 => Value::text(b"ip"),
        AddressFamily::Unix => Value::text(b"unix"),
        AddressFamily::Other(_) => Value::Missing,
    }
}

pub(super) fn transport_name(transport: Transport) -> &'static [u8] {
    match transport {
        Transport::Tcp => b"tcp",
        Transport::Udp => b"udp",
        Transport::Icmp => b"icmp",
        Transport::Other(_) => b"raw",
    }
}

fn is_server(syscall: Syscall) -> bool {
    matches!(
        syscall,
        Syscall::Accept | Syscall::Accept4 | Syscall::Bind | Syscall::Listen
    )
}

/// The two ends by role, seen from the process that made the call.
fn client_and_server(
    endpoint: &Endpoint,
    syscall: Syscall,
) -> (Option<&SocketAddress>, Option<&SocketAddress>) {
    let (local, remote) = (endpoint.local.as_ref(), endpoint.remote.as_ref());
    if is_server(syscall) {
        (remote, local)
    } else {
        (local, remote)
    }
}

/// `None` when only the result would tell.
fn is_connected(event: &Event<'_>, endpoint: &Endpoint) -> Option<bool> {
    let is_datagram = matches!(endpoint.transport, Some(Transport::Udp | Transport::Icmp));
    match event.syscall {
        Syscall::Connect | Syscall::Accept | Syscall::Accept4 => {
            event.result.map(|result| result >= 0)
        }
        Syscall::Bind | Syscall::Listen => Some(false),
        Syscall::Dup | Syscall::Dup2 | Syscall::Dup3 => Some(endpoint.remote.is_some()),
        // A datagram that carries its own address went through an unconnected socket.
        _ => Some(!is_datagram),
    }
}

fn changes_name(syscall: Syscall, endpoint: &Endpoint) -> bool {
    let is_datagram = matches!(endpoint.transport, Some(Transport::Udp | Transport::Icmp));
    match syscall {
        Syscall::Sendto | Syscall::Sendmsg | Syscall::Sendmmsg => is_datagram,
        Syscall::Dup | Syscall::Dup2 | Syscall::Dup3 => false,
        _ => true,
    }
}

fn ip(address: &SocketAddress) -> Option<Scalar<'_>> {
    match address {
        SocketAddress::Ip(ip, _) => Some(Scalar::Address(plain(*ip))),
        SocketAddress::Unix(_) => None,
    }
}

/// An IPv4 address that arrived through an IPv6 socket is compared as what it is.
fn plain(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

fn port(address: &SocketAddress) -> Option<Scalar<'_>> {
    match address {
        SocketAddress::Ip(_, port) => Some(Scalar::Number((*port).into())),
        SocketAddress::Unix(_) => None,
    }
}

fn ends<'a>(
    local: Option<&'a SocketAddress>,
    remote: Option<&'a SocketAddress>,
    read: fn(&SocketAddress) -> Option<Scalar<'_>>,
) -> Value<'a> {
    Value::Many(Values::Pair([local.and_then(read), remote.and_then(read)]))
}

/// `fd.name` of a socket.
pub(super) fn socket_name<'a>(
    endpoint: &Endpoint,
    syscall: Syscall,
    scratch: &'a mut Vec<u8>,
) -> Value<'a> {
    append_socket_name(endpoint, syscall, scratch);
    present(scratch)
}

/// Appends both ends of a socket, the client first.
pub(super) fn append_socket_name(endpoint: &Endpoint, syscall: Syscall, buffer: &mut Vec<u8>) {
    let (client, server) = client_and_server(endpoint, syscall);
    append_endpoint(client, server, buffer);
}

/// Appends two addresses joined by an arrow, or the one that exists. Unix sockets have one name.
pub(super) fn append_endpoint(
    from: Option<&SocketAddress>,
    to: Option<&SocketAddress>,
    buffer: &mut Vec<u8>,
) {
    match (from, to) {
        (Some(SocketAddress::Unix(from)), Some(SocketAddress::Unix(to))) => {
            append_unix(if to.is_empty() { from } else { to }, buffer);
        }
        (Some(from), Some(to)) => {
            append_address(from, buffer);
            buffer.extend_from_slice(b"->");
            append_address(to, buffer);
        }
        (Some(address), None) | (None, Some(address)) => append_address(address, buffer),
        (None, None) => {}
    }
}

fn append_address(address: &SocketAddress, buffer: &mut Vec<u8>) {
    match address {
        SocketAddress::Ip(ip, port) => put(buffer, format_args!("{}:{port}", plain(*ip))),
        SocketAddress::Unix(path) => append_unix(path, buffer),
    }
}

/// An abstract name begins with a zero byte, shown as `@`.
fn append_unix(path: &[u8], buffer: &mut Vec<u8>) {
    match path.split_first() {
        Some((0, name)) => {
            buffer.push(b'@');
            buffer.extend_from_slice(name);
        }
        _ => buffer.extend_from_slice(path),
    }
}
