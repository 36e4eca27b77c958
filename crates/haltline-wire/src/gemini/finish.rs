//! Google's words for why a candidate ended, and for why a prompt was blocked.

use crate::Finish;

/// From `finishReason`. Calls of functions end with `STOP` as everything else does: whoever saw
/// one turns `Finish::Stop` into `Finish::ToolCalls`. `None` for the word that says nothing.
#[must_use]
pub fn finish_from_word(word: &str) -> Option<Finish> {
    Some(match word {
        "" | "FINISH_REASON_UNSPECIFIED" => return None,
        "STOP" => Finish::Stop,
        "MAX_TOKENS" => Finish::Length,
        "SAFETY"
        | "RECITATION"
        | "LANGUAGE"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION"
        | "MODEL_ARMOR" => Finish::ContentFilter,
        "CONTINUATION" => Finish::Pause,
        // MALFORMED_FUNCTION_CALL, UNEXPECTED_TOOL_CALL, NO_IMAGE, OTHER, and what is to come:
        // the answer is complete as far as the protocol goes.
        _ => Finish::Other,
    })
}

/// From the number that Vertex AI writes when enums are asked for as numbers
/// (`google.cloud.aiplatform.v1.Candidate.FinishReason`).
#[must_use]
pub fn finish_from_number(number: u64) -> Option<Finish> {
    Some(match number {
        0 => return None,
        1 => Finish::Stop,
        2 => Finish::Length,
        3 | 4 | 6..=8 | 10..=13 => Finish::ContentFilter,
        _ => Finish::Other,
    })
}

/// The `finishReason` that says it; Google's SDKs know no other words.
#[must_use]
pub const fn finish_word(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::StopSequence | Finish::ToolCalls | Finish::FunctionCall => "STOP",
        Finish::Length => "MAX_TOKENS",
        Finish::ContentFilter | Finish::Refusal => "SAFETY",
        Finish::Pause | Finish::Error | Finish::Other => "OTHER",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers_say_the_same() {
        for (word, number) in [
            ("FINISH_REASON_UNSPECIFIED", 0),
            ("STOP", 1),
            ("MAX_TOKENS", 2),
            ("SAFETY", 3),
            ("RECITATION", 4),
            ("OTHER", 5),
            ("BLOCKLIST", 6),
            ("PROHIBITED_CONTENT", 7),
            ("SPII", 8),
            ("MALFORMED_FUNCTION_CALL", 9),
            ("MODEL_ARMOR", 10),
            ("IMAGE_SAFETY", 11),
            ("SOMETHING_NEW", 99),
        ] {
            assert_eq!(finish_from_word(word), finish_from_number(number), "{word}");
        }
    }

    #[test]
    fn what_we_write_is_read_as_the_same_or_a_wider_word() {
        for finish in [Finish::Stop, Finish::Length, Finish::ContentFilter, Finish::Other] {
            assert_eq!(finish_from_word(finish_word(finish)), Some(finish));
        }
    }
}
