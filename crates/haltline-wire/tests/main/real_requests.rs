//! Requests of real clients are accepted, and on their way to a provider of the same dialect nothing
//! is changed but what must be: the model, the cap, the wish for usage, the pinned tier, storing.

use super::recorded::fixtures;
use super::traffic::recorded_cases;
use bytes::Bytes;
use haltline_types::Tokens;
use haltline_wire::PassFields;
use haltline_wire::canon::Target;
use haltline_wire::client::{Address, ClientDialect, ClientRequest};
use haltline_wire::openai::ProviderKind;
use haltline_wire::provider::ProviderDialect;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Requests that are refused, by words of the refusal, and why that is right.
const REFUSED: [(&str, &str); 11] = [
    ("a tool that the provider runs has fees", "Anthropic's own tools read the context again in every round"),
    ("`mcp_servers` is not accepted", "so do its MCP servers"),
    ("is not accepted: the provider runs it, with fees", "OpenAI's and xAI's own tools in Responses"),
    ("Only tools of type `function` or `custom`", "Mistral's and OpenRouter's own tools"),
    ("`web_search_options` is not accepted", "each search has a fee"),
    ("tools that the provider runs have fees of their own, or bill", "Google's own tools"),
    ("`modelArmorConfig` is not accepted", "Model Armor has a fee"),
    ("Unknown field `enable_thinking`", "only a few servers know it: the operator of one vouches for it"),
    ("Unknown field `thinking`", "only a few servers know it: the operator of one vouches for it"),
    ("Unknown field `reasoning`", "OpenRouter's form: the operator of an OpenRouter provider vouches for it"),
    ("cache_control`: it could change the price", "a marked prefix is written to the cache at a higher price"),
];

/// One request of somebody else's client.
struct Sent {
    from: String,
    client: ClientDialect,
    address: Address,
    body: Value,
}

fn sent(from: String, request: &Value) -> Option<Sent> {
    let path = request["path"].as_str()?.split('?').next().unwrap_or_default();
    let mut body = request.get("body").filter(|body| body.is_object())?.clone();
    // Captured lists were cut, with a word where the rest had been.
    if let Some(tools) = body.get_mut("tools").and_then(Value::as_array_mut) {
        tools.retain(Value::is_object);
    }
    // Azure's addresses name the model.
    if path.contains("/deployments/") && body.get("model").is_none() {
        body["model"] = json!("deployed");
    }
    let client = match path {
        _ if path.ends_with("/chat/completions") => ClientDialect::Chat,
        _ if path.ends_with("/responses") => ClientDialect::Responses,
        _ if path.ends_with("/messages") => ClientDialect::Messages,
        _ if path.ends_with("/embeddings") => ClientDialect::Embeddings,
        _ if path.ends_with(":generateContent") || path.ends_with(":streamGenerateContent") => ClientDialect::Gemini,
        "/" => ClientDialect::UiStream,
        _ => return None,
    };
    let model = path.rsplit('/').next().and_then(|last| last.split(':').next()).map(str::to_owned);
    let address = Address {
        model: model.filter(|_| client == ClientDialect::Gemini),
        stream: path.ends_with(":streamGenerateContent"),
        leave_hosted_tools_out: from.contains("codex"),
    };
    Some(Sent { from, client, address, body })
}

fn captured() -> Vec<Sent> {
    let Some(root) = fixtures() else { return Vec::new() };
    let mut all = Vec::new();
    let folder = std::fs::read_dir(root.join("clients/captured")).expect("captured requests");
    let mut files: Vec<_> = folder.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a file");
        for (line, request) in text.lines().enumerate() {
            let request: Value = serde_json::from_str(request).expect("JSON");
            let from = format!("{}:{}", file.file_stem().expect("a name").to_string_lossy(), line + 1);
            if request["method"] == "POST" {
                all.extend(sent(from, &request));
            }
        }
    }
    all
}

fn recorded() -> Vec<Sent> {
    let cases = recorded_cases().into_iter();
    cases
        .filter_map(|(folder, record)| {
            let request: Value = serde_json::from_slice(&std::fs::read(folder.join("request.json")).ok()?).ok()?;
            // What the provider itself refused need not be accepted here.
            let answered = record["http_status"] == 200;
            let whole = !request.to_string().contains("characters removed");
            (answered && whole).then(|| sent(record["id"].to_string(), &request))?
        })
        .collect()
}

fn parse(sent: &Sent) -> Result<ClientRequest, String> {
    let body = Bytes::from(sent.body.to_string());
    ClientRequest::parse(sent.client, &sent.address, body, &PassFields::none()).map_err(|error| format!("{error:?}"))
}

