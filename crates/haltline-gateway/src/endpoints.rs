//! What answers have told of their endpoints: how fast they come, and until when there is no
//! capacity. Hints for the order in which endpoints are asked, kept in memory; health is the
//! breaker's matter.

use crate::metrics::{LatencyLabels, Metrics};
use haltline_policy::latency::Latency;
use haltline_types::{Fault, FaultKind, ModelName, Timestamp};
use parking_lot::RwLock;
use std::collections::HashMap;
use std::time::Duration;

/// A longer wait is not believed without asking again.
const EXHAUSTED_MAX: Duration = Duration::from_secs(600);

/// How an answer comes: the two are not comparable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Measured to the first content.
    Stream,
    /// Measured to the end.
    Whole,
}

impl Manner {
    pub(crate) const fn of(streamed: bool) -> Self {
        if streamed { Self::Stream } else { Self::Whole }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Whole => "whole",
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Known {
    exhausted_until: Option<Timestamp>,
    stream: Option<Latency>,
    whole: Option<Latency>,
}

/// All endpoints that have answered.
#[derive(Debug, Default)]
pub(crate) struct Endpoints {
    known: RwLock<HashMap<ModelName, Known>>,
}

impl Endpoints {
    /// Until when it has no capacity, and how fast it has answered of late.
    pub(crate) fn look(
        &self,
        endpoint: &ModelName,
        manner: Manner,
        now: Timestamp,
    ) -> (Option<Timestamp>, Option<Duration>) {
        let Some(known) = self.known.read().get(endpoint).copied() else { return (None, None) };
        let latency = match manner {
            Manner::Stream => known.stream,
            Manner::Whole => known.whole,
        };
        (known.exhausted_until.filter(|until| *until > now), latency.and_then(|latency| latency.estimate(now)))
    }

    /// The head of an answer: is anything left after it?
    pub(crate) fn note_head(&self, endpoint: &ModelName, exhausted_until: Option<Timestamp>, now: Timestamp) {
        let until = exhausted_until.map(|until| until.min(now.saturating_add(EXHAUSTED_MAX)));
        if until.is_none() && self.known.read().get(endpoint).is_none_or(|known| known.exhausted_until.is_none()) {
            return;
        }
        self.known.write().entry(endpoint.clone()).or_default().exhausted_until = until;
    }

    /// A fault that states a wait: nothing is left until then.
    pub(crate) fn note_fault(&self, endpoint: &ModelName, fault: &Fault, now: Timestamp) {
        let wait = fault.retry.after.filter(|_| matches!(fault.kind, FaultKind::RateLimited | FaultKind::Overloaded));
        if let Some(wait) = wait {
            let until = now.saturating_add(wait.min(EXHAUSTED_MAX));
            self.known.write().entry(endpoint.clone()).or_default().exhausted_until = Some(until);
        }
    }

    /// How long an answer took to come.
    pub(crate) fn note_latency(
        &self,
        metrics: &Metrics,
        endpoint: &ModelName,
        manner: Manner,
        sample: Duration,
        now: Timestamp,
    ) {
        let average = {
            let mut known = self.known.write();
            let known = known.entry(endpoint.clone()).or_default();
            let latency = match manner {
                Manner::Stream => &mut known.stream,
                Manner::Whole => &mut known.whole,
            };
            let with = latency.map_or_else(|| Latency::new(sample, now), |latency| latency.with(sample, now));
            *latency = Some(with);
            with.estimate(now)
        };
        let labels = LatencyLabels {
            provider: endpoint.provider.to_string(),
            model: endpoint.model.to_string(),
            answer: manner.word(),
        };
        if let Some(average) = average {
            metrics.endpoint_latency.get_or_create(&labels).set(average.as_secs_f64());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use haltline_types::Origin;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn later(seconds: u64) -> Option<Timestamp> {
        Some(NOW.saturating_add(Duration::from_secs(seconds)))
    }

    #[test]
    fn capacity_is_what_the_last_answer_said() {
        let endpoints = Endpoints::default();
        let endpoint = ModelName::parse("a/b").expect("a name");
        let until = || endpoints.look(&endpoint, Manner::Whole, NOW).0;
        endpoints.note_head(&endpoint, later(6), NOW);
        assert_eq!(until(), later(6));
        endpoints.note_head(&endpoint, None, NOW);
        assert_eq!(until(), None);
        let mut fault = Fault::new(FaultKind::RateLimited, Origin::Provider, "");
        fault.retry.after = Some(Duration::from_secs(86_400));
        endpoints.note_fault(&endpoint, &fault, NOW);
        assert_eq!(until(), later(600), "an absurd wait is not believed");
        fault.kind = FaultKind::ServerError;
        fault.retry.after = Some(Duration::from_secs(3));
        endpoints.note_fault(&endpoint, &fault, NOW);
        assert_eq!(until(), later(600), "a failing server says nothing of its capacity");
    }
}
