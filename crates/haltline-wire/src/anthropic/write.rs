//! A canonical request as a body of this dialect.
//!
//! What the dialect cannot say is dropped by name where it is a preference, and refused where it
//! changes what the client gets.

use super::write_blocks::{Block, is_tool_name, text_block};
use super::write_options::{EffortMost, SamplingFields, ThinkingStyle, TierPin, WriteOptions, budget_below};
use super::write_turns::{Dropped, Turn, Turns, is_mid_round_without_thinking, turns_of};
use crate::canon::{Effort, Format, Reasoning, Request, Target, Tool, ToolChoice, Written};
use crate::refusal::{RequestError, shorten};
use bytes::Bytes;
use haltline_types::Tokens;
use serde::Serialize;
use serde_json::{Number, Value, json};
use std::borrow::Cow;

/// Characters of a user's name that Anthropic takes.
const USER_CHARS_MAX: usize = 256;

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<Block<'a>>,
    messages: Vec<Turn<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<WrittenTool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<&'a Number>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop_sequences: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Value>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'static str>,
}

#[derive(Serialize)]
struct WrittenTool<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    input_schema: Cow<'a, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<&'a Value>,
}

/// Writes `request` as the model's name demands; see `write_with` and `WriteOptions::of_model`.
///
/// # Errors
/// As `write_with`.
pub fn write(request: &Request, target: &Target<'_>) -> Result<Written, RequestError> {
    write_with(request, target, &WriteOptions::of_model(target.model))
}

/// Writes `request` for a provider of this dialect.
///
/// Dropped by name: `name`, `detail`, `seed`, `frequency_penalty`, `presence_penalty`, sampling
/// that the model or its thinking does not take, `reasoning` that the provider would refuse,
/// `user` when it is too long, `request.lost` not included.
///
/// # Errors
/// What would change the answer: audio, other media than the provider reads, stop texts that are
/// white space, names of tools that
/// the provider does not take.
pub fn write_with(request: &Request, target: &Target<'_>, options: &WriteOptions) -> Result<Written, RequestError> {
    let mut dropped = Dropped::default();
    let (mut body, said) = common(request, target.model, Some(target.cap), options, &mut dropped)?;
    body.max_tokens = Some(target.cap.get());
    let sampling = &request.sampling;
    for (field, name) in [
        (&sampling.seed, "seed"),
        (&sampling.frequency_penalty, "frequency_penalty"),
        (&sampling.presence_penalty, "presence_penalty"),
    ] {
        if field.is_some() {
            dropped.add(name);
        }
    }
    write_sampling(request, said.thinks || options.sampling == SamplingFields::Dropped, &mut body, &mut dropped);
    if sampling.stop.iter().any(|text| text.chars().all(char::is_whitespace)) {
        return Err(RequestError::invalid(
            "stop",
            "The provider takes no stop sequence that is empty or white space only.",
        ));
    }
    body.stop_sequences = &sampling.stop;
    body.metadata = match request.user.as_deref() {
        Some(user) if user.chars().count() > USER_CHARS_MAX => {
            dropped.add("user");
            None
        }
        user => user.map(|user| json!({"user_id": user})),
    };
    body.stream = request.stream;
    body.service_tier = (options.tier == TierPin::StandardOnly).then_some("standard_only");
    Ok(Written { body: bytes_of(&body), dropped: dropped.0 })
}

/// Writes the body that asks how many tokens `request` has: no cap, no stream, no sampling.
pub(super) fn write_counted(request: &Request, model: &str, options: &WriteOptions) -> Result<Written, RequestError> {
    let mut dropped = Dropped::default();
    let (body, _) = common(request, model, None, options, &mut dropped)?;
    Ok(Written { body: bytes_of(&body), dropped: dropped.0 })
}

fn bytes_of(body: &Body<'_>) -> Bytes {
    // Only maps with keys that are no strings fail, and there are none.
    Bytes::from(serde_json::to_vec(body).unwrap_or_default())
}

/// What a client wants that asks for some JSON object.
const JSON_PLEASE: &str = "Answer with one JSON object and nothing else.";

/// What was said of thinking.
struct Said {
    thinks: bool,
}

