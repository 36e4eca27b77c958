//! A request in canonical form, for providers of other dialects.
//!
//! Custom tools, which take free text, cross as functions with one string argument `input`; a
//! grammar is told in the description, not enforced. `Encoder` turns calls of them back. Tools
//! that only this dialect has (shells, patches, namespaces, tool search) do not cross.

use super::canonical_items::{error, messages, string};
use super::fields::Field;
use super::{HostedTools, ResponsesRequest};
use crate::canon::{Effort, Format, Reasoning, Request, Role, Sampling, Tool, ToolChoice};
use crate::json::walk;
use crate::refusal::RequestError;
use serde_json::{Map, Number, Value, json};

impl ResponsesRequest {
    /// What the request means, for another dialect.
    ///
    /// # Errors
    /// When it holds what cannot cross and what the client would miss, with the field's path.
    pub fn canonical(&self) -> Result<Request, RequestError> {
        for (id, name) in [(self.previous_response_id(), "previous_response_id"), (self.conversation(), "conversation")]
        {
            if id.is_some() {
                return Err(error(name, "refers to turns that are not in the body"));
            }
        }
        let body: Map<String, Value> = serde_json::from_slice(&self.body)
            .map_err(|error| RequestError::invalid("", format!("The body cannot be read: {error}.")))?;
        let mut lost = Vec::new();
        let mut request = Request {
            model: self.model().to_owned(),
            stream: self.stream(),
            cap: self.client_cap(),
            user: self.user().map(str::to_owned),
            parallel_tool_calls: body.get("parallel_tool_calls").and_then(Value::as_bool),
            tools: self.tools(&body)?,
            tool_choice: tool_choice(body.get("tool_choice"))?,
            format: format(body.get("text").and_then(|text| text.get("format")))?,
            sampling: sampling(&body)?,
            reasoning: reasoning(body.get("reasoning"))?,
            ..Request::default()
        };
        if let Some(instructions) = string(body.get("instructions")) {
            request.system.push(crate::canon::Text { text: instructions, cache: None });
        }
        let mut turns = messages(body.get("input"), &mut lost)?.into_iter().peekable();
        // What the operator says before all turns is the system prompt.
        while let Some(message) = turns.next_if(|message| message.role == Role::System) {
            request.system.extend(message.parts.into_iter().filter_map(|part| match part {
                crate::canon::Part::Text(text) => Some(text),
                _ => None,
            }));
        }
        request.messages = turns.collect();
        self.note_lost(&body, &mut lost)?;
        request.lost = lost;
        Ok(request)
    }

    fn tools(&self, body: &Map<String, Value>) -> Result<Vec<Tool>, RequestError> {
        let list = body.get("tools").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let kept = list.iter().enumerate().filter(|(index, _)| !self.is_hosted(*index));
        let kept = kept.filter(|(_, value)| self.mode == HostedTools::Refuse || crosses(value));
        kept.map(|(index, value)| tool(index, value)).collect()
    }

    /// Is it a tool that the provider would run, and that is left out?
    fn is_hosted(&self, index: usize) -> bool {
        let place = || {
            let member = self.members.iter().find(|member| member.field == Field::Tools)?;
            walk::elements(&self.body, member.value.start).nth(index)
        };
        !self.hosted.is_empty() && place().is_some_and(|place| self.hosted.contains(&place))
    }

    fn note_lost(&self, body: &Map<String, Value>, lost: &mut Vec<&'static str>) -> Result<(), RequestError> {
        let has = |name: &str| body.get(name).is_some_and(|value| !value.is_null());
        for name in [
            "metadata",
            "client_metadata",
            "prompt_cache_key",
            "prompt_cache_options",
            "prompt_cache_retention",
            "top_logprobs",
        ] {
            if has(name) {
                lost.push(name);
            }
        }
        let tools = body.get("tools").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let stays = |(index, tool): (usize, &Value)| !self.is_hosted(index) && !crosses(tool);
        if self.mode == HostedTools::LeaveOut && tools.iter().enumerate().any(stays) {
            lost.push("tools");
        }
        if has("user") && has("safety_identifier") {
            lost.push("safety_identifier");
        }
        if body.get("truncation").and_then(Value::as_str) == Some("auto") {
            lost.push("truncation");
        }
        if body.get("text").and_then(|text| text.get("verbosity")).is_some_and(|value| !value.is_null()) {
            lost.push("verbosity");
        }
        if self.vouched_fields().next().is_some() {
            lost.push("pass_fields");
        }
        lost.extend(self.dropped());
        let included = body.get("include").and_then(Value::as_array);
        if included.is_some_and(|list| list.iter().any(|item| item == "message.output_text.logprobs")) {
            return Err(error("include", "asks for log probabilities, which no other dialect gives in this form"));
        }
        Ok(())
    }
}

/// Is it a tool that other dialects can offer?
fn crosses(tool: &Value) -> bool {
    matches!(tool.get("type").and_then(Value::as_str), Some("function" | "custom"))
}

