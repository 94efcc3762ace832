//! The 32-bit system call that a thread is in.

use gravlens_common::{Call, CompatCall as Entry, compat_flags};

use crate::{
    kernel::{
        regs::{self, Arguments},
        task::Task,
    },
    maps::COMPAT_CALLS,
};

/// A call that is traced.
pub struct CompatCall {
    pub call: Call,
    /// Address of its arguments in the caller's memory; zero where they stand in registers.
    pub block: u64,
    /// What the table says of it.
    pub entry: &'static Entry,
}

/// The call by the registers that the kernel saved when it began.
#[inline(always)]
pub fn made(registers: u64) -> Option<CompatCall> {
    let entry = COMPAT_CALLS.get(regs::saved_number(registers)?)?;
    let passed = Arguments::compat(registers);
    let (call, block) = if entry.flags & compat_flags::SOCKETS != 0 {
        (Entry::of_socketcall(passed.get(0))?, passed.get(1))
    } else if entry.flags & compat_flags::BLOCK != 0 {
        (Call::from_number(entry.call.call)?, passed.get(0))
    } else {
        (Call::from_number(entry.call.call)?, 0)
    };
    Some(CompatCall { call, block, entry })
}

/// The call that the current thread is in; `None` when it is in one of the full width, or in none.
#[inline(always)]
pub fn current(task: Task) -> Option<CompatCall> {
    if task.is_io_worker() || !task.is_in_compat_call() {
        return None;
    }
    made(regs::saved())
}
