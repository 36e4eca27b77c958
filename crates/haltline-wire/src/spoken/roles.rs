//! Who says what, by dialect: the members of a body, the roles of turns, the kinds of parts.

use super::By;
use crate::client::ClientDialect;

/// What a member of a body holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The turns of the conversation.
    Turns,
    /// What the operator says.
    System,
    /// Words of the user's outside of turns.
    Words,
    /// Tools and their descriptions.
    Tools,
    /// Nothing that anybody says.
    Other,
}

pub(super) fn kind_of(dialect: ClientDialect, member: &str) -> Kind {
    use ClientDialect as D;
    match (dialect, member) {
        (D::Chat | D::Messages | D::UiStream, "messages")
        | (D::Responses | D::Embeddings, "input")
        | (D::Gemini, "contents") => Kind::Turns,
        (D::UiStream, "message") => Kind::Words,
        (D::Messages | D::UiStream, "system") | (D::Responses, "instructions") => Kind::System,
        (D::Gemini, "systemInstruction" | "system_instruction") => Kind::System,
        // Predicted output is copied into the answer; variables fill a template of the operator's.
        (D::Chat, "prediction") | (D::Responses, "prompt") => Kind::Words,
        (D::Chat | D::Responses | D::Messages | D::Gemini | D::UiStream, "tools" | "functions") => Kind::Tools,
        _ => Kind::Other,
    }
}

/// Who speaks in a turn.
pub(super) fn of_turn(dialect: ClientDialect, role: Option<&[u8]>, kind: Option<&[u8]>) -> By {
    match (role, kind) {
        (Some(b"system" | b"developer"), _) => By::System,
        (Some(b"assistant" | b"model"), _) => By::Assistant,
        (Some(b"tool" | b"function"), _) => By::Tool,
        (Some(_), _) => By::User,
        (None, Some(kind)) if dialect == ClientDialect::Responses => of_item(kind),
        (None, _) => By::User,
    }
}

/// Items of the Responses dialect that are no messages.
fn of_item(kind: &[u8]) -> By {
    if kind.ends_with(b"_output") {
        return By::Tool;
    }
    let is_of_model =
        kind == b"reasoning" || kind == b"item_reference" || kind == b"compaction" || kind.ends_with(b"_call");
    if is_of_model { By::Assistant } else { By::User }
}

/// Who says what stands in a part of this kind, where that is not whose turn it is.
pub(super) fn of_part(kind: &str, by: By) -> By {
    match kind {
        "tool_result" | "function_response" | "mcp_tool_result" | "tool-result" | "web_search_tool_result" => By::Tool,
        "document" | "file" | "input_file" | "search_result" | "container_upload" if by != By::Tool => By::Document,
        // A page's tool parts are the model's own, but for what the tool gave (`output`).
        kind if kind.ends_with("_output") => By::Tool,
        _ => by,
    }
}

/// Members whose text somebody else says than whose part it is.
pub(super) fn of_member(name: &str, by: By) -> By {
    match name {
        "functionResponse" | "function_response" | "output" | "errorText" => By::Tool,
        _ => by,
    }
}

/// Members that say nothing to a model: ids, kinds, marks, proofs.
pub(super) fn is_silent(name: &str) -> bool {
    matches!(
        name,
        "role"
            | "type"
            | "id"
            | "tool_call_id"
            | "tool_use_id"
            | "call_id"
            | "toolCallId"
            | "media_type"
            | "mediaType"
            | "mimeType"
            | "mime_type"
            | "cache_control"
            | "signature"
            | "thoughtSignature"
            | "thought_signature"
            | "encrypted_content"
            | "encrypted_index"
            | "detail"
            | "file_id"
            | "state"
            | "status"
            | "format"
    )
}
