//! From an accepted request to the canonical form.

use super::MessagesRequest;
use super::fields::Field;
use super::tools::is_client_tool;
use super::wire_request::{
    Content, Wire, WireBlock, WireChoice, WireFormat, WireMessage, WireOutput, WireSource, WireThinking, WireTool,
};
use super::write_turns::Dropped;
use crate::canon::{
    Call, Effort, Format, Media, MediaSource, Message, Part, Reasoning, Request, Role, Sampling, Text, Tool,
    ToolChoice, ToolResult,
};
use crate::json::walk;
use crate::refusal::{RequestError, shorten};
use haltline_types::{Code, Tokens};
use serde_json::value::RawValue;
use std::collections::HashMap;

impl MessagesRequest {
    /// What it means, for another dialect.
    ///
    /// Lost are: automatic caching (`cache_control` at the top), `context_management`,
    /// `task_budget`, `diagnostics`, `citations` and `context` of documents, and what only makes
    /// tools cheaper or quicker. The texts of the system prompt stay as they are.
    ///
    /// # Errors
    /// When it uses tools that Anthropic defines, references to tools, or values that have no
    /// meaning elsewhere.
    pub fn canonical(&self) -> Result<Request, RequestError> {
        let wire: Wire<'_> = serde_json::from_slice(&self.body).map_err(|error| RequestError {
            code: Code::InvalidRequest,
            message: format!("The body is not in the shape of a Messages request: {error}."),
            param: None,
        })?;
        let mut lost = self.lost_fields();
        let tools = wire.tools.unwrap_or_default();
        let tools = tools.into_iter().enumerate();
        let tools: Vec<Tool> = tools.map(|(at, one)| tool(one, at, &mut lost)).collect::<Result<_, _>>()?;
        let system = match wire.system {
            Some(content) => content.0.into_iter().map(|block| system_text(block, &mut lost)).collect(),
            None => Vec::new(),
        };
        let output = wire.output_config.unwrap_or_default();
        if output.task_budget.is_some() {
            lost.add("task_budget");
        }
        let reasoning = reasoning(wire.thinking.as_ref(), &output)?;
        let (tool_choice, parallel_tool_calls) = choice(wire.tool_choice)?;
        Ok(Request {
            model: self.model().to_owned(),
            system,
            messages: messages(wire.messages, &mut lost)?,
            tools,
            tool_choice,
            parallel_tool_calls,
            format: format(output.format.or(wire.output_format))?,
            sampling: Sampling {
                temperature: wire.temperature,
                top_p: wire.top_p,
                top_k: wire.top_k,
                stop: wire.stop_sequences.unwrap_or_default(),
                ..Sampling::default()
            },
            reasoning,
            cap: self.client_cap(),
            stream: self.stream(),
            user: self.user().map(str::to_owned),
            lost: lost.0,
        })
    }

    /// The turns of the request alone, to be kept.
    ///
    /// # Errors
    /// When they hold what only Anthropic's models know.
    pub fn new_messages(&self) -> Result<Vec<Message>, RequestError> {
        let wire: Wire<'_> = serde_json::from_slice(&self.body).map_err(|error| RequestError {
            code: Code::InvalidRequest,
            message: format!("The body is not in the shape of a Messages request: {error}."),
            param: None,
        })?;
        messages(wire.messages, &mut Dropped::default())
    }

    /// Top-level fields that only this dialect knows and that change nothing to rely on.
    fn lost_fields(&self) -> Dropped {
        let mut lost = Dropped::default();
        for member in self.members.iter().filter(|member| !walk::is_null(&self.body, &member.value)) {
            match (member.field, &*walk::name(&self.body, &member.key)) {
                (Field::CacheControl, _) => lost.add("cache_control"),
                (Field::ContextManagement, _) => lost.add("context_management"),
                (Field::Pass, b"diagnostics") => lost.add("diagnostics"),
                (Field::Betas, _) => lost.add("betas"),
                (Field::Pass, b"fallback_credit_token") => lost.add("fallback_credit_token"),
                (Field::Vouched, _) => lost.add("pass_fields"),
                _ => {}
            }
        }
        lost
    }
}

fn system_text(block: WireBlock<'_>, lost: &mut Dropped) -> Text {
    if block.citations.is_some() {
        lost.add("citations");
    }
    Text { text: block.text.unwrap_or_default(), cache: block.cache_control }
}

