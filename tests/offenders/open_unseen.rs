//! Opens a file in a way that makes no open system call of this architecture, then with one.
//!
//! `open_unseen io_uring|io_worker|kept|int80 HIDDEN ORDINARY`

mod int80;
mod raw;
mod ring;

use raw::{c_string, done, open};
use ring::Request;

/// `open` in the table of i386.
const OPEN: i64 = 5;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [way, hidden, ordinary] = arguments.as_slice() else {
        panic!("usage: open_unseen io_uring|io_worker|kept|int80 HIDDEN ORDINARY");
    };
    let path = c_string(hidden);
    let result = match way.as_str() {
        "io_uring" => Request::open(&path).run(),
        "io_worker" => Request::open(&path).by_a_worker().run(),
        "kept" => Request::open(&path).kept().run(),
        "int80" => {
            let path = int80::low_copy(path.as_bytes_with_nul());
            int80::call(OPEN, &[path, 0, 0])
        }
        other => panic!("{other} is no way to open"),
    };
    println!("hidden={result}");
    done(open(&c_string(ordinary), libc::O_RDONLY));
}
