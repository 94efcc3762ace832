//! Opens a file and sets its user id by the system calls of a 32-bit program, which any program
//! may make.
//!
//! `compat_calls PATH`

use std::ffi::CString;

mod int80;

/// `open` and `setuid32` in the table of i386.
const OPEN: i64 = 5;
const SETUID: i64 = 213;

fn main() {
    let path = std::env::args().nth(1).expect("usage: compat_calls PATH");
    let path = CString::new(path).expect("a path has no zero");
    let path = int80::low_copy(path.as_bytes_with_nul());
    println!("open: {}", int80::call(OPEN, &[path, 0, 0]));
    // SAFETY: no memory is passed.
    let user = unsafe { libc::getuid() };
    println!("setuid: {}", int80::call(SETUID, &[u64::from(user), 0, 0]));
}
