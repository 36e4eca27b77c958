//! The faults of transport: what they cost is decided here, where it is known whether anything
//! was written. What a provider's own error means is decided by `haltline-wire`.

use crate::connect::Origin;
use haltline_types::{Billing, Fault, FaultKind, Origin as Born};
use http::StatusCode;
use std::error::Error;
use std::fmt;

/// No connection; nothing was written.
pub(crate) fn connect_failed(origin: &Origin, why: impl fmt::Display) -> Fault {
    Fault::new(FaultKind::ConnectFailed, Born::Network, format!("cannot connect to {origin}: {why}"))
}

/// Connections were made, and ended before they took a byte.
pub(crate) fn never_written(origin: &Origin, error: Option<&hyper::Error>) -> Fault {
    let why = error.map_or_else(|| "it was closed".to_owned(), |error| Chain(error).to_string());
    Fault::new(
        FaultKind::ConnectFailed,
        Born::Network,
        format!("{origin} closed the connection before anything was sent: {why}"),
    )
}

/// HTTP/2: the server gave the request back unread. That is how it ends a connection in good
/// order, which says nothing against its health.
pub(crate) fn unprocessed(origin: &Origin, error: &hyper::Error) -> Fault {
    let in_order = h2_of(error).and_then(h2::Error::reason) == Some(h2::Reason::NO_ERROR);
    let why = Chain(error);
    let detail = format!("{origin} did not take the request: {why}");
    Fault { breaker: !in_order, ..Fault::new(FaultKind::ConnectFailed, Born::Provider, detail) }
}

/// Did the server say that it has not looked at the request? REFUSED_STREAM, or GOAWAY with an
/// earlier request as the last one (RFC 9113, 6.8 and 8.7). Only before the head of an answer.
pub(crate) fn is_unprocessed(error: &hyper::Error) -> bool {
    h2_of(error).is_some_and(|error| {
        error.is_remote()
            && (error.is_go_away() || error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM))
    })
}

fn h2_of(error: &hyper::Error) -> Option<&h2::Error> {
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref() {
            return Some(found);
        }
        next = cause.source();
    }
    None
}

/// Our own bound; the provider did nothing wrong.
pub(crate) fn too_many_connections(origin: &Origin, allowed: usize) -> Fault {
    let detail = format!("all {allowed} connections to {origin} are in use; nothing was sent");
    Fault { billing: Billing::NotSent, breaker: false, ..Fault::new(FaultKind::Overloaded, Born::Gateway, detail) }
}

/// HTTP/2: our own bound, or the server's; it did nothing wrong.
pub(crate) fn too_many_streams(origin: &Origin, streams: usize) -> Fault {
    let detail =
        format!("all connections to {origin} carry as many requests as they may ({streams}); nothing was sent");
    Fault { billing: Billing::NotSent, breaker: false, ..Fault::new(FaultKind::Overloaded, Born::Gateway, detail) }
}

/// The request was written, wholly or in part, and no answer can be read: it may have cost money.
pub(crate) fn lost(origin: &Origin, error: &hyper::Error) -> Fault {
    let why = Chain(error);
    // What our side of HTTP/2 ends is what the other side does against its rules.
    if error.is_parse() || error.is_parse_too_large() || h2_of(error).is_some_and(h2::Error::is_library) {
        return malformed(None, format!("{origin} does not answer in HTTP: {why}"));
    }
    Fault::new(
        FaultKind::ConnectionLost,
        Born::Network,
        format!("the connection to {origin} broke after the request was sent: {why}"),
    )
}

/// The connection broke inside an answer's body.
pub(crate) fn body_lost(error: &hyper::Error) -> Fault {
    let why = Chain(error);
    Fault::new(FaultKind::ConnectionLost, Born::Network, format!("the connection broke inside the answer: {why}"))
}

/// An answer that must not be passed on; it may have cost money.
pub(crate) fn malformed(status: Option<StatusCode>, detail: String) -> Fault {
    Fault { status: status.map(|status| status.as_u16()), ..Fault::new(FaultKind::Malformed, Born::Provider, detail) }
}

/// An error with all its causes.
struct Chain<'a>(&'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(cause) = next {
            write!(f, ": {cause}")?;
            next = cause.source();
        }
        Ok(())
    }
}
