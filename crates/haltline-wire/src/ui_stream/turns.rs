//! Canonical turns as UI messages, as `useChat` has them, and a request with further turns.

use super::UiRequest;
use super::request::measure;
use crate::PassFields;
use crate::canon::{Media, MediaSource, Message, Part, Role, ToolResult};
use crate::edit::{At, Writer, elements, spliced};
use crate::json::walk;
use crate::openai::data_url;
use crate::refusal::RequestError;
use bytes::Bytes;
use haltline_types::Tokens;
use serde_json::{Map, Value, json};

impl UiRequest {
    /// The same request with `turns` among its messages, and with `cap` where the page set one.
    ///
    /// A page that ran tools sends its copy of the last answer again, now with what they gave:
    /// that copy replaces ours.
    pub(crate) fn with_turns(
        &self,
        turns: &[Message],
        at: At,
        cap: Option<Tokens>,
        pass: &PassFields,
    ) -> Result<Self, RequestError> {
        let answered = self.canonical.messages.first().is_some_and(|message| message.role == Role::Assistant);
        let kept = if at == At::Begin && answered { without_last_answer(turns) } else { turns };
        let new: Vec<Bytes> =
            ui_messages(kept, "history-").iter().map(|message| Bytes::from(message.to_string())).collect();
        let mut writer = Writer::new(&self.body);
        for member in walk::members(&self.body, 0) {
            let (key, value) = (&member.key, &member.value);
            let is_null = walk::is_null(&self.body, value);
            match (&*member.name(&self.body), cap) {
                (b"messages", _) if !is_null => {
                    let own = elements(&self.body, value);
                    let leading = own.iter().take_while(|message| is_of_operator(message)).count();
                    writer.replaced(key, value, &spliced(&own, &new, at, leading));
                }
                (b"messages", _) => {}
                (b"message", _) if !is_null => {
                    writer.added("messages", &spliced(&elements(&self.body, value), &new, at, 0));
                }
                (b"maxOutputTokens", Some(cap)) if !is_null => {
                    writer.replaced(key, value, cap.get().to_string().as_bytes());
                }
                _ => writer.kept(key, value),
            }
        }
        let mut request = Self::parse(writer.finish(), pass)?;
        // What a page's messages cannot hold, such as pictures that a tool gave, is kept: no
        // provider sees a page's own words.
        let own = self.canonical.messages.iter();
        request.canonical.system.clone_from(&self.canonical.system);
        request.canonical.messages = match at {
            At::Begin => kept.iter().chain(own).cloned().collect(),
            At::End => own.chain(kept).cloned().collect(),
        };
        request.measure = measure(&request.canonical);
        Ok(request)
    }
}

fn is_of_operator(message: &[u8]) -> bool {
    let role = walk::members(message, 0).find(|member| *member.name(message) == *b"role");
    role.and_then(|role| walk::string(message, &role.value)).as_deref() == Some(b"system")
}

/// The turns up to the last that a user said: a message of the assistant on a page goes from there
/// to the end, results of its tools included.
fn without_last_answer(turns: &[Message]) -> &[Message] {
    let is_answer = |message: &Message| match message.role {
        Role::Assistant => true,
        Role::User => message.parts.iter().all(|part| matches!(part, Part::Result(_))),
        Role::System => false,
    };
    let end = turns.iter().rposition(|message| !is_answer(message)).map_or(0, |at| at + 1);
    turns.get(..end).unwrap_or(turns)
}

/// A conversation as UI messages, for a page to show: what the assistant said and what its tools
/// gave, up to the user's next words, is one message of several steps. Ids are `prefix` and a
/// number, where the caller knows no better ones.
///
/// Pictures and documents are files with `data:` URLs or addresses; documents of plain text are
/// text. What a tool gave is its text alone.
#[must_use]
pub fn ui_messages(turns: &[Message], prefix: &str) -> Vec<Value> {
    let mut writer = Writing { prefix, out: Vec::new(), answer: Vec::new() };
    for turn in turns {
        writer.turn(turn);
    }
    writer.end_answer();
    writer.out
}

