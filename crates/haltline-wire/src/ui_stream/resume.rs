//! Going on with a message that another attempt began.

use super::blocks::Kind;
use super::encode::Encoder;
use crate::assemble::resumption::word;
use serde_json::Value;

/// What a page was told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// It has `start`.
    pub(crate) begun: bool,
    message_id: String,
    open: Option<(Kind, String)>,
    /// Parts begun so far.
    parts: u64,
    sources: u64,
    in_step: bool,
}

impl Told {
    /// Is a part of text open?
    pub(crate) const fn in_text(&self) -> bool {
        matches!(self.open, Some((Kind::Text, _)))
    }

    /// Notes a chunk.
    pub(crate) fn take(&mut self, chunk: &Value) {
        let id = || word(chunk, "id").to_owned();
        match word(chunk, "type") {
            "start" => {
                self.begun = true;
                word(chunk, "messageId").clone_into(&mut self.message_id);
            }
            "start-step" => self.in_step = true,
            "finish-step" => self.in_step = false,
            "text-start" => {
                self.parts = self.parts.saturating_add(1);
                self.open = Some((Kind::Text, id()));
            }
            "reasoning-start" => {
                self.parts = self.parts.saturating_add(1);
                self.open = Some((Kind::Reasoning, id()));
            }
            "text-end" | "reasoning-end" => self.open = None,
            "source-url" => self.sources = self.sources.saturating_add(1),
            _ => {}
        }
    }
}

impl Encoder {
    /// The page has this already.
    pub(super) fn go_on(&mut self, told: &Told) {
        if !told.begun {
            return;
        }
        self.begun = true;
        if !told.message_id.is_empty() {
            self.shown.message_id.clone_from(&told.message_id);
        }
        self.blocks.begin_at(told.open.clone(), told.parts);
        self.sources = told.sources;
        self.between_steps = !told.in_step;
    }
}
