//! The way back to the client: a head once, then a stream that the line writes and connections only
//! watch. Every event is in the store before a watcher gets it; a connection may vanish at any time
//! without anything depending on it.

use crate::cache::Recording;
use crate::incoming::Surface;
use crate::problem::Problem;
use crate::streams::{Again, Ending, Head, Live, Opened, Watcher};
use crate::voice::Voice;
use bytes::{Bytes, BytesMut};
use haltline_policy::limits::LimitStanding;
use haltline_ports::{Batch, Clock, EVENT_BYTES_MAX, HEAD_BYTES_MAX, Owner, StreamBegin, Streams};
use haltline_types::{Code, ModelName, Name, NanoUsd, RequestId, Tokens};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// A cheaper model was asked because a budget was short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Degraded {
    /// What the client asked for.
    pub from: Name,
    /// What was asked instead.
    pub to: Name,
}

/// What the response cache gave a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheResult {
    /// An answer.
    Hit,
    /// Nothing.
    Miss,
    /// It was not asked, or may not answer such a request.
    Bypass,
    /// An old answer, because a new one could not be had.
    Stale,
}

impl CacheResult {
    /// The word for headers and metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Bypass => "bypass",
            Self::Stale => "stale",
        }
    }
}

/// What is told of the response cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheNote {
    /// What it gave.
    pub result: CacheResult,
    /// How old that is.
    pub age: Option<Duration>,
}

/// Facts about a request, told in headers.
#[derive(Clone, Debug)]
pub struct Notes {
    /// Its id.
    pub request_id: RequestId,
    /// Its trace.
    pub trace_id: String,
    /// Attempts so far.
    pub attempts: u8,
    /// What answered.
    pub endpoint: Option<ModelName>,
    /// What was charged, when that is known.
    pub cost: Option<NanoUsd>,
    /// The output cap, when it was lowered to fit.
    pub cap_lowered_to: Option<Tokens>,
    /// What the client asked for and the provider that answers cannot be told.
    pub dropped: Vec<String>,
    /// Whether a cheaper model was asked.
    pub degraded: Option<Degraded>,
    /// Time spent in the gateway itself, when that is known.
    pub overhead: Option<Duration>,
    /// How the rate limit stands that is nearest to its end.
    pub rate_limit: Option<LimitStanding>,
    /// Was it given before, or is it being given to another client too?
    pub replayed: bool,
    /// What the response cache gave, where it had to do with the request.
    pub cache: Option<CacheNote>,
    /// What guards made of it, as far as the client may know; none where none looked.
    pub guard: Option<&'static str>,
}

impl Notes {
    /// Notes of a request of which nothing is known but its id and trace.
    #[must_use]
    pub fn new(request_id: RequestId, trace_id: String) -> Self {
        Self {
            request_id,
            trace_id,
            attempts: 0,
            endpoint: None,
            cost: None,
            cap_lowered_to: None,
            dropped: Vec::new(),
            degraded: None,
            overhead: None,
            rate_limit: None,
            replayed: false,
            cache: None,
            guard: None,
        }
    }
}

/// A piece of a stream.
#[derive(Debug)]
pub enum Piece {
    /// Whole events, as they go out.
    Events(Batch),
    /// Nothing new, but it goes on. `begun`: has the watcher any event?
    Sign {
        /// Has the watcher any event?
        begun: bool,
    },
    /// The stream ends here, and is whole. Pieces that end without this are not.
    Complete,
    /// The connection ends here, and the stream does not: the next process goes on with it.
    Torn,
    /// The stream ends here, incomplete.
    Problem {
        /// Why.
        problem: Box<Problem>,
        /// The `id:` of the error's event; 0 when it is not known.
        event_id: u64,
    },
}

/// An answer.
#[derive(Debug)]
pub enum Delivery {
    /// All at once.
    Whole {
        /// Facts for the head.
        notes: Box<Notes>,
        /// The provider's bytes.
        body: Bytes,
    },
    /// Piece by piece.
    Stream {
        /// Facts for the head.
        notes: Box<Notes>,
        /// Gives the pieces; the last one is `Complete` or `Problem`.
        watcher: Watcher,
    },
    /// Not at all.
    Problem {
        /// Facts for the head.
        notes: Box<Notes>,
        /// Why.
        problem: Box<Problem>,
    },
}

/// Has the client gone?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    Here,
    Gone,
}

