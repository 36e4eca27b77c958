//! Dead letters: what failed for good, with why, what it has cost, and what a retry may cost. They
//! are looked at, sent again and discarded by operators. How many are kept is in `graves`.

mod graves;

pub(crate) use graves::{GraveBounds, Graves};

use crate::gateway::Gateway;
use crate::jobs::{Failure, Order, Run, Sheet, instant, unavailable};
use crate::line;
use crate::problem::Problem;
use bytes::Bytes;
use haltline_ports::{Document, DocumentQuery, DocumentsError, Owner, Shelf};
use haltline_types::{Code, CodeClass, Name, NanoUsd, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// What their ids begin with.
pub(crate) const LETTER: &str = "dl_";
/// The label of those that nobody has sent again.
pub(crate) const OPEN: &str = "state=open";
/// The label of those that were sent again.
const RETRIED: &str = "state=retried";
/// How long they are kept.
const KEEP: Duration = Duration::from_secs(30 * 24 * 3600);
/// Letters of one page.
const PAGE_MAX: usize = 200;
/// A larger request is not kept, in bytes.
const BODY_MAX: usize = 1 << 20;
/// Nor is one that was never sent and is larger than this: it has cost nothing, so that a client
/// could have any number of them kept.
const UNSENT_BODY_MAX: usize = 16 << 10;

/// What failed for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LetterKind {
    /// A job.
    Job,
    /// A response that was made in the background.
    Response,
    /// A message to a webhook.
    Webhook,
}

impl LetterKind {
    /// The word for people and programs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::Response => "response",
            Self::Webhook => "webhook",
        }
    }
}

/// A dead letter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// `dl_…`; ids sort by time.
    pub id: String,
    /// What it was.
    pub kind: LetterKind,
    /// The id of what failed: `job_…`, `resp_…`, or of a message.
    pub about: String,
    pub(crate) key: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) order: Option<Order>,
    pub(crate) address: Option<String>,
    /// What the outbox needs to send a message again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<Value>,
    pub(crate) failure: Failure,
    pub(crate) runs: Vec<Run>,
    /// The size of what was to be sent, where that was too large to be kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) left_out: Option<usize>,
    /// In nanodollars.
    pub(crate) ceiling: Option<i64>,
    /// Milliseconds since the epoch.
    pub(crate) at: i64,
    /// The job that repeats it, or the message that is sent again.
    pub retried_as: Option<String>,
}

/// One attempt of what failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterAttempt {
    /// `req_…`; its record tells the rest.
    pub request: String,
    /// When.
    pub started: Timestamp,
    /// What was asked last.
    pub endpoint: Option<String>,
    /// What went wrong there, or the code of the refusal.
    pub fault: Option<String>,
    /// What was charged; none when it is not known.
    pub cost: Option<NanoUsd>,
}

/// A message to a webhook that could not be delivered.
#[derive(Clone, Debug)]
pub struct LostMessage {
    /// Its id.
    pub about: String,
    /// Whose it was; none for the operator's own.
    pub owner: Option<Owner>,
    /// Where it should have gone.
    pub address: String,
    /// Why it did not.
    pub why: String,
    /// The message.
    pub body: Bytes,
}

/// What is known of a letter when it is looked at alone.
#[derive(Clone, Debug)]
pub struct OpenedLetter {
    /// The letter.
    pub letter: DeadLetter,
    /// What was to be sent.
    pub body: Bytes,
    /// The most that one attempt of a retry can be billed now; or why that is not known.
    pub ceiling: Result<NanoUsd, Problem>,
}

impl DeadLetter {
    pub(crate) fn of_job(id: String, sheet: &Sheet, problem: &Problem, body: &Bytes, now: Timestamp) -> Self {
        let order = &sheet.order;
        let most = if sheet.attempts() > 0 { BODY_MAX } else { UNSENT_BODY_MAX };
        let is_kept = body.len() <= most && body.is_empty() == (order.bytes == 0);
        Self {
            id,
            kind: if sheet.is_response() { LetterKind::Response } else { LetterKind::Job },
            about: sheet.id.clone(),
            key: Some(order.key.clone()),
            user: order.owner_user.clone(),
            order: Some(order.clone()),
            address: None,
            message: None,
            failure: Failure::of(problem),
            runs: sheet.runs.clone(),
            left_out: (!is_kept).then_some(order.bytes),
            ceiling: order.ceiling.filter(|_| is_kept),
            at: now.as_millis(),
            retried_as: None,
        }
    }

    /// `again`: what the outbox needs to send it again.
    pub(crate) fn of_message(id: String, lost: &LostMessage, again: Option<Value>, now: Timestamp) -> Self {
        let code = Code::UpstreamFailed.word().to_owned();
        let user = lost.owner.as_ref().and_then(|owner| owner.user.as_ref());
        Self {
            id,
            kind: LetterKind::Webhook,
            about: lost.about.clone(),
            key: lost.owner.as_ref().map(|owner| owner.key.to_string()),
            user: user.map(ToString::to_string),
            order: None,
            address: Some(lost.address.clone()),
            message: again,
            failure: Failure { code, message: lost.why.clone(), param: None },
            runs: Vec::new(),
            left_out: (lost.body.len() > BODY_MAX).then_some(lost.body.len()),
            ceiling: None,
            at: now.as_millis(),
            retried_as: None,
        }
    }

