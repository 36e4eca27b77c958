//! The door to records: one line of truth per request, written when its journey ends.

use crate::timeline::Step;
use crate::{BoxFuture, Owner};
use haltline_types::{
    Code, Demand, FaultKind, ModelName, Name, NanoUsd, RequestId, Subjects, Timestamp, Tokens, Usage,
};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Answered in full.
    Answered,
    /// Refused before anything was sent.
    Refused(Code),
    /// Sent, and failed.
    Failed(Code),
    /// Stopped by its user.
    Cancelled,
    /// The process died under it; closed at the next start.
    Lost,
}

impl Outcome {
    /// The word for records and metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Refused(_) => "refused",
            Self::Failed(_) => "failed",
            Self::Cancelled => "cancelled",
            Self::Lost => "lost",
        }
    }

    /// The error code, where there is one.
    #[must_use]
    pub const fn code(self) -> Option<Code> {
        match self {
            Self::Refused(code) | Self::Failed(code) => Some(code),
            Self::Answered | Self::Cancelled | Self::Lost => None,
        }
    }
}

/// What the charge of an attempt rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// The provider's usage report.
    Reported,
    /// Nothing certain: the ceiling.
    Ceiling,
    /// Nothing can have been billed.
    Released,
}

impl Basis {
    /// The word for records.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Reported => "reported",
            Self::Ceiling => "ceiling",
            Self::Released => "released",
        }
    }
}

/// One attempt of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptRecord {
    /// Its number, from 1.
    pub number: u8,
    /// What was called.
    pub endpoint: ModelName,
    /// When.
    pub started: Timestamp,
    /// Until when.
    pub ended: Timestamp,
    /// What was held.
    pub ceiling: Demand,
    /// What was charged.
    pub cost: NanoUsd,
    /// What the charge rests on.
    pub basis: Basis,
    /// What the provider reported.
    pub usage: Option<Usage>,
    /// The provider's HTTP status.
    pub status: Option<u16>,
    /// What went wrong.
    pub fault: Option<FaultKind>,
}

/// One request, closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRecord {
    /// Its id.
    pub id: RequestId,
    /// The client's or our trace id, 32 hexadecimal digits.
    pub trace_id: String,
    /// When it was accepted.
    pub started: Timestamp,
    /// When its journey ended.
    pub ended: Timestamp,
    /// Who and what it was for.
    pub subjects: Arc<Subjects>,
    /// The surface it came by: `chat.completions`.
    pub surface: Name,
    /// The model as the client asked for it.
    pub model: Name,
    /// Did the client ask for a stream?
    pub streamed: bool,
    /// How it ended.
    pub outcome: Outcome,
    /// The HTTP status that the client saw.
    pub status: u16,
    /// From acceptance to the first byte of the answer's content.
    pub first_token: Option<Duration>,
    /// The output cap written to the provider when it was lowered to fit.
    pub cap_lowered_to: Option<Tokens>,
    /// The cheaper model that was asked because a budget was short.
    pub degraded_to: Option<Name>,
    /// What a review needs, when a provider's policy has forbidden the content.
    pub blocked: Option<Blocked>,
    /// The attempts, in order.
    pub attempts: Vec<AttemptRecord>,
    /// What happened, in order; at most `STEPS_MAX`. None in records from before there were steps.
    pub steps: Vec<Step>,
}

/// A prompt that a provider's policy has forbidden. Which provider's is told by the attempts whose
/// fault is `content_policy`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// The same for the same body at this installation, and says nothing else of it: a keyed hash.
    pub fingerprint: String,
    /// The beginning of the body, only where the configuration says that it is kept. Never part of
    /// an answer to a client.
    pub prompt: Option<String>,
}

impl RequestRecord {
    /// What was charged in all.
    #[must_use]
    pub fn cost(&self) -> NanoUsd {
        self.attempts
            .iter()
            .fold(NanoUsd::ZERO, |sum, attempt| sum.checked_add(attempt.cost).unwrap_or(NanoUsd::new(i64::MAX)))
    }
}