/// What is known of a stream before it begins.
#[derive(Clone, Debug)]
pub(crate) struct Beginning {
    /// Is it kept at all?
    pub(crate) is_kept: bool,
    pub(crate) owner: Owner,
    pub(crate) session: Option<Name>,
    pub(crate) once: Option<[u8; 16]>,
    /// A keyed hash of the request, where it has an idempotency key.
    pub(crate) fingerprint: Option<String>,
    /// Must an answer in one piece survive from before it is settled? A job's must: else a crash
    /// could have it paid twice.
    pub(crate) is_job: bool,
    /// What is needed to go on with the answer after a restart.
    pub(crate) again: Option<(Again, Bytes)>,
}

/// What the store has of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    /// Nothing yet.
    NotBegun,
    /// All of it.
    All,
    /// Its beginning, until the store failed.
    Part,
    /// Nothing: the store failed, or was never told.
    Nothing,
}

/// The line's end of the way back.
pub(crate) struct Outlet {
    head: Option<oneshot::Sender<Delivery>>,
    live: Arc<Live>,
    streams: Arc<dyn Streams>,
    clock: Arc<dyn Clock>,
    voice: Voice,
    next_event: u64,
    /// Where the events end that were written and not yet published.
    ends: Vec<u32>,
    beginning: Option<Beginning>,
    kept: Kept,
    client: Client,
    is_left: bool,
    /// Has an event been looked at for the id of a response?
    is_named: bool,
    /// Since when the client is gone that waited for an answer in one piece.
    gone_since: Option<Instant>,
    recording: Option<Recording>,
}

impl Outlet {
    pub(crate) fn new(
        live: Arc<Live>,
        streams: Arc<dyn Streams>,
        clock: Arc<dyn Clock>,
    ) -> (Self, oneshot::Receiver<Delivery>) {
        let (head, receiver) = oneshot::channel();
        let outlet = Self {
            head: Some(head),
            voice: live.surface.voice(),
            next_event: live.last().saturating_add(1),
            live,
            streams,
            clock,
            ends: Vec::new(),
            beginning: None,
            kept: Kept::NotBegun,
            client: Client::Here,
            is_left: false,
            is_named: false,
            gone_since: None,
            recording: None,
        };
        (outlet, receiver)
    }

    /// The end of a stream that a process before has begun: its head is out, and the store has it.
    pub(crate) fn going_on(live: Arc<Live>, streams: Arc<dyn Streams>, clock: Arc<dyn Clock>) -> Self {
        let (outlet, _) = Self::new(live, streams, clock);
        Self { head: None, kept: Kept::All, ..outlet }
    }

    /// Says whose the stream will be.
    pub(crate) fn prepare(&mut self, beginning: Beginning) {
        self.beginning = Some(beginning);
    }

    pub(crate) fn live(&self) -> &Arc<Live> {
        &self.live
    }

    /// The hash of the request's idempotency key.
    pub(crate) fn once(&self) -> Option<[u8; 16]> {
        self.beginning.as_ref().and_then(|beginning| beginning.once)
    }

    /// Is everything in the store that a client may have seen?
    pub(crate) fn is_kept(&self) -> bool {
        self.kept == Kept::All
    }

    /// From now on what is sent is written down.
    pub(crate) fn record(&mut self, recording: Recording) {
        self.recording = Some(recording);
    }

    /// What was written down.
    pub(crate) fn recorded(&mut self) -> Option<Recording> {
        self.recording.take()
    }

    /// Can an answer still begin anew? A page takes the parts of another one into the message that it
    /// was shown the beginning of.
    pub(crate) fn can_begin_anew(&self) -> bool {
        !self.has_begun() || self.voice == Voice::DataOnly
    }

    /// May the next process go on with it?
    pub(crate) fn can_be_left(&self) -> bool {
        let has_request = self.beginning.as_ref().is_none_or(|beginning| beginning.again.is_some());
        self.is_open() && self.is_kept() && self.has_begun() && has_request
    }

    /// Leaves the stream to the next process: it is not ended.
    pub(crate) fn leave_it(&mut self) {
        self.is_left = true;
    }

    pub(crate) fn is_left(&self) -> bool {
        self.is_left
    }

    /// Is the head out? Then nothing can be an HTTP status any more.
    pub(crate) fn is_open(&self) -> bool {
        self.head.is_none()
    }

    /// Is anybody there: a client that waits for the head, or a watcher?
    pub(crate) fn client(&self) -> Client {
        if self.client == Client::Gone || self.live.is_watched() {
            return if self.live.is_watched() { Client::Here } else { self.client };
        }
        match &self.head {
            Some(head) if !head.is_closed() => Client::Here,
            _ => Client::Gone,
        }
    }

