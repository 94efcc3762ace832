//! 32-bit system calls, which pass every named tracepoint: `int 0x80` works in a 64-bit process
//! too.
//!
//! There is one tracepoint for the end of all calls, so this program runs for each of them and
//! leaves at once unless the call came in by a 32-bit entry.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use gravlens_common::{Call, Hook, compat_flags};

use super::{calls, open, paths, set_ids, socket};
use crate::{
    compat_call::{self, CompatCall},
    kernel::task::Task,
};

#[btf_tracepoint(function = "sys_exit")]
pub fn compat(ctx: BtfTracePointContext) -> i32 {
    if !Task::current_is_in_compat_call() {
        return 0;
    }
    if let Some(made) = compat_call::made(ctx.arg::<u64>(0)) {
        observe(&made, ctx.arg::<i64>(1));
    }
    0
}

/// Reports the call as the tracepoint of the one of the full width would.
#[inline(always)]
fn observe(made: &CompatCall, result: i64) {
    let CompatCall {
        call,
        arguments,
        entry,
    } = *made;
    if entry.flags & compat_flags::BY_TRAMPOLINE != 0 {
        return;
    }
    let hook = call.hook();
    match hook {
        // The hooks on addresses have told of each message.
        Hook::Send if matches!(call, Call::Sendmmsg) => {}
        Hook::Open => open::observe(call, result, arguments),
        Hook::SetIds => set_ids::observe(call, result, arguments),
        Hook::FileChange | Hook::Mount => {
            paths::observe(hook, &entry.call, result as i32, arguments);
        }
        Hook::Exec if result < 0 => {
            paths::observe(Hook::ExecFailed, &entry.call, result as i32, arguments);
        }
        Hook::Connect | Hook::Send | Hook::Bind | Hook::Listen | Hook::Accept => {
            socket::observe(call, result as i32, arguments);
        }
        Hook::Privilege => calls::privilege(call, result, arguments),
        Hook::Memory => calls::memory(call, result, arguments),
        Hook::Descriptor | Hook::Signal | Hook::Socket => calls::bulk(call, result, arguments),
        _ => {}
    }
}
