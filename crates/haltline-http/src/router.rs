//! All routes on one page.

use crate::admin::{self, Admin};
use crate::came;
use crate::openapi::{Answer, Entry, Operation, Parameter, Security, answer_of, any_object, body_of, one};
use crate::routes::{
    anthropic, cache, docs, errors, generation, google, health, jobs, metrics, models, openai, responses, sessions,
    streams, timeline, ui,
};
use crate::timeline::{Timeline, Timelines};
use axum::Router;
use axum::middleware::from_fn;
use axum::routing::{MethodRouter, get, post};
use haltline_gateway::Gateway;
use haltline_wire::client::ClientDialect;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use std::sync::Arc;

/// What routes need.
#[derive(Clone)]
pub struct App {
    /// The line's door.
    pub gateway: Arc<Gateway>,
    /// What `/metrics` shows.
    pub registry: Arc<Registry>,
    /// The operator's door.
    pub admin: Arc<Admin>,
}

/// What clients may have put before a dialect's own path: they differ in what they call a base URL.
pub(crate) const BASES: [&str; 8] =
    ["/v1", "/v1beta", "/openai/v1", "/openai", "/anthropic/v1", "/anthropic", "/google/v1beta", "/google/v1"];

/// The router.
pub fn router(app: App) -> Router {
    let mut dialects = Router::new();
    for entry in self::dialects() {
        dialects = dialects.route(entry.path, only(entry.methods));
    }
    let mut router = Router::new();
    for base in BASES {
        router = router.nest(base, dialects.clone());
    }
    router = router.merge(dialects);
    for entry in plain() {
        router = router.route(entry.path, only(entry.methods));
    }
    let admin = admin::router(&app);
    router.nest("/admin/v1", admin).fallback(google::or_nothing).layer(from_fn(came::carry)).with_state(app)
}