    /// Since when nobody is there.
    pub(crate) fn unwatched_since(&mut self) -> Option<Instant> {
        if self.client() == Client::Here {
            self.gone_since = None;
            return None;
        }
        let known = self.live.unwatched_since();
        Some(*self.gone_since.get_or_insert_with(|| known.unwrap_or_else(Instant::now)))
    }

    /// Events so far.
    pub(crate) fn events(&self) -> u64 {
        self.next_event.saturating_sub(1)
    }

    /// Appends an event to what goes out next; numbers have no gaps.
    pub(crate) fn event(&mut self, out: &mut BytesMut, event: Option<&str>, data: &[u8]) {
        let id = self.next_event;
        self.next_event += 1;
        if let Some(recording) = &mut self.recording {
            recording.event(event, data);
        }
        self.voice.event(out, id, event, data);
        self.mark(out);
    }

    /// Appends a remark for people who watch the bytes; it belongs to the event after it.
    pub(crate) fn remark(&self, out: &mut BytesMut, text: &str) {
        self.voice.remark(out, text);
    }

    /// Appends what closes the stream; it belongs to the event before it.
    pub(crate) fn close(&mut self, out: &mut BytesMut) {
        let before = out.len();
        self.voice.close(out, self.has_begun());
        if out.len() == before {
            return;
        }
        if self.ends.pop().is_none() {
            self.next_event += 1;
        }
        self.mark(out);
    }

    fn mark(&mut self, out: &BytesMut) {
        self.ends.push(u32::try_from(out.len()).unwrap_or(u32::MAX));
    }

    /// Has the client any event?
    pub(crate) fn has_begun(&self) -> bool {
        self.next_event > 1
    }

    /// A sign of life for whoever watches.
    pub(crate) fn sign(&self) {
        self.live.sign();
    }

    /// Sends a stream's head together with its first events, so that both go out in one write.
    pub(crate) fn open(&mut self, notes: Notes, first: Bytes) {
        let Some(head) = self.head.take() else { return };
        self.begin(&notes, false);
        self.publish(first);
        let notes = Box::new(notes);
        self.live.open(Opened::Stream(notes.clone()));
        let watcher = Watcher::of_live(Arc::clone(&self.streams), Arc::clone(&self.live), 0);
        // A client that is gone drops its seat.
        drop(head.send(Delivery::Stream { notes, watcher }));
    }

    /// Makes written events durable, and shows them.
    pub(crate) fn publish(&mut self, bytes: Bytes) {
        let ends = std::mem::take(&mut self.ends);
        let Ok(count) = u64::try_from(ends.len()) else { return };
        if count == 0 {
            if !bytes.is_empty() {
                self.live.sign();
            }
            return;
        }
        self.note_response(&bytes);
        let batch = Batch { first: self.next_event.saturating_sub(count), at: self.clock.now(), ends, bytes };
        if self.kept == Kept::All
            && let Err(error) = self.streams.append(self.live.id, &batch)
        {
            self.not_kept(&error.0);
        }
        self.live.publish(batch, self.kept == Kept::All);
    }

    /// The first event of a response says the id under which its client may ask for it.
    fn note_response(&mut self, events: &[u8]) {
        if self.live.surface == Surface::Responses
            && !std::mem::replace(&mut self.is_named, true)
            && let Some(id) = response_id(events)
        {
            // It is the same whoever says it first.
            let _ = self.live.response.set(id);
        }
    }

    /// The same for a stream that a process before has begun.
    pub(crate) async fn name_response_again(&mut self) {
        if self.live.surface == Surface::Responses
            && let Ok(batches) = self.streams.read(self.live.id, 0, 1).await
            && let Some(first) = batches.first()
        {
            self.note_response(&first.bytes);
        }
    }

    /// Says that the stream is whole.
    pub(crate) fn complete(&mut self) {
        self.end(Ending::Complete);
    }

    /// Answers in one go.
    pub(crate) fn whole(&mut self, notes: Notes, body: Bytes) {
        if let Some(recording) = &mut self.recording {
            recording.whole(&body);
        }
        if self.once().is_some() {
            self.keep_whole(&notes, &body);
        }
        let notes = Box::new(notes);
        self.live.open(Opened::Whole(notes.clone(), body.clone()));
        self.live.end(Ending::Complete);
        self.answer(Delivery::Whole { notes, body });
    }

