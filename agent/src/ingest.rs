//! Ring records out of the kernel, merged in time order.
//!
//! One task owns both rings. It drains them in passes: on a timer while records come, and asleep
//! until the kernel wakes it when none do (the programs wake it with the first record after that,
//! when a ring fills up, and for kinds that must not wait). Each pass reads the clock, then drains
//! the bulk ring, then the critical one; whatever carries a time before that reading is complete
//! and goes on, sorted; the rest waits for the next pass.
//!
//! Queue to the detection task: bounded, *wait* when full. The rings then fill up and the kernel
//! counts what does not fit, so nothing is lost uncounted here.

mod merge;
mod reader;

pub(crate) use reader::boot_ns;

pub use merge::Batch;
pub use reader::{IngestError, run};
