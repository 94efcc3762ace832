//! The programs of calls on paths, and the kernel's numbers of those calls, by which the programs
//! look up where the arguments stand.

use aya::{Ebpf, Pod};
use gravlens_common::{Call, PathCall, limits};
use libc::c_long;

use super::{
    ProbeError,
    arrays::{array, failed},
    topics::{Attach, Program, request_begins, request_ends},
};

const fn on(name: &'static str, program: &'static str, call: Call) -> Program {
    Program {
        name,
        attach: Attach::SharedExit { program, call },
    }
}

const fn begins(name: &'static str, function: &'static str, sees: &'static str) -> Program {
    Program {
        name,
        attach: Attach::FunctionEntry(function, sees),
    }
}

const fn ends(name: &'static str, function: &'static str) -> Program {
    tells(name, function, "how they ended")
}

const fn tells(name: &'static str, function: &'static str, sees: &'static str) -> Program {
    Program {
        name,
        attach: Attach::FunctionExit(function, sees),
    }
}

/// What programs on extended attributes see.
const XATTR: &str = "extended attributes that io_uring sets";

/// Changes of files.
pub(super) const FILE_CHANGE: &[Program] = &[
    #[cfg(target_arch = "x86_64")]
    on("sys_exit_unlink", "file_change", Call::Unlink),
    on("sys_exit_unlinkat", "file_change", Call::Unlinkat),
    #[cfg(target_arch = "x86_64")]
    on("sys_exit_rmdir", "file_change", Call::Rmdir),
    #[cfg(target_arch = "x86_64")]
    on("sys_exit_rename", "file_change", Call::Rename),
    on("sys_exit_renameat", "file_change", Call::Renameat),
    on("sys_exit_renameat2", "file_change", Call::Renameat2),
    #[cfg(target_arch = "x86_64")]
    on("sys_exit_link", "file_change", Call::Link),
    on("sys_exit_linkat", "file_change", Call::Linkat),
    #[cfg(target_arch = "x86_64")]
    on("sys_exit_symlink", "file_change", Call::Symlink),
    on("sys_exit_symlinkat", "file_change", Call::Symlinkat),
    #[cfg(target_arch = "x86_64")]
    on("sys_exit_mkdir", "file_change", Call::Mkdir),
    on("sys_exit_mkdirat", "file_change", Call::Mkdirat),
    #[cfg(target_arch = "x86_64")]
    on("sys_exit_mknod", "file_change", Call::Mknod),
    on("sys_exit_mknodat", "file_change", Call::Mknodat),
    #[cfg(target_arch = "x86_64")]
    on("sys_exit_chmod", "file_change", Call::Chmod),
    on("sys_exit_fchmod", "file_change", Call::Fchmod),
    on("sys_exit_fchmodat", "file_change", Call::Fchmodat),
    on("sys_exit_fchmodat2", "file_change", Call::Fchmodat2),
    #[cfg(target_arch = "x86_64")]
    on("sys_exit_chown", "file_change", Call::Chown),
    #[cfg(target_arch = "x86_64")]
    on("sys_exit_lchown", "file_change", Call::Lchown),
    on("sys_exit_fchown", "file_change", Call::Fchown),
    on("sys_exit_fchownat", "file_change", Call::Fchownat),
    on("sys_exit_truncate", "file_change", Call::Truncate),
    on("sys_exit_ftruncate", "file_change", Call::Ftruncate),
    on("sys_exit_setxattr", "file_change", Call::Setxattr),
    on("sys_exit_lsetxattr", "file_change", Call::Lsetxattr),
    on("sys_exit_fsetxattr", "file_change", Call::Fsetxattr),
    on("sys_exit_removexattr", "file_change", Call::Removexattr),
    on("sys_exit_lremovexattr", "file_change", Call::Lremovexattr),
    on("sys_exit_fremovexattr", "file_change", Call::Fremovexattr),
];

/// Programs on the functions in which calls on names end, for [`FILE_CHANGES_ON_NAMES`].
pub(super) const FILE_CHANGE_TRAMPOLINES: &[Program] = &[
    ends("unlink_ends", "do_unlinkat"),
    begins("unlink_begins", "do_unlinkat", "names that are removed"),
    ends("rmdir_ends", "do_rmdir"),
    begins("rmdir_begins", "do_rmdir", "directories that are removed"),
    ends("rename_ends", "do_renameat2"),
    begins("rename_begins", "do_renameat2", "names that are moved"),
    ends("link_ends", "do_linkat"),
    begins("link_begins", "do_linkat", "links"),
    ends("symlink_ends", "do_symlinkat"),
    begins("symlink_begins", "do_symlinkat", "symbolic links"),
    ends("mkdir_ends", "do_mkdirat"),
    begins("mkdir_begins", "do_mkdirat", "new directories"),
    tells("chmod_ends", "chmod_common", "files whose mode changes"),
    tells("chown_ends", "chown_common", "files whose owner changes"),
    tells(
        "truncate_ends",
        "vfs_truncate",
        "files that are cut by name",
    ),
    request_ends("ftruncate_ends", "do_ftruncate", "files that io_uring cuts"),
    request_ends("setxattr_ends", "io_setxattr", XATTR),
    request_begins("setxattr_begins", "io_setxattr", XATTR),
    request_ends("fsetxattr_ends", "io_fsetxattr", XATTR),
];

/// Programs on the functions in which mounts end.
pub(super) const MOUNT_TRAMPOLINES: &[Program] = &[tells(
    "mount_ends",
    "path_mount",
    "where something is mounted",
)];

/// Changes of files that those functions make.
pub(super) const FILE_CHANGES_ON_NAMES: &[Call] = &[
    Call::Unlink,
    Call::Unlinkat,
    Call::Rmdir,
    Call::Rename,
    Call::Renameat,
    Call::Renameat2,
    Call::Link,
    Call::Linkat,
    Call::Symlink,
    Call::Symlinkat,
    Call::Mkdir,
    Call::Mkdirat,
];