/// A property to group spend by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpendKey {
    /// API key.
    Key,
    /// Team.
    Team,
    /// User.
    User,
    /// Model as asked for.
    Model,
    /// Provider that was called.
    Provider,
    /// Tags of the request, one row per tag and value.
    Tag,
    /// Day in UTC.
    Day,
}

impl SpendKey {
    /// All keys.
    pub const ALL: [Self; 7] = [Self::Key, Self::Team, Self::User, Self::Model, Self::Provider, Self::Tag, Self::Day];

    /// The word on the command line.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Team => "team",
            Self::User => "user",
            Self::Model => "model",
            Self::Provider => "provider",
            Self::Tag => "tag",
            Self::Day => "day",
        }
    }
}

/// A question about spend.
#[derive(Clone, Debug)]
pub struct SpendQuery {
    /// Properties to group by; empty = one row.
    pub by: Vec<SpendKey>,
    /// From this instant.
    pub since: Timestamp,
    /// Before this instant.
    pub until: Timestamp,
}

/// One row of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpendRow {
    /// One value per property asked for; `-` where there is none.
    pub group: Vec<String>,
    /// Requests that were sent at least once, or refused.
    pub requests: u64,
    /// Attempts that were sent.
    pub attempts: u64,
    /// Input tokens reported.
    pub input: Tokens,
    /// Output tokens reported.
    pub output: Tokens,
    /// What was charged.
    pub cost: NanoUsd,
}

/// What requests have in common that are asked for together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Together {
    /// Their conversation.
    Session(Name),
    /// Their trace id, 32 hexadecimal digits.
    Trace(String),
}

/// Whose requests are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// This owner's and nobody else's.
    Owner(Owner),
    /// An operator's question: those of this key and of this user, as far as they are named.
    Any {
        /// The key.
        key: Option<Name>,
        /// The user.
        user: Option<Name>,
    },
}

/// In which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The oldest first.
    OldestFirst,
    /// The newest first.
    NewestFirst,
}

/// A question about requests that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestsQuery {
    /// What they have in common.
    pub together: Together,
    /// Whose.
    pub whose: Whose,
    /// In which order.
    pub order: Order,
    /// Only those behind this one, in that order.
    pub after: Option<RequestId>,
    /// At most so many; never more than `REQUESTS_MAX`.
    pub limit: usize,
}

/// The most requests that one question is answered with.
pub const REQUESTS_MAX: usize = 200;

impl RequestsQuery {
    /// An owner's requests of a session, the oldest first.
    #[must_use]
    pub const fn of_session(owner: Owner, session: Name, limit: usize) -> Self {
        Self {
            together: Together::Session(session),
            whose: Whose::Owner(owner),
            order: Order::OldestFirst,
            after: None,
            limit,
        }
    }
}

/// Why records could not be read or written.
#[derive(Clone, Debug)]
pub struct RecordsError(pub String);

impl fmt::Display for RecordsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RecordsError {}

/// Where records go and come from.
pub trait Records: Send + Sync {
    /// Keeps a record; it survives `kill -9` when this returns.
    ///
    /// # Errors
    /// When the store has stopped.
    fn record(&self, record: &RequestRecord) -> Result<(), RecordsError>;

    /// The record of one request, also one that was written just before.
    fn generation(&self, id: RequestId) -> BoxFuture<'_, Result<Option<RequestRecord>, RecordsError>>;

    /// The records of requests that belong together, also those that were written just before.
    fn requests(&self, query: RequestsQuery) -> BoxFuture<'_, Result<Vec<RequestRecord>, RecordsError>>;

    /// Spend, grouped; the dearest row first.
    fn spend(&self, query: SpendQuery) -> BoxFuture<'_, Result<Vec<SpendRow>, RecordsError>>;
}
