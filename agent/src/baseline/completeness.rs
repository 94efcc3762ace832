//! How complete a profile is: how many behaviours are still to come that it does not know.
//!
//! # Estimate
//! Of all behaviours of a class, `Q1` came in exactly one sampling unit of any instance. Units in
//! which the instances were watched sum up to the time `T`. Then `Q1 / T` estimates how fast new
//! behaviours come now (Good and Turing, on incidences), and `Q1 * D / T` how many the next `D`
//! brings; it errs upwards for long `D`, as the rate falls with what is learnt. The bound replaces
//! `Q1` by the one-sided 95 % limit of a Poisson mean, `U(Q1)`. `U(0)` is 3.0, hence the least that
//! any honest claim costs: at most one a day needs 72 instance-hours without any singleton.
//!
//! In the start phase the unit is a start: `Q1 / starts` are expected in the next one. Its
//! singletons must not be among those of the run phase: they come once in every instance's life,
//! and would stay in `Q1` as if more of them were to come at any time.
//!
//! # What comes together
//! A maintenance job brings a dozen new files at once. The Poisson limit takes them for a dozen
//! witnesses, though they are one. Singletons of one unit therefore make a cluster, and the bound
//! is that of a compound Poisson process: `d * U(Q1 / d)`, where the dispersion `d` is the mean
//! size of the cluster that a singleton is in. With clusters of one it is `U(Q1)`.
//!
//! # What it cannot know
//! Whoever asks after each window and believes the first answer that suits has the rate within the
//! bound in about 90 of 100 cases, not 95 (`simulation`).
//!
//! Behaviours that wait for the clock: what comes once a day is not known before a day, however
//! many instances there are ([`Horizon`]). Nor does it know changes of the workload: those are
//! [`crate::baseline::drift`].
//!
//! Rates are of one instance. The same behaviour in a second instance is not new, so the rate of a
//! workload is at most that of its instances together ([`Prediction::of_workload`]).

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
mod text;

use std::time::Duration;

use crate::baseline::evidence::{Exposure, Seen, Trust};
use crate::baseline::poisson;

pub(super) use text::counted;
pub use text::{Lasting, up};

/// Seconds of the period that predictions are for.
pub const DAY: u64 = 86_400;

/// What is sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// The start phase: starts of an instance.
    Start,
    /// The run phase: whole windows of an instance.
    Window,
}

/// How often the behaviours of a class came.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Incidence {
    /// How many there are.
    pub behaviours: u64,
    /// Those that came in exactly one unit.
    pub singletons: u64,
    /// Those that came in exactly two.
    pub doubletons: u64,
    /// Mean size of the cluster that a singleton is in; less than 1 is taken as 1.
    pub dispersion: f64,
}

impl Incidence {
    /// Counts the behaviours of a class and a phase that came first at `since` or later:
    /// [`Exposure::since`], so that both cover the same time.
    ///
    /// Quarantined and aged behaviours belong to them: they witness how fast new ones come. Those
    /// that alert whenever they come do not.
    pub fn tally<'a>(seen: impl IntoIterator<Item = &'a Seen>, since: u64) -> Self {
        let mut incidence = Self::default();
        let mut units = Vec::new();
        for seen in seen {
            let counts = !matches!(seen.trust(), Trust::Rejected | Trust::NeverLearnt);
            if !counts || !seen.is_seen() || seen.first < since {
                continue;
            }
            incidence.behaviours += 1;
            match seen.windows.count() {
                1 => units.extend(seen.windows.ids()),
                2 => incidence.doubletons += 1,
                _ => {}
            }
        }
        incidence.singletons = units.len() as u64;
        units.sort_unstable();
        let squares: f64 = units
            .chunk_by(|one, other| one == other)
            .map(|cluster| (cluster.len() as f64).powi(2))
            .sum();
        incidence.dispersion = squares / (units.len() as f64).max(1.0);
        incidence
    }

    /// How many behaviours there may be in all (Chao2, bias-corrected). Known to be too low in
    /// practice: to look at, not to decide by.
    pub fn chao2(&self) -> f64 {
        let (one, two) = (self.singletons as f64, self.doubletons as f64);
        self.behaviours as f64 + one * (one - 1.0).max(0.0) / (2.0 * (two + 1.0))
    }

    /// Upper limit of what `singletons` stands for.
    fn limit(&self) -> f64 {
        let size = self.cluster();
        size * poisson::upper_limit(self.singletons as f64 / size)
    }

    fn cluster(&self) -> f64 {
        let singletons = self.singletons as f64;
        self.dispersion.min(singletons).max(1.0)
    }
}

