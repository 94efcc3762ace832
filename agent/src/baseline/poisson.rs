//! Limits and tails of the Poisson distribution, by the incomplete gamma function:
//! `P(X <= k; m) = Q(k + 1, m)` and `P(X >= k; m) = P(k, m)`.
//!
//! Series and continued fraction as in DLMF 8.11.4 and 8.9.2 (Numerical Recipes, section 6.2);
//! where these would take long, the cube root of Wilson and Hilferty (1931), which is good to
//! seven digits there. No argument gives NaN.

/// The one-sided level of all limits.
pub(crate) const LEVEL: f64 = 0.95;

/// Quantile of the normal distribution at `LEVEL`.
const Z: f64 = 1.644_853_626_951_472_7;

/// Above this shape, Wilson and Hilferty.
const LARGE: f64 = 1e4;

/// Above this, counts are taken as normal.
const LARGE_COUNT: f64 = 1e4;

/// Upper limit of the mean, after `count` were seen: the mean at which so few come with
/// probability 5 % (Garwood, 1936: half the chi-square quantile with `2 (count + 1)` degrees of
/// freedom). `count` need not be whole.
pub(crate) fn upper_limit(count: f64) -> f64 {
    let count = sane(count);
    let shape = count + 1.0;
    let near = shape * (1.0 - 1.0 / (9.0 * shape) + Z / (3.0 * shape.sqrt())).powi(3);
    if shape > LARGE {
        return near.min(f64::MAX);
    }
    // P(X <= count) falls as the mean grows; at the mean `count` it is above a third.
    let (mut low, mut high) = (count, 2.0 * near + 1.0);
    while high - low > 1e-12 * high {
        let mid = f64::midpoint(low, high);
        if mid <= low || mid >= high {
            break;
        }
        if gamma(shape, mid).1 > 1.0 - LEVEL {
            low = mid;
        } else {
            high = mid;
        }
    }
    high
}

/// Probability of `count` or more at this mean.
pub(crate) fn at_least(count: u64, mean: f64) -> f64 {
    if count == 0 {
        return 1.0;
    }
    gamma(count as f64, sane(mean)).0.clamp(0.0, 1.0)
}

/// How many come in `ratio` times the exposure in which `count` came: not more with probability
/// 95 %. [`upper_limit`] is the quantile of a gamma distribution with shape `count + 1`; counts
/// with such a mean are negative binomial.
pub(crate) fn next_count(count: f64, ratio: f64) -> f64 {
    let (shape, ratio) = (sane(count) + 1.0, sane(ratio));
    let mean = (shape * ratio).min(f64::MAX);
    let none = -shape * ratio.ln_1p();
    if mean > LARGE_COUNT || none < -600.0 {
        let deviation = mean.sqrt() * (1.0 + ratio).sqrt();
        return (mean + Z * deviation).ceil().min(f64::MAX);
    }
    let again = ratio / (1.0 + ratio);
    let (mut count, mut probability) = (0.0, none.exp());
    let mut sum = probability;
    while sum < LEVEL && count < 100.0 * LARGE_COUNT {
        probability *= again * (shape + count) / (count + 1.0);
        count += 1.0;
        sum += probability;
    }
    count
}

/// Not negative, not NaN, finite.
fn sane(value: f64) -> f64 {
    if value.is_nan() {
        return 0.0;
    }
    value.clamp(0.0, f64::MAX)
}

/// The regularised incomplete gamma functions, lower and upper, for a positive shape.
fn gamma(shape: f64, x: f64) -> (f64, f64) {
    if x <= 0.0 {
        return (0.0, 1.0);
    }
    if shape > LARGE {
        let root = (x / shape).cbrt() - (1.0 - 1.0 / (9.0 * shape));
        return normal((root * 3.0 * shape.sqrt()).clamp(-1e3, 1e3));
    }
    let front = (shape * x.ln() - x - ln_gamma(shape)).exp();
    if x < shape + 1.0 {
        let lower = front * series(shape, x);
        (lower, 1.0 - lower)
    } else {
        let upper = front * fraction(shape, x);
        (1.0 - upper, upper)
    }
}

fn series(shape: f64, x: f64) -> f64 {
    let mut term = 1.0 / shape;
    let mut sum = term;
    let mut step = shape;
    while term > sum * f64::EPSILON {
        step += 1.0;
        term *= x / step;
        sum += term;
    }
    sum
}

/// By Lentz's method.
fn fraction(shape: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let mut b = x + 1.0 - shape;
    let mut c = 1.0 / TINY;
    let mut d = 1.0 / b;
    let mut value = d;
    for step in 1..10_000 {
        let step = f64::from(step);
        let a = step * (shape - step);
        b += 2.0;
        d = a * d + b;
        c = b + a / c;
        d = 1.0 / if d.abs() < TINY { TINY } else { d };
        c = if c.abs() < TINY { TINY } else { c };
        value *= d * c;
        if (d * c - 1.0).abs() < f64::EPSILON {
            break;
        }
    }
    value
}

