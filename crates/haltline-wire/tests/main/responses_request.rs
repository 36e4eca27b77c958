//! Responses and embeddings requests: what is accepted, what is refused, and what is sent on.

use bytes::Bytes;
use haltline_types::{Code, Tokens};
use haltline_wire::canon::{Effort, Format, Part, Role, Target, ToolChoice};
use haltline_wire::openai::embeddings::EmbeddingsRequest;
use haltline_wire::openai::responses::{HostedTools, ResponsesRequest, input_items, list_page};
use haltline_wire::{PassFields, RequestError};
use serde_json::{Value, json};

const TARGET: Target<'_> = Target { model: "up/\"m\"", cap: Tokens::new(77) };

fn parse(body: &Value) -> Result<ResponsesRequest, RequestError> {
    ResponsesRequest::parse(Bytes::from(body.to_string()), &PassFields::none())
}

fn with(more: &Value) -> Value {
    let mut body = json!({ "model": "m", "input": "hi" });
    let fields = body.as_object_mut().expect("an object");
    fields.extend(more.as_object().expect("an object").clone());
    body
}

fn sent(request: &ResponsesRequest) -> Value {
    serde_json::from_slice(&request.rewrite(&TARGET)).expect("JSON")
}

#[test]
fn what_hides_cost_is_refused_by_its_name() {
    for (more, param) in [
        (json!({ "prompt": { "id": "pmpt_1" } }), "prompt"),
        (json!({ "background_options": {} }), "background_options"),
        (json!({ "context_management": [{ "type": "compaction" }] }), "context_management"),
        (json!({ "moderation": {} }), "moderation"),
        (json!({ "access_programs": [] }), "access_programs"),
        (json!({ "service_tier": "priority" }), "service_tier"),
        (json!({ "service_tier": "flex" }), "service_tier"),
        (json!({ "service_tier": "fast" }), "service_tier"),
        (json!({ "reasoning": { "mode": "pro" } }), "reasoning.mode"),
        (json!({ "reasoning": { "agents": 4 } }), "reasoning.agents"),
        (json!({ "prompt_cache_options": { "ttl": "12h" } }), "prompt_cache_options"),
        (json!({ "prompt_cache_options": { "prewarm": true } }), "prompt_cache_options"),
        (json!({ "prompt_cache_retention": "24h" }), "prompt_cache_retention"),
        (json!({ "stream_options": { "x": 1 } }), "stream_options.x"),
        (json!({ "text": { "audio": 1 } }), "text.audio"),
        (json!({ "tools": [{ "type": "web_search" }] }), "tools[0].type"),
        (json!({ "tools": [{ "type": "web_search_preview_2025_03_11" }] }), "tools[0].type"),
        (json!({ "tools": [{ "type": "file_search", "vector_store_ids": [] }] }), "tools[0].type"),
        (json!({ "tools": [{ "type": "code_interpreter", "container": { "type": "auto" } }] }), "tools[0].type"),
        (json!({ "tools": [{ "type": "image_generation" }] }), "tools[0].type"),
        (json!({ "tools": [{ "type": "mcp", "server_url": "x" }] }), "tools[0].type"),
        (json!({ "tools": [{ "type": "computer_use_preview" }] }), "tools[0].type"),
        (json!({ "tools": [{ "type": "shell", "environment": { "type": "container_auto" } }] }), "tools[0].type"),
        (json!({ "tools": [{ "type": "tool_search" }] }), "tools[0].type"),
        (json!({ "tools": [{ "type": "x_search" }] }), "tools[0].type"),
        (
            json!({ "tools": [{ "type": "namespace", "name": "n", "tools": [{ "type": "mcp" }] }] }),
            "tools[0].tools[0].type",
        ),
        (json!({ "tool_choice": { "type": "web_search_preview" } }), "tool_choice.type"),
        (json!({ "tool_choice": { "type": "mcp", "server_label": "x" } }), "tool_choice.type"),
        (
            json!({ "tool_choice": { "type": "allowed_tools", "tools": [{ "type": "image_generation" }] } }),
            "tool_choice.tools[0].type",
        ),
        (json!({ "input": [{ "type": "item_reference", "id": "msg_1" }] }), "input[0].type"),
        (json!({ "input": [{ "type": "compaction", "encrypted_content": "x" }] }), "input[0].type"),
        (json!({ "input": [{ "type": "web_search_call", "id": "ws_1" }] }), "input[0].type"),
        (
            json!({ "input": [{ "role": "user", "content": [{ "type": "input_file", "file_id": "f" }] }] }),
            "input[0].content[0].file_id",
        ),
        (
            json!({ "input": [{ "role": "user", "content": [{ "type": "input_file", "file_url": "https://x" }] }] }),
            "input[0].content[0].file_url",
        ),
        (
            json!({ "input": [{ "role": "user", "content": [{ "type": "input_image", "file_id": "f" }] }] }),
            "input[0].content[0].file_id",
        ),
        (
            json!({ "input": [{ "role": "user", "content": [{ "type": "input_image", "image_url": "u", "detail": "original" }] }] }),
            "input[0].content[0].detail",
        ),
        (
            json!({ "input": [{ "role": "user", "content": [{ "type": "input_audio", "data": "x" }] }] }),
            "input[0].content[0].type",
        ),
        (
            json!({ "input": [{ "type": "function_call_output", "call_id": "c", "output": [{ "type": "input_file", "file_url": "u" }] }] }),
            "input[0].output[0].file_url",
        ),
        (
            json!({ "input": [{ "role": "user", "content": [
                { "type": "input_text", "text": "x", "prompt_cache_breakpoint": { "mode": "explicit", "ttl": "12h" } },
            ] }] }),
            "input[0].content[0].prompt_cache_breakpoint",
        ),
        (json!({ "input": [{ "type": "configuration_update", "reasoning": { "mode": "pro" } }] }), "input[0].type"),
        (json!({ "input": [{ "type": "additional_tools", "tools": [{ "type": "web_search" }] }] }), "input[0].type"),
        (
            json!({ "input": [{ "type": "tool_search_output", "call_id": "c", "tools": [{ "type": "web_search" }] }] }),
            "input[0].tools[0].type",
        ),
        (
            json!({ "input": [{ "type": "shell_call", "call_id": "c", "environment": { "type": "container_reference" } }] }),
            "input[0].environment",
        ),
        (json!({ "tools": [{ "type": "programmatic_tool_calling" }] }), "tools[0].type"),
        (json!({ "tools": [{ "type": "function", "name": "f", "new_mode": 1 }] }), "tools[0].new_mode"),
        (json!({ "max_output_tokens": 0 }), "max_output_tokens"),
        (json!({ "max_output_tokens": 1.5 }), "max_output_tokens"),
        (json!({ "max_output_tokens": -1 }), "max_output_tokens"),
        (json!({ "input": [] }), "input"),
        (json!({ "input": 5 }), "input"),
        (json!({ "model": "" }), "model"),
    ] {
        let error = parse(&with(&more)).expect_err(&more.to_string());
        assert_eq!(error.param.as_deref(), Some(param), "{more}: {error}");
        assert!(error.message.len() > 20, "{error}");
    }
}