/// New behaviours to come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// What it is made from.
    pub unit: Unit,
    /// Expected in the next day of one instance, or in its next start.
    pub expected: f64,
    /// Not more than this, with 95 % confidence in the rate.
    pub bound: f64,
    /// Units seen.
    pub units: u64,
    /// Instances that they are of; 16 says 16 or more.
    pub instances: usize,
    /// Instance-seconds watched.
    pub seconds: u64,
    /// What it is counted from.
    pub incidence: Incidence,
}

impl Prediction {
    /// Predicts; `None` without any exposure.
    pub fn new(unit: Unit, incidence: Incidence, exposure: &Exposure) -> Option<Self> {
        let totals = exposure.totals();
        let (units, exposed, period) = match unit {
            Unit::Start => (totals.starts, totals.starts, 1),
            Unit::Window => (totals.windows, totals.seconds, DAY),
        };
        if units == 0 || exposed == 0 {
            return None;
        }
        let ratio = period as f64 / exposed as f64;
        Some(Self {
            unit,
            expected: incidence.singletons as f64 * ratio,
            bound: incidence.limit() * ratio,
            units,
            instances: exposure.instances().count(),
            seconds: totals.seconds,
            incidence,
        })
    }

    /// For a day of a workload with this many live instances, or for so many starts.
    pub fn of_workload(&self, live: u32) -> Expectation {
        let live = live.max(1);
        Expectation {
            unit: self.unit,
            live,
            expected: self.expected * f64::from(live),
            bound: self.bound * f64::from(live),
        }
    }

    /// How many may come in `periods` (days of one instance, or starts): with probability 95 % not
    /// more. [`Prediction::bound`] limits the *rate*, and a count varies about its rate: where the
    /// rate is one a day, two on a day refute nothing. What came is to be held against this.
    pub fn most(&self, periods: f64) -> u64 {
        let size = self.incidence.cluster();
        let count = self.incidence.singletons as f64 / size;
        let most = size * poisson::next_count(count, periods / self.exposed());
        most.ceil() as u64
    }

    /// What is missing until the bound is at most `bound`, if nothing new comes any more and
    /// `live` instances go on.
    pub fn remaining(&self, bound: f64, live: u32) -> Remaining {
        if self.bound <= bound {
            return Remaining::Nothing;
        }
        // Also when it is no number.
        if bound.is_nan() || bound <= 0.0 {
            return Remaining::Never;
        }
        let missing = (self.incidence.limit() / bound - self.exposed()).max(0.0);
        match self.unit {
            Unit::Start => Remaining::Starts(missing.ceil() as u64),
            Unit::Window => {
                let seconds = missing * DAY as f64 / f64::from(live.max(1));
                Duration::try_from_secs_f64(seconds.ceil())
                    .map_or(Remaining::Never, Remaining::Time)
            }
        }
    }

    /// Exposure in days of an instance, or in starts.
    fn exposed(&self) -> f64 {
        match self.unit {
            Unit::Start => self.units as f64,
            Unit::Window => self.seconds as f64 / DAY as f64,
        }
    }
}

/// New behaviours to come in a workload.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expectation {
    /// A day, or a start of each.
    pub unit: Unit,
    /// Instances.
    pub live: u32,
    /// Expected.
    pub expected: f64,
    /// Not more than this, with 95 % confidence.
    pub bound: f64,
}

/// What a claim still needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remaining {
    /// Nothing.
    Nothing,
    /// So much wall-clock time.
    Time(Duration),
    /// So many starts.
    Starts(u64),
    /// More than there ever is.
    Never,
}

/// Whether a period was watched that behaviours may wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Horizon {
    /// The period, in seconds.
    pub wanted: u64,
    /// What was watched: [`Exposure::span`].
    pub observed: u64,
}

impl Horizon {
    /// Of this exposure.
    pub fn new(wanted: u64, exposure: &Exposure) -> Self {
        Self {
            wanted,
            observed: exposure.span(),
        }
    }

    /// What is missing, in seconds.
    pub fn missing(&self) -> u64 {
        self.wanted.saturating_sub(self.observed)
    }

    /// Whether nothing is.
    pub fn is_observed(&self) -> bool {
        self.missing() == 0
    }
}