#[test]
fn requests_of_real_clients_are_accepted_and_pass_unchanged() {
    let all: Vec<Sent> = captured().into_iter().chain(recorded()).collect();
    let (mut accepted, mut wrong, mut refused) = (0, Vec::new(), BTreeMap::<&str, u32>::new());
    for sent in &all {
        match parse(sent) {
            Ok(request) => {
                accepted += 1;
                wrong.extend(changes(sent, &request).iter().map(|change| format!("{}: {change}", sent.from)));
            }
            Err(error) => match REFUSED.iter().find(|(words, _)| error.contains(words)) {
                Some((words, _)) => *refused.entry(words).or_default() += 1,
                None => wrong.push(format!("{} is refused: {error}", sent.from)),
            },
        }
    }
    assert!(wrong.is_empty(), "{} of {} are wrong:\n{}", wrong.len(), all.len(), wrong.join("\n"));
    assert!(all.is_empty() || accepted > 150, "only {accepted} of {}", all.len());
    for (words, reason) in REFUSED {
        assert!(all.is_empty() || refused.contains_key(words), "nothing is refused by {words:?}: {reason}");
    }
}

fn own_provider(client: ClientDialect) -> Option<ProviderDialect> {
    Some(match client {
        ClientDialect::Chat => ProviderDialect::Chat(ProviderKind::OpenAi),
        ClientDialect::Responses => ProviderDialect::Responses(ProviderKind::OpenAi),
        ClientDialect::Embeddings => ProviderDialect::Embeddings,
        ClientDialect::Messages => ProviderDialect::Messages,
        ClientDialect::Gemini => ProviderDialect::Gemini,
        ClientDialect::UiStream => return None,
    })
}

/// What is not as it should be in the request for a provider of the client's own dialect.
fn changes(sent: &Sent, request: &ClientRequest) -> Vec<String> {
    let Some(provider) = own_provider(sent.client) else { return Vec::new() };
    let target = Target { model: "up", cap: Tokens::new(77_777) };
    let outgoing = match request.outgoing(provider, &target) {
        Ok(outgoing) => outgoing,
        Err(error) => return vec![format!("cannot be sent: {error:?}")],
    };
    let ours: Value = serde_json::from_slice(&outgoing.body).expect("JSON");
    let expected = expected(sent, request);
    let names = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    let mut all = [names(&ours), names(&expected)].concat();
    all.sort();
    all.dedup();
    let differ = all.iter().filter(|name| ours.get(*name) != expected.get(*name));
    differ.map(|name| format!("{name}: {:?} instead of {:?}", ours.get(name), expected.get(name))).collect()
}

/// The client's own body with the only changes that there may be.
fn expected(sent: &Sent, request: &ClientRequest) -> Value {
    let mut body = sent.body.as_object().expect("an object").clone();
    let set = |body: &mut Map<String, Value>, name: &str, value: Value| {
        body.insert(name.to_owned(), value);
    };
    match sent.client {
        ClientDialect::Chat => {
            set(&mut body, "model", json!("up"));
            body.remove("max_tokens");
            set(&mut body, "max_completion_tokens", json!(77_777));
            set(&mut body, "service_tier", json!("default"));
            if request.stream() {
                let mut options = body.get("stream_options").and_then(Value::as_object).cloned().unwrap_or_default();
                set(&mut options, "include_usage", json!(true));
                set(&mut body, "stream_options", Value::Object(options));
            }
        }
        ClientDialect::Responses => {
            set(&mut body, "model", json!("up"));
            set(&mut body, "max_output_tokens", json!(77_777));
            set(&mut body, "service_tier", json!("default"));
            set(&mut body, "store", json!(false));
            for reference in ["background", "previous_response_id", "conversation"] {
                body.remove(reference);
            }
        }
        ClientDialect::Messages => {
            set(&mut body, "model", json!("up"));
            set(&mut body, "max_tokens", json!(77_777));
            set(&mut body, "service_tier", json!("standard_only"));
        }
        ClientDialect::Gemini => {
            body.remove("model");
            let mut config = body.get("generationConfig").and_then(Value::as_object).cloned().unwrap_or_default();
            set(&mut config, "maxOutputTokens", json!(77_777));
            set(&mut body, "generationConfig", Value::Object(config));
        }
        ClientDialect::Embeddings | ClientDialect::UiStream => set(&mut body, "model", json!("up")),
    }
    Value::Object(body)
}
