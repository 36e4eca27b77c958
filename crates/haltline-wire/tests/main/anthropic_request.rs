//! What a client of the Messages API may send, what is refused by name, and what a provider gets.

use bytes::Bytes;
use haltline_types::{Code, Tokens};
use haltline_wire::anthropic::{CacheTtl, CountRequest, MessagesRequest, TierPin, WriteOptions};
use haltline_wire::canon::Target;
use haltline_wire::{PassFields, RequestError};
use proptest::prelude::*;
use serde_json::{Value, json};

fn parse(body: &str) -> Result<MessagesRequest, RequestError> {
    MessagesRequest::parse(Bytes::copy_from_slice(body.as_bytes()), &PassFields::none())
}

fn parsed(body: &Value) -> MessagesRequest {
    parse(&body.to_string()).unwrap_or_else(|error| panic!("{error}\n{body}"))
}

fn target(cap: u64) -> Target<'static> {
    Target { model: "claude-up", cap: Tokens::new(cap) }
}

/// The request with one more top-level field.
fn with(name: &str, value: Value) -> Value {
    let mut body = json!({"model": "c", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]});
    body[name] = value;
    body
}

/// The request with one more block of the user.
fn with_block(block: &Value) -> Value {
    with("messages", json!([{"role": "user", "content": [{"type": "text", "text": "hi"}, block]}]))
}

#[test]
fn what_real_clients_send_is_accepted() {
    // Claude Code: three system blocks, a system turn, adaptive thinking, clearing of thinking.
    let code = json!({
        "model": "claude-sonnet-5",
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "reminder"}, {"type": "text", "text": "Say hi."}]},
            {"role": "system", "content": [{"type": "text", "text": "env", "cache_control": {"type": "ephemeral"}}]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "", "signature": "c2ln"},
                {"type": "redacted_thinking", "data": "ZGF0YQ"},
                {"type": "text", "text": "Reading."},
                {"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {"path": "a"}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "is_error": false, "content": [
                    {"type": "text", "text": "file"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBO"}},
                    {"type": "tool_reference", "tool_name": "Grep"},
                ]},
                {"type": "document", "title": "t", "source": {"type": "text", "media_type": "text/plain", "data": "d"}},
                {"type": "search_result", "source": "https://a", "title": "t", "content": [{"type": "text", "text": "r"}]},
            ]},
        ],
        "system": [
            {"type": "text", "text": "x-anthropic-billing-header: cc_version=2;"},
            {"type": "text", "text": "You are an agent.", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        ],
        "tools": [
            {"name": "Read", "description": "d", "input_schema": {"type": "object"}, "defer_loading": true},
            {"type": "custom", "name": "Grep", "input_schema": {"type": "object"}, "strict": true, "allowed_callers": ["direct"]},
        ],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": true},
        "metadata": {"user_id": "{\"device_id\":\"d\",\"session_id\":\"s-1\"}"},
        "max_tokens": 64000,
        "thinking": {"type": "adaptive", "display": "omitted"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "output_config": {"effort": "high"},
        "service_tier": "auto",
        "inference_geo": null,
        "some_new_field": null,
        "stream": true,
    });
    let request = parsed(&code);
    assert_eq!((request.model(), request.stream(), request.n()), ("claude-sonnet-5", true, 1));
    assert_eq!(request.client_cap(), Some(Tokens::new(64_000)));
    assert_eq!(request.session().as_deref(), Some("s-1"));
    assert_eq!(request.cache(), Some(CacheTtl::OneHour));
    assert!(!request.has_client_tools() && !request.has_unsigned_thinking());
    let measure = request.measure();
    // Four messages, the system prompt, one call and one result.
    assert_eq!((measure.messages, measure.tools, measure.images), (7, 2, 1));
    for text in ["x-anthropic-billing-header: cc_version=2;", "Say hi.", "c2ln", "ZGF0YQ", "https://a", "file"] {
        let without = parsed(&serde_json::from_str(&code.to_string().replace(text, "")).expect("JSON")).measure();
        let bytes = u64::try_from(text.len()).expect("small");
        assert_eq!(measure.ascii_bytes - without.ascii_bytes, bytes, "{text} is not measured");
    }

    // The SDKs, LangChain and the AI SDK; a client that sets no cap; a plain system prompt.
    for body in [
        json!({"max_tokens": 10, "messages": [{"role": "user", "content": "hi"}], "model": "c", "stream": true}),
        json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}], "model": "c", "system": "s"}),
        with("thinking", json!({"type": "enabled", "budget_tokens": 50})),
        with("thinking", json!({"type": "disabled"})),
        with("output_format", json!({"type": "json_schema", "schema": {}})),
        with("output_config", json!({"format": {"type": "json_schema", "schema": {}}, "task_budget": {"total": 9}})),
        with("temperature", json!(0.5)),
        with("top_k", json!(5)),
        with("cache_control", json!({"type": "ephemeral"})),
        with("inference_geo", json!("global")),
        with("speed", json!("standard")),
        with("betas", json!(["context-management-2025-06-27"])),
        with("context_management", json!({"edits": [{"type": "clear_tool_uses_20250919"}]})),
    ] {
        parsed(&body);
    }
    assert_eq!(parsed(&with("cache_control", json!({"type": "ephemeral"}))).cache(), Some(CacheTtl::FiveMinutes));
}

