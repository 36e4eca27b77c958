//! The next chunk of a stream, or why there is none: deadlines, the end of the drain, a client that
//! left. Not a stage: the waiting half of `relay`.

use crate::line::call::{Times, cut};
use crate::settings::{OnDisconnect, StreamSettings};
use crate::streams::Live;
use bytes::Bytes;
use futures_util::StreamExt;
use haltline_ports::AnswerBody;
use haltline_types::{Fault, FaultKind, Origin};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::WaitForCancellationFuture;

/// Watches over time and the client.
pub(super) struct Watch {
    pub(super) times: Times,
    pub(super) idle: Duration,
    pub(super) streams: StreamSettings,
    pub(super) unwatched_since: Option<Instant>,
    /// When the last chunk came.
    pub(super) last: Instant,
    pub(super) timer: Pin<Box<Sleep>>,
}

impl Watch {
    /// The next chunk, or why there is none. Deadlines come first: a body that is never slow must
    /// not outrun them.
    pub(super) async fn next(
        &mut self,
        live: &Live,
        body: &mut AnswerBody,
        mut cut_short: Pin<&mut WaitForCancellationFuture<'_>>,
        content: bool,
    ) -> Result<Option<Bytes>, Fault> {
        let (mut by, kind, what) = self.deadline(content);
        if live.cut.is_cancelled() {
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
                () = live.left.notified() => {
                    self.unwatched_since = live.unwatched_since();
                    by = self.deadline(content).0;
                    if by < self.timer.deadline() {
                        self.timer.as_mut().reset(by);
                    }
                }
                () = self.timer.as_mut() => {
                    // Whoever came back in the meantime moves the deadline.
                    if live.is_watched() {
                        self.unwatched_since = None;
                    }
                    let kind;
                    let what;
                    (by, kind, what) = self.deadline(content);
                    if Instant::now() >= by {
                        return Err(Fault::new(kind, Origin::Provider, what));
                    }
                    self.timer.as_mut().reset(by);
                }
            }
        }
    }

    pub(super) fn deadline(&self, content: bool) -> (Instant, FaultKind, &'static str) {
        let waiting = if content {
            (self.last + self.idle, FaultKind::IdleTimeout, "the stream stood still")
        } else {
            (self.times.first_by, FaultKind::FirstTokenTimeout, "no content in time")
        };
        let mut nearest = waiting;
        if self.times.total_by < nearest.0 {
            nearest = (self.times.total_by, FaultKind::TotalTimeout, "the stream did not end in time");
        }
        let patience = match self.streams.on_disconnect {
            OnDisconnect::Cancel { grace } => grace,
            OnDisconnect::Continue => self.streams.max_unwatched,
        };
        if let Some(left) = self.unwatched_since
            && left + patience < nearest.0
        {
            nearest = (left + patience, FaultKind::Cancelled, "the client left");
        }
        nearest
    }
}

pub(super) fn poll_now(body: &mut AnswerBody) -> Poll<Option<Result<Bytes, Fault>>> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    body.poll_next_unpin(&mut context)
}
