//! The Responses API: `POST /v1/responses`, of OpenAI and of those who imitate it.
//!
//! Conversations and responses kept at the provider are input and money that no body shows: what
//! is sent is never stored there, and what refers to stored state is refused, or left for the
//! gateway to answer from its own sessions.

mod canonical;
mod canonical_items;
mod decode;
mod echo;
mod encode;
mod encode_calls;
mod encode_frames;
mod encode_items;
mod fields;
mod input;
mod inspect;
mod piece;
mod reader;
pub mod request;
mod resume;
mod rewrite;
mod stored;
mod tools;
mod turns;
pub(in crate::openai) mod values;
mod wire;
mod write;

pub use decode::{Decoder, decode_answer};
pub use echo::Shown;
pub use encode::{Encoder, encode_answer};
pub use encode_frames::failure_frames;
pub use fields::known_fields;
pub use inspect::{Inspector, inspect_answer};
pub use request::{HostedTools, ResponsesRequest};
pub(crate) use resume::Told;
pub use rewrite::Edit;
pub use stored::{StoredResponse, input_items, list_page};
pub use write::{write, write_for};

/// Stands before sealed thoughts of a dialect that marks them as withheld (Anthropic's
/// `redacted_thinking`), in `encrypted_content`: so they come back as what they were.
const WITHHELD: &str = "withheld:";

/// Ids of reasoning items that an `Encoder` made begin so: their sealed thoughts are not of a
/// Responses provider, and none can read them.
const FOREIGN_REASONING: &str = "rs_hl_";
