//! How a stream ends, and the words in which that is kept.

use crate::problem::{BudgetNote, Problem, UpstreamNote};
use bytes::Bytes;
use haltline_types::{Code, FaultKind, Timestamp, Tokens};
use serde_json::{Value, json};
use std::time::Duration;

/// How a stream has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It is whole.
    Complete,
    /// It is not, and this is why.
    Broken(Box<Problem>),
}

impl Ending {
    /// Is it worth being shown in place of a new answer? A whole one is, and one that its user has
    /// stopped.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::Complete => true,
            Self::Broken(problem) => problem.code == Code::Stopped,
        }
    }

    /// The words for the store.
    pub(crate) fn note(&self) -> Bytes {
        let value = match self {
            Self::Complete => json!({"end": "complete"}),
            Self::Broken(problem) => json!({
                "end": "broken",
                "code": problem.code.word(),
                "message": problem.message,
                "param": problem.param,
                "retry_after_ms": problem.retry_after.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
                "budget": problem.budget.as_ref().map(|budget| json!({
                    "name": budget.name,
                    "scope": budget.scope,
                    "resets_at_ms": budget.resets_at.map(Timestamp::as_millis),
                })),
                "max_tokens_that_fits": problem.max_tokens_that_fits.map(Tokens::get),
                "upstream": problem.upstream.as_ref().map(|upstream| json!({
                    "status": upstream.status,
                    "code": upstream.code,
                    "kind": upstream.kind.word(),
                })),
                "spent": problem.spent,
            }),
        };
        Bytes::from(value.to_string())
    }

    /// From the words of the store; what cannot be read is an ending all the same.
    pub(crate) fn of_note(note: &[u8]) -> Self {
        let value: Value = serde_json::from_slice(note).unwrap_or_default();
        if value["end"] == "complete" {
            return Self::Complete;
        }
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let code = value["code"].as_str().and_then(Code::from_word).unwrap_or(Code::Internal);
        let message = text(&value["message"]).unwrap_or_else(|| "The stream ended before its answer did.".to_owned());
        let mut problem = Problem::new(code, message);
        problem.param = text(&value["param"]);
        problem.retry_after = value["retry_after_ms"].as_u64().map(Duration::from_millis);
        problem.budget = text(&value["budget"]["name"]).map(|name| BudgetNote {
            name,
            scope: text(&value["budget"]["scope"]).unwrap_or_default(),
            resets_at: value["budget"]["resets_at_ms"].as_i64().map(Timestamp::from_millis),
        });
        problem.max_tokens_that_fits = value["max_tokens_that_fits"].as_u64().map(Tokens::new);
        let kind = value["upstream"]["kind"].as_str().and_then(FaultKind::from_word);
        problem.upstream = kind.map(|kind| UpstreamNote {
            status: value["upstream"]["status"].as_u64().and_then(|status| u16::try_from(status).ok()),
            code: text(&value["upstream"]["code"]),
            kind,
        });
        problem.spent = value["spent"].as_bool().unwrap_or(true);
        Self::Broken(Box::new(problem))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ending_is_read_back() {
        let mut problem = Problem::new(Code::BudgetExceeded, "too much").about("model");
        problem.budget = Some(BudgetNote {
            name: "day".to_owned(),
            scope: "user".to_owned(),
            resets_at: Some(Timestamp::from_millis(5)),
        });
        problem.max_tokens_that_fits = Some(Tokens::new(7));
        problem.upstream =
            Some(UpstreamNote { status: Some(503), code: Some("x".to_owned()), kind: FaultKind::Truncated });
        problem.retry_after = Some(Duration::from_millis(1500));
        problem.spent = true;
        for ending in [Ending::Complete, Ending::Broken(Box::new(problem))] {
            assert_eq!(Ending::of_note(&ending.note()), ending);
        }
        assert!(!Ending::of_note(b"\xff").is_final());
    }
}
