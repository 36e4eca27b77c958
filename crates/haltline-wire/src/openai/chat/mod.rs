//! Chat Completions: `POST /v1/chat/completions`.

mod cap;
mod fields;
mod finish;
mod measure;
mod messages;
mod refusal;
pub mod request;
pub mod response;
mod rewrite;
pub mod stream;
mod tools;
mod values;
mod wire;

pub use cap::{CapField, cap_field_for};
pub use fields::PassFields;
pub use finish::Finish;
pub use measure::Measure;
pub use refusal::RequestError;
pub use request::ChatRequest;
pub use rewrite::Edit;