#[test]
fn betas_in_the_body_are_those_that_may_stand_in_the_header() {
    for (name, beta, accepted) in [
        ("betas", "context-1m-2025-08-07", false),
        ("betas", "effort-2025-11-24", true),
        ("anthropic_beta", "interleaved-thinking-2025-05-14", true),
        ("betas", "fast-mode-2026-02-01", false),
        ("anthropic_beta", "compact-2026-01-12", false),
    ] {
        let body = Bytes::from(with(name, json!([beta])).to_string());
        let parsed = MessagesRequest::parse(body, &PassFields::none());
        let refused = parsed.err().map(|error| error.param.unwrap_or_default());
        assert_eq!(refused, (!accepted).then(|| format!("{name}[0]")), "{beta}");
    }
}

#[test]
fn tools_that_the_client_runs_are_counted_though_their_definition_is_not_in_the_body() {
    for kind in ["bash_20250124", "text_editor_20250728", "memory_20250818", "computer_20250124"] {
        let request = parsed(&with("tools", json!([{"type": kind, "name": "t"}])));
        assert!(request.has_client_tools(), "{kind}");
        assert!(request.measure().ascii_bytes > 2_000, "{kind}");
        let error = request.canonical().expect_err("no other dialect knows it");
        assert_eq!(error.param.as_deref(), Some("tools[0].type"));
    }
}

#[test]
fn what_the_provider_adds_to_the_prompt_is_counted() {
    let bytes = |body: &Value| parsed(body).measure().ascii_bytes;
    // Each reference to a tool puts its definition into the prompt once more.
    let with_references = |count: usize| {
        let references = vec![json!({"type": "tool_reference", "tool_name": "f"}); count];
        let mut body = with_block(&json!({"type": "tool_result", "tool_use_id": "t", "content": references}));
        body["tools"] = json!([
            {"name": "f", "description": "d".repeat(5_000), "input_schema": {}},
            {"name": "g", "input_schema": {}},
        ]);
        bytes(&body)
    };
    assert!(with_references(3) >= with_references(0) + 15_000);
    // A document that is cited is cut up by marks.
    let document = |enabled: bool| {
        let source = json!({"type": "text", "media_type": "text/plain", "data": "a. ".repeat(1_000)});
        bytes(&with_block(&json!({"type": "document", "source": source, "citations": {"enabled": enabled}})))
    };
    assert!(document(true) >= document(false) + 9_000);
}

