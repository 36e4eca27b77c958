//! The door to webhooks: one message to an address that an operator or a client gave.

use crate::BoxFuture;
use bytes::Bytes;
use http::HeaderMap;
use std::fmt;

/// Why a message did not arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookFault {
    /// The address may not be called: not http or https, or it leads into a private network.
    Forbidden(String),
    /// Nobody answered, or not in time.
    Unreachable(String),
}

impl fmt::Display for WebhookFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forbidden(why) | Self::Unreachable(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for WebhookFault {}

/// Who carries messages to webhooks.
pub trait Webhooks: Send + Sync {
    /// May this address be called, as far as can be told without calling it?
    ///
    /// # Errors
    /// Why not.
    fn check(&self, url: &str) -> Result<(), WebhookFault>;

    /// Posts a message once, without following redirects. Gives the HTTP status.
    fn post(&self, url: &str, headers: HeaderMap, body: Bytes) -> BoxFuture<'_, Result<u16, WebhookFault>>;
}
