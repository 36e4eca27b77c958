//! Recorded requests and what their providers counted: both stages are above every bill.
//!
//! Left out are requests that the recorder cut, and those whose input is not in their bytes: tools
//! that the provider runs, state that it keeps, documents and recordings. The gateway refuses them.

use crate::shared;
use haltline_policy::media::{Detail, Pixels, image_rule, image_tokens};
use haltline_policy::price::{Multiplier, Price};
use haltline_policy::quote::{QuoteInput, measure_json, quote, tighter};
use haltline_policy::vendor::Vendor;
use haltline_tokens::{exact, vocabulary_of};
use haltline_types::{PicoUsdPerToken, Tokens};
use haltline_wire::media::{self, DetailWord, MediumKind};
use haltline_wire::texts::texts;
use serde_json::Value;
use std::path::Path;

/// A request and its bill.
pub(crate) struct Recorded {
    pub(crate) id: String,
    pub(crate) provider: String,
    pub(crate) api: String,
    /// The input that was billed.
    pub(crate) billed: u64,
    /// The bound of stage one.
    pub(crate) bytes: u64,
    /// The bound of stage two, where there is one.
    pub(crate) exact: Option<u64>,
    pub(crate) images: usize,
}

pub(crate) fn recorded() -> Vec<Recorded> {
    let Some(root) = shared("fixtures/dev") else { return Vec::new() };
    let mut all: Vec<Recorded> =
        folders(&root).iter().flat_map(|provider| folders(provider)).filter_map(|case| read(&case)).collect();
    all.sort_by(|a, b| a.id.cmp(&b.id));
    all
}

fn read(case: &Path) -> Option<Recorded> {
    let (record, request) = (json(&case.join("case.json"))?, json(&case.join("request.json"))?);
    let usage = &record["expected"]["usage"];
    let billed = usage["input_total"].as_u64().or_else(|| usage["input"].as_u64())?;
    let body = request.get("body").filter(|body| body.is_object())?;
    let word = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
    let (provider, api) = (word("provider"), word("api"));
    if hidden(body) || api.contains("count") {
        return None;
    }
    let path = request["path"].as_str().unwrap_or_default();
    let asked = body["model"].as_str().map(str::to_owned).or_else(|| path_model(path));
    let model = asked.unwrap_or_else(|| word("model"));
    let vendor = vendor(&provider, &api, &model);
    let sent = serde_json::to_string(body).ok()?;
    haltline_wire::json::check(sent.as_bytes()).ok()?;
    let found = media::find(sent.as_bytes());
    let mut media_tokens = Tokens::ZERO;
    for medium in &found {
        // The recorder has cut an image's data; its size may still be there.
        let MediumKind::Image { size, detail } = medium.kind else { return None };
        let size = size.ok().flatten().map(|size| Pixels { width: size.width, height: size.height });
        let detail = match detail {
            DetailWord::Low => Detail::Low,
            DetailWord::High => Detail::High,
            DetailWord::Unsaid => Detail::Unsaid,
        };
        media_tokens = media_tokens.checked_add(image_tokens(image_rule(vendor, &model), size, detail))?;
    }
    let spans: Vec<_> = found.iter().map(|medium| medium.span.clone()).collect();
    let mut text = sent.clone();
    for span in spans.iter().rev() {
        text.replace_range(span.clone(), "");
    }
    if text.contains("characters removed]") {
        return None;
    }
    let (bound, framing) = vendor.bounds(&model);
    let price = Price::flat(PicoUsdPerToken::new(1), PicoUsdPerToken::new(1));
    let input = QuoteInput {
        text: measure_json(&text),
        messages: 1 + ["messages", "input", "contents"].iter().map(|key| length(&body[*key])).sum::<u32>(),
        tools: length(&body["tools"]).max(declared(&body["tools"])),
        media_tokens,
        names: 0,
        segments: 0,
        n: 1,
        client_cap: None,
        default_cap: Tokens::new(16),
        price: &price,
        bound,
        framing,
        multiplier: Multiplier::ONE,
        exact: None,
        counted: None,
    };
    let first = quote(&input).ok()?.input.get();
    let second = vocabulary_of(vendor, &model).and_then(|vocabulary| {
        let texts = texts(sent.as_bytes(), &spans)?;
        let plain = texts.plain.iter().map(|text| &**text);
        let exact = exact(vocabulary, plain, texts.rendered.iter().copied(), texts.rendered_lines, texts.opaque_bytes)?;
        Some(tighter(&input, exact).ok()?.input.get())
    });
    Some(Recorded { id: word("id"), provider, api, billed, bytes: first, exact: second, images: found.len() })
}

