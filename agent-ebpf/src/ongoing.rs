//! Socket calls under way: how a cgroup hook knows whether a system call that is traced runs it.
//!
//! The entry tracepoint of a call opens a slot under its thread, the cgroup hook puts the address
//! into it, and the exit tracepoint takes both away. A 32-bit call has no entry tracepoint: the hook
//! opens the slot, if the program on the ends of those calls is there to take it. Where trampolines are
//! granted, a request of io_uring opens a slot and takes it as a call does. Any other hook that finds
//! no slot runs for io_uring or one of its workers, which no exit follows: it must report by itself.

use aya_ebpf::{bindings::BPF_ANY, helpers::bpf_get_current_pid_tgid};
use gravlens_common::{Call, DropReason, SocketEnds};

use crate::{
    account,
    maps::ONGOING,
    scope::{self, Caller},
};

/// A call between its two tracepoints.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct OngoingCall {
    /// The address that the kernel copied; zero family: none so far.
    pub ends: SocketEnds,
    /// Cookie of the socket that the address was given to.
    pub cookie: u64,
    /// [`Call`].
    call: u64,
}

impl OngoingCall {
    /// A call without an address.
    #[inline(always)]
    pub fn new(call: u64) -> Self {
        Self {
            ends: SocketEnds {
                family: 0,
                protocol: 0,
                local_port: 0,
                remote_port: 0,
                local: [0; 16],
                remote: [0; 16],
            },
            cookie: 0,
            call,
        }
    }

    /// An address is there.
    #[inline(always)]
    pub fn has_address(&self) -> bool {
        self.ends.family != 0
    }

    /// The call sends several messages, so that one result does not tell how each fared.
    #[inline(always)]
    pub fn sends_many(&self) -> bool {
        self.call == Call::Sendmmsg as u64
    }
}

/// A call begins.
#[inline(always)]
pub fn begin(call: Call) {
    let Some(caller) = scope::caller() else {
        return;
    };
    let begun = OngoingCall::new(call as u64);
    if ONGOING
        .insert(caller.pid_tgid, begun, u64::from(BPF_ANY))
        .is_err()
    {
        lost(call, caller);
    }
}

/// A call has come to its address, and no entry has opened a slot. Returns whether there is one now.
#[inline(always)]
pub fn begin_at_address(caller: Caller, call: Call, ends: &SocketEnds, cookie: u64) -> bool {
    let begun = OngoingCall {
        ends: *ends,
        cookie,
        call: call as u64,
    };
    let inserted = ONGOING.insert(caller.pid_tgid, begun, u64::from(BPF_ANY));
    inserted.is_ok()
}

/// There is no slot. The exit of a send has then nothing to tell, so the event is lost here, also
/// where the cgroup hook still reports its address. The exit of a connect, and the cgroup hook for
/// each message of a sendmmsg, report without a slot.
#[inline(always)]
fn lost(call: Call, caller: Caller) {
    if !matches!(call, Call::Sendto | Call::Sendmsg) {
        return;
    }
    if let Some(account) = account::seen(caller.cgroup_id, call.hook()) {
        account.dropped(DropReason::ScratchBusy);
    }
}

/// The slot of the call that a thread is in.
#[inline(always)]
pub fn current(caller: Caller) -> Option<*mut OngoingCall> {
    ONGOING.get_ptr_mut(caller.pid_tgid)
}

/// The call ends. Without an address when it had none or is not known, rather than an `Option`: the
/// compiler would keep its undefined payload, which the verifier refuses.
#[inline(always)]
pub fn end(caller: Caller) -> OngoingCall {
    // SAFETY: only this thread writes and removes its own entry, and it is here.
    let ended = match unsafe { ONGOING.get(caller.pid_tgid) } {
        Some(ended) => *ended,
        None => return OngoingCall::new(0),
    };
    let _ = ONGOING.remove(caller.pid_tgid);
    ended
}

/// The calling thread ends. A slot that is still there has missed the end of its call: the thread
/// left the scope meanwhile, or the kernel left the exit program out.
#[inline(always)]
pub fn thread_ends() {
    let _ = ONGOING.remove(bpf_get_current_pid_tgid());
}
