//! 32-bit system calls, which pass every named tracepoint: `int 0x80` works in a 64-bit process
//! too.
//!
//! There is one tracepoint for the end of all calls, so this program runs for each of them and
//! leaves at once unless the call came in by a 32-bit entry. What it needs for each call is a global
//! function, which the verifier goes through by itself: Linux 6.1 would otherwise go through it once
//! for every number that leads there.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use gravlens_common::{Call, Hook, compat_flags};

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
    let (number, result) = (u64::from(call as u8), ctx.arg::<u64>(1));
    match call {
        Call::Open => compat_open(result, block),
        Call::Openat => compat_openat(result, block),
        Call::Openat2 => compat_openat2(result, block),
        Call::Creat => compat_creat(result, block),
        Call::OpenByHandleAt => compat_open_by_handle_at(result, block),
        Call::MemfdCreate => compat_memfd_create(result, block),
        Call::Connect => compat_connect(result, block),
        Call::Sendto => compat_sendto(result, block),
        Call::Sendmsg => compat_sendmsg(result, block),
        Call::Bind => compat_bind(result, block),
        Call::Listen => compat_listen(result, block),
        Call::Accept => compat_accept(result, block),
        Call::Accept4 => compat_accept4(result, block),
        // The hooks on addresses have told of each message.
        Call::Sendmmsg => 0,
        _ => of_kind(call.hook(), number, result, block),
    }
}

/// Calls that differ in their number alone.
#[inline(always)]
fn of_kind(hook: Hook, number: u64, result: u64, block: u64) -> i32 {
    match hook {
        Hook::SetIds => compat_set_ids(number, result, block),
        Hook::FileChange => compat_file_change(number, result, block),
        Hook::Mount => compat_mount(number, result, block),
        Hook::Exec => compat_exec_failed(number, result, block),
        Hook::Privilege => compat_privilege(number, result, block),
        Hook::Memory => compat_memory(number, result, block),
        Hook::Descriptor => compat_descriptor(number, result, block),
        Hook::Signal => compat_signal(number, result, block),
        Hook::Socket => compat_new_socket(number, result, block),
        _ => 0,
    }
}

/// Declares the function of one call, from its result and the address of its arguments where they do
/// not stand in registers.
macro_rules! calls {
    ($report:ident: $($function:ident => $call:ident),* $(,)?) => {
        $(
            #[unsafe(no_mangle)]
            #[inline(never)]
            extern "C" fn $function(result: u64, block: u64) -> i32 {
                $report(Call::$call, result as i64, block);
                0
            }
        )*
    };
}

calls! {
    open:
    compat_open => Open,
    compat_openat => Openat,
    compat_openat2 => Openat2,
    compat_creat => Creat,
    compat_open_by_handle_at => OpenByHandleAt,
    compat_memfd_create => MemfdCreate,
}

calls! {
    socket:
    compat_connect => Connect,
    compat_sendto => Sendto,
    compat_sendmsg => Sendmsg,
    compat_bind => Bind,
    compat_listen => Listen,
    compat_accept => Accept,
    compat_accept4 => Accept4,
}

#[inline(always)]
fn open(call: Call, result: i64, _block: u64) {
    open::observe(call, result, in_registers());
}

#[inline(always)]
fn socket(call: Call, result: i64, block: u64) {
    let passed = Passed::of(passed(block), block != 0);
    socket::observe(call, result as i32, || passed);
}

/// The same for calls that differ in their number alone, from that too.
macro_rules! kinds {
    ($($function:ident => $report:ident($hook:ident)),* $(,)?) => {
        $(
            #[unsafe(no_mangle)]
            #[inline(never)]
            extern "C" fn $function(number: u64, result: u64, block: u64) -> i32 {
                if let Some(call) = Call::from_number(number as u8) {
                    $report(Hook::$hook, call, result as i64, block);
                }
                0
            }
        )*
    };
}

kinds! {
    compat_set_ids => set_ids(SetIds),
    compat_file_change => paths(FileChange),
    compat_mount => paths(Mount),
    compat_exec_failed => paths(ExecFailed),
    compat_privilege => privilege(Privilege),
    compat_memory => memory(Memory),
    compat_descriptor => bulk(Descriptor),
    compat_signal => bulk(Signal),
    compat_new_socket => bulk(Socket),
}

#[inline(always)]
fn set_ids(_hook: Hook, call: Call, result: i64, _block: u64) {
    set_ids::observe(call, result, in_registers());
}

#[inline(always)]
fn paths(hook: Hook, _call: Call, result: i64, _block: u64) {
    if matches!(hook, Hook::ExecFailed) && result >= 0 {
        return;
    }
    if let Some(made) = compat_call::made(regs::saved()) {
        paths::end_of(hook, &made.entry.call, result as i32, in_registers());
    }
}

#[inline(always)]
fn privilege(_hook: Hook, call: Call, result: i64, _block: u64) {
    calls::privilege(call, result, in_registers());
}

#[inline(always)]
fn memory(hook: Hook, call: Call, result: i64, block: u64) {
    let args = passed(block).four();
    if calls::asks_for_both(args[2]) {
        calls::of_hook(hook, call, result, || args);
    }
}

#[inline(always)]
fn bulk(hook: Hook, call: Call, result: i64, block: u64) {
    let args = passed(block).four();
    calls::of_hook(hook, call, result, || args);
}

#[inline(always)]
fn in_registers() -> Arguments {
    Arguments::compat(regs::saved())
}

/// The arguments, in registers or in a block. Who asks reads their values at once: they are plain
/// numbers from there on, and Linux 6.1 need not go through the rest once for each place.
#[inline(always)]
fn passed(block: u64) -> Arguments {
    match block {
        0 => in_registers(),
        address => Arguments::block(address),
    }
}
