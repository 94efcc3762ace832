//! A packet at a cgroup: addresses, ports and where its payload lies.
//!
//! It begins with its IP header, whole: the kernel puts fragments together before the ingress hook
//! and makes them after the egress hook.

use aya_ebpf::programs::SkBuffContext;

/// UDP's IP protocol number.
pub const UDP: u8 = 17;
/// TCP's IP protocol number.
pub const TCP: u8 = 6;

const ETH_P_IP: u16 = 0x0800;
const ETH_P_IPV6: u16 = 0x86DD;
const IPV6_HEADER: u32 = 40;
const UDP_HEADER: u32 = 8;
/// Where TCP's data offset and flags stand.
const TCP_OFFSET: u32 = 12;
const TCP_FLAG_SYN: u8 = 2;

/// IPv6 extension headers that may stand before the transport's: hop-by-hop options, routing and
/// destination options. They have their length in units of eight bytes, the first not counted.
const IPV6_EXTENSIONS: [u8; 3] = [0, 43, 60];
/// Most of them that are passed over.
const MOST_EXTENSIONS: u32 = 4;

/// The network and transport headers of a UDP or TCP packet.
#[derive(Clone, Copy)]
pub struct Packet {
    /// It is IPv6.
    pub is_v6: bool,
    /// [`UDP`] or [`TCP`].
    pub protocol: u8,
    /// Source port.
    pub source: u16,
    /// Destination port.
    pub destination: u16,
    /// Where the transport header begins.
    transport_at: u32,
}

/// Where the payload lies, and of TCP which part of its stream it is.
#[derive(Clone, Copy)]
pub struct Payload {
    /// Offset of its first byte.
    pub at: u32,
    /// Number of bytes.
    pub len: u32,
    /// Number of the first byte in the stream.
    pub sequence: u32,
    /// Number of the byte that is expected next from the other end.
    pub acknowledged: u32,
}

impl Packet {
    /// The headers of a UDP or TCP packet.
    #[inline(always)]
    pub fn of(ctx: &SkBuffContext) -> Option<Self> {
        let (is_v6, protocol, transport_at) = match u16::from_be(ctx_protocol(ctx)) {
            ETH_P_IP => {
                let first = load::<u8>(ctx, 0)?;
                (false, load::<u8>(ctx, 9)?, u32::from(first & 0xF) * 4)
            }
            ETH_P_IPV6 => {
                let (protocol, at) = skip_extensions(ctx, load::<u8>(ctx, 6)?)?;
                (true, protocol, at)
            }
            _ => return None,
        };
        if protocol != UDP && protocol != TCP {
            return None;
        }
        let ports = load::<[u8; 4]>(ctx, transport_at)?;
        Some(Self {
            is_v6,
            protocol,
            source: u16::from_be_bytes([ports[0], ports[1]]),
            destination: u16::from_be_bytes([ports[2], ports[3]]),
            transport_at,
        })
    }

    /// The payload; `None` when there is none.
    #[inline(always)]
    pub fn payload(&self, ctx: &SkBuffContext) -> Option<Payload> {
        let mut payload = Payload {
            at: self.transport_at + UDP_HEADER,
            len: 0,
            sequence: 0,
            acknowledged: 0,
        };
        if self.protocol == TCP {
            let numbers = load::<[u32; 2]>(ctx, self.transport_at + 4)?;
            let [offset, flags] = load::<[u8; 2]>(ctx, self.transport_at + TCP_OFFSET)?;
            payload.at = self.transport_at + u32::from(offset >> 4) * 4;
            payload.sequence = u32::from_be(numbers[0]);
            payload.acknowledged = u32::from_be(numbers[1]);
            if flags & TCP_FLAG_SYN != 0 {
                // A SYN has a number of its own; the data of a fast open follows it.
                payload.sequence = payload.sequence.wrapping_add(1);
            }
        }
        let whole = ctx.len();
        if whole <= payload.at {
            return None;
        }
        payload.len = whole - payload.at;
        Some(payload)
    }

    /// Source and destination address in network byte order, IPv4 in the first four bytes.
    #[inline(always)]
    pub fn addresses(&self, ctx: &SkBuffContext) -> Option<([u8; 16], [u8; 16])> {
        if self.is_v6 {
            return Some((load(ctx, 8)?, load(ctx, 24)?));
        }
        let source = super::sock::widen(load(ctx, 12)?);
        Some((source, super::sock::widen(load(ctx, 16)?)))
    }
}

/// The transport protocol and where its header begins.
#[inline(always)]
fn skip_extensions(ctx: &SkBuffContext, mut protocol: u8) -> Option<(u8, u32)> {
    let mut at = IPV6_HEADER;
    for _ in 0..MOST_EXTENSIONS {
        if protocol != IPV6_EXTENSIONS[0]
            && protocol != IPV6_EXTENSIONS[1]
            && protocol != IPV6_EXTENSIONS[2]
        {
            break;
        }
        let [next, units] = load::<[u8; 2]>(ctx, at)?;
        protocol = next;
        at += (u32::from(units) + 1) * 8;
    }
    Some((protocol, at))
}

/// The EtherType, in network byte order.
#[inline(always)]
fn ctx_protocol(ctx: &SkBuffContext) -> u16 {
    // SAFETY: the verifier checks the access.
    unsafe { (*ctx.skb.skb).protocol as u16 }
}

#[inline(always)]
fn load<T: Copy>(ctx: &SkBuffContext, offset: u32) -> Option<T> {
    ctx.load::<T>(offset as usize).ok()
}
