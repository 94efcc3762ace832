//! CPU time for each record, in blocks.
//!
//! In each block everything is measured forwards and backwards, so that what drifts meets all alike.
//! A figure is the median of the blocks; a ratio is that of the blocks' ratios, with its bootstrap
//! interval. The same set is measured once more as if it were another one: what that ratio (A/A)
//! shows is the machine's noise.

use std::hint::black_box;
use std::time::{Duration, Instant};

use gravlens::pipeline::Replay;
use integration_test::bench::stats::{Interval, median, median_ratio};
use rustix::time::{ClockId, clock_gettime};

use crate::mix;

/// Records between two looks at what they made.
const STRIDE: usize = 4_096;

/// What is measured together.
pub(crate) struct Runs<'a> {
    /// The small set, for all records.
    pub(crate) whole: &'a mut Replay,
    pub(crate) small: &'a mut Replay,
    /// The small set once more.
    pub(crate) again: &'a mut Replay,
    pub(crate) large: &'a mut Replay,
    /// All records.
    pub(crate) all: &'a [&'a [u8]],
    /// Those that match nothing.
    pub(crate) quiet: &'a [&'a [u8]],
    pub(crate) blocks: usize,
    /// Of each measurement; there are eight in a block.
    pub(crate) length: Duration,
}

/// What came of it, in nanoseconds of CPU time for each record.
pub(crate) struct Times {
    pub(crate) all_ns: f64,
    pub(crate) quiet_small_ns: f64,
    pub(crate) quiet_large_ns: f64,
    /// Of the large set over the small one, where nothing matches.
    pub(crate) ratio: Interval,
    /// Of the small set over itself.
    pub(crate) same: Interval,
}

pub(crate) fn measure(runs: &mut Runs<'_>) -> Times {
    let mut times = [const { Vec::new() }; 4];
    for block in 0..runs.blocks {
        eprintln!("block {} of {}", block + 1, runs.blocks);
        let mut sums = [0.0; 4];
        for index in [0, 1, 2, 3, 3, 2, 1, 0] {
            let (replay, records) = match index {
                0 => (&mut *runs.whole, runs.all),
                1 => (&mut *runs.small, runs.quiet),
                2 => (&mut *runs.large, runs.quiet),
                _ => (&mut *runs.again, runs.quiet),
            };
            sums[index] += nanoseconds(replay, records, runs.length) / 2.0;
        }
        for (times, sum) in times.iter_mut().zip(sums) {
            times.push(sum);
        }
    }
    let [mut all, mut small, mut large, again] = times;
    Times {
        ratio: median_ratio(&large, &small),
        same: median_ratio(&again, &small),
        all_ns: median(&mut all),
        quiet_small_ns: median(&mut small),
        quiet_large_ns: median(&mut large),
    }
}

/// CPU time for each record.
fn nanoseconds(replay: &mut Replay, records: &[&[u8]], length: Duration) -> f64 {
    let until = Instant::now() + length;
    let (mut spent, mut count) = (0.0, 0);
    while Instant::now() < until {
        for records in records.chunks(STRIDE) {
            let begun = cpu_seconds();
            for record in records {
                replay.record(record);
            }
            spent += cpu_seconds() - begun;
            count += records.len();
            mix::drain(replay);
        }
    }
    spent * 1e9 / count as f64
}

/// CPU time of this thread.
pub(crate) fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// The median time of one record, in nanoseconds, less what looking at the clock takes.
pub(crate) fn median_nanoseconds(replay: &mut Replay, records: &[&[u8]]) -> f64 {
    let mut times = Vec::with_capacity(records.len());
    let mut looks = Vec::with_capacity(records.len());
    for records in records.chunks(STRIDE) {
        for record in records {
            let begun = Instant::now();
            replay.record(black_box(record));
            times.push(begun.elapsed().as_nanos() as f64);
            looks.push(Instant::now().elapsed().as_nanos() as f64);
        }
        mix::drain(replay);
    }
    (median(&mut times) - median(&mut looks)).max(0.0)
}
