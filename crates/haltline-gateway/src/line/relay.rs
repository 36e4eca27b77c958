//! Relay: the provider's bytes to the client, metered while they run. What is already there goes
//! out in one write, and nothing waits for more.

use crate::deliver::{Client, Outlet};
use crate::gateway::{Gateway, Live};
use crate::line::call::{Times, cut};
use crate::line::company::Company;
use crate::line::quote::Quoted;
use crate::line::settle;
use crate::line::trip::Trip;
use crate::settings::OnDisconnect;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use haltline_policy::meter::{Meter, MeterVerdict};
use haltline_policy::quote::BYTES_PER_TOKEN_MAX;
use haltline_ports::{Answer, AnswerBody};
use haltline_types::{Fault, FaultKind, NanoUsd, Origin, Tokens, Usage};
use haltline_wire::canon::Frame;
use haltline_wire::chunk::Delta;
use haltline_wire::fault::classify_inside;
use haltline_wire::openai::responses::StoredResponse;
use haltline_wire::passage::{Crossing, End, Passage, Taken, WholePassage};
use haltline_wire::sse::{Event, Splitter};
use http::header::CONTENT_TYPE;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

/// The most that goes out in one write.
const BATCH_BYTES: usize = 64 * 1024;

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
            Finish {
                usage: delta.usage,
                usage_at_least: delta.usage,
                output_at_least: output_at_least(&delta),
                fault: None,
                delivered: false,
                whole: Some(body),
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
        finished: 0,
        choices: quoted.n.max(1),
        done: false,
        first_report: None,
        reported: false,
    };
    let mut watch = Watch {
        times,
        idle: live.settings.deadlines.idle,
        on_disconnect: live.settings.streams.on_disconnect,
        client_left_at: None,
        last: Instant::now(),
        timer: Box::pin(sleep_until(times.first_by)),
    };
    let mut cut_short = std::pin::pin!(token.cancelled());
    let mut body = answer.body;
    let mut delivered = false;
    let mut last_piece: Option<Instant> = None;
    let fault = loop {
        let began = Instant::now();
        let piece = company
            .keep(outlet, true, || trip.notes(), watch.next(&token, &mut body, cut_short.as_mut(), reading.content))
            .await;
        trip.waited += began.elapsed();
        watch.note_client(outlet.client());
        let ended = match piece {
            Ok(Some(chunk)) => {
                reading.take(&chunk, outlet).and_then(|()| reading.take_what_is_there(&mut body, outlet))
            }
            Ok(None) => Ok(Ended::Yes),
            Err(fault) => Err(fault),
        };
        if !reading.out.is_empty() {
            if reading.content {
                note_content(gateway, trip, &mut last_piece);
            }
            delivered = true;
            send(trip, outlet, reading.out.split().freeze(), watch.patience()).await;
            watch.last = Instant::now();
            watch.note_client(outlet.client());
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
    if fault.is_none() {
        reading.end();
    }
    let finish = Finish {
        usage: reading.usage.filter(|_| fault.is_none()),
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
        None => trip.first_token = Some(trip.arrived.elapsed()),
        Some(before) => gateway.metrics.inter_token.observe(now.duration_since(before).as_secs_f64()),
    }
}

/// Sends events; the first ones together with the head.
async fn send(trip: &mut Trip, outlet: &mut Outlet, bytes: Bytes, patience: Duration) {
    if !outlet.is_open() {
        outlet.open(trip.notes(), bytes);
        return;
    }
    let began = Instant::now();
    let token = trip.cut.clone();
    let sent = tokio::select! {
        biased;
        () = outlet.send(bytes, patience) => true,
        () = token.cancelled() => false,
    };
    if !sent {
        // Bytes are lost: no later event may follow them.
        outlet.leave();
    }
    trip.waited += began.elapsed();
}

/// Ends a stream that is whole and settled: what it cost, then the final event.
pub(crate) async fn finish_stream(
    gateway: &Gateway,
    trip: &mut Trip,
    outlet: &mut Outlet,
    tail: Tail,
    patience: Duration,
) {
    let cost = trip.cost();
    let mut out = BytesMut::new();
    let told = format!("x-haltline-cost: {}, x-haltline-attempts: {}", cost.to_decimal(), trip.attempts_made());
    outlet.remark(&mut out, &told);
    let events = tail.events(cost);
    let last = events.last().map(|event| event.data.clone());
    if let Some(keeping) = trip.keeping.take()
        && let Some(response) = last.as_deref().and_then(StoredResponse::of_event)
    {
        let id = response.id().to_owned();
        gateway.keep(keeping, &response.clone(), response.under_id(&id));
    }
    for event in &events {
        outlet.event(&mut out, event.name(), &event.data);
    }
    outlet.close(&mut out);
    send(trip, outlet, out.freeze(), patience).await;
    outlet.complete(patience).await;
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    Yes,
    No,
}

/// What was read of a stream so far.
struct Reading {
    splitter: Splitter,
    meter: Meter,
    passage: Passage,
    /// What the event in hand came to, in a crossing.
    frames: Vec<Frame>,
    beginning: Beginning,
    tail: Tail,
    out: BytesMut,
    /// Bytes that were read in this turn.
    turn: usize,
    usage: Option<Usage>,
    reported_at_least: Option<Usage>,
    usage_wanted: bool,
    /// Has content come? Before that the attempt can be repeated.
    content: bool,
    /// Choices that have said why they ended, of so many that were asked for.
    finished: u32,
    choices: u32,
    done: bool,
    /// A report that came before the end: input that is known early.
    first_report: Option<Usage>,
    reported: bool,
}

impl Reading {
    /// Takes further chunks as long as they are there without waiting.
    fn take_what_is_there(&mut self, body: &mut AnswerBody, outlet: &mut Outlet) -> Result<Ended, Fault> {
        while self.out.len() < BATCH_BYTES && self.turn < TURN_BYTES && !self.done {
            match poll_now(body) {
                Poll::Ready(Some(Ok(chunk))) => self.take(&chunk, outlet)?,
                Poll::Ready(Some(Err(fault))) => return Err(fault),
                Poll::Ready(None) => return Ok(Ended::Yes),
                Poll::Pending => break,
            }
        }
        Ok(Ended::No)
    }

    fn take(&mut self, chunk: &Bytes, outlet: &mut Outlet) -> Result<(), Fault> {
        self.turn = self.turn.saturating_add(chunk.len());
        self.splitter.push(chunk);
        while let Some(event) = self.splitter.next_event() {
            let event = event.map_err(|error| malformed(error.to_string()))?;
            if event.comment || self.done {
                continue;
            }
            self.inspect(&event, outlet)?;
        }
        Ok(())
    }

    fn inspect(&mut self, event: &Event, outlet: &mut Outlet) -> Result<(), Fault> {
        // A keep-alive of servers that know no comments. OpenAI's SDKs fail on empty data.
        if event.data.trim_ascii().is_empty() && !event.is_named("error") {
            return Ok(());
        }
        let taken = match &mut self.passage {
            // What is looked at skips text that metering does not need; the client gets all of it.
            Passage::Same { .. } if std::str::from_utf8(&event.data).is_err() => {
                return Err(malformed("a stream's data is not UTF-8".to_owned()));
            }
            Passage::Same { inspector, .. } => inspector.inspect(event).map(Taken::from),
            Passage::Crossing(crossing) => crossing.take(event, &mut self.frames),
        };
        let Taken { delta, done, failed } = taken.map_err(|error| malformed(error.to_string()))?;
        let mut verdict = self.meter.on_delta(delta.text_bytes, delta.nonempty);
        if let Some(usage) = delta.usage {
            self.note_at_least(usage);
            verdict = self.meter.on_usage(&usage);
        }
        if let Some(seed) = failed {
            return Err(classify_inside(&seed));
        }
        if let Some(usage) = delta.usage
            && self.choices > self.finished
            && usage.input > Tokens::ZERO
            && !self.reported
        {
            self.reported = true;
            self.first_report = Some(usage);
        }
        self.done |= done;
        self.finished += delta.finished;
        // Only a report that comes with the end, or after it, is the last word: one that is made
        // before misses what is billed until then.
        if delta.nonempty || delta.usage_unreadable {
            self.usage = None;
        }
        if self.is_finished() && !delta.usage_unreadable {
            self.usage = delta.usage.or(self.usage);
        }
        self.content |= delta.nonempty || delta.finish.is_some();
        self.pass(event, &delta, done, outlet);
        if self.tail.bytes > TAIL_BYTES_MAX {
            return Err(malformed(format!("more than {TAIL_BYTES_MAX} bytes after the end of the answer")));
        }
        let goes_on = delta.nonempty && delta.finish.is_none();
        if verdict == MeterVerdict::ReachedCeiling && (goes_on || !self.is_finished()) {
            return Err(Fault::new(
                FaultKind::CeilingReached,
                Origin::Provider,
                "more output than the cap that was sent",
            ));
        }
        Ok(())
    }

    /// What the client gets for an event, now or later.
    fn pass(&mut self, event: &Event, delta: &Delta, done: bool, outlet: &mut Outlet) {
        let finished = self.is_finished();
        let end = match &self.passage {
            Passage::Same { end, .. } => *end,
            Passage::Crossing(_) => {
                for frame in self.frames.drain(..) {
                    let passing = Passing::from(frame);
                    if finished {
                        self.tail.keep(passing);
                    } else if self.content {
                        self.beginning.flush(&mut self.out, outlet);
                        outlet.event(&mut self.out, passing.name(), &passing.data);
                    } else {
                        self.beginning.keep(passing, &mut self.out, outlet);
                    }
                }
                return;
            }
        };
        let passing = || Passing { event: event.event.clone(), data: event.data.clone() };
        if delta.only_usage && !self.usage_wanted {
            return;
        }
        if done || (end == End::Finish && finished) {
            self.tail.keep(passing());
        } else if self.content {
            self.beginning.flush(&mut self.out, outlet);
            let name = event.event.as_deref().and_then(|name| std::str::from_utf8(name).ok());
            outlet.event(&mut self.out, name, &event.data);
        } else {
            self.beginning.keep(passing(), &mut self.out, outlet);
        }
    }

    /// The answer is complete: its last events wait for the settlement.
    fn end(&mut self) {
        match &mut self.passage {
            Passage::Same { end: End::Event, final_event, .. } => {
                if self.tail.events.is_empty() {
                    self.tail.events.extend(final_event.take().map(Passing::from));
                }
            }
            Passage::Same { .. } => {}
            Passage::Crossing(_) => {}
        }
        // Without any content before the end, the beginning is still here.
        self.tail.events.splice(..0, self.beginning.events.drain(..));
    }

    /// Keeps the report with the larger input; the meter keeps the largest output.
    fn note_at_least(&mut self, usage: Usage) {
        if self.reported_at_least.is_none_or(|known| usage.input >= known.input) {
            self.reported_at_least = Some(usage);
        }
    }

    /// Has every choice ended?
    fn is_finished(&self) -> bool {
        self.finished >= self.choices
    }

    /// The bytes have ended: is the answer whole?
    fn incomplete(&self) -> Option<Fault> {
        if (self.done && (self.content || self.finished > 0))
            || (self.is_finished() && !self.splitter.is_inside_event())
        {
            return None;
        }
        Some(Fault::new(FaultKind::Truncated, Origin::Provider, "the stream ended before it was finished"))
    }
}

/// An event on its way to the client.
pub(crate) struct Passing {
    event: Option<Bytes>,
    data: Bytes,
}

impl Passing {
    fn name(&self) -> Option<&str> {
        self.event.as_deref().and_then(|name| std::str::from_utf8(name).ok())
    }
}

impl Passing {
    /// About what it takes in memory.
    fn size(&self) -> usize {
        self.data.len().saturating_add(64)
    }
}

impl From<Frame> for Passing {
    fn from(frame: Frame) -> Self {
        Self { event: frame.event.map(|name| Bytes::from_static(name.as_bytes())), data: frame.data }
    }
}

/// The last events of a stream: they go out once the attempt is settled.
#[derive(Default)]
pub(crate) struct Tail {
    events: Vec<Passing>,
    bytes: usize,
    /// Writes the very last ones, which may tell the cost.
    crossing: Option<Crossing>,
}

impl Tail {
    fn keep(&mut self, event: Passing) {
        self.bytes = self.bytes.saturating_add(event.size());
        self.events.push(event);
    }

    /// All of them, for an answer that cost so much.
    pub(crate) fn events(self, cost: NanoUsd) -> Vec<Passing> {
        let mut events = self.events;
        if let Some(mut crossing) = self.crossing {
            let mut frames = Vec::new();
            crossing.finish(cost, &mut frames);
            events.extend(frames.into_iter().map(Passing::from));
        }
        events
    }
}

/// What came before any content. It goes out with the first content: an attempt that fails before
/// that leaves no trace, and the next one can begin the answer anew.
#[derive(Default)]
struct Beginning {
    events: Vec<Passing>,
    bytes: usize,
}

impl Beginning {
    /// The most that is kept back.
    const BYTES_MAX: usize = 64 * 1024;

    fn keep(&mut self, event: Passing, out: &mut BytesMut, outlet: &mut Outlet) {
        self.bytes += event.size();
        self.events.push(event);
        if self.bytes > Self::BYTES_MAX {
            self.flush(out, outlet);
        }
    }

    fn flush(&mut self, out: &mut BytesMut, outlet: &mut Outlet) {
        self.bytes = 0;
        for event in self.events.drain(..) {
            outlet.event(out, event.name(), &event.data);
        }
    }
}

/// Watches over time and the client.
struct Watch {
    times: Times,
    idle: Duration,
    on_disconnect: OnDisconnect,
    client_left_at: Option<Instant>,
    /// When the last chunk came.
    last: Instant,
    timer: Pin<Box<Sleep>>,
}

impl Watch {
    /// The next chunk, or why there is none. Deadlines come first: a body that is never slow must
    /// not outrun them.
    async fn next(
        &mut self,
        token: &CancellationToken,
        body: &mut AnswerBody,
        mut cut_short: Pin<&mut WaitForCancellationFuture<'_>>,
        content: bool,
    ) -> Result<Option<Bytes>, Fault> {
        let (by, kind, what) = self.deadline(content);
        if token.is_cancelled() {
            return Err(cut());
        }
        let now = Instant::now();
        // The line itself may have been busy: what came meanwhile did not stand still.
        if (now < by || kind == FaultKind::IdleTimeout)
            && let Poll::Ready(next) = poll_now(body)
        {
            self.last = now;
            return next.transpose();
        }
        if now >= by {
            return Err(Fault::new(kind, Origin::Provider, what));
        }
        // The timer may be armed for an earlier instant than the deadline, which moves with every
        // chunk; it is armed again only when it has rung.
        if by < self.timer.deadline() {
            self.timer.as_mut().reset(by);
        }
        loop {
            tokio::select! {
                biased;
                () = cut_short.as_mut() => return Err(cut()),
                next = body.next() => {
                    self.last = Instant::now();
                    return next.transpose();
                }
                () = self.timer.as_mut() => {
                    if Instant::now() >= by {
                        return Err(Fault::new(kind, Origin::Provider, what));
                    }
                    self.timer.as_mut().reset(by);
                }
            }
        }
    }

    /// How long a client may take for a batch: it is not the provider's fault, but it ends with the
    /// request.
    fn patience(&self) -> Duration {
        self.idle.min(self.times.total_by.saturating_duration_since(Instant::now()))
    }

    fn deadline(&self, content: bool) -> (Instant, FaultKind, &'static str) {
        let waiting = if content {
            (self.last + self.idle, FaultKind::IdleTimeout, "the stream stood still")
        } else {
            (self.times.first_by, FaultKind::FirstTokenTimeout, "no content in time")
        };
        let mut nearest = waiting;
        if self.times.total_by < nearest.0 {
            nearest = (self.times.total_by, FaultKind::TotalTimeout, "the stream did not end in time");
        }
        if let (OnDisconnect::Cancel { grace }, Some(left)) = (self.on_disconnect, self.client_left_at)
            && left + grace < nearest.0
        {
            nearest = (left + grace, FaultKind::Cancelled, "the client left");
        }
        nearest
    }

    fn note_client(&mut self, client: Client) {
        if client == Client::Gone {
            self.client_left_at.get_or_insert_with(Instant::now);
        }
    }
}

fn poll_now(body: &mut AnswerBody) -> Poll<Option<Result<Bytes, Fault>>> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    body.poll_next_unpin(&mut context)
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