#[test]
fn thinking_of_another_provider_is_told_apart() {
    for (block, unsigned) in [
        (json!({"type": "thinking", "thinking": "t", "signature": "s"}), false),
        (json!({"type": "thinking", "thinking": "t", "signature": ""}), true),
        (json!({"type": "thinking", "thinking": "t"}), true),
        (json!({"type": "redacted_thinking", "data": "d"}), false),
    ] {
        assert_eq!(parsed(&with_block(&block)).has_unsigned_thinking(), unsigned, "{block}");
    }
}

#[test]
fn what_hides_cost_is_refused_by_name() {
    for (name, value, param) in [
        ("container", json!("c"), "container"),
        ("mcp_servers", json!([]), "mcp_servers"),
        ("fallbacks", json!("default"), "fallbacks"),
        ("thread", json!({"type": "create"}), "thread"),
        ("compaction", json!({"type": "summarize"}), "compaction"),
        ("billing_policy", json!({}), "billing_policy"),
        ("service_tier", json!("priority"), "service_tier"),
        ("inference_geo", json!("us"), "inference_geo"),
        ("speed", json!("fast"), "speed"),
        ("cache_control", json!({"type": "ephemeral", "ttl": "24h"}), "cache_control.ttl"),
        ("context_management", json!({"edits": [{"type": "compact_20260112"}]}), "context_management.edits[0].type"),
        ("tools", json!([{"type": "web_search_20250305", "name": "web_search"}]), "tools[0].type"),
        ("tools", json!([{"type": "web_fetch_20260209", "name": "web_fetch"}]), "tools[0].type"),
        ("tools", json!([{"type": "code_execution_20250825", "name": "x"}]), "tools[0].type"),
        ("tools", json!([{"type": "tool_search_tool_bm25_20251119", "name": "x"}]), "tools[0].type"),
        ("tools", json!([{"type": "advisor_20260301", "name": "x"}]), "tools[0].type"),
        ("tools", json!([{"type": "mcp_toolset", "name": "x"}]), "tools[0].type"),
        ("tools", json!([{"type": "bash_code_execution", "name": "x"}]), "tools[0].type"),
        ("tools", json!([{"type": 7, "name": "x"}]), "tools[0].type"),
        (
            "tools",
            json!([{"name": "x", "input_schema": {}, "allowed_callers": ["code_execution_20250825"]}]),
            "tools[0].allowed_callers",
        ),
        ("thinking", json!({"type": "pro"}), "thinking.type"),
        ("thinking", json!({"type": "enabled"}), "thinking.budget_tokens"),
        ("max_tokens", json!(0), "max_tokens"),
        ("max_tokens", json!(1.5), "max_tokens"),
        ("messages", json!([]), "messages"),
    ] {
        let body = with(name, value);
        let error = parse(&body.to_string()).expect_err(&body.to_string());
        assert_eq!((error.code, error.param.as_deref()), (Code::InvalidRequest, Some(param)), "{body}");
    }
}

