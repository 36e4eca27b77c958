//! Requests that cross into the Messages dialect: what is written, dropped and refused, and that
//! what was written is read as it was meant.

use bytes::Bytes;
use haltline_types::Tokens;
use haltline_wire::PassFields;
use haltline_wire::anthropic::{
    MessagesRequest, SamplingFields, ThinkingStyle, WriteOptions, write, write_count, write_with,
};
use haltline_wire::canon::{
    Call, Effort, Format, Media, MediaSource, Message, Part, Reasoning, Request, Role, Sampling, Target, Text, Tool,
    ToolChoice, ToolResult,
};
use proptest::prelude::*;
use serde_json::{Number, Value, json};

const CAP: u64 = 5_000;

fn target() -> Target<'static> {
    Target { model: "claude-up", cap: Tokens::new(CAP) }
}

fn said(role: Role, parts: Vec<Part>) -> Message {
    Message { role, name: None, parts }
}

fn hello() -> Request {
    Request { model: "m".to_owned(), messages: vec![said(Role::User, vec![Part::text("hi")])], ..Request::default() }
}

fn written(request: &Request) -> (Value, Vec<&'static str>) {
    written_with(request, &WriteOptions::default())
}

fn written_with(request: &Request, options: &WriteOptions) -> (Value, Vec<&'static str>) {
    let written = write_with(request, &target(), options).unwrap_or_else(|error| panic!("{error}"));
    (serde_json::from_slice(&written.body).expect("JSON"), written.dropped)
}

fn call(id: &str, arguments: &str) -> Part {
    Part::Call(Call {
        id: id.to_owned(),
        name: "f".to_owned(),
        arguments: arguments.to_owned(),
        signature: None,
        cache: None,
    })
}

fn result(id: &str) -> Part {
    Part::Result(ToolResult {
        id: id.to_owned(),
        name: Some("f".to_owned()),
        parts: vec![Part::text("r")],
        is_error: false,
        cache: None,
    })
}

fn thought(signature: Option<&str>, id: Option<&str>) -> Part {
    Part::Reasoning {
        text: "hm".to_owned(),
        signature: signature.map(str::to_owned),
        redacted: None,
        id: id.map(str::to_owned),
    }
}

fn number(json: &str) -> Option<Number> {
    serde_json::from_str(json).ok()
}

#[test]
fn a_conversation_of_another_dialect_is_put_in_turns() {
    let request = Request {
        system: vec![Text { text: "s".to_owned(), cache: None }],
        messages: vec![
            said(Role::System, vec![Part::text("also")]),
            said(Role::User, vec![Part::text("do it"), Part::text("  ")]),
            said(
                Role::Assistant,
                vec![thought(None, None), Part::text("ok"), call("c:1", "{\"a\":1}"), call("c2", "")],
            ),
            said(Role::System, vec![Part::text("be quick")]),
            said(Role::User, vec![result("c:1")]),
            said(Role::User, vec![result("c2")]),
            said(Role::User, vec![Part::text("and?")]),
            said(Role::Assistant, vec![Part::text("done \n")]),
        ],
        ..hello()
    };
    let (body, dropped) = written(&request);
    let expected = json!({
        "model": "claude-up",
        "max_tokens": CAP,
        "system": [{"type": "text", "text": "s"}, {"type": "text", "text": "also"}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "do it"}]},
            {"role": "assistant", "content": [
                {"type": "text", "text": "ok"},
                {"type": "tool_use", "id": "c_1", "name": "f", "input": {"a": 1}},
                {"type": "tool_use", "id": "c2", "name": "f", "input": {}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "c_1", "content": [{"type": "text", "text": "r"}]},
                {"type": "tool_result", "tool_use_id": "c2", "content": [{"type": "text", "text": "r"}]},
                {"type": "text", "text": "<system>\nbe quick\n</system>"},
                {"type": "text", "text": "and?"},
            ]},
            {"role": "assistant", "content": [{"type": "text", "text": "done"}]},
        ],
        "service_tier": "standard_only",
    });
    assert_eq!(body, expected);
    assert_eq!(dropped, ["reasoning"]);
}

