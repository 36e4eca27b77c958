//! What a message of an answer says, in the many shapes that servers give it: reasoning under
//! several names, content as a list, pictures, sources.

use crate::canon::Event;
use crate::openai::data_url;
use serde_json::{Map, Value};

/// Gives `value` to `out` when it is text that says something.
pub(super) fn text(value: Option<&Value>, out: impl FnOnce(String)) {
    if let Some(text) = value.and_then(Value::as_str).filter(|text| !text.is_empty()) {
        out(text.to_owned());
    }
}

/// Thoughts. The same ones can stand under several names at once; one name is read.
pub(super) fn reasoning(message: &Map<String, Value>, out: &mut Vec<Event>) {
    let details = message.get("reasoning_details").and_then(Value::as_array);
    let said = ["reasoning_content", "reasoning"]
        .iter()
        .map(|name| all_text(message.get(*name)))
        .find(|text| !text.is_empty())
        .unwrap_or_else(|| details.into_iter().flatten().map(detail_text).collect());
    if !said.is_empty() {
        out.push(Event::Reasoning(said));
    }
    // OpenRouter passes Anthropic's proof on. Other formats are nobody's here.
    for detail in details.into_iter().flatten() {
        let format = detail.get("format").and_then(Value::as_str).unwrap_or_default();
        if format.starts_with("anthropic") {
            text(detail.get("signature"), |proof| out.push(Event::ReasoningSignature(proof)));
        }
    }
}

fn detail_text(detail: &Value) -> String {
    all_text(detail.get("text").filter(|text| !text.is_null()).or_else(|| detail.get("summary")))
}

/// Content: a text, or a list of parts.
pub(super) fn content(value: Option<&Value>, out: &mut Vec<Event>) {
    match value {
        Some(Value::Array(parts)) => parts.iter().for_each(|part| content_part(part, out)),
        Some(part @ Value::Object(_)) => content_part(part, out),
        other => text(other, |text| out.push(Event::Text(text))),
    }
}

fn content_part(part: &Value, out: &mut Vec<Event>) {
    let Some(kind) = part.get("type").and_then(Value::as_str) else {
        text(Some(part).filter(|part| part.is_string()).or_else(|| part.get("text")), |text| {
            out.push(Event::Text(text));
        });
        return;
    };
    match kind {
        "thinking" => {
            let said = all_text(part.get("thinking"));
            if !said.is_empty() {
                out.push(Event::Reasoning(said));
            }
        }
        "refusal" => text(part.get("refusal"), |text| out.push(Event::Refusal(text))),
        "image_url" => picture(part, out),
        "tool_reference" => {
            if let Some(url) = part.get("url").and_then(Value::as_str) {
                out.push(Event::Source { url: url.to_owned(), title: title(part) });
            }
        }
        _ => text(part.get("text"), |text| out.push(Event::Text(text))),
    }
}

/// Pictures beside the content (OpenRouter).
pub(super) fn pictures(value: Option<&Value>, out: &mut Vec<Event>) {
    for part in value.and_then(Value::as_array).into_iter().flatten() {
        picture(part, out);
    }
}

fn picture(part: &Value, out: &mut Vec<Event>) {
    let address = part.get("image_url").unwrap_or(part);
    let url = address.get("url").unwrap_or(address).as_str().unwrap_or_default();
    if let Some((media_type, data)) = data_url::split(url) {
        out.push(Event::File { media_type: media_type.to_owned(), data: data.to_owned() });
    } else if !url.is_empty() {
        // Elsewhere on the web: a link is what every dialect can show.
        out.push(Event::Text(format!("![image]({url})")));
    }
}

/// A text, or the texts of a list of parts.
fn all_text(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => parts.iter().map(|part| all_text(part.get("text").or(Some(part)))).collect(),
        Some(Value::Object(part)) => part.get("text").and_then(Value::as_str).unwrap_or_default().to_owned(),
        _ => String::new(),
    }
}

fn title(value: &Value) -> Option<String> {
    value.get("title").and_then(Value::as_str).filter(|title| !title.is_empty()).map(str::to_owned)
}

/// Sources that were told already: Perplexity repeats them on every chunk.
#[derive(Debug, Default)]
pub(super) struct Sources(Vec<String>);

/// No answer rests on more sources than this.
const SOURCES_MAX: usize = 1_000;

impl Sources {
    /// Tells what `object` names and was not told: `annotations` of a message, `search_results` and
    /// `citations` of a chunk.
    pub(super) fn read(&mut self, object: &Map<String, Value>, out: &mut Vec<Event>) {
        for name in ["annotations", "search_results", "citations"] {
            for source in object.get(name).and_then(Value::as_array).into_iter().flatten() {
                let source = source.get("url_citation").unwrap_or(source);
                let url = source.get("url").or(Some(source)).and_then(Value::as_str).unwrap_or_default();
                if url.is_empty() || self.0.len() >= SOURCES_MAX || self.0.iter().any(|known| known == url) {
                    continue;
                }
                self.0.push(url.to_owned());
                out.push(Event::Source { url: url.to_owned(), title: title(source) });
            }
        }
    }
}
