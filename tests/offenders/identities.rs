//! Gives up root by every call of the family, one after the other, and wants it back.

mod raw;

use raw::done;

/// Makes a call of three arguments as it is: libraries would repeat it in every thread.
fn call(number: i64, arguments: [u32; 3]) -> i64 {
    let [a, b, c] = arguments.map(i64::from);
    // SAFETY: none of these calls takes a pointer, setgroups with no groups included.
    unsafe { libc::syscall(number, a, b, c) }
}

fn main() {
    const SAME: u32 = u32::MAX;
    done(call(libc::SYS_setgroups, [0, 0, 0]));
    done(call(libc::SYS_setfsgid, [1001, 0, 0]));
    done(call(libc::SYS_setfsuid, [1001, 0, 0]));
    done(call(libc::SYS_setregid, [1002, SAME, 0]));
    done(call(libc::SYS_setresgid, [1003, 1003, 1003]));
    done(call(libc::SYS_setgid, [1003, 0, 0]));
    done(call(libc::SYS_setreuid, [1004, SAME, 0]));
    done(call(libc::SYS_setresuid, [1005, 1005, 1005]));
    done(call(libc::SYS_setuid, [1005, 0, 0]));
    assert_eq!(call(libc::SYS_setuid, [0, 0, 0]), -1);
}