/// Routes that stand below each of the bases.
pub(crate) fn dialects() -> Vec<Entry> {
    let ask = |id, summary, dialect: ClientDialect| {
        let tag = "Models";
        Operation::new("post", id, summary, tag, Security::Key).takes(body_of(dialect)).answers(answer_of(dialect))
    };
    let tell = |id, summary| Operation::new("get", id, summary, "Models", Security::Key);
    let tell_post = |id, summary| Operation::new("post", id, summary, "Models", Security::Key);
    let model = Parameter::path("id", "The model.");
    let response = Parameter::path("id", "The response.");
    let job = Parameter::path("id", "The job.");
    let session = Parameter::path("id", "What its client calls it.");
    let kept = || Answer::json(200, "The response", any_object());
    vec![
        Entry::new(
            "/chat/completions",
            post(openai::chat),
            [ask("chatCompletions", "OpenAI Chat Completions", ClientDialect::Chat)],
        ),
        Entry::new(
            "/responses",
            post(openai::responses),
            [ask("responses", "OpenAI Responses", ClientDialect::Responses)],
        ),
        Entry::new(
            "/responses/{id}",
            get(responses::show).delete(responses::forget),
            [
                tell("getResponse", "A response that was kept, or that is made in the background")
                    .with(response)
                    .with(Parameter::query("stream", "`true`: its events again.", false))
                    .with(Parameter::query("starting_after", "The last `sequence_number` received.", false))
                    .answers(kept()),
                Operation::new("delete", "deleteResponse", "Forgets a response", "Models", Security::Key)
                    .with(response)
                    .answers(kept()),
            ],
        ),
        Entry::new(
            "/responses/{id}/cancel",
            post(responses::cancel),
            [Operation::new(
                "post",
                "cancelResponse",
                "Stops a response that is made in the background",
                "Models",
                Security::Key,
            )
            .with(response)
            .answers(kept())],
        ),
        Entry::new(
            "/responses/{id}/input_items",
            get(responses::input_items),
            [tell("listInputItems", "What a kept response was made of")
                .with(response)
                .with(Parameter::query("after", "The last item of the page before.", false))
                .with(Parameter::query("limit", "1 to 100; 20 unless said.", false))
                .with(Parameter::query("order", "asc or desc.", false))
                .answers(Answer::json(200, "A page", any_object()))],
        ),
        Entry::new(
            "/embeddings",
            post(openai::embeddings),
            [ask("embeddings", "OpenAI embeddings", ClientDialect::Embeddings)],
        ),
        Entry::new(
            "/messages",
            post(anthropic::messages),
            [ask("messages", "Anthropic Messages", ClientDialect::Messages)],
        ),
        Entry::new(
            "/messages/count_tokens",
            post(anthropic::count_tokens),
            [tell_post(
                "countTokens",
                "The input tokens of a message, as the provider counts them or estimated; costs nothing",
            )
            .takes(body_of(ClientDialect::Messages))
            .answers(Answer::json(200, "`{\"input_tokens\": N}`", any_object()))],
        ),
        Entry::new(
            "/models",
            get(models::list),
            [tell("listModels", "Models that the key may ask for").answers(Answer::json(200, "Models", any_object()))],
        ),
        Entry::new(
            "/models/{*id}",
            get(models::one).post(google::generate),
            [
                tell("getModel", "One model").with(model).answers(Answer::json(200, "The model", any_object())),
                ask(
                    "generateContent",
                    "Google's `{model}:generateContent` and `{model}:streamGenerateContent`, also below /v1beta",
                    ClientDialect::Gemini,
                )
                .with(model),
            ],
        ),
        Entry::new(
            "/cache/invalidate",
            post(cache::invalidate),
            [tell_post("invalidateCache", "Answers with these tags are not given again")
                .takes(one::<cache::Invalidate>())
                .answers(Answer::json(200, "How many tags", one::<cache::Invalidated>()))],
        ),
        Entry::new(
            "/streams/{id}",
            get(streams::show),
            [tell("getStream", "A stream again, from any event on, while it runs and after it has ended")
                .with(Parameter::path("id", "The stream: `x-haltline-stream-id` of its answer."))
                .with(Parameter::query("starting_after", "The last event received; also as `Last-Event-ID`.", false))
                .with(Parameter::query("timing", "`original`: as fast as it once came.", false))
                .answers(Answer::text("text/event-stream", "The events, in the words of the dialect that was asked"))],
        ),
        Entry::new(
            "/streams/{id}/stop",
            post(streams::stop),
            [Operation::new("post", "stopStream", "Stops an answer; a disconnect does not", "Models", Security::Key)
                .with(Parameter::path("id", "The stream."))
                .answers(Answer::json(200, "`{\"id\": …, \"stopped\": true}`", any_object()))],
        ),
        Entry::new(
            "/requests/{id}/timeline",
            get(timeline::of_request),
            [tell("requestTimeline", "What happened to one request, step by step")
                .with(Parameter::path("id", "The request's id."))
                .answers(Answer::json(200, "The timeline", one::<Timeline>()))],
        ),
        Entry::new(
            "/sessions/{id}/timeline",
            get(timeline::of_session),
            [tell("sessionTimeline", "What happened to the requests of one session")
                .with(Parameter::path("id", "The session."))
                .with(Parameter::query("after", "The last request of the page before.", false))
                .with(Parameter::query("limit", "1 to 200; 50 unless said.", false))
                .with(Parameter::query("order", "asc, the oldest first, unless desc is said.", false))
                .answers(Answer::json(200, "The timelines", one::<Timelines>()))],
        ),
        Entry::new(
            "/jobs",
            post(jobs::submit).get(jobs::list),
            [
                Operation::new("post", "createJob", "Work without a waiting client", "Jobs", Security::Key)
                    .takes(job_order())
                    .answers(Answer::json(202, "The job", any_object())),
                Operation::new("get", "listJobs", "The owner's jobs, the newest first", "Jobs", Security::Key)
                    .with(Parameter::query("after", "The last id of the page before.", false))
                    .with(Parameter::query("limit", "1 to 100; 20 unless said.", false))
                    .with(Parameter::query("status", "queued, running, succeeded, failed or cancelled.", false))
                    .answers(Answer::json(200, "A page", any_object())),
            ],
        ),
        Entry::new(
            "/jobs/webhook-secret",
            get(jobs::webhook_secret),
            [tell("jobWebhookSecret", "What signs messages to the webhooks of this key's jobs").answers(Answer::json(
                200,
                "The secret: `whsec_…`",
                any_object(),
            ))],
        ),
        Entry::new(
            "/jobs/{id}",
            get(jobs::show).delete(jobs::forget),
            [
                Operation::new("get", "getJob", "How a job stands", "Jobs", Security::Key)
                    .with(job)
                    .answers(Answer::json(200, "The job", any_object())),
                Operation::new("delete", "deleteJob", "Forgets a job; stops it first", "Jobs", Security::Key)
                    .with(job)
                    .answers(Answer::json(200, "It is gone", any_object())),
            ],
        ),
        Entry::new(
            "/jobs/{id}/result",
            get(jobs::result),
            [Operation::new("get", "getJobResult", "The answer, as its surface gives it", "Jobs", Security::Key)
                .with(job)
                .answers(Answer::json(200, "The answer", any_object()))],
        ),
        Entry::new(
            "/jobs/{id}/cancel",
            post(jobs::cancel),
            [Operation::new("post", "cancelJob", "Stops a job", "Jobs", Security::Key)
                .with(job)
                .answers(Answer::json(200, "The job", any_object()))],
        ),
        Entry::new(
            "/sessions",
            get(sessions::list),
            [tell("listSessions", "Sessions of the key and user, the last changed first")
                .with(Parameter::query("after", "`next` of the page before.", false))
                .with(Parameter::query("limit", "1 to 100; 20 unless said.", false))
                .answers(Answer::json(200, "A page", any_object()))],
        ),
        Entry::new(
            "/sessions/{id}",
            get(sessions::show).delete(sessions::forget),
            [
                tell("getSession", "A session and its messages, page by page")
                    .with(session)
                    .with(Parameter::query("after", "`last_id` of the page before.", false))
                    .with(Parameter::query("limit", "1 to 500; 100 unless said. A page has at most 8 MiB.", false))
                    .with(Parameter::query("order", "asc or desc.", false))
                    .with(Parameter::query("format", "ui: as `useChat` has messages.", false))
                    .answers(Answer::json(200, "The session", any_object())),
                Operation::new(
                    "delete",
                    "deleteSession",
                    "Forgets a session and its messages",
                    "Models",
                    Security::Key,
                )
                .with(session)
                .answers(Answer::json(200, "It is gone", any_object())),
            ],
        ),
        Entry::new(
            "/generation",
            get(generation::show),
            [tell("generation", "What one request cost, and why")
                .with(Parameter::query("id", "The request's id.", true))
                .answers(Answer::json(200, "The record", any_object()))],
        ),
    ]
}

