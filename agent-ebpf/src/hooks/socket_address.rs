//! The kernel's own copy of a destination address.
//!
//! These hooks run inside connect and sendmsg after the kernel has copied the address from user
//! memory, so no other thread can change it any more. In a system call that is traced the address
//! waits for the exit, which knows the result. Outside one (io_uring without trampolines), and for each message of a
//! sendmmsg, no exit tells the result of this address: the hook reports it, without.

use aya_ebpf::{
    EbpfContext, bindings::bpf_sock, helpers::generated::bpf_get_socket_cookie,
    macros::cgroup_sock_addr, programs::SockAddrContext,
};
use gravlens_common::{
    BulkContext, Call, DNS_PORT, EventClass, Kind, SocketEnds, SocketRecord, compat_flags,
    socket_flags,
};

use super::socket_gate::Gate;
use crate::{
    account, compat_call, dns_askers, emit,
    kernel::{sock, task::Task},
    ongoing,
    scope::{self, Caller},
};

/// Lets the call go on: these programs only watch.
const ALLOW: i32 = 1;

#[cgroup_sock_addr(connect4)]
pub fn connect4(ctx: SockAddrContext) -> i32 {
    take(&ctx, ends_v4(&ctx), Call::Connect)
}

#[cgroup_sock_addr(connect6)]
pub fn connect6(ctx: SockAddrContext) -> i32 {
    take(&ctx, ends_v6(&ctx), Call::Connect)
}

#[cgroup_sock_addr(sendmsg4)]
pub fn sendmsg4(ctx: SockAddrContext) -> i32 {
    take(&ctx, ends_v4(&ctx), Call::Sendmsg)
}

#[cgroup_sock_addr(sendmsg6)]
pub fn sendmsg6(ctx: SockAddrContext) -> i32 {
    take(&ctx, ends_v6(&ctx), Call::Sendmsg)
}

#[inline(always)]
fn ends_v4(ctx: &SockAddrContext) -> SocketEnds {
    // SAFETY: the verifier checks every access to the context and the socket.
    let (address, port, protocol, local) = unsafe {
        let addr = ctx.sock_addr;
        let local = (*socket(ctx)).src_ip4;
        ((*addr).user_ip4, (*addr).user_port, (*addr).protocol, local)
    };
    SocketEnds {
        family: sock::AF_INET,
        protocol: protocol as u16,
        local_port: local_port(ctx),
        remote_port: u16::from_be(port as u16),
        local: sock::widen(local.to_ne_bytes()),
        remote: sock::widen(address.to_ne_bytes()),
    }
}

#[inline(always)]
fn ends_v6(ctx: &SockAddrContext) -> SocketEnds {
    // SAFETY: as above. Word by word: the context allows no wider load.
    let (remote, local, port, protocol) = unsafe {
        let addr = ctx.sock_addr;
        let local = &raw const (*socket(ctx)).src_ip6;
        let remote = &raw const (*addr).user_ip6;
        (
            words(remote.cast()),
            words(local.cast()),
            (*addr).user_port,
            (*addr).protocol,
        )
    };
    SocketEnds {
        family: sock::AF_INET6,
        protocol: protocol as u16,
        local_port: local_port(ctx),
        remote_port: u16::from_be(port as u16),
        local,
        remote,
    }
}

#[inline(always)]
fn socket(ctx: &SockAddrContext) -> *const bpf_sock {
    // SAFETY: the kernel sets it for every program of this type.
    unsafe { (*ctx.sock_addr).__bindgen_anon_1.sk }
}

/// In host order, unlike the other ports.
#[inline(always)]
fn local_port(ctx: &SockAddrContext) -> u16 {
    // SAFETY: the verifier checks the access.
    unsafe { (*socket(ctx)).src_port as u16 }
}

