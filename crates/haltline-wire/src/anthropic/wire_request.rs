//! The shapes of a request that was accepted, read for the canonical form.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Number, Value};

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Wire<'a> {
    #[serde(borrow)]
    pub(super) system: Option<Content<'a>>,
    #[serde(borrow)]
    pub(super) messages: Vec<WireMessage<'a>>,
    pub(super) tools: Option<Vec<WireTool>>,
    pub(super) tool_choice: Option<WireChoice>,
    pub(super) thinking: Option<WireThinking>,
    pub(super) output_config: Option<WireOutput>,
    pub(super) output_format: Option<WireFormat>,
    pub(super) stop_sequences: Option<Vec<String>>,
    pub(super) temperature: Option<Number>,
    pub(super) top_p: Option<Number>,
    pub(super) top_k: Option<Number>,
}

#[derive(Deserialize)]
pub(super) struct WireMessage<'a> {
    pub(super) role: String,
    #[serde(borrow, default)]
    pub(super) content: Option<Content<'a>>,
}

/// A text, or blocks.
pub(super) struct Content<'a>(pub(super) Vec<WireBlock<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let raw = <&'de RawValue>::deserialize(deserializer)?;
        if raw.get().starts_with('[') {
            return serde_json::from_str(raw.get()).map(Self).map_err(D::Error::custom);
        }
        let text: String = serde_json::from_str(raw.get()).map_err(D::Error::custom)?;
        Ok(Self(vec![WireBlock { kind: "text".to_owned(), text: Some(text), ..WireBlock::default() }]))
    }
}

/// A block, of whatever type.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct WireBlock<'a> {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) text: Option<String>,
    pub(super) cache_control: Option<Value>,
    /// Of images and documents an object, of search results a string.
    #[serde(borrow)]
    pub(super) source: Option<&'a RawValue>,
    pub(super) title: Option<String>,
    pub(super) context: Option<String>,
    pub(super) citations: Option<Value>,
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    #[serde(borrow)]
    pub(super) input: Option<&'a RawValue>,
    pub(super) tool_use_id: Option<String>,
    #[serde(borrow)]
    pub(super) content: Option<Content<'a>>,
    pub(super) is_error: Option<bool>,
    pub(super) thinking: Option<String>,
    pub(super) signature: Option<String>,
    pub(super) data: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct WireSource<'a> {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) media_type: Option<String>,
    pub(super) data: Option<String>,
    pub(super) url: Option<String>,
    #[serde(borrow)]
    pub(super) content: Option<Content<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct WireTool {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) input_schema: Option<Value>,
    pub(super) strict: Option<bool>,
    pub(super) cache_control: Option<Value>,
    pub(super) input_examples: Option<Value>,
    pub(super) defer_loading: Option<bool>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct WireChoice {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) name: Option<String>,
    pub(super) disable_parallel_tool_use: Option<bool>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct WireThinking {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) budget_tokens: Option<u64>,
    pub(super) display: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct WireOutput {
    pub(super) effort: Option<String>,
    pub(super) format: Option<WireFormat>,
    pub(super) task_budget: Option<Value>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct WireFormat {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) schema: Option<Value>,
}
