//! The kernel's own copy of a destination address.
//!
//! These hooks run inside connect and sendmsg after the kernel has copied the address from user
//! memory, so no other thread can change it any more. The address waits, by thread, for the exit
//! of the system call, which knows the result.

use aya_ebpf::{
    helpers::bpf_get_current_pid_tgid, helpers::generated::bpf_ktime_get_boot_ns,
    macros::cgroup_sock_addr, programs::SockAddrContext,
};
use gravlens_common::{AddressRecord, SocketEnds};

use crate::{kernel::sock, maps::ADDRESSES};

/// Lets the call go on: these programs only watch.
const ALLOW: i32 = 1;

#[cgroup_sock_addr(connect4)]
pub fn connect4(ctx: SockAddrContext) -> i32 {
    note_v4(&ctx)
}

#[cgroup_sock_addr(connect6)]
pub fn connect6(ctx: SockAddrContext) -> i32 {
    note_v6(&ctx)
}

#[cgroup_sock_addr(sendmsg4)]
pub fn sendmsg4(ctx: SockAddrContext) -> i32 {
    note_v4(&ctx)
}

#[cgroup_sock_addr(sendmsg6)]
pub fn sendmsg6(ctx: SockAddrContext) -> i32 {
    note_v6(&ctx)
}

#[inline(always)]
fn note_v4(ctx: &SockAddrContext) -> i32 {
    // SAFETY: the verifier checks every access to the context.
    let (address, port, protocol) = unsafe {
        let addr = ctx.sock_addr;
        ((*addr).user_ip4, (*addr).user_port, (*addr).protocol)
    };
    note(
        sock::AF_INET,
        sock::widen(address.to_ne_bytes()),
        port,
        protocol,
    )
}

#[inline(always)]
fn note_v6(ctx: &SockAddrContext) -> i32 {
    // SAFETY: as above. Word by word: the context allows no wider load.
    let (words, port, protocol) = unsafe {
        let addr = ctx.sock_addr;
        let words = [
            core::ptr::read_volatile(&raw const (*addr).user_ip6[0]),
            core::ptr::read_volatile(&raw const (*addr).user_ip6[1]),
            core::ptr::read_volatile(&raw const (*addr).user_ip6[2]),
            core::ptr::read_volatile(&raw const (*addr).user_ip6[3]),
        ];
        (words, (*addr).user_port, (*addr).protocol)
    };
    let mut address = [0u8; 16];
    for (index, word) in words.iter().enumerate() {
        let bytes = word.to_ne_bytes();
        address[index * 4] = bytes[0];
        address[index * 4 + 1] = bytes[1];
        address[index * 4 + 2] = bytes[2];
        address[index * 4 + 3] = bytes[3];
    }
    note(sock::AF_INET6, address, port, protocol)
}

#[inline(always)]
fn note(family: u16, remote: [u8; 16], port: u32, protocol: u32) -> i32 {
    let record = AddressRecord {
        ends: SocketEnds {
            family,
            protocol: protocol as u16,
            local_port: 0,
            remote_port: u16::from_be(port as u16),
            local: [0; 16],
            remote,
        },
        // SAFETY: no arguments.
        boot_ns: unsafe { bpf_ktime_get_boot_ns() },
    };
    // A full map evicts the least recently used entry: a thread that never came back.
    let _ = ADDRESSES.insert(bpf_get_current_pid_tgid(), record, 0);
    ALLOW
}
