//! The door to webhooks: one message to an address that an operator or a client gave.

use crate::BoxFuture;
use bytes::Bytes;
use http::HeaderMap;
use std::fmt;

/// How far a message may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// To public addresses only: for addresses that a client gave.
    Public,
    /// Into private networks and this machine, too: an operator said so.
    Private,
}

impl Reach {
    /// From a configuration's `allow_private`.
    #[must_use]
    pub const fn private_if(allowed: bool) -> Self {
        if allowed { Self::Private } else { Self::Public }
    }
}

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
    fn check(&self, url: &str, reach: Reach) -> Result<(), WebhookFault>;

    /// Posts a message once, without following redirects. Gives the HTTP status.
    fn post(
        &self,
        url: &str,
        reach: Reach,
        headers: HeaderMap,
        body: Bytes,
    ) -> BoxFuture<'_, Result<u16, WebhookFault>>;
}

/// A door that is shut: for tests, and for gateways without a network.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoWebhooks;

impl Webhooks for NoWebhooks {
    fn check(&self, _url: &str, _reach: Reach) -> Result<(), WebhookFault> {
        Err(WebhookFault::Forbidden("this gateway calls no webhooks".to_owned()))
    }

    fn post(
        &self,
        url: &str,
        reach: Reach,
        _headers: HeaderMap,
        _body: Bytes,
    ) -> BoxFuture<'_, Result<u16, WebhookFault>> {
        let refused = self.check(url, reach).map(|()| 0);
        Box::pin(std::future::ready(refused))
    }
}
