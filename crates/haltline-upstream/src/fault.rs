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
pub(crate) fn never_written(origin: &Origin, error: &hyper::Error) -> Fault {
    let why = Chain(error);
    Fault::new(
        FaultKind::ConnectFailed,
        Born::Network,
        format!("{origin} closed the connection before anything was sent: {why}"),
    )
}

/// Our own bound; the provider did nothing wrong.
pub(crate) fn too_many_connections(origin: &Origin, allowed: usize) -> Fault {
    let detail = format!("all {allowed} connections to {origin} are in use; nothing was sent");
    Fault { billing: Billing::NotSent, breaker: false, ..Fault::new(FaultKind::Overloaded, Born::Gateway, detail) }
}

/// The request was written, wholly or in part, and no answer can be read: it may have cost money.
pub(crate) fn lost(origin: &Origin, error: &hyper::Error) -> Fault {
    let why = Chain(error);
    if error.is_parse() || error.is_parse_too_large() {
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
