//! 32-bit system calls, which pass every named tracepoint: `int 0x80` works in a 64-bit process
//! too.
//!
//! There is one tracepoint for the end of all calls, so this program runs for each of them and
//! leaves at once unless the call came in by a 32-bit entry.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use gravlens_common::{Call, Hook};

use super::{open, set_ids};
use crate::{
    kernel::{regs::Registers, task::Task},
    maps::{BY_TRAMPOLINE, COMPAT_CALLS},
};

#[btf_tracepoint(function = "sys_exit")]
pub fn compat(ctx: BtfTracePointContext) -> i32 {
    if !Task::current().is_in_compat_call() {
        return 0;
    }
    let registers = Registers::compat(ctx.arg::<u64>(0));
    let result = ctx.arg::<i64>(1);
    let Some(call) = traced(registers) else {
        return 0;
    };
    match call.hook() {
        Hook::Open if call.opens_by_name() && on_trampolines(Hook::Open) => {}
        Hook::Open => open::observe(call, result, registers),
        Hook::SetIds => set_ids::observe(call, result, registers),
        _ => {}
    }
    0
}

#[inline(always)]
fn on_trampolines(hook: Hook) -> bool {
    let served = BY_TRAMPOLINE.get(0).copied().unwrap_or(0);
    served >> (hook as u64) & 1 != 0
}

#[inline(always)]
fn traced(registers: Registers) -> Option<Call> {
    let call = COMPAT_CALLS.get(registers.number()?)?;
    Call::from_number(*call)
}
