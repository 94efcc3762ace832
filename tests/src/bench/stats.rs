//! Robust statistics of a few noisy ratios.

/// A median with its bootstrap interval.
#[derive(Clone, Copy, Debug)]
pub struct Interval {
    /// The median.
    pub median: f64,
    /// 2.5th percentile of the resampled medians.
    pub low: f64,
    /// 97.5th percentile.
    pub high: f64,
}

const RESAMPLES: usize = 2000;

/// The median of `over[i] / under[i]`.
pub fn median_ratio(over: &[f64], under: &[f64]) -> Interval {
    let ratios: Vec<f64> = over.iter().zip(under).map(|(a, b)| a / b).collect();
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut medians: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let mut sample: Vec<f64> = ratios
                .iter()
                .map(|_| ratios[random.below(ratios.len())])
                .collect();
            median(&mut sample)
        })
        .collect();
    medians.sort_by(f64::total_cmp);
    Interval {
        median: median(&mut ratios.clone()),
        low: medians[RESAMPLES / 40],
        high: medians[RESAMPLES - 1 - RESAMPLES / 40],
    }
}

/// The median; not a number of nothing.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => values[len / 2],
        len => f64::midpoint(values[len / 2 - 1], values[len / 2]),
    }
}

/// Marsaglia's xorshift64: enough to resample, the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}
