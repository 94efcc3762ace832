//! Opens and closes a file again and again, as fast as it can, a given number of times.
//!
//! `open_flood COUNT [PATH]`

use std::fs::File;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let count = arguments.next().and_then(|text| text.parse().ok());
    let count: u64 = count.expect("usage: open_flood COUNT [PATH]");
    let path = arguments.next().unwrap_or_else(|| "/etc/passwd".to_owned());
    for _ in 0..count {
        drop(File::open(&path).expect("the file can be opened"));
    }
    println!("opened {count}");
}
