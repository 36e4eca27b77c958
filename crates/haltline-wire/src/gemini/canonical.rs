//! A client's request in the canonical form, to be asked of a provider of another dialect.

use super::GeminiRequest;
use super::fields::{below, is_spelling_of, not};
use super::schema::json_schema;
use super::thinking;
use crate::canon::{
    Call, Format, Media, MediaSource, Message, Part, Request, Role, Sampling, Text, Tool, ToolChoice, ToolResult,
};
use crate::refusal::RequestError;
use serde_json::{Map, Number, Value};

type Object = Map<String, Value>;

impl GeminiRequest {
    /// The canonical form.
    ///
    /// Calls without an id get `call_0`, `call_1`, … through the whole conversation, and so do
    /// those that repeat the id of an earlier call; results find theirs by id, or by name. A
    /// signature that is not on a call or a thought is Google's own, and no other provider takes it:
    /// it is left out. Safety settings, labels and the resolution of media are lost.
    ///
    /// # Errors
    /// What another dialect cannot be told and the client relies on.
    pub fn canonical(&self) -> Result<Request, RequestError> {
        let value: Value = serde_json::from_slice(self.fingerprint_material())
            .map_err(|error| RequestError::invalid("contents", format!("The body cannot be read: {error}.")))?;
        let Value::Object(body) = &value else { return Err(not("contents", "within an object")) };
        let mut request = Request {
            model: self.model().to_owned(),
            cap: self.client_cap(),
            stream: self.stream(),
            user: self.user().map(str::to_owned),
            ..Request::default()
        };
        if self.n() > 1 {
            return Err(RequestError::invalid(
                "generationConfig.candidateCount",
                "This model gives one candidate: `candidateCount` must be 1.",
            ));
        }
        let mut reader = Reader::default();
        if let Some(system) = get(body, "systemInstruction").and_then(Value::as_object) {
            for part in parts_of(system) {
                let text = get_text(part, "text");
                let text = text.ok_or_else(|| not("systemInstruction.parts", "a list of texts for this model"))?;
                request.system.push(Text { text: text.to_owned(), cache: None });
            }
        }
        for (index, turn) in items(get(body, "contents")).enumerate() {
            let message = reader.message(turn).map_err(|error| error.below(&format!("contents[{index}]")))?;
            request.messages.push(message);
        }
        request.tools = tools(body);
        if let Some(config) = get(body, "toolConfig").and_then(Value::as_object) {
            request.tool_choice = tool_choice(config)?;
        }
        if let Some(config) = get(body, "generationConfig").and_then(Value::as_object) {
            generation(config, &mut request)?;
        }
        for (field, name) in [("safetySettings", "safety_settings"), ("labels", "labels")] {
            if get(body, field).is_some() {
                request.lost.push(name);
            }
        }
        if self.vouched_fields().next().is_some() {
            request.lost.push("pass_fields");
        }
        Ok(request)
    }
}

impl GeminiRequest {
    /// The turns of the request alone, to be kept.
    ///
    /// # Errors
    /// When they hold what only Google's models know.
    pub fn new_messages(&self) -> Result<Vec<Message>, RequestError> {
        let value: Value = serde_json::from_slice(self.fingerprint_material())
            .map_err(|error| RequestError::invalid("contents", format!("The body cannot be read: {error}.")))?;
        let Value::Object(body) = &value else { return Err(not("contents", "within an object")) };
        let mut reader = Reader { alone: true, ..Reader::default() };
        items(get(body, "contents"))
            .enumerate()
            .map(|(index, turn)| reader.message(turn).map_err(|error| error.below(&format!("contents[{index}]"))))
            .collect()
    }
}

/// Pairs calls and results.
#[derive(Default)]
struct Reader {
    calls: Vec<Known>,
    /// The turns stand alone: a result may be of a call before them.
    alone: bool,
}

struct Known {
    /// The id that the client used.
    theirs: Option<String>,
    /// The id that it has in the canonical form.
    id: String,
    name: String,
    answered: bool,
}

