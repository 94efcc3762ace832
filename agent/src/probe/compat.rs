//! 32-bit system calls: their numbers, and whether the kernel runs any.

use aya::Ebpf;
use gravlens_common::Call;

use super::{
    ProbeError,
    arrays::{array, failed},
};

/// Calls that are traced, some by trampolines only, by their number on i386
/// (arch/x86/entry/syscalls/syscall_32.tbl). Those with two numbers began with 16-bit ids.
#[rustfmt::skip]
const NUMBERS: &[(u32, Call)] = &[
    (5, Call::Open), (8, Call::Creat), (295, Call::Openat), (437, Call::Openat2),
    (342, Call::OpenByHandleAt), (356, Call::MemfdCreate),
    (23, Call::Setuid), (213, Call::Setuid),
    (46, Call::Setgid), (214, Call::Setgid),
    (70, Call::Setreuid), (203, Call::Setreuid),
    (71, Call::Setregid), (204, Call::Setregid),
    (164, Call::Setresuid), (208, Call::Setresuid),
    (170, Call::Setresgid), (210, Call::Setresgid),
    (138, Call::Setfsuid), (215, Call::Setfsuid),
    (139, Call::Setfsgid), (216, Call::Setfsgid),
    (81, Call::Setgroups), (206, Call::Setgroups),
    (10, Call::Unlink), (301, Call::Unlinkat), (40, Call::Rmdir),
    (38, Call::Rename), (302, Call::Renameat), (353, Call::Renameat2),
    (9, Call::Link), (303, Call::Linkat), (83, Call::Symlink), (304, Call::Symlinkat),
    (39, Call::Mkdir), (296, Call::Mkdirat),
];

/// What a 32-bit call can do unseen although the topics are watched. `names`: trampolines see names
/// that are removed, moved and linked, and new directories.
pub(super) const fn not_seen(names: bool) -> &'static str {
    if names {
        "32-bit calls (int 0x80) other than execution that succeeds, opening, removing, moving and \
         linking names, making directories, setting ids, and connecting and sending to IP addresses"
    } else {
        "32-bit calls (int 0x80) other than execution that succeeds, opening, setting ids, and \
         connecting and sending to IP addresses"
    }
}

/// The kernel runs 32-bit programs: it has the table of their calls only then.
pub(super) fn kernel_runs_ia32() -> bool {
    cfg!(target_arch = "x86_64")
        && std::fs::read_to_string("/proc/kallsyms").is_ok_and(|symbols| {
            symbols.contains(" ia32_sys_call") || symbols.contains(" do_int80_emulation")
        })
}

/// Tells the program which numbers are traced.
pub(super) fn prepare(ebpf: &mut Ebpf) -> Result<(), ProbeError> {
    let mut calls = array::<u8>(ebpf, "COMPAT_CALLS")?;
    for (number, call) in NUMBERS {
        calls
            .set(*number, *call as u8, 0)
            .map_err(|error| failed("COMPAT_CALLS", &error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use gravlens_common::limits;

    use super::*;

    #[test]
    fn every_number_has_its_place_once() {
        let mut seen = std::collections::HashSet::new();
        for (number, _) in NUMBERS {
            assert!(*number < limits::COMPAT_CALLS && seen.insert(*number));
        }
    }
}
