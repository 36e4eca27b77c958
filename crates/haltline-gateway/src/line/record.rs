//! Record: closes every journey. Whatever happened, one line of truth per request.

use crate::gateway::{Gateway, endpoint_labels};
use crate::line::trip::Trip;
use crate::metrics::{AttemptLabels, RequestLabels, TokenLabels};
use haltline_ports::{AttemptRecord, Outcome, RequestRecord};
use haltline_types::{Code, Name, NanoUsd};

/// Writes the record and counts.
pub(crate) fn record(gateway: &Gateway, trip: Trip, outcome: Outcome, status: u16) {
    count(gateway, &trip, outcome);
    let record = RequestRecord {
        id: trip.id,
        trace_id: trip.trace_id,
        started: trip.started,
        ended: gateway.clock.now(),
        subjects: trip.subjects,
        surface: Name::new(trip.surface),
        model: trip.model,
        streamed: trip.streamed,
        outcome,
        status,
        first_token: trip.first_token,
        cap_lowered_to: trip.cap_lowered_to,
        attempts: trip.attempts,
    };
    if let Err(error) = gateway.records.record(&record) {
        tracing::error!(%error, request = %record.id, cost = %record.cost(), "the record of a request could not be kept; the ledger has its money");
    }
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
    for attempt in &trip.attempts {
        count_attempt(gateway, attempt);
    }
}

fn count_attempt(gateway: &Gateway, attempt: &AttemptRecord) {
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
