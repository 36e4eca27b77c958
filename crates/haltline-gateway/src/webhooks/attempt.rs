//! One attempt to deliver a message, and what follows from it: done, again later, or given up.

use super::letter::{Letter, PREFIX};
use super::signature::{derive, fingerprint, seconds, sign};
use super::{Hooks, OFF, OFF_MAX};
use crate::alerts::DEAD_LETTERS;
use crate::dead_letters::{DeadLetter, LETTER, LostMessage};
use crate::settings::Secret;
use haltline_ports::{Shelf, WebhookFault};
use haltline_types::Timestamp;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::time::Duration;

/// The waits between attempts. After the last one a message is given up: that is some nine hours.
const WAITS: [Duration; 6] = [
    Duration::from_secs(5),
    Duration::from_secs(60),
    Duration::from_secs(300),
    Duration::from_secs(1_800),
    Duration::from_secs(7_200),
    Duration::from_secs(21_600),
];
/// Before a look at a store that could not be read.
const STORE_WAIT: Duration = Duration::from_secs(60);

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

impl Hooks {
    /// Tries a message once.
    pub(super) async fn attempt(&self, id: String) {
        let again = tokio::select! {
            biased;
            () = self.0.cut.cancelled() => return,
            again = self.try_once(&id) => again,
        };
        self.0.state.lock().queue.ended(&id, again);
        self.pump();
    }

    /// When it is to be tried again; `None` when it is done, whichever way.
    async fn try_once(&self, id: &str) -> Option<Timestamp> {
        let now = self.0.clock.now();
        let (letter, found) = match self.0.documents.get(Shelf::Delivery, id, now).await {
            // Its user was forgotten, or it grew too old.
            Ok(None) => return None,
            Ok(Some(document)) => match Letter::read(&document) {
                Some(letter) => (letter, document.changed),
                None => {
                    tracing::error!(id, "a message to a webhook cannot be read; it is dropped");
                    self.take_off(id).await;
                    return None;
                }
            },
            Err(error) => {
                tracing::error!(id, %error, "a message to a webhook waits: the store cannot be read");
                return Some(now.saturating_add(STORE_WAIT));
            }
        };
        if self.0.state.lock().off.get(&letter.url).is_some_and(|until| now < *until) {
            return self.give_up(letter, "the receiver has said that it is gone (410)").await;
        }
        let Some(headers) = self.headers(&letter, now) else {
            return self.give_up(letter, "the secret that signs it is not in the configuration").await;
        };
        let body = letter.body.clone().into_bytes().into();
        match self.0.webhooks.post(&letter.url, letter.reach(), headers, body).await {
            Ok(200..=299) => {
                self.0.count("delivered");
                self.take_off(id).await;
                None
            }
            Ok(410) => {
                self.switch_off(&letter.url);
                self.give_up(letter, "the receiver has said that it is gone (410); its hook is off").await
            }
            Ok(status) => self.later(letter, found, format!("the receiver answered with status {status}")).await,
            Err(WebhookFault::Unreachable(why)) => self.later(letter, found, why).await,
            Err(WebhookFault::Forbidden(why)) => self.give_up(letter, &why).await,
        }
    }

