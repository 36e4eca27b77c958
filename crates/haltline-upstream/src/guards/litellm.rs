//! A webhook in the dialect of LiteLLM's generic guardrail API:
//! `POST /beta/litellm_basic_guardrail_api`. What it gives as reason may quote the text and is not
//! taken over.
//!
//! Source: docs.litellm.ai, "Generic Guardrail API", and LiteLLM's
//! `types/proxy/guardrails/guardrail_hooks/generic_guardrail_api.py`. LiteLLM takes an answer
//! without `action` for "NONE"; here that is an error, because a page that is no guard at all would
//! pass everything.

use super::GuardConfig;
use super::shape::{Base, Written, json, malformed, role, success};
use haltline_ports::{Direction, GuardAnswer, GuardAsk, GuardFault, GuardOpinion, GuardText};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json as value};

const PATH: &str = "/beta/litellm_basic_guardrail_api";

pub(super) fn write(config: &GuardConfig, base: &Base<'_>, ask: &GuardAsk) -> Result<Written, GuardFault> {
    let texts: Vec<&str> = ask.texts.iter().map(|text| text.text.as_str()).collect();
    let message = |text: &GuardText| value!({"role": role(text.speaker), "content": text.text});
    let messages: Vec<Value> = ask.texts.iter().map(message).collect();
    let body = value!({
        "input_type": match ask.direction { Direction::Input => "request", Direction::Output => "response" },
        "litellm_call_id": ask.request.to_string(),
        "litellm_trace_id": null,
        "texts": texts,
        "structured_messages": messages,
        "images": null,
        "tools": null,
        "model": &*ask.model,
        "request_data": {},
        "additional_provider_specific_params": {},
    });
    let path = if base.prefix.ends_with(PATH) { base.prefix.to_owned() } else { format!("{}{PATH}", base.prefix) };
    Written::json(path, &body).with_key(config)
}

#[derive(Deserialize)]
struct Answer {
    action: String,
    #[serde(default)]
    texts: Option<Vec<String>>,
}

pub(super) fn read(status: StatusCode, body: &[u8], ask: &GuardAsk) -> Result<GuardAnswer, GuardFault> {
    success(status)?;
    let answer: Answer = json(body)?;
    let is_same = |texts: &[String]| texts.iter().eq(ask.texts.iter().map(|text| &text.text));
    let categories = || vec!["intervened".to_owned()];
    let opinion = match (answer.action.as_str(), answer.texts) {
        ("BLOCKED", _) => GuardOpinion::Objects(vec!["blocked".to_owned()]),
        ("NONE", None) => GuardOpinion::Passed,
        ("NONE", Some(texts)) if texts.is_empty() || is_same(&texts) => GuardOpinion::Passed,
        ("NONE" | "GUARDRAIL_INTERVENED", Some(texts)) if texts.len() == ask.texts.len() => {
            GuardOpinion::Masks { texts, categories: categories() }
        }
        // It has changed something, and does not say to what.
        ("NONE" | "GUARDRAIL_INTERVENED", _) => GuardOpinion::Objects(categories()),
        _ => return Err(malformed("its action is none of NONE, BLOCKED and GUARDRAIL_INTERVENED")),
    };
    Ok(GuardAnswer::of(opinion))
}

#[cfg(test)]
mod tests {
    use super::super::shape::tests::{BASE, ask, body, config};
    use super::*;
    use haltline_ports::GuardFaultKind;

    #[test]
    fn the_request_is_complete() {
        let written = write(&config(Some("k")), &BASE, &ask(Direction::Output, &["a"])).expect("written");
        assert_eq!(written.path, "/p/beta/litellm_basic_guardrail_api");
        let body = body(&written);
        assert_eq!(body["input_type"], "response");
        assert_eq!(body["texts"], value!(["a"]));
        assert_eq!(body["structured_messages"], value!([{"role": "assistant", "content": "a"}]));
        assert_eq!(body["request_data"], value!({}));
        assert_eq!(body["additional_provider_specific_params"], value!({}));
        assert_eq!(written.headers["authorization"], "Bearer k");
        let base = Base { prefix: "/x/beta/litellm_basic_guardrail_api", ..BASE };
        let mut config = config(Some("k"));
        config.key_header = Some("x-api-key".to_owned());
        let written = write(&config, &base, &ask(Direction::Input, &["a"])).expect("written");
        assert_eq!(written.path, base.prefix, "who writes the whole address means it");
        assert_eq!(written.headers["x-api-key"], "k");
        assert!(!written.headers.contains_key("authorization"));
    }

    #[test]
    fn actions_are_told_apart() {
        let two = ask(Direction::Input, &["a", "b"]);
        let opinion = |text: &str| read(StatusCode::OK, text.as_bytes(), &two).map(|answer| answer.opinion);
        let objects = |word: &str| Ok(GuardOpinion::Objects(vec![word.to_owned()]));
        assert_eq!(opinion(r#"{"action":"NONE"}"#), Ok(GuardOpinion::Passed));
        assert_eq!(opinion(r#"{"action":"NONE","texts":["a","b"]}"#), Ok(GuardOpinion::Passed));
        assert_eq!(opinion(r#"{"action":"BLOCKED","blocked_reason":"a b"}"#), objects("blocked"));
        let masks = GuardOpinion::Masks {
            texts: vec!["a".to_owned(), "*".to_owned()],
            categories: vec!["intervened".to_owned()],
        };
        assert_eq!(opinion(r#"{"action":"GUARDRAIL_INTERVENED","texts":["a","*"]}"#), Ok(masks.clone()));
        assert_eq!(opinion(r#"{"action":"NONE","texts":["a","*"]}"#), Ok(masks));
        assert_eq!(opinion(r#"{"action":"GUARDRAIL_INTERVENED","texts":["*"]}"#), objects("intervened"));
        assert_eq!(opinion(r#"{"action":"GUARDRAIL_INTERVENED"}"#), objects("intervened"));
        for text in ["{}", r#"{"action":null}"#, r#"{"action":"none"}"#, r#"{"action":"ALLOW"}"#, "<html>"] {
            assert_eq!(opinion(text).expect_err(text).kind, GuardFaultKind::Malformed, "{text}");
        }
    }
}
