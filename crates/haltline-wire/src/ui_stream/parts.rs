//! UI messages as canonical turns, as `convertToModelMessages` of the `ai` package has it: an
//! assistant's message is cut at `step-start`, and what its tools gave follows each step.

use crate::canon::{Call, Media, MediaSource, Message, Part, Role, Text, ToolResult};
use crate::openai::data_url;
use crate::refusal::RequestError;
use serde_json::Value;

/// A conversation: what stands before all turns, and the turns.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    pub(super) system: Vec<Text>,
    pub(super) messages: Vec<Message>,
}

impl Conversation {
    pub(super) fn read(messages: &[Value]) -> Result<Self, RequestError> {
        let mut conversation = Self::default();
        for (index, message) in messages.iter().enumerate() {
            conversation.message(message).map_err(|error| error.below(&format!("messages[{index}]")))?;
        }
        if conversation.messages.is_empty() {
            return Err(RequestError::invalid("messages", "`messages` says nothing that a model could answer."));
        }
        Ok(conversation)
    }

    fn message(&mut self, message: &Value) -> Result<(), RequestError> {
        let no_parts = || RequestError::invalid("parts", "A message has no list of `parts`.");
        let parts = message.get("parts").and_then(Value::as_array).ok_or_else(no_parts)?;
        match message.get("role").and_then(Value::as_str) {
            Some("system") => self.system(parts),
            Some("user") => {
                let mut said = Vec::new();
                for (index, part) in parts.iter().enumerate() {
                    said.extend(user_part(part).map_err(|error| error.below(&format!("parts[{index}]")))?);
                }
                self.push(Role::User, said);
            }
            Some("assistant") => {
                let mut step = Step::default();
                for (index, part) in parts.iter().enumerate() {
                    if kind(part) == "step-start" {
                        self.step(std::mem::take(&mut step));
                    } else {
                        step.part(part).map_err(|error| error.below(&format!("parts[{index}]")))?;
                    }
                }
                self.step(step);
            }
            _ => return Err(RequestError::invalid("role", "`role` must be one of system, user, assistant.")),
        }
        Ok(())
    }

    fn system(&mut self, parts: &[Value]) {
        let texts = parts.iter().filter(|part| kind(part) == "text").filter_map(|part| part.get("text")?.as_str());
        let text: String = texts.collect();
        if text.is_empty() {
            return;
        }
        if self.messages.is_empty() {
            self.system.push(Text { text, cache: None });
        } else {
            self.push(Role::System, vec![Part::text(text)]);
        }
    }

    fn step(&mut self, step: Step) {
        self.push(Role::Assistant, step.said);
        self.push(Role::User, step.results);
    }

    fn push(&mut self, role: Role, parts: Vec<Part>) {
        if !parts.is_empty() {
            self.messages.push(Message { role, name: None, parts });
        }
    }
}

fn kind(part: &Value) -> &str {
    part.get("type").and_then(Value::as_str).unwrap_or_default()
}

fn text(part: &Value) -> Result<Option<Part>, RequestError> {
    let text = part.get("text").and_then(Value::as_str);
    let text = text.ok_or_else(|| RequestError::invalid("text", "A part of type `text` has no `text`."))?;
    Ok((!text.is_empty()).then(|| Part::text(text)))
}

/// For the page alone, or told already by what the model said.
fn is_for_the_page(kind: &str) -> bool {
    kind.starts_with("data-")
        || matches!(
            kind,
            "source-url" | "source-document" | "step-start" | "reasoning-file" | "steering-message" | "custom"
        )
}

fn unknown() -> RequestError {
    RequestError::invalid("type", "This `type` of part is not known.")
}

fn user_part(part: &Value) -> Result<Option<Part>, RequestError> {
    match kind(part) {
        "text" => text(part),
        "file" => file(part).map(Some),
        kind if is_for_the_page(kind) => Ok(None),
        _ => Err(unknown()),
    }
}

