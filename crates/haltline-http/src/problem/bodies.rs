//! What a problem looks like in each dialect, as an HTTP answer and inside a stream.

use haltline_gateway::{Notes, Problem, Surface};
use haltline_types::Code;
use serde_json::{Map, Value, json};

/// The body of an HTTP answer.
pub(super) fn body(surface: Surface, problem: &Problem, notes: &Notes) -> Value {
    match surface {
        Surface::ChatCompletions | Surface::Responses | Surface::Embeddings | Surface::Guard => openai(problem, notes),
        Surface::Messages | Surface::CountTokens => anthropic(problem, notes),
        Surface::GenerateContent { .. } => google(problem, notes),
        Surface::UiStream => ui(problem, notes),
    }
}

/// The event that ends a stream: its name, where the dialect has one, and its data. `number` is the
/// event's place in its stream, from 1; 0 when it is not known.
pub(crate) fn event(
    surface: Surface,
    problem: &Problem,
    notes: &Notes,
    number: u64,
) -> (Option<&'static str>, Vec<u8>) {
    let data = body(surface, problem, notes);
    let (name, data) = match surface {
        Surface::Messages | Surface::CountTokens => (Some("error"), data),
        Surface::Responses => (Some("error"), responses_event(problem, &data, number)),
        Surface::UiStream => (None, json!({"type": "error", "errorText": data.to_string()})),
        Surface::ChatCompletions | Surface::Embeddings | Surface::GenerateContent { .. } | Surface::Guard => {
            (None, data)
        }
    };
    (name, data.to_string().into_bytes())
}

/// OpenAI's own `error` event is flat; some of its clients look for `error` inside.
fn responses_event(problem: &Problem, body: &Value, number: u64) -> Value {
    json!({
        "type": "error",
        "code": problem.code.word(),
        "message": problem.message,
        "param": problem.param,
        "sequence_number": number.saturating_sub(1),
        "error": body.get("error").cloned().unwrap_or(Value::Null),
    })
}

fn openai(problem: &Problem, notes: &Notes) -> Value {
    json!({"error": {
        "message": problem.message,
        "type": problem.code.openai_type(),
        "param": problem.param,
        "code": problem.code.word(),
        "haltline": facts(problem, notes),
    }})
}

fn anthropic(problem: &Problem, notes: &Notes) -> Value {
    let mut facts = facts(problem, notes);
    if let Some(facts) = facts.as_object_mut() {
        facts.insert("code".into(), problem.code.word().into());
        facts.insert("param".into(), problem.param.clone().into());
    }
    json!({
        "type": "error",
        "error": {"type": problem.code.anthropic_type(), "message": problem.message, "haltline": facts},
        "request_id": format!("req_{:032x}", notes.request_id.as_u128()),
    })
}

/// Google's error model (AIP-193): the gRPC status by the HTTP status, our code as the reason.
fn google(problem: &Problem, notes: &Notes) -> Value {
    let status = match problem.code.status() {
        400 | 413 | 422 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        402 | 403 | 424 => {
            if problem.code == Code::BudgetExceeded || problem.code == Code::ReservationTooLarge {
                "RESOURCE_EXHAUSTED"
            } else {
                "PERMISSION_DENIED"
            }
        }
        404 | 405 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        502 | 503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        _ => "INTERNAL",
    };
    json!({"error": {
        "code": problem.code.status(),
        "message": problem.message,
        "status": status,
        "details": [{
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": problem.code.word().to_ascii_uppercase(),
            "domain": "haltline",
            "metadata": {"code": problem.code.word(), "haltline": facts(problem, notes).to_string()},
        }],
    }})
}

/// For pages: `useChat` shows the text of the body, or parses it.
fn ui(problem: &Problem, notes: &Notes) -> Value {
    json!({
        "code": problem.code.word(),
        "message": problem.message,
        "trace_id": notes.trace_id,
        "action": problem.code.class().word(),
        "haltline": facts(problem, notes),
    })
}

/// What is the same in all dialects.
fn facts(problem: &Problem, notes: &Notes) -> Value {
    let mut facts = Map::new();
    facts.insert("class".into(), problem.code.class().word().into());
    facts.insert("retryable".into(), problem.should_retry().into());
    if let Some(budget) = &problem.budget {
        facts.insert("budget".into(), budget.name.clone().into());
        facts.insert("scope".into(), budget.scope.clone().into());
        if let Some(at) = budget.resets_at {
            facts.insert("resets_at".into(), at.to_string().into());
        }
    }
    if let Some(cap) = problem.max_tokens_that_fits {
        facts.insert("max_tokens_that_fits".into(), cap.get().into());
    }
    if let Some(upstream) = &problem.upstream {
        facts.insert(
            "upstream".into(),
            json!({"status": upstream.status, "code": upstream.code, "kind": upstream.kind.word()}),
        );
    }
    facts.insert("request_id".into(), notes.request_id.to_string().into());
    facts.insert("trace_id".into(), notes.trace_id.clone().into());
    facts.insert("doc".into(), format!("/errors/{}", problem.code.word()).into());
    Value::Object(facts)
}
