//! 32-bit system calls: their numbers, and whether the kernel runs any.

use aya::{Ebpf, Pod};
use gravlens_common::{Call, CompatCall, compat_flags};

use super::{
    ProbeError,
    arrays::{array, failed},
};

/// Name of the table in the object.
const TABLE: &str = "COMPAT_CALLS";

/// Calls that are traced, by their number on i386 (arch/x86/entry/syscalls/syscall_32.tbl). Those
/// with two numbers began with 16-bit ids.
#[rustfmt::skip]
const NUMBERS: &[(u32, Call)] = &[
    (11, Call::Execve), (358, Call::Execveat),
    (5, Call::Open), (8, Call::Creat), (295, Call::Openat), (437, Call::Openat2),
    (342, Call::OpenByHandleAt), (356, Call::MemfdCreate),
    (361, Call::Bind), (362, Call::Connect), (363, Call::Listen), (364, Call::Accept4),
    (369, Call::Sendto), (370, Call::Sendmsg), (345, Call::Sendmmsg),
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
    (39, Call::Mkdir), (296, Call::Mkdirat), (14, Call::Mknod), (297, Call::Mknodat),
    (15, Call::Chmod), (94, Call::Fchmod), (306, Call::Fchmodat), (452, Call::Fchmodat2),
    (182, Call::Chown), (212, Call::Chown), (16, Call::Lchown), (198, Call::Lchown),
    (95, Call::Fchown), (207, Call::Fchown), (298, Call::Fchownat),
    (92, Call::Truncate), (93, Call::Ftruncate),
    (226, Call::Setxattr), (227, Call::Lsetxattr), (228, Call::Fsetxattr),
    (235, Call::Removexattr), (236, Call::Lremovexattr), (237, Call::Fremovexattr),
    (21, Call::Mount), (52, Call::Umount), (217, Call::PivotRoot), (61, Call::Chroot),
    (428, Call::OpenTree), (429, Call::MoveMount), (430, Call::Fsopen), (431, Call::Fsconfig),
    (432, Call::Fsmount), (442, Call::MountSetattr),
    (185, Call::Capset), (26, Call::Ptrace),
    (347, Call::ProcessVmReadv), (348, Call::ProcessVmWritev), (438, Call::PidfdGetfd),
    (310, Call::Unshare), (346, Call::Setns),
    (128, Call::InitModule), (350, Call::FinitModule), (129, Call::DeleteModule),
    (357, Call::Bpf), (425, Call::IoUringSetup),
    (288, Call::Keyctl), (286, Call::AddKey), (287, Call::RequestKey),
    (374, Call::Userfaultfd), (336, Call::PerfEventOpen),
    (192, Call::Mmap), (125, Call::Mprotect), (380, Call::PkeyMprotect),
    (41, Call::Dup), (63, Call::Dup2), (330, Call::Dup3),
    (37, Call::Kill), (238, Call::Tkill), (270, Call::Tgkill), (424, Call::PidfdSendSignal),
    (359, Call::Socket), (360, Call::Socketpair),
];

/// Those that pass their arguments in another way than the calls of the full width.
const OTHERS: &[(u32, CompatCall)] = &[
    (22, CompatCall::without_numbers(Call::Umount)),
    (90, CompatCall::in_a_block(Call::Mmap)),
    (102, CompatCall::SOCKETS),
    (193, CompatCall::with_halves(Call::Truncate)),
    (194, CompatCall::with_halves(Call::Ftruncate)),
];

/// [`CompatCall`] as aya takes it.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct CompatCallPod(CompatCall);

// SAFETY: bytes without padding.
unsafe impl Pod for CompatCallPod {}

/// The kernel runs 32-bit programs: it has the table of their calls only then.
pub(super) fn kernel_runs_ia32() -> bool {
    cfg!(target_arch = "x86_64")
        && std::fs::read_to_string("/proc/kallsyms").is_ok_and(|symbols| {
            symbols.contains(" ia32_sys_call") || symbols.contains(" do_int80_emulation")
        })
}

/// Tells the programs what the numbers stand for.
pub(super) fn prepare(ebpf: &mut Ebpf) -> Result<(), ProbeError> {
    let entries = entries().map(|(number, entry)| (number, CompatCallPod(entry)));
    let mut table = array::<CompatCallPod>(ebpf, TABLE)?;
    for (number, entry) in entries {
        let set = table.set(number, entry, 0);
        set.map_err(|error| failed(TABLE, &error))?;
    }
    Ok(())
}

/// Tells the programs that the one on the ends of calls is attached.
pub(super) fn watched(ebpf: &mut Ebpf) -> Result<(), ProbeError> {
    mark(ebpf, compat_flags::WATCHED, |_| true)
}

/// Tells the programs that trampolines tell of these calls.
pub(super) fn on_trampolines(ebpf: &mut Ebpf, calls: &[Call]) -> Result<(), ProbeError> {
    mark(ebpf, compat_flags::BY_TRAMPOLINE, |entry| {
        calls.iter().any(|&call| entry.call.call == call as u8)
    })
}

fn mark(
    ebpf: &mut Ebpf,
    flag: u8,
    applies: impl Fn(&CompatCall) -> bool,
) -> Result<(), ProbeError> {
    let mut table = array::<CompatCallPod>(ebpf, TABLE)?;
    for (number, _) in entries() {
        let entry = table.get(&number, 0);
        let mut entry = entry.map_err(|error| failed(TABLE, &error))?;
        if applies(&entry.0) {
            entry.0.flags |= flag;
            let set = table.set(number, entry, 0);
            set.map_err(|error| failed(TABLE, &error))?;
        }
    }
    Ok(())
}

fn entries() -> impl Iterator<Item = (u32, CompatCall)> {
    let alike = NUMBERS
        .iter()
        .map(|&(number, call)| (number, CompatCall::of(call)));
    alike.chain(OTHERS.iter().copied())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use gravlens_common::{Hook, limits};

    use super::*;

    #[test]
    fn every_number_has_its_place_once() {
        let mut seen = HashSet::new();
        for (number, _) in entries() {
            assert!(number < limits::COMPAT_CALLS && seen.insert(number));
        }
    }

    #[test]
    fn every_call_that_is_traced_has_a_number() {
        let has_number = |call: Call| {
            let by_number = entries().any(|(_, entry)| entry.call.call == call as u8);
            by_number || (1..=20).any(|number| CompatCall::of_socketcall(number) == Some(call))
        };
        let no_calls = [
            Hook::Fork,
            Hook::Exit,
            Hook::CgroupMkdir,
            Hook::CgroupRmdir,
            Hook::CgroupAttach,
            Hook::Dns,
        ];
        for &call in Call::ALL {
            let is_call = !no_calls.contains(&call.hook());
            assert_eq!(has_number(call), is_call, "{}", call.name());
        }
    }
}
