//! What ages, what surges, and which versions had a behaviour.
//!
//! # Age
//! A behaviour that has not come for its time to live ([`ttl`]) is a tombstone: kept, but no longer
//! known. One that returns is "returning", which says more than "new", and its gap lengthens its
//! time to live, so that a yearly job is learnt in two years. Age is measured at
//! [`crate::baseline::evidence::Exposure::last`], not by a clock: in time that nobody watched nothing could
//! come.
//!
//! # Surge
//! [`Watch`] compares the novelties of the last period with what was predicted *before* it: a
//! prediction made afterwards would count them among its singletons and find them ordinary. When
//! so many come with probability below 1/1000 at the bound, the class drifts: one alert, and
//! nothing more until the count is ordinary again.

#[cfg(test)]
mod tests;
mod versions;

use crate::baseline::evidence::Seen;
use crate::baseline::poisson;

pub use versions::{Remap, Version, Versions};

/// Least time to live.
pub const LEAST_TTL: u64 = 30 * DAY;

/// How long a tombstone is kept beyond the time to live: long enough for what comes once a year.
pub const TOMBSTONE_KEPT: u64 = 400 * DAY;

/// When nothing was watched for so long, a profile is stale.
pub const STALE: u64 = 30 * DAY;

const DAY: u64 = 86_400;

/// How long a behaviour may stay away, in seconds: four of its longest gaps.
pub fn ttl(seen: &Seen) -> u64 {
    LEAST_TTL.max(4 * u64::from(seen.gap))
}

/// How a behaviour stands to a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Age {
    /// It is known.
    Known,
    /// A tombstone: it was known, and returns if it comes.
    Tombstone,
    /// So old that it may be forgotten, or never seen at all.
    Gone,
}

/// Age of a behaviour when `watched` was the last time that somebody watched. Ask before
/// [`Seen::observe`] makes it young.
///
/// Those that an operator vouches for age too: the caller decides whether that matters.
pub fn age(seen: &Seen, watched: u64) -> Age {
    let ttl = ttl(seen);
    match watched.saturating_sub(seen.last) {
        _ if !seen.is_seen() => Age::Gone,
        away if away <= ttl => Age::Known,
        away if away <= ttl.saturating_add(TOMBSTONE_KEPT) => Age::Tombstone,
        _ => Age::Gone,
    }
}

/// Whether a profile that was watched last at `watched` is stale at `now`.
pub fn is_stale(watched: u64, now: u64) -> bool {
    now.saturating_sub(watched) > STALE
}

/// Below this probability, more comes than was predicted.
const SURGE: f64 = 1e-3;

/// At this probability, what comes is ordinary again.
const ORDINARY: f64 = 0.05;

/// Fewer are told one by one, however unlikely they are: what has been quiet for a year may have
/// two new behaviours of one cause.
const LEAST_SURGE: u64 = 3;

/// Counts of a period, in parts.
const PARTS: usize = 24;

/// Novelties of the last period.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Recent {
    /// Seconds of a part.
    part: u64,
    /// Number of the newest part since the epoch.
    newest: u64,
    /// By number modulo `PARTS`.
    counts: [u32; PARTS],
}

impl Recent {
    fn advance(&mut self, time: u64) {
        let part = time / self.part;
        let passed = part.saturating_sub(self.newest);
        // Beyond `PARTS` they have all been cleared.
        for step in 1..=passed.min(PARTS as u64) {
            self.counts[slot(self.newest.saturating_add(step))] = 0;
        }
        self.newest = self.newest.max(part);
    }

    fn add(&mut self, time: u64) {
        self.advance(time);
        let part = time / self.part;
        if self.newest - part < PARTS as u64 {
            let count = &mut self.counts[slot(part)];
            *count = count.saturating_add(1);
        }
    }

    fn count(&mut self, time: u64) -> u64 {
        self.advance(time);
        self.counts.iter().map(|count| u64::from(*count)).sum()
    }
}

fn slot(part: u64) -> usize {
    (part % PARTS as u64) as usize
}

/// What became of a class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// More comes than was predicted.
    Began {
        /// Novelties in the last period.
        observed: u64,
        /// At most so many were predicted.
        bound: f64,
        /// How probable so many would be.
        probability: f64,
    },
    /// What comes is ordinary again.
    Ended,
}

/// Watches the novelties of an armed class.
#[derive(Clone, Debug, PartialEq)]
pub struct Watch {
    period: u64,
    recent: Recent,
    /// Predictions of one to two periods ago, and of less than one.
    bounds: [f64; 2],
    /// When the newer one was made.
    predicted: u64,
    drifting: bool,
}

impl Watch {
    /// Begins when a class is armed, with the bound for a period of the whole workload
    /// ([`crate::baseline::completeness::Prediction::of_workload`] for a day). A period is at least 24 s.
    pub fn new(period: u64, time: u64, bound: f64) -> Self {
        let period = period.max(PARTS as u64);
        let part = period / PARTS as u64;
        Self {
            period,
            recent: Recent {
                part,
                newest: time / part,
                counts: [0; PARTS],
            },
            // A bound that is no number excuses nothing.
            bounds: [bound.max(0.0); 2],
            predicted: time,
            drifting: false,
        }
    }

    /// A behaviour came that was not known: once for each, not each time that it comes.
    pub fn novelty(&mut self, time: u64) {
        self.recent.add(time);
    }

    /// Whether the class drifts.
    pub fn is_drifting(&self) -> bool {
        self.drifting
    }

    /// Compares, with the prediction as of now: says once that a drift began, and once that it
    /// ended. Best called at the end of each window.
    pub fn judge(&mut self, time: u64, bound: f64) -> Option<Change> {
        if !self.drifting && time.saturating_sub(self.predicted) >= self.period {
            self.bounds = [self.bounds[1], bound.max(0.0)];
            self.predicted = time;
        }
        let observed = self.recent.count(time);
        let bound = self.bounds[0];
        let probability = poisson::at_least(observed, bound);
        if !self.drifting && probability < SURGE && observed >= LEAST_SURGE {
            self.drifting = true;
            return Some(Change::Began {
                observed,
                bound,
                probability,
            });
        }
        if self.drifting && probability >= ORDINARY {
            self.drifting = false;
            return Some(Change::Ended);
        }
        None
    }
}
