//! Why an answer ended, in Anthropic's words.

use crate::Finish;

/// From the word on the wire.
#[must_use]
pub fn finish_from_word(word: &str) -> Finish {
    match word {
        "end_turn" => Finish::Stop,
        "stop_sequence" => Finish::StopSequence,
        "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        "tool_use" => Finish::ToolCalls,
        "pause_turn" => Finish::Pause,
        "refusal" => Finish::Refusal,
        _ => Finish::Other,
    }
}

/// The word on the wire. Anthropic has none for a filter: what was filtered is a refusal to its
/// clients. Nor for a failure: that is told by an error, and the word is never alone.
#[must_use]
pub const fn stop_word(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::Error | Finish::Other => "end_turn",
        Finish::StopSequence => "stop_sequence",
        Finish::Length => "max_tokens",
        Finish::ToolCalls | Finish::FunctionCall => "tool_use",
        Finish::ContentFilter | Finish::Refusal => "refusal",
        Finish::Pause => "pause_turn",
    }
}

/// The word for an answer with these contents. Clients of Anthropic run tools only when the word
/// says so, and some providers say plain `stop` after calls; a refusal in words, too, ends with
/// plain `stop` at OpenAI.
pub(super) const fn stop_word_for(finish: Option<Finish>, has_calls: bool, has_refusal: bool) -> &'static str {
    match finish {
        None | Some(Finish::Stop | Finish::Other) if has_calls => "tool_use",
        None | Some(Finish::Stop | Finish::Other) if has_refusal => "refusal",
        None => "end_turn",
        Some(finish) => stop_word(finish),
    }
}
