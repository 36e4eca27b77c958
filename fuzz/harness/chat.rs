//! What must hold of any bytes: Chat Completions, Ollama, UI messages.

use bytes::Bytes;
use haltline_wire::PassFields;
use haltline_wire::canon::{Decode, Encode, Event as Canonical, Inspect, metered};
use haltline_wire::chunk::Chunk;
use haltline_wire::ollama;
use haltline_wire::openai::chat::{Decoder, Encoder, Inspector, Shown, decode_answer};
use haltline_wire::sse::Splitter;
use haltline_wire::ui_stream::{self, UiRequest};
use serde::de::IgnoredAny;

/// Meters and decoders of a chat stream see the same, and what was decoded can be written again in
/// two dialects, each frame JSON or the end.
pub(crate) fn chat_stream(data: &[u8]) {
    let _ = (decode_answer(data), ollama::decode_answer(data), ollama::inspect_answer(data));
    let mut splitter = Splitter::new();
    splitter.push(&Bytes::copy_from_slice(data));
    let (mut decoder, mut inspector) = (Decoder::new(), Inspector::new());
    let (mut chat, mut page) = (Encoder::new(Shown::default()), ui_stream::Encoder::new(ui_stream::Shown::default()));
    let mut frames = Vec::new();
    while let Some(Ok(event)) = splitter.next_event() {
        if event.comment {
            continue;
        }
        let mut out = Vec::new();
        let decoded = decoder.decode(&event, &mut out);
        match inspector.inspect(&event) {
            Ok(Chunk::Delta(delta) | Chunk::Error { delta, .. }) => {
                let seen = metered(&out);
                assert_eq!((delta.usage, delta.usage_unreadable), (seen.usage, seen.usage_unreadable));
            }
            Ok(Chunk::Done) => assert_eq!(out, [Canonical::Done]),
            Err(error) => assert_eq!(decoded, Err(error)),
        }
        for event in &out {
            chat.encode(event, &mut frames);
            page.encode(event, &mut frames);
        }
    }
    for frame in frames {
        assert!(*frame.data == *b"[DONE]" || serde_json::from_slice::<IgnoredAny>(&frame.data).is_ok());
    }
}

/// A page's request that was accepted means something, and is measured.
pub(crate) fn ui_request(data: &[u8]) {
    for pass in [PassFields::none(), PassFields::new(["*"])] {
        let Ok(request) = UiRequest::parse(Bytes::copy_from_slice(data), &pass) else { continue };
        let canonical = request.canonical().expect("what was accepted has a meaning");
        assert!(!canonical.messages.is_empty() && canonical.stream);
        assert_eq!(request.fingerprint_material(), data);
        assert!(request.measure().messages > 0);
    }
}
