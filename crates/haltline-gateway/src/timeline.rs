//! The steps of a running request. Whoever takes part in it writes here: the line, and the
//! connections that watch its stream. Cheap enough for every request: a look at the clock, a lock
//! that is free, no allocation beyond the first sixteen steps'.

use crate::auth::Presented;
use crate::gateway::Gateway;
use crate::incoming::Claims;
use crate::line;
use crate::problem::Problem;
use haltline_ports::Owner;
use haltline_ports::{Sampling, Step, Steps, What};
use parking_lot::Mutex;
use std::time::Duration;
use tokio::time::Instant;

#[derive(Debug)]
struct Open {
    steps: Steps,
    sampling: Sampling,
}

/// One request's steps.
#[derive(Debug)]
pub(crate) struct StepLog {
    arrived: Instant,
    /// None once the record is written: what comes later has no place any more.
    open: Mutex<Option<Open>>,
}

impl StepLog {
    /// Begins with the arrival.
    pub(crate) fn new(arrived: Instant) -> Self {
        let mut steps = Steps::new();
        steps.push(Duration::ZERO, What::Arrived);
        Self { arrived, open: Mutex::new(Some(Open { steps, sampling: Sampling::default() })) }
    }

    /// This happens now.
    pub(crate) fn step(&self, what: What) {
        let at = self.arrived.elapsed();
        if let Some(open) = self.open.lock().as_mut() {
            open.steps.push(at, what);
        }
    }

    /// Something that the request itself says, found out later: it stands behind its acceptance.
    pub(crate) fn step_of_request(&self, what: What) {
        if let Some(open) = self.open.lock().as_mut() {
            open.steps.push_of_request(what);
        }
    }

    /// The answer has so many events; a step now and then.
    pub(crate) fn checkpoint(&self, events: u64) {
        if let Some(open) = self.open.lock().as_mut()
            && open.sampling.is_due(events)
        {
            open.steps.push(self.arrived.elapsed(), What::Checkpoint { events });
        }
    }

    /// All steps, for the record; there are no more after this.
    pub(crate) fn close(&self) -> Vec<Step> {
        self.open.lock().take().map(|open| open.steps.list()).unwrap_or_default()
    }
}

impl Gateway {
    /// Who asks, as the owner of what the gateway keeps.
    ///
    /// # Errors
    /// When the key may not be used, or not speak for the user that is claimed.
    pub fn owner_of(&self, presented: &Presented, claims: &Claims) -> Result<Owner, Problem> {
        let caller = line::identify(self, presented, claims)?;
        Ok(Owner { key: caller.key.name.clone(), user: caller.user })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use haltline_types::{ModelName, NanoUsd};

    #[tokio::test(start_paused = true)]
    async fn steps_have_their_distance_from_the_arrival_and_end_with_the_record() {
        let log = StepLog::new(Instant::now());
        tokio::time::advance(Duration::from_micros(1_500)).await;
        log.step(What::FirstToken);
        for events in 0..10 {
            log.checkpoint(events);
        }
        let told: Vec<String> = log.close().iter().map(ToString::to_string).collect();
        assert_eq!(told.first().map(String::as_str), Some("+0 µs arrived: the request is there"));
        assert_eq!(told.get(1).map(String::as_str), Some("+1.5 ms first_token: first content"));
        assert_eq!(told.last().map(String::as_str), Some("+1.5 ms checkpoint: 8 events so far"));
        log.step(What::FirstToken);
        assert_eq!(log.close(), []);
    }

    /// Prints what a step costs. The bound is far above what any machine needs: it fails when a
    /// step begins to allocate a lot or to wait.
    #[test]
    fn a_step_is_cheap() {
        const ROUNDS: u32 = 20_000;
        let endpoint = ModelName { provider: "openai".into(), model: "gpt-5-mini".into() };
        let began = std::time::Instant::now();
        for _ in 0..ROUNDS {
            let log = StepLog::new(Instant::now());
            for attempt in 1..=5 {
                log.step(What::Held { attempt, endpoint: endpoint.clone(), ceiling: NanoUsd::new(1) });
                log.step(What::Sent { attempt, endpoint: endpoint.clone() });
                log.step(What::Head { attempt, status: 200 });
            }
            assert_eq!(log.close().len(), 16);
        }
        let each = began.elapsed() / (ROUNDS * 16);
        println!("{each:?} a step, with its share of the beginning and the end; {} bytes each", size_of::<Step>());
        assert!(each < Duration::from_micros(20), "{each:?}");
        assert!(size_of::<Step>() <= 80, "{}", size_of::<Step>());
    }
}
