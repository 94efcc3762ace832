//! Attributes of events: the call and what it was about.

use opentelemetry_semantic_conventions::attribute;

use super::attributes::Attributes;
use crate::proto::event::Payload;
use crate::proto::{self, Provenance};
use crate::sinks::render::{arguments, enum_word, is_inbound};

/// Where DNS servers are asked.
const DNS_PORT: u32 = 53;

/// Adds those of an event.
pub(super) fn add(to: &mut Attributes, event: &proto::Event) {
    to.text("gravlens.event.type", &event.r#type);
    to.maybe("gravlens.event.result", event.result);
    to.nonzero("gravlens.event.number", event.number);
    to.nonzero("gravlens.event.tid", event.tid);
    to.mark("gravlens.event.out_of_order", event.out_of_order);
    to.mark("gravlens.event.seen_late", event.seen_late);
    to.mark("gravlens.event.process_unknown", event.process_unknown);
    let Some(payload) = &event.payload else {
        return;
    };
    to.texts("gravlens.event.arguments", arguments(payload));
    match payload {
        Payload::Exec(_) | Payload::Fork(_) => {}
        Payload::Exit(exit) => {
            to.number(attribute::PROCESS_EXIT_CODE, exit.status);
            to.nonzero("gravlens.event.signal", exit.signal);
        }
        Payload::Open(open) => self::open(to, open),
        Payload::Paths(call) => {
            let first = call.paths.first();
            file(to, first.and_then(|argument| argument.path.as_ref()));
            to.maybe("gravlens.event.fd", call.descriptor);
        }
        Payload::Socket(socket) => self::socket(to, is_inbound(&event.r#type), socket),
        Payload::Dns(dns) => self::dns(to, dns),
        Payload::SetIds(ids) => to.number("gravlens.event.id", ids.argument),
        Payload::Cgroup(cgroup) => {
            to.nonzero("gravlens.event.cgroup.id", cgroup.cgroup_id);
            let path = cgroup.path.as_ref().map_or("", |path| &path.text);
            to.text("gravlens.event.cgroup.path", path);
        }
        Payload::Call(call) => {
            if let Some(descriptor) = &call.descriptor {
                self::descriptor(to, descriptor);
            }
            to.mark("gravlens.event.fd_shared", call.fd_shared);
        }
    }
}

fn open(to: &mut Attributes, open: &proto::OpenPayload) {
    file(to, open.path.as_ref());
    to.number("gravlens.event.flags", open.flags);
    to.mark("gravlens.event.read", open.read);
    to.mark("gravlens.event.write", open.write);
    to.mark("gravlens.event.created", open.created);
    to.mark("gravlens.event.memfd", open.memfd);
    to.mark("gravlens.event.by_io_uring", open.by_io_uring);
    provenance(to, open.provenance());
    to.mark("gravlens.event.fd_shared", open.fd_shared);
}

fn file(to: &mut Attributes, path: Option<&proto::Path>) {
    let Some(path) = path else {
        return;
    };
    to.text(attribute::FILE_PATH, &path.text);
    to.mark("gravlens.file.truncated", path.truncated);
    to.mark("gravlens.file.unreachable", path.unreachable);
    to.mark("gravlens.file.deleted", path.deleted);
    to.mark("gravlens.file.escaped", path.escaped);
}

fn provenance(to: &mut Attributes, provenance: Provenance) {
    if provenance != Provenance::Unspecified {
        let word = enum_word(provenance.as_str_name(), "PROVENANCE_");
        to.text("gravlens.event.provenance", &word);
    }
}

/// The ends as the socket has them, and as who turned to whom.
fn socket(to: &mut Attributes, inbound: bool, socket: &proto::SocketPayload) {
    to.maybe("gravlens.event.fd", socket.fd);
    provenance(to, socket.provenance());
    to.mark("gravlens.event.fd_shared", socket.fd_shared);
    to.texts("gravlens.network.local.names", &socket.local_names);
    to.texts("gravlens.network.peer.names", &socket.remote_names);
    let Some(ends) = &socket.endpoint else {
        return;
    };
    endpoint(to, ends);
    let (mut from, mut target) = (ends.local.as_ref(), ends.remote.as_ref());
    if inbound {
        std::mem::swap(&mut from, &mut target);
    }
    address(to, SOURCE, from);
    address(to, DESTINATION, target);
}

/// Keys of an address and its port.
type End = (&'static str, &'static str);
const SOURCE: End = (attribute::SOURCE_ADDRESS, attribute::SOURCE_PORT);
const DESTINATION: End = (attribute::DESTINATION_ADDRESS, attribute::DESTINATION_PORT);
const LOCAL: End = (
    attribute::NETWORK_LOCAL_ADDRESS,
    attribute::NETWORK_LOCAL_PORT,
);
const PEER: End = (
    attribute::NETWORK_PEER_ADDRESS,
    attribute::NETWORK_PEER_PORT,
);

fn endpoint(to: &mut Attributes, ends: &proto::Endpoint) {
    let (transport, kind) = match ends.family.as_str() {
        "inet" => (&*ends.transport, "ipv4"),
        "inet6" => (&*ends.transport, "ipv6"),
        "unix" => ("unix", ""),
        _ => (&*ends.transport, ""),
    };
    to.text(attribute::NETWORK_TRANSPORT, transport);
    to.text(attribute::NETWORK_TYPE, kind);
    address(to, LOCAL, ends.local.as_ref());
    address(to, PEER, ends.remote.as_ref());
}

fn address(to: &mut Attributes, (address, port): End, end: Option<&proto::SocketAddress>) {
    let Some(end) = end else {
        return;
    };
    let text = if end.ip.is_empty() {
        &end.path
    } else {
        &end.ip
    };
    to.text(address, text);
    to.nonzero(port, end.port);
}

fn descriptor(to: &mut Attributes, descriptor: &proto::Stdio) {
    let kind = enum_word(descriptor.kind().as_str_name(), "KIND_");
    to.text("gravlens.event.descriptor.kind", &kind);
    to.nonzero("gravlens.event.descriptor.inode", descriptor.inode);
    if let Some(ends) = &descriptor.socket {
        endpoint(to, ends);
    }
}

fn dns(to: &mut Attributes, dns: &proto::DnsPayload) {
    to.text(attribute::DNS_QUESTION_NAME, &dns.name);
    to.texts(attribute::DNS_ANSWERS, &dns.addresses);
    to.text(attribute::NETWORK_TRANSPORT, &dns.transport);
    let server = proto::SocketAddress {
        ip: dns.server.clone(),
        port: DNS_PORT,
        ..proto::SocketAddress::default()
    };
    let server = Some(&server).filter(|server| !server.ip.is_empty());
    address(to, PEER, server);
    address(to, if dns.answer { SOURCE } else { DESTINATION }, server);
    to.flag("gravlens.dns.answer", Some(dns.answer));
    to.maybe("gravlens.dns.id", dns.id);
    to.text("gravlens.dns.type", &dns.r#type);
    to.text("gravlens.dns.rcode", &dns.rcode);
    to.texts("gravlens.dns.cnames", &dns.cnames);
    to.maybe("gravlens.dns.ttl", dns.ttl);
    if dns.r#match() != proto::DnsMatch::Unspecified {
        let word = enum_word(dns.r#match().as_str_name(), "DNS_MATCH_");
        to.text("gravlens.dns.match", &word);
    }
    if dns.resolver() != proto::DnsResolver::Unspecified {
        let word = enum_word(dns.resolver().as_str_name(), "DNS_RESOLVER_");
        to.text("gravlens.dns.resolver", &word);
    }
    to.text("gravlens.dns.malformed", &dns.malformed);
    to.mark("gravlens.dns.truncated", dns.truncated);
    to.mark("gravlens.dns.cut", dns.cut);
}
