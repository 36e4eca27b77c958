//! The Gemini dialect: `generateContent` of Google's Gemini API and of Vertex AI.
//!
//! The model and whether the answer streams stand in the address, not in the body. A stream is
//! server-sent events with `alt=sse`, without a terminator: it is complete when a `finishReason`
//! came and the transport ended cleanly. So neither the inspector nor the decoder ever says that
//! it is done (unless a proxy in between writes `[DONE]`): whoever holds the stream does, when
//! it ends after a finish. Without `alt=sse` a stream is one JSON array: see `ArrayFrames`.
//!
//! Names of fields are those of google-genai 3.4.0 (`types.py`) and of the REST reference on
//! ai.google.dev and cloud.google.com; each is accepted in camelCase and in snake_case.

mod address;
mod array;
mod canonical;
mod config;
mod contents;
mod count;
mod decode;
mod encode;
mod fields;
mod finish;
mod inspect;
mod request;
mod resume;
mod rewrite;
mod schema;
mod thinking;
mod tools;
mod turns;
mod usage;
mod wire;
mod write;

pub use address::{Method, path, split};
pub use array::ArrayFrames;
pub use count::{count_answer, inspect_embeddings, read_count};
pub use decode::{Decoder, decode_answer};
pub use encode::{Encoder, encode_answer};
pub use fields::known_fields;
pub use finish::{finish_from_number, finish_from_word, finish_word};
pub use inspect::{Inspector, inspect_answer};
pub use request::GeminiRequest;
pub(crate) use resume::Told;
pub use write::write;
