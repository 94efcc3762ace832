//! Names of the numbers that calls on paths take, as Falco has them.

use super::put;
use crate::model::Syscall;

type Names = &'static [(u64, &'static str)];

/// Permission bits of a mode, and its file type where it has one.
const MODE: Names = &[
    (0o1, "S_IXOTH"),
    (0o2, "S_IWOTH"),
    (0o4, "S_IROTH"),
    (0o10, "S_IXGRP"),
    (0o20, "S_IWGRP"),
    (0o40, "S_IRGRP"),
    (0o100, "S_IXUSR"),
    (0o200, "S_IWUSR"),
    (0o400, "S_IRUSR"),
    (0o1000, "S_ISVTX"),
    (0o2000, "S_ISGID"),
    (0o4000, "S_ISUID"),
    (0o140_000, "S_IFSOCK"),
    (0o060_000, "S_IFBLK"),
    (0o100_000, "S_IFREG"),
    (0o020_000, "S_IFCHR"),
    (0o010_000, "S_IFIFO"),
];
const UNLINK: Names = &[(0x200, "AT_REMOVEDIR")];
const RENAME: Names = &[
    (1, "RENAME_NOREPLACE"),
    (2, "RENAME_EXCHANGE"),
    (4, "RENAME_WHITEOUT"),
];
const AT: Names = &[
    (0x100, "AT_SYMLINK_NOFOLLOW"),
    (0x400, "AT_SYMLINK_FOLLOW"),
    (0x800, "AT_NO_AUTOMOUNT"),
    (0x1000, "AT_EMPTY_PATH"),
    (0x8000, "AT_RECURSIVE"),
];
const OPEN_TREE: Names = &[
    (1, "OPEN_TREE_CLONE"),
    (0x80000, "OPEN_TREE_CLOEXEC"),
    (0x100, "AT_SYMLINK_NOFOLLOW"),
    (0x800, "AT_NO_AUTOMOUNT"),
    (0x1000, "AT_EMPTY_PATH"),
    (0x8000, "AT_RECURSIVE"),
];
const MOVE_MOUNT: Names = &[
    (0x1, "MOVE_MOUNT_F_SYMLINKS"),
    (0x2, "MOVE_MOUNT_F_AUTOMOUNTS"),
    (0x4, "MOVE_MOUNT_F_EMPTY_PATH"),
    (0x10, "MOVE_MOUNT_T_SYMLINKS"),
    (0x20, "MOVE_MOUNT_T_AUTOMOUNTS"),
    (0x40, "MOVE_MOUNT_T_EMPTY_PATH"),
    (0x100, "MOVE_MOUNT_SET_GROUP"),
    (0x200, "MOVE_MOUNT_BENEATH"),
];
const XATTR: Names = &[(1, "XATTR_CREATE"), (2, "XATTR_REPLACE")];
const MOUNT: Names = &[
    (1, "RDONLY"),
    (1 << 1, "NOSUID"),
    (1 << 2, "NODEV"),
    (1 << 3, "NOEXEC"),
    (1 << 4, "SYNCHRONOUS"),
    (1 << 5, "REMOUNT"),
    (1 << 6, "MANDLOCK"),
    (1 << 7, "DIRSYNC"),
    (1 << 10, "NOATIME"),
    (1 << 11, "NODIRATIME"),
    (1 << 12, "BIND"),
    (1 << 13, "MOVE"),
    (1 << 14, "REC"),
    (1 << 15, "SILENT"),
    (1 << 16, "POSIXACL"),
    (1 << 17, "UNBINDABLE"),
    (1 << 18, "PRIVATE"),
    (1 << 19, "SLAVE"),
    (1 << 20, "SHARED"),
    (1 << 21, "RELATIME"),
    (1 << 22, "KERNMOUNT"),
    (1 << 23, "I_VERSION"),
    (1 << 24, "STRICTATIME"),
    (1 << 25, "LAZYTIME"),
];
const UMOUNT: Names = &[(1, "FORCE"), (2, "DETACH"), (4, "EXPIRE"), (8, "NOFOLLOW")];
const FSOPEN: Names = &[(1, "FSOPEN_CLOEXEC")];
const FSMOUNT: Names = &[(1, "FSMOUNT_CLOEXEC")];
const MEMFD: Names = &[
    (1, "MFD_CLOEXEC"),
    (2, "MFD_ALLOW_SEALING"),
    (4, "MFD_HUGETLB"),
    (8, "MFD_NOEXEC_SEAL"),
    (16, "MFD_EXEC"),
];
/// Commands of fsconfig, by number.
const FSCONFIG: [&str; 9] = [
    "FSCONFIG_SET_FLAG",
    "FSCONFIG_SET_STRING",
    "FSCONFIG_SET_BINARY",
    "FSCONFIG_SET_PATH",
    "FSCONFIG_SET_PATH_EMPTY",
    "FSCONFIG_SET_FD",
    "FSCONFIG_CMD_CREATE",
    "FSCONFIG_CMD_RECONFIGURE",
    "FSCONFIG_CMD_CREATE_EXCL",
];

/// Appends a number argument as rules compare it.
pub(super) fn append(call: Syscall, argument: &str, number: u64, out: &mut Vec<u8>) {
    match argument {
        "mode" => join(MODE, number, out),
        "flags" => join(flags(call), number, out),
        "cmd" => match usize::try_from(number).ok().and_then(|n| FSCONFIG.get(n)) {
            Some(name) => out.extend_from_slice(name.as_bytes()),
            None => put(out, format_args!("{number}")),
        },
        _ => put(out, format_args!("{number}")),
    }
}

/// Appends memfd_create(2) flags.
pub(super) fn memfd_flags(flags: u32, out: &mut Vec<u8>) {
    join(MEMFD, flags.into(), out);
}

fn flags(call: Syscall) -> Names {
    match call {
        Syscall::Unlinkat => UNLINK,
        Syscall::Renameat2 => RENAME,
        Syscall::OpenTree => OPEN_TREE,
        Syscall::MoveMount => MOVE_MOUNT,
        Syscall::Setxattr | Syscall::Lsetxattr | Syscall::Fsetxattr => XATTR,
        Syscall::Mount => MOUNT,
        Syscall::Umount => UMOUNT,
        Syscall::Fsopen => FSOPEN,
        Syscall::Fsmount => FSMOUNT,
        _ => AT,
    }
}

/// Appends the names of the bits that are set, joined by `|`; `0` for none.
fn join(names: Names, number: u64, out: &mut Vec<u8>) {
    let start = out.len();
    let mut rest = number;
    for &(bits, name) in names {
        if rest & bits == bits {
            rest &= !bits;
            if out.len() > start {
                out.push(b'|');
            }
            out.extend_from_slice(name.as_bytes());
        }
    }
    if out.len() == start {
        out.push(b'0');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(call: Syscall, argument: &str, number: u64) -> String {
        let mut out = Vec::new();
        append(call, argument, number, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_are_named() {
        assert_eq!(text(Syscall::Chmod, "mode", 0o4100), "S_IXUSR|S_ISUID");
        assert_eq!(text(Syscall::Mknod, "mode", 0o060_400), "S_IRUSR|S_IFBLK");
        assert_eq!(text(Syscall::Mount, "flags", 0x5000), "BIND|REC");
        assert_eq!(text(Syscall::Unlinkat, "flags", 0), "0");
        assert_eq!(text(Syscall::Fsconfig, "cmd", 6), "FSCONFIG_CMD_CREATE");
        assert_eq!(text(Syscall::Fsconfig, "cmd", 99), "99");
        assert_eq!(text(Syscall::Chown, "uid", 7), "7");
    }
}
