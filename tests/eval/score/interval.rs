//! Intervals of what was counted.

/// Half of what lies outside of an interval of 95 %.
const TAIL: f64 = 0.025;
const STEPS: usize = 60;

/// The exact interval of a share (Clopper and Pearson), 95 %.
pub(crate) fn of_share(found: usize, all: usize) -> (f64, f64) {
    if all == 0 {
        return (0.0, 1.0);
    }
    let low = match found {
        0 => 0.0,
        _ => solve(|share| 1.0 - at_most(found - 1, all, share), TAIL),
    };
    let high = match found {
        found if found == all => 1.0,
        _ => solve(|share| 1.0 - at_most(found, all, share), 1.0 - TAIL),
    };
    (low, high)
}

/// With 95 % confidence not more an hour: 3/H where nothing came, and the Poisson limit otherwise.
pub(crate) fn most_an_hour(count: usize, hours: f64) -> f64 {
    let below = |mean: f64| {
        let mut term = (-mean).exp();
        let mut sum = term;
        for n in 1..=count {
            term *= mean / n as f64;
            sum += term;
        }
        sum
    };
    let (mut low, mut high) = (0.0, 10.0 + 3.0 * count as f64);
    for _ in 0..STEPS {
        let middle = f64::midpoint(low, high);
        if below(middle) > 2.0 * TAIL {
            low = middle;
        } else {
            high = middle;
        }
    }
    high / hours
}

/// The share at which a rising function has this value.
fn solve(rising: impl Fn(f64) -> f64, value: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..STEPS {
        let middle = f64::midpoint(low, high);
        if rising(middle) < value {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// Probability of at most so many of all, each with this probability.
fn at_most(found: usize, all: usize, share: f64) -> f64 {
    let mut term = (1.0 - share).powi(i32::try_from(all).unwrap_or(i32::MAX));
    if term <= 0.0 {
        return 0.0;
    }
    let odds = share / (1.0 - share);
    let mut sum = term;
    for n in 0..found {
        term *= (all - n) as f64 / (n + 1) as f64 * odds;
        sum += term;
    }
    sum
}

/// The value below which this share of all lies; zero of none.
pub(crate) fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = (share * sorted.len() as f64).ceil() as usize;
    let place = place.clamp(1, sorted.len().max(1)) - 1;
    sorted.get(place).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(one: f64, other: f64) -> bool {
        (one - other).abs() < 5e-4
    }

    #[test]
    fn shares_have_the_interval_of_the_tables() {
        let (low, high) = of_share(58, 60);
        assert!(near(low, 0.8847) && near(high, 0.9959), "{low} {high}");
        let (low, high) = of_share(10, 10);
        assert!(near(low, 0.6915) && near(high, 1.0), "{low} {high}");
        let (low, high) = of_share(0, 10);
        assert!(near(low, 0.0) && near(high, 0.3085), "{low} {high}");
    }

    #[test]
    fn nothing_in_so_many_hours_bounds_the_rate_by_three_by_them() {
        assert!(near(most_an_hour(0, 30.0), 0.0999));
        assert!(near(most_an_hour(1, 1.0), 4.7439));
    }

    #[test]
    fn quantiles_are_values_that_were_there() {
        assert!(near(quantile(&[3.0, 1.0, 2.0], 0.5), 2.0));
        assert!(near(quantile(&[3.0, 1.0, 2.0], 0.95), 3.0));
        assert!(near(quantile(&[], 0.5), 0.0));
    }
}
