//! Record: closes every journey. Whatever happened, one line of truth per request.

use crate::gateway::{Gateway, Live, endpoint_labels};
use crate::incoming::Surface;
use crate::line::accept::Request;
use crate::line::trip::Trip;
use crate::metrics::{AttemptLabels, DegradedLabels, RequestLabels, TokenLabels};
use crate::settings::ReviewSettings;
use haltline_ports::{AttemptRecord, Blocked, Outcome, RequestRecord, Step, What};
use haltline_types::{Code, Name, NanoUsd, Subjects};
use std::fmt::Write;
use std::sync::Arc;

/// As much of a forbidden prompt is kept; a record must fit a frame of the journal.
const PROMPT_CHARS: usize = 32 * 1024;

/// Writes the record and counts.
pub(crate) fn record(gateway: &Gateway, trip: &Trip, outcome: Outcome, status: u16) {
    trip.step(What::Ended { outcome });
    count(gateway, trip, outcome);
    let steps = trip.log.close();
    keep(gateway, &of_trip(gateway, trip, outcome, status, steps));
}

/// The attempts of a stream for which another one is about to be made: what is left of the request
/// if the process dies. The record at its end takes this one's place.
pub(crate) fn so_far(gateway: &Gateway, trip: &Trip) {
    keep(gateway, &of_trip(gateway, trip, Outcome::Lost, 200, Vec::new()));
}

fn of_trip(gateway: &Gateway, trip: &Trip, outcome: Outcome, status: u16, steps: Vec<Step>) -> RequestRecord {
    RequestRecord {
        id: trip.id,
        trace_id: trip.trace_id.clone(),
        started: trip.started,
        ended: gateway.clock.now(),
        subjects: shown_to_clients(trip),
        surface: Name::new(trip.surface),
        model: trip.model.clone(),
        streamed: trip.streamed,
        outcome,
        status,
        first_token: trip.first_token,
        cap_lowered_to: trip.cap_lowered_to,
        degraded_to: trip.degraded.as_ref().map(|degraded| degraded.to.clone()),
        blocked: trip.blocked.clone(),
        attempts: trip.attempts.clone(),
        steps,
    }
}

/// What a guard asks is paid by the session's accounts, and is no part of what the session shows.
fn shown_to_clients(trip: &Trip) -> Arc<Subjects> {
    if trip.surface == Surface::Guard.word() && trip.subjects.session.is_some() {
        return Arc::new(Subjects { session: None, ..Subjects::clone(&trip.subjects) });
    }
    Arc::clone(&trip.subjects)
}

fn keep(gateway: &Gateway, record: &RequestRecord) {
    if let Err(error) = gateway.records.record(record) {
        tracing::error!(%error, request = %record.id, cost = %record.cost(), "the record of a request could not be kept; the ledger has its money");
    }
}

/// A provider's policy has forbidden the content: notes what a review needs. The prompt itself is
/// kept only where the configuration says so.
pub(crate) fn note_blocked(gateway: &Gateway, live: &Live, trip: &mut Trip, request: &Request) {
    if trip.blocked.is_some() {
        return;
    }
    let body = String::from_utf8_lossy(request.body());
    // The prefix keeps it apart from the hashes of keys, which are made with the same pepper.
    let hash = gateway.keys.hash(&format!("prompt:{body}"));
    let fingerprint = hash.iter().take(16).fold(String::with_capacity(32), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    let prompt = match live.settings.review {
        ReviewSettings::Fingerprint => None,
        ReviewSettings::Prompt => Some(body.chars().take(PROMPT_CHARS).collect()),
    };
    trip.blocked = Some(Blocked { fingerprint, prompt });
}

fn count(gateway: &Gateway, trip: &Trip, outcome: Outcome) {
    let metrics = &gateway.metrics;
    let labels =
        RequestLabels { surface: trip.surface, outcome: outcome.word(), code: outcome.code().map_or("", Code::word) };
    metrics.requests.get_or_create(&labels).inc();
    metrics.duration.observe(trip.arrived.elapsed().as_secs_f64());
    metrics.overhead.observe(trip.overhead().as_secs_f64());
    if let Some(wait) = trip.first_token {
        metrics.first_token.observe(wait.as_secs_f64());
    }
    if let Some(repeated) = trip.attempts.len().checked_sub(1).filter(|repeated| *repeated > 0) {
        metrics.retries.inc_by(repeated as u64);
    }
    if let Some(degraded) = &trip.degraded {
        let labels = DegradedLabels { model: degraded.from.to_string(), to: degraded.to.to_string() };
        metrics.degraded.get_or_create(&labels).inc();
    }
    for attempt in &trip.attempts {
        count_attempt(gateway, attempt);
    }
}

pub(crate) fn count_attempt(gateway: &Gateway, attempt: &AttemptRecord) {
    let metrics = &gateway.metrics;
    let endpoint = endpoint_labels(&attempt.endpoint);
    let labels = AttemptLabels {
        provider: endpoint.provider.clone(),
        model: endpoint.model.clone(),
        fault: attempt.fault.map_or("", haltline_types::FaultKind::word),
    };
    metrics.attempts.get_or_create(&labels).inc();
    if attempt.cost > NanoUsd::ZERO {
        metrics
            .spend
            .get_or_create(&endpoint)
            .inc_by(crate::gateway::in_base_unit(haltline_types::Unit::Usd, attempt.cost.get()));
    }
    if let Some(usage) = attempt.usage {
        for (direction, tokens) in [("input", usage.input), ("output", usage.output)] {
            let labels = TokenLabels { provider: endpoint.provider.clone(), model: endpoint.model.clone(), direction };
            metrics.tokens.get_or_create(&labels).inc_by(tokens.get());
        }
    }
}
