//! DNS messages, and what is known of the servers and names in them.

use std::net::IpAddr;
use std::sync::Arc;

use super::Transport;

/// A DNS message that a process sent to a server or received from one.
#[derive(Clone, Debug)]
pub struct Dns {
    /// It was received: an answer.
    pub received: bool,
    /// UDP or TCP.
    pub transport: Transport,
    /// The server, as the process addressed it; of an answer that answers nothing the sender.
    pub server: Option<IpAddr>,
    /// What it says, as far as it can be read.
    pub message: DnsMessage,
    /// Why it cannot be read to its end.
    pub malformed: Option<DnsFault>,
    /// Not all of it was captured.
    pub cut: bool,
    /// Whether it answers something; `None` for queries.
    pub answers: Option<DnsMatch>,
    /// Whether the server is a resolver of the container.
    pub resolver: Resolver,
}

/// The content of a message. What an unreadable one does not tell is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DnsMessage {
    /// Number by which an answer is matched.
    pub id: Option<u16>,
    /// What is asked.
    pub question: Option<DnsQuestion>,
    /// Result code of an answer (RFC 1035 and its extensions, four bits).
    pub rcode: Option<u8>,
    /// The server left records out for want of room (TC).
    pub truncated: bool,
    /// Further names that the question's name stands for, in the order of the chain.
    pub cnames: Vec<Box<str>>,
    /// Addresses of the question's name, or of the last of those names.
    pub addresses: Vec<IpAddr>,
    /// Shortest time in seconds for which one of these records holds.
    pub ttl: Option<u32>,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsQuestion {
    /// Name in lower case without the final dot, bytes that are not printable as `\DDD`; the root
    /// is a dot.
    pub name: Box<str>,
    /// Bytes of its longest label.
    pub longest_label: u8,
    /// Type by its number.
    pub rtype: u16,
    /// Class by its number.
    pub class: u16,
}

/// Why a message cannot be read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DnsFault {
    /// Shorter than a header.
    Header,
    /// A query that says that it is an answer, or the other way round.
    Direction,
    /// A query without exactly one question, or an answer with several.
    Questions,
    /// The question ends early or has an impossible name.
    Question,
    /// A record ends early or has an impossible name.
    Record,
    /// A TCP stream that gives a message no bytes.
    Empty,
}

impl DnsFault {
    /// For people and rules.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Header => "no whole header",
            Self::Direction => "wrong direction",
            Self::Questions => "wrong number of questions",
            Self::Question => "unreadable question",
            Self::Record => "unreadable record",
            Self::Empty => "empty message",
        }
    }
}

/// Whether an answer answers a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DnsMatch {
    /// It does.
    Query,
    /// The socket asked nothing that waits for an answer.
    NoQuery,
    /// No query of the socket has its id.
    OtherId,
    /// The query went to another server.
    OtherServer,
    /// The query asked something else.
    OtherQuestion,
    /// The query was answered before.
    Answered,
    /// It cannot be said: the query may have been sent before the agent began, or queries of the
    /// container were forgotten because there were too many.
    Unknown,
}

impl DnsMatch {
    /// The answer answers nothing; `None` where that cannot be said.
    pub const fn is_unsolicited(self) -> Option<bool> {
        match self {
            Self::Query => Some(false),
            Self::Unknown => None,
            _ => Some(true),
        }
    }

    /// Why it answers nothing, for people and rules.
    pub const fn why(self) -> Option<&'static str> {
        match self {
            Self::Query | Self::Unknown => None,
            Self::NoQuery => Some("no query"),
            Self::OtherId => Some("other id"),
            Self::OtherServer => Some("other server"),
            Self::OtherQuestion => Some("other question"),
            Self::Answered => Some("answered before"),
        }
    }
}

/// Whether a server is configured as a resolver of the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolver {
    /// It is.
    Configured,
    /// It is not.
    Other,
    /// The configuration is being read.
    Pending,
    /// The configuration cannot be read, or nobody knows whose it is.
    Unknown,
}

/// The names that an address was looked up by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AddressName {
    /// None is known.
    #[default]
    None,
    /// An answer named it, of which it is not known yet whether the server may be believed.
    Pending,
    /// These, the newest last.
    Known(Arc<[Box<str>]>),
}

impl AddressName {
    /// The names that are known.
    pub fn known(&self) -> &[Box<str>] {
        match self {
            Self::Known(names) => names,
            Self::None | Self::Pending => &[],
        }
    }
}

/// Mnemonic of a record type, where it has a common one.
pub const fn rtype_name(rtype: u16) -> Option<&'static str> {
    Some(match rtype {
        1 => "A",
        2 => "NS",
        5 => "CNAME",
        6 => "SOA",
        10 => "NULL",
        12 => "PTR",
        13 => "HINFO",
        15 => "MX",
        16 => "TXT",
        25 => "KEY",
        28 => "AAAA",
        33 => "SRV",
        35 => "NAPTR",
        39 => "DNAME",
        43 => "DS",
        44 => "SSHFP",
        46 => "RRSIG",
        47 => "NSEC",
        48 => "DNSKEY",
        52 => "TLSA",
        64 => "SVCB",
        65 => "HTTPS",
        251 => "IXFR",
        252 => "AXFR",
        255 => "ANY",
        256 => "URI",
        257 => "CAA",
        _ => return None,
    })
}

/// Mnemonic of a result code.
pub const fn rcode_name(rcode: u8) -> Option<&'static str> {
    Some(match rcode {
        0 => "NOERROR",
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        6 => "YXDOMAIN",
        7 => "YXRRSET",
        8 => "NXRRSET",
        9 => "NOTAUTH",
        10 => "NOTZONE",
        _ => return None,
    })
}

/// The type as rules and people read it; one without a mnemonic as in RFC 3597.
pub fn rtype_text(rtype: u16) -> String {
    rtype_name(rtype).map_or_else(|| format!("TYPE{rtype}"), str::to_owned)
}

/// The result code as rules and people read it.
pub fn rcode_text(rcode: u8) -> String {
    rcode_name(rcode).map_or_else(|| format!("RCODE{rcode}"), str::to_owned)
}
