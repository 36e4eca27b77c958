//! A NeMo Guardrails server: `POST /v1/checks`, which runs the rails of a configuration and calls
//! no model of its own accord. It looks at the last message of its kind only, so several texts are
//! joined into one.
//!
//! Source: the package `nemoguardrails` 0.24.1, `server/api.py` (`guardrail_check`),
//! `server/schemas/openai.py` and `rails/llm/llmrails.py` (`check_async`). The field `model` must be
//! there, and any name in it replaces the model that the configuration's own rails ask; empty, it
//! replaces nothing. A configuration that is not there, and a kind of rail that has no flow, is 422.

use super::GuardConfig;
use super::shape::{Base, Written, joined, json, malformed, parted, rule, success};
use haltline_ports::{Direction, GuardAnswer, GuardAsk, GuardFault, GuardOpinion};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json as value;

pub(super) fn write(
    config_id: Option<&str>,
    config: &GuardConfig,
    base: &Base<'_>,
    ask: &GuardAsk,
) -> Result<Written, GuardFault> {
    let (role, rails) = match ask.direction {
        Direction::Input => ("user", "input"),
        Direction::Output => ("assistant", "output"),
    };
    let mut guardrails = value!({"rail_types": [rails]});
    if let (Some(id), Some(map)) = (config_id, guardrails.as_object_mut()) {
        map.insert("config_id".to_owned(), id.into());
    }
    let body = value!({
        "model": "",
        "messages": [{"role": role, "content": joined(ask)}],
        "guardrails": guardrails,
    });
    Written::json(format!("{}/v1/checks", base.prefix), &body).with_key(config)
}

#[derive(Deserialize)]
struct Checked {
    status: String,
    content: String,
    #[serde(default)]
    rail: Option<String>,
}

pub(super) fn read(status: StatusCode, body: &[u8], ask: &GuardAsk) -> Result<GuardAnswer, GuardFault> {
    success(status)?;
    let checked: Checked = json(body)?;
    // The content of a text that is blocked is what a bot would say instead, and no part of it.
    let categories = vec![checked.rail.as_deref().map_or_else(|| "rail".to_owned(), rule)];
    Ok(GuardAnswer::of(match checked.status.as_str() {
        "passed" => GuardOpinion::Passed,
        "blocked" => GuardOpinion::Objects(categories),
        "modified" => match parted(ask, &checked.content) {
            Some(texts) => GuardOpinion::Masks { texts, categories },
            None => GuardOpinion::Objects(categories),
        },
        _ => return Err(malformed("its status is none of passed, modified and blocked")),
    }))
}

#[cfg(test)]
mod tests {
    use super::super::shape::tests::{BASE, ask, body, config};
    use super::*;
    use haltline_ports::GuardFaultKind;

    #[test]
    fn the_direction_says_which_rails_run() {
        let written = write(Some("default"), &config(None), &BASE, &ask(Direction::Input, &["hi"])).expect("written");
        assert_eq!(written.path, "/p/v1/checks");
        let wanted = value!({"model": "", "messages": [{"role": "user", "content": "hi"}],
            "guardrails": {"rail_types": ["input"], "config_id": "default"}});
        assert_eq!(body(&written), wanted);
        let written = write(None, &config(None), &BASE, &ask(Direction::Output, &["hi"])).expect("written");
        let wanted = value!({"model": "", "messages": [{"role": "assistant", "content": "hi"}],
            "guardrails": {"rail_types": ["output"]}});
        assert_eq!(body(&written), wanted);
    }

    #[test]
    fn each_status_is_told_apart() {
        let one = ask(Direction::Input, &["call 555"]);
        let opinion = |text: &str| read(StatusCode::OK, text.as_bytes(), &one).map(|answer| answer.opinion);
        assert_eq!(opinion(r#"{"status":"passed","content":"call 555"}"#), Ok(GuardOpinion::Passed));
        let blocked = r#"{"status":"blocked","content":"I cannot say that.","rail":"self check input"}"#;
        assert_eq!(opinion(blocked), Ok(GuardOpinion::Objects(vec!["self_check_input".to_owned()])));
        let texts = vec!["call ***".to_owned()];
        let masks = GuardOpinion::Masks { texts, categories: vec!["rail".to_owned()] };
        assert_eq!(opinion(r#"{"status":"modified","content":"call ***"}"#), Ok(masks));
        for text in ["{}", r#"{"status":"ok","content":""}"#, r#"{"status":"passed"}"#, r#"{"detail":"x"}"#] {
            assert_eq!(opinion(text).expect_err(text).kind, GuardFaultKind::Malformed, "{text}");
        }
        let fault = read(StatusCode::UNPROCESSABLE_ENTITY, b"{}", &one).expect_err("a bad configuration");
        assert_eq!(fault.kind, GuardFaultKind::Refused);
    }
}
