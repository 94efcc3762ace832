//! Becomes root and says whether it could.

use rustix::process::getuid;
use rustix::thread::{Uid, set_thread_res_uid};

fn main() {
    let before = getuid().as_raw();
    let result = set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT);
    println!("uid {before} -> {} ({result:?})", getuid().as_raw());
}
