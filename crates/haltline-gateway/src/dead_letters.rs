//! What failed for good, as it lies on the shelf `DeadLetter`: what it was, why it failed, and what
//! is needed to try it again.

use haltline_ports::{Document, Owner, Shelf};
use haltline_types::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// A message to a webhook.
pub const DELIVERY: &str = "delivery";

/// How long a dead letter waits for somebody.
pub const KEEP: Duration = Duration::from_secs(30 * 86_400);

/// A dead letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// What it was: `delivery`, `job`.
    pub kind: String,
    /// Its id, which is that of what failed.
    pub id: String,
    /// Where a message was to go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The type of a message's event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
    /// What went wrong at last.
    pub last_fault: String,
    /// When it was given up, in milliseconds since the epoch.
    pub at: i64,
    /// What a retry needs; only the part that failed reads it.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub again: Value,
}

impl DeadLetter {
    /// To what lies on the shelf. `owner`: whose it was; none for the gateway's own.
    #[must_use]
    pub fn document(&self, owner: Option<Owner>) -> Document {
        let at = Timestamp::from_millis(self.at);
        Document {
            shelf: Shelf::DeadLetter,
            id: self.id.clone(),
            owner,
            labels: vec![format!("kind={}", self.kind)],
            changed: at,
            expires: Some(at.saturating_add(KEEP)),
            body: serde_json::to_vec(self).unwrap_or_default().into(),
        }
    }

    /// From what lies on the shelf; `None` when it is something else.
    #[must_use]
    pub fn read(document: &Document) -> Option<Self> {
        serde_json::from_slice(&document.body).ok()
    }
}
