//! Gemini requests: what is accepted, what is refused and under which name, what is rewritten,
//! and what crosses to other dialects.

use bytes::Bytes;
use haltline_types::{Code, Tokens};
use haltline_wire::canon::{
    Effort, Format, MediaSource, Message, Part, Reasoning, Request, Role, Target, Text, Tool, ToolChoice,
};
use haltline_wire::gemini::{self, GeminiRequest};
use haltline_wire::{PassFields, RequestError};
use serde_json::{Value, json};

const CAP: Tokens = Tokens::new(77);

fn parse(body: &Value) -> Result<GeminiRequest, RequestError> {
    parse_with(body, &PassFields::none())
}

fn parse_with(body: &Value, pass: &PassFields) -> Result<GeminiRequest, RequestError> {
    GeminiRequest::parse("gemini-2.5-flash", false, Bytes::from(body.to_string()), pass)
}

/// A request whose member at `path` (dots) is `value`.
fn with(path: &str, value: Value) -> Value {
    let inner = path.rsplit('.').fold(value, |value, name| json!({ name: value }));
    let mut body = json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]});
    for (name, value) in inner.as_object().expect("an object") {
        body[name] = value.clone();
    }
    body
}

#[test]
fn what_hides_cost_is_refused_by_its_name_in_both_spellings() {
    for (path, value) in [
        ("cachedContent", json!("cachedContents/x")),
        ("cached_content", json!("cachedContents/x")),
        ("serviceTier", json!("priority")),
        ("service_tier", json!("flex")),
        ("modelArmorConfig", json!({})),
        ("store", json!(true)),
        ("continuationToken", json!("x")),
        ("toolConfig.functionCallingConfig.streamFunctionCallArguments", json!(true)),
        ("generationConfig.responseModalities", json!(["TEXT", "IMAGE"])),
        ("generation_config.response_modalities", json!(["AUDIO"])),
        ("generationConfig.speechConfig", json!({})),
        ("generationConfig.imageConfig", json!({})),
        ("generationConfig.routingConfig", json!({})),
        ("generationConfig.modelSelectionConfig", json!({})),
        ("tools.googleSearch", json!({})),
        ("tools.google_search", json!({})),
        ("tools.googleSearchRetrieval", json!({})),
        ("tools.codeExecution", json!({})),
        ("tools.code_execution", json!({})),
        ("tools.urlContext", json!({})),
        ("tools.googleMaps", json!({})),
        ("tools.fileSearch", json!({})),
        ("tools.computerUse", json!({})),
        ("tools.enterpriseWebSearch", json!({})),
        ("tools.retrieval", json!({})),
        ("tools.mcpServers", json!([])),
    ] {
        for pass in [PassFields::none(), PassFields::new(["*"])] {
            let error = parse_with(&with(path, value.clone()), &pass).expect_err(path);
            assert_eq!(error.code, Code::InvalidRequest, "{path}");
            let named = error.param.expect("a field").replace("tools[0]", "tools");
            let snake: String = named
                .chars()
                .flat_map(|c| if c.is_ascii_uppercase() { vec!['_', c.to_ascii_lowercase()] } else { vec![c] })
                .collect();
            assert!(named == path || snake == path, "{path}: {named}");
        }
        // Nothing said is nothing asked.
        if !path.ends_with("odalities") {
            assert!(parse(&with(path, Value::Null)).is_ok(), "{path}");
        }
    }
}

#[test]
fn input_whose_size_is_not_in_the_body_is_refused() {
    for (part, param) in [
        (json!({"fileData": {"fileUri": "gs://b/f"}}), "contents[0].parts[0].fileData"),
        (json!({"file_data": {"file_uri": "x"}}), "contents[0].parts[0].fileData"),
        (json!({"videoMetadata": {}}), "contents[0].parts[0].videoMetadata"),
        (json!({"inlineData": {"mimeType": "audio/wav", "data": "AA=="}}), "contents[0].parts[0].inlineData.mimeType"),
        (
            json!({"inline_data": {"mime_type": "application/pdf", "data": ""}}),
            "contents[0].parts[0].inlineData.mimeType",
        ),
        (json!({"inlineData": {"data": "AA=="}}), "contents[0].parts[0].inlineData.mimeType"),
    ] {
        let error = parse(&json!({"contents": [{"parts": [part]}]})).expect_err(param);
        assert_eq!(error.param.as_deref(), Some(param));
    }
    let picture = json!({"inline_data": {"mime_type": "image/png", "data": "AAAA"}});
    let result = json!({"functionResponse": {"name": "f", "response": {}, "parts": [picture]}});
    let request = parse(&json!({"contents": {"parts": [picture, result]}})).expect("pictures");
    assert_eq!(request.measure().images, 2);
}

