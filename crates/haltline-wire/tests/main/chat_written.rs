//! Chat requests that cross: what is canonical of them, what is refused, and what is written for
//! which server.

use bytes::Bytes;
use haltline_types::Tokens;
use haltline_wire::PassFields;
use haltline_wire::canon::{
    Call, Effort, Format, Media, MediaSource, Message, Part, Reasoning, Request, Role, Sampling, Target, Text, Tool,
    ToolChoice, ToolResult,
};
use haltline_wire::openai::ProviderKind;
use haltline_wire::openai::chat::{ChatRequest, ChatTarget, Edit, cap_field_for, write};
use proptest::prelude::*;
use serde_json::{Value, json};

fn canonical(body: &Value) -> Result<Request, String> {
    let parsed = ChatRequest::parse(Bytes::from(body.to_string()), &PassFields::none()).expect("acceptable");
    parsed.canonical().map_err(|error| error.param.unwrap_or_default())
}

fn target(kind: ProviderKind) -> ChatTarget<'static> {
    ChatTarget { target: Target { model: "up/model", cap: Tokens::new(77) }, kind }
}

fn written(request: &Request, target: &ChatTarget<'_>) -> (Value, Vec<&'static str>) {
    let written = write(request, target).expect("it can be said");
    (serde_json::from_slice(&written.body).expect("JSON"), written.dropped)
}

fn asked(extra: Value) -> Value {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    if let (Some(body), Value::Object(extra)) = (body.as_object_mut(), extra) {
        body.extend(extra);
    }
    body
}

#[test]
fn what_only_this_dialect_has_is_refused_by_name() {
    for (extra, param) in [
        (json!({"n": 2}), "n"),
        (json!({"logprobs": true}), "logprobs"),
        (json!({"top_logprobs": 3}), "top_logprobs"),
        (json!({"logit_bias": {"50256": -100}}), "logit_bias"),
        (json!({"functions": [{"name": "f"}]}), "functions"),
        (json!({"function_call": "auto"}), "function_call"),
        (json!({"tools": [{"type": "custom", "custom": {"name": "c"}}]}), "tools[0].type"),
        (json!({"messages": [{"role": "function", "name": "f", "content": "x"}]}), "messages[0].role"),
        (
            json!({"messages": [{"role": "assistant", "tool_calls": [{"id": "a", "type": "custom", "custom": {}}]}]}),
            "messages[0].tool_calls[0]",
        ),
        (json!({"messages": [{"role": "tool", "content": "x"}]}), "messages[0].tool_call_id"),
        (json!({"response_format": {"type": "grammar"}}), "response_format"),
        (json!({"reasoning_effort": "vast"}), "reasoning_effort"),
    ] {
        assert_eq!(canonical(&asked(extra.clone())).err().as_deref(), Some(param), "{extra}");
    }
}

#[test]
fn preferences_that_cannot_cross_are_named() {
    let request = canonical(&asked(json!({
        "metadata": {"user_id": "u"}, "verbosity": "low", "prompt_cache_key": "k", "store": false, "logprobs": false,
        "logit_bias": {}, "n": 1, "stream_options": null
    })))
    .expect("it crosses");
    assert_eq!(request.lost, ["metadata", "verbosity", "prompt_cache_key"]);
}

