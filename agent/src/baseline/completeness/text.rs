//! Predictions in words.

use std::fmt::{self, Display, Formatter};

use super::{Expectation, Horizon, Prediction, Unit};

/// Seconds as people say them: `20 min`, `3.3 h`, `4.5 d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lasting(
    /// Seconds.
    pub u64,
);

impl Display for Lasting {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (per, name) = match self.0 {
            ..60 => (1.0, "s"),
            60..3_600 => (60.0, "min"),
            3_600..172_800 => (3_600.0, "h"),
            _ => (86_400.0, "d"),
        };
        let value = format!("{:.1}", self.0 as f64 / per);
        write!(f, "{} {name}", value.strip_suffix(".0").unwrap_or(&value))
    }
}

/// A bound to one digit, rounded up: it must stay one.
pub fn up(bound: f64) -> f64 {
    // Less than the tail of a float must not count as a tenth.
    (bound * 10.0 - 1e-9).ceil() / 10.0
}

fn expectation(f: &mut Formatter<'_>, unit: Unit, expected: f64, bound: f64) -> fmt::Result {
    let period = match unit {
        Unit::Start => "start",
        Unit::Window => "day",
    };
    let bound = up(bound);
    write!(f, "{expected:.1} expected, at most {bound:.1} a {period}")
}

/// A number of things.
pub(in crate::baseline) fn counted(count: u64, name: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {name}{plural}")
}

impl Display for Prediction {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        expectation(f, self.unit, self.expected, self.bound)?;
        let name = match self.unit {
            Unit::Start => "start",
            Unit::Window => "window",
        };
        write!(f, " (95 %), from {} of ", counted(self.units, name))?;
        if self.instances >= 16 {
            f.write_str("at least ")?;
        }
        f.write_str(&counted(self.instances as u64, "container"))?;
        match self.unit {
            Unit::Start => Ok(()),
            Unit::Window => write!(f, " in {}", Lasting(self.seconds)),
        }
    }
}

impl Display for Expectation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        expectation(f, self.unit, self.expected, self.bound)?;
        let live = counted(u64::from(self.live), "container");
        write!(f, " of {live} (95 %)")
    }
}

impl Display for Horizon {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let wanted = Lasting(self.wanted);
        if self.is_observed() {
            return write!(f, "horizon {wanted} observed");
        }
        let observed = Lasting(self.observed);
        write!(
            f,
            "horizon {wanted} not yet observed ({observed} so far): what comes once in {wanted} \
             cannot be known yet"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_stays_one() {
        assert_eq!(
            [0.0, 0.01, 0.1, 1.0, 1.01].map(up),
            [0.0, 0.1, 0.1, 1.0, 1.1]
        );
    }
}
