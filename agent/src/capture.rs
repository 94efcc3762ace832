//! Captures: what the detection task took in, written to files and read back.
//!
//! ```text
//! detection task -> CaptureWriter -> FILE, FILE.2, FILE.3, … -> Capture -> detection task
//! ```
//!
//! A file has a header and blocks of inputs, each with a checksum, so that what a kill or a damaged
//! disk leaves can be used up to there. `docs/capture.md` has the layout.
//!
//! Nothing that is read is trusted: lengths have limits before memory is taken for them, and every
//! reader stops at the first thing that is not as it should be, and says what and where.

#![forbid(unsafe_code)]

mod input;
mod layout;
mod parts;
mod reader;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
mod writer;

pub use input::{Input, encode_message, encode_resolvers};
pub(crate) use input::{decode_reading, decode_runtime, encode_reading, encode_runtime};
pub(crate) use layout::BlockKind;
pub use layout::{Damage, Fault};
pub use parts::{Capture, OpenError, captures};
pub(crate) use reader::MAX_ENTRY;
pub use reader::{PartReader, Step};
pub use writer::{CaptureLimits, CaptureWriter, CreateError};