fn tool(tool: WireTool, index: usize, lost: &mut Dropped) -> Result<Tool, RequestError> {
    let path = format!("tools[{index}]");
    if let Some(kind) = tool.kind.as_deref().filter(|kind| is_client_tool(kind.as_bytes())) {
        let kind = shorten(kind);
        return Err(RequestError::invalid(
            format!("{path}.type"),
            format!("Only Anthropic's models know the tool `{kind}`; this request goes to another provider."),
        ));
    }
    let Some(name) = tool.name.filter(|name| !name.is_empty()) else {
        return Err(RequestError::invalid(format!("{path}.name"), format!("`{path}.name` is missing.")));
    };
    if tool.input_examples.is_some() {
        lost.add("input_examples");
    }
    if tool.defer_loading == Some(true) {
        lost.add("defer_loading");
    }
    Ok(Tool {
        name,
        description: tool.description,
        schema: tool.input_schema,
        strict: tool.strict,
        cache: tool.cache_control,
    })
}

fn choice(choice: Option<WireChoice>) -> Result<(Option<ToolChoice>, Option<bool>), RequestError> {
    let Some(choice) = choice else { return Ok((None, None)) };
    let parallel = choice.disable_parallel_tool_use.map(|disabled| !disabled);
    let chosen = match choice.kind.as_str() {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Required,
        "none" => ToolChoice::None,
        _ => match choice.name {
            Some(name) => ToolChoice::Named(name),
            None => return Err(RequestError::invalid("tool_choice.name", "`tool_choice.name` is missing.")),
        },
    };
    Ok((Some(chosen), parallel))
}

fn format(format: Option<WireFormat>) -> Result<Format, RequestError> {
    let Some(format) = format else { return Ok(Format::Text) };
    match (format.kind.as_str(), format.schema) {
        ("json_schema", Some(schema)) => Ok(Format::JsonSchema { name: None, description: None, schema, strict: None }),
        _ => Err(RequestError::invalid(
            "output_config.format",
            "`output_config.format` must be of type `json_schema` and hold a `schema`.",
        )),
    }
}

fn reasoning(thinking: Option<&WireThinking>, output: &WireOutput) -> Result<Option<Reasoning>, RequestError> {
    let effort = match output.effort.as_deref() {
        None => None,
        Some(word) => Some(Effort::from_word(word).ok_or_else(|| {
            RequestError::invalid(
                "output_config.effort",
                "`output_config.effort` must be one of low, medium, high, xhigh, max.",
            )
        })?),
    };
    let Some(thinking) = thinking else {
        return Ok(effort.map(|_| Reasoning { effort, ..Reasoning::default() }));
    };
    let kind = thinking.kind.as_str();
    let enabled = match kind {
        "enabled" => Some(true),
        "disabled" => Some(false),
        _ => None,
    };
    let budget = thinking.budget_tokens.filter(|_| kind == "enabled").map(Tokens::new);
    let show = enabled != Some(false) && thinking.display.as_deref() != Some("omitted");
    Ok(Some(Reasoning { effort, budget, enabled, show }))
}

fn messages(wire: Vec<WireMessage<'_>>, lost: &mut Dropped) -> Result<Vec<Message>, RequestError> {
    // Results name only the call: other dialects want the tool's name too.
    let mut names = HashMap::new();
    let mut messages = Vec::with_capacity(wire.len());
    for (index, message) in wire.into_iter().enumerate() {
        let role = match message.role.as_str() {
            "assistant" => Role::Assistant,
            "system" => Role::System,
            _ => Role::User,
        };
        let blocks = message.content.map(|content| content.0).unwrap_or_default();
        let mut parts = Vec::with_capacity(blocks.len());
        for (at, block) in blocks.into_iter().enumerate() {
            let part = part(block, &names, lost);
            let part = part.map_err(|error| error.below(&format!("messages[{index}].content[{at}]")))?;
            if let Part::Call(call) = &part {
                names.insert(call.id.clone(), call.name.clone());
            }
            parts.push(part);
        }
        messages.push(Message { role, name: None, parts });
    }
    Ok(messages)
}