#[test]
fn unknown_fields_are_refused_on_every_level_unless_vouched_for() {
    for (path, named) in [
        ("topK", "topK"),
        ("generationConfig.max_tokens", "generationConfig.max_tokens"),
        ("generationConfig.thinkingConfig.depth", "generationConfig.thinkingConfig.depth"),
        ("tools.newTool", "tools[0].newTool"),
        ("toolConfig.newConfig", "toolConfig.newConfig"),
    ] {
        let body = with(path, json!(5));
        let error = parse(&body).expect_err(path);
        assert_eq!((error.code, error.param.as_deref()), (Code::UnknownField, Some(named)));
        assert!(parse(&with(path, Value::Null)).is_ok(), "{path}");
        let name = path.rsplit('.').next().expect("a name");
        let request = parse_with(&body, &PassFields::new([name])).expect(path);
        assert_eq!(request.vouched_fields().collect::<Vec<_>>(), [name]);
    }
    let vouched = PassFields::new(["responseModalities"]);
    assert!(parse_with(&with("generationConfig.responseModalities", json!(["IMAGE"])), &vouched).is_ok());
}

#[test]
fn a_field_in_two_spellings_is_refused() {
    for (body, param) in [
        (
            with("generationConfig", json!({"maxOutputTokens": 5, "max_output_tokens": 50})),
            "generationConfig.maxOutputTokens",
        ),
        (
            json!({"contents": [{"parts": [{"text": "a"}]}], "generationConfig": {}, "generation_config": {}}),
            "generationConfig",
        ),
    ] {
        assert_eq!(parse(&body).expect_err(param).param.as_deref(), Some(param));
    }
}

#[test]
fn what_a_client_set_is_read() {
    let mut body = with("generation_config", json!({"max_output_tokens": "120", "candidateCount": 2}));
    body["labels"] = json!({"user": "u1"});
    body["model"] = json!("models/gemini-2.5-flash");
    let request = GeminiRequest::parse("models/gemini-2.5-flash", true, body.to_string().into(), &PassFields::none())
        .expect("a request");
    assert_eq!((request.model(), request.stream(), request.n()), ("gemini-2.5-flash", true, 2));
    assert_eq!((request.client_cap(), request.user()), (Some(Tokens::new(120)), Some("u1")));
    for (path, value) in [
        ("generationConfig.maxOutputTokens", json!(0)),
        ("generationConfig.maxOutputTokens", json!(1.5)),
        ("generationConfig.candidateCount", json!(17)),
        ("model", json!("models/another")),
    ] {
        let error = parse(&with(path, value)).expect_err(path);
        assert_eq!(error.param.as_deref(), Some(path));
    }
    for body in [json!([]), json!({}), json!({"contents": []}), json!({"contents": null})] {
        assert!(parse(&body).is_err(), "{body}");
    }
}

#[test]
fn what_is_to_be_counted_may_be_wrapped() {
    let inner = json!({"model": "models/g", "contents": [{"parts": [{"text": "abc"}]}]});
    for body in [inner.clone(), json!({"generateContentRequest": inner}), json!({"generate_content_request": inner})] {
        let body = Bytes::from(body.to_string());
        let request = GeminiRequest::parse_count("g", &body, &PassFields::none()).expect("a request");
        assert_eq!(request.measure().ascii_bytes, 3);
    }
    let tool = json!({"generateContentRequest": {"contents": [{"parts": []}], "tools": [{"googleSearch": {}}]}});
    let error = GeminiRequest::parse_count("g", &tool.to_string().into(), &PassFields::none()).expect_err("a tool");
    assert_eq!(error.param.as_deref(), Some("generateContentRequest.tools[0].googleSearch"));
    for body in ["", "{", "[]", "{\"generateContentRequest\":5}"] {
        assert!(GeminiRequest::parse_count("g", &Bytes::from(body), &PassFields::none()).is_err(), "{body}");
    }
}

