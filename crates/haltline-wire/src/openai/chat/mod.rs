//! Chat Completions: `POST /v1/chat/completions`.

mod cap;
mod fields;
mod finish;
mod measure;
mod messages;
pub mod request;
pub mod response;
mod rewrite;
pub mod stream;
mod wire;

pub use cap::{CapField, cap_field_for};
pub use fields::PassFields;
pub use finish::Finish;
pub use measure::Measure;
pub use request::{ChatRequest, RequestError};
pub use rewrite::Edit;
