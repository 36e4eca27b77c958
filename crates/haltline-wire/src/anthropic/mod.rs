//! The Anthropic Messages dialect: `POST /v1/messages` and `POST /v1/messages/count_tokens`.
//!
//! What a client sends is read by `MessagesRequest` and `CountRequest`; what a provider answers by
//! `Inspector`, `Decoder` and their whole-body sisters; canonical requests and answers are written
//! by `write`, `Encoder` and `encode_answer`. Headers (`anthropic-version`, `anthropic-beta`) are
//! not looked at here; `is_known_beta` says which betas may pass.

mod canonical;
mod context;
mod count;
mod decode;
mod encode;
mod encode_answer;
mod fields;
mod inspect;
mod messages;
mod queue;
mod read_answer;
mod read_stream;
mod request;
mod resume;
mod rewrite;
mod stop;
mod tools;
mod turns;
mod usage;
mod values;
mod wire;
mod wire_request;
mod write;
mod write_blocks;
mod write_options;
mod write_turns;

pub use count::{CountRequest, encode_count, read_count, write_count};
pub use decode::{Decoder, decode_answer};
pub use encode::Encoder;
pub use encode_answer::encode_answer;
pub use fields::{is_known_beta, is_long_context_beta, known_fields};
pub use inspect::{Inspector, identify, inspect_answer};
pub use request::{CacheTtl, MessagesRequest};
pub(crate) use resume::Told;
pub use stop::{finish_from_word, stop_word};
pub use write::{write, write_with};
pub(crate) use write_options::takes_prefill;
pub use write_options::{EffortMost, SamplingFields, ThinkingStyle, TierPin, WriteOptions};