#[test]
fn the_first_turn_is_the_users_and_something_must_be_said() {
    let request = Request { messages: vec![said(Role::Assistant, vec![Part::text("Hello!")])], ..hello() };
    let (body, _) = written(&request);
    let roles: Vec<_> = body["messages"].as_array().expect("turns").iter().map(|turn| turn["role"].clone()).collect();
    assert_eq!(roles, ["user", "assistant"]);
    let request = Request { messages: vec![said(Role::User, vec![Part::text(" \n")])], ..hello() };
    assert_eq!(write(&request, &target()).expect_err("nothing").param.as_deref(), Some("messages"));
    // A turn that says nothing is left out, and its neighbours become one.
    let request = Request {
        messages: vec![
            said(Role::User, vec![Part::text("a")]),
            said(Role::Assistant, vec![]),
            said(Role::User, vec![Part::text("b")]),
        ],
        ..hello()
    };
    assert_eq!(written(&request).0["messages"].as_array().map(Vec::len), Some(1));
}

#[test]
fn only_anthropics_own_proofs_go_back_to_it() {
    let redacted = Part::Reasoning { text: String::new(), signature: None, redacted: Some("d".to_owned()), id: None };
    let parts = vec![thought(Some("sig"), None), redacted, thought(Some("enc"), Some("rs_1")), Part::text("x")];
    let request =
        Request { messages: vec![said(Role::User, vec![Part::text("a")]), said(Role::Assistant, parts)], ..hello() };
    let (body, dropped) = written(&request);
    let kinds: Vec<_> =
        body["messages"][1]["content"].as_array().expect("blocks").iter().map(|block| block["type"].clone()).collect();
    assert_eq!(kinds, ["thinking", "redacted_thinking", "text"]);
    assert_eq!(dropped, ["reasoning"]);
}

#[test]
fn media_are_written_in_the_forms_that_anthropic_reads() {
    let media = |source: MediaSource| Media { source, detail: None, name: Some("n".to_owned()), cache: None };
    let base64 = |media_type: &str| MediaSource::Base64 { media_type: media_type.to_owned(), data: "QQ==".to_owned() };
    let url = |url: &str| MediaSource::Url(url.to_owned());
    let png = json!({"type": "base64", "media_type": "image/png", "data": "QQ=="});
    let pdf = json!({"type": "base64", "media_type": "application/pdf", "data": "QQ=="});
    for (part, source) in [
        (Part::Image(media(base64("image/png"))), png.clone()),
        (Part::Image(media(url("data:image/png;base64,QQ=="))), png),
        (Part::Image(media(url("https://a/b.png"))), json!({"type": "url", "url": "https://a/b.png"})),
        (Part::Document(media(base64("application/pdf"))), pdf.clone()),
        (Part::Document(media(url("data:application/pdf;base64,QQ=="))), pdf),
        (Part::Document(media(url("https://a/b.pdf"))), json!({"type": "url", "url": "https://a/b.pdf"})),
        (
            Part::Document(media(MediaSource::Text("t".to_owned()))),
            json!({"type": "text", "media_type": "text/plain", "data": "t"}),
        ),
    ] {
        let (body, _) = written(&Request { messages: vec![said(Role::User, vec![part])], ..hello() });
        assert_eq!(body["messages"][0]["content"][0]["source"], source);
    }
    for part in [
        Part::Audio(media(base64("audio/wav"))),
        Part::Image(media(base64("image/svg+xml"))),
        Part::Image(media(url("gs://bucket/a"))),
        Part::Document(media(base64("application/msword"))),
    ] {
        let request = Request { messages: vec![said(Role::User, vec![part])], ..hello() };
        assert_eq!(write(&request, &target()).expect_err("refused").param.as_deref(), Some("messages[0].content"));
    }
}

