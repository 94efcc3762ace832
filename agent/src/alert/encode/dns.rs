//! DNS messages as protobuf messages.

use super::process::transport;
use crate::model::{Dns, DnsMatch, DnsMessage, Resolver, rcode_text, rtype_text};
use crate::proto;

pub(super) fn dns(dns: &Dns) -> proto::DnsPayload {
    let DnsMessage {
        id,
        question,
        rcode,
        truncated,
        cnames,
        addresses,
        ttl,
    } = &dns.message;
    let question = question.as_ref();
    proto::DnsPayload {
        answer: dns.received,
        transport: transport(dns.transport),
        server: dns.server.map(|ip| ip.to_string()).unwrap_or_default(),
        id: id.map(u32::from),
        name: question
            .map(|asked| asked.name.to_string())
            .unwrap_or_default(),
        r#type: question
            .map(|asked| rtype_text(asked.rtype))
            .unwrap_or_default(),
        rcode: rcode.map(rcode_text).unwrap_or_default(),
        truncated: *truncated,
        cnames: texts(cnames),
        addresses: addresses.iter().map(ToString::to_string).collect(),
        ttl: *ttl,
        r#match: found(dns.answers).into(),
        resolver: resolver(dns.resolver).into(),
        malformed: dns
            .malformed
            .map(|fault| fault.text().to_owned())
            .unwrap_or_default(),
        cut: dns.cut,
    }
}

/// Names, which are printable.
pub(super) fn texts(texts: &[Box<str>]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

fn found(found: Option<DnsMatch>) -> proto::DnsMatch {
    match found {
        None => proto::DnsMatch::Unspecified,
        Some(DnsMatch::Query) => proto::DnsMatch::Query,
        Some(DnsMatch::NoQuery) => proto::DnsMatch::NoQuery,
        Some(DnsMatch::OtherId) => proto::DnsMatch::OtherId,
        Some(DnsMatch::OtherServer) => proto::DnsMatch::OtherServer,
        Some(DnsMatch::OtherQuestion) => proto::DnsMatch::OtherQuestion,
        Some(DnsMatch::Answered) => proto::DnsMatch::Answered,
        Some(DnsMatch::Unknown) => proto::DnsMatch::Unknown,
    }
}

fn resolver(resolver: Resolver) -> proto::DnsResolver {
    match resolver {
        Resolver::Configured => proto::DnsResolver::Configured,
        Resolver::Other => proto::DnsResolver::Other,
        Resolver::Pending | Resolver::Unknown => proto::DnsResolver::Unspecified,
    }
}
