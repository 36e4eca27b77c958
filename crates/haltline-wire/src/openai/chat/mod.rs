//! Chat Completions: `POST /v1/chat/completions`.

mod cap;
mod fields;
mod finish;
mod messages;
pub mod request;
pub mod response;
mod rewrite;
pub mod stream;
mod tools;
mod values;
mod wire;

pub use cap::{CapField, cap_field_for};
pub use fields::known_fields;
pub use finish::{finish_from_word, finish_word};
pub use request::ChatRequest;
pub use rewrite::Edit;