#[test]
fn how_tools_may_be_called_crosses() {
    let tool = |name: &str| Tool { name: name.to_owned(), description: None, schema: None, strict: None, cache: None };
    let any_of = |required| ToolChoice::AnyOf { names: vec!["b".to_owned()], required };
    for (choice, parallel, expected, offered) in [
        (None, None, Value::Null, 2),
        (None, Some(false), json!({"type": "auto", "disable_parallel_tool_use": true}), 2),
        (Some(ToolChoice::Auto), Some(true), json!({"type": "auto"}), 2),
        (Some(ToolChoice::None), Some(false), json!({"type": "none"}), 2),
        (Some(ToolChoice::Required), Some(false), json!({"type": "any", "disable_parallel_tool_use": true}), 2),
        (Some(ToolChoice::Named("b".to_owned())), None, json!({"type": "tool", "name": "b"}), 2),
        (Some(any_of(true)), None, json!({"type": "any"}), 1),
        (Some(any_of(false)), None, json!({"type": "auto"}), 1),
    ] {
        let request = Request {
            tools: vec![tool("a"), tool("b")],
            tool_choice: choice,
            parallel_tool_calls: parallel,
            ..hello()
        };
        let (body, _) = written(&request);
        assert_eq!(body["tool_choice"], expected);
        assert_eq!(body["tools"].as_array().map(Vec::len), Some(offered));
        assert_eq!(body["tools"][0]["input_schema"], json!({"type": "object", "properties": {}}));
    }
    let request = Request { tools: vec![tool("a.b")], ..hello() };
    assert_eq!(write(&request, &target()).expect_err("refused").param.as_deref(), Some("tools[0].name"));
    // Nothing can be chosen where there is nothing.
    let (body, _) = written(&Request { tool_choice: Some(ToolChoice::Required), ..hello() });
    assert_eq!(body.get("tool_choice"), None);
}

#[test]
fn the_form_of_the_answer_crosses_or_is_asked_for_in_words() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    let format = Format::JsonSchema {
        name: Some("n".to_owned()),
        description: None,
        schema: schema.clone(),
        strict: Some(true),
    };
    let (body, _) = written(&Request { format, ..hello() });
    // Anthropic refuses objects that are not closed.
    let mut closed = schema;
    closed["additionalProperties"] = json!(false);
    assert_eq!(body["output_config"], json!({"format": {"type": "json_schema", "schema": closed}}));
    // Without a schema there is no promise: it is asked for in words, and the client is told.
    let (body, dropped) = written(&Request { format: Format::JsonObject, ..hello() });
    assert!(body["system"][0]["text"].as_str().is_some_and(|text| text.contains("JSON object")), "{body}");
    assert_eq!(dropped, ["response_format"]);
}

#[test]
fn thinking_is_asked_for_as_the_model_takes_it() {
    let effort = |effort| Reasoning { effort: Some(effort), ..Reasoning::default() };
    let budget = |tokens| Reasoning { budget: Some(Tokens::new(tokens)), ..Reasoning::default() };
    let adaptive = Reasoning { show: true, ..Reasoning::default() };
    let enabled = |tokens: u64| json!({"type": "enabled", "budget_tokens": tokens});
    let nothing = Value::Null;
    let style = |thinking| WriteOptions { thinking, ..WriteOptions::default() };
    let (asked, adaptively, budgets) =
        (style(ThinkingStyle::AsAsked), style(ThinkingStyle::Adaptive), style(ThinkingStyle::Budget));
    let shown = json!({"type": "adaptive", "display": "summarized"});
    for (options, reasoning, thinking, word) in [
        (asked, effort(Effort::Minimal), nothing.clone(), Some("low")),
        (asked, effort(Effort::XHigh), nothing.clone(), Some("xhigh")),
        (asked, effort(Effort::None), json!({"type": "disabled"}), None),
        (asked, budget(2_000), enabled(2_000), None),
        (asked, budget(512), enabled(1_024), None),
        (asked, budget(CAP), enabled(3_750), None),
        (asked, budget(0), json!({"type": "disabled"}), None),
        (asked, adaptive, shown, None),
        (adaptively, budget(2_000), json!({"type": "adaptive"}), None),
        (adaptively, effort(Effort::High), json!({"type": "adaptive"}), Some("high")),
        (budgets, effort(Effort::Low), enabled(2_048), None),
        (budgets, effort(Effort::Max), enabled(3_750), None),
    ] {
        let (body, dropped) = written_with(&Request { reasoning: Some(reasoning), ..hello() }, &options);
        assert_eq!(body["thinking"], thinking, "{reasoning:?}");
        assert_eq!(body["output_config"]["effort"].as_str(), word, "{reasoning:?}");
        assert!(dropped.is_empty(), "{reasoning:?}");
    }
    // No room to think; a forced tool; a round of tools that began without thinking.
    let tight = Target { model: "m", cap: Tokens::new(1_000) };
    let request = Request { reasoning: Some(budget(2_000)), ..hello() };
    assert_eq!(write(&request, &tight).expect("a body").dropped, ["reasoning"]);
    let tools = vec![Tool { name: "f".to_owned(), description: None, schema: None, strict: None, cache: None }];
    let forced = Request { tools, tool_choice: Some(ToolChoice::Required), ..request.clone() };
    let (body, dropped) = written(&forced);
    assert_eq!((body.get("thinking"), dropped), (None, vec!["reasoning"]));
    let messages = vec![
        said(Role::User, vec![Part::text("a")]),
        said(Role::Assistant, vec![call("c", "{}")]),
        said(Role::User, vec![result("c")]),
    ];
    let (body, dropped) = written(&Request { messages, ..request });
    assert_eq!((body.get("thinking"), dropped), (None, vec!["reasoning"]));
}

