//! Relay: the provider's bytes to the client, metered while they run. What is already there goes
//! out in one write, and nothing waits for more.

mod passing;
mod reading;
mod watch;

pub(crate) use passing::Tail;

use passing::{Beginning, Passing};
use reading::{Ended, Reading};
use watch::Watch;

use crate::deliver::Outlet;
use crate::gateway::{Gateway, Live};
use crate::line::accept::Request;
use crate::line::call::{Times, cut};
use crate::line::company::Company;
use crate::line::quote::Quoted;
use crate::line::screen_output;
use crate::line::settle;
use crate::line::trip::Trip;
use crate::problem::Problem;
use crate::sessions;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use haltline_policy::meter::Meter;
use haltline_policy::quote::BYTES_PER_TOKEN_MAX;
use haltline_ports::{Answer, AnswerBody, Outcome, What};
use haltline_types::{Fault, FaultKind, Origin, Tokens, Usage};
use haltline_wire::chunk::Delta;
use haltline_wire::client::ClientDialect;
use haltline_wire::fault::classify_inside;
use haltline_wire::openai::responses::StoredResponse;
use haltline_wire::passage::{Passage, WholePassage};
use haltline_wire::provider::news_frame;
use haltline_wire::sse::Splitter;
use http::header::CONTENT_TYPE;
use serde_json::json;
use tokio::time::{Instant, sleep_until};

/// The most that goes out in one write.
pub(crate) const BATCH_BYTES: usize = 64 * 1024;

/// The most that is kept back of a stream after its answer has ended: several times the largest
/// event.
const TAIL_BYTES_MAX: usize = 4 << 20;
/// The most that is read of one stream before others get their turn: a flood must not keep the
/// runtime from looking at its sockets.
const TURN_BYTES: usize = 256 * 1024;

/// The ways from the provider's dialect to the client's.
pub(crate) struct Ways {
    pub(crate) stream: Passage,
    pub(crate) whole: WholePassage,
    /// Does the client want the usage report that only came because we asked for it?
    pub(crate) usage_wanted: bool,
}

/// How an attempt ended.
pub(crate) struct Finish {
    /// The final usage report, if the provider gave one and its answer is complete.
    pub(crate) usage: Option<Usage>,
    /// Any usage report, also one that came before the end or of an answer that is not whole: what
    /// was billed is not less.
    pub(crate) usage_at_least: Option<Usage>,
    /// Output that the meter is certain of.
    pub(crate) output_at_least: Tokens,
    /// What went wrong.
    pub(crate) fault: Option<Fault>,
    /// Has the client any of this answer?
    pub(crate) delivered: bool,
    /// The whole answer, when it was not a stream.
    pub(crate) whole: Option<Bytes>,
}

impl Finish {
    pub(crate) fn failed(fault: Fault) -> Self {
        Self {
            usage: None,
            usage_at_least: None,
            output_at_least: Tokens::ZERO,
            fault: Some(fault),
            delivered: false,
            whole: None,
        }
    }
}

/// Relays an answer that is not a stream: nothing goes out before it is whole and settled.
pub(crate) async fn relay_whole(
    live: &Live,
    trip: &mut Trip,
    passage: &WholePassage,
    dialect: ClientDialect,
    answer: Answer,
    times: Times,
) -> Finish {
    let began = Instant::now();
    let cut_short = trip.cut.clone();
    let collected = tokio::select! {
        collected = tokio::time::timeout_at(times.total_by, collect(answer.body, live.settings.bounds.answer_bytes)) => collected,
        () = cut_short.cancelled() => Ok(Err(cut())),
    };
    trip.waited += began.elapsed();
    let body = match collected {
        Ok(Ok(body)) => body,
        Ok(Err(fault)) => return Finish::failed(fault),
        Err(_) => {
            return Finish::failed(Fault::new(
                FaultKind::TotalTimeout,
                Origin::Provider,
                "the answer did not end in time",
            ));
        }
    };
    match read_whole(passage, body) {
        Ok((delta, body)) => {
            trip.first_token = Some(trip.arrived.elapsed());
            trip.step(What::FirstToken);
            let (whole, fault) = match screen_output::in_one_piece(trip, dialect, body) {
                Ok(body) => (Some(body), None),
                Err(fault) => (None, Some(fault)),
            };
            Finish {
                usage: delta.usage,
                usage_at_least: delta.usage,
                output_at_least: output_at_least(&delta),
                fault,
                delivered: false,
                whole,
            }
        }
        Err(fault) => Finish::failed(fault),
    }
}

/// What a whole answer has for output at least, whatever its report says: in one piece a token is
/// not told from the next, only bytes count.
fn output_at_least(delta: &Delta) -> Tokens {
    let bytes = u64::try_from(delta.text_bytes).unwrap_or(u64::MAX);
    Tokens::new(bytes.div_ceil(BYTES_PER_TOKEN_MAX))
}

