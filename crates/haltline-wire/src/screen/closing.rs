//! The end of a stream that is cut because more of it must not be said: open parts are closed, and
//! the client is told that content was filtered. What fails, and why, is told by the error after it.

use crate::Finish;
use crate::assemble::Resumption;
use crate::canon::{Event, Frame};
use crate::client::ClientRequest;
use crate::provider::Shown;
use bytes::Bytes;
use serde_json::Value;

impl ClientRequest {
    /// The events that end what `from` is of, without those that say that all is well.
    #[must_use]
    pub fn cut_frames(&self, shown: &Shown, from: &Resumption) -> Vec<Frame> {
        let mut encoder = self.encoder(shown);
        if from.begun() {
            encoder.primed(from);
        }
        let mut frames = Vec::new();
        encoder.encode(&Event::Finished { reason: Finish::ContentFilter, stop_sequence: None }, &mut frames);
        encoder.encode(&Event::Done, &mut frames);
        frames.retain(|frame| &*frame.data != b"[DONE]" && frame.event != Some("message_stop"));
        let others: Vec<Frame> = (1..self.n()).filter_map(|index| ended(&frames, index)).collect();
        frames.extend(others);
        frames
    }
}

/// The end of another choice.
fn ended(frames: &[Frame], index: u32) -> Option<Frame> {
    let is_end = |choice: &Value| {
        let reason = choice.get("finish_reason").or_else(|| choice.get("finishReason"));
        reason.is_some_and(|reason| !reason.is_null())
    };
    frames.iter().find_map(|frame| {
        let mut value: Value = serde_json::from_slice(&frame.data).ok()?;
        let name = if value.get("choices").is_some() { "choices" } else { "candidates" };
        let choice = value.get_mut(name)?.get_mut(0).filter(|choice| is_end(choice))?;
        choice.as_object_mut()?.insert("index".to_owned(), index.into());
        if let Some(value) = value.as_object_mut() {
            value.shift_remove("usage");
            value.shift_remove("usageMetadata");
        }
        Some(Frame { event: frame.event, data: Bytes::from(value.to_string()) })
    })
}
