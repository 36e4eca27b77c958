//! Dead letters that wait for somebody: told of at most once an hour, also across restarts.

use super::{Alerts, Notice, memory_id};
use crate::dead_letters::{LETTER, OPEN};
use crate::settings::{AlertKind, AlertSettings};
use haltline_ports::{Document, DocumentQuery, Shelf};
use haltline_types::Timestamp;
use serde_json::json;
use std::time::Duration;

/// The type of its event.
pub(crate) const EVENT: &str = "dead_letters.waiting";
/// Between two looks.
const LOOK: Duration = Duration::from_secs(60);
/// Between two alerts.
const APART: Duration = Duration::from_secs(3_600);
/// Dead letters are counted up to here.
const COUNT_MAX: usize = 100;

/// When the shelf was looked at.
#[derive(Debug, Default)]
pub(super) struct Watch {
    looked: Option<Timestamp>,
}

impl Watch {
    pub(super) fn is_due(&mut self, now: Timestamp) -> bool {
        if self.looked.is_some_and(|looked| now.since(looked) < LOOK) {
            return false;
        }
        self.looked = Some(now);
        true
    }
}

impl Alerts {
    pub(super) async fn tell_of_dead_letters(&self, settings: &AlertSettings, now: Timestamp) {
        if let Err(error) = self.count_dead_letters(settings, now).await {
            tracing::error!(%error, "whether dead letters wait cannot be told");
        }
    }

    async fn count_dead_letters(&self, settings: &AlertSettings, now: Timestamp) -> Result<(), String> {
        let id = memory_id(AlertKind::DeadLetters, &[]);
        let documents = &self.0.documents;
        // The memory of the last alert is gone when another one may be given.
        if documents.get(Shelf::Alert, &id, now).await.map_err(|error| error.to_string())?.is_some() {
            return Ok(());
        }
        let open = |limit| DocumentQuery {
            label: Some(OPEN.to_owned()),
            prefix: Some(LETTER.to_owned()),
            ..DocumentQuery::of(Shelf::DeadLetter, limit)
        };
        let one = documents.list(open(1), now).await;
        if one.map_err(|error| error.to_string())?.is_empty() {
            return Ok(());
        }
        let found = documents.list(open(COUNT_MAX), now).await;
        let found = found.map_err(|error| error.to_string())?;
        let oldest = found.iter().map(|letter| letter.changed).min().unwrap_or(now);
        let more = if found.len() == COUNT_MAX { " or more" } else { "" };
        let notice = Notice {
            kind: AlertKind::DeadLetters,
            event: EVENT,
            data: json!({"count": found.len(), "is_more": found.len() == COUNT_MAX, "oldest": oldest.to_string()}),
            text: format!(
                "{}{more} dead letters wait, the oldest since {oldest}; see `haltline dlq list`",
                found.len()
            ),
        };
        let remember = Document {
            shelf: Shelf::Alert,
            id,
            owner: None,
            labels: Vec::new(),
            changed: now,
            expires: Some(now.saturating_add(APART)),
            body: bytes::Bytes::new(),
        };
        self.write(settings, std::slice::from_ref(&notice), vec![remember]).await.map_err(|error| error.to_string())?;
        self.say(&notice);
        Ok(())
    }
}
