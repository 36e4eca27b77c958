//! The way back to the client: a head once, then pieces. The line writes; the HTTP connection
//! only reads, and may vanish at any time without anything depending on it.

use crate::cache::Recording;
use crate::problem::Problem;
use crate::voice::Voice;
use bytes::{Bytes, BytesMut};
use haltline_policy::limits::LimitStanding;
use haltline_types::{ModelName, Name, NanoUsd, RequestId, Tokens};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Batches that may wait for a slow client, each of at most `BATCH_BYTES`: what bounds the memory
/// of a stream.
const PIECES: usize = 4;

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
    /// What the response cache gave, where it had to do with the request.
    pub cache: Option<CacheNote>,
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
            cache: None,
        }
    }
}

/// A piece of a stream.
#[derive(Debug)]
pub enum Piece {
    /// Whole events, as they go out.
    Bytes(Bytes),
    /// The stream ends here, and is whole. Pieces that end without this are not.
    Complete,
    /// The stream ends here, incomplete.
    Problem {
        /// Why.
        problem: Box<Problem>,
        /// The `id:` of the error's event.
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
        /// The pieces; the last one is `Complete` or `Problem`.
        pieces: mpsc::Receiver<Piece>,
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

/// The line's end of the way back.
#[derive(Debug)]
pub(crate) struct Outlet {
    head: Option<oneshot::Sender<Delivery>>,
    pieces: Option<mpsc::Sender<Piece>>,
    client: Client,
    next_event: u64,
    voice: Voice,
    recording: Option<Recording>,
}

impl Outlet {
    pub(crate) fn new(voice: Voice) -> (Self, oneshot::Receiver<Delivery>) {
        let (head, receiver) = oneshot::channel();
        (Self { head: Some(head), pieces: None, client: Client::Here, next_event: 1, voice, recording: None }, receiver)
    }

    /// From now on what is sent is written down.
    pub(crate) fn record(&mut self, recording: Recording) {
        self.recording = Some(recording);
    }

    /// What was written down.
    pub(crate) fn recorded(&mut self) -> Option<Recording> {
        self.recording.take()
    }

    /// Is the head out? Then nothing can be an HTTP status any more.
    pub(crate) fn is_open(&self) -> bool {
        self.head.is_none()
    }

    pub(crate) fn client(&self) -> Client {
        self.client
    }

    /// Appends an event to what goes out next; numbers have no gaps.
    pub(crate) fn event(&mut self, out: &mut BytesMut, event: Option<&str>, data: &[u8]) {
        let id = self.take_event_id();
        if let Some(recording) = &mut self.recording {
            recording.event(event, data);
        }
        self.voice.event(out, id, event, data);
    }

    /// Appends a remark for people who watch the bytes.
    pub(crate) fn remark(&self, out: &mut BytesMut, text: &str) {
        self.voice.remark(out, text);
    }

    /// Appends what closes the stream.
    pub(crate) fn close(&self, out: &mut BytesMut) {
        self.voice.close(out, self.has_begun());
    }

    /// A sign of life: in the head of a stream that has nothing else yet, or between its events.
    pub(crate) fn heartbeat(&self) -> Bytes {
        let mut out = BytesMut::new();
        self.voice.heartbeat(&mut out, self.has_begun());
        out.freeze()
    }

    /// Has the client any event?
    pub(crate) fn has_begun(&self) -> bool {
        self.next_event > 1
    }

    /// Can an answer still begin anew? A page takes the parts of another one into the message that it
    /// was shown the beginning of.
    pub(crate) fn can_begin_anew(&self) -> bool {
        !self.has_begun() || self.voice == Voice::DataOnly
    }

    fn take_event_id(&mut self) -> u64 {
        let id = self.next_event;
        self.next_event += 1;
        id
    }

    /// Sends a stream's head together with its first piece, so that both go out in one write.
    pub(crate) fn open(&mut self, notes: Notes, first: Bytes) {
        let Some(head) = self.head.take() else { return };
        let (sender, pieces) = mpsc::channel(PIECES);
        // An empty channel that nobody else knows has room.
        if sender.try_send(Piece::Bytes(first)).is_err()
            || head.send(Delivery::Stream { notes: Box::new(notes), pieces }).is_err()
        {
            self.client = Client::Gone;
            return;
        }
        self.pieces = Some(sender);
    }

    /// Sends bytes, waiting at most `patience` for a slow client; one that takes longer is gone.
    pub(crate) async fn send(&mut self, bytes: Bytes, patience: Duration) {
        let Some(sender) = self.sender() else { return };
        let rest = match sender.try_send(Piece::Bytes(bytes)) {
            Ok(()) => return,
            Err(mpsc::error::TrySendError::Full(piece)) => piece,
            Err(mpsc::error::TrySendError::Closed(_)) => {
                self.leave();
                return;
            }
        };
        if sender.send_timeout(rest, patience).await.is_err() {
            self.leave();
        }
    }

    /// Says that the stream is whole.
    pub(crate) async fn complete(&mut self, patience: Duration) {
        if let Some(sender) = self.sender()
            && sender.send_timeout(Piece::Complete, patience).await.is_err()
        {
            self.leave();
        }
    }

    /// Sends bytes if the client takes them at once; heartbeats are not worth waiting for.
    pub(crate) fn offer(&mut self, bytes: Bytes) {
        if let Some(sender) = self.sender()
            && let Err(mpsc::error::TrySendError::Closed(_)) = sender.try_send(Piece::Bytes(bytes))
        {
            self.leave();
        }
    }

    /// Answers in one go.
    pub(crate) fn whole(&mut self, notes: Notes, body: Bytes) {
        if let Some(recording) = &mut self.recording {
            recording.whole(&body);
        }
        self.answer(Delivery::Whole { notes: Box::new(notes), body });
    }

    /// Ends with a problem: as an HTTP answer while that is possible, else as the stream's last event.
    pub(crate) async fn problem(&mut self, notes: Notes, problem: Problem, patience: Duration) {
        if self.head.is_some() {
            self.answer(Delivery::Problem { notes: Box::new(notes), problem: Box::new(problem) });
            return;
        }
        let event_id = self.take_event_id();
        if let Some(sender) = self.sender() {
            let piece = Piece::Problem { problem: Box::new(problem), event_id };
            if sender.send_timeout(piece, patience).await.is_err() {
                self.leave();
            }
        }
    }

    fn answer(&mut self, delivery: Delivery) {
        if let Some(head) = self.head.take()
            && head.send(delivery).is_err()
        {
            self.client = Client::Gone;
        }
    }

    fn sender(&self) -> Option<&mpsc::Sender<Piece>> {
        self.pieces.as_ref()
    }

    /// Gives the client up.
    pub(crate) fn leave(&mut self) {
        self.client = Client::Gone;
        self.pieces = None;
    }
}
