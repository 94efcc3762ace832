//! What goes wrong on the way out.

use std::fmt::Display;
use std::io;
use std::path::Path;

use crate::telemetry::{Counter, Failure};

/// A target did not take records; they are offered again.
pub(super) struct DeliveryFailed<'a> {
    pub(super) output: &'static str,
    pub(super) why: &'a str,
}

impl Failure for DeliveryFailed<'_> {
    fn counter(&self) -> &'static Counter {
        static COUNTER: Counter = Counter::new("output_delivery_failed");
        &COUNTER
    }

    fn log(&self, total: u64) {
        tracing::error!(
            message = "An output's target does not take records: they are offered again.",
            output = self.output,
            why = self.why,
            total
        );
    }
}

/// A target will never take a record; it is dropped, so that those behind it get through.
pub(super) struct RecordRefused<'a> {
    pub(super) output: &'static str,
    pub(super) sequence: u64,
    pub(super) why: &'a str,
}

impl Failure for RecordRefused<'_> {
    fn counter(&self) -> &'static Counter {
        static COUNTER: Counter = Counter::new("output_record_refused");
        &COUNTER
    }

    fn log(&self, total: u64) {
        tracing::error!(
            message = "Record dropped: the output's target refuses it for good.",
            output = self.output,
            sequence = self.sequence,
            why = self.why,
            total
        );
    }
}

/// A target took a part of several records and does not say which it refuses; these are dropped.
pub(super) struct RecordsRefused<'a> {
    pub(super) output: &'static str,
    /// Sequence numbers of the first and the last that were offered.
    pub(super) between: (u64, u64),
    pub(super) refused: usize,
    pub(super) why: &'a str,
}

impl Failure for RecordsRefused<'_> {
    fn counter(&self) -> &'static Counter {
        static COUNTER: Counter = Counter::new("output_records_refused");
        &COUNTER
    }

    fn log(&self, total: u64) {
        let (first, last) = self.between;
        tracing::error!(
            message = "Records dropped: the output's target refuses some of a batch for good.",
            output = self.output,
            refused = self.refused,
            first_sequence = first,
            last_sequence = last,
            why = self.why,
            total
        );
    }
}

/// A cursor leads nowhere.
pub(super) struct CursorLost<'a> {
    pub(super) output: &'static str,
    pub(super) why: &'a dyn Display,
}

impl Failure for CursorLost<'_> {
    fn counter(&self) -> &'static Counter {
        static COUNTER: Counter = Counter::new("output_cursor_lost");
        &COUNTER
    }

    fn log(&self, total: u64) {
        tracing::error!(
            message = "An output's cursor cannot be used: it begins with the oldest record kept.",
            output = self.output,
            why = %self.why,
            total
        );
    }
}

/// How far an output has come is not on disk.
pub(super) struct CursorNotWritten<'a> {
    pub(super) output: &'static str,
    pub(super) path: &'a Path,
    pub(super) error: io::Error,
}

impl Failure for CursorNotWritten<'_> {
    fn counter(&self) -> &'static Counter {
        static COUNTER: Counter = Counter::new("output_cursor_not_written");
        &COUNTER
    }

    fn log(&self, total: u64) {
        tracing::error!(
            message = "An output's cursor cannot be written: the next start sends records again.",
            output = self.output,
            path = %self.path.display(),
            error = %self.error,
            total
        );
    }
}

/// A stored record is not as it was encoded.
pub(super) struct RecordDamaged {
    pub(super) sequence: u64,
    pub(super) error: prost::DecodeError,
}

impl Failure for RecordDamaged {
    fn counter(&self) -> &'static Counter {
        static COUNTER: Counter = Counter::new("record_damaged");
        &COUNTER
    }

    fn log(&self, total: u64) {
        tracing::error!(
            message = "A stored record cannot be read.",
            sequence = self.sequence,
            error = %self.error,
            total
        );
    }
}
