//! Opens and closes a file again and again, a number of times or for a time, as fast as it can or so
//! many times a second.
//!
//! `open_flood COUNT|SECONDSs [PATH [RATE]]`

use std::fs::File;
use std::thread;
use std::time::{Duration, Instant};

const USAGE: &str = "usage: open_flood COUNT|SECONDSs [PATH [RATE]]";
/// Opens between two looks at the clock.
const TURN: u64 = 1_000;
/// Turns in a second, where there is a rate.
const TURNS_A_SECOND: u64 = 100;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let much = arguments.next().expect(USAGE);
    let path = arguments.next().unwrap_or_else(|| "/etc/passwd".to_owned());
    let rate = arguments
        .next()
        .map(|rate| rate.parse::<u64>().expect(USAGE));
    let turn = rate.map_or(TURN, |rate| (rate / TURNS_A_SECOND).max(1));
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
            let mut next = Instant::now();
            while Instant::now() < end {
                open(turn);
                opened += turn;
                if rate.is_some() {
                    next += Duration::from_secs(1) / TURNS_A_SECOND as u32;
                    thread::sleep(next.saturating_duration_since(Instant::now()));
                }
            }
            opened
        }
    };
    println!("opened {opened}");
}