#[test]
fn sampling_is_sent_only_where_it_is_taken() {
    let sampling = Sampling {
        temperature: number("1.7"),
        top_p: number("0.9"),
        top_k: number("40"),
        seed: number("7"),
        frequency_penalty: number("0.1"),
        presence_penalty: number("0.1"),
        stop: vec!["END".to_owned()],
    };
    let request = Request { sampling: sampling.clone(), user: Some("u".to_owned()), stream: true, ..hello() };
    let (body, dropped) = written(&request);
    assert_eq!((&body["temperature"], &body["top_k"], body.get("top_p")), (&json!(1), &json!(40), None));
    assert_eq!((&body["stop_sequences"], &body["stream"]), (&json!(["END"]), &json!(true)));
    assert_eq!(body["metadata"], json!({"user_id": "u"}));
    assert_eq!(dropped, ["seed", "frequency_penalty", "presence_penalty", "temperature", "top_p"]);
    let newest = WriteOptions { sampling: SamplingFields::Dropped, ..WriteOptions::default() };
    let thinking = Request {
        reasoning: Some(Reasoning { budget: Some(Tokens::new(2_000)), ..Reasoning::default() }),
        ..request.clone()
    };
    for (body, dropped) in [written_with(&request, &newest), written(&thinking)] {
        assert!(["temperature", "top_p", "top_k"].iter().all(|name| body.get(name).is_none()));
        assert!(["temperature", "top_p", "top_k"].iter().all(|name| dropped.contains(name)));
    }
    let white = Request { sampling: Sampling { stop: vec!["\n".to_owned()], ..sampling }, ..hello() };
    assert_eq!(write(&white, &target()).expect_err("refused").param.as_deref(), Some("stop"));
    let long = Request { user: Some("u".repeat(300)), ..hello() };
    assert_eq!(written(&long).1, ["user"]);
}

#[test]
fn a_count_has_no_cap_no_stream_and_no_sampling() {
    let request = Request { stream: true, sampling: Sampling { top_k: number("4"), ..Sampling::default() }, ..hello() };
    let counted = write_count(&request, "up", &WriteOptions::default()).expect("a body");
    let body: Value = serde_json::from_slice(&counted.body).expect("JSON");
    assert_eq!(
        body,
        json!({"model": "up", "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]})
    );
}

#[test]
fn what_only_anthropic_knows_is_lost_by_name() {
    let body = json!({
        "model": "c", "max_tokens": 9, "cache_control": {"type": "ephemeral"},
        "context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]},
        "diagnostics": {}, "output_config": {"task_budget": {"total": 5}},
        "tools": [{"name": "t", "input_schema": {}, "defer_loading": true, "input_examples": [{}]}],
        "messages": [{"role": "user", "content": [
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "d"}, "citations": {"enabled": true}},
            {"type": "search_result", "source": "https://a", "title": "t", "content": [{"type": "text", "text": "r"}]},
        ]}],
    });
    let request = MessagesRequest::parse(Bytes::from(body.to_string()), &PassFields::none()).expect("a request");
    let request = request.canonical().expect("it can cross");
    let mut lost = request.lost.clone();
    lost.sort_unstable();
    assert_eq!(
        lost,
        [
            "cache_control",
            "citations",
            "context_management",
            "defer_loading",
            "diagnostics",
            "input_examples",
            "task_budget"
        ]
    );
    let Part::Document(media) = &request.messages[0].parts[1] else { panic!("a document") };
    assert_eq!(media.source, MediaSource::Text("https://a\nr".to_owned()));
}

