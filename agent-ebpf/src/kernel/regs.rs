//! Arguments and result of the current system call.
//!
//! A `sys_enter_*` tracepoint gives the arguments. A `sys_exit_*` tracepoint gives number and result
//! only; the arguments stand in the registers that the kernel saved at entry.

use aya_ebpf::{EbpfContext, helpers::generated::bpf_task_pt_regs, programs::TracePointContext};

use super::{read, read_or_zero};
use crate::globals::{
    REGS_ARG0, REGS_ARG1, REGS_ARG2, REGS_ARG3, REGS_ARG4, REGS_ARG5, REGS_COMPAT_ARG0,
    REGS_COMPAT_ARG1, REGS_COMPAT_ARG2, REGS_NUMBER,
};

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

/// The saved registers.
#[derive(Clone, Copy)]
pub struct Registers {
    at: u64,
    /// The call follows the 32-bit convention.
    compat: bool,
}

impl Registers {
    /// Registers of the current system call.
    #[inline(always)]
    pub fn current() -> Self {
        // SAFETY: the helper takes the current task's BTF pointer, which is what `current` holds.
        let at =
            unsafe { bpf_task_pt_regs(aya_ebpf::helpers::generated::bpf_get_current_task_btf()) }
                as u64;
        Self { at, compat: false }
    }

    /// Registers of a 32-bit call, at that address.
    #[inline(always)]
    pub fn compat(at: u64) -> Self {
        Self { at, compat: true }
    }

    /// The call's number.
    #[inline(always)]
    pub fn number(self) -> Option<u32> {
        read::<u64>(self.at, &REGS_NUMBER).map(|number| number as u32 & !X32)
    }

    /// First argument.
    #[inline(always)]
    pub fn argument0(self) -> Option<u64> {
        if self.compat {
            return low(read(self.at, &REGS_COMPAT_ARG0));
        }
        read(self.at, &REGS_ARG0)
    }

    /// Second argument.
    #[inline(always)]
    pub fn argument1(self) -> Option<u64> {
        if self.compat {
            return low(read(self.at, &REGS_COMPAT_ARG1));
        }
        read(self.at, &REGS_ARG1)
    }

    /// Third argument.
    #[inline(always)]
    pub fn argument2(self) -> Option<u64> {
        if self.compat {
            return low(read(self.at, &REGS_COMPAT_ARG2));
        }
        read(self.at, &REGS_ARG2)
    }

    /// The first four arguments; zero where one cannot be read.
    #[inline(always)]
    pub fn four_arguments(self) -> [u64; 4] {
        [
            read_or_zero(self.at, &REGS_ARG0),
            read_or_zero(self.at, &REGS_ARG1),
            read_or_zero(self.at, &REGS_ARG2),
            read_or_zero(self.at, &REGS_ARG3),
        ]
    }

    /// All six arguments; zero where one cannot be read.
    #[inline(always)]
    pub fn six_arguments(self) -> [u64; 6] {
        let [first, second, third, fourth] = self.four_arguments();
        [
            first,
            second,
            third,
            fourth,
            read_or_zero(self.at, &REGS_ARG4),
            read_or_zero(self.at, &REGS_ARG5),
        ]
    }

    /// An argument by its number, zero when the call has none of that number.
    #[inline(always)]
    pub fn numbered(self, number: u8) -> u64 {
        let offset = match number {
            0 => &REGS_ARG0,
            1 => &REGS_ARG1,
            2 => &REGS_ARG2,
            3 => &REGS_ARG3,
            4 => &REGS_ARG4,
            _ => return 0,
        };
        read_or_zero(self.at, offset)
    }
}

/// Number of the system call whose `sys_exit_*` tracepoint this is.
#[inline(always)]
pub fn number(ctx: &TracePointContext) -> u32 {
    // SAFETY: as in `result`.
    unsafe { *ctx.as_ptr().cast::<u8>().add(NUMBER_OFFSET).cast::<u32>() }
}

/// A 32-bit call has 32-bit arguments; what stands above them is left from before.
#[inline(always)]
fn low(value: Option<u64>) -> Option<u64> {
    value.map(|value| value & 0xFFFF_FFFF)
}
