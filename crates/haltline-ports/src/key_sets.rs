//! The door to the key sets of identity providers: the public keys that their tokens are verified
//! with. What is in them is read by whoever asks.

use crate::{BoxFuture, Reach};
use std::time::Duration;

/// A document of an identity provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Its bytes, as many as the door lets through.
    pub bytes: Vec<u8>,
    /// For how long its server says that it is good (`Cache-Control: max-age`).
    pub max_age: Option<Duration>,
}

/// Who fetches key sets, and the documents that say where they are.
pub trait KeySets: Send + Sync {
    /// Fetches a document once, without following redirects.
    ///
    /// # Errors
    /// A sentence without a full stop: what hindered it.
    fn fetch<'a>(&'a self, url: &'a str, reach: Reach) -> BoxFuture<'a, Result<Fetched, String>>;
}

/// A door that is shut: for tests, and for gateways without a network.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoKeySets;

impl KeySets for NoKeySets {
    fn fetch<'a>(&'a self, _url: &'a str, _reach: Reach) -> BoxFuture<'a, Result<Fetched, String>> {
        Box::pin(std::future::ready(Err("this gateway fetches no key sets".to_owned())))
    }
}
