//! A job as it is kept: its order, its state, and its runs. What it is asked to send, and what it
//! got, stand in documents of their own, because they are large and do not change.

use super::order::Order;
use crate::problem::Problem;
use bytes::Bytes;
use haltline_ports::{Document, Shelf};
use haltline_types::{Code, CodeClass, NanoUsd, RequestId, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What ids of jobs begin with.
pub(crate) const JOB: &str = "job_";
/// What ids of background responses begin with; their jobs go by the same id.
pub(crate) const RESPONSE: &str = "resp_";

/// The label of jobs whose webhook has not been told of their end.
pub(crate) const UNTOLD: &str = "news=untold";

/// How a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Queued,
    Running,
    Succeeded,
    Failed,
    Cancelled,
}

impl State {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    pub(crate) const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    /// The label that it is listed by.
    pub(crate) fn label(self) -> String {
        format!("state={}", self.word())
    }
}

/// One sending of a job down the line: a request with a record of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Run {
    /// `req_…`; written down before anything is held for it.
    pub(crate) request: String,
    /// Milliseconds since the epoch.
    pub(crate) started: i64,
    pub(crate) ended: Option<i64>,
    /// What answered or failed last.
    pub(crate) endpoint: Option<String>,
    /// Attempts that the line made; none while it is not known.
    pub(crate) attempts: Option<u8>,
    /// What was charged, in nanodollars; none while it is not known.
    pub(crate) cost: Option<i64>,
    /// The code of its failure.
    pub(crate) code: Option<String>,
    /// Our word for what went wrong at the provider.
    pub(crate) fault: Option<String>,
}

impl Run {
    pub(crate) fn begin(request: RequestId, now: Timestamp) -> Self {
        Self {
            request: request.to_string(),
            started: now.as_millis(),
            ended: None,
            endpoint: None,
            attempts: None,
            cost: None,
            code: None,
            fault: None,
        }
    }

    /// Was anything sent, or may it have been?
    pub(crate) fn counts(&self) -> bool {
        self.attempts != Some(0)
    }
}

/// What is told of a failure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) param: Option<String>,
}

impl Failure {
    pub(crate) fn of(problem: &Problem) -> Self {
        Self { code: problem.code.word().to_owned(), message: problem.message.clone(), param: problem.param.clone() }
    }

    pub(crate) fn class(&self) -> CodeClass {
        Code::from_word(&self.code).map_or(CodeClass::Permanent, Code::class)
    }
}

/// A job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sheet {
    pub(crate) id: String,
    pub(crate) order: Order,
    pub(crate) state: State,
    /// Milliseconds since the epoch.
    pub(crate) created: i64,
    pub(crate) ended: Option<i64>,
    /// It waits until then.
    pub(crate) not_before: Option<i64>,
    /// Why it waits, or failed.
    pub(crate) failure: Option<Failure>,
    #[serde(default)]
    pub(crate) runs: Vec<Run>,
    /// Runs that were refused before anything was sent.
    #[serde(default)]
    pub(crate) refusals: u32,
    /// The dead letter that tells of its failure.
    pub(crate) dead_letter: Option<String>,
    /// The dead letter that it repeats.
    pub(crate) retry_of: Option<String>,
    /// Has its webhook, if there is one, been told of its end?
    #[serde(default)]
    pub(crate) is_told: bool,
}

impl Sheet {
    pub(crate) fn new(id: String, order: Order, now: Timestamp) -> Self {
        Self {
            id,
            order,
            state: State::Queued,
            created: now.as_millis(),
            ended: None,
            not_before: None,
            failure: None,
            runs: Vec::new(),
            refusals: 0,
            dead_letter: None,
            retry_of: None,
            is_told: false,
        }
    }

    /// Reads what is kept. `None` when it is no job.
    pub(crate) fn read(document: &Document) -> Option<Self> {
        serde_json::from_slice(&document.body).ok()
    }

    /// The document to keep. What has ended goes after `keep_for`.
    pub(crate) fn document(&self, now: Timestamp, keep_for: Duration) -> Document {
        Document {
            shelf: Shelf::Job,
            id: self.id.clone(),
            owner: Some(self.order.owner()),
            labels: self.labels(),
            changed: now,
            expires: self.state.is_final().then(|| now.saturating_add(keep_for)),
            body: serde_json::to_vec(self).map(Bytes::from).unwrap_or_default(),
        }
    }

    fn labels(&self) -> Vec<String> {
        let untold = self.owes_news().then(|| UNTOLD.to_owned());
        std::iter::once(self.state.label()).chain(untold).collect()
    }

    /// Is its webhook to be told of its end?
    pub(crate) fn owes_news(&self) -> bool {
        matches!(self.state, State::Succeeded | State::Failed) && self.order.webhook.is_some() && !self.is_told
    }

    pub(crate) fn is_response(&self) -> bool {
        self.id.starts_with(RESPONSE)
    }

    /// Runs that count against `max_attempts`.
    pub(crate) fn attempts(&self) -> u8 {
        u8::try_from(self.runs.iter().filter(|run| run.counts()).count()).unwrap_or(u8::MAX)
    }

    /// What was charged so far.
    pub(crate) fn cost(&self) -> NanoUsd {
        let sum = self.runs.iter().filter_map(|run| run.cost).fold(0_i64, i64::saturating_add);
        NanoUsd::new(sum)
    }
}

/// The document of a job's request.
pub(crate) fn request_document(sheet: &Sheet, now: Timestamp, body: Bytes) -> Document {
    beside(sheet, request_id(&sheet.id), now, None, body)
}

/// The document of a job's answer.
pub(crate) fn result_document(sheet: &Sheet, now: Timestamp, keep_for: Duration, body: Bytes) -> Document {
    // The job may be asked for its result until its own last moment.
    let expires = now.saturating_add(keep_for).saturating_add(Duration::from_secs(3600));
    beside(sheet, result_id(&sheet.id), now, Some(expires), body)
}

fn beside(sheet: &Sheet, id: String, now: Timestamp, expires: Option<Timestamp>, body: Bytes) -> Document {
    let owner = Some(sheet.order.owner());
    Document { shelf: Shelf::Job, id, owner, labels: Vec::new(), changed: now, expires, body }
}

/// The id of the document with a job's request.
pub(crate) fn request_id(id: &str) -> String {
    format!("request_{id}")
}

/// The id of the document with a job's answer.
pub(crate) fn result_id(id: &str) -> String {
    format!("result_{id}")
}

/// Could this be the id of a job? Ids come from clients.
pub(crate) fn is_job_id(id: &str) -> bool {
    id.strip_prefix(JOB).is_some_and(|rest| rest.len() == 32 && rest.bytes().all(|b| b.is_ascii_hexdigit()))
}
