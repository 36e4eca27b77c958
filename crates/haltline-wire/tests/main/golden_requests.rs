//! What each provider is asked for each client's request: a matrix of cases written by hand.
//!
//! A case is a folder with one request for each client dialect that can say it; beside it stands
//! what becomes of it for each provider: path, body, and what was dropped, or the refusal.

use super::golden::{Snapshots, folder};
use super::recorded::folders;
use bytes::Bytes;
use haltline_types::Tokens;
use haltline_wire::canon::Target;
use haltline_wire::client::{Address, ClientDialect, ClientRequest};
use haltline_wire::openai::ProviderKind;
use haltline_wire::provider::ProviderDialect;
use haltline_wire::{PassFields, RequestError};
use serde_json::{Value, json};

const CLIENTS: [(&str, ClientDialect); 5] = [
    ("chat", ClientDialect::Chat),
    ("responses", ClientDialect::Responses),
    ("messages", ClientDialect::Messages),
    ("gemini", ClientDialect::Gemini),
    ("ui", ClientDialect::UiStream),
];

/// Providers, each with a model that does not think and one that does.
const PROVIDERS: [(&str, ProviderDialect, &str, &str); 7] = [
    ("openai", ProviderDialect::Chat(ProviderKind::OpenAi), "gpt-4.1", "gpt-5.2"),
    ("mistral", ProviderDialect::Chat(ProviderKind::Mistral), "mistral-large-latest", "magistral-medium-latest"),
    ("deepseek", ProviderDialect::Chat(ProviderKind::DeepSeek), "deepseek-chat", "deepseek-reasoner"),
    ("openrouter", ProviderDialect::Chat(ProviderKind::OpenRouter), "openai/gpt-4.1", "anthropic/claude-sonnet-4.5"),
    ("responses", ProviderDialect::Responses(ProviderKind::OpenAi), "gpt-4.1", "gpt-5.2"),
    ("messages", ProviderDialect::Messages, "claude-sonnet-4-5", "claude-sonnet-4-5"),
    ("gemini", ProviderDialect::Gemini, "gemini-2.0-flash", "gemini-3-flash"),
];

#[test]
fn requests_become_what_providers_document() {
    let mut snapshots = Snapshots::of("requests");
    let mut wrong = Vec::new();
    for case in folders(&folder("requests")) {
        let name = case.file_name().expect("a name").to_string_lossy().into_owned();
        for (client, dialect) in CLIENTS {
            let Ok(body) = std::fs::read(case.join(format!("{client}.json"))) else { continue };
            let address = Address { model: Some("m".to_owned()), stream: false, leave_hosted_tools_out: false };
            let request = match ClientRequest::parse(dialect, &address, Bytes::from(body), &PassFields::none()) {
                Ok(request) => request,
                Err(error) => {
                    snapshots.check(&format!("{name}/{client}-refused.json"), &pretty(&refused(&error)));
                    continue;
                }
            };
            for (provider, provider_dialect, plain, thinking) in PROVIDERS {
                let model = if name.starts_with("th") { thinking } else { plain };
                let target = Target { model, cap: Tokens::new(4_000) };
                let said = match request.outgoing(provider_dialect, &target) {
                    Ok(outgoing) => {
                        wrong.extend(
                            unreadable(provider_dialect, &outgoing.body)
                                .map(|why| format!("{name}/{client}-to-{provider}: {why}")),
                        );
                        let body: Value = serde_json::from_slice(&outgoing.body).expect("JSON");
                        json!({"path": outgoing.path, "body": body, "dropped": outgoing.dropped})
                    }
                    Err(error) => refused(&error),
                };
                snapshots.check(&format!("{name}/{client}-to-{provider}.json"), &pretty(&said));
            }
        }
    }
    assert!(wrong.is_empty(), "our own readers do not take what we write:\n{}", wrong.join("\n"));
    snapshots.finish(|name| name.contains("-to-") || name.contains("-refused"), 300);
}

fn refused(error: &RequestError) -> Value {
    json!({"refused": {"code": error.code.word(), "message": error.message, "param": error.param}})
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("JSON") + "\n"
}

/// Why our own reader of a provider's dialect would refuse the body, if it would. Fields that only
/// one server knows are vouched for.
fn unreadable(dialect: ProviderDialect, body: &Bytes) -> Option<String> {
    let client = match dialect {
        ProviderDialect::Chat(_) => ClientDialect::Chat,
        ProviderDialect::Responses(_) => ClientDialect::Responses,
        ProviderDialect::Messages => ClientDialect::Messages,
        ProviderDialect::Gemini => ClientDialect::Gemini,
        ProviderDialect::Embeddings => ClientDialect::Embeddings,
    };
    let address = Address { model: Some("m".to_owned()), ..Address::default() };
    let own = ["thinking", "reasoning", "random_seed", "top_k"].map(str::to_owned);
    let pass = PassFields::new(own);
    ClientRequest::parse(client, &address, body.clone(), &pass).err().map(|error| format!("{error:?}"))
}