/// What a request and the count of its tokens have in common.
fn common<'a>(
    request: &'a Request,
    model: &'a str,
    cap: Option<Tokens>,
    options: &WriteOptions,
    dropped: &mut Dropped,
) -> Result<(Body<'a>, Said), RequestError> {
    let Turns { mut system, turns } = turns_of(request, dropped)?;
    if request.format == Format::JsonObject {
        // There is no promise of JSON without a schema: the model is asked, and the client is told.
        system.extend(text_block(JSON_PLEASE, None));
        dropped.add("response_format");
    }
    let tools = write_tools(request)?;
    let tool_choice = if tools.is_empty() { None } else { write_choice(request) };
    let kind = tool_choice.as_ref().and_then(|choice| choice.get("type")).and_then(Value::as_str);
    let cannot_think = matches!(kind, Some("any" | "tool")) || is_mid_round_without_thinking(&turns);
    let (thinking, effort) = write_thinking(request.reasoning.as_ref(), cap, options, cannot_think, dropped);
    let thinks = thinking.as_ref().is_some_and(|thinking| thinking.get("type") != Some(&Value::from("disabled")));
    let body = Body {
        model,
        max_tokens: None,
        system,
        messages: turns,
        tools,
        tool_choice,
        thinking,
        output_config: write_output(&request.format, effort),
        temperature: None,
        top_p: None,
        top_k: None,
        stop_sequences: &[],
        metadata: None,
        stream: false,
        service_tier: None,
    };
    Ok((body, Said { thinks }))
}

fn write_tools(request: &Request) -> Result<Vec<WrittenTool<'_>>, RequestError> {
    let offered = |tool: &&Tool| match &request.tool_choice {
        // There is no choice among some: those that may not be called are not offered.
        Some(ToolChoice::AnyOf { names, .. }) => names.contains(&tool.name),
        _ => true,
    };
    let mut tools = Vec::new();
    for (index, tool) in request.tools.iter().enumerate().filter(|(_, tool)| offered(tool)) {
        if !is_tool_name(&tool.name) {
            let name = shorten(&tool.name);
            return Err(RequestError::invalid(
                format!("tools[{index}].name"),
                format!("The provider takes no tool called `{name}`: names are letters, digits, `_` and `-`."),
            ));
        }
        tools.push(WrittenTool {
            name: &tool.name,
            description: tool.description.as_deref(),
            input_schema: object_schema(tool.schema.as_ref()),
            strict: tool.strict.filter(|strict| *strict),
            cache_control: tool.cache.as_ref(),
        });
    }
    Ok(tools)
}

/// Anthropic wants a schema, and one of an object.
fn object_schema(schema: Option<&Value>) -> Cow<'_, Value> {
    match schema {
        Some(Value::Object(members)) if members.get("type").is_none_or(Value::is_null) => {
            let mut members = members.clone();
            members.insert("type".to_owned(), Value::from("object"));
            Cow::Owned(Value::Object(members))
        }
        Some(schema @ Value::Object(_)) => Cow::Borrowed(schema),
        _ => Cow::Owned(json!({"type": "object", "properties": {}})),
    }
}

fn write_choice(request: &Request) -> Option<Value> {
    let one_at_a_time = request.parallel_tool_calls == Some(false);
    let mut choice = match &request.tool_choice {
        Some(ToolChoice::None) => return Some(json!({"type": "none"})),
        Some(ToolChoice::Auto | ToolChoice::AnyOf { required: false, .. }) => json!({"type": "auto"}),
        Some(ToolChoice::Required | ToolChoice::AnyOf { required: true, .. }) => json!({"type": "any"}),
        Some(ToolChoice::Named(name)) => json!({"type": "tool", "name": name}),
        None if one_at_a_time => json!({"type": "auto"}),
        None => return None,
    };
    if let (true, Some(members)) = (one_at_a_time, choice.as_object_mut()) {
        members.insert("disable_parallel_tool_use".to_owned(), Value::Bool(true));
    }
    Some(choice)
}

fn write_output(format: &Format, effort: Option<&'static str>) -> Option<Value> {
    let mut members = serde_json::Map::new();
    if let Some(effort) = effort {
        members.insert("effort".to_owned(), Value::from(effort));
    }
    match format {
        Format::Text | Format::JsonObject => {}
        Format::JsonSchema { schema, .. } => {
            let schema = closed(schema, SCHEMA_DEPTH);
            members.insert("format".to_owned(), json!({"type": "json_schema", "schema": schema}));
        }
    }
    (!members.is_empty()).then_some(Value::Object(members))
}

/// Schemas are nested no deeper than this; what is deeper stays as it is.
const SCHEMA_DEPTH: u32 = 64;

