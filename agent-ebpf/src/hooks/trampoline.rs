//! An empty fentry program, by which `doctor` learns whether this kernel grants trampolines.

use aya_ebpf::{macros::fentry, programs::FEntryContext};

#[fentry(function = "bprm_execve")]
pub fn trampoline(_ctx: FEntryContext) -> i32 {
    0
}