fn rounds() -> impl Strategy<Value = Vec<Message>> {
    let cache = prop::option::of(Just(json!({"type": "ephemeral"})));
    let word = "[a-zé\"]{1,6}";
    let text = (word, cache).prop_map(|(text, cache)| Part::Text(Text { text, cache }));
    let calls = prop::collection::vec(any::<i64>(), 1..3);
    let round = (text, word, prop::option::of("[a-z]{1,4}"), calls, any::<bool>()).prop_map(
        |(asked, answer, signature, calls, is_error)| {
            let mut parts: Vec<Part> = signature.iter().map(|signature| thought(Some(signature), None)).collect();
            let mut results = Vec::new();
            for (index, value) in calls.into_iter().enumerate() {
                let id = format!("toolu_{index}");
                parts.push(call(&id, &json!({"v": value}).to_string()));
                let Part::Result(result) = result(&id) else { continue };
                results.push(Part::Result(ToolResult { is_error, ..result }));
            }
            vec![
                said(Role::User, vec![asked]),
                said(Role::Assistant, parts),
                said(Role::User, results),
                said(Role::Assistant, vec![Part::text(answer)]),
            ]
        },
    );
    prop::collection::vec(round, 0..3).prop_map(|rounds| {
        let mut messages: Vec<Message> = rounds.into_iter().flatten().collect();
        messages.push(said(Role::User, vec![Part::text("go on")]));
        messages
    })
}

fn requests() -> impl Strategy<Value = Request> {
    let tool = Tool {
        name: "f".to_owned(),
        description: Some("d".to_owned()),
        schema: Some(json!({"type": "object", "properties": {}})),
        strict: Some(true),
        cache: Some(json!({"type": "ephemeral", "ttl": "1h"})),
    };
    let schema = Format::JsonSchema { name: None, description: None, schema: json!({"type": "object"}), strict: None };
    let reasonings = vec![
        None,
        Some(Reasoning { effort: Some(Effort::Max), ..Reasoning::default() }),
        Some(Reasoning { budget: Some(Tokens::new(1_500)), enabled: Some(true), show: true, effort: None }),
        Some(Reasoning { enabled: Some(false), ..Reasoning::default() }),
        Some(Reasoning { show: true, ..Reasoning::default() }),
    ];
    let choices = vec![
        (None, None),
        (Some(ToolChoice::Auto), None),
        (Some(ToolChoice::Auto), Some(false)),
        (Some(ToolChoice::None), None),
    ];
    (
        rounds(),
        prop::sample::select(reasonings),
        prop::sample::select(choices),
        prop::sample::select(vec![Format::Text, schema]),
        any::<bool>(),
        prop::option::of("[a-z]{1,5}"),
    )
        .prop_map(move |(messages, reasoning, (tool_choice, parallel_tool_calls), format, stream, user)| Request {
            model: "claude-up".to_owned(),
            system: vec![Text { text: "s".to_owned(), cache: Some(json!({"type": "ephemeral"})) }],
            messages,
            tools: vec![tool.clone()],
            tool_choice,
            parallel_tool_calls,
            format,
            sampling: Sampling { stop: vec!["END".to_owned()], ..Sampling::default() },
            reasoning,
            cap: Some(Tokens::new(CAP)),
            stream,
            user,
            lost: Vec::new(),
        })
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_it_was_meant(request in requests()) {
        let written = write(&request, &target()).expect("a body");
        prop_assert!(written.dropped.is_empty(), "{:?}", written.dropped);
        let again = MessagesRequest::parse(written.body, &PassFields::none()).expect("a request").canonical();
        prop_assert_eq!(again, Ok(request));
    }
}
