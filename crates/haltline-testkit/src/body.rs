//! The body of an answer: pieces that come through a channel, and what the end of the body means
//! for the line of the bill.

use crate::bill::{Line, Outcome};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// What a body gives to its connection.
#[derive(Debug)]
pub(crate) enum Piece {
    /// Bytes.
    Data(Bytes),
    /// The connection breaks here. The bytes before are flushed first.
    Break,
}

/// A body of an answer.
#[derive(Debug)]
pub(crate) enum AnswerBody {
    /// Known at once, on no bill.
    Whole(Option<Bytes>),
    /// Comes in pieces.
    Pieces(Pieces),
}

/// A body that comes in pieces, and its line of the bill.
#[derive(Debug)]
pub(crate) struct Pieces {
    from: mpsc::Receiver<Piece>,
    /// Bytes left of a known length.
    left: Option<u64>,
    line: Arc<Line>,
    breaking: bool,
}

impl AnswerBody {
    pub(crate) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self::Whole(Some(bytes.into()))
    }

    /// A body of `length` bytes when it is known, and where its pieces are put in.
    pub(crate) fn pieces(line: Arc<Line>, length: Option<u64>) -> (mpsc::Sender<Piece>, Self) {
        let (to, from) = mpsc::channel(32);
        (to, Self::Pieces(Pieces { from, left: length, line, breaking: false }))
    }
}

impl Pieces {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.breaking {
            return Poll::Ready(Some(Err(io::Error::other("the behaviour breaks the connection here"))));
        }
        match std::task::ready!(self.from.poll_recv(cx)) {
            Some(Piece::Data(bytes)) => {
                if let Some(left) = &mut self.left {
                    *left = left.saturating_sub(bytes.len() as u64);
                    if *left == 0 {
                        self.line.end(Outcome::Delivered);
                    }
                }
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Some(Piece::Break) => {
                // Pending once lets the connection write out what it has buffered.
                self.breaking = true;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            None => {
                self.line.end(Outcome::Delivered);
                Poll::Ready(None)
            }
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match &mut *self {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Pieces(pieces) => pieces.poll_piece(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_none(),
            Self::Pieces(pieces) => pieces.left == Some(0),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Pieces(Pieces { left: Some(left), .. }) => SizeHint::with_exact(*left),
            Self::Pieces(_) => SizeHint::default(),
        }
    }
}
