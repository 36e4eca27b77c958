//! Going on with a stream that another attempt began.

use super::encode::Encoder;
use super::queue::OpenKind;
use crate::assemble::resumption::word;
use serde_json::Value;

/// What a client was told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// It has `message_start`.
    pub(crate) begun: bool,
    id: String,
    model: String,
    /// The index of the open block, or of the next.
    index: u64,
    open: Option<OpenKind>,
}

impl Told {
    /// Is a block of text open?
    pub(crate) const fn in_text(&self) -> bool {
        matches!(self.open, Some(OpenKind::Text))
    }

    /// Notes an event.
    pub(crate) fn take(&mut self, event: &Value) {
        let index = event.get("index").and_then(Value::as_u64);
        match word(event, "type") {
            "message_start" => {
                self.begun = true;
                let message = event.get("message").unwrap_or(&Value::Null);
                word(message, "id").clone_into(&mut self.id);
                word(message, "model").clone_into(&mut self.model);
            }
            "content_block_start" => {
                self.index = index.unwrap_or(self.index);
                self.open = Some(match word(event.get("content_block").unwrap_or(&Value::Null), "type") {
                    "text" => OpenKind::Text,
                    "thinking" => OpenKind::Thinking,
                    _ => OpenKind::Other,
                });
            }
            "content_block_stop" => {
                self.index = index.unwrap_or(self.index).saturating_add(1);
                self.open = None;
            }
            _ => {}
        }
    }
}

impl Encoder {
    /// The client has this already.
    pub(super) fn go_on(&mut self, told: &Told) {
        if !told.begun {
            return;
        }
        self.started = true;
        self.id.clone_from(&told.id);
        self.model.clone_from(&told.model);
        self.blocks.begin_at(told.index, told.open);
    }
}
