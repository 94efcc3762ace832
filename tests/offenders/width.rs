//! System calls of either width: those of this architecture, or those of a 32-bit program
//! (`int 0x80`), so that an offender can make the same calls both ways.
#![allow(dead_code, reason = "each offender uses some of it")]

use std::ffi::CStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{io, slice};

#[path = "int80.rs"]
mod int80;

static COMPAT: AtomicBool = AtomicBool::new(false);

/// From here on calls are made as a 32-bit program makes them if the first argument of the program
/// is `int80`.
pub(crate) fn choose() {
    let compat = std::env::args().nth(1).is_some_and(|way| way == "int80");
    COMPAT.store(compat, Ordering::Relaxed);
}

pub(crate) fn is_compat() -> bool {
    COMPAT.load(Ordering::Relaxed)
}

/// What fits into a register.
pub(crate) trait Word {
    fn word(self) -> u64;
}

macro_rules! words {
    ($($type:ty),*) => {
        $(impl Word for $type {
            fn word(self) -> u64 {
                self as i64 as u64
            }
        })*
    };
}

words!(i32, u32, i64, u64, usize);

impl<T> Word for *const T {
    fn word(self) -> u64 {
        self as u64
    }
}

impl<T> Word for *mut T {
    fn word(self) -> u64 {
        self as u64
    }
}

/// Makes a call, by its number on this architecture; its result or a negative error number.
pub(crate) fn call(number: libc::c_long, arguments: &[u64]) -> i64 {
    if is_compat() {
        return compat_call(number, arguments);
    }
    let at = |position: usize| arguments.get(position).copied().unwrap_or(0);
    // SAFETY: pointers among the arguments are null, or point to memory of the caller that is large
    // enough.
    let result = unsafe { libc::syscall(number, at(0), at(1), at(2), at(3), at(4), at(5)) };
    if result < 0 {
        -i64::from(io::Error::last_os_error().raw_os_error().unwrap_or(0))
    } else {
        result
    }
}

/// A string where a call can point to.
pub(crate) fn string(text: &'static CStr) -> *const libc::c_char {
    if is_compat() {
        return int80::low_copy(text.to_bytes_with_nul()) as *const libc::c_char;
    }
    text.as_ptr()
}

/// A value where a call can point to. It stays there.
pub(crate) fn placed<T: Copy>(value: T) -> *mut T {
    if !is_compat() {
        return Box::into_raw(Box::new(value));
    }
    // SAFETY: the bytes of a plain value.
    let bytes = unsafe { slice::from_raw_parts((&raw const value).cast::<u8>(), size_of::<T>()) };
    int80::low_copy(bytes) as *mut T
}

