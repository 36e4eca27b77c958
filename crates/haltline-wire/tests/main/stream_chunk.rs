//! Chunks: what metering and ending need, whoever wrote them.

use bytes::BytesMut;
use haltline_types::{Billing, FaultKind, Tokens};
use haltline_wire::Finish;
use haltline_wire::chunk::{Chunk, Delta};
use haltline_wire::fault::classify_inside;
use haltline_wire::openai::chat::response::{self, Answer};
use haltline_wire::openai::chat::stream::{done_frame, error_frame, identify, inspect};

fn delta(data: &str) -> Delta {
    match inspect(data.as_bytes()) {
        Ok(Chunk::Delta(delta)) => delta,
        other => panic!("{data}: {other:?}"),
    }
}

fn kind(data: &str) -> (FaultKind, Delta) {
    match inspect(data.as_bytes()) {
        Ok(Chunk::Error { seed, delta }) => {
            let fault = classify_inside(&seed);
            assert_eq!(fault.billing, Billing::Unknown, "inside a 200 nothing is known to be free: {data}");
            (fault.kind, delta)
        }
        other => panic!("{data}: {other:?}"),
    }
}

#[test]
fn text_is_counted_wherever_it_stands_and_only_once() {
    for (data, bytes) in [
        (r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#, 0),
        (r#"{"choices":[{"index":0,"delta":{"content":"hell\u00f6\n"}}]}"#, 7),
        (r#"{"choices":[{"delta":{"refusal":"no"}}]}"#, 2),
        (r#"{"choices":[{"delta":{"reasoning_content":"think"}}]}"#, 5),
        (
            r#"{"choices":[{"delta":{"reasoning":"think","reasoning_details":[{"type":"reasoning.text","text":"think"}]}}]}"#,
            5,
        ),
        (
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"ab","arguments":"{}"}}]}}]}"#,
            4,
        ),
        (r#"{"choices":[{"delta":{"tool_calls":[{"function":{"arguments":{"a":"xyz"}}}]}}]}"#, 3),
        (
            r#"{"choices":[{"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"abc"}]},{"type":"text","text":"d"}]}}]}"#,
            4,
        ),
        (r#"{"choices":[{"delta":{"content":"ab"}},{"delta":{"content":"c"}}]}"#, 3),
        (r#"{"choices":[{"delta":{"content":"a"},"message":{"content":"all so far"}}]}"#, 1),
        (r#"{"choices":[{"delta":null}]}"#, 0),
        (r#"{"choices":[],"prompt_filter_results":[]}"#, 0),
        ("", 0),
    ] {
        let delta = delta(data);
        assert_eq!((delta.text_bytes, delta.nonempty), (bytes, bytes > 0), "{data}");
    }
}

#[test]
fn ends_are_told() {
    assert_eq!(inspect(b"[DONE]"), Ok(Chunk::Done));
    assert_eq!(inspect(b" [DONE] "), Ok(Chunk::Done));
    for (word, finish) in [
        ("stop", Finish::Stop),
        ("length", Finish::Length),
        ("tool_calls", Finish::ToolCalls),
        ("content_filter", Finish::ContentFilter),
        ("function_call", Finish::FunctionCall),
        ("weird", Finish::Other),
    ] {
        let delta = delta(&format!(r#"{{"choices":[{{"delta":{{}},"finish_reason":"{word}"}}]}}"#));
        assert_eq!((delta.finish, delta.finished), (Some(finish), 1));
    }
    for none in ["null", "\"\""] {
        assert_eq!(delta(&format!(r#"{{"choices":[{{"delta":{{}},"finish_reason":{none}}}]}}"#)).finish, None);
    }
    assert_eq!(delta(r#"{"choices":[{"finish_reason":"stop"},{"finish_reason":"length"}]}"#).finished, 2);
}

#[test]
fn usage_is_found_wherever_it_stands() {
    let usage = r#"{"prompt_tokens":9,"completion_tokens":5,"total_tokens":14}"#;
    for (data, only) in [
        (format!(r#"{{"choices":[],"usage":{usage}}}"#), true),
        (format!(r#"{{"choices":[{{"delta":{{"content":"x"}}}}],"usage":{usage}}}"#), false),
        (format!(r#"{{"choices":[{{"delta":{{}},"finish_reason":"stop"}}],"x_groq":{{"usage":{usage}}}}}"#), false),
        (format!(r#"{{"usage":{usage}}}"#), true),
    ] {
        let delta = delta(&data);
        assert_eq!(
            delta.usage.map(|usage| (usage.input, usage.output)),
            Some((Tokens::new(9), Tokens::new(5))),
            "{data}"
        );
        assert_eq!(delta.only_usage, only, "{data}");
    }
    for absent in ["null", "{}"] {
        let delta = delta(&format!(r#"{{"choices":[],"usage":{absent}}}"#));
        assert!(delta.usage.is_none() && !delta.usage_unreadable && !delta.only_usage);
    }
    let bad = delta(r#"{"choices":[],"usage":{"prompt_tokens":-9,"completion_tokens":5}}"#);
    assert!(bad.usage.is_none() && bad.usage_unreadable);
}

#[test]
fn errors_inside_a_200_are_errors() {
    for (data, expected) in [
        (r#"{"error":{"message":"busy","type":"server_error","code":"server_is_overloaded"}}"#, FaultKind::Overloaded),
        (r#"{"error":{"code":429,"message":"Rate limited"}}"#, FaultKind::RateLimited),
        (r#"{"error":{"code":"502","message":"bad gateway"}}"#, FaultKind::ServerError),
        (r#"{"error":"out of luck"}"#, FaultKind::Unknown),
        (
            r#"{"type":"error","error":{"type":"insufficient_quota","code":"insufficient_quota","message":"m"}}"#,
            FaultKind::QuotaExhausted,
        ),
        (r#"{"error":{"message":"m","code":"tool_use_failed","status_code":400}}"#, FaultKind::ModelOutputInvalid),
        (
            r#"{"object":"error","message":"too long: maximum context length is 5","code":400}"#,
            FaultKind::ContextLength,
        ),
        (r#"{"message":"no","code":"500"}"#, FaultKind::ServerError),
        (r#"{"detail":"Invalid API Key"}"#, FaultKind::Auth),
        (r#"{"choices":[{"delta":{},"finish_reason":"error"}]}"#, FaultKind::Unknown),
    ] {
        assert_eq!(kind(data).0, expected, "{data}");
    }
    let (_, delta) = kind(
        r#"{"error":{"code":400,"message":"Token limit reached"},"choices":[{"delta":{"content":"ab"}}],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#,
    );
    assert_eq!((delta.text_bytes, delta.usage.is_some()), (2, true), "what came with it is not lost");
    assert!(!delta_is_error(r#"{"error":null,"choices":[]}"#));
}

fn delta_is_error(data: &str) -> bool {
    matches!(inspect(data.as_bytes()), Ok(Chunk::Error { .. }))
}

#[test]
fn what_is_no_chunk_is_malformed() {
    for data in
        ["{", "[1]", "null", "\"x\"", "hello", r#"{"choices":5}"#, r#"{"choices":[{"delta":5}]}"#, "{\"choices\":[]}x"]
    {
        assert!(inspect(data.as_bytes()).is_err(), "{data}");
    }
    assert!(inspect(&[b'{', 0xff]).is_err());
    assert!(inspect("{\"choices\":".repeat(100_000).as_bytes()).is_err());
    assert!(inspect(format!(r#"{{"x":{}"#, "[".repeat(1_000_000)).as_bytes()).is_err());
}

#[test]
fn frames_and_identity() {
    let mut out = BytesMut::new();
    error_frame(&mut out, Some(4), br#"{"error":{"code":"internal"}}"#);
    done_frame(&mut out, None);
    assert_eq!(out, "id: 4\ndata: {\"error\":{\"code\":\"internal\"}}\n\ndata: [DONE]\n\n");
    let identity = identify(br#"{"id":"c1","model":"gpt-5-mini-2025","service_tier":"default","choices":[]}"#);
    assert_eq!(identity.model.as_deref(), Some("gpt-5-mini-2025"));
    assert_eq!(identity.service_tier.as_deref(), Some("default"));
    assert_eq!(identify(br#"{"id":7,"model":{"a":1}}"#).model, None);
}

#[test]
fn whole_answers_are_read_and_errors_among_them_found() {
    let body = br#"

        {"id":"c1","model":"m","choices":[{"message":{"content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":1}}"#;
    let Ok(Answer::Complete(answer)) = response::inspect(body) else { panic!("an answer") };
    assert_eq!((answer.text_bytes, answer.finish, answer.finished, answer.choices), (2, Some(Finish::Stop), 1, 1));
    assert_eq!(answer.usage.map(|usage| usage.output), Some(Tokens::new(1)));
    assert_eq!(answer.identity.id.as_deref(), Some("c1"));
    for body in [r#"{"error":{"message":"m"}}"#, r#"{"object":"error","message":"m"}"#, r#"{"error":"m"}"#] {
        assert!(matches!(response::inspect(body.as_bytes()), Ok(Answer::Error(_))), "{body}");
    }
    for body in ["", "{}", "<html>", "[]", r#"{"choices":[]}"#] {
        assert!(response::inspect(body.as_bytes()).is_err(), "{body}");
    }
}
