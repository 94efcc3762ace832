//! What became of the records of one output.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::alert::Progress;

/// The account of one output since the start. Its task writes it, metrics read it.
#[derive(Debug)]
pub struct OutputAccount {
    name: &'static str,
    delivered: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
    missed: AtomicU64,
    complete_through: AtomicU64,
    failing: AtomicBool,
}

impl OutputAccount {
    pub(super) fn new(name: &'static str, progress: Progress) -> Self {
        Self {
            name,
            delivered: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            missed: AtomicU64::new(0),
            complete_through: AtomicU64::new(progress.complete_through),
            failing: AtomicBool::new(false),
        }
    }

    /// Name of the output.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Records that the target has taken.
    pub fn records_delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    /// Records that the target will never take.
    pub fn records_dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Records that the spool did not keep until they could be sent.
    pub fn records_missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }

    /// Attempts that failed and were, or will be, made again.
    pub fn attempts_failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Sequence number up to which every record is dealt with.
    pub fn complete_through(&self) -> u64 {
        self.complete_through.load(Ordering::Relaxed)
    }

    /// The last attempt failed.
    pub fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    pub(super) fn delivered(&self, count: usize) {
        self.delivered.fetch_add(count as u64, Ordering::Relaxed);
        self.failing.store(false, Ordering::Relaxed);
    }

    pub(super) fn dropped(&self, count: usize) {
        self.dropped.fetch_add(count as u64, Ordering::Relaxed);
        self.failing.store(false, Ordering::Relaxed);
    }

    pub(super) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        self.failing.store(true, Ordering::Relaxed);
    }

    pub(super) fn progressed(&self, progress: Progress) {
        self.missed.store(progress.missed, Ordering::Relaxed);
        self.complete_through
            .store(progress.complete_through, Ordering::Relaxed);
    }
}