/// A vector of one part, as this width has it.
pub(crate) fn vector(start: *mut u8, length: usize) -> u64 {
    if is_compat() {
        placed([start as u32, length as u32]) as u64
    } else {
        let vector = libc::iovec {
            iov_base: start.cast(),
            iov_len: length,
        };
        placed(vector) as u64
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn compat_call(_number: libc::c_long, _arguments: &[u64]) -> i64 {
    panic!("this architecture has no int 0x80")
}

#[cfg(target_arch = "x86_64")]
fn compat_call(number: libc::c_long, arguments: &[u64]) -> i64 {
    let halves;
    let arguments = match number {
        libc::SYS_truncate | libc::SYS_ftruncate => {
            halves = [arguments[0], arguments[1], arguments[1] >> 32];
            &halves[..]
        }
        _ => arguments,
    };
    result(int80::call(compat_number(number), arguments))
}

/// The last 4,095 numbers are errors; the others may be addresses.
fn result(answer: i32) -> i64 {
    if (-4095..0).contains(&answer) {
        i64::from(answer)
    } else {
        i64::from(answer as u32)
    }
}

/// The older call of a 32-bit program for memory, whose arguments stand in a block.
pub(crate) fn old_mmap(arguments: [u32; 6]) -> i64 {
    /// `mmap` in the table of i386.
    const MMAP: i64 = 90;
    result(int80::call(MMAP, &[placed(arguments) as u64]))
}

/// The number of the same call in the table of i386.
#[cfg(target_arch = "x86_64")]
fn compat_number(number: libc::c_long) -> i64 {
    /// Number of this architecture, number of i386.
    #[rustfmt::skip]
    const NUMBERS: &[(libc::c_long, i64)] = &[
        (libc::SYS_openat, 295), (libc::SYS_memfd_create, 356), (libc::SYS_chdir, 12),
        (libc::SYS_name_to_handle_at, 341), (libc::SYS_open_by_handle_at, 342),
        (libc::SYS_execve, 11), (libc::SYS_execveat, 358),
        (libc::SYS_unlink, 10), (libc::SYS_unlinkat, 301), (libc::SYS_rmdir, 40),
        (libc::SYS_rename, 38), (libc::SYS_renameat, 302), (libc::SYS_renameat2, 353),
        (libc::SYS_link, 9), (libc::SYS_linkat, 303),
        (libc::SYS_symlink, 83), (libc::SYS_symlinkat, 304),
        (libc::SYS_mkdir, 39), (libc::SYS_mkdirat, 296),
        (libc::SYS_mknod, 14), (libc::SYS_mknodat, 297),
        (libc::SYS_chmod, 15), (libc::SYS_fchmod, 94),
        (libc::SYS_fchmodat, 306), (libc::SYS_fchmodat2, 452),
        (libc::SYS_chown, 212), (libc::SYS_lchown, 198),
        (libc::SYS_fchown, 207), (libc::SYS_fchownat, 298),
        (libc::SYS_truncate, 193), (libc::SYS_ftruncate, 194),
        (libc::SYS_setxattr, 226), (libc::SYS_lsetxattr, 227), (libc::SYS_fsetxattr, 228),
        (libc::SYS_removexattr, 235), (libc::SYS_lremovexattr, 236),
        (libc::SYS_fremovexattr, 237),
        (libc::SYS_mount, 21), (libc::SYS_umount2, 52),
        (libc::SYS_pivot_root, 217), (libc::SYS_chroot, 61), (libc::SYS_open_tree, 428),
        (libc::SYS_move_mount, 429), (libc::SYS_fsopen, 430), (libc::SYS_fsconfig, 431),
        (libc::SYS_fsmount, 432), (libc::SYS_mount_setattr, 442),
        (libc::SYS_capset, 185), (libc::SYS_ptrace, 26),
        (libc::SYS_process_vm_readv, 347), (libc::SYS_process_vm_writev, 348),
        (libc::SYS_pidfd_open, 434), (libc::SYS_pidfd_getfd, 438),
        (libc::SYS_unshare, 310), (libc::SYS_setns, 346),
        (libc::SYS_init_module, 128), (libc::SYS_finit_module, 350),
        (libc::SYS_delete_module, 129), (libc::SYS_bpf, 357),
        (libc::SYS_io_uring_setup, 425), (libc::SYS_userfaultfd, 374),
        (libc::SYS_perf_event_open, 336),
        (libc::SYS_keyctl, 288), (libc::SYS_add_key, 286), (libc::SYS_request_key, 287),
        (libc::SYS_mmap, 192), (libc::SYS_mprotect, 125), (libc::SYS_pkey_mprotect, 380),
        (libc::SYS_dup, 41), (libc::SYS_dup2, 63), (libc::SYS_dup3, 330),
        (libc::SYS_kill, 37), (libc::SYS_tkill, 238), (libc::SYS_tgkill, 270),
        (libc::SYS_pidfd_send_signal, 424),
        (libc::SYS_socket, 359), (libc::SYS_socketpair, 360), (libc::SYS_connect, 362),
    ];
    let found = NUMBERS.iter().find(|(wide, _)| *wide == number);
    found.map_or_else(
        || panic!("call {number} has no 32-bit number here"),
        |found| found.1,
    )
}
