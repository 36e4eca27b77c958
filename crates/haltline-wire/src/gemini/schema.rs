//! Google's own form of schemas, a subset of OpenAPI 3.0, as JSON Schema.
//!
//! Types lose their capitals, `nullable` becomes a further type, and counts that protocol buffers
//! write as strings become numbers. `propertyOrdering` and `example` have no counterpart and are
//! left out. What is JSON Schema already comes out as it went in.

use super::fields::is_spelling_of;
use serde_json::{Map, Value};

/// `schema` as JSON Schema.
pub(super) fn json_schema(schema: &Value) -> Value {
    let Value::Object(object) = schema else {
        return schema.clone();
    };
    let mut out = Map::new();
    for (key, value) in object {
        let name = keyword(key);
        let value = match name {
            "nullable" | "propertyOrdering" | "example" => continue,
            "type" => word(value),
            "properties" | "$defs" | "definitions" => each(value),
            "items" | "additionalProperties" | "not" => json_schema(value),
            "anyOf" | "oneOf" | "allOf" | "prefixItems" => list(value),
            "minItems" | "maxItems" | "minLength" | "maxLength" | "minProperties" | "maxProperties" => number(value),
            _ => value.clone(),
        };
        out.insert(name.to_owned(), value);
    }
    if object.get("nullable") == Some(&Value::Bool(true)) {
        allow_null(&mut out);
    }
    Value::Object(out)
}

/// Keywords that Google also reads with underscores.
fn keyword(key: &str) -> &str {
    const TWO_SPELLINGS: [&str; 10] = [
        "anyOf",
        "minItems",
        "maxItems",
        "minLength",
        "maxLength",
        "minProperties",
        "maxProperties",
        "propertyOrdering",
        "additionalProperties",
        "prefixItems",
    ];
    TWO_SPELLINGS.into_iter().find(|name| is_spelling_of(key, name)).unwrap_or(key)
}

fn word(value: &Value) -> Value {
    match value {
        Value::String(text) => text.to_ascii_lowercase().into(),
        other => other.clone(),
    }
}

fn each(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            object.iter().map(|(name, schema)| (name.clone(), json_schema(schema))).collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

fn list(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(json_schema).collect(),
        other => other.clone(),
    }
}

fn number(value: &Value) -> Value {
    value.as_str().and_then(|text| text.parse::<u64>().ok()).map_or_else(|| value.clone(), Value::from)
}

fn allow_null(schema: &mut Map<String, Value>) {
    if let Some(Value::String(kind)) = schema.get("type") {
        let both = vec![kind.as_str().into(), "null".into()];
        schema.insert("type".to_owned(), Value::Array(both));
        if let Some(Value::Array(values)) = schema.get_mut("enum") {
            values.push(Value::Null);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn googles_schemas_become_json_schema() {
        let google = json!({
            "type": "OBJECT",
            "properties": {
                "type": {"type": "STRING", "nullable": true, "enum": ["a"]},
                "n": {"type": "ARRAY", "items": {"type": "INTEGER", "format": "int32"}, "minItems": "2"},
                "u": {"any_of": [{"type": "NUMBER"}, {"type": "BOOLEAN"}]}
            },
            "required": ["type"],
            "propertyOrdering": ["type", "n"]
        });
        let expected = json!({
            "type": "object",
            "properties": {
                "type": {"type": ["string", "null"], "enum": ["a", null]},
                "n": {"type": "array", "items": {"type": "integer", "format": "int32"}, "minItems": 2},
                "u": {"anyOf": [{"type": "number"}, {"type": "boolean"}]}
            },
            "required": ["type"]
        });
        assert_eq!(json_schema(&google), expected);
        assert_eq!(json_schema(&expected), expected);
    }
}