#[test]
fn all_that_a_model_reads_is_measured() {
    let long = "x".repeat(1_000);
    for body in [
        with("systemInstruction", json!({"parts": {"text": long}})),
        with("contents", json!([{"parts": [{"text": long}]}])),
        with("contents", json!([{"parts": [{"functionCall": {"name": "f", "args": {"a": long}}}]}])),
        with("contents", json!([{"parts": [{"functionResponse": {"name": "f", "response": {"a": long}}}]}])),
        with("contents", json!([{"parts": [{"text": "a", "thoughtSignature": long}]}])),
        with("tools", json!([{"functionDeclarations": [{"name": long}]}])),
        with("tools", json!([{"function_declarations": [{"name": "f", "parameters_json_schema": {"title": long}}]}])),
        with("generationConfig.responseSchema", json!({"title": long})),
        with("generationConfig.responseJsonSchema", json!({"title": long})),
        with("toolConfig.functionCallingConfig", json!({"allowedFunctionNames": [long]})),
    ] {
        let request = parse(&body).expect("a request");
        let measure = request.measure();
        assert!(measure.ascii_bytes >= 1_000 && measure.messages >= 1, "{body}");
        if body.get("tools").is_some() {
            assert_eq!(measure.tools, 1);
        }
    }
}

#[test]
fn rewriting_changes_the_cap_and_nothing_else() {
    let target = Target { model: "gemini-x", cap: CAP };
    for (body, expected) in [
        (
            r#"{ "contents" : [{"parts":[{"text":"a"}]}] }"#,
            r#"{ "contents" : [{"parts":[{"text":"a"}]}] ,"generationConfig":{"maxOutputTokens":77}}"#,
        ),
        (
            r#"{"generation_config": {"topK" : 4, "max_output_tokens": 9000 },"contents":[{"parts":[{"text":"a"}]}]}"#,
            r#"{"generation_config": {"topK" : 4, "max_output_tokens": 77 },"contents":[{"parts":[{"text":"a"}]}]}"#,
        ),
        (
            r#"{"generationConfig":{},"model":"gemini-2.5-flash","contents":{"parts":{"text":"a"}}}"#,
            r#"{"generationConfig":{"maxOutputTokens":77},"contents":{"parts":{"text":"a"}}}"#,
        ),
        (
            r#"{"contents":[{"parts":[{"text":"{\"maxOutputTokens\":1}"}]}],"generationConfig":null}"#,
            r#"{"contents":[{"parts":[{"text":"{\"maxOutputTokens\":1}"}]}],"generationConfig":{"maxOutputTokens":77}}"#,
        ),
    ] {
        let parse =
            |body: &str| GeminiRequest::parse("gemini-2.5-flash", false, body.to_owned().into(), &PassFields::none());
        let request = parse(body).expect(body);
        let sent = request.rewrite(&target);
        assert_eq!(std::str::from_utf8(&sent).expect("text"), expected);
        assert_eq!(parse(expected).expect("acceptable to ourselves").client_cap(), Some(CAP));
    }
}

fn text(text: &str) -> Part {
    Part::text(text)
}

