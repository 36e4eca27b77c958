//! A canonical request as a body of `generateContent`.
//!
//! Schemas go out as `parametersJsonSchema` and `responseJsonSchema`, which take JSON Schema as it
//! is; the older `parameters` and `responseSchema` are a subset of OpenAPI 3.0 without references,
//! unions of types or `additionalProperties`, so most clients' schemas would have to be cut down
//! to fit. System messages in the middle of a conversation join the system instruction, in their
//! order: the dialect has no other place that the user cannot speak from.

use super::encode::{arguments, is_base64};
use super::fields::not;
use super::thinking::{self, Control};
use crate::RequestError;
use crate::canon::{
    Call, Format, Media, MediaSource, Message, Part, Request, Role, Target, Text, Tool, ToolChoice, ToolResult, Written,
};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// Stop sequences that Google takes.
const STOP_MAX: usize = 5;

/// What Google documents for calls that another model made: Gemini 3 refuses the first call of a
/// turn without a signature (ai.google.dev/gemini-api/docs/thought-signatures).
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

/// Writes `request` for `target`. The model stands in the address (`path`), and so does whether
/// the answer streams.
///
/// # Errors
/// What this dialect cannot be told and the client relies on.
pub fn write(request: &Request, target: &Target<'_>) -> Result<Written, RequestError> {
    let mut writer = Writer { model: target.model, names: HashMap::new(), dropped: request.lost.clone() };
    let mut body = Map::new();
    let (system, contents) = writer.turns(request)?;
    if !system.is_empty() {
        body.insert("systemInstruction".to_owned(), json!({"parts": system}));
    }
    body.insert("contents".to_owned(), contents);
    if !request.tools.is_empty() {
        let functions: Vec<Value> = request.tools.iter().map(|tool| writer.function(tool)).collect();
        body.insert("tools".to_owned(), json!([{"functionDeclarations": functions}]));
    }
    if let Some(choice) = &request.tool_choice
        && !request.tools.is_empty()
    {
        body.insert("toolConfig".to_owned(), json!({"functionCallingConfig": mode(choice)}));
    }
    if request.parallel_tool_calls == Some(false) && !request.tools.is_empty() {
        writer.dropped.push("parallel_tool_calls");
    }
    if request.user.is_some() {
        writer.dropped.push("user");
    }
    body.insert("generationConfig".to_owned(), writer.config(request, target)?);
    writer.dropped.sort_unstable();
    writer.dropped.dedup();
    Ok(Written { body: Bytes::from(Value::Object(body).to_string()), dropped: writer.dropped })
}

/// Turns as elements of `contents`, each as JSON. What the operator says among them the user says
/// in tags, as the system instruction stands before all turns.
pub(super) fn contents(messages: &[Message], model: &str) -> Result<Vec<Bytes>, RequestError> {
    let said_by_user = |message: &Message| {
        let tagged = |part: &Part| match part {
            Part::Text(text) => Part::text(format!("<system>\n{}\n</system>", text.text)),
            other => other.clone(),
        };
        Message { role: Role::User, name: None, parts: message.parts.iter().map(tagged).collect() }
    };
    let messages: Vec<Message> = messages
        .iter()
        .map(|message| if message.role == Role::System { said_by_user(message) } else { message.clone() })
        .collect();
    let mut writer = Writer { model, names: HashMap::new(), dropped: Vec::new() };
    let mut out = Vec::with_capacity(messages.len());
    for (index, message) in messages.iter().enumerate() {
        let parts = writer.parts(message).map_err(|error| error.below(&format!("history[{index}]")))?;
        let role = if message.role == Role::Assistant { "model" } else { "user" };
        if !parts.is_empty() {
            out.push(Bytes::from(json!({"role": role, "parts": parts}).to_string()));
        }
    }
    Ok(out)
}

struct Writer<'a> {
    model: &'a str,
    /// Names of the calls so far, by their ids.
    names: HashMap<&'a str, &'a str>,
    dropped: Vec<&'static str>,
}

