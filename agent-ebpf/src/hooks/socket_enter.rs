//! Where the socket calls begin that can carry an address.

use aya_ebpf::{macros::tracepoint, programs::TracePointContext};
use gravlens_common::Call;

use crate::{
    kernel::{read_user, regs::entry_argument},
    ongoing,
};

#[tracepoint]
pub fn sys_enter_connect(_ctx: TracePointContext) -> u32 {
    ongoing::begin(Call::Connect);
    0
}

/// Without an address it is data on a connection, by far the more frequent use.
#[tracepoint]
pub fn sys_enter_sendto(ctx: TracePointContext) -> u32 {
    if entry_argument::<4>(&ctx) != 0 {
        ongoing::begin(Call::Sendto);
    }
    0
}

/// Likewise. Should another thread put an address there later, the cgroup hook reports it.
#[tracepoint]
pub fn sys_enter_sendmsg(ctx: TracePointContext) -> u32 {
    // `struct user_msghdr` begins with the pointer to the address.
    if read_user::<u64>(entry_argument::<1>(&ctx)).is_some_and(|address| address != 0) {
        ongoing::begin(Call::Sendmsg);
    }
    0
}

#[tracepoint]
pub fn sys_enter_sendmmsg(_ctx: TracePointContext) -> u32 {
    ongoing::begin(Call::Sendmmsg);
    0
}