    /// Ends with a problem: as an HTTP answer while that is possible, else as the stream's last event.
    pub(crate) fn problem(&mut self, notes: Notes, problem: Problem) {
        let problem = Box::new(problem);
        if self.head.is_some() {
            let notes = Box::new(notes);
            self.live.open(Opened::Problem(notes.clone(), problem.clone()));
            self.live.end(Ending::Broken(problem.clone()));
            self.answer(Delivery::Problem { notes, problem });
            return;
        }
        self.end(Ending::Broken(problem));
    }

    /// Gives the client what another journey has.
    pub(crate) fn answer(&mut self, delivery: Delivery) {
        if let Some(head) = self.head.take()
            && head.send(delivery).is_err()
        {
            self.client = Client::Gone;
        }
    }

    fn end(&mut self, ending: Ending) {
        // A stream that is kept in part ends in the store, too: else the next start would take it for
        // one that was cut, and ask for the rest of an answer that its client has.
        let note = match self.kept {
            Kept::All => Some(ending.note()),
            Kept::Part => Some(kept_in_part().note()),
            Kept::NotBegun | Kept::Nothing => None,
        };
        if let Some(note) = note
            && let Err(error) = self.streams.end(self.live.id, self.clock.now(), &note)
        {
            self.not_kept(&error.0);
        }
        self.live.end(ending);
    }

    fn begin(&mut self, notes: &Notes, whole: bool) {
        self.kept = Kept::Nothing;
        let Some(beginning) = self.beginning.as_ref().filter(|beginning| beginning.is_kept) else { return };
        let mut head = Head {
            surface: self.live.surface,
            notes: notes.clone(),
            fingerprint: beginning.fingerprint.clone(),
            whole,
            again: beginning.again.clone(),
        };
        let mut bytes = head.to_bytes();
        if bytes.len() > HEAD_BYTES_MAX {
            head.again = None;
            bytes = head.to_bytes();
        }
        let begin = StreamBegin {
            id: self.live.id,
            owner: beginning.owner.clone(),
            session: beginning.session.clone(),
            once: beginning.once,
            started: self.clock.now(),
            head: bytes,
        };
        match self.streams.begin(&begin) {
            Ok(()) => self.kept = Kept::All,
            Err(error) => self.not_kept(&error.0),
        }
    }

    /// Keeps an answer in one piece that is not settled yet, where it must not be lost.
    pub(crate) fn keep_before_it_is_settled(&mut self, notes: &Notes, body: &Bytes) {
        if self.beginning.as_ref().is_some_and(|beginning| beginning.is_job) {
            self.keep_whole(notes, body);
        }
    }

    fn keep_whole(&mut self, notes: &Notes, body: &Bytes) {
        if self.kept != Kept::NotBegun || body.len() > EVENT_BYTES_MAX {
            return;
        }
        self.begin(notes, true);
        let Ok(end) = u32::try_from(body.len()) else { return };
        if self.kept != Kept::All || end == 0 {
            return;
        }
        let batch = Batch { first: 1, at: self.clock.now(), ends: vec![end], bytes: body.clone() };
        let kept = self.streams.append(self.live.id, &batch);
        let kept = kept.and_then(|()| self.streams.end(self.live.id, self.clock.now(), &Ending::Complete.note()));
        if let Err(error) = kept {
            self.not_kept(&error.0);
        }
    }

    /// The answer goes on all the same: money does not depend on it.
    fn not_kept(&mut self, why: &str) {
        if self.kept == Kept::All {
            self.kept = Kept::Part;
        }
        tracing::error!(stream = %self.live.id, why, "a stream cannot be kept; who loses it cannot have it again");
    }
}

/// What a stream says at its end whose later events could not be kept.
fn kept_in_part() -> Ending {
    let mut problem = Problem::new(Code::Internal, "The rest of this stream could not be kept; its client had it.");
    problem.spent = true;
    Ending::Broken(Box::new(problem))
}

/// The id of the response that these events begin.
pub(crate) fn response_id(events: &[u8]) -> Option<String> {
    const BEGIN: &[u8] = b"\"id\":\"resp_";
    let at = events.windows(BEGIN.len()).position(|window| window == BEGIN)?;
    let rest = events.get(at + BEGIN.len() - 5..)?;
    let id = rest.iter().take(256).take_while(|byte| **byte != b'"').copied().collect();
    String::from_utf8(id).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_says_its_id_in_its_first_event() {
        let event =
            b"event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_1\"}}\n\n";
        assert_eq!(response_id(event).as_deref(), Some("resp_1"));
        assert_eq!(response_id(b"data: {}"), None);
    }
}
