//! When to scan: cgroups, processes.

/// Least time between the beginnings of two scans, in nanoseconds.
const INTERVAL_NS: u64 = 1_000_000_000;
/// Scans may take this part of the time: a scan of a large tree is not repeated at once.
const SHARE: u64 = 10;
/// A scan that has not come back after this time has failed, in nanoseconds.
const PATIENCE_NS: u64 = 30_000_000_000;

/// The pace of scans: one at a time, at once when one is wanted after a quiet time, and never so
/// often that whoever makes unknown cgroups or processes could keep the agent busy with it.
#[derive(Debug, Default)]
pub(crate) struct ScanPace {
    /// When it was wanted last: one that began earlier does not fulfil the wish.
    wanted_ns: Option<u64>,
    /// When the last one was asked for.
    asked_ns: Option<u64>,
    /// How long from there the next one has to wait.
    pause_ns: u64,
}

impl ScanPace {
    /// There is something to look for.
    pub(crate) fn want(&mut self, now_ns: u64) {
        self.wanted_ns = Some(now_ns);
    }

    /// A scan is wanted and its time has come.
    pub(crate) fn is_due(&self, now_ns: u64) -> bool {
        let rested = self
            .asked_ns
            .is_none_or(|asked| now_ns >= asked.saturating_add(self.pause_ns));
        self.wanted_ns.is_some() && rested
    }

    /// Whether to begin a scan now. The wish stays until a scan fulfils it: this one may fail.
    pub(crate) fn take(&mut self, now_ns: u64) -> bool {
        let due = self.is_due(now_ns);
        if due {
            self.asked_ns = Some(now_ns);
            self.pause_ns = PATIENCE_NS;
        }
        due
    }

    /// A scan has come back. It began at that time and took so long.
    pub(crate) fn done(&mut self, started_ns: u64, took_ns: u64) {
        self.wanted_ns = self.wanted_ns.filter(|wanted| *wanted > started_ns);
        self.pause_ns = took_ns.saturating_mul(SHARE).max(INTERVAL_NS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_scan_runs_at_a_time_and_a_long_one_is_followed_by_a_long_rest() {
        let mut pace = ScanPace::default();
        assert!(!pace.take(0));
        pace.want(5);
        assert!(pace.take(5), "at once");
        pace.want(7);
        assert!(!pace.take(5 + 2 * INTERVAL_NS), "one still runs");
        pace.done(6, INTERVAL_NS / 2);
        assert!(!pace.take(5 + 2 * INTERVAL_NS));
        assert!(pace.take(5 + 5 * INTERVAL_NS));
    }

    #[test]
    fn a_scan_that_never_came_back_is_not_waited_for_for_ever() {
        let mut pace = ScanPace::default();
        pace.want(0);
        assert!(pace.take(0));
        pace.want(1);
        assert!(!pace.take(PATIENCE_NS - 1), "it may still come back");
        assert!(pace.take(PATIENCE_NS));
    }

    #[test]
    fn a_scan_fulfils_the_wishes_from_before_it_began() {
        let mut pace = ScanPace::default();
        pace.want(5);
        pace.done(4, 1);
        assert!(pace.is_due(10));
        pace.done(5, 1);
        assert!(!pace.is_due(10));
    }
}
