//! Counters that any thread may raise. They are statics beside the code that raises them and
//! register themselves when they first count.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

static REGISTRY: Mutex<Vec<&'static Counter>> = Mutex::new(Vec::new());

/// A number that only grows.
#[derive(Debug)]
pub struct Counter {
    name: &'static str,
    value: AtomicU64,
    registered: AtomicBool,
}

impl Counter {
    /// A counter for a `static`. The name is what status and metrics show:
    /// `decode_failed`, without prefix and suffix.
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            value: AtomicU64::new(0),
            registered: AtomicBool::new(false),
        }
    }

    /// Counts `n` more and returns the new total.
    pub fn add(&'static self, n: u64) -> u64 {
        if !self.registered.swap(true, Ordering::Relaxed) {
            REGISTRY
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .push(self);
        }
        self.value.fetch_add(n, Ordering::Relaxed) + n
    }

    /// Name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Total so far.
    pub fn get(&self) -> u64 {
        self.value.load(Ordering::Relaxed)
    }
}

/// Every counter that has counted, sorted by name.
pub fn counters() -> Vec<(&'static str, u64)> {
    let mut all: Vec<_> = REGISTRY
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .iter()
        .map(|counter| (counter.name(), counter.get()))
        .collect();
    all.sort_unstable();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_appears_once_when_it_first_counts() {
        static COUNTER: Counter = Counter::new("test_appears_once");
        let listed = || {
            counters()
                .into_iter()
                .filter(|(name, _)| *name == "test_appears_once")
                .collect::<Vec<_>>()
        };
        assert!(listed().is_empty());
        assert_eq!(COUNTER.add(2), 2);
        assert_eq!(COUNTER.add(3), 5);
        assert_eq!(listed(), [("test_appears_once", 5)]);
    }
}
