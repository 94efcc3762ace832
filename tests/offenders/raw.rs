//! System calls as they are, for programs that do what a safe one would not.
#![allow(dead_code, reason = "each offender uses some of it")]

use std::ffi::{CStr, CString};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::ptr;

/// The result of a call that has to succeed.
pub(crate) fn done(result: impl Into<i64>) -> i32 {
    let result = result.into();
    let error = io::Error::last_os_error();
    assert!(result >= 0, "a call failed: {error}");
    i32::try_from(result).expect("results of these calls fit")
}

pub(crate) fn c_string(text: impl AsRef<Path>) -> CString {
    CString::new(text.as_ref().as_os_str().as_bytes()).expect("no zero byte")
}

/// Opens through the C library, which makes it an openat.
pub(crate) fn open(path: &CStr, flags: i32) -> i32 {
    // SAFETY: the path ends with a zero byte.
    unsafe { libc::open(path.as_ptr(), flags, 0o600) }
}

/// Makes a file with these permissions, and leaves it open.
pub(crate) fn make(path: &CStr, mode: libc::mode_t) -> i32 {
    let flags = libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY;
    // SAFETY: the path ends with a zero byte.
    unsafe { libc::open(path.as_ptr(), flags, mode) }
}

/// Forks with the plain call, so that no library has a say in it. The child runs `child` and ends.
pub(crate) fn fork(child: impl FnOnce()) -> i32 {
    clone(libc::SIGCHLD, child)
}

/// The same with flags of clone(2). The process must have one thread.
pub(crate) fn clone(flags: i32, child: impl FnOnce()) -> i32 {
    let nothing = 0_u64;
    // SAFETY: without a stack the child goes on on its copy of this one, as after fork.
    let pid = done(unsafe {
        libc::syscall(
            libc::SYS_clone,
            i64::from(flags),
            nothing,
            nothing,
            nothing,
            nothing,
        )
    });
    if pid == 0 {
        child();
        exit(0);
    }
    pid
}

/// Ends at once.
pub(crate) fn exit(status: i32) -> ! {
    // SAFETY: nothing has to be cleaned up.
    unsafe { libc::_exit(status) }
}

/// Waits for a child.
pub(crate) fn wait(pid: i32) {
    // SAFETY: the status is not asked for.
    done(unsafe { libc::waitpid(pid, ptr::null_mut(), 0) });
}

/// Executes a program with these arguments and no environment; returns only if it cannot.
pub(crate) fn execute(program: &CStr, arguments: &[&CStr]) {
    execute_with(program, arguments, &[]);
}

/// The same with an environment.
pub(crate) fn execute_with(program: &CStr, arguments: &[&CStr], environment: &[&CStr]) {
    let list = |texts: &[&CStr]| -> Vec<_> {
        let pointers = texts.iter().map(|text| text.as_ptr());
        pointers.chain([ptr::null()]).collect()
    };
    let (arguments, environment) = (list(arguments), list(environment));
    // SAFETY: both lists end with a null pointer.
    unsafe { libc::execve(program.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
}

/// Executes what a descriptor stands for.
pub(crate) fn execute_descriptor(fd: i32, arguments: &[&CStr]) {
    let mut pointers: Vec<_> = arguments.iter().map(|argument| argument.as_ptr()).collect();
    pointers.push(ptr::null());
    let environment = [ptr::null::<u8>()];
    // SAFETY: both lists end with a null pointer, the empty path with a zero byte.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            i64::from(fd),
            c"".as_ptr(),
            pointers.as_ptr(),
            environment.as_ptr(),
            i64::from(libc::AT_EMPTY_PATH),
        );
    }
}

pub(crate) fn own_pid() -> i32 {
    // SAFETY: no memory is passed.
    unsafe { libc::getpid() }
}

/// Waits until the parent has ended and another process has taken its place.
pub(crate) fn wait_reparented(parent: i32) {
    // SAFETY: no memory is passed.
    while unsafe { libc::getppid() } == parent {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}
