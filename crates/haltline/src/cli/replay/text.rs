//! The text of an event as a reader of the answer sees it, whatever dialect it is in: found by its
//! shape, so that a stored event needs no more than itself. What has no text gives none.

use serde_json::Value;

/// The visible text of an event, framing and all, or of a whole answer.
pub(super) fn text_of(event: &str) -> String {
    let mut out = String::new();
    for data in payloads(event) {
        if let Ok(value) = serde_json::from_str::<Value>(data) {
            append(&value, &mut out);
        }
    }
    out
}

/// The JSON of an event: its `data:` lines, or an element of an array, or all of it.
fn payloads(event: &str) -> Vec<&str> {
    let lines: Vec<&str> = event.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim).collect();
    if !lines.is_empty() {
        return lines;
    }
    let bare = event.trim();
    let is_object = |text: &str| text.starts_with('{');
    match bare.strip_prefix(['[', ',']).map(str::trim_start) {
        Some(element) if is_object(element) => vec![element.trim_end_matches(']').trim_end()],
        _ if is_object(bare) => vec![bare],
        _ => Vec::new(),
    }
}

fn append(value: &Value, out: &mut String) {
    let mut take = |text: &Value| {
        if let Some(text) = text.as_str() {
            out.push_str(text);
        }
    };
    // A page's stream, Anthropic's and OpenAI's Responses name what they are.
    match value["type"].as_str() {
        Some("text-delta" | "response.output_text.delta" | "response.refusal.delta") => return take(&value["delta"]),
        Some("content_block_delta") => return take(&value["delta"]["text"]),
        Some("content_block_start") => return take(&value["content_block"]["text"]),
        Some("message") => return items(&value["content"]).for_each(|block| take(&block["text"])),
        Some(_) => return,
        None => {}
    }
    // Chat Completions, in pieces or whole.
    for choice in items(&value["choices"]) {
        take(&choice["delta"]["content"]);
        take(&choice["message"]["content"]);
    }
    // Google; what is thought is no answer.
    for part in items(&value["candidates"]).flat_map(|candidate| items(&candidate["content"]["parts"])) {
        if part["thought"].as_bool() != Some(true) {
            take(&part["text"]);
        }
    }
    // A whole response.
    for content in items(&value["output"]).flat_map(|item| items(&item["content"])) {
        take(&content["text"]);
    }
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_found_in_every_dialect() {
        for (event, text) in [
            ("id: 3\ndata: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n", "Hi"),
            ("data: [DONE]\n\n", ""),
            (
                "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}\n\n",
                "Hi",
            ),
            (
                "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\"}}\n\n",
                "",
            ),
            ("data: {\"type\":\"response.output_text.delta\",\"delta\":\"Hi\"}\n\n", "Hi"),
            (
                "data: {\"type\":\"response.completed\",\"response\":{\"output\":[{\"content\":[{\"text\":\"Hi\"}]}]}}\n\n",
                "",
            ),
            ("data: {\"type\":\"text-delta\",\"id\":\"0\",\"delta\":\"Hi\"}\n\n", "Hi"),
            ("data: {\"type\":\"reasoning-delta\",\"id\":\"0\",\"delta\":\"hm\"}\n\n", ""),
            (
                "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"hm\",\"thought\":true},{\"text\":\"Hi\"}]}}]}\n\n",
                "Hi",
            ),
            ("[{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Hi\"}]}}]}", "Hi"),
            (",{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Hi\"}]}}]}]", "Hi"),
            ("{\"choices\":[{\"message\":{\"content\":\"Hi\"}}]}", "Hi"),
            ("{\"type\":\"message\",\"content\":[{\"type\":\"text\",\"text\":\"Hi\"}]}", "Hi"),
            ("{\"object\":\"response\",\"output\":[{\"content\":[{\"type\":\"output_text\",\"text\":\"Hi\"}]}]}", "Hi"),
            (": a remark\n\n", ""),
            ("data: nonsense\n\n", ""),
        ] {
            assert_eq!(text_of(event), text, "{event}");
        }
    }
}