impl Reader {
    fn message(&mut self, turn: &Value) -> Result<Message, RequestError> {
        let Value::Object(turn) = turn else { return Err(not("", "an object")) };
        let role = match get_text(turn, "role") {
            None | Some("" | "user" | "function") => Role::User,
            Some("model") => Role::Assistant,
            Some(_) => return Err(not("role", "`user` or `model`")),
        };
        let mut message = Message { role, name: None, parts: Vec::new() };
        for (index, part) in parts_of(turn).enumerate() {
            self.part(part, &mut message.parts).map_err(|error| error.below(&format!("parts[{index}]")))?;
        }
        Ok(message)
    }

    fn part(&mut self, part: &Object, out: &mut Vec<Part>) -> Result<(), RequestError> {
        let signature = get_text(part, "thoughtSignature").filter(|text| !text.is_empty()).map(str::to_owned);
        if let Some(call) = get(part, "functionCall").and_then(Value::as_object) {
            out.push(Part::Call(self.call(call, signature)));
            return Ok(());
        }
        if let Some(text) = get_text(part, "text") {
            if get(part, "thought") == Some(&Value::Bool(true)) {
                reasoning(text, signature, out);
            } else {
                if !text.is_empty() {
                    out.push(Part::text(text));
                }
            }
            return Ok(());
        }
        if let Some(response) = get(part, "functionResponse").and_then(Value::as_object) {
            out.push(Part::Result(self.result(response)?));
            return Ok(());
        }
        if let Some(blob) = get(part, "inlineData").and_then(Value::as_object) {
            out.push(media(blob)?);
            return Ok(());
        }
        for name in ["executableCode", "codeExecutionResult", "toolCall", "toolResponse"] {
            if get(part, name).is_some() {
                let message = format!("`{name}` speaks of a tool that Google runs, which this model does not know.");
                return Err(RequestError::invalid(name, message));
            }
        }
        Ok(())
    }

    fn call(&mut self, call: &Object, signature: Option<String>) -> Call {
        let theirs = get_text(call, "id").filter(|id| !id.is_empty()).map(str::to_owned);
        let name = get_text(call, "name").unwrap_or_default().to_owned();
        let fresh = theirs.clone().filter(|id| !self.is_used(id));
        let id = fresh.unwrap_or_else(|| self.made_up());
        self.calls.push(Known { theirs, id: id.clone(), name: name.clone(), answered: false });
        let arguments = get(call, "args").map_or_else(|| "{}".to_owned(), Value::to_string);
        Call { id, name, arguments, signature, cache: None }
    }

    fn is_used(&self, id: &str) -> bool {
        self.calls.iter().any(|call| call.id == id)
    }

    fn made_up(&self) -> String {
        let mut number = self.calls.len();
        loop {
            let id = format!("call_{number}");
            if !self.is_used(&id) {
                return id;
            }
            number = number.saturating_add(1);
        }
    }

    fn result(&mut self, response: &Object) -> Result<ToolResult, RequestError> {
        let theirs = get_text(response, "id").filter(|id| !id.is_empty());
        let name = get_text(response, "name").filter(|name| !name.is_empty());
        let fits = |call: &&mut Known| match theirs {
            Some(id) => call.theirs.as_deref() == Some(id),
            None => call.theirs.is_none() && name == Some(&call.name),
        };
        let mut open = self.calls.iter_mut().filter(|call| !call.answered);
        let Some(call) = open.find(fits) else {
            if self.alone {
                let id = theirs.map_or_else(|| self.made_up(), str::to_owned);
                return result_of(response, id, name.map(str::to_owned));
            }
            return Err(RequestError::invalid("functionResponse", "`functionResponse` belongs to no call before it."));
        };
        call.answered = true;
        let name = name.map_or_else(|| call.name.clone(), str::to_owned);
        result_of(response, call.id.clone(), Some(name))
    }
}