    /// The documents to keep: the letter, and beside it what was to be sent.
    pub(crate) fn documents(&self, body: Option<Bytes>, now: Timestamp) -> Vec<Document> {
        let owner = self.owner();
        let label = if self.retried_as.is_some() { RETRIED } else { OPEN };
        let document = |id: String, labels: Vec<String>, body: Bytes| Document {
            shelf: Shelf::DeadLetter,
            id,
            owner: owner.clone(),
            labels,
            changed: now,
            expires: Some(instant(self.at).saturating_add(KEEP)),
            body,
        };
        let written = serde_json::to_vec(self).map(Bytes::from).unwrap_or_default();
        let mut documents = vec![document(self.id.clone(), vec![label.to_owned()], written)];
        let body = body.filter(|_| self.left_out.is_none());
        documents.extend(body.map(|body| document(body_id(&self.id), Vec::new(), body)));
        documents
    }

    pub(crate) fn read(document: &Document) -> Option<Self> {
        serde_json::from_slice(&document.body).ok()
    }

    fn owner(&self) -> Option<Owner> {
        self.key.as_deref().map(|key| Owner { key: Name::new(key), user: self.user.as_deref().map(Name::new) })
    }

    /// Whose key it was.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Its user.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Where it should have gone: the path of a surface, or a webhook's address.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        self.order.as_ref().map(|order| order.endpoint.as_str()).or(self.address.as_deref()).unwrap_or_default()
    }

    /// The model that was asked for; empty for a webhook.
    #[must_use]
    pub fn model(&self) -> &str {
        self.order.as_ref().map_or("", |order| &order.model)
    }

    /// The code of the failure.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.failure.code
    }

    /// Who can act.
    #[must_use]
    pub fn class(&self) -> CodeClass {
        self.failure.class()
    }

    /// The failure in words.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.failure.message
    }

    /// When it failed for good.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        instant(self.at)
    }

    /// What was charged in all.
    #[must_use]
    pub fn cost(&self) -> NanoUsd {
        NanoUsd::new(self.runs.iter().filter_map(|run| run.cost).fold(0, i64::saturating_add))
    }

    /// The most that one attempt of it could be billed when it was made.
    #[must_use]
    pub fn ceiling(&self) -> Option<NanoUsd> {
        self.ceiling.map(NanoUsd::new)
    }

    /// What was tried.
    #[must_use]
    pub fn attempts(&self) -> Vec<LetterAttempt> {
        let attempt = |run: &Run| LetterAttempt {
            request: run.request.clone(),
            started: instant(run.started),
            endpoint: run.endpoint.clone(),
            fault: run.fault.clone().or_else(|| run.code.clone()),
            cost: run.cost.map(NanoUsd::new),
        };
        self.runs.iter().map(attempt).collect()
    }
}

/// Which of them to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Letters {
    /// Those that nobody has sent again.
    Open,
    /// All that are kept.
    All,
}

impl Gateway {
    /// Dead letters, the oldest first, after the one of this id.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn dead_letters(
        &self,
        which: Letters,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, Problem> {
        let query = DocumentQuery {
            label: (which == Letters::Open).then(|| OPEN.to_owned()),
            prefix: Some(LETTER.to_owned()),
            after,
            ..DocumentQuery::of(Shelf::DeadLetter, limit.clamp(1, PAGE_MAX))
        };
        let found = self.documents.list(query, self.clock.now()).await.map_err(unavailable)?;
        Ok(found.iter().filter_map(DeadLetter::read).collect())
    }

    /// One of them, with what was to be sent, and what that may cost now.
    ///
    /// # Errors
    /// `not_found`, or when it cannot be read.
    pub async fn dead_letter(&self, id: &str) -> Result<OpenedLetter, Problem> {
        let letter = self.letter(id).await?;
        let body = self.letter_body(id).await?;
        let ceiling = self.retry_ceiling(&letter, &body).await;
        Ok(OpenedLetter { letter, body, ceiling })
    }

    /// Sends one again, as a new job of the same owner that is sent once, or the same message.
    /// `most`: what all of it may be billed, by the word of whoever asks; without it, what one
    /// attempt may be billed now. Gives the id of the job or message.
    ///
    /// # Errors
    /// `not_found`; `invalid_request` when it was sent again already;
    /// `reservation_too_large` when it may cost more than `most`; and as the surface would refuse it.
    pub async fn retry_dead_letter(self: &Arc<Self>, id: &str, most: Option<NanoUsd>) -> Result<String, Problem> {
        let (gateway, id) = (Arc::clone(self), id.to_owned());
        let retried = self.journeys.spawn(async move { gateway.retry_letter(&id, most).await }).await;
        retried.unwrap_or_else(|_| Err(Problem::new(Code::Internal, "The dead letter could not be sent again.")))
    }

