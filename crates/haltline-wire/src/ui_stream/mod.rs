//! The AI SDK's UI message stream, which `useChat` of `@ai-sdk/react` speaks: requests of UI
//! messages, and answers as a stream of typed chunks.
//!
//! Written are only chunks that versions 5, 6 and 7 of the `ai` package know, as an unknown type
//! kills the stream there (`ui-message-stream/ui-message-chunks.ts` of 5.0, 6.0 and 7.0).

mod blocks;
mod decode;
mod encode;
mod parts;
mod request;
mod resume;
mod turns;

pub use decode::Decoder;
pub use encode::{Encoder, Shown, data_frame, transient_frame};
pub use request::{UiRequest, known_fields};
pub(crate) use resume::Told;
pub use turns::ui_messages;

/// Headers of a stream beside `content-type: text/event-stream`. The client checks none of them;
/// the last is how others recognise the protocol.
pub const HEADERS: [(&str, &str); 3] =
    [("cache-control", "no-cache"), ("x-accel-buffering", "no"), ("x-vercel-ai-ui-message-stream", "v1")];
