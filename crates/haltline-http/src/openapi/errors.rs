//! The answers that are no success.

use haltline_types::Code;
use serde_json::{Value, json};

/// Components that operations point to.
pub(super) fn responses() -> Value {
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.word()).collect();
    let table: Vec<String> = Code::ALL.iter().map(|code| format!("`{}` {}", code.word(), code.status())).collect();
    json!({
        "Problem": {
            "description": format!(
                "A problem, in the words of the dialect; `/errors/{{code}}` explains each. Codes and statuses: {}.",
                table.join(", ")
            ),
            "headers": {
                "x-should-retry": {"schema": {"type": "string", "enum": ["true", "false"]}},
                "retry-after": {"schema": {"type": "integer", "minimum": 1, "maximum": 60}},
            },
            "content": {"application/json": {"schema": {
                "type": "object",
                "properties": {"error": {
                    "type": "object",
                    "properties": {
                        "message": {"type": "string"},
                        "type": {"type": "string"},
                        "param": {"type": ["string", "null"]},
                        "code": {"type": "string", "enum": codes},
                        "haltline": {"type": "object"},
                    },
                }},
            }}},
        },
        "AdminProblem": {
            "description": "A problem (RFC 9457).",
            "content": {"application/problem+json": {"schema": {
                "type": "object",
                "required": ["type", "title", "status", "detail"],
                "properties": {
                    "type": {"type": "string"},
                    "title": {"type": "string"},
                    "status": {"type": "integer"},
                    "detail": {"type": "string"},
                },
            }}},
        },
    })
}
