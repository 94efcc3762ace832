//! Makes every call on paths, once so that it works and once so that it fails, in the order in which
//! the suite expects to be told; with `int80` as a 32-bit program makes them.
//!
//! `file_changes [int80]`, as root with all capabilities; works in `/tmp/changes`

use std::ptr::null;

use libc::{AT_EMPTY_PATH, AT_FDCWD, AT_REMOVEDIR, c_long};

mod width;

use width::{placed, string};

/// Descriptor that is not open.
const CLOSED: c_long = 999;
const CWD: c_long = AT_FDCWD as c_long;

/// One system call; its result or a negative error number.
macro_rules! call {
    ($number:ident $(, $argument:expr)*) => {
        width::call(libc::$number, &[$(width::Word::word($argument)),*])
    };
}

fn main() {
    width::choose();
    // SAFETY: no memory is passed.
    unsafe { libc::umask(0) };
    let base = string(c"/tmp/changes");
    call!(SYS_mkdirat, CWD, base, 0o755);
    assert_eq!(call!(SYS_chdir, base), 0, "the directory was made");
    call!(SYS_mkdirat, CWD, string(c"dir"), 0o750);
    call!(SYS_mkdirat, CWD, string(c"mnt"), 0o755);
    let flags = libc::O_CREAT | libc::O_WRONLY;
    let file = call!(SYS_openat, CWD, string(c"file"), flags, 0o600);
    let directory = call!(SYS_openat, CWD, string(c"dir"), libc::O_DIRECTORY);
    assert!(file >= 0 && directory >= 0, "the files were made");
    new_files(directory);
    attributes(file, directory);
    names(directory);
    #[cfg(target_arch = "x86_64")]
    without_directories();
    removals(directory);
    mounts();
    new_mounts();
    in_a_child(pivot);
    in_a_child(jail);
    by_other_means();
    executions(directory);
}

fn new_files(directory: c_long) {
    for _ in 0..2 {
        call!(SYS_mkdirat, directory, string(c"sub"), 0o711);
    }
    let pipe = libc::S_IFIFO | 0o600;
    for _ in 0..2 {
        call!(SYS_mknodat, directory, string(c"fifo"), pipe, 0);
    }
}

fn attributes(file: c_long, directory: c_long) {
    let (name, absent) = (string(c"fifo"), string(c"absent"));
    call!(SYS_fchmod, file, 0o600);
    call!(SYS_fchmod, CLOSED, 0o600);
    call!(SYS_fchmodat, directory, name, 0o4755);
    call!(SYS_fchmodat, directory, absent, 0o644);
    call!(SYS_fchmodat2, directory, string(c""), 0o700, AT_EMPTY_PATH);
    call!(SYS_fchmodat2, directory, absent, 0o644, 0);
    call!(SYS_fchown, file, 3, 4);
    call!(SYS_fchown, CLOSED, 3, 4);
    call!(SYS_fchownat, directory, name, 5, 6, 0);
    call!(SYS_fchownat, directory, absent, 5, 6, 0);
    call!(SYS_truncate, string(c"./file"), (1_i64 << 32) + 7);
    call!(SYS_truncate, absent, 7);
    call!(SYS_ftruncate, file, 8);
    call!(SYS_ftruncate, CLOSED, 8);
    extended(file);
}

fn extended(file: c_long) {
    let (path, absent) = (string(c"file"), string(c"/tmp//changes/absent"));
    let (name, value) = (string(c"trusted.a"), string(c"v"));
    call!(SYS_setxattr, path, name, value, 1, libc::XATTR_CREATE);
    call!(SYS_setxattr, absent, name, value, 1, 0);
    call!(SYS_lsetxattr, path, name, value, 1, libc::XATTR_REPLACE);
    call!(SYS_lsetxattr, absent, name, value, 1, 0);
    call!(SYS_fsetxattr, file, name, value, 1, 0);
    call!(SYS_fsetxattr, CLOSED, name, value, 1, 0);
    call!(SYS_removexattr, path, name);
    call!(SYS_removexattr, absent, name);
    call!(SYS_setxattr, path, name, value, 1, 0);
    call!(SYS_lremovexattr, path, name);
    call!(SYS_lremovexattr, absent, name);
    call!(SYS_setxattr, path, name, value, 1, 0);
    call!(SYS_fremovexattr, file, name);
    call!(SYS_fremovexattr, CLOSED, name);
}

fn names(directory: c_long) {
    let (file, hard, soft) = (string(c"file"), string(c"hard"), string(c"soft"));
    for _ in 0..2 {
        call!(SYS_linkat, CWD, file, directory, hard, 0);
    }
    for _ in 0..2 {
        call!(
            SYS_symlinkat,
            string(c"../../../etc/shadow"),
            directory,
            soft
        );
    }
    let moved = string(c"dir/sub/../hard2");
    for _ in 0..2 {
        call!(SYS_renameat, directory, hard, CWD, moved);
    }
    let (from, to) = (string(c"hard2"), string(c"hard3"));
    for _ in 0..2 {
        call!(SYS_renameat2, directory, from, directory, to, 1);
    }
}

/// The older calls, which newer architectures do without.
#[cfg(target_arch = "x86_64")]
fn without_directories() {
    let (new, absent) = (string(c"new"), string(c"absent"));
    for _ in 0..2 {
        call!(SYS_mkdir, new, 0o711);
    }
    for _ in 0..2 {
        call!(SYS_rmdir, new);
    }
    for _ in 0..2 {
        call!(SYS_mknod, new, libc::S_IFIFO | 0o600, 0);
    }
    call!(SYS_chmod, new, 0o2755);
    call!(SYS_chmod, absent, 0o2755);
    call!(SYS_chown, new, 1, 2);
    call!(SYS_chown, absent, 1, 2);
    call!(SYS_lchown, new, 1, 2);
    call!(SYS_lchown, absent, 1, 2);
    for _ in 0..2 {
        call!(SYS_link, new, string(c"other"));
    }
    for _ in 0..2 {
        call!(SYS_symlink, string(c"/etc/shadow"), string(c"link"));
    }
    for _ in 0..2 {
        call!(SYS_rename, new, string(c"renamed"));
    }
    for _ in 0..2 {
        call!(SYS_unlink, string(c"/tmp/changes/renamed"));
    }
}

