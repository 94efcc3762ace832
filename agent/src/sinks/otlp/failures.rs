//! What a receiver has to say about records that it took.

use crate::telemetry::{Counter, Failure};

/// The receiver took all records and says something of them, or says it in a way that cannot be
/// read.
pub(super) struct Remark<'a> {
    pub(super) said: &'a str,
}

impl Failure for Remark<'_> {
    fn counter(&self) -> &'static Counter {
        static COUNTER: Counter = Counter::new("otlp_receiver_remark");
        &COUNTER
    }

    fn log(&self, total: u64) {
        tracing::warn!(
            message = "The OTLP receiver took the records with a remark.",
            said = self.said,
            total
        );
    }
}
