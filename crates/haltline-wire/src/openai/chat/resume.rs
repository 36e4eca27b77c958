//! Going on with a stream of chunks that another attempt began.

use super::encode::Encoder;
use crate::assemble::resumption::word;
use haltline_types::Timestamp;
use serde_json::Value;

/// Calls whose places are remembered.
const CALLS_MAX: usize = 4_096;

/// What a client was told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// It has the role, which comes first.
    pub(crate) begun: bool,
    pub(super) id: String,
    pub(super) model: String,
    /// In seconds.
    pub(super) created: Option<i64>,
    pub(super) calls: usize,
}

impl Told {
    /// Notes a chunk.
    pub(crate) fn take(&mut self, chunk: &Value) {
        for (known, name) in [(&mut self.id, "id"), (&mut self.model, "model")] {
            if known.is_empty() {
                word(chunk, name).clone_into(known);
            }
        }
        self.created = self.created.or_else(|| chunk.get("created").and_then(Value::as_i64));
        for choice in chunk.get("choices").and_then(Value::as_array).into_iter().flatten() {
            self.begun = true;
            let calls = choice.get("delta").and_then(|delta| delta.get("tool_calls")).and_then(Value::as_array);
            for call in calls.into_iter().flatten() {
                let index = call.get("index").and_then(Value::as_u64).and_then(|index| usize::try_from(index).ok());
                self.calls = self.calls.max(index.unwrap_or(0).saturating_add(1)).min(CALLS_MAX);
            }
        }
    }
}

impl Encoder {
    /// The client has this already.
    pub(super) fn go_on(&mut self, told: &Told) {
        let shown = &mut self.shown;
        for (known, told) in [(&mut shown.id, &told.id), (&mut shown.model, &told.model)] {
            if !told.is_empty() {
                known.clone_from(told);
            }
        }
        if let Some(created) = told.created {
            shown.created = Timestamp::from_secs(created);
        }
        self.has_role = told.begun;
        // No call of this attempt has this index: they come after those of the other.
        self.calls = vec![u32::MAX; told.calls];
        self.head.clear();
    }
}
