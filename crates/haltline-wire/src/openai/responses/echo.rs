//! The response object as clients see it: what an answer shows of its request, and the fields that
//! the SDKs require.

use super::ResponsesRequest;
use crate::json::walk;
use haltline_types::{Timestamp, Usage};
use serde_json::{Map, Value, json};

/// What is shown of a response beside what the model made.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// The id under which the client may ask for it, as `resp_…`. The provider's own is not shown.
    pub id: String,
    /// The model's name; empty shows what the provider says.
    pub model: String,
    /// When it was begun.
    pub created: Timestamp,
    /// Facts of the request, as `ResponsesRequest::echo` gives them.
    pub echo: Map<String, Value>,
}

/// Fields of a request that its response repeats.
const ECHOED: [&str; 21] = [
    "background",
    "conversation",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt_cache_key",
    "prompt_cache_retention",
    "reasoning",
    "safety_identifier",
    "store",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
];

impl ResponsesRequest {
    /// What its response repeats of it: instructions, tools, sampling, metadata and the like.
    #[must_use]
    pub fn echo(&self) -> Map<String, Value> {
        let mut echo = Map::new();
        for member in &self.members {
            let name = walk::name(&self.body, &member.key);
            let Some(name) = ECHOED.iter().find(|known| *name == *known.as_bytes()) else { continue };
            let value = self.body.get(member.value.clone()).unwrap_or_default();
            if let Ok(value) = serde_json::from_slice::<Value>(value)
                && !value.is_null()
            {
                echo.insert((*name).to_owned(), value);
            }
        }
        echo
    }
}

impl Shown {
    /// A response object.
    pub(super) fn response(&self, model: &str, status: &str) -> Map<String, Value> {
        let base = json!({
            "id": self.id,
            "object": "response",
            "created_at": self.created.as_millis().div_euclid(1000),
            "status": status,
            "background": false,
            "error": null,
            "incomplete_details": null,
            "instructions": null,
            "max_output_tokens": null,
            "max_tool_calls": null,
            "model": if self.model.is_empty() { model } else { &self.model },
            "output": [],
            "parallel_tool_calls": true,
            "previous_response_id": null,
            "prompt_cache_key": null,
            "reasoning": { "effort": null, "summary": null },
            "safety_identifier": null,
            "service_tier": "default",
            "store": true,
            "temperature": 1.0,
            "text": { "format": { "type": "text" } },
            "tool_choice": "auto",
            "tools": [],
            "top_logprobs": 0,
            "top_p": 1.0,
            "truncation": "disabled",
            "usage": null,
            "user": null,
            "metadata": {},
        });
        let Value::Object(mut response) = base else { return Map::new() };
        for (name, value) in &self.echo {
            if ECHOED.contains(&name.as_str()) && !value.is_null() {
                response.insert(name.clone(), value.clone());
            }
        }
        response
    }

    /// Names of the tools that take free text instead of JSON arguments.
    pub(super) fn custom_tools(&self) -> Vec<String> {
        let tools = self.echo.get("tools").and_then(Value::as_array);
        tools
            .into_iter()
            .flatten()
            .filter(|tool| tool.get("type").and_then(Value::as_str) == Some("custom"))
            .filter_map(|tool| tool.get("name").and_then(Value::as_str).map(str::to_owned))
            .collect()
    }

    /// What ids of items end with.
    pub(super) fn suffix(&self) -> &str {
        self.id.strip_prefix("resp_").unwrap_or(&self.id)
    }
}

/// `usage` as this dialect counts it.
pub(super) fn usage(usage: &Usage) -> Value {
    json!({
        "input_tokens": usage.input.get(),
        "input_tokens_details": {
            "cached_tokens": usage.cached_input.get(),
            "cache_write_tokens": usage.cache_write.get(),
        },
        "output_tokens": usage.output.get(),
        "output_tokens_details": { "reasoning_tokens": usage.reasoning.get() },
        "total_tokens": usage.input.get().saturating_add(usage.output.get()),
    })
}