#[test]
fn a_whole_request_is_understood() {
    let request = canonical(&json!({
        "model": "gpt", "stream": true, "max_completion_tokens": 50, "temperature": 0.25, "seed": 7, "stop": "END",
        "user": "u1", "parallel_tool_calls": false, "reasoning_effort": "high",
        "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": true}}],
        "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "f"}}]}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": true}},
        "messages": [
            {"role": "system", "content": "s1"}, {"role": "developer", "content": [{"type": "text", "text": "s2"}]},
            {"role": "user", "name": "ann", "content": [
                {"type": "text", "text": "look"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "https://e.com/a.png"}}]},
            {"role": "assistant", "content": null, "reasoning_content": "hm", "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}}]},
            {"role": "tool", "tool_call_id": "c1", "content": "42"},
            {"role": "system", "content": "later"}
        ]
    }))
    .expect("it crosses");
    let message = |role, name: Option<&str>, parts| Message { role, name: name.map(str::to_owned), parts };
    let image = |source, detail: Option<&str>| {
        Part::Image(Media { source, detail: detail.map(str::to_owned), name: None, cache: None })
    };
    let text = |text: &str| Text { text: text.to_owned(), cache: None };
    assert_eq!(
        request,
        Request {
            model: "gpt".to_owned(),
            system: vec![text("s1"), text("s2")],
            messages: vec![
                message(
                    Role::User,
                    Some("ann"),
                    vec![
                        Part::text("look"),
                        image(
                            MediaSource::Base64 { media_type: "image/png".to_owned(), data: "AAAA".to_owned() },
                            Some("low")
                        ),
                        image(MediaSource::Url("https://e.com/a.png".to_owned()), None),
                    ]
                ),
                message(
                    Role::Assistant,
                    None,
                    vec![
                        Part::Reasoning { text: "hm".to_owned(), signature: None, redacted: None, id: None },
                        Part::Call(Call {
                            id: "c1".to_owned(),
                            name: "f".to_owned(),
                            arguments: "{\"a\":1}".to_owned(),
                            signature: None,
                            cache: None
                        }),
                    ]
                ),
                message(
                    Role::User,
                    None,
                    vec![Part::Result(ToolResult {
                        id: "c1".to_owned(),
                        name: Some("f".to_owned()),
                        parts: vec![Part::text("42")],
                        is_error: false,
                        cache: None,
                    })]
                ),
                message(Role::System, None, vec![Part::text("later")]),
            ],
            tools: vec![Tool {
                name: "f".to_owned(),
                description: Some("d".to_owned()),
                schema: Some(json!({"type": "object"})),
                strict: Some(true),
                cache: None,
            }],
            tool_choice: Some(ToolChoice::AnyOf { names: vec!["f".to_owned()], required: true }),
            parallel_tool_calls: Some(false),
            format: Format::JsonSchema {
                name: Some("n".to_owned()),
                description: None,
                schema: json!({"type": "object"}),
                strict: Some(true),
            },
            sampling: Sampling {
                temperature: Some(serde_json::Number::from_f64(0.25).expect("finite")),
                seed: Some(7.into()),
                stop: vec!["END".to_owned()],
                ..Sampling::default()
            },
            reasoning: Some(Reasoning { effort: Some(Effort::High), show: true, ..Reasoning::default() }),
            cap: Some(Tokens::new(50)),
            stream: true,
            user: Some("u1".to_owned()),
            lost: Vec::new(),
        }
    );
}

#[test]
fn exactly_one_cap_is_written_in_the_field_that_the_server_obeys() {
    let request = canonical(&asked(json!({"max_tokens": 5}))).expect("it crosses");
    for kind in ProviderKind::ALL {
        let (body, _) = written(&request, &target(kind));
        let field = cap_field_for("up/model", kind).name();
        assert_eq!(body[field], 77, "{kind:?}");
        let caps = ["max_tokens", "max_completion_tokens"].iter().filter(|name| body.get(**name).is_some()).count();
        assert_eq!(caps, 1, "{kind:?}");
        assert_eq!(body["model"], "up/model");
    }
}

