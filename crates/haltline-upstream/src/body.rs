//! The body of an answer as it comes. Over HTTP/1.1 whoever reads it drives its connection; at its
//! end the connection goes back to the pool, and when it is dropped before, the connection is
//! closed. Over HTTP/2 only its own stream is concerned.

use crate::connection::Carrier;
use crate::fault;
use crate::pool::Slot;
use bytes::Bytes;
use futures_util::Stream;
use haltline_types::Fault;
use hyper::body::{Body, Frame, Incoming};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// An answer's bytes. Every piece that has arrived is ready without waiting in between.
pub(crate) struct BodyStream {
    incoming: Incoming,
    carrier: Carrier,
    server_idle: Option<Duration>,
    ended: bool,
}

impl BodyStream {
    /// `server_idle`: how long the server says that it keeps an idle connection.
    pub(crate) fn new(incoming: Incoming, carrier: Carrier, server_idle: Option<Duration>) -> Self {
        Self { incoming, carrier, server_idle, ended: false }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) {
            return Poll::Ready(frame);
        }
        // Nothing is waiting: move bytes and look again. A connection that has ended has left
        // its last word, or an error, in `incoming`.
        let Carrier::Own(open) = &mut self.carrier else {
            return Poll::Pending;
        };
        if open.drive(cx).is_ready() {
            self.carrier = Carrier::Ended;
        }
        Pin::new(&mut self.incoming).poll_frame(cx)
    }

    fn end(&mut self, cx: &mut Context<'_>) {
        self.ended = true;
        if let Carrier::Own(mut connection) = mem::replace(&mut self.carrier, Carrier::Ended)
            && connection.settle(cx)
        {
            Slot::give_back(connection, self.server_idle);
        }
    }
}

impl Stream for BodyStream {
    type Item = Result<Bytes, Fault>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        while !this.ended {
            match ready!(this.poll_frame(cx)) {
                Some(Ok(frame)) => {
                    let Ok(bytes) = frame.into_data() else {
                        continue;
                    };
                    // A body of stated length is known to be over with its last piece, which
                    // may be all that its reader asks for.
                    if this.incoming.is_end_stream() {
                        this.end(cx);
                    }
                    return Poll::Ready(Some(Ok(bytes)));
                }
                Some(Err(error)) => {
                    this.ended = true;
                    this.carrier = Carrier::Ended;
                    return Poll::Ready(Some(Err(fault::body_lost(&error))));
                }
                None => this.end(cx),
            }
        }
        Poll::Ready(None)
    }
}
