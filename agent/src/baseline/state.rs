//! What a class of a workload may claim.
//!
//! | state | what a new behaviour of the class means |
//! |---|---|
//! | Cold | nothing was watched: only rules speak |
//! | Learning | it is learnt |
//! | Provisional | an alert of low severity; it is learnt |
//! | Armed | an alert; it is quarantined, not learnt |
//! | Locked | an alert; an operator holds the class, whatever the numbers |
//!
//! # Transitions
//! [`next`] is a pure function of what was and what is; the first line that fits decides.
//!
//! | from | if | to |
//! |---|---|---|
//! | any | locked by an operator, or by a reviewed file | Locked |
//! | any | no whole unit yet, nor was the exposure ever restarted | Cold |
//! | any | no whole unit since the restart | Learning |
//! | Armed | the exposure was not restarted since | Armed |
//! | any | bound met, horizon observed, enough starts, neither drifting nor stale | Armed |
//! | any | enough units and few enough expected | Provisional |
//! | any | otherwise | Learning |
//!
//! - *Bound met*: 95 % bound `<= arm_bound` a day of one instance; in the start phase
//!   `<= start_bound` a start, for which three starts without a singleton are just enough.
//! - *Horizon observed*: so much wall-clock time was watched that what comes once in it had a
//!   chance. 0 asks for nothing, and so does the start phase: its behaviours wait for no clock.
//! - *Enough starts*: `starts`, or an operator waived them: for a workload that is never started
//!   anew. In the start phase the waiver stands for the bound too, as there is nothing to count.
//! - *Enough units*: `provisional_windows` windows, or two starts: all that one start shows is a
//!   singleton. *Few enough expected*: `<= provisional_bound` a day, or a start.
//!
//! A class without any behaviour is armed like any other: nothing is what it does. Classes that
//! alert from Cold on are the caller's.
//!
//! # What undoes arming
//! Not a novelty: it is quarantined, and the class stays Armed although its bound rises. Nor a
//! surge of them: Drifting groups them into one alert, and ends when they do. What ends arming is
//! that somebody says the workload has changed: an operator who accepts the drift, or a rollout. Then
//! what came is accepted, and [`Exposure::restart`] begins a new epoch: all that was known stays
//! known, but the singletons and the time before no longer vouch for what is to come. The class
//! goes back to Learning and arms again by the exposure of the new epoch alone. Locked ends by
//! the operator's hand, and the class goes where its numbers put it.

#[cfg(test)]
mod tests;

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use crate::baseline::completeness::{Horizon, Lasting, Prediction, Remaining, Unit};
use crate::baseline::evidence::Exposure;

/// What a class may claim.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Nothing was watched.
    #[default]
    Cold,
    /// Too little is known.
    Learning,
    /// Enough for a hint.
    Provisional,
    /// Enough for an alert.
    Armed,
    /// Closed by an operator.
    Locked,
}

impl State {
    /// Every one, from the least on.
    pub const ALL: [Self; 5] = [
        Self::Cold,
        Self::Learning,
        Self::Provisional,
        Self::Armed,
        Self::Locked,
    ];

    /// The state of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Learning => "learning",
            Self::Provisional => "provisional",
            Self::Armed => "armed",
            Self::Locked => "locked",
        }
    }
}

/// What holds beside the state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags {
    /// Events are being lost: the exposure stands still.
    pub lossy: bool,
    /// More comes than was predicted: learning and arming pause.
    pub drifting: bool,
    /// The budget is used up and patterns are coarser.
    pub full: bool,
    /// Nothing was watched for long: what was learnt may no longer hold, so arming pauses.
    pub stale: bool,
}

/// When a class goes from one state to the next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Most novelties a day of one instance, with 95 % confidence, for Armed.
    pub arm_bound: f64,
    /// The same for a start.
    pub start_bound: f64,
    /// Wall-clock seconds to be observed for Armed.
    pub horizon: u64,
    /// Starts to be seen for Armed.
    pub starts: u64,
    /// Most expected novelties a day or a start for Provisional.
    pub provisional_bound: f64,
    /// Windows to be seen for Provisional.
    pub provisional_windows: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            arm_bound: 1.0,
            start_bound: 1.0,
            horizon: 86_400,
            starts: 3,
            provisional_bound: 10.0,
            provisional_windows: 15,
        }
    }
}

