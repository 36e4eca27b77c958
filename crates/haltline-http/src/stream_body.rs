//! The body of a streamed answer: the line's pieces as they come, and never a clean end that is
//! not one.

use crate::problem::chat_error_body;
use bytes::{Bytes, BytesMut};
use haltline_gateway::{Notes, Piece, Problem};
use haltline_types::Code;
use http_body::Frame;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::sync::mpsc;

/// Reads pieces until one says that the stream is over.
pub(crate) struct StreamBody {
    pieces: Option<mpsc::Receiver<Piece>>,
    notes: Box<Notes>,
    /// Events seen, to number an error of our own.
    lost_event_id: u64,
}

impl StreamBody {
    pub(crate) fn new(pieces: mpsc::Receiver<Piece>, notes: Box<Notes>) -> Self {
        Self { pieces: Some(pieces), notes, lost_event_id: 0 }
    }

    fn error_event(&self, problem: &Problem, event_id: u64) -> Bytes {
        let data = chat_error_body(problem, &self.notes);
        let mut out = BytesMut::with_capacity(data.len() + 32);
        haltline_wire::sse::write_event(&mut out, (event_id > 0).then_some(event_id), None, &data);
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
