//! Ollama's own API: `POST /api/chat` and `POST /api/generate`, whose answers are JSON objects, one a
//! line in a stream. Answers only: requests go to Ollama by its `/v1` paths.

mod decode;
mod lines;

pub use decode::{Decoder, Inspector, decode_answer, inspect_answer};
pub use lines::Lines;
