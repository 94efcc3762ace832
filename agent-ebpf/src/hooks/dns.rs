//! DNS packets of the sockets in scope, by the client's side: what is sent to port 53 and what
//! comes from there.
//!
//! These programs run for each packet of the scope. A connected socket is told from the context
//! alone; only packets of others have their headers read.

use aya_ebpf::{
    EbpfContext,
    helpers::generated::{bpf_get_socket_cookie, bpf_skb_cgroup_id, bpf_skb_load_bytes},
    macros::cgroup_skb,
    programs::SkBuffContext,
};
use gravlens_common::{
    BulkContext, DNS_PORT, DnsRecord, DropReason, Hook, Kind, RecordHeader, SocketEnds, dns_flags,
    limits,
};

use crate::{
    account,
    dns_askers::{self, Asker},
    emit, fairness,
    kernel::{
        packet::{Packet, Payload, UDP},
        sock::{AF_INET, AF_INET6},
    },
    maps::DNS_SCRATCH,
    scratch::{self, DnsScratch},
    verifier,
};

/// Lets the packet go on: these programs only watch.
const ALLOW: i32 = 1;
/// Bounds the length of a payload less one.
const PAYLOAD_MASK: i32 = limits::DNS_PAYLOAD_MAX as i32 - 1;

#[cgroup_skb(egress)]
pub fn dns_egress(ctx: SkBuffContext) -> i32 {
    look::<false>(&ctx);
    ALLOW
}

#[cgroup_skb(ingress)]
pub fn dns_ingress(ctx: SkBuffContext) -> i32 {
    look::<true>(&ctx);
    ALLOW
}

#[inline(always)]
fn look<const RECEIVED: bool>(ctx: &SkBuffContext) {
    // SAFETY: the verifier checks the access. The kernel shifts the port, so that the word as a
    // whole is in network byte order.
    let connected_to = u32::from_be(unsafe { (*ctx.skb.skb).remote_port });
    if connected_to != 0 && connected_to != u32::from(DNS_PORT) {
        return;
    }
    let Some(packet) = Packet::of(ctx) else {
        return;
    };
    let (own, other) = if RECEIVED {
        (packet.destination, packet.source)
    } else {
        (packet.source, packet.destination)
    };
    let plain = other == DNS_PORT || connected_to != 0;
    // A translation on the way out may have changed the port of a datagram already; on the way in
    // it has been undone.
    if !plain && (RECEIVED || packet.protocol != UDP) {
        return;
    }
    // SAFETY: the helper takes the context of this program type.
    let cookie = unsafe { bpf_get_socket_cookie(ctx.as_ptr()) };
    let asker = dns_askers::of(cookie);
    if !plain && !asker.is_known() {
        return;
    }
    let Some(payload) = packet.payload(ctx) else {
        return;
    };
    if asker.is_known() && !asker.is_reported() {
        return;
    }
    let cgroup_id = if asker.is_known() {
        asker.cgroup_id
    } else {
        // SAFETY: the helper takes the context of this program type.
        unsafe { bpf_skb_cgroup_id(ctx.skb.skb) }
    };
    let account = account::seen(cgroup_id, Hook::Dns);
    let Some(paid) = fairness::pay(cgroup_id, account) else {
        return;
    };
    let Some(slot) = scratch::take(&DNS_SCRATCH) else {
        if let Some(account) = account {
            account.dropped(DropReason::ScratchBusy);
        }
        return;
    };
    // SAFETY: the slot is this program's until it is given back.
    let room = unsafe { &mut *slot };
    room.record = DnsRecord {
        header: RecordHeader::default(),
        context: BulkContext {
            cgroup_id,
            exec_key: asker.exec_key,
            tid: asker.tid,
            result: 0,
        },
        cookie,
        ends: ends::<RECEIVED>(ctx, &packet, own, other),
        asked: asker.address,
        sequence: payload.sequence,
        acknowledged: payload.acknowledged,
        total_len: payload.len,
        asked_family: asker.family,
        asked_port: asker.port,
        payload_len: 0,
        flags: flags::<RECEIVED>(&asker),
        pad: 0,
    };
    let len = copy(ctx, &payload, room);
    room.record.payload_len = len as u16;
    let size = size_of::<DnsRecord>() as u64 + len;
    room.record.header = emit::header(Kind::Dns, size as u32);
    // SAFETY: the payload lies behind the record, both are initialised, and `size` is at most
    // their length.
    unsafe { emit::bulk((&raw const room.record).cast(), size, paid) };
    scratch::release(slot);
}

#[inline(always)]
fn flags<const RECEIVED: bool>(asker: &Asker) -> u16 {
    let direction = if RECEIVED { dns_flags::RECEIVED } else { 0 };
    if asker.is_known() {
        direction | dns_flags::ASKER
    } else {
        direction
    }
}

#[inline(always)]
fn ends<const RECEIVED: bool>(
    ctx: &SkBuffContext,
    packet: &Packet,
    own: u16,
    other: u16,
) -> SocketEnds {
    let (source, destination) = match packet.addresses(ctx) {
        Some(both) => both,
        None => ([0; 16], [0; 16]),
    };
    let (local, remote) = if RECEIVED {
        (destination, source)
    } else {
        (source, destination)
    };
    SocketEnds {
        family: if packet.is_v6 { AF_INET6 } else { AF_INET },
        protocol: u16::from(packet.protocol),
        local_port: own,
        remote_port: other,
        local,
        remote,
    }
}

/// Copies the payload, up to the limit; its length there.
#[inline(always)]
fn copy(ctx: &SkBuffContext, payload: &Payload, room: &mut DnsScratch) -> u64 {
    let wanted = if payload.len > limits::DNS_PAYLOAD_MAX as u32 {
        limits::DNS_PAYLOAD_MAX as u32
    } else {
        payload.len
    };
    // The helper takes no length of zero.
    let len = verifier::mask::<PAYLOAD_MASK>(u64::from(wanted) - 1) + 1;
    // SAFETY: the room has as many bytes as the mask admits, and one.
    let result = unsafe {
        bpf_skb_load_bytes(
            ctx.as_ptr(),
            payload.at,
            room.payload.as_mut_ptr().cast(),
            len as u32,
        )
    };
    if result == 0 { len } else { 0 }
}
