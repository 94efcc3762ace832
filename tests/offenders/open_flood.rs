//! Opens and closes a file again and again, as fast as it can, a number of times or for a time.
//!
//! `open_flood COUNT [PATH]`, `open_flood SECONDSs [PATH]`

use std::fs::File;
use std::time::{Duration, Instant};

const USAGE: &str = "usage: open_flood COUNT|SECONDSs [PATH]";
/// Opens between two looks at the clock.
const TURN: u64 = 1_000;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let much = arguments.next().expect(USAGE);
    let path = arguments.next().unwrap_or_else(|| "/etc/passwd".to_owned());
    let open = |count: u64| {
        for _ in 0..count {
            drop(File::open(&path).expect("the file can be opened"));
        }
    };
    let opened = match much.strip_suffix('s') {
        None => {
            let count = much.parse().expect(USAGE);
            open(count);
            count
        }
        Some(seconds) => {
            let end = Instant::now() + Duration::from_secs(seconds.parse().expect(USAGE));
            let mut opened = 0;
            while Instant::now() < end {
                open(TURN);
                opened += TURN;
            }
            opened
        }
    };
    println!("opened {opened}");
}
