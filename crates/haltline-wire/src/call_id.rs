//! Ids of calls for dialects and servers that give none.

use std::fmt::Display;

/// How much of an answer's id stands in the id of a call: OpenAI takes 40 characters in all.
const ANSWER_ID_MAX: usize = 24;

/// An id for the answer's call at `place`. It holds the end of the answer's own id, as clients that
/// hold several turns need ids which no other turn has. Anthropic takes only letters, digits, `_`
/// and `-`.
pub(crate) fn made_up(answer_id: &str, place: impl Display) -> String {
    let fits = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let all: String = answer_id.chars().filter(fits).collect();
    match all.get(all.len().saturating_sub(ANSWER_ID_MAX)..) {
        Some(end) if !end.is_empty() => format!("call_{end}_{place}"),
        _ => format!("call_{place}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_short_and_clean() {
        for (answer_id, expected) in [
            ("", "call_1"),
            ("é/", "call_1"),
            ("r-1", "call_r-1_1"),
            ("chatcmpl-abcdefghijklmnopqrstuvwxyz012345", "call_ijklmnopqrstuvwxyz012345_1"),
        ] {
            assert_eq!(made_up(answer_id, 1), expected);
            assert!(made_up(answer_id, u32::MAX).len() <= 40);
        }
    }
}