#[test]
fn each_server_is_told_what_it_takes() {
    let request = Request {
        stream: true,
        user: Some("u".to_owned()),
        reasoning: Some(Reasoning { budget: Some(Tokens::new(9_000)), ..Reasoning::default() }),
        sampling: Sampling {
            temperature: Some(1.into()),
            top_k: Some(5.into()),
            seed: Some(3.into()),
            ..Sampling::default()
        },
        messages: vec![Message { role: Role::User, name: None, parts: vec![Part::text("hi")] }],
        ..Request::default()
    };
    let openai = ChatTarget { target: Target { model: "gpt-5.2", cap: Tokens::new(9) }, kind: ProviderKind::OpenAi };
    let (body, dropped) = written(&request, &openai);
    assert_eq!((&body["reasoning_effort"], &body["service_tier"]), (&json!("medium"), &json!("default")));
    assert_eq!(body["stream_options"], json!({"include_usage": true}));
    assert_eq!(dropped, ["temperature", "top_k"]);
    let plain = ChatTarget { target: Target { model: "gpt-4.1", cap: Tokens::new(9) }, kind: ProviderKind::OpenAi };
    let (body, dropped) = written(&request, &plain);
    assert_eq!((body.get("reasoning_effort"), &body["temperature"]), (None, &json!(1)));
    assert_eq!(dropped, ["top_k", "reasoning"]);
    let (body, dropped) = written(&request, &target(ProviderKind::Mistral));
    assert_eq!((body.get("stream_options"), body.get("seed"), &body["random_seed"]), (None, None, &json!(3)));
    assert_eq!(dropped, ["top_k", "reasoning", "user"]);
    let (body, dropped) = written(&request, &target(ProviderKind::OpenRouter));
    assert_eq!((&body["reasoning"], &body["top_k"]), (&json!({"max_tokens": 9_000, "exclude": true}), &json!(5)));
    assert!(dropped.is_empty(), "{dropped:?}");
    let (body, dropped) = written(&request, &target(ProviderKind::DeepSeek));
    assert_eq!(body["thinking"], json!({"type": "enabled"}));
    assert_eq!(dropped, ["top_k", "reasoning_effort"]);
}

#[test]
fn what_a_server_cannot_take_is_refused() {
    let with = |part: Part| Request {
        messages: vec![Message { role: Role::User, name: None, parts: vec![part] }],
        ..Request::default()
    };
    let media = |source| Media { source, detail: None, name: None, cache: None };
    let pdf = MediaSource::Base64 { media_type: "application/pdf".to_owned(), data: "AAAA".to_owned() };
    let document = with(Part::Document(media(pdf.clone())));
    assert!(write(&document, &target(ProviderKind::OpenAi)).is_ok());
    let refused = write(&document, &target(ProviderKind::Groq)).expect_err("no documents");
    assert_eq!(refused.param.as_deref(), Some("messages[0].content"));
    assert!(write(&with(Part::Audio(media(pdf))), &target(ProviderKind::OpenAi)).is_err());
    let picture = with(Part::Image(media(MediaSource::Url("https://e.com/a.png".to_owned()))));
    assert!(write(&picture, &target(ProviderKind::LmStudio)).is_err());
    assert!(write(&picture, &target(ProviderKind::OpenAi)).is_ok());
    let schema = Request {
        format: Format::JsonSchema { name: None, description: None, schema: json!({}), strict: None },
        ..with(Part::text("x"))
    };
    assert!(write(&schema, &target(ProviderKind::DeepSeek)).is_err());
    let stops = Request {
        sampling: Sampling { stop: vec!["a".to_owned(); 5], ..Sampling::default() },
        ..with(Part::text("x"))
    };
    assert!(write(&stops, &target(ProviderKind::OpenAi)).is_err());
    assert!(write(&stops, &target(ProviderKind::Mistral)).is_ok());
}

