//! Percentiles, medians and how numbers are shown.

use std::time::Duration;

/// Durations of one measurement.
#[derive(Clone, Debug, Default)]
pub(crate) struct Times {
    micros: Vec<u64>,
}

impl Times {
    pub(crate) fn add(&mut self, time: Duration) {
        self.micros.push(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.micros.extend_from_slice(&other.micros);
    }

    pub(crate) fn len(&self) -> usize {
        self.micros.len()
    }

    /// The nearest-rank percentile in milliseconds, `per_mille` from 0 to 1000; 0 of nothing.
    pub(crate) fn percentile_ms(&self, per_mille: usize) -> f64 {
        let mut sorted = self.micros.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * per_mille).div_ceil(1000).max(1);
        sorted.get(rank - 1).map_or(0.0, |micros| *micros as f64 / 1000.0)
    }

    /// The share of times that are at least so long.
    pub(crate) fn share_from(&self, limit: Duration) -> f64 {
        let limit = u64::try_from(limit.as_micros()).unwrap_or(u64::MAX);
        let slow = self.micros.iter().filter(|micros| **micros >= limit).count();
        slow as f64 / self.micros.len().max(1) as f64
    }
}

/// The middle value, the mean of two when there are two; 0 of nothing.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    match (sorted.len() % 2, sorted.get(half)) {
        (_, None) => 0.0,
        (1, Some(middle)) => *middle,
        (_, Some(upper)) => f64::midpoint(sorted[half - 1], *upper),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_rank() {
        let mut times = Times::default();
        for millis in (1..=100).rev() {
            times.add(Duration::from_millis(millis));
        }
        for (per_mille, millis) in [(500, 50.0), (990, 99.0), (1000, 100.0), (0, 1.0)] {
            assert!((times.percentile_ms(per_mille) - millis).abs() < 1e-9, "{per_mille}");
        }
        assert!((times.share_from(Duration::from_millis(91)) - 0.1).abs() < 1e-9);
        assert!(Times::default().percentile_ms(500).abs() < 1e-9);
    }

    #[test]
    fn medians_of_odd_even_and_nothing() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
        assert!(median(&[]).abs() < 1e-9);
    }
}
