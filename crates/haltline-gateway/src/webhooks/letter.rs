//! A delivery as it lies on its shelf: what is to be said to whom, and how often it was tried. The
//! secrets that sign it are not in it, only how to know them again.

use super::signature::fingerprint;
use super::{Hook, HookError};
use haltline_ports::{Document, Owner, Reach, Shelf};
use haltline_types::{Name, Timestamp};
use http::Uri;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

/// No delivery is older.
pub(super) const KEEP: Duration = Duration::from_secs(7 * 86_400);
/// A larger message is refused.
const BODY_BYTES_MAX: usize = 256 * 1024;
/// How the ids of deliveries begin.
pub(super) const PREFIX: &str = "msg_";

/// A delivery that is not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Letter {
    /// The `webhook-id`: the same at every attempt, and what a receiver tells repetitions by.
    #[serde(skip)]
    pub(super) id: String,
    #[serde(skip)]
    pub(super) owner: Option<Owner>,
    pub(super) url: String,
    pub(super) allow_private: bool,
    /// The event's type.
    pub(super) event: String,
    /// The message, as it is signed and sent.
    pub(super) body: String,
    /// Fingerprints of the secrets that sign it.
    pub(super) signed_by: Vec<String>,
    /// Attempts so far.
    pub(super) attempts: u32,
    /// When the next one is due, in milliseconds since the epoch.
    pub(super) due: i64,
    /// When it was written, in milliseconds since the epoch.
    pub(super) written: i64,
}

impl Letter {
    /// Writes `{"type":…,"timestamp":…,"data":…}`.
    pub(super) fn new(
        random: u128,
        now: Timestamp,
        hook: &Hook,
        event: &str,
        data: &Value,
        owner: Option<Owner>,
    ) -> Result<Self, HookError> {
        let body = json!({"type": event, "timestamp": now.to_string(), "data": data}).to_string();
        if body.len() > BODY_BYTES_MAX {
            return Err(HookError::TooLarge(BODY_BYTES_MAX));
        }
        let millis = now.as_millis();
        // Ids sort by time.
        let high = u128::from(u64::try_from(millis).unwrap_or(0)) << 80;
        Ok(Self {
            id: format!("{PREFIX}{:032x}", high | (random & ((1 << 80) - 1))),
            owner,
            url: hook.url.clone(),
            allow_private: hook.allow_private,
            event: event.to_owned(),
            body,
            signed_by: hook.secrets.iter().map(fingerprint).collect(),
            attempts: 0,
            due: millis,
            written: millis,
        })
    }

    /// From what lies on the shelf.
    pub(super) fn read(document: &Document) -> Option<Self> {
        let letter: Self = serde_json::from_slice(&document.body).ok()?;
        Some(Self { id: document.id.clone(), owner: document.owner.clone(), ..letter })
    }

    /// To what lies on the shelf.
    pub(super) fn document(&self, now: Timestamp) -> Document {
        Document {
            shelf: Shelf::Delivery,
            id: self.id.clone(),
            owner: self.owner.clone(),
            labels: Vec::new(),
            changed: now,
            expires: Some(Timestamp::from_millis(self.written).saturating_add(KEEP)),
            body: serde_json::to_vec(self).unwrap_or_default().into(),
        }
    }

    pub(super) fn due(&self) -> Timestamp {
        Timestamp::from_millis(self.due)
    }

    /// Whose share of the queue it takes; none for the operator's own.
    pub(super) fn key(&self) -> Option<&Name> {
        self.owner.as_ref().map(|owner| &owner.key)
    }

    pub(super) const fn reach(&self) -> Reach {
        Reach::private_if(self.allow_private)
    }

    /// Who shares a turn with it.
    pub(super) fn host(&self) -> String {
        host(&self.url)
    }
}

/// The host and port of a URL, for fairness; the URL itself where it has none.
pub(super) fn host(url: &str) -> String {
    let uri: Option<Uri> = url.parse().ok();
    let authority = uri.as_ref().and_then(Uri::authority).map(|authority| authority.as_str().to_ascii_lowercase());
    authority.unwrap_or_else(|| url.to_owned())
}
