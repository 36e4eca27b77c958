//! Chat Completions: `POST /v1/chat/completions`.

mod calls;
mod canonical;
mod canonical_messages;
mod cap;
mod decode;
mod encode;
mod fields;
mod finish;
mod inspect;
mod max_price;
mod messages;
pub mod request;
pub mod response;
mod rewrite;
mod said;
mod skim;
pub mod stream;
mod tools;
mod turns;
mod values;
mod wire;
mod write;
mod write_messages;

pub use cap::{CapField, cap_field_for};
pub use decode::{Decoder, decode_answer};
pub use encode::{Encoder, Shown, encode_answer};
pub use fields::known_fields;
pub use finish::{finish_from_word, finish_word};
pub use inspect::{Inspector, inspect_answer};
pub use max_price::MaxPrice;
pub use request::ChatRequest;
pub use rewrite::Edit;
pub use write::{ChatTarget, write};