#[test]
fn results_stand_right_behind_their_calls_and_pictures_follow() {
    let image = MediaSource::Base64 { media_type: "image/png".to_owned(), data: "AA".to_owned() };
    let result = |id: &str, parts| {
        Part::Result(ToolResult { id: id.to_owned(), name: None, parts, is_error: false, cache: None })
    };
    let request = Request {
        messages: vec![Message {
            role: Role::User,
            name: None,
            parts: vec![
                Part::text("and now?"),
                result(
                    "a",
                    vec![
                        Part::text("seen"),
                        Part::Image(Media { source: image, detail: None, name: None, cache: None }),
                    ],
                ),
                result("b", Vec::new()),
            ],
        }],
        ..Request::default()
    };
    let (body, _) = written(&request, &target(ProviderKind::OpenAi));
    let roles: Vec<&str> =
        body["messages"].as_array().expect("a list").iter().filter_map(|m| m["role"].as_str()).collect();
    assert_eq!(roles, ["tool", "tool", "user"]);
    assert_eq!(body["messages"][0]["content"], "seen");
    assert_eq!(body["messages"][2]["content"].as_array().map(Vec::len), Some(3));
}

#[test]
fn a_request_that_stays_is_edited_by_the_same_table() {
    let body = asked(json!({"stream": true, "stream_options": {"include_usage": true}, "max_completion_tokens": 5}));
    let parsed = ChatRequest::parse(Bytes::from(body.to_string()), &PassFields::none()).expect("acceptable");
    let mistral = parsed.rewrite(&Edit::from(&target(ProviderKind::Mistral)));
    let sent: Value = serde_json::from_slice(&mistral).expect("JSON");
    assert_eq!(
        (sent.get("stream_options"), sent.get("max_completion_tokens"), &sent["max_tokens"]),
        (None, None, &json!(77))
    );
    let groq: Value = serde_json::from_slice(&parsed.rewrite(&Edit::from(&target(ProviderKind::Groq)))).expect("JSON");
    assert_eq!((&groq["service_tier"], &groq["max_completion_tokens"]), (&json!("on_demand"), &json!(77)));
}

fn turn() -> impl Strategy<Value = Message> {
    let text = "[a-zü\"\\\\ ]{1,10}";
    let media = |source| Media { source, detail: None, name: None, cache: None };
    let user = prop_oneof![
        text.prop_map(Part::text),
        "[A-Za-z0-9]{4}".prop_map(move |data| {
            Part::Image(media(MediaSource::Base64 { media_type: "image/png".to_owned(), data }))
        }),
    ];
    let said = prop_oneof![text.prop_map(Part::text), text.prop_map(Part::text)];
    prop_oneof![
        proptest::collection::vec(user, 1..4).prop_map(|parts| Message { role: Role::User, name: None, parts }),
        (said, proptest::option::of("[a-z]{1,5}")).prop_map(|(part, name)| {
            let mut parts = vec![part];
            parts.extend(name.map(|name| {
                Part::Call(Call {
                    id: format!("call_{name}"),
                    name,
                    arguments: "{\"k\":[1]}".to_owned(),
                    signature: None,
                    cache: None,
                })
            }));
            Message { role: Role::Assistant, name: None, parts }
        }),
        text.prop_map(|text| Message {
            role: Role::User,
            name: None,
            parts: vec![Part::Result(ToolResult {
                id: "call_x".to_owned(),
                name: None,
                parts: vec![Part::text(text)],
                is_error: false,
                cache: None,
            })],
        }),
        text.prop_map(|text| Message { role: Role::System, name: None, parts: vec![Part::text(text)] }),
    ]
}