/// A whole answer for the client, metered, or the fault that it is.
fn read_whole(passage: &WholePassage, body: Bytes) -> Result<(Delta, Bytes), Fault> {
    if std::str::from_utf8(&body).is_err() {
        return Err(malformed("the answer is not UTF-8".to_owned()));
    }
    match passage.take(body) {
        Ok(Ok(whole)) => Ok(whole),
        Ok(Err(seed)) => Err(classify_inside(&seed)),
        Err(error) => Err(malformed(error.to_string())),
    }
}

fn malformed(detail: String) -> Fault {
    Fault::new(FaultKind::Malformed, Origin::Provider, detail)
}

async fn collect(mut body: AnswerBody, bytes_max: usize) -> Result<Bytes, Fault> {
    let Some(first) = body.next().await.transpose()? else { return Ok(Bytes::new()) };
    let Some(second) = body.next().await.transpose()? else { return Ok(first) };
    let mut whole = BytesMut::from(&first[..]);
    whole.extend_from_slice(&second);
    while let Some(piece) = body.next().await {
        whole.extend_from_slice(&piece?);
        if whole.len() > bytes_max {
            return Err(malformed(format!("an answer of more than {bytes_max} bytes")));
        }
    }
    Ok(whole.freeze())
}

/// Relays a stream up to, and not including, its final event: that goes out once the attempt is
/// settled.
#[expect(clippy::too_many_arguments, reason = "a stage takes what the stages before it have proved")]
pub(crate) async fn relay_stream(
    gateway: &Gateway,
    live: &Live,
    trip: &mut Trip,
    outlet: &mut Outlet,
    company: &mut Company,
    answer: Answer,
    quoted: &Quoted<'_>,
    cap: Tokens,
    ways: Ways,
    times: Times,
) -> (Finish, Tail) {
    let token = trip.cut.clone();
    if !is_event_stream(&answer) {
        let fault = tokio::select! {
            fault = unexpected(answer, &ways.whole, times) => fault,
            () = token.cancelled() => cut(),
        };
        return (Finish::failed(fault), Tail::default());
    }
    let mut reading = Reading {
        splitter: Splitter::new(),
        meter: Meter::new(cap, quoted.n, quoted.pieces),
        passage: ways.stream,
        frames: Vec::new(),
        beginning: Beginning::default(),
        tail: Tail::default(),
        out: BytesMut::new(),
        turn: 0,
        usage: None,
        reported_at_least: None,
        usage_wanted: ways.usage_wanted,
        content: false,
        shown: false,
        screening: trip.screening.take(),
        passed: Vec::new(),
        finished: 0,
        choices: quoted.n.max(1),
        done: false,
        first_report: None,
        reported: false,
    };
    let mut watch = Watch {
        times,
        idle: live.settings.deadlines.idle,
        streams: live.settings.streams,
        unwatched_since: None,
        last: Instant::now(),
        timer: Box::pin(sleep_until(times.first_by)),
    };
    let mut cut_short = std::pin::pin!(token.cancelled());
    let watched = std::sync::Arc::clone(outlet.live());
    let mut body = answer.body;
    let mut delivered = false;
    let mut last_piece: Option<Instant> = None;
    let mut fault = loop {
        let began = Instant::now();
        let piece = company
            .keep(outlet, true, || trip.notes(), watch.next(&watched, &mut body, cut_short.as_mut(), reading.content))
            .await;
        trip.waited += began.elapsed();
        watch.unwatched_since = outlet.unwatched_since();
        let ended = match piece {
            Ok(Some(chunk)) => {
                reading.take(&chunk, outlet).and_then(|()| reading.take_what_is_there(&mut body, outlet))
            }
            Ok(None) => Ok(Ended::Yes),
            Err(fault) => Err(fault),
        };
        if !reading.out.is_empty() {
            if reading.shown {
                note_content(gateway, trip, &mut last_piece);
            }
            delivered = true;
            send(trip, outlet, reading.out.split().freeze());
            trip.log.checkpoint(outlet.events());
        }
        if let Some(usage) = reading.first_report.take() {
            settle::true_up(gateway, trip, quoted, &usage).await;
        }
        match ended {
            Ok(Ended::Yes) => break reading.incomplete(),
            Ok(Ended::No) if reading.done => break reading.incomplete(),
            Ok(Ended::No) if reading.turn >= TURN_BYTES => {
                reading.turn = 0;
                tokio::task::yield_now().await;
            }
            Ok(Ended::No) => {}
            Err(fault) => break Some(fault),
        }
    };
    if reading.done {
        gateway.read_to_the_end(body);
    }
    let is_complete = fault.is_none();
    if is_complete {
        fault = reading.end().err();
    }
    trip.screening = reading.screening;
    let finish = Finish {
        usage: reading.usage.filter(|_| is_complete),
        usage_at_least: reading.reported_at_least,
        output_at_least: reading.meter.output_at_least(),
        fault,
        delivered,
        whole: None,
    };
    let mut tail = reading.tail;
    if let Passage::Crossing(crossing) = reading.passage {
        tail.crossing = Some(crossing);
    }
    (finish, tail)
}

