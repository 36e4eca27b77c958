//! What a request has been through so far: the facts that its record will tell. Not a stage; the
//! traveller's notebook.

use crate::auth::Identity;
use crate::deliver::{CacheNote, Degraded, Notes};
use crate::guard::Guarding;
use crate::kept;
use crate::line::accept::Request;
use crate::line::screen_output::Screening;
use crate::sessions::Awaited;
use crate::timeline::StepLog;
use bytes::Bytes;
use haltline_policy::limits::{KeyedRunning, LimitStanding};
use haltline_ports::{AttemptRecord, Blocked, Owner, What};
use haltline_types::{AttemptId, ModelName, Name, NanoUsd, RequestId, Subjects, Timestamp, Tokens};
use haltline_wire::client::ClientRequest;
use haltline_wire::provider::Shown;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// One request's notebook.
pub(crate) struct Trip {
    pub(crate) id: RequestId,
    pub(crate) trace_id: String,
    pub(crate) surface: &'static str,
    pub(crate) arrived: Instant,
    pub(crate) started: Timestamp,
    pub(crate) subjects: Arc<Subjects>,
    pub(crate) model: Name,
    pub(crate) streamed: bool,
    pub(crate) attempts: Vec<AttemptRecord>,
    /// Attempts of a process before that may have been made: their numbers are not used again.
    pub(crate) earlier: u8,
    /// The attempt that is held and not yet closed.
    pub(crate) open: Option<OpenAttempt>,
    pub(crate) cap_lowered_to: Option<Tokens>,
    /// What the request of the last attempt could not say.
    pub(crate) dropped: Vec<&'static str>,
    /// Headers of the client that pass to nobody.
    pub(crate) dropped_headers: Vec<String>,
    /// A cheaper model is asked because a budget is short.
    pub(crate) degraded: Option<Degraded>,
    /// A provider's policy has forbidden the content.
    pub(crate) blocked: Option<Blocked>,
    pub(crate) first_token: Option<Duration>,
    /// Time spent waiting: for providers, for headroom, between attempts, for a slow client.
    pub(crate) waited: Duration,
    /// May any attempt have cost money?
    pub(crate) spent: bool,
    /// How the nearest rate limit stands.
    pub(crate) rate_limit: Option<LimitStanding>,
    /// Places taken in concurrency limits.
    pub(crate) running: Option<KeyedRunning>,
    /// Cuts the journey short: the end of the drain, or a stop of its own.
    pub(crate) cut: CancellationToken,
    /// The response that a client wants to be kept, with its input.
    pub(crate) keeping: Option<Keeping>,
    /// What the response cache gave.
    pub(crate) cache: Option<CacheNote>,
    /// Who gave the answer that the cache gives again.
    pub(crate) answered_by: Option<ModelName>,
    /// What happens, step by step; whoever else takes part has a share of it.
    pub(crate) log: Arc<StepLog>,
    /// The session that waits for the answer.
    pub(crate) awaited: Option<Awaited>,
    /// Who came in, where guard services may be asked on its behalf.
    pub(crate) identity: Option<Identity>,
    /// What guard services have cost.
    pub(crate) guard_cost: NanoUsd,
    /// What guards made of it.
    pub(crate) guard: Guarding,
    /// What the answer passes on its way; none where nothing is looked for.
    pub(crate) screening: Option<Box<Screening>>,
}

/// What becomes of a response that is to be kept.
#[derive(Clone, Debug)]
pub(crate) struct Keeping {
    /// Who asked.
    pub(crate) owner: Owner,
    /// The items of its input, as a JSON array.
    pub(crate) input: Bytes,
}

/// An attempt between its hold and its settlement.
#[derive(Clone, Debug)]
pub(crate) struct OpenAttempt {
    pub(crate) id: AttemptId,
    pub(crate) endpoint: ModelName,
    pub(crate) started: Timestamp,
    pub(crate) ceiling: haltline_types::Demand,
    /// The ceiling before a quarantine raised it.
    pub(crate) base: haltline_types::Demand,
    /// The output cap that was written into the request.
    pub(crate) cap: Tokens,
}

