//! Going on with a response that another attempt began.

use super::encode::Encoder;
use super::encode_items::{Message, Open, Part, Reasoning};
use crate::assemble::resumption::word;
use haltline_types::Timestamp;
use serde_json::Value;

/// Output items whose places are remembered.
const ITEMS_MAX: usize = 4_096;

/// What a client was told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// It has `response.created`.
    pub(crate) begun: bool,
    id: String,
    model: String,
    /// In seconds.
    created: Option<i64>,
    /// The number of the next event.
    number: u64,
    /// By place; null where an item is not whole.
    output: Vec<Value>,
    open: Open,
}

impl Told {
    /// Notes an event.
    pub(crate) fn take(&mut self, event: &Value) {
        let number = event.get("sequence_number").and_then(Value::as_u64);
        self.number = number.map_or(self.number, |number| self.number.max(number)).saturating_add(1);
        if let Some(response) = event.get("response").filter(|response| response.is_object()) {
            self.begun = true;
            word(response, "id").clone_into(&mut self.id);
            word(response, "model").clone_into(&mut self.model);
            self.created = response.get("created_at").and_then(Value::as_i64).or(self.created);
        }
        let place = event.get("output_index").and_then(Value::as_u64).and_then(|place| usize::try_from(place).ok());
        let Some(place) = place.filter(|place| *place < ITEMS_MAX) else { return };
        self.item(place, event);
    }

    /// Is a message open?
    pub(crate) const fn in_text(&self) -> bool {
        matches!(self.open, Open::Message(_))
    }

    fn item(&mut self, place: usize, event: &Value) {
        match word(event, "type") {
            "response.output_item.added" => {
                if self.output.len() <= place {
                    self.output.resize(place + 1, Value::Null);
                }
                let item = event.get("item").unwrap_or(&Value::Null);
                let id = word(item, "id").to_owned();
                self.open = match word(item, "type") {
                    "message" => Open::Message(Message { place, id, parts: Vec::new(), part: None }),
                    "reasoning" => {
                        Open::Reasoning(Reasoning { place, id, text: String::new(), part_open: false, sealed: None })
                    }
                    _ => return,
                };
            }
            "response.output_item.done" => {
                if let (Some(slot), Some(item)) = (self.output.get_mut(place), event.get("item")) {
                    slot.clone_from(item);
                }
                if self.open.place() == Some(place) {
                    self.open = Open::None;
                }
            }
            kind => match &mut self.open {
                Open::Message(message) if message.place == place => within(message, kind, event),
                Open::Reasoning(reasoning) if reasoning.place == place => {
                    if matches!(kind, "response.reasoning_summary_text.delta" | "response.reasoning_summary_part.added")
                    {
                        reasoning.part_open = true;
                        reasoning.text.push_str(word(event, "delta"));
                    }
                }
                _ => {}
            },
        }
    }
}

fn within(message: &mut Message, kind: &str, event: &Value) {
    match kind {
        "response.content_part.added" => {
            let refusal = word(event.get("part").unwrap_or(&Value::Null), "type") == "refusal";
            message.part = Some(Part { refusal, text: String::new(), annotations: Vec::new(), told: false });
        }
        "response.output_text.delta" | "response.refusal.delta" => {
            let refusal = kind == "response.refusal.delta";
            let blank = || Part { refusal, text: String::new(), annotations: Vec::new(), told: false };
            message.part.get_or_insert_with(blank).text.push_str(word(event, "delta"));
        }
        "response.output_text.annotation.added" => {
            if let (Some(part), Some(annotation)) = (&mut message.part, event.get("annotation")) {
                part.annotations.push(annotation.clone());
            }
        }
        "response.output_text.done" | "response.refusal.done" => {
            if let Some(part) = &mut message.part {
                part.told = true;
            }
        }
        "response.content_part.done" => {
            message.part = None;
            message.parts.extend(event.get("part").cloned());
        }
        _ => {}
    }
}

impl Encoder {
    /// The client has this already.
    pub(super) fn go_on(&mut self, told: &Told) {
        if !told.begun {
            return;
        }
        self.begun = true;
        if !told.id.is_empty() {
            self.shown.id.clone_from(&told.id);
        }
        if let Some(created) = told.created {
            self.shown.created = Timestamp::from_secs(created);
        }
        self.model.clone_from(&told.model);
        self.number = told.number;
        self.output.clone_from(&told.output);
        self.open = told.open.clone();
    }
}