/// Routes that stand in one place.
pub(crate) fn plain() -> Vec<Entry> {
    let chat = |id| {
        Operation::new("post", id, "The AI SDK's UI message stream, for useChat", "Models", Security::Key)
            .takes(body_of(ClientDialect::UiStream))
            .answers(answer_of(ClientDialect::UiStream))
    };
    let show = |id, summary, kind, about| {
        Operation::new("get", id, summary, "Operations", Security::Anyone).answers(Answer::text(kind, about))
    };
    let show_chat = |id| {
        Operation::new("get", id, "The newest answer of a chat again; 204 when there is none", "Models", Security::Key)
            .with(Parameter::path("id", "The chat."))
            .with(Parameter::query("starting_after", "The last event received.", false))
            .answers(answer_of(ClientDialect::UiStream))
    };
    let stop_chat = |id| {
        Operation::new("post", id, "Stops the newest answer of a chat", "Models", Security::Key)
            .with(Parameter::path("id", "The chat."))
            .answers(Answer::json(200, "`{\"id\": …, \"stopped\": true}`", any_object()))
    };
    vec![
        Entry::new("/api/chat", post(ui::chat), [chat("uiChat")]),
        Entry::new("/api/ai/chat", post(ui::chat), [chat("uiAiChat")]),
        Entry::new("/api/chat/{id}/stream", get(streams::show_chat), [show_chat("uiResume")]),
        Entry::new("/api/ai/chat/{id}/stream", get(streams::show_chat), [show_chat("uiAiResume")]),
        Entry::new("/api/chat/{id}/stop", post(streams::stop_chat), [stop_chat("uiStop")]),
        Entry::new("/api/ai/chat/{id}/stop", post(streams::stop_chat), [stop_chat("uiAiStop")]),
        Entry::new("/livez", get(health::live), [show("live", "Is the process alive?", "text/plain", "Yes")]),
        Entry::new("/readyz", get(health::ready), [show("ready", "Does it take requests?", "text/plain", "Yes")]),
        Entry::new("/metrics", get(metrics::show), [show("metrics", "Prometheus metrics", "text/plain", "Metrics")]),
        Entry::new(
            "/errors/{code}",
            get(errors::page),
            [show("errorPage", "What an error code means", "text/markdown", "The page")
                .with(Parameter::path("code", "The code."))],
        ),
        Entry::new(
            "/openapi.json",
            get(docs::openapi),
            [Operation::new("get", "openapi", "This document", "Operations", Security::Anyone).answers(Answer::json(
                200,
                "The document",
                any_object(),
            ))],
        ),
        Entry::new("/docs", get(docs::page), [show("docs", "This document, to read", "text/html", "The page")]),
    ]
}

/// What makes a job.
fn job_order() -> Value {
    json!({
        "type": "object",
        "required": ["endpoint", "body"],
        "additionalProperties": false,
        "properties": {
            "endpoint": {"type": "string", "description": "The path of a model surface: /v1/chat/completions, /v1/responses, /v1/embeddings, /v1/messages, /v1beta/models/MODEL:generateContent."},
            "body": {"type": "object", "description": "What would be sent there; not a stream."},
            "webhook": {"type": "object", "required": ["url"], "properties": {"url": {"type": "string"}}},
            "metadata": {"type": "object", "description": "Kept and shown, at most 16 KiB."},
            "max_attempts": {"type": "integer", "minimum": 1, "maximum": 20},
        },
    })
}

/// Other methods get an answer that says so.
fn only(methods: MethodRouter<App>) -> MethodRouter<App> {
    methods.fallback(errors::method_not_allowed)
}