prop_compose! {
    fn request()(
        first in "[a-z]{1,5}", turns in proptest::collection::vec(turn(), 0..6), system in proptest::option::of("[a-z]{1,9}"),
        stream in any::<bool>(), stop in proptest::collection::vec("[a-z]{1,3}", 0..4), temperature in 0_u64..2,
        choice in 0..4_usize, tools in proptest::collection::vec("[a-z]{1,6}", 0..3),
    ) -> Request {
        let mut messages = vec![Message { role: Role::User, name: None, parts: vec![Part::text(first)] }];
        messages.extend(turns);
        let tools: Vec<Tool> = tools.into_iter().map(|name| Tool {
            name, description: None, schema: Some(json!({"type": "object"})), strict: None, cache: None,
        }).collect();
        let tool_choice = tools.first().and_then(|tool| match choice {
            0 => Some(ToolChoice::Required),
            1 => Some(ToolChoice::Named(tool.name.clone())),
            2 => Some(ToolChoice::AnyOf { names: vec![tool.name.clone()], required: false }),
            _ => None,
        });
        Request {
            model: "up/model".to_owned(), messages, tools, tool_choice, stream, cap: Some(Tokens::new(77)),
            system: system.into_iter().map(|text| Text { text, cache: None }).collect(),
            sampling: Sampling { temperature: Some(temperature.into()), stop, ..Sampling::default() },
            ..Request::default()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_means_what_was_asked(request in request()) {
        let written = write(&request, &target(ProviderKind::OpenAi)).expect("it can be said");
        prop_assert!(written.dropped.is_empty());
        let parsed = ChatRequest::parse(written.body, &PassFields::none()).expect("acceptable to ourselves");
        let mut again = parsed.canonical().expect("it crosses");
        // Names of results are found again where the call is known.
        for message in &mut again.messages {
            for part in &mut message.parts {
                if let Part::Result(result) = part {
                    result.name = None;
                }
            }
        }
        prop_assert_eq!(in_turns(again), in_turns(request));
    }
}

/// With neighbouring messages of the assistant as one, its calls last: so a turn is written.
fn in_turns(mut request: Request) -> Request {
    let mut turns: Vec<Message> = Vec::new();
    for message in request.messages {
        match turns.last_mut() {
            Some(last) if last.role == Role::Assistant && message.role == Role::Assistant => {
                last.parts.extend(message.parts);
                last.parts.sort_by_key(|part| matches!(part, Part::Call(_)));
            }
            _ => turns.push(message),
        }
    }
    request.messages = turns;
    request
}

#[test]
fn calls_of_one_turn_stand_in_one_message() {
    let call = |id: &str| {
        let (id, name) = (id.to_owned(), "f".to_owned());
        vec![Part::Call(Call { id, name, arguments: String::new(), signature: None, cache: None })]
    };
    let thought = vec![Part::Reasoning { text: "t".to_owned(), signature: None, redacted: None, id: None }];
    let said = |parts| Message { role: Role::Assistant, name: None, parts };
    let user = |text: &str| Message { role: Role::User, name: None, parts: vec![Part::text(text)] };
    let messages = vec![
        user("a"),
        said(thought),
        said(vec![Part::text("b")]),
        said(call("1")),
        said(call("2")),
        user("c"),
        said(vec![Part::text("d")]),
        said(vec![Part::text("e")]),
    ];
    let request = Request { messages, ..Request::default() };
    for (kind, thoughts) in [(ProviderKind::OpenAi, None), (ProviderKind::DeepSeek, Some("t"))] {
        let written = write(&request, &target(kind)).expect("it can be said");
        let body: Value = serde_json::from_slice(&written.body).expect("JSON");
        let messages = body["messages"].as_array().expect("messages");
        assert_eq!(messages.len(), 5, "{body}");
        assert_eq!(
            (&messages[1]["content"], messages[1]["tool_calls"].as_array().map(Vec::len)),
            (&json!("b"), Some(2))
        );
        assert_eq!(messages[1]["reasoning_content"].as_str(), thoughts);
    }
    // Thoughts alone, where they cannot be sent back, are no message.
    let alone = vec![
        user("a"),
        said(vec![Part::Reasoning { text: "t".to_owned(), signature: None, redacted: None, id: None }]),
        user("b"),
    ];
    let written = write(&Request { messages: alone, ..Request::default() }, &target(ProviderKind::OpenAi))
        .expect("it can be said");
    let body: Value = serde_json::from_slice(&written.body).expect("JSON");
    assert_eq!(body["messages"].as_array().map(Vec::len), Some(2));
}
