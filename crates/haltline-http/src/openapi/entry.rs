//! A route and what the document says of it.

use crate::router::App;
use axum::routing::MethodRouter;
use haltline_ports::Role;
use schemars::JsonSchema;
use serde_json::{Map, Value, json};

/// A path with its handlers.
pub(crate) struct Entry {
    /// As the router has it.
    pub(crate) path: &'static str,
    /// The handlers.
    pub(crate) methods: MethodRouter<App>,
    /// What they do.
    pub(crate) operations: Vec<Operation>,
}

impl Entry {
    pub(crate) fn new<const N: usize>(
        path: &'static str,
        methods: MethodRouter<App>,
        operations: [Operation; N],
    ) -> Self {
        Self { path, methods, operations: operations.into() }
    }
}

/// Who may ask.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Security {
    Anyone,
    Key,
    /// A page with its refresh cookie.
    Cookie,
    Operator,
}

/// What is answered when all goes well.
pub(crate) struct Answer {
    status: u16,
    about: &'static str,
    content: Vec<(&'static str, Value)>,
}

impl Answer {
    pub(crate) fn json(status: u16, about: &'static str, schema: Value) -> Self {
        Self { status, about, content: vec![("application/json", schema)] }
    }

    pub(crate) fn empty(status: u16, about: &'static str) -> Self {
        Self { status, about, content: Vec::new() }
    }

    pub(crate) fn text(kind: &'static str, about: &'static str) -> Self {
        Self { status: 200, about, content: vec![(kind, json!({"type": "string"}))] }
    }

    /// The same, or a stream of events.
    pub(crate) fn or_events(mut self) -> Self {
        self.content.push(("text/event-stream", json!({"type": "string"})));
        self
    }
}

/// Something that the address says.
#[derive(Clone, Copy)]
pub(crate) struct Parameter {
    name: &'static str,
    place: &'static str,
    about: &'static str,
    required: bool,
}

impl Parameter {
    pub(crate) const fn path(name: &'static str, about: &'static str) -> Self {
        Self { name, place: "path", about, required: true }
    }

    pub(crate) const fn header(name: &'static str, about: &'static str) -> Self {
        Self { name, place: "header", about, required: true }
    }

    pub(crate) const fn query(name: &'static str, about: &'static str, required: bool) -> Self {
        Self { name, place: "query", about, required }
    }
}

/// One method of a path.
pub(crate) struct Operation {
    pub(crate) method: &'static str,
    id: &'static str,
    summary: &'static str,
    tag: &'static str,
    pub(crate) security: Security,
    /// Of an administrator; none of others' routes.
    pub(crate) role: Option<Role>,
    /// What the audit log calls it, if it is an act.
    pub(crate) act: Option<&'static str>,
    parameters: Vec<Parameter>,
    body: Option<Value>,
    answer: Answer,
}

impl Operation {
    pub(crate) fn new(
        method: &'static str,
        id: &'static str,
        summary: &'static str,
        tag: &'static str,
        security: Security,
    ) -> Self {
        let answer = Answer::empty(200, "Done");
        Self { method, id, summary, tag, security, role: None, act: None, parameters: Vec::new(), body: None, answer }
    }

    /// Only administrators with this role, or more, may ask.
    pub(crate) fn needs(mut self, role: Role) -> Self {
        self.role = Some(role);
        self
    }

    /// It is written into the audit log under this name.
    pub(crate) fn acts(mut self, act: &'static str) -> Self {
        self.act = Some(act);
        self
    }

    pub(crate) fn with(mut self, parameter: Parameter) -> Self {
        self.parameters.push(parameter);
        self
    }

    pub(crate) fn takes(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    pub(crate) fn answers(mut self, answer: Answer) -> Self {
        self.answer = answer;
        self
    }

    /// What the document says.
    pub(super) fn document(&self) -> Value {
        let mut out = json!({"operationId": self.id, "summary": self.summary, "tags": [self.tag]});
        let Some(object) = out.as_object_mut() else { return out };
        if !self.parameters.is_empty() {
            let parameters = self.parameters.iter().map(|parameter| {
                json!({
                    "name": parameter.name,
                    "in": parameter.place,
                    "description": parameter.about,
                    "required": parameter.required,
                    "schema": {"type": "string"},
                })
            });
            object.insert("parameters".into(), parameters.collect());
        }
        if let Some(schema) = &self.body {
            let content = json!({"application/json": {"schema": schema}});
            object.insert("requestBody".into(), json!({"required": true, "content": content}));
        }
        let mut responses = Map::new();
        let content: Map<String, Value> =
            self.answer.content.iter().map(|(kind, schema)| ((*kind).to_owned(), json!({"schema": schema}))).collect();
        let mut good = json!({"description": self.answer.about});
        if let (Some(good), false) = (good.as_object_mut(), content.is_empty()) {
            good.insert("content".into(), Value::Object(content));
        }
        responses.insert(self.answer.status.to_string(), good);
        let (security, other) = match self.security {
            Security::Anyone => (json!([]), None),
            Security::Key => (json!([{"key": []}, {"apiKey": []}, {"googApiKey": []}]), Some("Problem")),
            Security::Cookie => (json!([{"refreshCookie": []}]), Some("Problem")),
            Security::Operator => (json!([{"operator": []}]), Some("AdminProblem")),
        };
        if let Some(other) = other {
            responses.insert("default".into(), json!({"$ref": format!("#/components/responses/{other}")}));
        }
        object.insert("responses".into(), Value::Object(responses));
        object.insert("security".into(), security);
        if let Some(role) = self.role {
            object.insert("x-haltline-role".into(), role.word().into());
        }
        out
    }
}

/// The schema of one of our own shapes.
pub(crate) fn one<T: JsonSchema>() -> Value {
    let mut schema = schemars::SchemaGenerator::default().into_root_schema_for::<T>().to_value();
    if let Some(schema) = schema.as_object_mut() {
        schema.remove("$schema");
    }
    schema
}

/// A list of one of our own shapes.
pub(crate) fn list<T: JsonSchema>() -> Answer {
    Answer::json(200, "All of them", json!({"type": "array", "items": one::<T>()}))
}

/// An object about which nothing more is promised.
pub(crate) fn any_object() -> Value {
    json!({"type": "object"})
}
