//! Bodies of the dialects: their owners describe them; we say which fields we take.

use super::Answer;
use haltline_wire::client::{ClientDialect, fields};
use serde_json::{Map, Value, json};

/// The body of a request.
pub(crate) fn body_of(dialect: ClientDialect) -> Value {
    let mut properties = Map::new();
    for field in fields(dialect) {
        let about = match field.refused {
            Some(why) => json!({"description": format!("Refused: {why}."), "not": {}}),
            None => json!({}),
        };
        properties.insert(field.name.to_owned(), about);
    }
    let required: &[&str] = match dialect {
        ClientDialect::Chat | ClientDialect::Messages => &["model", "messages"],
        ClientDialect::Responses => &["model"],
        ClientDialect::Embeddings => &["model", "input"],
        ClientDialect::Gemini => &["contents"],
        ClientDialect::UiStream => &["messages"],
    };
    json!({
        "type": "object",
        "description": owner(dialect),
        "required": required,
        "properties": properties,
        "additionalProperties": dialect == ClientDialect::UiStream,
    })
}

/// The answer when all goes well.
pub(crate) fn answer_of(dialect: ClientDialect) -> Answer {
    let answer = Answer::json(200, owner(dialect), super::any_object());
    if dialect == ClientDialect::Embeddings { answer } else { answer.or_events() }
}

const fn owner(dialect: ClientDialect) -> &'static str {
    match dialect {
        ClientDialect::Chat => "As OpenAI's Chat Completions has it.",
        ClientDialect::Responses => "As OpenAI's Responses has it.",
        ClientDialect::Embeddings => "As OpenAI's embeddings have it.",
        ClientDialect::Messages => "As Anthropic's Messages has it.",
        ClientDialect::Gemini => "As Google's generateContent has it.",
        ClientDialect::UiStream => "As the AI SDK's useChat sends it, and its UI message stream.",
    }
}
