//! A chat request in the canonical form, to be asked of a server that speaks another dialect.

use super::ChatRequest;
use super::canonical_messages::Conversation;
use super::fields::Field;
use crate::canon::{Effort, Format, Reasoning, Request, Sampling, Tool, ToolChoice};
use crate::refusal::RequestError;
use serde_json::{Map, Number, Value};

impl ChatRequest {
    /// What it means, said once for all dialects.
    ///
    /// # Errors
    /// When it asks for what only Chat Completions has and the client would miss: several choices,
    /// log probabilities, biased tokens, custom tools, the old functions.
    pub fn canonical(&self) -> Result<Request, RequestError> {
        if self.n() > 1 {
            return Err(cannot_cross("n", "Only one choice"));
        }
        let Ok(Value::Object(body)) = serde_json::from_slice(&self.body) else {
            return Err(RequestError::invalid("", "The body must be a JSON object."));
        };
        let mut request = Request {
            model: self.model().to_owned(),
            cap: self.client_cap().map(|(_, cap)| cap),
            stream: self.stream(),
            user: self.safety_identifier().or_else(|| self.user()).map(str::to_owned),
            ..Request::default()
        };
        let conversation = Conversation::read(body.get("messages"))?;
        request.system = conversation.system;
        request.messages = conversation.messages;
        for member in &self.members {
            let name = crate::json::decode(self.body.get(member.key.clone()).unwrap_or_default());
            let name = String::from_utf8_lossy(&name);
            match body.get(&*name) {
                None | Some(Value::Null) => {}
                Some(value) => read(&mut request, member.field, &name, value)?,
            }
        }
        Ok(request)
    }
}

fn read(request: &mut Request, field: Field, name: &str, value: &Value) -> Result<(), RequestError> {
    let sampling = &mut request.sampling;
    match (field, name) {
        (_, "temperature") => sampling.temperature = number(value, name)?,
        (_, "top_p") => sampling.top_p = number(value, name)?,
        (_, "top_k") => sampling.top_k = number(value, name)?,
        (_, "frequency_penalty") => sampling.frequency_penalty = number(value, name)?,
        (_, "presence_penalty") => sampling.presence_penalty = number(value, name)?,
        (_, "seed") => sampling.seed = number(value, name)?,
        (_, "stop") => read_stop(sampling, value)?,
        (Field::Tools, _) => request.tools = tools(value)?,
        (Field::ToolChoice, _) => request.tool_choice = Some(tool_choice(value)?),
        (Field::ResponseFormat, _) => request.format = format(value)?,
        (_, "parallel_tool_calls") => request.parallel_tool_calls = value.as_bool(),
        (_, "reasoning_effort") => {
            let effort = value.as_str().and_then(Effort::from_word).ok_or_else(|| {
                RequestError::invalid(
                    name,
                    "`reasoning_effort` is none of none, minimal, low, medium, high, xhigh, max.",
                )
            })?;
            request.reasoning = Some(Reasoning { effort: Some(effort), show: true, ..Reasoning::default() });
        }
        (_, "logprobs") if value.as_bool() == Some(false) => {}
        (_, "logprobs" | "top_logprobs") => return Err(cannot_cross(name, "Log probabilities")),
        (_, "logit_bias") if value.as_object().is_some_and(Map::is_empty) => {}
        (_, "logit_bias") => return Err(cannot_cross(name, "A bias on single tokens")),
        (Field::Functions, _) | (_, "function_call") => {
            return Err(cannot_cross(name, "The old form of tools (send `tools` and `tool_choice` instead)"));
        }
        (Field::Metadata, _) => request.lost.push("metadata"),
        (_, "verbosity") => request.lost.push("verbosity"),
        (_, "prompt_cache_key") => request.lost.push("prompt_cache_key"),
        (Field::CacheOptions, _) => request.lost.push("prompt_cache_options"),
        (Field::CacheRetention, _) => request.lost.push("prompt_cache_retention"),
        // Vouched for at servers that know them, and unknown to the others.
        (Field::Vouched, _) if !request.lost.contains(&"pass_fields") => request.lost.push("pass_fields"),
        // Said elsewhere, pinned, or without meaning for the answer.
        _ => {}
    }
    Ok(())
}

