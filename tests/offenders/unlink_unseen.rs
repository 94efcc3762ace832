//! Makes a file and removes it in a way that makes no system call of this architecture.
//!
//! `unlink_unseen io_uring|int80 FILE`

mod int80;
mod raw;
mod ring;

use raw::c_string;
use ring::Request;

/// `unlink` in the table of i386.
const UNLINK: i64 = 10;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [way, file] = arguments.as_slice() else {
        panic!("usage: unlink_unseen io_uring|int80 FILE");
    };
    std::fs::File::create(file).expect("room for a file");
    let path = c_string(file);
    let result = match way.as_str() {
        "io_uring" => Request::unlink(&path).run(),
        "int80" => {
            let path = int80::low_copy(path.as_bytes_with_nul());
            int80::call(UNLINK, &[path, 0, 0])
        }
        other => panic!("{other} is no way to remove a name"),
    };
    assert_eq!(result, 0, "the name was not removed");
}
