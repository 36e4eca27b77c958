//! A job as its owner sees it.

use super::instant;
use super::sheet::{Run, Sheet, State};
use haltline_types::{NanoUsd, Timestamp};
use serde_json::{Value, json};

/// As JSON. Money is a decimal string of dollars, time is RFC 3339.
pub(super) fn job(sheet: &Sheet, now: Timestamp) -> Value {
    let order = &sheet.order;
    let at = |millis: Option<i64>| millis.map(|millis| instant(millis).to_string());
    let failure = sheet.failure.as_ref();
    let error = failure.filter(|_| sheet.state == State::Failed).map(|failure| {
        json!({
            "code": failure.code,
            "class": failure.class().word(),
            "message": failure.message,
            "param": failure.param,
            "dead_letter": sheet.dead_letter,
        })
    });
    let waits_for = failure
        .filter(|_| sheet.state == State::Queued)
        .map(|failure| json!({"code": failure.code, "message": failure.message, "until": at(sheet.not_before)}));
    let running = sheet.runs.last().filter(|_| sheet.state == State::Running);
    let progress = running.map(|run| {
        let running_ms = u64::try_from(now.since(instant(run.started)).as_millis()).unwrap_or(u64::MAX);
        json!({"attempt": sheet.attempts(), "request_id": run.request, "running_ms": running_ms})
    });
    json!({
        "id": sheet.id,
        "object": "job",
        "status": sheet.state.word(),
        "endpoint": order.endpoint,
        "model": order.model,
        "created_at": instant(sheet.created).to_string(),
        "ended_at": at(sheet.ended),
        "attempts_made": sheet.attempts(),
        "max_attempts": order.max_attempts,
        "progress": progress,
        "waits_for": waits_for,
        "cost": sheet.cost().to_decimal(),
        "ceiling": order.ceiling.map(|ceiling| NanoUsd::new(ceiling).to_decimal()),
        "attempts": sheet.runs.iter().map(run).collect::<Vec<_>>(),
        "result": (sheet.state == State::Succeeded).then(|| format!("/v1/jobs/{}/result", sheet.id)),
        "error": error,
        "retry_of": sheet.retry_of,
        "webhook": order.webhook,
        "metadata": order.metadata,
    })
}

fn run(run: &Run) -> Value {
    json!({
        "request_id": run.request,
        "started_at": instant(run.started).to_string(),
        "ended_at": run.ended.map(|at| instant(at).to_string()),
        "endpoint": run.endpoint,
        "cost": run.cost.map(|cost| NanoUsd::new(cost).to_decimal()),
        "code": run.code,
        "fault": run.fault,
    })
}