pub(super) fn cannot_cross(param: &str, what: &str) -> RequestError {
    RequestError::invalid(
        param,
        format!("{what} cannot be had from this model's provider, which does not speak Chat Completions."),
    )
}

fn number(value: &Value, name: &str) -> Result<Option<Number>, RequestError> {
    match value {
        Value::Number(number) => Ok(Some(number.clone())),
        _ => Err(RequestError::invalid(name, format!("`{name}` must be a number."))),
    }
}

fn read_stop(sampling: &mut Sampling, value: &Value) -> Result<(), RequestError> {
    let texts: Option<Vec<String>> = match value {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
        _ => None,
    };
    sampling.stop =
        texts.ok_or_else(|| RequestError::invalid("stop", "`stop` must be a string or a list of strings."))?;
    Ok(())
}

fn tools(value: &Value) -> Result<Vec<Tool>, RequestError> {
    let tool = |(index, tool): (usize, &Value)| {
        let path = format!("tools[{index}].function");
        let Some(function) =
            tool.get("function").filter(|_| tool.get("type").and_then(Value::as_str) == Some("function"))
        else {
            return Err(cannot_cross(&format!("tools[{index}].type"), "A tool of type `custom`"));
        };
        let name = function.get("name").and_then(Value::as_str).filter(|name| !name.is_empty());
        Ok(Tool {
            name: name.ok_or_else(|| RequestError::invalid(path, "A function has no `name`."))?.to_owned(),
            description: word(function.get("description")),
            schema: function.get("parameters").filter(|schema| schema.is_object()).cloned(),
            strict: function.get("strict").and_then(Value::as_bool),
            cache: None,
        })
    };
    value.as_array().into_iter().flatten().enumerate().map(tool).collect()
}

fn tool_choice(value: &Value) -> Result<ToolChoice, RequestError> {
    let invalid = || RequestError::invalid("tool_choice", "`tool_choice` is not understood.");
    match value {
        Value::String(word) => match word.as_str() {
            "auto" => Ok(ToolChoice::Auto),
            "none" => Ok(ToolChoice::None),
            // Mistral's word for it.
            "required" | "any" => Ok(ToolChoice::Required),
            _ => Err(invalid()),
        },
        _ => match value.get("type").and_then(Value::as_str) {
            Some("function") => Ok(ToolChoice::Named(named(value).ok_or_else(invalid)?)),
            Some("allowed_tools") => {
                let allowed = value.get("allowed_tools").unwrap_or(value);
                let names = allowed.get("tools").and_then(Value::as_array).ok_or_else(invalid)?;
                Ok(ToolChoice::AnyOf {
                    names: names.iter().map(named).collect::<Option<_>>().ok_or_else(invalid)?,
                    required: allowed.get("mode").and_then(Value::as_str) == Some("required"),
                })
            }
            Some("custom") => Err(cannot_cross("tool_choice", "A tool of type `custom`")),
            _ => Err(invalid()),
        },
    }
}

fn named(value: &Value) -> Option<String> {
    word(value.get("function").and_then(|function| function.get("name")))
}

fn format(value: &Value) -> Result<Format, RequestError> {
    let invalid = |message: &str| RequestError::invalid("response_format", message);
    match value.get("type").and_then(Value::as_str) {
        Some("text") => Ok(Format::Text),
        Some("json_object") => Ok(Format::JsonObject),
        Some("json_schema") => {
            let given = value.get("json_schema").unwrap_or(&Value::Null);
            let schema = given.get("schema").filter(|schema| schema.is_object());
            Ok(Format::JsonSchema {
                name: word(given.get("name")),
                description: word(given.get("description")),
                schema: schema.cloned().ok_or_else(|| invalid("`response_format.json_schema` has no `schema`."))?,
                strict: given.get("strict").and_then(Value::as_bool),
            })
        }
        _ => Err(invalid("`response_format.type` must be one of text, json_object, json_schema.")),
    }
}

pub(super) fn word(value: Option<&Value>) -> Option<String> {
    value.and_then(Value::as_str).map(str::to_owned)
}
