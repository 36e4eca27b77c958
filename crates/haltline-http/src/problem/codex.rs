//! The one exception by client. Codex repeats a 402 six times and a 503 without a pause (contract,
//! section 3, tested with Codex 0.169), so budgets and overload reach it as 429.

use haltline_gateway::{Problem, Surface};
use haltline_types::Code;
use http::HeaderMap;
use serde_json::Value;

/// Who is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Anyone.
    Any,
    /// OpenAI's Codex, which speaks Responses only.
    Codex,
}

impl Audience {
    /// By the headers that Codex sends.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let says = |name: &str| {
            let value = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
            value.get(..5).is_some_and(|word| word.eq_ignore_ascii_case("codex"))
        };
        if says("user-agent") || says("originator") { Self::Codex } else { Self::Any }
    }

    /// The status that this audience gets instead of the usual one; the body is changed with it.
    pub(super) fn adapt(self, surface: Surface, problem: &Problem, body: &mut Value) -> Option<u16> {
        if self == Self::Any || surface != Surface::Responses {
            return None;
        }
        match problem.code {
            Code::BudgetExceeded | Code::ReservationTooLarge => {
                if let Some(error) = body.get_mut("error").and_then(Value::as_object_mut) {
                    error.insert("type".into(), "insufficient_quota".into());
                    error.insert("code".into(), "project_spend_limit_exceeded".into());
                }
                Some(429)
            }
            Code::Overloaded | Code::Draining | Code::BreakerOpen => Some(429),
            _ => None,
        }
    }
}