/// The schema with every object closed whose author left open whether it is: Anthropic answers 400
/// to objects whose `additionalProperties` is not false. What was said stays: the provider judges.
fn closed(schema: &Value, depth: u32) -> Value {
    match schema {
        _ if depth == 0 => schema.clone(),
        Value::Array(items) => items.iter().map(|item| closed(item, depth - 1)).collect(),
        Value::Object(members) => {
            let mut out = serde_json::Map::new();
            for (name, value) in members {
                let value = match name.as_str() {
                    // Names of properties here, not words of the schema.
                    "properties" | "$defs" | "definitions" => match value {
                        Value::Object(named) => {
                            named.iter().map(|(name, schema)| (name.clone(), closed(schema, depth - 1))).collect()
                        }
                        other => other.clone(),
                    },
                    "enum" | "const" | "default" | "examples" => value.clone(),
                    _ => closed(value, depth - 1),
                };
                out.insert(name.clone(), value);
            }
            if out.contains_key("properties") {
                out.entry("additionalProperties").or_insert(Value::Bool(false));
            }
            Value::Object(out)
        }
        other => other.clone(),
    }
}

/// The `thinking` member, and the word for `output_config.effort`.
fn write_thinking(
    asked: Option<&Reasoning>,
    cap: Option<Tokens>,
    options: &WriteOptions,
    cannot_think: bool,
    dropped: &mut Dropped,
) -> (Option<Value>, Option<&'static str>) {
    let Some(asked) = asked else { return (None, None) };
    let style = options.thinking;
    let off = asked.enabled == Some(false) || asked.effort == Some(Effort::None) || asked.budget == Some(Tokens::ZERO);
    if off {
        return (Some(json!({"type": "disabled"})), None);
    }
    let effort =
        asked.effort.filter(|_| style != ThinkingStyle::Budget).map(|effort| effort_word(effort, options.effort));
    let budget = match style {
        ThinkingStyle::AsAsked => asked.budget,
        ThinkingStyle::Adaptive => None,
        ThinkingStyle::Budget => asked.budget.or_else(|| Some(budget_of(asked.effort.unwrap_or(Effort::Medium)))),
    };
    // An effort alone says how much, and leaves to the model whether.
    let adaptive = match style {
        ThinkingStyle::AsAsked => budget.is_none() && effort.is_none(),
        ThinkingStyle::Adaptive => true,
        ThinkingStyle::Budget => false,
    };
    if budget.is_none() && !adaptive {
        return (None, effort);
    }
    if cannot_think {
        dropped.add("reasoning");
        return (None, effort);
    }
    let Some(budget) = budget else {
        // Models that think adaptively show nothing unless they are asked to.
        let thinking =
            if asked.show { json!({"type": "adaptive", "display": "summarized"}) } else { json!({"type": "adaptive"}) };
        return (Some(thinking), effort);
    };
    match cap.map_or(Some(budget), |cap| budget_below(cap, budget)) {
        Some(budget) => (Some(json!({"type": "enabled", "budget_tokens": budget.get()})), effort),
        None => {
            dropped.add("reasoning");
            (None, effort)
        }
    }
}

const fn effort_word(effort: Effort, most: EffortMost) -> &'static str {
    match effort {
        Effort::XHigh if !matches!(most, EffortMost::Max) => "high",
        Effort::Max if matches!(most, EffortMost::High) => "high",
        Effort::None | Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High => "high",
        Effort::XHigh => "xhigh",
        Effort::Max => "max",
    }
}

/// What an effort comes to in tokens at models that know budgets only. The cap lowers it.
const fn budget_of(effort: Effort) -> Tokens {
    Tokens::new(match effort {
        Effort::None | Effort::Minimal => 1_024,
        Effort::Low => 2_048,
        Effort::Medium => 8_192,
        Effort::High => 16_384,
        Effort::XHigh => 32_768,
        Effort::Max => 65_536,
    })
}

/// Temperature goes from 0 to 1 here, and newer models take it or `top_p`, never both.
fn write_sampling<'a>(request: &'a Request, none: bool, body: &mut Body<'a>, dropped: &mut Dropped) {
    let sampling = &request.sampling;
    let fields = [(&sampling.temperature, "temperature"), (&sampling.top_p, "top_p"), (&sampling.top_k, "top_k")];
    if none {
        for (_, name) in fields.iter().filter(|(field, _)| field.is_some()) {
            dropped.add(name);
        }
        return;
    }
    body.temperature = sampling.temperature.as_ref().map(|temperature| {
        if temperature.as_f64().is_some_and(|value| value > 1.0) {
            dropped.add("temperature");
            return Number::from(1);
        }
        temperature.clone()
    });
    body.top_k = sampling.top_k.as_ref();
    body.top_p = sampling.top_p.as_ref();
    if body.temperature.is_some() && body.top_p.take().is_some() {
        dropped.add("top_p");
    }
}
