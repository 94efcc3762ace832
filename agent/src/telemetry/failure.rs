//! Failures: the log line and the counter belong together.

use std::error::Error;

use super::Counter;

/// An error with its causes, which many libraries do not print by themselves.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

/// Something that went wrong and is survived. One struct per kind of failure; [`Failure::emit`]
/// counts and logs it, so that the two can never disagree.
///
/// ```
/// use gravlens::telemetry::{Counter, Failure};
///
/// struct RecordTooShort {
///     length: usize,
/// }
///
/// impl Failure for RecordTooShort {
///     fn counter(&self) -> &'static Counter {
///         static COUNTER: Counter = Counter::new("record_too_short");
///         &COUNTER
///     }
///
///     fn log(&self, total: u64) {
///         tracing::warn!(message = "Record is too short.", length = self.length, total);
///     }
/// }
///
/// RecordTooShort { length: 3 }.emit();
/// ```
pub trait Failure {
    /// Counter of this kind of failure.
    fn counter(&self) -> &'static Counter;

    /// Writes the log line; `total` is the counter's value with this failure in it.
    fn log(&self, total: u64);

    /// Counts the failure. Logs it when the total is a power of two: a flood of failures must
    /// not become a flood of log lines, and the total tells how many there were.
    fn emit(&self) {
        let total = self.counter().add(1);
        if total.is_power_of_two() {
            self.log(total);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    static COUNTER: Counter = Counter::new("test_failure");

    #[derive(Default)]
    struct Broken(RefCell<Vec<u64>>);

    impl Failure for Broken {
        fn counter(&self) -> &'static Counter {
            &COUNTER
        }

        fn log(&self, total: u64) {
            self.0.borrow_mut().push(total);
        }
    }

    #[test]
    fn every_failure_counts_and_few_are_logged() {
        let broken = Broken::default();
        for _ in 0..20 {
            broken.emit();
        }
        assert_eq!(COUNTER.get(), 20);
        assert_eq!(*broken.0.borrow(), [1, 2, 4, 8, 16]);
    }
}
