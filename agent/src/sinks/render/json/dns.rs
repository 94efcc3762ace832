//! DNS messages.

use serde::Serialize;

use super::is_default;
use crate::proto;
use crate::sinks::render::enum_word;

/// A DNS message.
#[derive(Debug, Serialize)]
pub(super) struct Dns<'a> {
    answer: bool,
    transport: &'a str,
    server: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u32>,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    r#type: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    rcode: &'a str,
    #[serde(skip_serializing_if = "is_default")]
    truncated: bool,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    cnames: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    addresses: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#match: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolver: Option<String>,
    #[serde(skip_serializing_if = "str::is_empty")]
    malformed: &'a str,
    #[serde(skip_serializing_if = "is_default")]
    cut: bool,
}

impl<'a> From<&'a proto::DnsPayload> for Dns<'a> {
    fn from(dns: &'a proto::DnsPayload) -> Self {
        let (found, resolver) = (dns.r#match(), dns.resolver());
        Self {
            answer: dns.answer,
            transport: &dns.transport,
            server: &dns.server,
            id: dns.id,
            name: &dns.name,
            r#type: &dns.r#type,
            rcode: &dns.rcode,
            truncated: dns.truncated,
            cnames: &dns.cnames,
            addresses: &dns.addresses,
            ttl: dns.ttl,
            r#match: (found != proto::DnsMatch::Unspecified)
                .then(|| enum_word(found.as_str_name(), "DNS_MATCH_")),
            resolver: (resolver != proto::DnsResolver::Unspecified)
                .then(|| enum_word(resolver.as_str_name(), "DNS_RESOLVER_")),
            malformed: &dns.malformed,
            cut: dns.cut,
        }
    }
}