#[test]
fn input_that_is_not_in_the_body_is_refused_by_its_path() {
    let source = |kind: &str| json!({"type": kind, "media_type": "application/pdf", "data": "x", "url": "https://a", "file_id": "f"});
    for (block, param) in [
        (json!({"type": "image", "source": {"type": "file", "file_id": "f"}}), "messages[0].content[1].source.type"),
        (json!({"type": "document", "source": source("base64")}), "messages[0].content[1].source.type"),
        (json!({"type": "document", "source": source("url")}), "messages[0].content[1].source.type"),
        (json!({"type": "document", "source": source("file")}), "messages[0].content[1].source.type"),
        (json!({"type": "container_upload", "file_id": "f"}), "messages[0].content[1].type"),
        (
            json!({"type": "server_tool_use", "id": "i", "name": "web_search", "input": {}}),
            "messages[0].content[1].type",
        ),
        (json!({"type": "compaction", "content": "c"}), "messages[0].content[1].type"),
        (
            json!({"type": "tool_result", "tool_use_id": "i", "content": [{"type": "document", "source": source("file")}]}),
            "messages[0].content[1].content[0].source.type",
        ),
        (json!({"type": "text"  , "text": 7}), "messages[0].content[1].text"),
        (json!({"type": "tool_use", "id": "i", "name": "n", "input": "{}"}), "messages[0].content[1].input"),
        (json!("text"), "messages[0].content[1]"),
    ] {
        let error = parse(&with_block(&block).to_string()).expect_err("a refusal");
        assert_eq!(error.param.as_deref(), Some(param), "{block}");
    }
    // What is not known is refused, and named.
    for (body, param) in [
        (with("max_token", json!(7)), "max_token"),
        (with_block(&json!({"type": "text", "text": "t", "pages": 9})), "messages[0].content[1].pages"),
        (with("output_config", json!({"mode": "pro"})), "output_config.mode"),
    ] {
        let error = parse(&body.to_string()).expect_err("a refusal");
        assert_eq!((error.code, error.param.as_deref()), (Code::UnknownField, Some(param)), "{body}");
    }
    assert!(parse(&with("max_token", json!(7)).to_string()).expect_err("unknown").message.contains("`max_tokens`"));
}

#[test]
fn an_operator_vouches_for_unknown_fields_and_for_no_refused_one() {
    let pass = PassFields::new(["*"]);
    let body = with("user_profile", json!("long text"));
    let request = MessagesRequest::parse(Bytes::from(body.to_string()), &pass).expect("vouched for");
    assert_eq!(request.vouched_fields().collect::<Vec<_>>(), ["user_profile"]);
    assert_eq!(request.canonical().expect("a request").lost, ["pass_fields"]);
    let body = with("mcp_servers", json!([]));
    assert!(MessagesRequest::parse(Bytes::from(body.to_string()), &pass).is_err());
}

#[test]
fn a_rewrite_changes_model_cap_and_tier_and_nothing_else() {
    let body = "{ \"mo\\u0064el\" : \"c\",\"max_tokens\":9 ,\"system\":[{\"type\":\"text\",\"text\":\"\\u00e9 é\"}],\n\
                \"service_tier\":\"auto\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}] }\n";
    let sent = parse(body).expect("a request").rewrite(&target(77));
    let expected =
        body.replace("\"c\"", "\"claude-up\"").replace(":9 ", ":77 ").replace("\"auto\"", "\"standard_only\"");
    assert_eq!(std::str::from_utf8(&sent), Ok(expected.as_str()));

    let bare = r#"{"model":"c","max_tokens":null,"messages":[{"role":"user","content":"hi"}]}"#;
    let sent = parse(bare).expect("a request").rewrite(&target(5));
    let expected = r#"{"model":"claude-up","max_tokens":5,"messages":[{"role":"user","content":"hi"}],"service_tier":"standard_only"}"#;
    assert_eq!(std::str::from_utf8(&sent), Ok(expected));

    let options = WriteOptions { tier: TierPin::Absent, ..WriteOptions::default() };
    let sent = parse(body).expect("a request").rewrite_with(&target(77), &options);
    let value: Value = serde_json::from_slice(&sent).expect("JSON");
    assert_eq!(value.get("service_tier"), None);
}

