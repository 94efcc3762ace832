//! Arguments and result of the current system call.
//!
//! A `sys_enter_*` tracepoint gives the arguments. A `sys_exit_*` tracepoint gives number and result
//! only; the arguments stand in the registers that the kernel saved at entry.

use aya_ebpf::{EbpfContext, helpers::generated::bpf_task_pt_regs, programs::TracePointContext};

use super::{read, read_or_zero, read_user, task::Task};
use crate::globals::*;

/// Most arguments that a call has.
const COUNT: u8 = 6;
/// The half of a register that a 32-bit call uses.
const LOW: u64 = 0xFFFF_FFFF;
/// Mark of the x32 convention, whose calls have the same numbers (`__X32_SYSCALL_BIT`).
const X32: u32 = 1 << 30;
/// Number of the call in a `sys_exit_*` record: after the common fields (8 bytes).
const NUMBER_OFFSET: usize = 8;
/// Return value in a `sys_exit_*` record: after the common fields (8 bytes) and the number (8).
const RESULT_OFFSET: usize = 16;
/// First argument in a `sys_enter_*` record, likewise.
const ARGUMENTS_OFFSET: usize = 16;

/// Result of the call.
#[inline(always)]
pub fn result(ctx: &TracePointContext) -> i64 {
    // SAFETY: the record of every `sys_exit_*` tracepoint is 24 bytes long; the verifier checks
    // the offset.
    unsafe { *ctx.as_ptr().cast::<u8>().add(RESULT_OFFSET).cast::<i64>() }
}

/// Argument `N` of the call that begins.
#[inline(always)]
pub fn entry_argument<const N: usize>(ctx: &TracePointContext) -> u64 {
    // SAFETY: eight bytes for each argument; the verifier checks the offset and the attachment
    // that the call has so many.
    unsafe {
        let arguments = ctx.as_ptr().cast::<u8>().add(ARGUMENTS_OFFSET);
        *arguments.cast::<u64>().add(N)
    }
}

/// How a call passes its arguments.
#[derive(Clone, Copy)]
enum Convention {
    /// In registers, as this architecture does.
    Native,
    /// In registers, as 32-bit programs do.
    Compat,
    /// In words of 32 bits one behind another in the caller's memory, as some 32-bit calls do.
    Block,
}

/// Arguments of a system call.
#[derive(Clone, Copy)]
pub struct Arguments {
    /// Address of the saved registers, or of the block.
    at: u64,
    convention: Convention,
}

impl Arguments {
    /// Those of the current call, which is one of this width.
    #[inline(always)]
    pub fn current() -> Self {
        Self {
            at: saved(),
            convention: Convention::Native,
        }
    }

    /// Those of a 32-bit call, by the address of the saved registers.
    #[inline(always)]
    pub fn compat(registers: u64) -> Self {
        Self {
            at: registers,
            convention: Convention::Compat,
        }
    }

    /// Those that stand in the caller's memory.
    #[inline(always)]
    pub fn block(address: u64) -> Self {
        Self {
            at: address,
            convention: Convention::Block,
        }
    }

    /// An argument by its number, from 0; zero where it cannot be read, and when no call has one
    /// of that number. A 32-bit call has 32-bit arguments: what stands above them is left from
    /// before.
    #[inline(always)]
    pub fn get(self, number: u8) -> u64 {
        match self.convention {
            Convention::Native => native(self.at, number),
            Convention::Compat => compat(self.at, number) & LOW,
            Convention::Block if number < COUNT => {
                let address = self.at + u64::from(number) * size_of::<u32>() as u64;
                read_user::<u32>(address).map_or(0, u64::from)
            }
            Convention::Block => 0,
        }
    }

    /// The first three.
    #[inline(always)]
    pub fn three(self) -> [u64; 3] {
        [self.get(0), self.get(1), self.get(2)]
    }

    /// The first four.
    #[inline(always)]
    pub fn four(self) -> [u64; 4] {
        [self.get(0), self.get(1), self.get(2), self.get(3)]
    }

    /// All six.
    #[inline(always)]
    pub fn six(self) -> [u64; 6] {
        let [first, second, third, fourth] = self.four();
        [first, second, third, fourth, self.get(4), self.get(5)]
    }
}

#[inline(always)]
fn native(registers: u64, number: u8) -> u64 {
    let offset = match number {
        0 => &REGS_ARG0,
        1 => &REGS_ARG1,
        2 => &REGS_ARG2,
        3 => &REGS_ARG3,
        4 => &REGS_ARG4,
        5 => &REGS_ARG5,
        _ => return 0,
    };
    read_or_zero(registers, offset)
}

#[inline(always)]
fn compat(registers: u64, number: u8) -> u64 {
    let offset = match number {
        0 => &REGS_COMPAT_ARG0,
        1 => &REGS_COMPAT_ARG1,
        2 => &REGS_COMPAT_ARG2,
        3 => &REGS_COMPAT_ARG3,
        4 => &REGS_COMPAT_ARG4,
        5 => &REGS_COMPAT_ARG5,
        _ => return 0,
    };
    read_or_zero(registers, offset)
}

/// Address of the registers that the kernel saved when the current call began.
#[inline(always)]
pub fn saved() -> u64 {
    // SAFETY: the helper takes the current task's BTF pointer, which is what the other returns.
    let registers =
        unsafe { bpf_task_pt_regs(aya_ebpf::helpers::generated::bpf_get_current_task_btf()) };
    registers as u64
}

/// Number of the call of the full width that a thread is in; `None` when it is in none, or in one of a
/// 32-bit program.
#[inline(always)]
pub fn native_number(task: Task) -> Option<u32> {
    if task.is_io_worker() || task.is_in_compat_call() {
        return None;
    }
    saved_number(saved())
}

/// Number of the call by its saved registers.
#[inline(always)]
pub fn saved_number(registers: u64) -> Option<u32> {
    read::<u64>(registers, &REGS_NUMBER).map(|number| number as u32 & !X32)
}

/// Number of the system call whose `sys_exit_*` tracepoint this is.
#[inline(always)]
pub fn number(ctx: &TracePointContext) -> u32 {
    // SAFETY: as in `result`.
    unsafe { *ctx.as_ptr().cast::<u8>().add(NUMBER_OFFSET).cast::<u32>() }
}