fn tool(index: usize, value: &Value) -> Result<Tool, RequestError> {
    let name = string(value.get("name")).unwrap_or_default();
    let description = string(value.get("description"));
    match value.get("type").and_then(Value::as_str) {
        Some("function") => Ok(Tool {
            name,
            description,
            schema: value.get("parameters").filter(|schema| !schema.is_null()).cloned(),
            strict: value.get("strict").and_then(Value::as_bool),
            cache: None,
        }),
        Some("custom") => Ok(Tool {
            name,
            description: with_grammar(description, value.get("format")),
            schema: Some(json!({
                "type": "object",
                "properties": { "input": { "type": "string" } },
                "required": ["input"],
                "additionalProperties": false,
            })),
            strict: None,
            cache: None,
        }),
        other => Err(error(
            &format!("tools[{index}]"),
            &format!("is a tool of type `{}`, which only the Responses API has", other.unwrap_or_default()),
        )),
    }
}

fn with_grammar(description: Option<String>, format: Option<&Value>) -> Option<String> {
    let Some(format) = format.filter(|format| format.get("type").and_then(Value::as_str) == Some("grammar")) else {
        return description;
    };
    // Older clients nest it.
    let grammar = format.get("grammar").unwrap_or(format);
    let definition = string(grammar.get("definition")).unwrap_or_default();
    let syntax = string(grammar.get("syntax")).unwrap_or_default();
    let told = format!("`input` must match this {syntax} grammar:\n{definition}");
    Some(description.map_or_else(|| told.clone(), |description| format!("{description}\n\n{told}")))
}

fn tool_choice(value: Option<&Value>) -> Result<Option<ToolChoice>, RequestError> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(None) };
    let named = |value: &Value| {
        let kind = value.get("type").and_then(Value::as_str);
        string(value.get("name")).filter(|_| matches!(kind, Some("function" | "custom")))
    };
    match (value.as_str(), value.get("type").and_then(Value::as_str)) {
        (Some("auto"), _) => Ok(Some(ToolChoice::Auto)),
        (Some("none"), _) => Ok(Some(ToolChoice::None)),
        (Some("required"), _) => Ok(Some(ToolChoice::Required)),
        (None, Some("allowed_tools")) => {
            let required = value.get("mode").and_then(Value::as_str) == Some("required");
            let tools = value.get("tools").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            let names: Option<Vec<String>> = tools.iter().map(named).collect();
            let names =
                names.ok_or_else(|| error("tool_choice.tools", "names tools that only the Responses API has"))?;
            Ok(Some(ToolChoice::AnyOf { names, required }))
        }
        _ => match named(value) {
            Some(name) => Ok(Some(ToolChoice::Named(name))),
            None => Err(error("tool_choice", "names a tool that only the Responses API has")),
        },
    }
}

fn format(value: Option<&Value>) -> Result<Format, RequestError> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(Format::Text) };
    match value.get("type").and_then(Value::as_str) {
        Some("text") => Ok(Format::Text),
        Some("json_object") => Ok(Format::JsonObject),
        Some("json_schema") => Ok(Format::JsonSchema {
            name: string(value.get("name")),
            description: string(value.get("description")),
            schema: value.get("schema").cloned().unwrap_or_else(|| json!({})),
            strict: value.get("strict").and_then(Value::as_bool),
        }),
        _ => Err(error("text.format", "is of a type that only the Responses API has")),
    }
}

fn sampling(body: &Map<String, Value>) -> Result<Sampling, RequestError> {
    let number = |name: &str| -> Result<Option<Number>, RequestError> {
        match body.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Number(number)) => Ok(Some(number.clone())),
            Some(_) => Err(RequestError::invalid(name, format!("`{name}` must be a number."))),
        }
    };
    Ok(Sampling {
        temperature: number("temperature")?,
        top_p: number("top_p")?,
        top_k: None,
        frequency_penalty: number("frequency_penalty")?,
        presence_penalty: number("presence_penalty")?,
        seed: number("seed")?,
        stop: Vec::new(),
    })
}

fn reasoning(value: Option<&Value>) -> Result<Option<Reasoning>, RequestError> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(None) };
    let effort = match value.get("effort") {
        None | Some(Value::Null) => None,
        Some(effort) => Some(effort.as_str().and_then(Effort::from_word).ok_or_else(|| {
            let steps = "none, minimal, low, medium, high, xhigh, max";
            RequestError::invalid("reasoning.effort", format!("`reasoning.effort` must be one of {steps}."))
        })?),
    };
    let summary = value.get("summary").filter(|summary| !summary.is_null()).or_else(|| value.get("generate_summary"));
    let show = summary.and_then(Value::as_str).is_some_and(|summary| summary != "none");
    let enabled = effort.map(|effort| effort != Effort::None);
    Ok(Some(Reasoning { effort, budget: None, enabled, show }))
}