fn removals(directory: c_long) {
    for _ in 0..2 {
        call!(SYS_unlinkat, directory, string(c"sub"), AT_REMOVEDIR);
    }
    call!(SYS_unlinkat, CWD, string(c"dir/hard3"), 0);
}

fn mounts() {
    let (place, absent) = (string(c"mnt"), string(c"absent"));
    let (source, kind) = (string(c"none"), string(c"tmpfs"));
    let flags = libc::MS_NOSUID | libc::MS_NODEV;
    call!(SYS_mount, source, place, kind, flags, null::<u8>());
    call!(SYS_mount, source, absent, kind, flags, null::<u8>());
    for _ in 0..2 {
        call!(SYS_umount2, place, libc::MNT_DETACH);
    }
}

fn new_mounts() {
    let (place, absent, empty) = (string(c"mnt"), string(c"absent"), string(c""));
    let context = call!(SYS_fsopen, string(c"tmpfs"), 1);
    call!(SYS_fsopen, string(c"no-such-type"), 0);
    let set = |key: *const libc::c_char, value: *const libc::c_char| {
        call!(SYS_fsconfig, context, 1, key, value, 0)
    };
    set(string(c"source"), string(c"/dev/none"));
    set(string(c"password"), string(c"secret"));
    call!(SYS_fsconfig, context, 6, null::<u8>(), null::<u8>(), 0);
    let mount = call!(SYS_fsmount, context, 1, 0);
    call!(SYS_fsmount, CLOSED, 1, 0);
    call!(SYS_move_mount, mount, empty, CWD, place, 4);
    call!(SYS_move_mount, mount, empty, CWD, absent, 4);
    call!(SYS_open_tree, CWD, place, 0);
    call!(SYS_open_tree, CWD, absent, 0);
    let attributes = [2_u64, 0, 0, 0];
    let size = size_of_val(&attributes);
    let pointer = placed(attributes);
    call!(SYS_mount_setattr, CWD, place, 0, pointer, size);
    call!(SYS_mount_setattr, CWD, absent, 0, pointer, size);
}

/// Runs what changes the root of the process in a process of its own.
fn in_a_child(act: fn()) {
    // SAFETY: the program has one thread; the child makes system calls only.
    match unsafe { libc::fork() } {
        0 => {
            act();
            // SAFETY: nothing is left to be done.
            unsafe { libc::_exit(0) }
        }
        child => {
            // SAFETY: no status is asked for.
            unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
        }
    }
}

fn pivot() {
    let (root, place) = (string(c"/"), string(c"/tmp/changes/mnt"));
    let old = string(c"/tmp/changes/mnt/old");
    call!(SYS_pivot_root, place, string(c"absent"));
    call!(SYS_unshare, libc::CLONE_NEWNS);
    let private = libc::MS_REC | libc::MS_PRIVATE;
    call!(
        SYS_mount,
        null::<u8>(),
        root,
        null::<u8>(),
        private,
        null::<u8>()
    );
    call!(SYS_mkdirat, CWD, old, 0o755);
    call!(SYS_pivot_root, place, old);
}

fn jail() {
    let open = |directory: c_long, name: *const libc::c_char| {
        call!(SYS_openat, directory, name, libc::O_RDONLY)
    };
    let root = open(CWD, string(c"/proc/1/root"));
    open(CWD, string(c"/proc/1/root/etc/passwd"));
    call!(SYS_chroot, string(c"absent"));
    call!(SYS_chroot, string(c"/tmp/../etc"));
    open(CWD, string(c"/passwd"));
    open(CWD, string(c"/../absent-in-jail"));
    open(root, string(c"etc/passwd"));
    call!(SYS_unlinkat, CWD, string(c"/absent-in-jail"), 0);
}

/// A file handle with room for what file systems put into it.
#[repr(C)]
#[derive(Clone, Copy)]
struct Handle {
    bytes: u32,
    kind: i32,
    handle: [u8; 128],
}

fn by_other_means() {
    let name = string(c"mnt/handled");
    call!(SYS_openat, CWD, name, libc::O_CREAT | libc::O_WRONLY, 0o600);
    let place = call!(SYS_openat, CWD, string(c"mnt"), libc::O_DIRECTORY);
    let handle = Handle {
        bytes: 128,
        kind: 0,
        handle: [0; 128],
    };
    let (known, id) = (placed(handle), placed(0_i32));
    let found = call!(SYS_name_to_handle_at, CWD, name, known, id, 0);
    assert_eq!(found, 0, "the file has a handle");
    call!(SYS_open_by_handle_at, place, known, libc::O_RDONLY);
    call!(SYS_open_by_handle_at, CLOSED, known, libc::O_RDONLY);
    call!(SYS_memfd_create, string(c"payload"), libc::MFD_CLOEXEC);
    call!(SYS_memfd_create, string(c"refused"), 0x8000_0000_u32);
}

fn executions(directory: c_long) {
    let none = null::<*const u8>();
    call!(SYS_execve, string(c"absent"), none, none);
    call!(SYS_execve, string(c"/tmp/changes/file"), none, none);
    call!(SYS_execveat, directory, string(c"./absent"), none, none, 0);
}
