//! A walk through one event or answer: asks about the strings in it, and replaces what may not
//! pass. What stands where is each dialect's business.

use super::flush::{Last, Step};
use super::place::{Channel, Flow, Kind, Scan};
use super::{Screen, chat, gemini, messages, responses, ui};
use crate::chunk::Malformed;
use crate::client::ClientDialect;
use bytes::Bytes;
use serde_json::{Map, Value};
use std::borrow::Cow;

/// Is more to come?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// One event of many.
    Stream,
    /// All of it.
    Whole,
}

/// A walk.
pub(super) struct Walk<'a> {
    screen: &'a mut Screen,
    scan: &'a mut dyn Scan,
    pub(super) mode: Mode,
    event: Option<&'a Bytes>,
    data: &'a Bytes,
    path: Vec<Step>,
    out: String,
    done: Done,
    /// Pieces of text, and those of which nothing passed.
    pieces: u32,
    empty: u32,
}

/// What a walk came to.
#[derive(Default)]
pub(super) struct Done {
    pub(super) changed: bool,
    /// Everything that had text lost all of it.
    pub(super) emptied: bool,
    /// Some text passed.
    pub(super) said: bool,
    /// Where the answer must end, and what may pass of that text.
    pub(super) cut: Option<(Vec<Step>, String)>,
    /// Texts that came in pieces, and the only one.
    pub(super) texts: u32,
    pub(super) only: Option<(Channel, Vec<Step>)>,
    pub(super) error: Option<Malformed>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        screen: &'a mut Screen,
        scan: &'a mut dyn Scan,
        mode: Mode,
        event: Option<&'a Bytes>,
        data: &'a Bytes,
    ) -> Self {
        let (path, out, done) = (Vec::new(), String::new(), Done::default());
        Self { screen, scan, mode, event, data, path, out, done, pieces: 0, empty: 0 }
    }

    pub(super) fn done(self) -> Done {
        let emptied = self.pieces > 0 && self.empty == self.pieces;
        Done { emptied, said: self.pieces > self.empty, ..self.done }
    }

    /// One event of a stream.
    pub(super) fn event(&mut self, value: &mut Value) {
        let Value::Object(object) = value else {
            self.done.error = Some(Malformed { detail: "a stream's data is no JSON object".to_owned() });
            return;
        };
        match self.screen.dialect {
            ClientDialect::Chat | ClientDialect::Embeddings => chat::answer(self, object),
            ClientDialect::Responses => responses::event(self, self.event, object),
            ClientDialect::Messages => messages::event(self, self.event, object),
            ClientDialect::Gemini => gemini::answer(self, object),
            ClientDialect::UiStream => ui::event(self, object),
        }
    }

    /// A whole answer. Pages get theirs in streams; a whole one is Chat's.
    pub(super) fn whole(&mut self, value: &mut Value) {
        let Value::Object(object) = value else {
            self.done.error = Some(Malformed { detail: "the answer is no JSON object".to_owned() });
            return;
        };
        match self.screen.dialect {
            ClientDialect::Chat | ClientDialect::Embeddings | ClientDialect::UiStream => chat::answer(self, object),
            ClientDialect::Responses => responses::answer(self, object),
            ClientDialect::Messages => messages::answer(self, object),
            ClientDialect::Gemini => gemini::answer(self, object),
        }
    }

    /// Steps into a member.
    pub(super) fn key(&mut self, name: &str, inside: impl FnOnce(&mut Self)) {
        self.path.push(Step::Key(name.to_owned()));
        inside(self);
        self.path.pop();
    }

    /// Steps into an element.
    pub(super) fn index(&mut self, place: usize, inside: impl FnOnce(&mut Self)) {
        self.path.push(Step::Index(place));
        inside(self);
        self.path.pop();
    }

    /// Goes through the members of an object; anything else is looked at as what nobody knows.
    pub(super) fn members(&mut self, value: &mut Value, each: impl FnMut(&mut Self, &str, &mut Value)) {
        match value {
            Value::Object(object) => self.members_of(object, each),
            other => self.other(other),
        }
    }

    /// Goes through the members of an object.
    pub(super) fn members_of(
        &mut self,
        object: &mut Map<String, Value>,
        mut each: impl FnMut(&mut Self, &str, &mut Value),
    ) {
        for (name, member) in object.iter_mut() {
            self.key(name, |walk| each(walk, name, member));
        }
    }

    /// Goes through the elements of a list; anything else is looked at as what nobody knows.
    pub(super) fn elements(&mut self, value: &mut Value, mut each: impl FnMut(&mut Self, usize, &mut Value)) {
        match value {
            Value::Array(elements) => {
                for (place, element) in elements.iter_mut().enumerate() {
                    self.index(place, |walk| each(walk, place, element));
                }
            }
            other => self.other(other),
        }
    }

    /// A piece of a text. Where something else than a string stands, it is looked at as what nobody
    /// knows. Says whether it stays as it is.
    pub(super) fn text(&mut self, channel: Channel, value: &mut Value) -> bool {
        let Value::String(text) = value else {
            let before = self.done.changed;
            self.other(value);
            return before == self.done.changed;
        };
        if self.is_over() {
            return true;
        }
        if text.is_empty() {
            self.note_text(channel);
            return true;
        }
        self.out.clear();
        self.pieces += 1;
        let flow = self.scan.push(channel, text, &mut self.out);
        if flow == Flow::Cut {
            self.done.cut = Some((self.path.clone(), std::mem::take(&mut self.out)));
            return false;
        }
        let is_same = flow == Flow::Same;
        let last =
            (!is_same).then(|| Last { event: self.event.cloned(), data: self.data.clone(), path: self.path.clone() });
        let shown = if is_same { text.as_str() } else { self.out.as_str() };
        if let Err(error) = self.screen.note(channel, text, flow, shown, last) {
            self.done.error.get_or_insert(error);
        }
        self.note_text(channel);
        if !is_same {
            self.empty += u32::from(self.out.is_empty());
            text.clone_from(&self.out);
            self.done.changed = true;
        }
        is_same
    }

    /// Notes that a text that comes in pieces stands here.
    fn note_text(&mut self, channel: Channel) {
        self.done.texts = self.done.texts.saturating_add(1);
        self.done.only = (self.done.texts == 1).then(|| (channel, self.path.clone()));
    }

    /// A final copy of what came in pieces: it says what they said. One of something else is looked
    /// at on its own.
    pub(super) fn copy(&mut self, channel: Channel, value: &mut Value) -> bool {
        let Value::String(text) = value else { return self.text(channel, value) };
        if self.mode == Mode::Stream && !text.is_empty() {
            let own = self.screen.states.iter().find(|state| state.channel == channel);
            let any = self.screen.states.iter().filter(|state| state.channel.kind == channel.kind);
            if let Some(went) = own.into_iter().chain(any).find_map(|state| state.said.of(text)) {
                let is_same = went == text;
                if !is_same {
                    *text = went.to_owned();
                    self.done.changed = true;
                }
                return is_same;
            }
        }
        self.alone(channel, value)
    }

    /// What came in pieces of a channel, and what went out of it.
    pub(super) fn said(&self, channel: Channel) -> Option<(&str, &str)> {
        self.screen.states.iter().find(|state| state.channel == channel)?.said.both()
    }

    /// A string that is whole.
    pub(super) fn alone(&mut self, channel: Channel, value: &mut Value) -> bool {
        self.judge(channel, value, Alone::Whole)
    }

    /// A string that will be told again, longer.
    pub(super) fn begun(&mut self, channel: Channel, value: &mut Value) -> bool {
        self.judge(channel, value, Alone::Begun)
    }

    fn judge(&mut self, channel: Channel, value: &mut Value, how: Alone) -> bool {
        let Value::String(text) = value else {
            let before = self.done.changed;
            self.other(value);
            return before == self.done.changed;
        };
        if self.is_over() || text.is_empty() {
            return true;
        }
        if how == Alone::Begun {
            self.done.texts = self.done.texts.saturating_add(2);
        }
        self.out.clear();
        let flow = match how {
            Alone::Whole => self.scan.whole(channel, text, &mut self.out),
            Alone::Begun => self.scan.begun(channel, text, &mut self.out),
        };
        match flow {
            Flow::Same => true,
            Flow::Changed => {
                text.clone_from(&self.out);
                self.done.changed = true;
                false
            }
            Flow::Cut => {
                // Half of an extra says nothing that a client could use.
                self.done.cut = Some((self.path.clone(), String::new()));
                false
            }
        }
    }

    /// What nobody knows: all strings within, but for ids and words of the protocol.
    pub(super) fn other(&mut self, value: &mut Value) {
        match value {
            Value::String(_) => {
                self.alone(Channel::new(Kind::Other, 0, 0), value);
            }
            Value::Array(_) => self.elements(value, |walk, _, element| walk.other(element)),
            Value::Object(_) => self.members(value, |walk, name, member| walk.other_member(name, member)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// A member that nobody knows.
    pub(super) fn other_member(&mut self, name: &str, value: &mut Value) {
        if !(value.is_string() && is_word(name)) {
            self.other(value);
        }
    }

    /// A member that nobody knows, right beside a model's text: taken for a text in pieces.
    pub(super) fn beside(&mut self, place: u64, name: &str, value: &mut Value) {
        if value.is_string() && !is_word(name) {
            self.text(Channel::new(Kind::Other, place, super::number_of(name)), value);
        } else {
            self.other_member(name, value);
        }
    }

    /// What a model wrote as the arguments of a call: every string and every key.
    pub(super) fn values(&mut self, value: &mut Value) {
        let channel = Channel::new(Kind::Value, 0, 0);
        match value {
            Value::String(_) => {
                self.alone(channel, value);
            }
            Value::Array(_) => self.elements(value, |walk, _, element| walk.values(element)),
            Value::Object(object) => {
                if object.keys().any(|name| self.key_changes(channel, name)) {
                    *object = std::mem::take(object)
                        .into_iter()
                        .map(|(name, member)| (self.key_shown(channel, name), member))
                        .collect();
                    self.done.changed = true;
                }
                self.members_of(object, |walk, _, member| walk.values(member));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn key_changes(&mut self, channel: Channel, name: &str) -> bool {
        let mut probe = Value::from(name);
        let before = self.done.changed;
        // Found here, told again below.
        let changes = !self.alone(channel.echoing(), &mut probe);
        self.done.changed = before;
        changes
    }

    fn key_shown(&mut self, channel: Channel, name: String) -> String {
        let mut value = Value::from(name);
        self.alone(channel, &mut value);
        value.as_str().unwrap_or_default().to_owned()
    }

    /// Probabilities of a text's tokens say the text again, token by token. They stay only where
    /// nothing of it changes.
    pub(super) fn probabilities(&mut self, place: u64, part: u64, value: &mut Value, none: Value) {
        let mut tokens = String::new();
        gather(value, &mut tokens);
        if tokens.is_empty() || self.is_over() {
            return;
        }
        let channel = Channel::new(Kind::Other, place, part).echoing();
        // What depends on the pieces before is not known by heart.
        self.done.texts = self.done.texts.saturating_add(2);
        self.out.clear();
        let flow = match self.mode {
            Mode::Whole => self.scan.whole(channel, &tokens, &mut self.out),
            Mode::Stream => self.scan.push(channel, &tokens, &mut self.out),
        };
        if flow != Flow::Same {
            *value = none;
            self.done.changed = true;
        }
    }

    /// The same where a text is told again: its probabilities stand on their own.
    pub(super) fn whole_probabilities(&mut self, value: &mut Value) {
        let mode = std::mem::replace(&mut self.mode, Mode::Whole);
        self.probabilities(0, 0, value, Value::Array(Vec::new()));
        self.mode = mode;
    }

    /// Puts another value in its place.
    pub(super) fn replace(&mut self, value: &mut Value, new: Value) {
        if *value != new {
            *value = new;
            self.done.changed = true;
        }
    }

    fn is_over(&self) -> bool {
        self.done.cut.is_some() || self.done.error.is_some()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Alone {
    Whole,
    Begun,
}

/// The tokens of a list of probabilities, without those that were not chosen.
fn gather(value: &Value, out: &mut String) {
    match value {
        Value::String(token) => out.push_str(token),
        Value::Array(elements) => elements.iter().for_each(|element| gather(element, out)),
        Value::Object(members) => {
            for (name, member) in members {
                if !name.starts_with("top") && !matches!(member, Value::Number(_)) && name != "bytes" {
                    gather(member, out);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Members whose strings are ids, words of the protocol, seals or padding.
pub(super) fn is_word(name: &str) -> bool {
    matches!(
        name,
        "id" | "object"
            | "type"
            | "role"
            | "model"
            | "status"
            | "finish_reason"
            | "native_finish_reason"
            | "stop_reason"
            | "stop_sequence"
            | "system_fingerprint"
            | "service_tier"
            | "obfuscation"
            | "signature"
            | "encrypted_content"
            | "encrypted_index"
            | "item_id"
            | "call_id"
            | "tool_call_id"
            | "tool_use_id"
            | "response_id"
            | "previous_response_id"
            | "thoughtSignature"
            | "thought_signature"
            | "finishReason"
            | "finish_reason_raw"
            | "modelVersion"
            | "model_version"
            | "responseId"
            | "mimeType"
            | "mime_type"
            | "mediaType"
            | "toolCallId"
            | "messageId"
            | "sourceId"
            | "traceId"
            | "request_id"
    )
}

/// The inside of a JSON string as text. Half of a surrogate pair reads as a sign that nothing is
/// looked for in.
pub(super) fn decoded(raw: &[u8]) -> Result<Cow<'_, str>, Malformed> {
    match crate::json::decode(raw) {
        Cow::Borrowed(raw) => std::str::from_utf8(raw)
            .map(Cow::Borrowed)
            .map_err(|_| Malformed { detail: "a stream's data is not UTF-8".to_owned() }),
        Cow::Owned(bytes) => Ok(Cow::Owned(
            String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
        )),
    }
}

pub(super) fn unreadable(error: &serde_json::Error) -> Malformed {
    Malformed { detail: format!("what cannot be read cannot be screened: {error}") }
}
