//! `/admin/v1/requests/{id}/timeline`, `/sessions/{id}/timeline`, `/traces/{id}` and
//! `/streams/{id}`: anybody's.

use super::Operator;
use crate::problem::admin_problem;
use crate::router::App;
use crate::routes::timeline::{Page, time};
use crate::timeline::{Audience, BatchLine, StreamLine, time_tools_of, timeline, timelines};
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use haltline_ports::{Batch, RecordsError, StreamState, Streams, StreamsError, Together, Whose};
use haltline_types::{Name, RequestId};
use http::{StatusCode, header};
use serde::Deserialize;

/// The most events of a stream in one answer, in bytes; more are asked for with `after`.
pub const PAGE_BYTES: usize = 4 << 20;

#[derive(Deserialize)]
pub(super) struct Filter {
    key: Option<String>,
    user: Option<String>,
}

pub(super) async fn of_request(_: Operator, State(app): State<App>, Path(id): Path<String>) -> Response {
    let id: RequestId = match id.parse() {
        Ok(id) => id,
        Err(error) => return admin_problem(StatusCode::BAD_REQUEST, "Not a request id", &format!("{error}")),
    };
    let records = app.gateway.records();
    let mut record = match records.generation(id).await {
        Ok(Some(record)) => record,
        Ok(None) => return missing(&format!("there is no record of {id}")),
        Err(error) => return failed(&error),
    };
    match time(records.as_ref(), &mut record).await {
        Ok(()) => Json(timeline(&record, Audience::Operator)).into_response(),
        Err(error) => failed(&error),
    }
}

pub(super) async fn of_session(
    _: Operator,
    State(app): State<App>,
    Path(id): Path<String>,
    Query(filter): Query<Filter>,
    Query(page): Query<Page>,
) -> Response {
    list(&app, Together::Session(Name::new(&id)), filter, &page).await
}

pub(super) async fn of_trace(
    _: Operator,
    State(app): State<App>,
    Path(id): Path<String>,
    Query(filter): Query<Filter>,
    Query(page): Query<Page>,
) -> Response {
    if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return admin_problem(StatusCode::BAD_REQUEST, "Not a trace id", "A trace id has 32 hexadecimal digits.");
    }
    list(&app, Together::Trace(id), filter, &page).await
}

async fn list(app: &App, together: Together, filter: Filter, page: &Page) -> Response {
    let name = |text: Option<String>| text.filter(|text| !text.is_empty()).map(Name::from);
    let whose = Whose::Any { key: name(filter.key), user: name(filter.user) };
    let query = match page.of(together, whose) {
        Ok(query) => query,
        Err((_, why)) => return admin_problem(StatusCode::BAD_REQUEST, "Not a page", &why),
    };
    let (limit, is_first) = (query.limit, query.after.is_none());
    match app.gateway.records().requests(query).await {
        Ok(found) if found.is_empty() && is_first => missing("there is no record of such a request"),
        Ok(mut found) => {
            time_tools_of(&mut found);
            Json(timelines(&found, limit, Audience::Operator)).into_response()
        }
        Err(error) => failed(&error),
    }
}

#[derive(Deserialize)]
pub(super) struct From {
    #[serde(default)]
    after: u64,
}

pub(super) async fn stream(
    _: Operator,
    State(app): State<App>,
    Path(id): Path<String>,
    Query(from): Query<From>,
) -> Response {
    let id: RequestId = match id.parse() {
        Ok(id) => id,
        Err(error) => return admin_problem(StatusCode::BAD_REQUEST, "Not a request id", &format!("{error}")),
    };
    let Some(streams) = &app.admin.streams else { return missing("this gateway keeps no streams") };
    match stream_lines(streams.as_ref(), id, from.after).await {
        Ok(Some((stream, batches))) => {
            let lines =
                std::iter::once(serde_json::to_string(&stream)).chain(batches.iter().map(serde_json::to_string));
            let text: String = lines.filter_map(Result::ok).map(|line| line + "\n").collect();
            ([(header::CONTENT_TYPE, "application/x-ndjson")], text).into_response()
        }
        Ok(None) => missing(&format!("no stream of {id} is kept")),
        Err(error) => admin_problem(StatusCode::SERVICE_UNAVAILABLE, "The store failed", &error.to_string()),
    }
}

/// A stream and a page of its events; none when it is not kept.
///
/// # Errors
/// When it cannot be read.
pub async fn stream_lines(
    streams: &dyn Streams,
    id: RequestId,
    after: u64,
) -> Result<Option<(StreamLine, Vec<BatchLine>)>, StreamsError> {
    let Some(record) = streams.find(id).await? else { return Ok(None) };
    let batches = streams.read(id, after, PAGE_BYTES).await?;
    let ended_ms = match record.state {
        StreamState::Running => None,
        StreamState::Ended { at, .. } => Some(at.as_millis()),
    };
    let line =
        StreamLine { id: id.to_string(), started_ms: record.begin.started.as_millis(), ended_ms, last: record.last };
    Ok(Some((line, batches.iter().map(batch_line).collect())))
}

fn batch_line(batch: &Batch) -> BatchLine {
    let mut from = 0;
    let event = |end: &u32| {
        let end = usize::try_from(*end).unwrap_or(usize::MAX);
        let event = batch.bytes.get(from..end).unwrap_or_default();
        from = end;
        String::from_utf8_lossy(event).into_owned()
    };
    BatchLine { first: batch.first, at_ms: batch.at.as_millis(), events: batch.ends.iter().map(event).collect() }
}

fn missing(why: &str) -> Response {
    admin_problem(StatusCode::NOT_FOUND, "Nothing of this name", why)
}

fn failed(error: &RecordsError) -> Response {
    admin_problem(StatusCode::SERVICE_UNAVAILABLE, "The store failed", &error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use haltline_types::Timestamp;

    #[test]
    fn a_batch_is_shown_event_by_event() {
        let batch =
            Batch { first: 4, at: Timestamp::from_millis(9), ends: vec![1, 3], bytes: Bytes::from_static(b"abb") };
        assert_eq!(batch_line(&batch), BatchLine { first: 4, at_ms: 9, events: vec!["a".to_owned(), "bb".to_owned()] });
    }
}