#[test]
fn a_request_crosses_to_the_canonical_form() {
    let body = json!({
        "system_instruction": {"parts": {"text": "be brief"}},
        "contents": [
            {"parts": [{"text": "weather?"}, {"inlineData": {"mimeType": "image/png", "data": "-_8="}}]},
            {"role": "model", "parts": [
                {"text": "hm", "thought": true},
                {"text": "", "thought": true, "thoughtSignature": "c2ln"},
                {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "Y2FsbA=="},
                {"functionCall": {"name": "g", "args": {}, "id": "mine"}}
            ]},
            {"role": "user", "parts": [
                {"functionResponse": {"id": "mine", "name": "g", "response": {"error": "no"}}},
                {"functionResponse": {"name": "f", "response": {"t": 3}}}
            ]}
        ],
        "tools": [{"functionDeclarations": [
            {"name": "f", "description": "d", "parameters": {"type": "OBJECT"}},
            {"name": "g", "parametersJsonSchema": {"type": "object"}}
        ]}],
        "toolConfig": {"functionCallingConfig": {"mode": "any", "allowedFunctionNames": ["f"]}},
        "generationConfig": {
            "temperature": 0.5, "topK": 3, "stopSequences": ["x"], "responseMimeType": "application/json",
            "responseSchema": {"type": "STRING"},
            "thinkingConfig": {"thinkingLevel": "LOW", "includeThoughts": true}
        },
        "safetySettings": []
    });
    let request = parse(&body).expect("a request").canonical().expect("crosses");
    assert_eq!(request.system, [Text { text: "be brief".to_owned(), cache: None }]);
    assert_eq!(request.messages[0].parts[0], text("weather?"));
    let Part::Image(image) = &request.messages[0].parts[1] else { panic!("no picture") };
    assert_eq!(image.source, MediaSource::Base64 { media_type: "image/png".to_owned(), data: "+/8=".to_owned() });
    let [Part::Reasoning { text: thought, signature, .. }, Part::Call(f), Part::Call(g)] =
        &request.messages[1].parts[..]
    else {
        panic!("{:?}", request.messages[1])
    };
    assert_eq!((thought.as_str(), signature.as_deref()), ("hm", Some("c2ln")));
    assert_eq!(
        (f.id.as_str(), f.arguments.as_str(), f.signature.as_deref()),
        ("call_0", r#"{"a":1}"#, Some("Y2FsbA=="))
    );
    assert_eq!((g.id.as_str(), g.arguments.as_str()), ("mine", "{}"));
    let [Part::Result(first), Part::Result(second)] = &request.messages[2].parts[..] else { panic!("no results") };
    assert_eq!((first.id.as_str(), first.is_error, &first.parts[..]), ("mine", true, &[text("no")][..]));
    assert_eq!((second.id.as_str(), second.is_error, &second.parts[..]), ("call_0", false, &[text(r#"{"t":3}"#)][..]));
    assert_eq!(request.tools[0].schema, Some(json!({"type": "object"})));
    assert_eq!(request.tool_choice, Some(ToolChoice::Named("f".to_owned())));
    assert!(matches!(&request.format, Format::JsonSchema { schema, .. } if *schema == json!({"type": "string"})));
    let thinking = Reasoning { effort: Some(Effort::Low), show: true, ..Reasoning::default() };
    assert_eq!(request.reasoning, Some(thinking));
    assert_eq!(request.lost, ["safety_settings"]);
    assert_eq!(request.sampling.stop, ["x"]);
}

#[test]
fn ids_that_repeat_are_made_unique_and_results_follow() {
    let call = json!({"role": "model", "parts": [{"functionCall": {"id": "call_0", "name": "f"}}]});
    let result = json!({"parts": [{"functionResponse": {"id": "call_0", "name": "f", "response": {"result": "r"}}}]});
    let body = json!({"contents": [{"parts": [{"text": "a"}]}, call, result, call, result]});
    let request = parse(&body).expect("a request").canonical().expect("crosses");
    let ids: Vec<&str> = request
        .messages
        .iter()
        .flat_map(|message| &message.parts)
        .filter_map(|part| match part {
            Part::Call(call) => Some(call.id.as_str()),
            Part::Result(result) => Some(result.id.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(ids, ["call_0", "call_0", "call_1", "call_1"]);
}

#[test]
fn what_cannot_cross_is_refused_by_name() {
    for (body, param) in [
        (with("generationConfig.candidateCount", json!(2)), "generationConfig.candidateCount"),
        (with("generationConfig.responseLogprobs", json!(true)), "generationConfig.responseLogprobs"),
        (with("generationConfig.responseMimeType", json!("text/x.enum")), "generationConfig.responseMimeType"),
        (json!({"contents": [{"parts": [{"executableCode": {"code": "1"}}]}]}), "contents[0].parts[0].executableCode"),
        (json!({"contents": [{"role": "system", "parts": [{"text": "a"}]}]}), "contents[0].role"),
        (
            json!({"contents": [{"parts": [{"functionResponse": {"name": "f"}}]}]}),
            "contents[0].parts[0].functionResponse",
        ),
    ] {
        let request = parse(&body).expect("passes within the dialect");
        assert_eq!(request.canonical().expect_err(param).param.as_deref(), Some(param));
    }
}

fn written(request: &Request, model: &str) -> (Value, Vec<&'static str>) {
    let written = gemini::write(request, &Target { model, cap: CAP }).expect("written");
    GeminiRequest::parse(model, false, written.body.clone(), &PassFields::none()).expect("acceptable to ourselves");
    (serde_json::from_slice(&written.body).expect("JSON"), written.dropped)
}

fn user(parts: Vec<Part>) -> Message {
    Message { role: Role::User, name: None, parts }
}

fn call(id: &str) -> Part {
    let (name, arguments) = (format!("fn_{id}"), r#"{"a":1}"#.to_owned());
    Part::Call(haltline_wire::canon::Call { id: id.to_owned(), name, arguments, signature: None, cache: None })
}

fn result(id: &str, is_error: bool) -> Part {
    let parts = vec![text("r")];
    Part::Result(haltline_wire::canon::ToolResult { id: id.to_owned(), name: None, parts, is_error, cache: None })
}

#[test]
fn neighbours_merge_and_results_find_the_names_of_their_calls() {
    let request = Request {
        system: vec![Text { text: "s".to_owned(), cache: None }],
        messages: vec![
            user(vec![text("a"), text("")]),
            user(vec![text("b")]),
            Message { role: Role::Assistant, name: None, parts: vec![call("1"), call("2")] },
            user(vec![result("1", false)]),
            user(vec![result("2", true)]),
            Message { role: Role::System, name: None, parts: vec![text("t")] },
        ],
        tools: vec![Tool {
            name: "fn_1".to_owned(),
            description: None,
            schema: Some(json!({"type": "object", "additionalProperties": false})),
            strict: Some(true),
            cache: None,
        }],
        tool_choice: Some(ToolChoice::AnyOf { names: vec!["fn_1".to_owned()], required: false }),
        format: Format::JsonObject,
        user: Some("u".to_owned()),
        lost: vec!["verbosity"],
        ..Request::default()
    };
    let (body, dropped) = written(&request, "gemini-2.5-flash");
    let expected = json!({
        "systemInstruction": {"parts": [{"text": "s"}, {"text": "t"}]},
        "contents": [
            {"role": "user", "parts": [{"text": "a"}, {"text": "b"}]},
            {"role": "model", "parts": [
                {"functionCall": {"id": "1", "name": "fn_1", "args": {"a": 1}}},
                {"functionCall": {"id": "2", "name": "fn_2", "args": {"a": 1}}}
            ]},
            {"role": "user", "parts": [
                {"functionResponse": {"id": "1", "name": "fn_1", "response": {"result": "r"}}},
                {"functionResponse": {"id": "2", "name": "fn_2", "response": {"error": "r"}}}
            ]}
        ],
        "tools": [{"functionDeclarations": [
            {"name": "fn_1", "parametersJsonSchema": {"type": "object", "additionalProperties": false}}
        ]}],
        "toolConfig": {"functionCallingConfig": {"mode": "VALIDATED", "allowedFunctionNames": ["fn_1"]}},
        "generationConfig": {"maxOutputTokens": 77, "responseMimeType": "application/json"}
    });
    assert_eq!(body, expected);
    assert_eq!(dropped, ["strict", "user", "verbosity"]);
    // Gemini 3 wants a signature on the first call of a turn.
    let (body, _) = written(&request, "gemini-3-pro-preview");
    let calls = &body["contents"][1]["parts"];
    assert_eq!(calls[0]["thoughtSignature"], "skip_thought_signature_validator");
    assert_eq!(calls[1].get("thoughtSignature"), None);
}

#[test]
fn what_gemini_cannot_be_told_is_refused_or_named() {
    let target = Target { model: "gemini-2.5-flash", cap: CAP };
    let media = |source| {
        Part::Image(haltline_wire::canon::Media { source, detail: Some("high".to_owned()), name: None, cache: None })
    };
    let link = Request {
        messages: vec![user(vec![media(MediaSource::Url("https://x/y.png".to_owned()))])],
        ..Request::default()
    };
    let error = gemini::write(&link, &target).expect_err("a link");
    assert_eq!(error.param.as_deref(), Some("messages[0].content"));
    let orphan = Request { messages: vec![user(vec![result("9", false)])], ..Request::default() };
    assert!(gemini::write(&orphan, &target).is_err());
    assert!(gemini::write(&Request::default(), &target).is_err());
    let source = MediaSource::Base64 { media_type: "application/pdf".to_owned(), data: "AA==".to_owned() };
    let mut request = Request { messages: vec![user(vec![media(source)])], ..Request::default() };
    request.sampling.seed = Some(5_000_000_000_u64.into());
    let written = gemini::write(&request, &target).expect("written");
    assert_eq!(written.dropped, ["detail", "seed"]);
    request.sampling.stop = vec!["s".to_owned(); 6];
    assert_eq!(gemini::write(&request, &target).expect_err("six").param.as_deref(), Some("stop"));
}