fn part(block: WireBlock<'_>, names: &HashMap<String, String>, lost: &mut Dropped) -> Result<Part, RequestError> {
    let text = |text: Option<String>| text.unwrap_or_default();
    let cache = block.cache_control.clone();
    Ok(match block.kind.as_str() {
        "text" => Part::Text(Text { text: text(block.text), cache }),
        "image" => Part::Image(Media { source: image(block.source)?, detail: None, name: None, cache }),
        "document" => document(block, lost)?,
        "search_result" => search_result(block),
        "tool_use" => Part::Call(Call {
            id: text(block.id),
            name: text(block.name),
            arguments: block.input.map_or("{}", RawValue::get).to_owned(),
            signature: None,
            cache,
        }),
        "tool_result" => {
            let id = text(block.tool_use_id);
            let blocks = block.content.map(|content| content.0).unwrap_or_default();
            let parts = blocks.into_iter().map(|block| part(block, names, lost)).collect::<Result<_, _>>()?;
            let name = names.get(&id).cloned();
            Part::Result(ToolResult { id, name, parts, is_error: block.is_error == Some(true), cache })
        }
        "thinking" => Part::Reasoning {
            text: text(block.thinking),
            signature: block.signature.filter(|signature| !signature.is_empty()),
            redacted: None,
            id: None,
        },
        "redacted_thinking" => {
            Part::Reasoning { text: String::new(), signature: None, redacted: Some(text(block.data)), id: None }
        }
        kind => {
            let kind = shorten(kind);
            return Err(RequestError::invalid(
                "type",
                format!("Only Anthropic's models know blocks of type `{kind}`; this request goes to another provider."),
            ));
        }
    })
}

fn source<'a>(raw: Option<&'a RawValue>) -> Result<WireSource<'a>, RequestError> {
    let raw = raw.ok_or_else(|| RequestError::invalid("source", "`source` is missing."))?;
    serde_json::from_str(raw.get())
        .map_err(|_| RequestError::invalid("source", "`source` is not in the shape of a source."))
}

fn image(raw: Option<&RawValue>) -> Result<MediaSource, RequestError> {
    let source = source(raw)?;
    match (source.kind.as_str(), source.media_type, source.data, source.url) {
        ("base64", Some(media_type), Some(data), _) => Ok(MediaSource::Base64 { media_type, data }),
        ("url", _, _, Some(url)) => Ok(MediaSource::Url(url)),
        _ => Err(RequestError::invalid("source", "An image's `source` is not complete.")),
    }
}

fn document(block: WireBlock<'_>, lost: &mut Dropped) -> Result<Part, RequestError> {
    if block.citations.is_some() {
        lost.add("citations");
    }
    if block.context.is_some() {
        lost.add("context");
    }
    let source = source(block.source)?;
    let media = match (source.kind.as_str(), source.media_type, source.data, source.url, source.content) {
        ("base64", Some(media_type), Some(data), _, _) => MediaSource::Base64 { media_type, data },
        ("url", _, _, Some(url), _) => MediaSource::Url(url),
        ("text", _, Some(data), _, _) => MediaSource::Text(data),
        ("content", _, _, _, Some(content)) => MediaSource::Text(joined(content)?),
        _ => return Err(RequestError::invalid("source", "A document's `source` is not complete.")),
    };
    Ok(Part::Document(Media { source: media, detail: None, name: block.title, cache: block.cache_control }))
}

/// The texts of a document's content.
fn joined(content: Content<'_>) -> Result<String, RequestError> {
    let texts: Vec<String> = content
        .0
        .into_iter()
        .map(|block| block.text.ok_or_else(|| RequestError::invalid("source.content", "Only text can cross.")))
        .collect::<Result<_, _>>()?;
    Ok(texts.join("\n"))
}

/// A search result reads as a document that begins with its address.
fn search_result(block: WireBlock<'_>) -> Part {
    let source: Option<String> = block.source.and_then(|raw| serde_json::from_str(raw.get()).ok());
    let blocks = block.content.map(|content| content.0).unwrap_or_default();
    let texts = source.into_iter().chain(blocks.into_iter().filter_map(|block| block.text));
    let text = texts.collect::<Vec<String>>().join("\n");
    Part::Document(Media {
        source: MediaSource::Text(text),
        detail: None,
        name: block.title,
        cache: block.cache_control,
    })
}
