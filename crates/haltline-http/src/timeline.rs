//! The shapes of timelines, for clients, operators and the command line. Money is a decimal string
//! of dollars, time is RFC 3339, distances are microseconds. How a record becomes one is in
//! `timeline/told.rs`.

mod told;

pub use told::{before, time_tools, time_tools_of, timeline, timelines};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// The owner of the request.
    Owner,
    /// An operator.
    Operator,
}

/// A request and what happened to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Timeline {
    /// The request's id.
    pub id: String,
    /// Its trace, 32 hexadecimal digits.
    pub trace_id: String,
    /// The key that asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Whom it was for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Its conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The surface it came by.
    pub surface: String,
    /// The model as it was asked for.
    pub model: String,
    /// Was a stream asked for?
    pub streamed: bool,
    /// When it arrived.
    pub started_at: String,
    /// When it ended.
    pub ended_at: String,
    /// How long it took, in microseconds; whole milliseconds where it has no steps.
    pub took_us: u64,
    /// How it ended: answered, refused, failed, cancelled, lost.
    pub outcome: String,
    /// The error's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The HTTP status that the client saw.
    pub status: u16,
    /// What all attempts cost.
    pub cost: String,
    /// Attempts that were made.
    pub attempts: usize,
    /// Input tokens of all attempts, as reported.
    pub input_tokens: u64,
    /// Output tokens of all attempts, as reported.
    pub output_tokens: u64,
    /// What happened, in order; none for a request from before steps were kept.
    pub steps: Vec<StepLine>,
}

/// Timelines that belong together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Timelines {
    /// The requests, in the order that was asked for.
    pub requests: Vec<Timeline>,
    /// There are more behind this one: ask for them with `after`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A step. What is said besides its word, its time and a sentence depends on the word.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StepLine {
    /// How long after the arrival, in microseconds.
    pub at_us: u64,
    /// The word: arrived, held, sent, fault, settled and so on.
    pub step: String,
    /// A sentence for people.
    pub text: String,
    /// The attempt that it is a part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u8>,
    /// The endpoint, as provider/model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// How long a wait took, or takes; how long a tool took. In microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_us: Option<u64>,
    /// What is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<String>,
    /// What was charged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<String>,
    /// What the charge rests on: reported, ceiling, released.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis: Option<String>,
    /// Input tokens that were reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    /// Output tokens that were reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    /// The provider's HTTP status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The kind of fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// May the failed attempt have cost money?
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub may_have_cost: Option<bool>,
    /// Why, or for what, as a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The budget, limit, model or request that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// A number of an event of the stream, or of events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<u64>,
    /// A length in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// The tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<ToolLine>,
    /// The endpoints of a plan, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plan: Vec<PlanLine>,
}

/// A tool that was called or has answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ToolLine {
    /// Its name.
    pub name: String,
    /// The call's id.
    pub id: String,
    /// It gave nothing at all.
    pub empty: bool,
    /// It said that it failed.
    pub error: bool,
}

/// An endpoint of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlanLine {
    /// Which, as provider/model.
    pub endpoint: String,
    /// Is it asked, or left out?
    pub used: bool,
    /// Why, as a word.
    pub why: String,
}

/// A stream as it was kept: its head, then its batches, one JSON object a line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StreamLine {
    /// The stream's id, the same as its request's.
    pub id: String,
    /// When it began, in milliseconds since 1970.
    pub started_ms: i64,
    /// When it ended; none while it runs, or when the process died under it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_ms: Option<i64>,
    /// The number of its last event.
    pub last: u64,
}

/// Some events of a stream that were written together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BatchLine {
    /// The number of the first one.
    pub first: u64,
    /// When they were written, in milliseconds since 1970.
    pub at_ms: i64,
    /// The events as they went out, framing and all.
    pub events: Vec<String>,
}