#[test]
fn strangers_are_named_and_may_be_vouched_for() {
    for (name, meant) in [
        ("max_tokens", "max_output_tokens"),
        ("messages", "input"),
        ("response_format", "text.format"),
        ("instruction", "instructions"),
    ] {
        let error = parse(&with(&json!({ name: "x" }))).expect_err(name);
        assert_eq!((error.code, error.param.as_deref()), (Code::UnknownField, Some(name)));
        assert!(error.message.contains(meant), "{error}");
    }
    assert!(parse(&with(&json!({ "x_new": null }))).is_ok());
    let body = Bytes::from(with(&json!({ "x_new": "abc" })).to_string());
    let request = ResponsesRequest::parse(body, &PassFields::new(["x_new"])).expect("vouched for");
    assert_eq!(request.vouched_fields().collect::<Vec<_>>(), ["x_new"]);
    assert_eq!(request.measure().ascii_bytes, 5, "what is vouched for is still measured");
    assert_eq!(sent(&request)["x_new"], "abc");
    assert_eq!(request.canonical().expect("canonical").lost, ["pass_fields"]);
}

#[test]
fn what_is_sent_stores_nothing_and_has_one_cap() {
    let body = with(&json!({
        "max_output_tokens": 500, "store": true, "service_tier": "auto", "background": true,
        "previous_response_id": "resp_1", "conversation": { "id": "conv_1" }, "stream": true,
        "metadata": { "user": "ann" }, "user": "bob", "include": ["reasoning.encrypted_content"],
    }));
    let request = parse(&body).expect("accepted");
    assert_eq!(request.client_cap(), Some(Tokens::new(500)));
    assert_eq!((request.previous_response_id(), request.conversation()), (Some("resp_1"), Some("conv_1")));
    assert!(request.background() && request.stream());
    assert_eq!((request.store(), request.user(), request.n()), (Some(true), Some("bob"), 1));
    assert_eq!(request.metadata("user").as_deref(), Some("ann"));
    assert!(request.canonical().is_err(), "turns that are not in the body cannot cross");
    let sent = sent(&request);
    assert_eq!(
        sent,
        json!({
            "model": "up/\"m\"", "input": "hi", "max_output_tokens": 77, "store": false, "service_tier": "default",
            "stream": true, "metadata": { "user": "ann" }, "user": "bob", "include": ["reasoning.encrypted_content"],
        })
    );
    let request = parse(&json!({ "model": "m", "input": "hi" })).expect("accepted");
    assert_eq!(
        &request.rewrite(&TARGET)[..],
        br#"{"model":"up/\"m\"","input":"hi","max_output_tokens":77,"store":false,"service_tier":"default"}"#
    );
}

