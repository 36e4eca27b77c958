//! The parts of a message that is being written: which is open, and the calls whose arguments are
//! still coming. A delta or an end without its start kills the client's stream.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::canon::Frame;
use crate::compose::Composed;

/// Appends a chunk.
pub(super) fn chunk(value: &Value, out: &mut Vec<Frame>) {
    out.push(Frame { event: None, data: Bytes::from(value.to_string()) });
}

/// What kind of part is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Reasoning,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Reasoning => "reasoning",
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Blocks {
    open: Option<(Kind, String)>,
    /// Proof of the open thoughts.
    proof: Map<String, Value>,
    /// Parts begun so far: ids are unique in a message.
    begun: u64,
    calls: Vec<Call>,
}

#[derive(Debug)]
struct Call {
    index: u32,
    id: String,
    name: String,
    arguments: String,
    told: bool,
}

impl Blocks {
    /// The page has so many parts, and this one is open.
    pub(super) fn begin_at(&mut self, open: Option<(Kind, String)>, begun: u64) {
        self.open = open;
        self.begun = begun;
    }

    /// More of a part; begins one when another kind is open.
    pub(super) fn delta(&mut self, kind: Kind, text: &str, out: &mut Vec<Frame>) {
        let id = self.open(kind, out);
        if !text.is_empty() {
            let data = Composed::of("{\"type\":\"").raw(kind.name()).raw("-delta\",\"id\":").string(&id);
            out.push(Frame { event: None, data: data.raw(",\"delta\":").string(text).raw("}").bytes() });
        }
    }

    /// The proof of the thoughts that are open; they end with it.
    pub(super) fn proof(&mut self, name: &str, data: &str, out: &mut Vec<Frame>) {
        self.open(Kind::Reasoning, out);
        self.proof.insert(name.to_owned(), json!(data));
        self.close(out);
    }

    fn open(&mut self, kind: Kind, out: &mut Vec<Frame>) -> String {
        if let Some((open, id)) = &self.open
            && *open == kind
        {
            return id.clone();
        }
        self.close(out);
        self.tell_complete(out);
        self.begun += 1;
        let id = format!("{}-{}", kind.name(), self.begun);
        chunk(&json!({"type": format!("{}-start", kind.name()), "id": id}), out);
        self.open = Some((kind, id.clone()));
        id
    }

    /// Ends the open text or thoughts.
    pub(super) fn close(&mut self, out: &mut Vec<Frame>) {
        let proof = std::mem::take(&mut self.proof);
        if let Some((kind, id)) = self.open.take() {
            let mut end = json!({"type": format!("{}-end", kind.name()), "id": id});
            if !proof.is_empty() {
                end["providerMetadata"] = json!({ "haltline": proof });
            }
            chunk(&end, out);
        }
    }

    /// A call begins.
    pub(super) fn call(&mut self, index: u32, id: &str, name: &str, out: &mut Vec<Frame>) {
        self.close(out);
        self.tell_complete(out);
        chunk(&json!({"type": "tool-input-start", "toolCallId": id, "toolName": name}), out);
        self.calls.push(Call {
            index,
            id: id.to_owned(),
            name: name.to_owned(),
            arguments: String::new(),
            told: false,
        });
    }

    /// More of a call's arguments.
    pub(super) fn arguments(&mut self, index: u32, fragment: &str, out: &mut Vec<Frame>) {
        if let Some(call) = self.calls.iter_mut().rev().find(|call| call.index == index && !call.told) {
            call.arguments.push_str(fragment);
            chunk(&json!({"type": "tool-input-delta", "toolCallId": call.id, "inputTextDelta": fragment}), out);
        }
    }

    pub(super) const fn has_calls(&self) -> bool {
        !self.calls.is_empty()
    }

    /// Tells the calls whose arguments are whole: the next part begins. Calls can be mixed up piece
    /// by piece, so the others wait.
    fn tell_complete(&mut self, out: &mut Vec<Frame>) {
        for call in self.calls.iter_mut().filter(|call| !call.told) {
            if let Ok(input @ Value::Object(_)) = serde_json::from_str::<Value>(&call.arguments) {
                call.tell(&input, out);
            }
        }
    }

    /// Ends all parts: the model has finished.
    pub(super) fn finish(&mut self, out: &mut Vec<Frame>) {
        self.close(out);
        for call in self.calls.iter_mut().filter(|call| !call.told) {
            let text = if call.arguments.trim().is_empty() { "{}" } else { &call.arguments };
            match serde_json::from_str::<Value>(text) {
                Ok(input) => call.tell(&input, out),
                Err(_) => call.tell_bad(out),
            }
        }
    }
}

impl Call {
    fn tell(&mut self, input: &Value, out: &mut Vec<Frame>) {
        self.told = true;
        let (id, name) = (&self.id, &self.name);
        chunk(&json!({"type": "tool-input-available", "toolCallId": id, "toolName": name, "input": input}), out);
    }

    fn tell_bad(&mut self, out: &mut Vec<Frame>) {
        self.told = true;
        let value = json!({
            "type": "tool-input-error", "toolCallId": self.id, "toolName": self.name, "input": self.arguments,
            "errorText": "The model wrote arguments that are no JSON.",
        });
        chunk(&value, out);
    }
}
