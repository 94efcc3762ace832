//! Evidences: the process, and what its call was about.

use serde_json::Value;

use super::object::Object;
use super::{UNKNOWN, container, device, process, values};
use crate::proto;
use crate::proto::event::Payload;
use crate::sinks::render::is_inbound;

/// `file.type_id` of a unix socket.
const SOCKET: u64 = 5;
/// `connection_info.direction_id`.
const INBOUND: u64 = 1;
const OUTBOUND: u64 = 2;
/// Where DNS servers are asked.
const DNS_PORT: u32 = 53;

/// What an alert shows: the process with the call's first object, then its other objects.
pub(super) fn of_alert(alert: &proto::Alert) -> Vec<Value> {
    let mut subjects = alert.event.as_ref().map_or_else(Vec::new, subjects);
    let mut first = if subjects.is_empty() {
        Object::default()
    } else {
        subjects.remove(0)
    };
    if let Some(process) = &alert.process {
        let process = process::process(process, &alert.ancestors);
        first = first.object("process", process);
    }
    // A container alone makes no evidence.
    if let (Some(container), false) = (&alert.container, first.is_empty()) {
        first = first.object("container", container::container(container));
    }
    values([first].into_iter().chain(subjects))
}

/// A container by itself: it needs the machine that it is on.
pub(super) fn of_container(container: Option<&proto::Container>, node: &str) -> Vec<Value> {
    let container = container.map_or_else(Object::default, container::container);
    let device = device(node);
    if container.is_empty() || device.is_empty() {
        return Vec::new();
    }
    values([device_with(device, container)])
}

fn device_with(device: Object, container: Object) -> Object {
    Object::default()
        .object("device", device)
        .object("container", container)
}

/// What the call was about, none of them empty.
fn subjects(event: &proto::Event) -> Vec<Object> {
    let subjects = match &event.payload {
        Some(Payload::Open(open)) => vec![file(open.path.as_ref())],
        Some(Payload::Paths(call)) => {
            let paths = call.paths.iter();
            paths.map(|argument| file(argument.path.as_ref())).collect()
        }
        Some(Payload::Cgroup(cgroup)) => vec![file(cgroup.path.as_ref())],
        Some(Payload::Socket(socket)) => vec![connection(&event.r#type, socket)],
        Some(Payload::Dns(dns)) => vec![query(dns)],
        Some(
            Payload::Exec(_)
            | Payload::Fork(_)
            | Payload::Exit(_)
            | Payload::SetIds(_)
            | Payload::Call(_),
        )
        | None => Vec::new(),
    };
    subjects
        .into_iter()
        .filter(|subject| !subject.is_empty())
        .collect()
}

fn file(path: Option<&proto::Path>) -> Object {
    let file = path.map_or_else(Object::default, |path| process::file(&path.text, UNKNOWN));
    Object::default().object("file", file)
}

fn connection(call: &str, socket: &proto::SocketPayload) -> Object {
    let Some(endpoint) = &socket.endpoint else {
        return Object::default();
    };
    let (local, remote) = (endpoint.local.as_ref(), endpoint.remote.as_ref());
    let path = [remote, local]
        .into_iter()
        .flatten()
        .map(|address| &*address.path)
        .find(|path| !path.is_empty());
    if let Some(path) = path {
        return Object::default().object("file", process::file(path, SOCKET));
    }
    let local = address(local, &socket.local_names);
    let remote = address(remote, &socket.remote_names);
    directed(is_inbound(call), &endpoint.transport, local, remote)
}

fn directed(inbound: bool, transport: &str, local: Object, remote: Object) -> Object {
    if local.is_empty() && remote.is_empty() {
        return Object::default();
    }
    let (direction, word, from, to) = if inbound {
        (INBOUND, "Inbound", remote, local)
    } else {
        (OUTBOUND, "Outbound", local, remote)
    };
    let info = Object::default()
        .number("direction_id", direction)
        .text("direction", word)
        .text("protocol_name", transport);
    Object::default()
        .object("src_endpoint", from)
        .object("dst_endpoint", to)
        .object("connection_info", info)
}

fn address(address: Option<&proto::SocketAddress>, names: &[String]) -> Object {
    let Some(address) = address.filter(|address| !address.ip.is_empty()) else {
        return Object::default();
    };
    Object::default()
        .text("ip", &address.ip)
        .maybe("port", (address.port != 0).then_some(address.port))
        .text("hostname", names.last().map_or("", |name| name))
}

fn query(dns: &proto::DnsPayload) -> Object {
    let server = proto::SocketAddress {
        ip: dns.server.clone(),
        port: DNS_PORT,
        ..proto::SocketAddress::default()
    };
    let server = address(Some(&server), &[]);
    let subject = directed(dns.answer, &dns.transport, Object::default(), server);
    // The class of the question is not captured, and a query without a name is none.
    if dns.name.is_empty() {
        return subject;
    }
    let query = Object::default()
        .text("hostname", &dns.name)
        .text("type", &dns.r#type)
        .maybe("packet_uid", dns.id);
    subject.object("query", query)
}
