//! How fast an endpoint answers: a moving average that forgets. Who measures, and what is measured
//! (first token of a stream, or a whole answer), is the caller's matter.

use haltline_types::Timestamp;
use std::time::Duration;

/// A new sample counts for one part in so many.
const PARTS: u64 = 8;
/// An average that nobody has fed for so long says nothing of the present.
const STALE: Duration = Duration::from_secs(300);
/// Longer than any deadline; what is above is a broken clock.
const SAMPLE_MAX: Duration = Duration::from_secs(3600);

/// The average of one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    micros: u64,
    at: Timestamp,
}

impl Latency {
    /// From the first sample.
    #[must_use]
    pub fn new(sample: Duration, now: Timestamp) -> Self {
        Self { micros: micros(sample), at: now }
    }

    /// With one sample more. After a long silence it begins anew.
    #[must_use]
    pub fn with(self, sample: Duration, now: Timestamp) -> Self {
        if self.estimate(now).is_none() {
            return Self::new(sample, now);
        }
        let kept = self.micros.saturating_mul(PARTS - 1);
        Self { micros: kept.saturating_add(micros(sample)) / PARTS, at: now }
    }

    /// The average; `None` when it is too old to go by.
    #[must_use]
    pub fn estimate(self, now: Timestamp) -> Option<Duration> {
        (now.since(self.at) <= STALE).then(|| Duration::from_micros(self.micros))
    }
}

fn micros(sample: Duration) -> u64 {
    u64::try_from(sample.min(SAMPLE_MAX).as_micros()).unwrap_or(u64::MAX)
}