#[test]
fn bytes_that_are_not_named_survive() {
    let body = r#"{ "model" : "m" ,
  "input" : [ {"role":"user","content":"h\u00f6"} , {"type":"message","role":"assistant","content":[]} ],
  "temperature": 0.70 , "tools":[ ] }"#;
    let request = ResponsesRequest::parse(Bytes::from(body), &PassFields::none()).expect("accepted");
    let expected = body
        .replace("\"m\"", "\"up/\\\"m\\\"\"")
        .replace("[ ] }", "[ ] ,\"max_output_tokens\":77,\"store\":false,\"service_tier\":\"default\"}");
    assert_eq!(String::from_utf8_lossy(&request.rewrite(&TARGET)), expected);
}

#[test]
fn thoughts_that_only_a_store_could_fill_are_left_out() {
    let kept = json!({ "type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "gAAAA" });
    let open = json!({ "type": "reasoning", "id": "rs_3", "summary": [], "content": [{ "type": "reasoning_text", "text": "hm" }] });
    let user = json!({ "role": "user", "content": "hi" });
    let body = json!({ "model": "m", "input": [
        { "type": "reasoning", "id": "rs_1", "summary": [] }, kept, user,
        { "type": "reasoning", "id": "rs_hl_1_0", "summary": [], "encrypted_content": "EqRk" }, open,
    ] });
    let request = parse(&body).expect("accepted");
    assert_eq!(sent(&request)["input"], json!([kept, user, open]));
    let turns = request.canonical().expect("canonical").messages;
    let ids: Vec<_> = turns
        .iter()
        .flat_map(|turn| &turn.parts)
        .filter_map(|part| {
            if let Part::Reasoning { id, signature, .. } = part { Some((id.clone(), signature.clone())) } else { None }
        })
        .collect();
    assert_eq!(ids[1], (Some("rs_2".to_owned()), Some("gAAAA".to_owned())));
    assert_eq!(ids[2], (None, Some("EqRk".to_owned())), "another dialect's seal comes back without our id");
}

#[test]
fn what_codex_sends_is_accepted() {
    let body = json!({
        "model": "gpt-5.4", "stream": true, "store": false, "tool_choice": "auto", "parallel_tool_calls": true,
        "include": ["reasoning.encrypted_content"], "prompt_cache_key": "k", "reasoning": { "summary": "auto" },
        "text": { "verbosity": "low" }, "client_metadata": { "session_id": "s" },
        "instructions": "be brief",
        "input": [
            { "type": "message", "id": "msg_1", "role": "developer", "content": [{ "type": "input_text", "text": "agent" }] },
            { "type": "message", "role": "user", "content": [{ "type": "input_text", "text": "hi" }] },
            { "type": "reasoning", "id": "rs_1", "summary": [{ "type": "summary_text", "text": "t" }], "content": null, "encrypted_content": "gAAAA" },
            { "type": "function_call", "id": "fc_1", "call_id": "c1", "name": "exec_command", "arguments": "{\"cmd\":\"ls\"}" },
            { "type": "function_call_output", "call_id": "c1", "output": "a\nb" },
            { "type": "custom_tool_call", "call_id": "c2", "name": "apply_patch", "input": "*** Begin" },
            { "type": "custom_tool_call_output", "call_id": "c2", "output": "Done" },
        ],
        "tools": [
            { "type": "function", "name": "exec_command", "description": "d", "strict": false, "parameters": { "type": "object" } },
            { "type": "custom", "name": "apply_patch", "description": "p", "format": { "type": "grammar", "syntax": "lark", "definition": "start: x" } },
            { "type": "web_search", "external_web_access": false },
        ],
    });
    let error = parse(&body).expect_err("hosted tools have fees");
    assert_eq!(error.param.as_deref(), Some("tools[2].type"));
    let bytes = Bytes::from(body.to_string());
    let request = ResponsesRequest::parse_with(bytes, &PassFields::none(), HostedTools::LeaveOut).expect("accepted");
    assert_eq!(request.dropped(), ["hosted_tools"]);
    let sent = sent(&request);
    assert_eq!(sent["tools"].as_array().map(Vec::len), Some(2));
    assert_eq!(sent["input"], body["input"]);
    let (measure, tools) = (request.measure(), 2);
    assert_eq!((measure.messages, measure.tools, measure.images), (8, tools, 0));

    let canonical = request.canonical().expect("canonical");
    let system: Vec<_> = canonical.system.iter().map(|text| text.text.as_str()).collect();
    assert_eq!(system, ["be brief", "agent"]);
    assert_eq!(canonical.messages.len(), 6);
    assert_eq!(canonical.messages[0].role, Role::User);
    let Part::Call(patch) = &canonical.messages[4].parts[0] else { panic!("a call") };
    assert_eq!(patch.arguments, r#"{"input":"*** Begin"}"#);
    let Part::Result(result) = &canonical.messages[5].parts[0] else { panic!("a result") };
    assert_eq!((result.id.as_str(), result.name.as_deref()), ("c2", Some("apply_patch")));
    assert_eq!(canonical.tools.len(), 2);
    assert!(canonical.tools[1].description.as_deref().is_some_and(|told| told.contains("start: x")));
    assert_eq!(canonical.lost, ["client_metadata", "prompt_cache_key", "verbosity", "hosted_tools"]);
    assert_eq!(canonical.reasoning.map(|reasoning| reasoning.show), Some(true));
}

#[test]
fn all_text_that_a_model_may_read_is_measured() {
    let body = json!({ "model": "m", "instructions": "12345", "input": [
        { "role": "user", "content": "123" },
        { "role": "user", "content": [
            { "type": "input_text", "text": "12" },
            { "type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "low" },
            { "type": "input_file", "filename": "a", "file_data": "data:application/pdf;base64,AAAA" },
            { "type": "input_file", "filename": "b", "file_data": "data:text/plain;base64,AAAA" },
        ] },
        { "type": "function_call_output", "call_id": "c", "output": [{ "type": "input_text", "text": "1" }] },
    ] });
    let request = parse(&body).expect("accepted");
    let measure = request.measure();
    let bytes = 5 + 3 + 2 + 1 + 32 + 1 + 27 + 1 + 1;
    assert_eq!((measure.ascii_bytes, measure.messages, measure.images), (bytes, 4, 1));
    assert_eq!(request.documents(), 1);
}

#[test]
fn a_file_is_plain_text_only_if_nothing_says_otherwise() {
    let documents = |file: Value| {
        let part = [json!({ "type": "input_file" }), file];
        let part: serde_json::Map<_, _> = part
            .iter()
            .filter_map(Value::as_object)
            .flatten()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let body = json!({ "model": "m", "input": [{ "role": "user", "content": [part] }] });
        parse(&body).expect("accepted").documents()
    };
    for plain in [
        json!({ "file_data": "data:text/plain;base64,SGVsbG8=" }),
        json!({ "file_data": "data:text/markdown;charset=utf-8;base64,SGVsbG8=", "filename": "read.me.md" }),
    ] {
        assert_eq!(documents(plain.clone()), 0, "{plain}");
    }
    for other in [
        json!({ "file_data": "data:application/pdf;base64,SGVsbG8=" }),
        json!({ "file_data": "SGVsbG8=", "filename": "a.txt" }),
        json!({ "file_data": "data:text/plain;base64,JVBERi0xLjcK", "filename": "a.txt" }),
        json!({ "file_data": "data:text/plain;base64,SGVsbG8=", "filename": "a.PDF" }),
        json!({ "file_data": "data:text/plain;base64,UEsDBBQA" }),
        json!({ "file_data": "data:text/csv;base64,SGVsbG8=" }),
    ] {
        assert_eq!(documents(other.clone()), 1, "{other}");
    }
}

#[test]
fn choices_and_formats_cross() {
    let canonical = |more: Value| parse(&with(&more)).expect("accepted").canonical();
    let choice = canonical(json!({ "tool_choice": { "type": "function", "name": "f" } })).expect("canonical");
    assert_eq!(choice.tool_choice, Some(ToolChoice::Named("f".to_owned())));
    let choice = canonical(
        json!({ "tool_choice": { "type": "allowed_tools", "mode": "required", "tools": [{ "type": "function", "name": "f" }] } }),
    );
    let any = ToolChoice::AnyOf { names: vec!["f".to_owned()], required: true };
    assert_eq!(choice.expect("canonical").tool_choice, Some(any));
    let format = canonical(
        json!({ "text": { "format": { "type": "json_schema", "name": "n", "schema": {}, "strict": true } } }),
    );
    let schema =
        Format::JsonSchema { name: Some("n".to_owned()), description: None, schema: json!({}), strict: Some(true) };
    assert_eq!(format.expect("canonical").format, schema);
    let effort = canonical(json!({ "reasoning": { "effort": "xhigh" } })).expect("canonical").reasoning;
    assert_eq!(effort.and_then(|reasoning| reasoning.effort), Some(Effort::XHigh));
    for (more, param) in [
        (json!({ "tools": [{ "type": "local_shell" }] }), "tools[0]"),
        (json!({ "tools": [{ "type": "namespace", "name": "n", "tools": [] }] }), "tools[0]"),
        (json!({ "input": [{ "type": "local_shell_call", "call_id": "c", "action": {} }] }), "input[0]"),
        (json!({ "include": ["message.output_text.logprobs"] }), "include"),
        (json!({ "reasoning": { "effort": "huge" } }), "reasoning.effort"),
        (json!({ "temperature": "hot" }), "temperature"),
    ] {
        assert_eq!(canonical(more.clone()).expect_err("cannot cross").param.as_deref(), Some(param), "{more}");
    }
}

#[test]
fn history_takes_the_place_of_a_reference_to_it() {
    let request = parse(&with(&json!({ "previous_response_id": "resp_1" }))).expect("accepted");
    let history =
        [Bytes::from(r#"{"role":"user","content":"one"}"#), Bytes::from(r#"{"role":"assistant","content":"two"}"#)];
    let whole = request.with_history(&history, &PassFields::none()).expect("accepted");
    assert_eq!(whole.previous_response_id(), None);
    assert_eq!(whole.measure().messages, 3);
    assert!(whole.measure().ascii_bytes > request.measure().ascii_bytes);
    assert_eq!(sent(&whole)["input"][2], json!({ "role": "user", "content": "hi" }));
    assert_eq!(whole.canonical().expect("canonical").messages.len(), 3);
}

#[test]
fn lists_of_items_have_ids_and_pages() {
    let items = input_items(
        &json!([{ "role": "user", "content": "a" }, { "type": "function_call", "id": "fc_9", "call_id": "c" }]),
        "x",
    );
    assert_eq!(
        items[0],
        json!({ "id": "msg_x_in0", "type": "message", "role": "user", "content": [{ "type": "input_text", "text": "a" }], "status": "completed" })
    );
    assert_eq!(items[1]["id"], "fc_9");
    let page = list_page(&items, None, 1);
    assert_eq!(
        (&page["first_id"], &page["last_id"], &page["has_more"]),
        (&json!("msg_x_in0"), &json!("msg_x_in0"), &json!(true))
    );
    let rest = list_page(&items, Some("msg_x_in0"), 20);
    assert_eq!((rest["data"].as_array().map(Vec::len), &rest["has_more"]), (Some(1), &json!(false)));
    assert_eq!(list_page(&[], None, 20)["first_id"], Value::Null);
    assert_eq!(input_items(&json!("hi"), "x")[0]["content"][0]["text"], "hi");
}

#[test]
fn embeddings_count_their_inputs() {
    let parse = |more: Value| {
        let mut body = json!({ "model": "e" });
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        EmbeddingsRequest::parse(Bytes::from(body.to_string()), &PassFields::none())
    };
    for (input, inputs, bytes, tokens) in [
        (json!("hi"), 1, 2, 0),
        (json!(["hi", "you"]), 2, 5, 0),
        (json!([1, 2, 3]), 1, 0, 3),
        (json!([[1, 2], [3]]), 2, 0, 3),
    ] {
        let request = parse(json!({ "input": input, "encoding_format": "base64", "dimensions": 256, "user": "u" }))
            .expect("accepted");
        assert_eq!((request.inputs(), request.measure().ascii_bytes, request.tokens().get()), (inputs, bytes, tokens));
        assert_eq!((request.model(), request.user(), request.dimensions()), ("e", Some("u"), Some(256)));
        let sent: Value = serde_json::from_slice(&request.rewrite(&TARGET)).expect("JSON");
        assert_eq!((&sent["model"], &sent["input"]), (&json!("up/\"m\""), &input));
    }
    for (more, param) in [
        (json!({ "input": [] }), "input"),
        (json!({ "input": {} }), "input"),
        (json!({}), "input"),
        (json!({ "input": [1, "a"] }), "input"),
        (json!({ "input": [-1] }), "input"),
        (json!({ "input": ["a", 1.5] }), "input[1]"),
        (json!({ "input": vec!["a"; 2049] }), "input[2048]"),
        (json!({ "input": "a", "dimensions": 0 }), "dimensions"),
        (json!({ "input": "a", "encoding_format": "zip" }), "encoding_format"),
        (json!({ "input": "a", "service_tier": "priority" }), "service_tier"),
    ] {
        assert_eq!(parse(more.clone()).expect_err("refused").param.as_deref(), Some(param), "{more}");
    }
}