/// Pictures are counted by their size in pixels; the tokens of other files are not in the body.
fn file(part: &Value) -> Result<Part, RequestError> {
    let word = |name: &str| part.get(name).and_then(Value::as_str);
    let url = word("url").ok_or_else(|| RequestError::invalid("url", "A file has no `url`."))?;
    let split = data_url::split(url);
    let media_type = word("mediaType").or(split.map(|(media_type, _)| media_type)).unwrap_or_default();
    if !media_type.starts_with("image/") {
        return Err(RequestError::invalid(
            "mediaType",
            "Only pictures are taken: the size in tokens of other files is not in the body.",
        ));
    }
    let source = match split {
        Some((_, data)) => MediaSource::Base64 { media_type: media_type.to_owned(), data: data.to_owned() },
        None if url.starts_with("https://") || url.starts_with("http://") => MediaSource::Url(url.to_owned()),
        None => return Err(RequestError::invalid("url", "`url` must be a `data:` URL in base64, or an http address.")),
    };
    Ok(Part::Image(Media { source, detail: None, name: word("filename").map(str::to_owned), cache: None }))
}

/// One step of an assistant's message.
#[derive(Debug, Default)]
struct Step {
    said: Vec<Part>,
    results: Vec<Part>,
}

impl Step {
    fn part(&mut self, part: &Value) -> Result<(), RequestError> {
        match kind(part) {
            "text" => self.said.extend(text(part)?),
            "reasoning" => self.said.extend(reasoning(part)),
            "dynamic-tool" => self.tool(part, part.get("toolName").and_then(Value::as_str).unwrap_or_default())?,
            // Pictures that a model made cannot be sent back to most.
            "file" => {}
            kind => match kind.strip_prefix("tool-") {
                Some(name) => self.tool(part, name)?,
                None if is_for_the_page(kind) => {}
                None => return Err(unknown()),
            },
        }
        Ok(())
    }

    /// A call and what it gave. A call without a result is left out: providers refuse it.
    fn tool(&mut self, part: &Value, name: &str) -> Result<(), RequestError> {
        if part.get("providerExecuted") == Some(&Value::Bool(true)) {
            return Ok(());
        }
        let word = |name: &str| part.get(name).and_then(Value::as_str);
        let (output, is_error) = match word("state") {
            Some("output-available") => (json_text(part.get("output")), false),
            Some("output-error") => (word("errorText").unwrap_or("The tool failed.").to_owned(), true),
            Some("output-denied") => {
                let reason = part.get("approval").and_then(|approval| approval.get("reason")).and_then(Value::as_str);
                (reason.unwrap_or("Tool call execution denied.").to_owned(), true)
            }
            _ => return Ok(()),
        };
        let id = word("toolCallId").filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| RequestError::invalid("toolCallId", "A tool's part has no `toolCallId`."))?;
        if name.is_empty() {
            return Err(RequestError::invalid("toolName", "A tool's part names no tool."));
        }
        let input = part.get("input").filter(|input| !input.is_null()).or_else(|| part.get("rawInput"));
        self.said.push(Part::Call(Call {
            id: id.to_owned(),
            name: name.to_owned(),
            arguments: input.map_or_else(|| "{}".to_owned(), |input| json_text(Some(input))),
            signature: None,
            cache: None,
        }));
        self.results.push(Part::Result(ToolResult {
            id: id.to_owned(),
            name: Some(name.to_owned()),
            parts: vec![Part::text(output)],
            is_error,
            cache: None,
        }));
        Ok(())
    }
}

/// Thoughts, with the proof that our own encoder gave them.
fn reasoning(part: &Value) -> Option<Part> {
    let proof = |name: &str| {
        let metadata = part.get("providerMetadata")?.get("haltline")?;
        metadata.get(name).and_then(Value::as_str).map(str::to_owned)
    };
    let text = part.get("text").and_then(Value::as_str).unwrap_or_default().to_owned();
    let (signature, redacted) = (proof("signature"), proof("redacted"));
    let says = !text.is_empty() || signature.is_some() || redacted.is_some();
    says.then_some(Part::Reasoning { text, signature, redacted, id: None })
}

/// A text as it stands, anything else as JSON.
fn json_text(value: Option<&Value>) -> String {
    match value {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}
