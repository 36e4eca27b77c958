//! Chat requests: what is accepted, what is refused and how it is named, and that a provider gets
//! the client's bytes but for what was edited.

use bytes::Bytes;
use haltline_types::{Code, Tokens};
use haltline_wire::openai::ProviderKind;
use haltline_wire::openai::chat::{CapField, ChatRequest, Edit, cap_field_for};
use haltline_wire::{PassFields, RequestError};
use proptest::prelude::*;
use serde_json::Value;

fn parse(body: &str) -> Result<ChatRequest, RequestError> {
    ChatRequest::parse(Bytes::copy_from_slice(body.as_bytes()), &PassFields::none())
}

/// A request with `fields` besides model and messages.
fn with(fields: &str) -> String {
    let comma = if fields.is_empty() { "" } else { "," };
    format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}]{comma}{fields}}}"#)
}

fn with_message(members: &str) -> String {
    format!(r#"{{"model":"m","messages":[{{"role":"user",{members}}}]}}"#)
}

fn edit(cap: CapField) -> Edit<'static> {
    Edit {
        model: "up/stream",
        cap: (cap, Tokens::new(77)),
        service_tier: None,
        include_usage: false,
        max_price: None,
        drop: &[],
    }
}

fn rewrite(body: &str, edit: &Edit<'_>) -> String {
    let request = parse(body).unwrap_or_else(|error| panic!("{body}: {error}"));
    String::from_utf8(request.rewrite(edit).to_vec()).expect("UTF-8")
}

#[test]
fn a_request_tells_what_the_line_needs() {
    let request = parse(
        r#" {"model":"gpt-\u0035","messages":[{"role":"system","content":"be brief"},{"role":"user","name":"al","content":[
            {"type":"text","text":"what is this?"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA","detail":"low"}}]}],
            "stream":true,"stream_options":{"include_usage":true},"n":2,"max_completion_tokens":300,"user":"alice",
            "safety_identifier":"s1","metadata":{"user_id":"bob","session_id":"chat-1"},
            "tools":[{"type":"function","function":{"name":"f"}}],"temperature":null} "#,
    )
    .expect("a request");
    assert_eq!(request.model(), "gpt-5");
    assert!(request.stream() && request.include_usage());
    assert_eq!(request.n(), 2);
    assert_eq!(request.client_cap(), Some((CapField::MaxCompletionTokens, Tokens::new(300))));
    assert_eq!(request.user(), Some("alice"));
    assert_eq!(request.safety_identifier(), Some("s1"));
    assert_eq!(request.metadata_user().as_deref(), Some("bob"));
    assert_eq!(request.metadata_session().as_deref(), Some("chat-1"));
    let measure = request.measure();
    assert_eq!((measure.messages, measure.tools, measure.images, measure.names), (2, 1, 1, 1));
    let text =
        "be brief".len() + "al".len() + "what is this?".len() + r#"{"type":"function","function":{"name":"f"}}"#.len();
    assert_eq!(measure.ascii_bytes, u64::try_from(text).expect("small"));
    assert_eq!(measure.other_bytes, 0);
}