impl<'a> Writer<'a> {
    /// The parts of the system instruction, and `contents`: neighbours of one role are one turn.
    fn turns(&mut self, request: &'a Request) -> Result<(Vec<Value>, Value), RequestError> {
        let mut system: Vec<Value> = request.system.iter().flat_map(|text| self.text(text)).collect();
        let mut turns: Vec<(&'static str, Vec<Value>)> = Vec::new();
        for (index, message) in request.messages.iter().enumerate() {
            let at = |error: RequestError| error.below(&format!("messages[{index}]"));
            if message.name.is_some() {
                self.dropped.push("name");
            }
            let parts = self.parts(message).map_err(at)?;
            let role = match message.role {
                Role::System => {
                    system.extend(parts);
                    continue;
                }
                Role::User => "user",
                Role::Assistant => "model",
            };
            match turns.last_mut() {
                Some((last, before)) if *last == role => before.extend(parts),
                _ if parts.is_empty() => {}
                _ => turns.push((role, parts)),
            }
        }
        if turns.is_empty() {
            return Err(not("messages", "a list with at least one message that is not empty and not of the system"));
        }
        let contents = turns.into_iter().map(|(role, parts)| json!({"role": role, "parts": parts})).collect();
        Ok((system, contents))
    }

    fn parts(&mut self, message: &'a Message) -> Result<Vec<Value>, RequestError> {
        let mut out = Vec::new();
        let mut called = false;
        for part in &message.parts {
            match part {
                Part::Text(text) => out.extend(self.text(text)),
                Part::Refusal(text) => out.extend((!text.is_empty()).then(|| json!({"text": text}))),
                Part::Image(media) | Part::Document(media) | Part::Audio(media) => out.push(self.media(media)?),
                Part::Call(call) => {
                    out.push(self.call(call, called));
                    called = true;
                }
                Part::Result(result) => self.result(result, &mut out)?,
                // A proof of origin that only its own provider can read, and nobody says whose.
                Part::Reasoning { .. } => self.dropped.push("reasoning_history"),
            }
        }
        Ok(out)
    }

    /// Google refuses empty texts.
    fn text(&mut self, text: &Text) -> Option<Value> {
        self.cache(text.cache.as_ref());
        (!text.text.is_empty()).then(|| json!({"text": text.text}))
    }

    fn cache(&mut self, cache: Option<&Value>) {
        if cache.is_some() {
            self.dropped.push("cache_control");
        }
    }

    fn media(&mut self, media: &Media) -> Result<Value, RequestError> {
        self.cache(media.cache.as_ref());
        if media.detail.as_deref().is_some_and(|detail| detail != "auto") {
            self.dropped.push("detail");
        }
        match &media.source {
            MediaSource::Base64 { media_type, data } => {
                Ok(json!({"inlineData": {"mimeType": media_type, "data": data}}))
            }
            MediaSource::Text(text) => Ok(json!({"text": text})),
            MediaSource::Url(_) => Err(RequestError::invalid(
                "content",
                "This model takes pictures and files only within the request, as base64: it cannot fetch an address.",
            )),
        }
    }

    fn call(&mut self, call: &'a Call, after_another: bool) -> Value {
        self.cache(call.cache.as_ref());
        self.names.insert(&call.id, &call.name);
        // Checked to be an object.
        let args: Value = serde_json::from_str(&arguments(&call.arguments)).unwrap_or_else(|_| json!({}));
        let mut function = json!({"name": call.name, "args": args});
        if let (false, Some(object)) = (call.id.is_empty(), function.as_object_mut()) {
            object.insert("id".to_owned(), call.id.as_str().into());
        }
        let known = call.signature.as_deref().filter(|signature| is_base64(signature));
        let made_up = !after_another && thinking::control(self.model) == Control::Level;
        let signature = known.or_else(|| made_up.then_some(NO_SIGNATURE));
        let mut part = json!({"functionCall": function});
        if let (Some(signature), Some(object)) = (signature, part.as_object_mut()) {
            object.insert("thoughtSignature".to_owned(), signature.into());
        }
        part
    }

    /// `functionResponse`, and beside it what is no text.
    fn result(&mut self, result: &'a ToolResult, out: &mut Vec<Value>) -> Result<(), RequestError> {
        self.cache(result.cache.as_ref());
        let name = result.name.as_deref().or_else(|| self.names.get(result.id.as_str()).copied());
        let Some(name) = name else {
            return Err(RequestError::invalid("content", "A result belongs to no call of a tool before it."));
        };
        let mut text = String::new();
        let mut beside = Vec::new();
        for part in &result.parts {
            match part {
                Part::Text(more) => {
                    self.cache(more.cache.as_ref());
                    text.push_str(&more.text);
                }
                Part::Image(media) | Part::Document(media) | Part::Audio(media) => beside.push(self.media(media)?),
                Part::Refusal(more) => text.push_str(more),
                Part::Call(_) | Part::Result(_) | Part::Reasoning { .. } => {}
            }
        }
        let key = if result.is_error { "error" } else { "result" };
        let mut function = json!({"name": name, "response": {key: text}});
        if let (false, Some(object)) = (result.id.is_empty(), function.as_object_mut()) {
            object.insert("id".to_owned(), result.id.as_str().into());
        }
        out.push(json!({"functionResponse": function}));
        out.extend(beside);
        Ok(())
    }

    fn function(&mut self, tool: &Tool) -> Value {
        self.cache(tool.cache.as_ref());
        if tool.strict == Some(true) {
            self.dropped.push("strict");
        }
        let mut function = Map::new();
        function.insert("name".to_owned(), tool.name.as_str().into());
        if let Some(description) = &tool.description {
            function.insert("description".to_owned(), description.as_str().into());
        }
        if let Some(schema) = &tool.schema {
            function.insert("parametersJsonSchema".to_owned(), schema.clone());
        }
        Value::Object(function)
    }

    fn config(&mut self, request: &Request, target: &Target<'_>) -> Result<Value, RequestError> {
        let mut config = Map::new();
        let mut put = |name: &str, value: Value| config.insert(name.to_owned(), value);
        put("maxOutputTokens", target.cap.get().into());
        let sampling = &request.sampling;
        for (name, number) in [
            ("temperature", &sampling.temperature),
            ("topP", &sampling.top_p),
            ("topK", &sampling.top_k),
            ("frequencyPenalty", &sampling.frequency_penalty),
            ("presencePenalty", &sampling.presence_penalty),
        ] {
            if let Some(number) = number {
                put(name, Value::Number(number.clone()));
            }
        }
        if let Some(seed) = &sampling.seed {
            // 32 bits here.
            match seed.as_i64().and_then(|seed| i32::try_from(seed).ok()) {
                Some(seed) => _ = put("seed", seed.into()),
                None => self.dropped.push("seed"),
            }
        }
        if sampling.stop.len() > STOP_MAX {
            return Err(RequestError::invalid("stop", format!("This model takes at most {STOP_MAX} stop sequences.")));
        }
        if !sampling.stop.is_empty() {
            put("stopSequences", json!(sampling.stop));
        }
        match &request.format {
            Format::Text => {}
            Format::JsonObject => _ = put("responseMimeType", "application/json".into()),
            Format::JsonSchema { schema, .. } => {
                put("responseMimeType", "application/json".into());
                put("responseJsonSchema", schema.clone());
            }
        }
        if let Some(reasoning) = &request.reasoning
            && let Some(thinking) = thinking::written(target.model, reasoning, &mut self.dropped)
        {
            put("thinkingConfig", thinking);
        }
        Ok(Value::Object(config))
    }
}

/// `functionCallingConfig`. Names may stand beside `ANY` (one must be called) and `VALIDATED`
/// (one may be).
fn mode(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => json!({"mode": "AUTO"}),
        ToolChoice::None => json!({"mode": "NONE"}),
        ToolChoice::Required => json!({"mode": "ANY"}),
        ToolChoice::Named(name) => json!({"mode": "ANY", "allowedFunctionNames": [name]}),
        ToolChoice::AnyOf { names, required } => {
            let mode = if *required { "ANY" } else { "VALIDATED" };
            json!({"mode": mode, "allowedFunctionNames": names})
        }
    }
}
