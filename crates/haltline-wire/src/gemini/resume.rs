//! Going on with a stream that another attempt began.

use super::encode::Encoder;
use crate::assemble::resumption::word;
use serde_json::Value;

/// What a client was told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// It has a chunk.
    pub(crate) begun: bool,
    id: String,
    model: String,
}

impl Told {
    /// Notes a chunk.
    pub(crate) fn take(&mut self, chunk: &Value) {
        self.begun |= chunk.get("candidates").is_some();
        for (known, name) in [(&mut self.id, "responseId"), (&mut self.model, "modelVersion")] {
            if known.is_empty() {
                word(chunk, name).clone_into(known);
            }
        }
    }
}

impl Encoder {
    /// The client has this already.
    pub(super) fn go_on(&mut self, told: &Told) {
        if !told.id.is_empty() {
            self.id.clone_from(&told.id);
        }
        self.model.clone_from(&told.model);
    }
}
