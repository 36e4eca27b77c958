//! A canonical request as the body of a Chat Completions request, for one kind of server.

use super::Edit;
use super::cap::cap_field_for;
use super::max_price::MaxPrice;
use super::write_messages::messages;
use crate::canon::{Effort, Format, Reasoning, Request, Target, Tool, ToolChoice, Written};
use crate::openai::{ProviderKind, Quirks, ReasoningField, effort};
use crate::refusal::RequestError;
use bytes::Bytes;
use serde_json::{Map, Value, json};

/// Whom a body is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChatTarget<'a> {
    /// Model and output cap.
    pub target: Target<'a>,
    /// Whose server it is.
    pub kind: ProviderKind,
    /// What the server may at most charge, where it chooses among sellers; others are not told.
    pub max_price: Option<MaxPrice<'a>>,
}

/// The edit of a request that stays in this dialect.
impl<'a> From<&ChatTarget<'a>> for Edit<'a> {
    fn from(target: &ChatTarget<'a>) -> Self {
        let quirks = target.kind.quirks();
        Self {
            model: target.target.model,
            cap: (quirks.cap, target.target.cap),
            service_tier: quirks.service_tier,
            include_usage: quirks.stream_options,
            max_price: target.max_price.filter(|_| quirks.max_price),
            drop: if quirks.stream_options { &[] } else { &["stream_options"] },
        }
    }
}

/// Writes `request`. A stream asks for its usage, where the server takes that.
///
/// # Errors
/// When the server cannot be told something that changes what the client gets: a document, a
/// recording, a schema, more stop sequences than it takes.
pub fn write(request: &Request, target: &ChatTarget<'_>) -> Result<Written, RequestError> {
    let quirks = target.kind.quirks();
    let mut writer = Writer { body: Map::new(), dropped: Vec::new(), quirks, target };
    writer.put("model", json!(target.target.model));
    let messages = messages(request, target, &quirks, &mut writer.dropped)?;
    writer.put("messages", Value::Array(messages));
    writer.put(cap_field_for(target.target.model, target.kind).name(), json!(target.target.cap.get()));
    if request.stream {
        writer.put("stream", json!(true));
        if quirks.stream_options {
            writer.put("stream_options", json!({"include_usage": true}));
        }
    }
    if let Some(tier) = quirks.service_tier {
        writer.put("service_tier", json!(tier));
    }
    if let Some(most) = target.max_price.filter(|_| quirks.max_price) {
        writer.put("provider", most.merged(None));
    }
    writer.sampling(request)?;
    writer.tools(request);
    writer.format(&request.format)?;
    if let Some(reasoning) = &request.reasoning {
        writer.reasoning(*reasoning);
    }
    if let Some(user) = &request.user {
        if quirks.names {
            writer.put("user", json!(user));
        } else {
            writer.dropped("user");
        }
    }
    let Writer { body, dropped, .. } = writer;
    Ok(Written { body: Bytes::from(Value::Object(body).to_string()), dropped })
}

struct Writer<'a> {
    body: Map<String, Value>,
    dropped: Vec<&'static str>,
    quirks: Quirks,
    target: &'a ChatTarget<'a>,
}

