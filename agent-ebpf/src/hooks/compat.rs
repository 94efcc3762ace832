//! 32-bit system calls, which pass every named tracepoint: `int 0x80` works in a 64-bit process
//! too.
//!
//! There is one tracepoint for the end of all calls, so this program runs for each of them and
//! leaves at once unless the call came in by a 32-bit entry.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use gravlens_common::{Call, Hook, PathCall, compat_flags};

use super::{
    calls, open, paths, set_ids,
    socket::{self, Passed},
};
use crate::{
    compat_call::{self, CompatCall},
    kernel::{
        regs::{self, Arguments},
        task::Task,
    },
};

#[btf_tracepoint(function = "sys_exit")]
pub fn compat(ctx: BtfTracePointContext) -> i32 {
    if !Task::current().is_in_compat_call() {
        return 0;
    }
    let Some(CompatCall { call, block, entry }) = compat_call::made(ctx.arg::<u64>(0)) else {
        return 0;
    };
    if entry.flags & compat_flags::BY_TRAMPOLINE != 0 {
        return 0;
    }
    let result = ctx.arg::<i64>(1);
    let hook = call.hook();
    match hook {
        // The hooks on addresses have told of each message.
        Hook::Send if matches!(call, Call::Sendmmsg) => {}
        Hook::Open => on_open(call, result, block),
        Hook::SetIds => on_set_ids(call, result),
        Hook::FileChange | Hook::Mount => on_paths(hook, &entry.call, result),
        Hook::Exec if result < 0 => on_paths(Hook::ExecFailed, &entry.call, result),
        Hook::Connect | Hook::Send | Hook::Bind | Hook::Listen | Hook::Accept => {
            on_socket(call, result, block);
        }
        Hook::Privilege => on_privilege(call, result),
        Hook::Memory => on_memory(call, result, block),
        Hook::Descriptor | Hook::Signal | Hook::Socket => on_bulk(call, result, block),
        _ => {}
    }
    0
}

// Each with a stack frame of its own: all together are too large for one.

/// One call at a time: the verifier would otherwise follow each of them through all of the others'
/// branches.
macro_rules! one_at_a_time {
    ($function:ident($call:ident, $result:ident, $block:ident), $one:ident: $($variant:ident),*) => {
        #[inline(always)]
        fn $function($call: Call, $result: i64, $block: u64) {
            match $call {
                $(Call::$variant => $one::<{ Call::$variant as u8 }>($result, $block),)*
                _ => {}
            }
        }
    };
}

one_at_a_time!(on_open(call, result, block), open_by:
    Open, Openat, Openat2, Creat, OpenByHandleAt, MemfdCreate);
one_at_a_time!(on_socket(call, result, block), socket_by:
    Connect, Sendto, Sendmsg, Bind, Listen, Accept, Accept4);

#[inline(never)]
fn open_by<const CALL: u8>(result: i64, _block: u64) {
    if let Some(call) = Call::from_number(CALL) {
        open::observe(call, result, in_registers());
    }
}

#[inline(never)]
fn socket_by<const CALL: u8>(result: i64, block: u64) {
    if let Some(call) = Call::from_number(CALL) {
        let passed = Passed::of(passed(block), block != 0);
        socket::observe(call, result as i32, &passed);
    }
}

#[inline(never)]
fn on_set_ids(call: Call, result: i64) {
    set_ids::observe(call, result, in_registers());
}

#[inline(never)]
fn on_paths(hook: Hook, call: &PathCall, result: i64) {
    paths::end_of(hook, call, result as i32, in_registers());
}

#[inline(never)]
fn on_privilege(call: Call, result: i64) {
    calls::privilege(call, result, in_registers().six());
}

#[inline(never)]
fn on_memory(call: Call, result: i64, block: u64) {
    calls::memory(call, result, passed(block).four());
}

#[inline(never)]
fn on_bulk(call: Call, result: i64, block: u64) {
    calls::bulk(call, result, passed(block).four());
}

#[inline(always)]
fn in_registers() -> Arguments {
    Arguments::compat(regs::saved())
}

#[inline(always)]
fn passed(block: u64) -> Arguments {
    match block {
        0 => in_registers(),
        address => Arguments::block(address),
    }
}
