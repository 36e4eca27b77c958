//! A watcher: one reader of a stream, with a place of its own in it. Near the end it is fed from
//! memory, further behind from the store, so that a slow one costs nobody anything.

use crate::deliver::Piece;
use crate::problem::Problem;
use crate::streams::Ending;
use crate::streams::live::Live;
use haltline_ports::{BATCH_BYTES_MAX, Batch, BoxFuture, Streams, StreamsError, What};
use haltline_types::{Code, RequestId, Timestamp};
use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

/// A pause of the original that is longer is shortened to this when it is played with its timing.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// One reader of a stream.
pub struct Watcher {
    id: RequestId,
    streams: Arc<dyn Streams>,
    source: Source,
    /// The last event that was given.
    cursor: u64,
    queue: VecDeque<Batch>,
    reading: Option<Reading>,
    signs: u64,
    pace: Option<Pace>,
    is_over: bool,
}

type Reading = BoxFuture<'static, Result<Vec<Batch>, StreamsError>>;

enum Source {
    /// A journey that runs.
    Live { live: Arc<Live>, seat: u64 },
    /// What is kept of one that has ended.
    Kept { last: u64, ending: Ending },
}

/// Plays events at the speed at which they came.
struct Pace {
    began: Instant,
    first: Option<Timestamp>,
    timer: Pin<Box<Sleep>>,
}

impl Watcher {
    /// Of a running stream, after event `cursor`.
    pub(crate) fn of_live(streams: Arc<dyn Streams>, live: Arc<Live>, cursor: u64) -> Self {
        let seat = live.sit();
        live.step(What::WatcherCame { event: cursor.saturating_add(1) });
        Self::new(live.id, streams, Source::Live { live, seat }, cursor)
    }

    /// Of a stream that has ended, after event `cursor`.
    pub(crate) fn of_kept(streams: Arc<dyn Streams>, id: RequestId, last: u64, ending: Ending, cursor: u64) -> Self {
        Self::new(id, streams, Source::Kept { last, ending }, cursor)
    }

    fn new(id: RequestId, streams: Arc<dyn Streams>, source: Source, cursor: u64) -> Self {
        Self {
            id,
            streams,
            source,
            cursor,
            queue: VecDeque::new(),
            reading: None,
            signs: 0,
            pace: None,
            is_over: false,
        }
    }

    /// The same, as fast as the events once came.
    #[must_use]
    pub fn with_original_timing(mut self) -> Self {
        let began = Instant::now();
        self.pace = Some(Pace { began, first: None, timer: Box::pin(sleep_until(began)) });
        self
    }

    /// Its place among those who watch a running stream.
    pub(crate) fn seat(&self) -> u64 {
        match &self.source {
            Source::Live { seat, .. } => *seat,
            Source::Kept { .. } => 0,
        }
    }

    /// The next piece; `None` after the last one.
    pub async fn next(&mut self) -> Option<Piece> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// The next piece; `None` after the last one.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        loop {
            if let Some(batch) = self.queue.front() {
                if let Some(pace) = &mut self.pace {
                    ready!(pace.poll_due(batch.at, cx));
                }
                if let Some(batch) = self.queue.pop_front() {
                    self.cursor = batch.last();
                    return Poll::Ready(Some(Piece::Events(batch)));
                }
            }
            if let Some(reading) = &mut self.reading {
                let read = ready!(reading.as_mut().poll(cx));
                self.reading = None;
                match read {
                    Ok(batches) if !batches.is_empty() => self.queue.extend(batches),
                    Ok(_) => return Poll::Ready(Some(self.lost("they are not kept any more"))),
                    Err(error) => return Poll::Ready(Some(self.lost(&error.0))),
                }
                continue;
            }
            match self.look(cx) {
                Looked::Found => {}
                Looked::Behind => self.read(),
                Looked::Sign => return Poll::Ready(Some(Piece::Sign { begun: self.cursor > 0 })),
                Looked::Nothing => return Poll::Pending,
                Looked::Torn => {
                    self.is_over = true;
                    return Poll::Ready(Some(Piece::Torn));
                }
                Looked::End(last, ending) => return Poll::Ready(self.end(last, ending)),
            }
        }
    }

    fn look(&mut self, cx: &Context<'_>) -> Looked {
        match &self.source {
            Source::Kept { last, .. } if self.cursor < *last => Looked::Behind,
            Source::Kept { last, ending } => Looked::End(*last, ending.clone()),
            Source::Live { live, seat } => {
                let mut state = live.locked();
                if state.last > self.cursor {
                    return match state.take_after(self.cursor, &mut self.queue) {
                        Some(()) => Looked::Found,
                        None => Looked::Behind,
                    };
                }
                if state.is_torn {
                    return Looked::Torn;
                }
                if let Some(ending) = &state.ended {
                    return Looked::End(state.last, ending.clone());
                }
                if state.signs != self.signs {
                    self.signs = state.signs;
                    return Looked::Sign;
                }
                state.wait(*seat, cx);
                Looked::Nothing
            }
        }
    }

    fn read(&mut self) {
        let (streams, id, after) = (Arc::clone(&self.streams), self.id, self.cursor);
        self.reading = Some(Box::pin(async move { streams.read(id, after, BATCH_BYTES_MAX).await }));
    }

    fn end(&mut self, last: u64, ending: Ending) -> Option<Piece> {
        self.is_over = true;
        match ending {
            Ending::Complete => Some(Piece::Complete),
            // Whoever has seen the error's own event has seen all.
            Ending::Broken(_) if self.cursor > last => Some(Piece::Complete),
            Ending::Broken(problem) => Some(Piece::Problem { problem, event_id: last.saturating_add(1) }),
        }
    }

    /// Events that this watcher has not seen are gone: it must not think that it has all of them.
    fn lost(&mut self, why: &str) -> Piece {
        tracing::error!(stream = %self.id, after = self.cursor, why, "events of a stream cannot be read");
        self.is_over = true;
        let message = format!(
            "The events after number {} cannot be read again; the answer itself may have gone on.",
            self.cursor
        );
        let mut problem = Problem::new(Code::Internal, message);
        problem.spent = true;
        Piece::Problem { problem: Box::new(problem), event_id: 0 }
    }
}

enum Looked {
    Found,
    Behind,
    Sign,
    Nothing,
    Torn,
    End(u64, Ending),
}

impl Pace {
    fn poll_due(&mut self, at: Timestamp, cx: &mut Context<'_>) -> Poll<()> {
        let first = *self.first.get_or_insert(at);
        let due = self.began + at.since(first);
        let now = Instant::now();
        if due <= now {
            return Poll::Ready(());
        }
        if due > now + PAUSE_MAX {
            // A night between two events is no part of the show.
            let began = now + PAUSE_MAX;
            self.began = began.checked_sub(at.since(first)).unwrap_or(now);
        }
        let due = (self.began + at.since(first)).max(now);
        if self.timer.deadline() != due {
            self.timer.as_mut().reset(due);
        }
        self.timer.as_mut().poll(cx)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        if let Source::Live { live, seat } = &self.source {
            live.step(What::WatcherLeft { event: self.cursor });
            live.leave(*seat);
        }
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher").field("id", &self.id).field("cursor", &self.cursor).finish_non_exhaustive()
    }
}