/// A state and the epoch that it was reached in. The default is Cold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Standing {
    /// The state.
    pub state: State,
    /// [`Exposure::since`] at that time.
    pub since: u64,
}

/// What decides over a class in one phase.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// What was watched of the workload.
    pub exposure: &'a Exposure,
    /// The prediction for the class: `None` without any unit.
    pub prediction: Option<&'a Prediction>,
    /// Flags.
    pub flags: Flags,
    /// An operator waived the starts.
    pub starts_waived: bool,
    /// An operator locked the class, or a reviewed file says all that it may do.
    pub locked: bool,
}

/// The state that follows.
#[must_use]
pub fn next(previous: Standing, case: &Case<'_>, settings: &Settings) -> Standing {
    let since = case.exposure.since();
    let held = previous.since == since && previous.state == State::Armed;
    let state = match case.prediction {
        _ if case.locked => State::Locked,
        None if since == 0 => State::Cold,
        None => State::Learning,
        Some(_) if held => State::Armed,
        Some(prediction) if case.may_arm(prediction, settings) => State::Armed,
        Some(prediction) if is_provisional(prediction, settings) => State::Provisional,
        Some(_) => State::Learning,
    };
    Standing { state, since }
}

fn is_provisional(prediction: &Prediction, settings: &Settings) -> bool {
    let units = match prediction.unit {
        Unit::Start => 2,
        Unit::Window => settings.provisional_windows,
    };
    prediction.units >= units && prediction.expected <= settings.provisional_bound
}

impl Case<'_> {
    fn may_arm(&self, prediction: &Prediction, settings: &Settings) -> bool {
        !self.flags.drifting
            && !self.flags.stale
            && self.eta(prediction, settings, 1) == Eta::default()
    }

    /// What Armed still needs, if nothing new comes any more and `live` instances go on. Flags
    /// and locks are left out.
    pub fn eta(&self, prediction: &Prediction, settings: &Settings, live: u32) -> Eta {
        let starts = settings
            .starts
            .saturating_sub(self.exposure.totals().starts);
        let horizon = match prediction.unit {
            Unit::Start if self.starts_waived => 0,
            // Replicas that are started at once do the same: as witnesses they are one.
            Unit::Start | Unit::Window => Horizon::new(settings.horizon, self.exposure).missing(),
        };
        let mut eta = Eta {
            time: Some(Duration::from_secs(horizon)),
            starts: if self.starts_waived { 0 } else { starts },
        };
        let remaining = match prediction.unit {
            Unit::Start if self.starts_waived => Remaining::Nothing,
            Unit::Start => prediction.remaining(settings.start_bound, live),
            Unit::Window => prediction.remaining(settings.arm_bound, live),
        };
        match remaining {
            Remaining::Nothing => {}
            Remaining::Time(time) => eta.time = eta.time.max(Some(time)),
            Remaining::Starts(starts) => eta.starts = eta.starts.max(starts),
            Remaining::Never => eta.time = None,
        }
        eta
    }
}

/// What Armed still needs. The default is nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Eta {
    /// Wall-clock time; `None`: no time is enough.
    pub time: Option<Duration>,
    /// Starts.
    pub starts: u64,
}

impl Default for Eta {
    fn default() -> Self {
        Self {
            time: Some(Duration::ZERO),
            starts: 0,
        }
    }
}

impl Display for Eta {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let plural = if self.starts == 1 { "" } else { "s" };
        let time = self
            .time
            .map(|time| (time.as_secs(), Lasting(time.as_secs())));
        match (time, self.starts) {
            (None, _) => f.write_str("never"),
            (Some((0, _)), 0) => f.write_str("now"),
            (Some((0, _)), starts) => write!(f, "after {starts} more start{plural}"),
            (Some((_, time)), 0) => write!(f, "in {time}"),
            (Some((_, time)), starts) => {
                write!(f, "in {time} and after {starts} more start{plural}")
            }
        }
    }
}