fn vendor(provider: &str, api: &str, model: &str) -> Vendor {
    match provider {
        "openai" => Vendor::OpenAi,
        "azure" if ["gpt", "o1", "o3", "o4"].iter().any(|family| model.starts_with(family)) => Vendor::OpenAi,
        "xai" => Vendor::Xai,
        "mistral" => Vendor::Mistral,
        "deepseek" => Vendor::DeepSeek,
        _ if api.starts_with("anthropic") => Vendor::Anthropic,
        _ if api.starts_with("gemini") => Vendor::Google,
        _ => Vendor::Other,
    }
}

/// Does the request bring input that is not in its bytes?
fn hidden(body: &Value) -> bool {
    let fields = [
        "previous_response_id",
        "conversation",
        "prompt",
        "plugins",
        "web_search_options",
        "search_parameters",
        "mcp_servers",
        "container",
        "context_management",
        "cachedContent",
        "cached_content",
        "compound_custom",
        "background",
    ];
    let model = body["model"].as_str().unwrap_or_default();
    let searches = ["search", "sonar", "compound", ":online"].iter().any(|word| model.contains(word));
    let hosted = body["tools"].as_array().into_iter().flatten().any(|tool| {
        let kind = tool["type"].as_str().unwrap_or("function");
        let gemini = tool.as_object().is_some_and(|tool| {
            tool.keys().any(|key| {
                ["google", "code_execution", "url_context", "codeExecution", "urlContext", "fileSearch"]
                    .iter()
                    .any(|hosted| key.starts_with(hosted))
            })
        });
        !matches!(kind, "function" | "custom") || gemini
    });
    let text = body.to_string();
    let kept = ["\"item_reference\"", "\"server_tool_use\"", "\"web_search_call\"", "\"container_id\"", "\"file_id\""];
    fields.iter().any(|field| !body[*field].is_null())
        || searches
        || hosted
        || kept.iter().any(|word| text.contains(word))
}

fn path_model(path: &str) -> Option<String> {
    let (_, rest) = path.split_once("/models/")?;
    rest.split([':', '/', '?']).next().map(str::to_owned)
}

fn length(value: &Value) -> u32 {
    value.as_array().map_or(0, |list| u32::try_from(list.len()).expect("small"))
}

fn declared(tools: &Value) -> u32 {
    let each = |tool: &Value| length(&tool["functionDeclarations"]) + length(&tool["function_declarations"]);
    tools.as_array().into_iter().flatten().map(each).sum()
}

fn folders(path: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

fn json(path: &Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

#[test]
fn no_recorded_bill_is_above_either_stage() {
    let all = recorded();
    if all.is_empty() {
        return;
    }
    let mut wrong = Vec::new();
    for case in &all {
        for (stage, bound) in [("stage one", Some(case.bytes)), ("stage two", case.exact)] {
            if bound.is_some_and(|bound| case.billed > bound) {
                wrong.push(format!("{}: billed {} above {stage}'s {bound:?}", case.id, case.billed));
            }
        }
        if case.exact.is_some_and(|exact| exact > case.bytes) {
            wrong.push(format!("{}: stage two is above stage one", case.id));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), all.len(), wrong.join("\n"));
    let exact = all.iter().filter(|case| case.exact.is_some()).count();
    assert!(all.len() > 60 && exact > 10, "only {} requests, {exact} with an exact count", all.len());
}