struct Writing<'a> {
    prefix: &'a str,
    out: Vec<Value>,
    /// The parts of the assistant's message that is being written.
    answer: Vec<Value>,
}

impl Writing<'_> {
    fn push(&mut self, role: Role, parts: &[Value]) {
        if !parts.is_empty() {
            let id = format!("{}{}", self.prefix, self.out.len());
            self.out.push(json!({"id": id, "role": role.word(), "parts": parts}));
        }
    }

    fn end_answer(&mut self) {
        let parts = std::mem::take(&mut self.answer);
        self.push(Role::Assistant, &parts);
    }

    fn turn(&mut self, turn: &Message) {
        if turn.role == Role::Assistant {
            self.answer.push(json!({"type": "step-start"}));
            self.answer.extend(turn.parts.iter().filter_map(said));
            return;
        }
        let mut parts = Vec::new();
        for part in &turn.parts {
            match part {
                Part::Result(result) => self.result(result),
                other => parts.extend(said(other)),
            }
        }
        if !parts.is_empty() {
            self.end_answer();
            self.push(turn.role, &parts);
        }
    }

    /// What a tool gave stands in its call.
    fn result(&mut self, result: &ToolResult) {
        let is_it = |part: &&mut Value| part.get("toolCallId").and_then(Value::as_str) == Some(result.id.as_str());
        let Some(Value::Object(call)) = self.answer.iter_mut().rev().find(is_it) else { return };
        let text: String = result.parts.iter().filter_map(words).collect();
        let (state, member) =
            if result.is_error { ("output-error", "errorText") } else { ("output-available", "output") };
        call.insert("state".to_owned(), json!(state));
        call.insert(member.to_owned(), json!(text));
    }
}

fn words(part: &Part) -> Option<&str> {
    match part {
        Part::Text(text) => Some(&text.text),
        Part::Refusal(text) => Some(text),
        _ => None,
    }
}

fn said(part: &Part) -> Option<Value> {
    match part {
        Part::Text(text) => Some(json!({"type": "text", "text": text.text, "state": "done"})),
        Part::Refusal(text) => Some(json!({"type": "text", "text": text, "state": "done"})),
        Part::Image(media) | Part::Document(media) | Part::Audio(media) => Some(file(media)),
        Part::Call(call) => {
            let mut part = Map::new();
            part.insert("type".to_owned(), json!(format!("tool-{}", call.name)));
            part.insert("toolCallId".to_owned(), json!(call.id));
            part.insert("state".to_owned(), json!("input-available"));
            let input = serde_json::from_str(if call.arguments.is_empty() { "{}" } else { &call.arguments });
            part.insert("input".to_owned(), input.unwrap_or_else(|_| json!(call.arguments)));
            Some(Value::Object(part))
        }
        Part::Reasoning { text, signature, redacted, .. } => {
            let mut proof = Map::new();
            for (name, value) in [("signature", signature), ("redacted", redacted)] {
                if let Some(value) = value {
                    proof.insert(name.to_owned(), json!(value));
                }
            }
            let mut part = json!({"type": "reasoning", "text": text, "state": "done"});
            if !proof.is_empty() {
                part["providerMetadata"] = json!({ "haltline": proof });
            }
            Some(part)
        }
        Part::Result(_) => None,
    }
}

fn file(media: &Media) -> Value {
    let (media_type, url) = match &media.source {
        MediaSource::Base64 { media_type, data } => (media_type.clone(), data_url::join(media_type, data)),
        // The type of what stands at an address is not known; pages show pictures so.
        MediaSource::Url(url) => ("image/*".to_owned(), url.clone()),
        MediaSource::Text(text) => return json!({"type": "text", "text": text, "state": "done"}),
    };
    let mut part = json!({"type": "file", "mediaType": media_type, "url": url});
    if let Some(name) = &media.name {
        part["filename"] = json!(name);
    }
    part
}