/// The mount family.
pub(super) const MOUNT: &[Program] = &[
    on("sys_exit_mount", "mount", Call::Mount),
    on("sys_exit_umount", "mount", Call::Umount),
    on("sys_exit_pivot_root", "mount", Call::PivotRoot),
    on("sys_exit_chroot", "mount", Call::Chroot),
    on("sys_exit_fsopen", "mount", Call::Fsopen),
    on("sys_exit_fsconfig", "mount", Call::Fsconfig),
    on("sys_exit_fsmount", "mount", Call::Fsmount),
    on("sys_exit_open_tree", "mount", Call::OpenTree),
    on("sys_exit_move_mount", "mount", Call::MoveMount),
    on("sys_exit_mount_setattr", "mount", Call::MountSetattr),
];

/// Executions that fail.
pub(super) const EXEC_FAILED: &[Program] = &[
    on("sys_exit_execve", "exec_failed", Call::Execve),
    on("sys_exit_execveat", "exec_failed", Call::Execveat),
];

/// [`PathCall`] as aya takes it.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct PathCallPod(PathCall);

// SAFETY: bytes without padding.
unsafe impl Pod for PathCallPod {}

/// Tells the programs where the arguments of each call stand.
pub(super) fn describe(ebpf: &mut Ebpf) -> Result<(), ProbeError> {
    let mut table = array::<PathCallPod>(ebpf, "PATH_CALLS")?;
    for (number, call) in described() {
        table
            .set(number, PathCallPod(call), 0)
            .map_err(|error| failed("PATH_CALLS", &error))?;
    }
    Ok(())
}

fn described() -> impl Iterator<Item = (u32, PathCall)> {
    Call::ALL.iter().filter_map(|&call| {
        let number = u32::try_from(number(call)?).ok()?;
        Some((number, PathCall::of(call)?))
    })
}

/// The kernel's number of a call on paths; `None` where the architecture does not have it.
fn number(call: Call) -> Option<c_long> {
    Some(match call {
        Call::Execve => libc::SYS_execve,
        Call::Execveat => libc::SYS_execveat,
        #[cfg(target_arch = "x86_64")]
        Call::Unlink => libc::SYS_unlink,
        Call::Unlinkat => libc::SYS_unlinkat,
        #[cfg(target_arch = "x86_64")]
        Call::Rmdir => libc::SYS_rmdir,
        #[cfg(target_arch = "x86_64")]
        Call::Rename => libc::SYS_rename,
        Call::Renameat => libc::SYS_renameat,
        Call::Renameat2 => libc::SYS_renameat2,
        #[cfg(target_arch = "x86_64")]
        Call::Link => libc::SYS_link,
        Call::Linkat => libc::SYS_linkat,
        #[cfg(target_arch = "x86_64")]
        Call::Symlink => libc::SYS_symlink,
        Call::Symlinkat => libc::SYS_symlinkat,
        #[cfg(target_arch = "x86_64")]
        Call::Mkdir => libc::SYS_mkdir,
        Call::Mkdirat => libc::SYS_mkdirat,
        #[cfg(target_arch = "x86_64")]
        Call::Mknod => libc::SYS_mknod,
        Call::Mknodat => libc::SYS_mknodat,
        #[cfg(target_arch = "x86_64")]
        Call::Chmod => libc::SYS_chmod,
        Call::Fchmod => libc::SYS_fchmod,
        Call::Fchmodat => libc::SYS_fchmodat,
        Call::Fchmodat2 => libc::SYS_fchmodat2,
        #[cfg(target_arch = "x86_64")]
        Call::Chown => libc::SYS_chown,
        #[cfg(target_arch = "x86_64")]
        Call::Lchown => libc::SYS_lchown,
        Call::Fchown => libc::SYS_fchown,
        Call::Fchownat => libc::SYS_fchownat,
        Call::Truncate => libc::SYS_truncate,
        Call::Ftruncate => libc::SYS_ftruncate,
        Call::Setxattr => libc::SYS_setxattr,
        Call::Lsetxattr => libc::SYS_lsetxattr,
        Call::Fsetxattr => libc::SYS_fsetxattr,
        Call::Removexattr => libc::SYS_removexattr,
        Call::Lremovexattr => libc::SYS_lremovexattr,
        Call::Fremovexattr => libc::SYS_fremovexattr,
        Call::Mount => libc::SYS_mount,
        Call::Umount => libc::SYS_umount2,
        Call::PivotRoot => libc::SYS_pivot_root,
        Call::Chroot => libc::SYS_chroot,
        Call::Fsopen => libc::SYS_fsopen,
        Call::Fsconfig => libc::SYS_fsconfig,
        Call::Fsmount => libc::SYS_fsmount,
        Call::OpenTree => libc::SYS_open_tree,
        Call::MoveMount => libc::SYS_move_mount,
        Call::MountSetattr => libc::SYS_mount_setattr,
        _ => return None,
    })
}

const _: () = assert!(libc::SYS_fchmodat2 < limits::CALL_NUMBERS as c_long);

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_attached_call_is_described_under_a_number_of_its_own() {
        let described: Vec<(u32, PathCall)> = described().collect();
        let numbers: HashSet<u32> = described.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers.len(), described.len());
        for program in [FILE_CHANGE, MOUNT, EXEC_FAILED].concat() {
            let Attach::SharedExit { call, .. } = program.attach else {
                panic!("{} is not shared", program.name)
            };
            let found = described.iter().any(|(_, path)| path.call == call as u8);
            assert!(found, "{} is not described", call.name());
        }
    }
}
