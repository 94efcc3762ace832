//! DNS messages.

use schemars::JsonSchema;
use serde::Serialize;

use super::is_default;
use crate::proto;
use crate::sinks::render::enum_word;

/// A DNS message.
#[derive(Debug, JsonSchema, Serialize)]
pub(super) struct Dns<'a> {
    /// It was received.
    answer: bool,
    /// `udp` or `tcp`.
    transport: &'a str,
    /// The server as the process addressed it.
    server: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u32>,
    /// The name asked for, in lower case without the final dot.
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    r#type: &'a str,
    /// Code of the answer: `NOERROR`.
    #[serde(skip_serializing_if = "str::is_empty")]
    rcode: &'a str,
    /// The server left records out for want of room.
    #[serde(skip_serializing_if = "is_default")]
    truncated: bool,
    /// Names that the name stands for.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    cnames: &'a [String],
    /// Addresses that the answer gives.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    addresses: &'a [String],
    /// Seconds for which the answer holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<u32>,
    /// Whether the answer answers a query of its socket.
    #[serde(skip_serializing_if = "Option::is_none")]
    r#match: Option<String>,
    /// Whether the server is a resolver of the container: `configured` or `other`.
    #[serde(skip_serializing_if = "Option::is_none")]
    resolver: Option<String>,
    /// What is wrong with a message that cannot be read.
    #[serde(skip_serializing_if = "str::is_empty")]
    malformed: &'a str,
    /// The end of the message was not captured.
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