    async fn retry_letter(self: Arc<Self>, id: &str, most: Option<NanoUsd>) -> Result<String, Problem> {
        let _turn = self.jobs.turn(id).await;
        let mut letter = self.letter(id).await?;
        if let Some(job) = &letter.retried_as {
            let message =
                format!("`{id}` was sent again already, as {job}. If that failed too, it has a letter of its own.");
            return Err(Problem::new(Code::InvalidRequest, message));
        }
        let Some(order) = letter.order.clone() else {
            return self.send_letter_again(letter).await;
        };
        let body = self.letter_body(id).await?;
        let ceiling = self.retry_ceiling(&letter, &body).await?;
        if most.is_some_and(|most| ceiling > most) {
            let message = format!("Sending `{id}` again may cost up to {ceiling}, more than was agreed to.");
            return Err(Problem::new(Code::ReservationTooLarge, message));
        }
        let now = self.clock.now();
        // What was agreed to is all that it may cost.
        let order = Order {
            max_attempts: 1,
            max_cost: Some(most.unwrap_or(ceiling).get()),
            ceiling: Some(ceiling.get()),
            bytes: body.len(),
            ..order
        };
        let mut sheet = Sheet::new(format!("job_{:032x}", self.fresh_id().as_u128()), order, now);
        sheet.retry_of = Some(id.to_owned());
        letter.retried_as = Some(sheet.id.clone());
        self.enqueue(&sheet, body, letter.documents(None, now)).await?;
        Ok(sheet.id)
    }

    async fn send_letter_again(&self, mut letter: DeadLetter) -> Result<String, Problem> {
        let body = self.letter_body(&letter.id).await?;
        let again =
            letter.message.as_ref().and_then(|again| self.hooks.revive(again, &letter.about, letter.owner(), &body));
        let Some(again) = again else {
            let message = format!("`{}` is a message to {} that cannot be sent again.", letter.id, letter.endpoint());
            return Err(Problem::new(Code::InvalidRequest, message));
        };
        letter.retried_as = Some(letter.about.clone());
        let written = self.hooks.post(vec![again], letter.documents(None, self.clock.now())).await;
        written.map_err(|error| unavailable(DocumentsError(error.to_string())))?;
        Ok(letter.about)
    }

    /// Removes one for good.
    ///
    /// # Errors
    /// `not_found`, or when it cannot be removed.
    pub async fn discard_dead_letter(&self, id: &str) -> Result<(), Problem> {
        let _turn = self.jobs.turn(id).await;
        self.letter(id).await?;
        let ids = vec![id.to_owned(), body_id(id)];
        self.documents.remove(Shelf::DeadLetter, ids).await.map_err(unavailable)?;
        self.graves.gone(id).await;
        Ok(())
    }

    /// Puts a message that could not be delivered among the dead letters.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn bury_message(&self, lost: LostMessage) -> Result<String, Problem> {
        let now = self.clock.now();
        let id = format!("{LETTER}{:032x}", self.fresh_id().as_u128());
        let letter = DeadLetter::of_message(id, &lost, None, now);
        let documents = letter.documents(Some(lost.body), now);
        self.graves.make_room(&documents, now).await;
        self.documents.put(documents).await.map_err(unavailable)?;
        Ok(letter.id)
    }

    async fn letter(&self, id: &str) -> Result<DeadLetter, Problem> {
        let missing = || {
            let shown: String = id.chars().take(64).collect();
            Problem::new(Code::NotFound, format!("There is no dead letter `{shown}`; `haltline dlq list` shows all."))
        };
        if !id.starts_with(LETTER) {
            return Err(missing());
        }
        let found = self.documents.get(Shelf::DeadLetter, id, self.clock.now()).await.map_err(unavailable)?;
        found.as_ref().and_then(DeadLetter::read).ok_or_else(missing)
    }

    async fn letter_body(&self, id: &str) -> Result<Bytes, Problem> {
        let found = self.documents.get(Shelf::DeadLetter, &body_id(id), self.clock.now()).await.map_err(unavailable)?;
        Ok(found.map(|found| found.body).unwrap_or_default())
    }

    /// The most that one attempt can be billed now, by prices and keys as they are now.
    async fn retry_ceiling(&self, letter: &DeadLetter, body: &Bytes) -> Result<NanoUsd, Problem> {
        let Some(order) = &letter.order else { return Ok(NanoUsd::ZERO) };
        if let Some(bytes) = letter.left_out {
            let message = format!("It cannot be sent again: its request of {bytes} bytes was not kept.");
            return Err(Problem::new(Code::InvalidRequest, message));
        }
        // What the client was willing to pay does not bind whoever agrees to more.
        let order = Order { max_cost: None, ..order.clone() };
        let incoming = order.incoming(self.identity_of(&order)?, body.clone(), None)?;
        line::inspect(self, incoming).await?.ceiling.ok_or_else(|| {
            Problem::new(Code::UnpricedModel, "What a retry may cost is not known: its first endpoint cannot be asked.")
        })
    }
}

fn body_id(id: &str) -> String {
    format!("body_{id}")
}