    /// `None` when it should be signed and cannot be.
    fn headers(&self, letter: &Letter, now: Timestamp) -> Option<HeaderMap> {
        let secrets: Vec<Secret> = {
            let state = self.0.state.lock();
            let derived = || {
                let roots = letter.key().map(|key| state.roots.iter().filter_map(move |root| derive(root, key)));
                roots.into_iter().flatten()
            };
            let known = |print: &String| {
                let listed = state.secrets.get(print).cloned();
                listed.or_else(|| derived().find(|secret| fingerprint(secret) == *print))
            };
            letter.signed_by.iter().filter_map(known).collect()
        };
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ID, HeaderValue::from_str(&letter.id).ok()?);
        headers.insert(TIMESTAMP, HeaderValue::from(seconds(now)));
        if !letter.signed_by.is_empty() {
            let signature = sign(&secrets, &letter.id, now, &letter.body)?;
            headers.insert(SIGNATURE, HeaderValue::from_str(&signature).ok()?);
        }
        Some(headers)
    }

    /// `found`: when what was found of it had been written.
    async fn later(&self, letter: Letter, found: Timestamp, why: String) -> Option<Timestamp> {
        let tried = usize::try_from(letter.attempts).unwrap_or(usize::MAX);
        let letter = Letter { attempts: letter.attempts.saturating_add(1), ..letter };
        let Some(wait) = WAITS.get(tried) else { return self.give_up_after(letter, &why).await };
        self.0.count("failed");
        let now = self.0.clock.now();
        let due = now.saturating_add(self.jittered(*wait));
        tracing::warn!(
            id = letter.id, event = letter.event, host = letter.host(), attempts = letter.attempts, why, next = %due,
            "a message to a webhook did not arrive; it is tried again"
        );
        let letter = Letter { due: due.as_millis(), ..letter };
        match self.0.documents.put_if(letter.document(now), Some(found)).await {
            Ok(true) => {}
            // Its user was forgotten meanwhile: it must not come back.
            Ok(false) => return None,
            Err(error) => tracing::error!(id = letter.id, %error, "an attempt to deliver could not be noted"),
        }
        Some(due)
    }

    /// From four fifths of `wait` to six fifths: receivers that were down together are not found
    /// again by all messages at once.
    fn jittered(&self, wait: Duration) -> Duration {
        let share = u32::try_from(800 + self.0.entropy.u64() % 401).unwrap_or(1_000);
        wait * share / 1_000
    }

    /// The attempt that just ended was the last.
    async fn give_up(&self, letter: Letter, why: &str) -> Option<Timestamp> {
        let attempts = letter.attempts.saturating_add(1);
        self.give_up_after(Letter { attempts, ..letter }, why).await
    }

    async fn give_up_after(&self, letter: Letter, why: &str) -> Option<Timestamp> {
        self.0.count("given_up");
        tracing::error!(
            id = letter.id,
            event = letter.event,
            host = letter.host(),
            attempts = letter.attempts,
            why,
            "a message to a webhook was given up"
        );
        let now = self.0.clock.now();
        // A message that says that dead letters wait does not become one.
        if letter.event != DEAD_LETTERS {
            let lost = LostMessage {
                about: letter.id.clone(),
                owner: letter.owner.clone(),
                address: letter.url.clone(),
                why: why.to_owned(),
                body: letter.body.clone().into(),
            };
            // A message has one dead letter, however often it is given up.
            let id = format!("{LETTER}{}", letter.id.strip_prefix(PREFIX).unwrap_or(&letter.id));
            let again = Letter { body: String::new(), ..letter.clone() };
            let dead = DeadLetter::of_message(id, &lost, serde_json::to_value(&again).ok(), now);
            let documents = dead.documents(Some(lost.body), now);
            let ids = documents.iter().map(|document| document.id.clone()).collect();
            self.0.graves.make_room(&documents, now).await;
            if let Err(error) = self.0.documents.put(documents).await {
                tracing::error!(id = letter.id, %error, "a dead letter could not be written; the message waits");
                return Some(now.saturating_add(STORE_WAIT));
            }
            // Whoever forgets its user now finds the dead letter; whoever did before, did not.
            if let Ok(None) = self.0.documents.get(Shelf::Delivery, &letter.id, now).await {
                self.take_back(ids).await;
            }
        }
        self.take_off(&letter.id).await;
        None
    }

    /// A message that is forgotten leaves no dead letter.
    async fn take_back(&self, ids: Vec<String>) {
        if let Err(error) = self.0.documents.remove(Shelf::DeadLetter, ids).await {
            tracing::error!(%error, "the dead letter of a forgotten message could not be removed");
        }
    }

    async fn take_off(&self, id: &str) {
        if let Err(error) = self.0.documents.remove(Shelf::Delivery, vec![id.to_owned()]).await {
            tracing::error!(id, %error, "a message that is done stays on its shelf; the next start sends it again");
        }
    }

    fn switch_off(&self, url: &str) {
        let now = self.0.clock.now();
        let mut state = self.0.state.lock();
        state.off.retain(|_, until| now < *until);
        if state.off.len() < OFF_MAX {
            state.off.insert(url.to_owned(), now.saturating_add(OFF));
        }
    }
}