impl Trip {
    pub(crate) fn begin(
        id: RequestId,
        trace_id: String,
        surface: &'static str,
        arrived: Instant,
        started: Timestamp,
        cut: CancellationToken,
    ) -> Self {
        Self {
            id,
            trace_id,
            surface,
            arrived,
            started,
            subjects: Arc::default(),
            model: Name::new("-"),
            streamed: false,
            attempts: Vec::new(),
            earlier: 0,
            open: None,
            cap_lowered_to: None,
            dropped: Vec::new(),
            dropped_headers: Vec::new(),
            degraded: None,
            blocked: None,
            first_token: None,
            waited: Duration::ZERO,
            spent: false,
            rate_limit: None,
            running: None,
            cut,
            keeping: None,
            cache: None,
            answered_by: None,
            log: Arc::new(StepLog::new(arrived)),
            awaited: None,
            identity: None,
            guard_cost: NanoUsd::ZERO,
            guard: Guarding::default(),
            screening: None,
        }
    }

    /// This happens now.
    pub(crate) fn step(&self, what: What) {
        self.log.step(what);
    }

    /// What is known once the request was understood.
    pub(crate) fn note_request(&mut self, request: &Request) {
        self.subjects = Arc::new(request.subjects.clone());
        self.model = request.model.clone();
        self.streamed = request.asked.stream();
        if let ClientRequest::Responses(asked) = &*request.asked
            && asked.store() != Some(false)
        {
            self.keeping = Some(Keeping { owner: request.owner.clone(), input: kept::input_of(asked) });
        }
    }

    /// What an answer shows of this request.
    pub(crate) fn shown(&self) -> Shown {
        Shown { id: self.id.hex(), trace_id: self.trace_id.clone(), created: self.started }
    }

    /// Attempts made, the open one included.
    pub(crate) fn attempts_made(&self) -> u8 {
        let last = self.attempts.last().map_or(0, |last| last.number);
        let closed = u8::try_from(self.attempts.len()).unwrap_or(u8::MAX).max(last).max(self.earlier);
        closed.saturating_add(u8::from(self.open.is_some()))
    }

    /// What was charged so far.
    pub(crate) fn cost(&self) -> NanoUsd {
        self.attempts
            .iter()
            .fold(NanoUsd::ZERO, |sum, attempt| sum.checked_add(attempt.cost).unwrap_or(NanoUsd::new(i64::MAX)))
    }

    /// What is left of `most`, the most that the request may cost, its guards included.
    pub(crate) fn left_of(&self, most: NanoUsd) -> NanoUsd {
        let left = most.checked_sub(self.cost()).and_then(|left| left.checked_sub(self.guard_cost));
        left.unwrap_or(NanoUsd::ZERO).max(NanoUsd::ZERO)
    }

    /// The facts for the client.
    pub(crate) fn notes(&self) -> Notes {
        let endpoint = self
            .answered_by
            .clone()
            .or_else(|| self.open.as_ref().map(|open| open.endpoint.clone()))
            .or_else(|| self.attempts.last().map(|last| last.endpoint.clone()));
        Notes {
            request_id: self.id,
            trace_id: self.trace_id.clone(),
            attempts: self.attempts_made(),
            endpoint,
            cost: None,
            cap_lowered_to: self.cap_lowered_to,
            dropped: self
                .dropped
                .iter()
                .map(|word| (*word).to_owned())
                .chain(self.dropped_headers.iter().cloned())
                .collect(),
            degraded: self.degraded.clone(),
            overhead: None,
            rate_limit: self.rate_limit.clone(),
            cache: self.cache,
            guard: self.guard.looked.then(|| self.guard.verdict().told()),
            replayed: false,
        }
    }

    /// The facts for the client once everything is settled.
    pub(crate) fn final_notes(&self) -> Notes {
        Notes { cost: Some(self.cost()), overhead: Some(self.overhead()), ..self.notes() }
    }

    /// Time spent in the gateway itself.
    pub(crate) fn overhead(&self) -> Duration {
        self.arrived.elapsed().saturating_sub(self.waited)
    }
}
