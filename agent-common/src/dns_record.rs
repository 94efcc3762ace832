//! Layout of the record about a DNS packet.

use crate::{BulkContext, RecordHeader, SocketEnds, layout::assert_layout};

/// Port of DNS without encryption, UDP and TCP.
pub const DNS_PORT: u16 = 53;

/// Bits of [`DnsRecord::flags`].
pub mod dns_flags {
    /// The socket received the packet; without it, it sent it.
    pub const RECEIVED: u16 = 1;
    /// The context is the task that gave the socket its destination, and `asked` is that
    /// destination. Without it the context has the socket's cgroup and no task.
    pub const ASKER: u16 = 1 << 1;
}

/// A packet that a socket sent to a DNS server or received from one. Followed by its payload: of
/// TCP the bytes of one segment.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "user",
    derive(
        zerocopy::FromBytes,
        zerocopy::Immutable,
        zerocopy::IntoBytes,
        zerocopy::KnownLayout
    )
)]
pub struct DnsRecord {
    /// Kind [`crate::Kind::Dns`].
    pub header: RecordHeader,
    /// Who asks. The result says nothing.
    pub context: BulkContext,
    /// What the kernel tells sockets apart by.
    pub cookie: u64,
    /// Addresses of the packet; local is the socket's end.
    pub ends: SocketEnds,
    /// The destination that the socket was given last, before anything translated it: address in
    /// network byte order.
    pub asked: [u8; 16],
    /// TCP: number of the payload's first byte in its stream.
    pub sequence: u32,
    /// TCP: number of the next byte that the sender expects from the other end.
    pub acknowledged: u32,
    /// Bytes of the packet's payload, of which the record may have fewer.
    pub total_len: u32,
    /// Address family of `asked`.
    pub asked_family: u16,
    /// Port of `asked`.
    pub asked_port: u16,
    /// Bytes of the payload that follow.
    pub payload_len: u16,
    /// [`dns_flags`].
    pub flags: u16,
    /// Spelled-out padding, zero.
    pub pad: u32,
}

assert_layout!(
    DnsRecord,
    size = 128,
    context = 16,
    cookie = 40,
    ends = 48,
    asked = 88,
    sequence = 104,
    acknowledged = 108,
    total_len = 112,
    asked_family = 116,
    asked_port = 118,
    payload_len = 120,
    flags = 122,
);
