//! DNS packets.

mod message;

use std::net::IpAddr;

use gravlens_common::{BulkContext, DnsRecord, SocketEnds, dns_flags};

use super::{DecodeError, read, take, view::endpoint};
use crate::model::{Endpoint, SocketAddress};

pub use message::{MAX_ADDRESSES, Parsed, parse};

/// A packet that a socket sent to a DNS server or received from one.
#[derive(Clone, Debug)]
pub struct DnsView<'a> {
    /// Who asks, by fingerprint.
    pub context: BulkContext,
    /// The context has the task that asks, not the socket's cgroup alone.
    pub has_asker: bool,
    /// The packet was received.
    pub received: bool,
    /// What the kernel tells sockets apart by.
    pub cookie: u64,
    /// Addresses of the packet.
    pub endpoint: Endpoint,
    /// The server that the task asks, before anything translated its address.
    pub asked: Option<IpAddr>,
    /// TCP: number of the first byte in its stream.
    pub sequence: u32,
    /// TCP: number of the byte that is expected next from the other end.
    pub acknowledged: u32,
    /// Bytes of the packet's payload.
    pub total_len: u32,
    /// The payload, or its beginning.
    pub payload: &'a [u8],
}

impl<'a> DnsView<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let (raw, mut rest) = read::<DnsRecord>(bytes)?;
        let payload = take(&mut rest, raw.payload_len)?;
        let has = |bit: u16| raw.flags & bit != 0;
        let asked = endpoint(&SocketEnds {
            family: raw.asked_family,
            remote_port: raw.asked_port,
            remote: raw.asked,
            ..SocketEnds::default()
        });
        Ok(Self {
            context: raw.context,
            has_asker: has(dns_flags::ASKER),
            received: has(dns_flags::RECEIVED),
            cookie: raw.cookie,
            endpoint: endpoint(&raw.ends),
            asked: address(asked.remote.as_ref()).filter(|_| has(dns_flags::ASKER)),
            sequence: raw.sequence,
            acknowledged: raw.acknowledged,
            total_len: raw.total_len,
            payload,
        })
    }

    /// Address of the other end of the packet.
    pub fn remote(&self) -> Option<IpAddr> {
        address(self.endpoint.remote.as_ref())
    }

    /// The record has all of the payload.
    pub fn is_whole(&self) -> bool {
        self.payload.len() as u64 == u64::from(self.total_len)
    }
}

fn address(end: Option<&SocketAddress>) -> Option<IpAddr> {
    match end {
        Some(SocketAddress::Ip(ip, _)) => Some(ip.to_canonical()),
        _ => None,
    }
}
