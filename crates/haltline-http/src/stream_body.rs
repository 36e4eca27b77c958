//! The body of a streamed answer: the line's pieces as they come, and never a clean end that is
//! not one.

use crate::problem;
use bytes::{Bytes, BytesMut};
use haltline_gateway::{Notes, Piece, Problem, Surface};
use haltline_types::Code;
use http_body::Frame;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::sync::mpsc;

/// Reads pieces until one says that the stream is over.
pub(crate) struct StreamBody {
    surface: Surface,
    pieces: Option<mpsc::Receiver<Piece>>,
    notes: Box<Notes>,
    /// Events seen, to number an error of our own.
    lost_event_id: u64,
}

impl StreamBody {
    pub(crate) fn new(surface: Surface, pieces: mpsc::Receiver<Piece>, notes: Box<Notes>) -> Self {
        Self { surface, pieces: Some(pieces), notes, lost_event_id: 0 }
    }

    fn error_event(&self, problem: &Problem, event_id: u64) -> Bytes {
        let (name, data) = problem::event(self.surface, problem, &self.notes, event_id);
        let mut out = BytesMut::with_capacity(data.len() + 32);
        let voice = self.surface.voice();
        voice.event(&mut out, event_id, name, &data);
        voice.close(&mut out, true);
        out.freeze()
    }
}

impl http_body::Body for StreamBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(pieces) = &mut self.pieces else { return Poll::Ready(None) };
        let last = match ready!(pieces.poll_recv(cx)) {
            Some(Piece::Bytes(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
            Some(Piece::Complete) => None,
            Some(Piece::Problem { problem, event_id }) => Some(self.error_event(&problem, event_id)),
            None => {
                let mut problem = Problem::new(
                    Code::Internal,
                    "The gateway failed in the middle of this stream. What may have been spent is charged.",
                );
                problem.spent = true;
                Some(self.error_event(&problem, self.lost_event_id))
            }
        };
        self.pieces = None;
        Poll::Ready(last.map(|bytes| Ok(Frame::data(bytes))))
    }
}