#[test]
fn a_thinking_budget_is_lowered_only_when_it_reaches_the_cap() {
    let body = r#"{"model":"c","messages":[{"role":"user","content":"hi"}],"max_tokens":9000,"thinking":{"type":"enabled", "budget_tokens": 4000 ,"display":"omitted"},"service_tier":"auto"}"#;
    let request = parse(body).expect("a request");
    let thinking = |cap| {
        let value: Value = serde_json::from_slice(&request.rewrite(&target(cap))).expect("JSON");
        value.get("thinking").cloned()
    };
    let budget = |tokens: u64| Some(json!({"type": "enabled", "budget_tokens": tokens, "display": "omitted"}));
    assert_eq!(thinking(9_000), budget(4_000));
    assert_eq!(thinking(4_001), budget(4_000));
    assert_eq!(thinking(4_000), budget(3_000));
    assert_eq!(thinking(1_100), budget(1_024));
    assert_eq!(thinking(1_024), None);
    assert!(request.drops_thinking(Tokens::new(1_024)) && !request.drops_thinking(Tokens::new(1_025)));
}

#[test]
fn a_count_is_asked_for_with_another_model_and_nothing_else() {
    let body = r#"{"model":"c","messages":[{"role":"user","content":"hi"}], "system":"s"}"#;
    let request = CountRequest::parse(Bytes::from_static(body.as_bytes()), &PassFields::none()).expect("a request");
    assert_eq!(request.rewrite("up"), body.replace("\"c\"", "\"up\""));
    assert_eq!((request.model(), request.measure().messages), ("c", 2));
}

#[test]
fn captured_requests_of_clients_are_accepted() {
    let Some(fixtures) = super::anthropic_recorded::fixtures() else { return };
    let mut requests = 0;
    for client in ["claude-code", "anthropic-node", "anthropic-python", "langchain", "ai-sdk"] {
        let file = fixtures.join(format!("clients/captured/{client}.jsonl"));
        for line in std::fs::read_to_string(file).expect("a file").lines() {
            let line: Value = serde_json::from_str(line).expect("JSON");
            if line["method"] != "POST" || !line["path"].as_str().is_some_and(|path| path.starts_with("/v1/messages")) {
                continue;
            }
            let mut body = line["body"].clone();
            // The capture cuts long lists, and says so by a string in the list.
            if let Some(tools) = body["tools"].as_array_mut() {
                tools.retain(Value::is_object);
            }
            let request = parsed(&body);
            assert!(request.client_cap().is_some() && request.measure().ascii_bytes > 0);
            request.canonical().expect("it can cross");
            requests += 1;
        }
    }
    assert!(requests >= 6, "only {requests} requests");
}

proptest! {
    #[test]
    fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = MessagesRequest::parse(Bytes::from(bytes), &PassFields::new(["*"]));
    }

    /// Values of all types where others are expected.
    #[test]
    fn values_of_wrong_types_never_panic(at in 0_usize..40, wrong in 0_usize..9) {
        let wrong = [
            "null", "true", "7", "-1e999", "\"x\"", "[]", "{}", "[[[{\"type\":{}}]]]", "{\"type\":\"text\",\"text\":[]}",
        ][wrong];
        let body = r#"{"model":"c","max_tokens":9,"system":[{"type":"text","text":"s"}],"tools":[{"name":"t","input_schema":{}}],"tool_choice":{"type":"tool","name":"t"},"thinking":{"type":"enabled","budget_tokens":5},"output_config":{"effort":"low"},"metadata":{"user_id":"u"},"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"i","content":[{"type":"text","text":"r"}]}]}]}"#;
        // The values stand after colons: one of them is replaced, up to what ends it.
        let Some((colon, _)) = body.match_indices(':').nth(at) else { return Ok(()) };
        let (head, tail) = body.split_at(colon + 1);
        let mut values = serde_json::Deserializer::from_str(tail).into_iter::<serde::de::IgnoredAny>();
        values.next().expect("a value").expect("a value");
        let body = format!("{head}{wrong}{}", &tail[values.byte_offset()..]);
        if let Ok(request) = MessagesRequest::parse(Bytes::from(body), &PassFields::none()) {
            let _ = request.canonical();
            let sent = request.rewrite(&target(50));
            MessagesRequest::parse(sent, &PassFields::none()).expect("what we send is acceptable to ourselves");
        }
    }
}