/// The normal distribution, below and above.
fn normal(z: f64) -> (f64, f64) {
    let tail = 0.5 * gamma(0.5, z * z / 2.0).1;
    if z > 0.0 {
        (1.0 - tail, tail)
    } else {
        (tail, 1.0 - tail)
    }
}

/// Logarithm of the gamma function from one half on (Lanczos, g = 7).
fn ln_gamma(x: f64) -> f64 {
    const FIRST: f64 = 0.999_999_999_999_809_9;
    const REST: [f64; 8] = [
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    let x = x - 1.0;
    let (sum, _) = REST.iter().fold((FIRST, x), |(sum, at), coefficient| {
        (sum + coefficient / (at + 1.0), at + 1.0)
    });
    let t = x + 7.5;
    0.5 * (2.0 * std::f64::consts::PI).ln() + (x + 0.5) * t.ln() - t + sum.ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// By adding up, in logarithms.
    fn at_most(count: u32, mean: f64) -> f64 {
        let mut ln = -mean;
        let mut sum = ln.exp();
        for k in 1..=count {
            ln += (mean / f64::from(k)).ln();
            sum += ln.exp();
        }
        sum
    }

    #[test]
    fn limits_are_those_of_the_books() {
        let known = [
            2.996, 4.744, 6.296, 7.754, 9.154, 10.513, 11.842, 13.148, 14.435, 15.705,
        ];
        for (count, limit) in known.into_iter().enumerate() {
            assert!((upper_limit(count as f64) - limit).abs() < 6e-4, "{count}");
        }
    }

    #[test]
    fn limits_leave_five_per_cent() {
        for count in (0..100).chain([250, 500, 999, 5_000, 9_998]) {
            let left = at_most(count, upper_limit(f64::from(count)));
            assert!((left - 0.05).abs() < 1e-7, "{count}: {left}");
        }
    }

    #[test]
    fn large_counts_go_on_where_small_ones_end() {
        let exact = upper_limit(LARGE - 1.0);
        let near = upper_limit(LARGE) - 1.0;
        assert!((exact - near).abs() < 0.02, "{exact} {near}");
        for mean in [9_700.0, 10_000.0, 10_300.0] {
            let (one, other) = (at_least(10_000, mean), at_least(10_001, mean));
            assert!(one > other && one - other < 0.005, "{mean}: {one} {other}");
        }
    }

    #[test]
    fn tails_are_what_adding_up_gives() {
        for (count, mean) in [(1, 0.01), (6, 1.0), (20, 9.7), (40, 40.0), (300, 200.0)] {
            let tail = at_least(u64::from(count), mean);
            let summed = 1.0 - at_most(count - 1, mean);
            assert!(
                (tail - summed).abs() < 1e-10,
                "{count} {mean}: {tail} {summed}"
            );
        }
        // Far out, where one minus a sum is only noise: the first term is nearly all.
        let tail = at_least(30, 0.1);
        assert!((1e-63..1e-62).contains(&tail), "{tail}");
    }

    #[test]
    fn the_next_count_is_above_its_mean() {
        assert_eq!(next_count(0.0, 0.0), 0.0);
        // A geometric distribution: 1 - 2^-(k+1) >= 0.95.
        assert_eq!(next_count(0.0, 1.0), 4.0);
        let normal = next_count(9_000.0, 1.0);
        assert!((9_200.0..9_300.0).contains(&normal), "{normal}");
    }

    proptest! {
        #[test]
        fn no_argument_is_too_much(bits: u64, other: u64, count: u64) {
            let (one, other) = (f64::from_bits(bits), f64::from_bits(other));
            for value in [one, other, count as f64, f64::MAX, f64::INFINITY] {
                prop_assert!(upper_limit(value).is_finite());
                prop_assert!(next_count(one, value).is_finite());
                prop_assert!((0.0..=1.0).contains(&at_least(count, value)));
                prop_assert!((0.0..=1.0).contains(&at_least(count % 20_000, value)));
            }
        }

        #[test]
        fn limits_grow_with_the_count(count in 0.0..30_000.0_f64, more in 0.01..10.0_f64) {
            prop_assert!(upper_limit(count) > count);
            prop_assert!(upper_limit(count + more) > upper_limit(count));
        }

        #[test]
        fn tails_fall_with_the_count(count in 1..20_000_u64, mean in 0.0..30_000.0_f64) {
            prop_assert!(at_least(count + 1, mean) <= at_least(count, mean) + 1e-5);
        }
    }
}