fn note_content(gateway: &Gateway, trip: &mut Trip, last_piece: &mut Option<Instant>) {
    let now = Instant::now();
    match last_piece.replace(now) {
        None => {
            trip.first_token = Some(trip.arrived.elapsed());
            trip.step(What::FirstToken);
        }
        Some(before) => gateway.metrics.inter_token.observe(now.duration_since(before).as_secs_f64()),
    }
}

/// Sends events; the first ones together with the head.
fn send(trip: &Trip, outlet: &mut Outlet, bytes: Bytes) {
    if outlet.is_open() {
        outlet.publish(bytes);
    } else {
        outlet.open(trip.notes(), bytes);
    }
}

/// Ends a stream that is whole and settled: what it cost, then the final event.
///
/// # Errors
/// When its last words must not be said.
pub(crate) async fn finish_stream(
    gateway: &Gateway,
    request: &Request,
    trip: &mut Trip,
    outlet: &mut Outlet,
    tail: Tail,
) -> Result<(), Problem> {
    let cost = trip.cost();
    let mut out = BytesMut::new();
    let (mut events, last) = tail.events(cost);
    let screened = screened(trip, last, &mut events);
    screen_output::tell(trip);
    let mut told = format!("x-haltline-cost: {}, x-haltline-attempts: {}", cost.to_decimal(), trip.attempts_made());
    if let Some(verdict) = screen_output::remark(trip) {
        told.push_str(", x-haltline-guard: ");
        told.push_str(verdict);
    }
    outlet.remark(&mut out, &told);
    if let Some(text) = screen_output::for_people(trip.guard.output)
        && let Some(news) =
            news_frame(&request.asked, &json!({"state": "guarded", "verdict": trip.guard.output.told(), "text": text}))
    {
        outlet.event(&mut out, news.event, &news.data);
    }
    if let Err(fault) = screened {
        for event in &events {
            outlet.event(&mut out, event.name(), &event.data);
        }
        if !events.is_empty() {
            send(trip, outlet, out.freeze());
        }
        return Err(match screen_output::is_forbidden(&fault) {
            true => screen_output::close(gateway, request, trip, outlet).await,
            false => Problem::from_fault(&fault, trip.attempts_made(), trip.spent),
        });
    }
    let last = events.last().map(|event| event.data.clone());
    if let Some(keeping) = trip.keeping.take()
        && let Some(response) = last.as_deref().and_then(StoredResponse::of_event)
    {
        let id = response.id().to_owned();
        gateway.keep(keeping, &response.clone(), response.under_id(&id)).await;
    }
    for event in &events {
        outlet.event(&mut out, event.name(), &event.data);
    }
    sessions::answered(gateway, trip, outlet, None, Outcome::Answered);
    outlet.close(&mut out);
    send(trip, outlet, out.freeze());
    outlet.complete();
    Ok(())
}

/// Looks at the very last events, which are made once the cost is known.
fn screened(trip: &mut Trip, last: Vec<Passing>, events: &mut Vec<Passing>) -> Result<(), Fault> {
    let Some(screening) = &mut trip.screening else {
        events.extend(last);
        return Ok(());
    };
    let mut passed = Vec::new();
    let mut cut = false;
    for passing in last {
        let looked = screening.take(passing.event.as_ref(), &passing.data, &mut passed);
        cut |= looked.map_err(|error| screen_output::malformed(&error))?.cut;
    }
    events.extend(passed.into_iter().map(Passing::from));
    if cut { Err(screen_output::forbidden()) } else { Ok(()) }
}

fn is_event_stream(answer: &Answer) -> bool {
    answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_none_or(|kind| {
        let essence = kind.split(';').next().unwrap_or_default().trim();
        essence.is_empty() || essence.eq_ignore_ascii_case("text/event-stream")
    })
}

/// A stream was asked for and something else came: an error in a success's clothes, or nonsense.
async fn unexpected(answer: Answer, passage: &WholePassage, times: Times) -> Fault {
    const ERROR_BYTES_MAX: usize = 64 * 1024;
    match tokio::time::timeout_at(times.first_by, collect(answer.body, ERROR_BYTES_MAX)).await {
        Ok(Ok(body)) => read_whole(passage, body)
            .err()
            .unwrap_or_else(|| malformed("a whole answer where a stream was asked for".to_owned())),
        Ok(Err(fault)) => fault,
        Err(_) => Fault::new(FaultKind::FirstTokenTimeout, Origin::Provider, "no answer in time"),
    }
}
