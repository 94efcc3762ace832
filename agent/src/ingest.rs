//! Ring records out of the kernel, merged in time order.
//!
//! One task owns both rings. It drains them in passes: on a timer while records come, and asleep
//! until the kernel wakes it when none do (the programs wake it with the first record after that,
//! when a ring fills up, and for kinds that must not wait). Each pass reads the clock, then drains
//! the bulk ring, then the critical one; whatever carries a time before that reading is complete
//! and goes on, sorted; the rest waits for the next pass.
//!
//! A pass takes a bounded number of bytes from each ring. While a ring is left with records,
//! nothing newer than what was taken from it goes on, so that no ring overtakes the other; the
//! ring that is ahead is not read beyond its share, and the one that is behind goes on with every
//! pass. A bulk record waits 20 ms for older critical ones at most; then it goes on, flagged
//! `out_of_order`.
//!
//! Queue to the detection task: bounded in batches and in bytes, *wait* when full. The rings then
//! fill up and the kernel counts what does not fit, so nothing is lost uncounted here.
//!
//! Memory: the queue's bytes, twice two lanes (`LANE_BYTES` in `merge.rs`: once in the merge, once in the
//! batch that waits for room in the queue), and what a growing vector holds in reserve, which is as
//! much again at most.
//!
//! At the end the rings, whose programs have been detached, are drained to the last record.

mod batch;
mod intake;
mod merge;
mod queue;
mod reader;

pub(crate) use reader::boot_ns;

pub use batch::Batch;
pub use queue::{BatchSender, queue};
pub use reader::{IngestError, run};