#[test]
fn what_hides_cost_is_refused() {
    for (fields, param) in [
        (r#""store":true"#, "store"),
        (r#""web_search_options":{}"#, "web_search_options"),
        (r#""audio":{"voice":"x"}"#, "audio"),
        (r#""modalities":["text","audio"]"#, "modalities"),
        (r#""modalities":"audio""#, "modalities"),
        (r#""prediction":{"type":"content","content":"x"}"#, "prediction"),
        (r#""prompt_cache_options":{"ttl":"12h"}"#, "prompt_cache_options"),
        (r#""prompt_cache_options":{"ttl":"30m","prewarm":true}"#, "prompt_cache_options"),
        (r#""prompt_cache_retention":"24h""#, "prompt_cache_retention"),
        (r#""best_of":2"#, "best_of"),
        (r#""service_tier":"priority""#, "service_tier"),
        (r#""service_tier":"flex""#, "service_tier"),
        (r#""n":17"#, "n"),
        (r#""n":0"#, "n"),
        (r#""n":1.5"#, "n"),
        (r#""tools":[{"type":"function","function":{"name":"f"}},{"type":"web_search"}]"#, "tools[1].type"),
        (r#""tools":[{"function":{"name":"f"}}]"#, "tools[0].type"),
        (r#""tool_choice":{"type":"web_search"}"#, "tool_choice.type"),
    ] {
        let error = parse(&with(fields)).expect_err(fields);
        assert_eq!((error.code, error.param.as_deref()), (Code::InvalidRequest, Some(param)), "{fields}");
    }
    for (members, param) in [
        (r#""content":[{"type":"file","file":{"file_id":"f1"}}]"#, "messages[0].content[0].file"),
        (
            r#""content":[{"type":"text","text":"x"},{"type":"input_audio","input_audio":{}}]"#,
            "messages[0].content[1].input_audio",
        ),
        (r#""content":[{"type":"video_url"}]"#, "messages[0].content[0].type"),
        (r#""content":[{"text":"x"}]"#, "messages[0].content[0].type"),
        (
            r#""content":[{"type":"image_url","image_url":{"url":"u","detail":"original"}}]"#,
            "messages[0].content[0].image_url.detail",
        ),
        (r#""content":["x"]"#, "messages[0].content[0]"),
        (r#""content":7"#, "messages[0].content"),
        (r#""audio":{"id":"a"}"#, "messages[0].audio"),
    ] {
        let error = parse(&with_message(members)).expect_err(members);
        assert_eq!((error.code, error.param.as_deref()), (Code::InvalidRequest, Some(param)), "{members}");
    }
}

#[test]
fn costly_fields_stay_refused_whatever_an_operator_vouches_for() {
    let all = PassFields::new(["*", "store", "web_search_options"]);
    for fields in [r#""store":true"#, r#""web_search_options":{}"#, r#""service_tier":"fast""#] {
        assert!(ChatRequest::parse(Bytes::from(with(fields)), &all).is_err(), "{fields}");
    }
}

#[test]
fn unknown_fields_are_refused_by_name_unless_vouched_for() {
    for (body, param, meant) in [
        (with(r#""max_token":5"#), "max_token", Some("max_tokens")),
        (with(r#""x_new":5"#), "x_new", None),
        (with(r#""stream_options":{"include_usge":true}"#), "stream_options.include_usge", Some("include_usage")),
        (with_message(r#""content":"x","cache_control":{}"#), "messages[0].cache_control", None),
        (
            with_message(r#""content":[{"type":"text","text":"x","cache_control":{}}]"#),
            "messages[0].content[0].cache_control",
            None,
        ),
        (with(r#""tools":[{"type":"function","function":{},"cache_control":{}}]"#), "tools[0].cache_control", None),
    ] {
        let error = parse(&body).expect_err(&body);
        assert_eq!((error.code, error.param.as_deref()), (Code::UnknownField, Some(param)), "{body}");
        assert_eq!(error.message.contains("Did you mean"), meant.is_some(), "{}", error.message);
        assert!(error.message.contains(meant.unwrap_or(param)), "{}", error.message);
    }
    let pass = PassFields::new(["x_new", "cache_control"]);
    let body = with(r#""x_new":{"a":[1]},"y":null"#);
    let request = ChatRequest::parse(Bytes::from(body), &pass).expect("vouched for");
    assert_eq!(request.vouched_fields().collect::<Vec<_>>(), ["x_new"]);
    let sent = request.rewrite(&edit(CapField::MaxTokens));
    assert!(String::from_utf8_lossy(&sent).contains(r#""x_new":{"a":[1]}"#));
    let message = with_message(r#""content":"x","cache_control":{}"#);
    assert!(ChatRequest::parse(Bytes::from(message), &pass).is_ok());
}

#[test]
fn caps_are_whole_numbers_and_only_one() {
    for fields in [
        r#""max_tokens":0"#,
        r#""max_tokens":-1"#,
        r#""max_tokens":1.5"#,
        r#""max_tokens":"5""#,
        r#""max_tokens":1e3"#,
        r#""max_completion_tokens":0"#,
        r#""max_tokens":18446744073709551616"#,
        r#""max_tokens":5,"max_completion_tokens":5"#,
        r#""max_tokens":true"#,
        r#""max_tokens":[5]"#,
    ] {
        assert_eq!(parse(&with(fields)).expect_err(fields).code, Code::InvalidRequest, "{fields}");
    }
    let request = parse(&with(r#""max_tokens":null,"max_completion_tokens":9"#)).expect("null is absent");
    assert_eq!(request.client_cap(), Some((CapField::MaxCompletionTokens, Tokens::new(9))));
}

#[test]
fn shapes_that_are_no_requests_are_refused() {
    for body in [
        "",
        "[]",
        "null",
        "\"x\"",
        "{}",
        r#"{"model":"m"}"#,
        r#"{"messages":[{"role":"user","content":"x"}]}"#,
        r#"{"model":"m","messages":[]}"#,
        r#"{"model":"m","messages":null}"#,
        r#"{"model":"m","messages":{}}"#,
        r#"{"model":"m","messages":["x"]}"#,
        r#"{"model":"m","messages":[{"content":"x"}]}"#,
        r#"{"model":"m","messages":[{"role":"boss","content":"x"}]}"#,
        r#"{"model":"","messages":[{"role":"user","content":"x"}]}"#,
        r#"{"model":7,"messages":[{"role":"user","content":"x"}]}"#,
        r#"{"model":"a\nb","messages":[{"role":"user","content":"x"}]}"#,
        r#"{"model":"cheap","messages":[{"role":"user","content":"x"}],"mod\u0065l":"dear"}"#,
    ] {
        assert_eq!(parse(body).expect_err(body).code, Code::InvalidRequest, "{body}");
    }
    for fields in [
        r#""stream":"yes""#,
        r#""user":5"#,
        r#""metadata":[]"#,
        r#""stream_options":true"#,
        r#""response_format":"json""#,
        r#""tools":{}"#,
    ] {
        assert_eq!(parse(&with(fields)).expect_err(fields).code, Code::InvalidRequest, "{fields}");
    }
    let deep = with(&format!(r#""response_format":{}{}"#, r#"{"a":"#.repeat(80), "}".repeat(80)));
    assert!(parse(&deep).is_err());
    let messages = vec![r#"{"role":"user","content":"x"}"#; 5_001].join(",");
    let many = format!(r#"{{"model":"m","messages":[{messages}]}}"#);
    assert_eq!(parse(&many).expect_err("too many").param.as_deref(), Some("messages"));
}

#[test]
fn what_ordinary_clients_send_is_accepted() {
    for body in [
        with(r#""temperature":0.2,"top_p":1,"seed":7,"stop":["a"],"logit_bias":{"1":-100},"logprobs":true,"top_logprobs":2"#),
        with(r#""response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"object"}}}"#),
        with(r#""tools":[{"type":"function","function":{"name":"f","parameters":{}}},{"type":"custom","custom":{"name":"g"}}],"tool_choice":"auto","parallel_tool_calls":false"#),
        with(r#""tool_choice":{"type":"function","function":{"name":"f"}}"#),
        with(r#""functions":[{"name":"f"}],"function_call":"auto""#),
        with(r#""store":false,"service_tier":"auto","modalities":["text"],"prediction":null,"audio":null,"n":1"#),
        with(r#""reasoning_effort":"low","verbosity":"low","prompt_cache_key":"k","prompt_cache_options":{"ttl":"30m"}"#),
        with_message(r#""content":"a NUL \u0000 is legal""#),
        r#"{"model":"m","messages":[{"role":"developer","content":"d"},{"role":"assistant","content":null,"refusal":null,"audio":null,"annotations":[],"function_call":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c1","content":"r"},{"role":"function","name":"f","content":"r"}]}"#.to_owned(),
    ] {
        assert!(parse(&body).is_ok(), "{body}: {}", parse(&body).expect_err("shown"));
    }
}

#[test]
fn an_edit_changes_what_it_names_and_nothing_else() {
    let body = "\n{ \"temperature\" : 1.10000000000000000001e5,\r\n\"seed\":12345678901234567890123 , \"model\" : \"m\",\"top_p\":-0,\n \"messages\":[{\"role\":\"user\",\"content\":\"\\u00e9 é\"}] ,\"max_tokens\":9 }\n";
    let sent = rewrite(body, &edit(CapField::MaxTokens));
    assert_eq!(sent, body.replace("\"m\"", "\"up/stream\"").replace(":9 ", ":77 "));
    let sent = rewrite(body, &edit(CapField::MaxCompletionTokens));
    let expected =
        body.replace("\"m\"", "\"up/stream\"").replace(",\"max_tokens\":9 }", ",\"max_completion_tokens\":77}");
    assert_eq!(sent, expected);
}

#[test]
fn exactly_one_cap_is_sent_and_the_tier_is_pinned() {
    for fields in [
        "",
        r#""max_tokens":5"#,
        r#""max_completion_tokens":5"#,
        r#""max_tokens":null,"max_completion_tokens":5"#,
        r#""service_tier":"auto""#,
        r#""service_tier":null,"max_tokens":null"#,
    ] {
        for cap in [CapField::MaxTokens, CapField::MaxCompletionTokens] {
            for tier in [None, Some("default")] {
                let sent = rewrite(&with(fields), &Edit { service_tier: tier, ..edit(cap) });
                let value: Value = serde_json::from_str(&sent).expect(&sent);
                let caps: Vec<_> =
                    ["max_tokens", "max_completion_tokens"].iter().filter_map(|name| value.get(*name)).collect();
                assert_eq!(caps, [77], "{sent}");
                assert_eq!(value[cap.name()], 77, "{sent}");
                assert_eq!(value.get("service_tier").and_then(Value::as_str), tier, "{sent}");
            }
        }
    }
}

#[test]
fn usage_is_asked_for_on_streams_and_other_options_are_kept() {
    for (options, expected) in [
        ("", r#"{"include_usage":true}"#),
        (r#","stream_options":null"#, r#"{"include_usage":true}"#),
        (r#","stream_options":{}"#, r#"{"include_usage":true}"#),
        (r#","stream_options":{"include_usage":false}"#, r#"{"include_usage":true}"#),
        (
            r#","stream_options":{"include_usage":null,"include_obfuscation":false}"#,
            r#"{"include_usage":true,"include_obfuscation":false}"#,
        ),
        (
            r#","stream_options":{ "include_obfuscation":false}"#,
            r#"{"include_usage":true,"include_obfuscation":false}"#,
        ),
    ] {
        let sent = rewrite(
            &with(&format!(r#""stream":true{options}"#)),
            &Edit { include_usage: true, ..edit(CapField::MaxTokens) },
        );
        let value: Value = serde_json::from_str(&sent).expect(&sent);
        assert_eq!(value["stream_options"], serde_json::from_str::<Value>(expected).expect(expected), "{sent}");
    }
    let sent = rewrite(&with(""), &Edit { include_usage: true, ..edit(CapField::MaxTokens) });
    assert!(!sent.contains("stream_options"), "not a stream: {sent}");
}

#[test]
fn fields_can_be_left_out() {
    let edit = Edit { drop: &["metadata", "user", "model2"], ..edit(CapField::MaxTokens) };
    let sent = rewrite(
        r#"{"metadata":{"a":"b"},"model":"m","us\u0065r":"x","messages":[{"role":"user","content":"metadata"}]}"#,
        &edit,
    );
    assert_eq!(sent, r#"{"model":"up/stream","messages":[{"role":"user","content":"metadata"}],"max_tokens":77}"#);
}

#[test]
fn a_model_id_cannot_break_out_of_its_string() {
    let sent = rewrite(&with(""), &Edit { model: "a\",\"n\":16,\"b\":\"\n", ..edit(CapField::MaxTokens) });
    let value: Value = serde_json::from_str(&sent).expect(&sent);
    assert_eq!(value["model"], "a\",\"n\":16,\"b\":\"\n");
    assert!(value.get("n").is_none());
}

#[test]
fn imitators_get_the_cap_field_that_they_obey() {
    for model in ["gpt-4o", "o3", "gpt-5-mini", "gpt-6"] {
        assert_eq!(cap_field_for(model, ProviderKind::OpenAi), CapField::MaxCompletionTokens);
    }
    assert_eq!(cap_field_for("gpt-oss:20b", ProviderKind::Compatible), CapField::MaxTokens);
}

/// Fields that pass as they are, in any order and spacing.
fn passing_field() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        r#""temperature":1.50"#,
        r#""top_p" : 1E-2"#,
        r#""seed":-0"#,
        r#""stop":["}",",\"model\":"]"#,
        r#""user":"\u007d,""#,
        r#""logit_bias":{"50256":-100}"#,
        r#""stream":true"#,
        r#""response_format":{"type":"text"}"#,
        r#""max_tokens":5"#,
        r#""service_tier":"auto""#,
        r#""stream_options":{"include_usage":false}"#,
        r#""tools":[]"#,
        r#""n":3"#,
    ])
    .prop_map(str::to_owned)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn edits_are_what_editing_a_tree_would_give(
        mut fields in prop::collection::vec(passing_field(), 0..8),
        order in any::<prop::sample::Index>(),
        space in "[ \\n\\t]{0,2}",
        completion in any::<bool>(),
        pinned in any::<bool>(),
        usage in any::<bool>(),
    ) {
        fields.sort();
        fields.dedup();
        fields.push(r#""model":"m""#.to_owned());
        fields.push(r#""messages":[{"role":"user","content":"a, \"b\": {c}"}]"#.to_owned());
        let count = fields.len();
        fields.rotate_left(order.index(count));
        let separator = format!("{space},{space}");
        let body = format!("{space}{{{space}{}{space}}}{space}", fields.join(&separator));
        let cap = if completion { CapField::MaxCompletionTokens } else { CapField::MaxTokens };
        let tier = pinned.then_some("default");
        let sent = rewrite(&body, &Edit { service_tier: tier, include_usage: usage, ..edit(cap) });

        let mut tree: Value = serde_json::from_str(&body).expect("the strategy writes JSON");
        let members = tree.as_object_mut().expect("an object");
        members.remove("max_tokens");
        members.remove("service_tier");
        members.insert(cap.name().to_owned(), 77.into());
        members.insert("model".to_owned(), "up/stream".into());
        if let Some(tier) = tier {
            members.insert("service_tier".to_owned(), tier.into());
        }
        if usage && members.contains_key("stream") {
            members.insert("stream_options".to_owned(), serde_json::json!({"include_usage": true}));
        }
        prop_assert_eq!(serde_json::from_str::<Value>(&sent).expect("still JSON"), tree);
        prop_assert!(haltline_wire::json::check(sent.as_bytes()).is_ok());
    }

    #[test]
    fn a_measure_is_never_below_what_a_tokenizer_reads(text in "\\PC{0,60}", escape in any::<bool>()) {
        let written = if escape {
            text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect::<String>()
        } else {
            let quoted = serde_json::to_string(&text).expect("text");
            quoted[1..quoted.len() - 1].to_owned()
        };
        let body = with_message(&format!(r#""content":"{written}""#));
        let measure = parse(&body).expect("a request").measure();
        let bytes = u64::try_from(text.len()).expect("small");
        prop_assert!(measure.ascii_bytes + measure.other_bytes >= bytes);
        use unicode_normalization::UnicodeNormalization;
        let decomposed = u64::try_from(text.nfkd().map(char::len_utf8).sum::<usize>()).expect("small");
        prop_assert!(measure.ascii_bytes + measure.other_bytes_decomposed >= decomposed);
    }
}
