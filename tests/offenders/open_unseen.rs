//! Opens a file by the system call of a 32-bit program, then by that of this architecture.
//!
//! `open_unseen HIDDEN ORDINARY`

mod int80;
mod raw;

use raw::{c_string, done, open};

/// `open` in the table of i386.
const OPEN: i64 = 5;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [hidden, ordinary] = arguments.as_slice() else {
        panic!("usage: open_unseen HIDDEN ORDINARY");
    };
    let path = int80::low_copy(c_string(hidden).as_bytes_with_nul());
    println!("hidden={}", int80::call(OPEN, [path, 0, 0]));
    done(open(&c_string(ordinary), libc::O_RDONLY));
}
