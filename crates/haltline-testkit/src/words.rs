//! Control words in a prompt: `[[stall]]`, `[[status:429]]`, `[[tokens:100]]`. They let a client
//! that can only send text choose what the provider does. Words that are not known are text.

use crate::behaviour::{Answer, Behaviour, Ending, Garbage, Report, RetryAfter, Shape, StatusAnswer, Writing};
use haltline_types::Tokens;
use std::time::Duration;

/// The behaviour that the words of a prompt ask for, laid over what the script gave; `base`
/// itself when there are none.
///
/// Words: `stall` or `stall:N` (after N chunks), `reset` or `reset:N`, `truncate:N`, `cut:N`,
/// `error-frame:N`, `status:N`, `retry-after:SECONDS`, `tokens:N`, `latency:MS`, `interval:MS`,
/// `omit-usage`, `over-report:FACTOR`, `under-report:DIVISOR`, `garbage`, `huge:BYTES`,
/// `drip:BYTES`, `tool`.
pub(crate) fn apply(base: Behaviour, prompt: &str) -> Behaviour {
    let words = words(prompt);
    if words.is_empty() {
        return base;
    }
    let mut behaviour = base;
    for (word, number) in words {
        behaviour = apply_one(behaviour, word, number);
    }
    behaviour
}

fn apply_one(base: Behaviour, word: &str, number: Option<u64>) -> Behaviour {
    let after = number.unwrap_or(0);
    let bytes = u32::try_from(after).unwrap_or(u32::MAX);
    match word {
        "stall" if number.is_none() => Behaviour::StallBeforeHead,
        "reset" if number.is_none() => Behaviour::ResetBeforeHead,
        "garbage" => Behaviour::Garbage(Garbage { bytes: number.map_or(64, |_| bytes) }),
        "status" => Behaviour::status(u16::try_from(after).unwrap_or(500)),
        "retry-after" => match base {
            Behaviour::Status(status) => {
                Behaviour::Status(StatusAnswer { retry_after: Some(RetryAfter::Secs(after)), ..status })
            }
            other => other,
        },
        _ => {
            let answer = match base {
                Behaviour::Answer(answer) => answer,
                _ => Answer::default(),
            };
            Behaviour::Answer(with_word(answer, word, after, bytes))
        }
    }
}

fn with_word(mut answer: Answer, word: &str, number: u64, bytes: u32) -> Answer {
    match word {
        "stall" => answer.ending = Ending::Stall { after: number },
        "reset" => answer.ending = Ending::Reset { after: number },
        "truncate" => answer.ending = Ending::Truncate { after: number },
        "cut" => answer.ending = Ending::Cut { after: number },
        "error-frame" => answer.ending = Ending::ErrorFrame { after: number },
        "tokens" => answer.tokens = Some(Tokens::new(number)),
        "latency" => answer.latency = Duration::from_millis(number),
        "interval" => answer.pace.interval = Duration::from_millis(number),
        "omit-usage" => answer.report = Report::Omit,
        "over-report" => answer.report = Report::Scaled { num: number.max(2), den: 1 },
        "under-report" => answer.report = Report::Scaled { num: 1, den: number.max(2) },
        "huge" => answer.writing = Writing::HugeEvent { bytes },
        "drip" => answer.writing = Writing::Drip { bytes: bytes.max(1), pause_ms: 1 },
        "tool" => answer.shape = Shape::ToolCall,
        _ => {}
    }
    answer
}

const KNOWN: [&str; 17] = [
    "stall",
    "reset",
    "truncate",
    "cut",
    "error-frame",
    "status",
    "retry-after",
    "tokens",
    "latency",
    "interval",
    "omit-usage",
    "over-report",
    "under-report",
    "garbage",
    "huge",
    "drip",
    "tool",
];

fn words(prompt: &str) -> Vec<(&str, Option<u64>)> {
    let mut found = Vec::new();
    for piece in prompt.split("[[").skip(1) {
        let Some((inside, _)) = piece.split_once("]]") else { continue };
        let (word, number) = match inside.split_once(':') {
            Some((word, number)) => match number.parse() {
                Ok(number) => (word, Some(number)),
                Err(_) => continue,
            },
            None => (inside, None),
        };
        if KNOWN.contains(&word) {
            found.push((word, number));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_choose_and_combine() {
        let base = Behaviour::default;
        assert_eq!(apply(base(), "please [[stall]]"), Behaviour::StallBeforeHead);
        assert_eq!(
            apply(base(), "[[status:529]] and [[retry-after:3]]"),
            Behaviour::status_after(529, RetryAfter::Secs(3))
        );
        let combined = apply(base(), "[[tokens:9]] then [[stall:2]] with [[omit-usage]]");
        let Behaviour::Answer(answer) = combined else { panic!("{combined:?}") };
        assert_eq!(answer.tokens, Some(Tokens::new(9)));
        assert_eq!(answer.ending, Ending::Stall { after: 2 });
        assert_eq!(answer.report, Report::Omit);
    }

    #[test]
    fn unknown_words_are_text_and_keep_the_script() {
        let base = || Behaviour::status(500);
        for text in ["hello", "[[", "[[what]]", "[[tokens:many]]", "a [[wiki link]] b"] {
            assert_eq!(apply(base(), text), base(), "{text}");
        }
    }

    #[test]
    fn every_known_word_does_something() {
        for word in KNOWN {
            let base = if word == "retry-after" { Behaviour::status(429) } else { Behaviour::default() };
            assert_ne!(apply(base.clone(), &format!("[[{word}:7]]")), base, "{word}");
        }
    }
}