/// The bytes of an IPv6 address.
///
/// # Safety
///
/// `start` points to four words.
#[inline(always)]
unsafe fn words(start: *const u32) -> [u8; 16] {
    let mut address = [0u8; 16];
    for index in 0..4 {
        // SAFETY: the caller vouches for four words.
        let bytes = unsafe { core::ptr::read_volatile(start.add(index)) }.to_ne_bytes();
        address[index * 4] = bytes[0];
        address[index * 4 + 1] = bytes[1];
        address[index * 4 + 2] = bytes[2];
        address[index * 4 + 3] = bytes[3];
    }
    address
}

/// Leaves the address to the system call's exit, or reports it. `call` is what the hook stands for
/// when no system call does.
#[inline(always)]
fn take(ctx: &SockAddrContext, ends: SocketEnds, call: Call) -> i32 {
    let task = Task::current();
    let caller = caller(task);
    if ends.remote_port == DNS_PORT {
        // SAFETY: the helper takes the context of this program type.
        let cookie = unsafe { bpf_get_socket_cookie(ctx.as_ptr()) };
        dns_askers::note(cookie, &ends, caller);
    }
    let Some(caller) = caller else {
        return ALLOW;
    };
    let Some(ongoing) = ongoing::current(caller) else {
        without_entry(ctx, &ends, call, caller, task);
        return ALLOW;
    };
    // SAFETY: a live map value that only this thread uses.
    let ongoing = unsafe { &mut *ongoing };
    if ongoing.sends_many() {
        report(&ends, Call::Sendmmsg, caller);
    } else if ongoing.has_address() {
        // The kernel connects once more on behalf of the call: the exit tells of the first.
        report(&ends, call, caller);
    } else {
        ongoing.ends = ends;
        // SAFETY: the helper takes the context of this program type.
        ongoing.cookie = unsafe { bpf_get_socket_cookie(ctx.as_ptr()) };
    }
    ALLOW
}

/// The address of a call whose entry was not seen: the end of a 32-bit one tells it.
#[inline(always)]
fn without_entry(ctx: &SockAddrContext, ends: &SocketEnds, call: Call, caller: Caller, task: Task) {
    let made = compat_call::current(task);
    // A request of io_uring may run behind whatever call the thread was in. A 32-bit one of a thread
    // that has a ring is told twice rather than not at all.
    if let Some(made) = made
        && made.entry.flags & compat_flags::WATCHED != 0
        && matches!(made.call, Call::Connect | Call::Sendto | Call::Sendmsg)
        && !task.has_io_uring()
    {
        // SAFETY: the helper takes the context of this program type.
        let cookie = unsafe { bpf_get_socket_cookie(ctx.as_ptr()) };
        if ongoing::begin_at_address(caller, made.call, ends, cookie) {
            return;
        }
    }
    report(ends, call, caller);
}

/// Whose call it is. The kernel's own connections are nobody's.
#[inline(always)]
fn caller(task: Task) -> Option<Caller> {
    if task.is_kernel_thread() {
        return None;
    }
    scope::caller_of(task)
}

/// One event for the address alone.
#[inline(always)]
fn report(ends: &SocketEnds, call: Call, caller: Caller) {
    let account = account::seen(caller.cgroup_id, call.hook());
    let gate = Gate::enter(call, EventClass::NO_RESULT, caller, account);
    let Some(paid) = gate.and_then(|gate| gate.leave(call.hook(), ends, caller.cgroup_id, account))
    else {
        return;
    };
    let record = SocketRecord {
        header: emit::header(Kind::Socket, size_of::<SocketRecord>() as u32),
        context: BulkContext {
            cgroup_id: caller.cgroup_id,
            exec_key: Task::exec_key((caller.pid_tgid >> 32) as u32),
            tid: caller.tid(),
            result: 0,
        },
        ends: *ends,
        fd: -1,
        flags: socket_flags::KERNEL_ADDRESS | socket_flags::NO_RESULT,
        path_len: 0,
        call: call as u8,
        pad: [0; 7],
    };
    // SAFETY: the record is initialised.
    unsafe {
        emit::bulk(
            (&raw const record).cast(),
            size_of::<SocketRecord>() as u64,
            paid,
        );
    }
}
