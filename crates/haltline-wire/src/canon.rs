//! The canonical form: what every dialect means, said once. A request or an answer that crosses
//! from one dialect to another goes through here; one that stays in its dialect never does.
//!
//! A dialect's folder turns its own bytes into this and this into its own bytes. What has no place
//! here is *lost*: named, so that the client is told, or refused where losing it would change
//! what the client gets.

mod answer;
mod codec;
mod event;
mod message_json;
mod request;
mod turns;

pub use answer::Answer;
pub(crate) use answer::Sum;
pub use codec::{Decode, Decoded, Encode, Frame, Inspect};
pub use event::{Event, ReportedUsage, metered};
pub use request::{
    Call, Effort, Format, Media, MediaSource, Message, Part, Reasoning, Request, Role, Sampling, Text, Tool,
    ToolChoice, ToolResult,
};
pub use turns::joined;

/// Sealed thoughts of OpenAI begin so: they are Fernet tokens. Other providers refuse them.
pub(crate) const OPENAI_SEAL: &str = "gAAAA";

/// A request in a dialect's bytes, with what its dialect could not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The body.
    pub body: bytes::Bytes,
    /// Canonical names of what was dropped, for the response header `x-haltline-dropped`.
    pub dropped: Vec<&'static str>,
}

/// What the bytes of a canonical request are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// The model's id at the provider.
    pub model: &'a str,
    /// The output cap to send: exactly one, in the field that the provider obeys.
    pub cap: haltline_types::Tokens,
}
