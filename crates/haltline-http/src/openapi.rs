//! The API document (OpenAPI 3.1), made from the tables out of which the router is made: a route
//! without its entry cannot exist.

mod dialects;
mod entry;
mod errors;

pub(crate) use dialects::{answer_of, body_of};
pub(crate) use entry::{Answer, Entry, Operation, Parameter, Security, any_object, list, one};

use crate::admin;
use crate::router;
use serde_json::{Map, Value, json};

/// The whole document. The same code gives the same bytes.
#[must_use]
pub fn document() -> Value {
    let mut paths = Map::new();
    for (prefix, entries) in
        [("/v1", router::dialects()), ("", router::plain()), ("/admin/v1", admin::table::entries())]
    {
        for entry in entries {
            let path = format!("{prefix}{}", entry.path.replace("{*", "{"));
            let item = paths.entry(path).or_insert_with(|| json!({}));
            for operation in &entry.operations {
                if let Some(item) = item.as_object_mut() {
                    item.insert(operation.method.to_owned(), operation.document());
                }
            }
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Haltline",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "The AI gateway whose bill cannot cross the line.",
            "description": "Every dialect's routes also stand without `/v1` and below `/openai`, `/anthropic` and `/google`. \
                            A key is taken in `Authorization: Bearer`, `x-api-key`, `x-goog-api-key` or `api-key`. \
                            Bodies are those of the dialect's owner; the lists of fields here are those that this gateway takes, \
                            and a field that is not listed is refused by name, as it might change the price.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "A key of this gateway: `hl-live-…`; or, for what one user may do, a browser token: `hl-web-…`."},
                "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
                "googApiKey": {"type": "apiKey", "in": "header", "name": "x-goog-api-key"},
                "refreshCookie": {"type": "apiKey", "in": "cookie", "name": "__Secure-haltline-refresh-…", "description": "Set by `/v1/auth/session` for one page; believed only with its `Origin` and `x-haltline-csrf`."},
                "operator": {"type": "http", "scheme": "bearer", "description": "The token of `admin.json` in the data directory."},
            },
            "responses": errors::responses(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// The document as it stands in the repository; `HALTLINE_BLESS=1` writes it anew.
    #[test]
    fn the_document_in_the_repository_is_current() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/openapi.json");
        let text = serde_json::to_string_pretty(&document()).expect("JSON") + "\n";
        if std::env::var_os("HALTLINE_BLESS").is_some() {
            std::fs::write(&path, &text).expect("written");
        }
        let known = std::fs::read_to_string(&path).unwrap_or_default();
        let line = known.lines().zip(text.lines()).take_while(|(a, b)| a == b).count() + 1;
        assert!(
            known == text,
            "docs/reference/openapi.json differs from line {line} on; run this test with HALTLINE_BLESS=1 and commit"
        );
    }

    #[test]
    fn operation_ids_are_unique_and_every_operation_says_what_it_does() {
        let document = document();
        let mut ids = std::collections::BTreeSet::new();
        for (path, item) in document["paths"].as_object().expect("paths") {
            for (method, operation) in item.as_object().expect("an item") {
                let id = operation["operationId"].as_str().expect("an id").to_owned();
                assert!(ids.insert(id), "{method} {path}");
                assert!(!operation["summary"].as_str().expect("a summary").is_empty());
                for name in path.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
                    let parameters = operation["parameters"].as_array().expect("parameters");
                    assert!(parameters.iter().any(|parameter| parameter["name"] == name), "{path}: {name}");
                }
            }
        }
        assert!(ids.len() > 20);
    }
}