fn result_of(response: &Object, id: String, name: Option<String>) -> Result<ToolResult, RequestError> {
    let (text, is_error) = said(get(response, "response"));
    let mut parts = vec![Part::text(text)];
    for part in parts_of(response) {
        if let Some(blob) = get(part, "inlineData").and_then(Value::as_object) {
            parts.push(media(blob)?);
        }
    }
    Ok(ToolResult { id, name, parts, is_error, cache: None })
}

/// What a function gave, as text, and whether it failed. Google's keys are `output` and `error`,
/// its SDKs also write `result`.
fn said(response: Option<&Value>) -> (String, bool) {
    let Some(Value::Object(object)) = response else {
        return (response.map(plain).unwrap_or_default(), false);
    };
    let only = if object.len() == 1 { object.iter().next() } else { None };
    match only.map(|(key, value)| (key.as_str(), value)) {
        Some(("error", value)) => (plain(value), true),
        Some(("result" | "output", value)) => (plain(value), false),
        _ => (Value::Object(object.clone()).to_string(), false),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A thought goes on with the one before it, until that is signed.
fn reasoning(text: &str, signature: Option<String>, out: &mut Vec<Part>) {
    if let Some(Part::Reasoning { text: before, signature: open @ None, .. }) = out.last_mut() {
        before.push_str(text);
        *open = signature;
    } else {
        out.push(thought(text.to_owned(), signature));
    }
}

const fn thought(text: String, signature: Option<String>) -> Part {
    Part::Reasoning { text, signature, redacted: None, id: None }
}

fn media(blob: &Object) -> Result<Part, RequestError> {
    let (Some(media_type), Some(data)) = (get_text(blob, "mimeType"), get_text(blob, "data")) else {
        return Err(not("inlineData", "an object with `mimeType` and `data`"));
    };
    // Google takes both alphabets of base64, others only the standard one.
    let source =
        MediaSource::Base64 { media_type: media_type.to_owned(), data: data.replace('-', "+").replace('_', "/") };
    let media = Media { source, detail: None, name: get_text(blob, "displayName").map(str::to_owned), cache: None };
    let kind = media_type.to_ascii_lowercase();
    Ok(match kind.split('/').next() {
        Some("image") => Part::Image(media),
        Some("audio") => Part::Audio(media),
        _ => Part::Document(media),
    })
}

fn tools(body: &Object) -> Vec<Tool> {
    let functions = items(get(body, "tools"))
        .filter_map(Value::as_object)
        .flat_map(|tool| items(get(tool, "functionDeclarations")))
        .filter_map(Value::as_object);
    functions
        .map(|function| Tool {
            name: get_text(function, "name").unwrap_or_default().to_owned(),
            description: get_text(function, "description").map(str::to_owned),
            schema: get(function, "parametersJsonSchema")
                .cloned()
                .or_else(|| get(function, "parameters").map(json_schema)),
            strict: None,
            cache: None,
        })
        .collect()
}

fn tool_choice(config: &Object) -> Result<Option<ToolChoice>, RequestError> {
    let Some(calling) = get(config, "functionCallingConfig").and_then(Value::as_object) else { return Ok(None) };
    let names = items(get(calling, "allowedFunctionNames")).filter_map(Value::as_str).map(str::to_owned);
    let mut names: Vec<String> = names.collect();
    let mode = match get(calling, "mode") {
        None => String::new(),
        Some(Value::String(word)) => word.to_ascii_uppercase(),
        // Enums may come as numbers.
        Some(number) => match number.as_u64() {
            Some(0) => String::new(),
            Some(1) => "AUTO".to_owned(),
            Some(2) => "ANY".to_owned(),
            Some(3) => "NONE".to_owned(),
            _ => "?".to_owned(),
        },
    };
    Ok(Some(match (mode.as_str(), names.len()) {
        ("" | "MODE_UNSPECIFIED", _) => return Ok(None),
        ("AUTO", _) | ("VALIDATED", 0) => ToolChoice::Auto,
        ("NONE", _) => ToolChoice::None,
        ("ANY", 0) => ToolChoice::Required,
        ("ANY", 1) => ToolChoice::Named(names.pop().unwrap_or_default()),
        ("ANY", _) => ToolChoice::AnyOf { names, required: true },
        ("VALIDATED", _) => ToolChoice::AnyOf { names, required: false },
        _ => return Err(not("toolConfig.functionCallingConfig.mode", "AUTO, ANY, NONE or VALIDATED")),
    }))
}

fn generation(config: &Object, request: &mut Request) -> Result<(), RequestError> {
    let number = |name: &str| -> Result<Option<Number>, RequestError> {
        match get(config, name) {
            None => Ok(None),
            Some(Value::Number(number)) => Ok(Some(number.clone())),
            Some(_) => Err(not(&below("generationConfig", name), "a number")),
        }
    };
    request.sampling = Sampling {
        temperature: number("temperature")?,
        top_p: number("topP")?,
        top_k: number("topK")?,
        frequency_penalty: number("frequencyPenalty")?,
        presence_penalty: number("presencePenalty")?,
        seed: number("seed")?,
        stop: match get(config, "stopSequences") {
            Some(Value::String(one)) => vec![one.clone()],
            other => items(other).filter_map(Value::as_str).map(str::to_owned).collect(),
        },
    };
    request.format = format(config)?;
    if let Some(thinking) = get(config, "thinkingConfig").and_then(Value::as_object) {
        let budget = get(thinking, "thinkingBudget").and_then(Value::as_i64);
        let show = get(thinking, "includeThoughts") == Some(&Value::Bool(true));
        if get(thinking, "thinkingLevel").is_some_and(|level| !level.is_string()) {
            return Err(not("generationConfig.thinkingConfig.thinkingLevel", "a word"));
        }
        request.reasoning = Some(thinking::read(get_text(thinking, "thinkingLevel"), budget, show));
    }
    if get(config, "responseLogprobs") == Some(&Value::Bool(true)) {
        let param = "generationConfig.responseLogprobs";
        return Err(RequestError::invalid(param, format!("`{param}` is not offered for this model.")));
    }
    for (field, name) in [
        ("mediaResolution", "media_resolution"),
        ("audioTimestamp", "audio_timestamp"),
        ("enableEnhancedCivicAnswers", "enable_enhanced_civic_answers"),
        ("logprobs", "logprobs"),
    ] {
        if get(config, field).is_some() {
            request.lost.push(name);
        }
    }
    Ok(())
}

fn format(config: &Object) -> Result<Format, RequestError> {
    let schema = ["responseJsonSchema", "_responseJsonSchema"].iter().find_map(|name| get(config, name)).cloned();
    let schema = schema.or_else(|| get(config, "responseSchema").map(json_schema));
    let json = match get_text(config, "responseMimeType") {
        None | Some("" | "text/plain") => false,
        Some("application/json") => true,
        Some(_) => {
            return Err(not("generationConfig.responseMimeType", "text/plain or application/json for this model"));
        }
    };
    Ok(match schema {
        Some(schema) => Format::JsonSchema { name: None, description: None, schema, strict: None },
        None if json => Format::JsonObject,
        None => Format::Text,
    })
}

/// A member in either spelling, unless it is null.
fn get<'a>(object: &'a Object, name: &str) -> Option<&'a Value> {
    let found = object.get(name).or_else(|| {
        let mut members = object.iter();
        members.find(|(key, _)| is_spelling_of(key, name)).map(|(_, value)| value)
    });
    found.filter(|value| !value.is_null())
}

fn get_text<'a>(object: &'a Object, name: &str) -> Option<&'a str> {
    get(object, name).and_then(Value::as_str)
}

/// The elements of a list. Google takes a single object for a list of one.
fn items(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    let (list, one) = match value {
        Some(Value::Array(items)) => (items.as_slice(), None),
        other => (&[][..], other),
    };
    list.iter().chain(one)
}

fn parts_of(object: &Object) -> impl Iterator<Item = &Object> {
    items(get(object, "parts")).filter_map(Value::as_object)
}