impl Writer<'_> {
    fn put(&mut self, name: &str, value: Value) {
        self.body.insert(name.to_owned(), value);
    }

    fn dropped(&mut self, name: &'static str) {
        drop_named(&mut self.dropped, name);
    }

    fn sampling(&mut self, request: &Request) -> Result<(), RequestError> {
        let sampling = &request.sampling;
        // OpenAI's reasoning models answer 400 to any but the default.
        let fixed = thinks(self.target);
        let seed = self.quirks.seed;
        for (name, field, value, takes) in [
            ("temperature", "temperature", &sampling.temperature, !fixed),
            ("top_p", "top_p", &sampling.top_p, !fixed),
            ("top_k", "top_k", &sampling.top_k, self.quirks.top_k),
            ("frequency_penalty", "frequency_penalty", &sampling.frequency_penalty, !fixed),
            ("presence_penalty", "presence_penalty", &sampling.presence_penalty, !fixed),
            ("seed", seed, &sampling.seed, true),
        ] {
            match value {
                Some(value) if takes => self.put(field, Value::Number(value.clone())),
                Some(_) => self.dropped(name),
                None => {}
            }
        }
        if sampling.stop.len() > self.quirks.stops_max {
            let message = format!("This model's provider takes at most {} stop sequences.", self.quirks.stops_max);
            return Err(RequestError::invalid("stop", message));
        }
        if !sampling.stop.is_empty() {
            self.put("stop", json!(sampling.stop));
        }
        Ok(())
    }

    fn tools(&mut self, request: &Request) {
        let openai = effort::is_openai(self.target.kind);
        let mut tools: Vec<&Tool> = request.tools.iter().collect();
        if tools.iter().any(|tool| tool.cache.is_some()) {
            self.dropped("cache_control");
        }
        let choice = match &request.tool_choice {
            None => None,
            Some(ToolChoice::Auto) => Some(json!("auto")),
            Some(ToolChoice::None) => Some(json!("none")),
            Some(ToolChoice::Required) => Some(json!("required")),
            Some(ToolChoice::Named(name)) => Some(json!({"type": "function", "function": {"name": name}})),
            Some(ToolChoice::AnyOf { names, required }) => {
                let mode = if *required { "required" } else { "auto" };
                if openai {
                    let named: Vec<Value> =
                        names.iter().map(|name| json!({"type": "function", "function": {"name": name}})).collect();
                    Some(json!({"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": named}}))
                } else {
                    // What is not offered cannot be called.
                    tools.retain(|tool| names.contains(&tool.name));
                    Some(json!(mode))
                }
            }
        };
        if tools.is_empty() {
            return;
        }
        self.put("tools", tools.into_iter().map(tool_value).collect());
        if let Some(choice) = choice {
            self.put("tool_choice", choice);
        }
        if let Some(parallel) = request.parallel_tool_calls {
            self.put("parallel_tool_calls", json!(parallel));
        }
    }

    fn format(&mut self, format: &Format) -> Result<(), RequestError> {
        let value = match format {
            Format::Text => return Ok(()),
            Format::JsonObject => json!({"type": "json_object"}),
            Format::JsonSchema { .. } if !self.quirks.json_schema => {
                let message = "This model's provider obeys no JSON schema.";
                return Err(RequestError::invalid("response_format", message));
            }
            Format::JsonSchema { name, description, schema, strict } => {
                let mut inner = Map::new();
                inner.insert("name".to_owned(), json!(name.as_deref().unwrap_or("answer")));
                if let Some(description) = description {
                    inner.insert("description".to_owned(), json!(description));
                }
                inner.insert("schema".to_owned(), schema.clone());
                if let Some(strict) = strict {
                    inner.insert("strict".to_owned(), json!(strict));
                }
                json!({"type": "json_schema", "json_schema": inner})
            }
        };
        self.put("response_format", value);
        Ok(())
    }

    fn reasoning(&mut self, reasoning: Reasoning) {
        let off = reasoning.enabled == Some(false) || reasoning.effort == Some(Effort::None);
        let kind = self.target.kind;
        let effort = effort::effort(kind, self.target.target.model, &reasoning);
        match self.quirks.reasoning {
            // OpenAI's other models refuse the field.
            ReasoningField::Effort if effort::is_plain(kind, self.target.target.model) => self.dropped("reasoning"),
            ReasoningField::Effort => {
                if let Some(effort) = effort {
                    self.put("reasoning_effort", json!(effort.word()));
                }
            }
            ReasoningField::Object => {
                let mut inner = Map::new();
                if off {
                    inner.insert("enabled".to_owned(), json!(false));
                } else if let (Some(effort), true) = (effort, reasoning.effort.is_some()) {
                    inner.insert("effort".to_owned(), json!(effort.word()));
                } else if let Some(budget) = reasoning.budget {
                    inner.insert("max_tokens".to_owned(), json!(budget.get()));
                } else {
                    inner.insert("enabled".to_owned(), json!(true));
                }
                if !reasoning.show && !off {
                    inner.insert("exclude".to_owned(), json!(true));
                }
                self.put("reasoning", Value::Object(inner));
            }
            ReasoningField::Thinking => {
                self.put("thinking", json!({"type": if off { "disabled" } else { "enabled" }}));
                if !off && (reasoning.effort.is_some() || reasoning.budget.is_some()) {
                    self.dropped("reasoning_effort");
                }
            }
            ReasoningField::None => self.dropped("reasoning"),
        }
    }
}

pub(super) fn drop_named(dropped: &mut Vec<&'static str>, name: &'static str) {
    if !dropped.contains(&name) {
        dropped.push(name);
    }
}

/// See `effort::thinks`.
pub(super) fn thinks(target: &ChatTarget<'_>) -> bool {
    effort::thinks(target.kind, target.target.model)
}

fn tool_value(tool: &Tool) -> Value {
    let mut function = Map::new();
    function.insert("name".to_owned(), json!(tool.name));
    if let Some(description) = &tool.description {
        function.insert("description".to_owned(), json!(description));
    }
    if let Some(schema) = &tool.schema {
        function.insert("parameters".to_owned(), schema.clone());
    }
    if let Some(strict) = tool.strict {
        function.insert("strict".to_owned(), json!(strict));
    }
    json!({"type": "function", "function": function})
}
