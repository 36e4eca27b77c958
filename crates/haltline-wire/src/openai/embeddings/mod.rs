//! Embeddings: `POST /v1/embeddings`, of OpenAI and of those who imitate it. Nothing but input is
//! billed, so the bytes of the vectors are nobody's business here.

mod answer;
mod request;

pub use answer::{Complete, Embedded, inspect_answer};
pub use request::{EmbeddingsRequest, INPUTS_MAX, known_fields};
