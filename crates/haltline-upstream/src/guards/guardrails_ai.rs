//! A Guardrails AI server: `POST /guards/{name}/validate`. It validates one text at a time, so
//! several are joined. An answer that passes may have been mended (`on_fail="fix"`).
//!
//! Source: the packages `guardrails-ai` 0.11.0 and `guardrails-api` 0.4.4, `api/guards.py`,
//! `classes/validate_request.py` and `utils/handle_error.py`: a validator with
//! `on_fail="exception"` is answered with status 400 and a `detail`, and all other 4xx of this
//! address are mistakes of the caller.

use super::GuardConfig;
use super::shape::{Base, Written, joined, json, malformed, parted, segment, success, word};
use haltline_ports::{GuardAnswer, GuardAsk, GuardFault, GuardOpinion};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json as value};

pub(super) fn write(guard: &str, config: &GuardConfig, base: &Base<'_>, ask: &GuardAsk) -> Result<Written, GuardFault> {
    let path = format!("{}/guards/{}/validate", base.prefix, segment(guard));
    let body = value!({"llm_output": joined(ask), "num_reasks": 0, "prompt_params": {}});
    Written::json(path, &body).with_key(config)
}

/// Older and newer servers write names their own way.
#[derive(Deserialize)]
struct Outcome {
    #[serde(rename = "validationPassed", alias = "validation_passed")]
    passed: bool,
    #[serde(rename = "validatedOutput", alias = "validated_output", default)]
    output: Option<Value>,
    #[serde(rename = "validationSummaries", alias = "validation_summaries", default)]
    summaries: Option<Vec<Summary>>,
}

#[derive(Deserialize)]
struct Summary {
    #[serde(rename = "validatorName", alias = "validator_name", default)]
    name: Option<String>,
}

#[derive(Deserialize)]
struct Failed {
    /// Quotes the text.
    #[serde(rename = "detail")]
    _detail: String,
}

pub(super) fn read(status: StatusCode, body: &[u8], ask: &GuardAsk) -> Result<GuardAnswer, GuardFault> {
    if status == StatusCode::BAD_REQUEST && serde_json::from_slice::<Failed>(body).is_ok() {
        return Ok(GuardAnswer::of(GuardOpinion::Objects(vec!["validation".to_owned()])));
    }
    success(status)?;
    let outcome: Outcome = json(body)?;
    let mut categories: Vec<String> = Vec::new();
    for summary in outcome.summaries.into_iter().flatten().take(16) {
        let name = word(summary.name.as_deref().unwrap_or_default());
        if !categories.contains(&name) {
            categories.push(name);
        }
    }
    if categories.is_empty() {
        categories.push("validation".to_owned());
    }
    if !outcome.passed {
        return Ok(GuardAnswer::of(GuardOpinion::Objects(categories)));
    }
    let Some(Value::String(output)) = outcome.output else {
        return Err(malformed("it says that validation has passed, and gives no text that has"));
    };
    if output == joined(ask) {
        return Ok(GuardAnswer::of(GuardOpinion::Passed));
    }
    Ok(GuardAnswer::of(match parted(ask, &output) {
        Some(texts) => GuardOpinion::Masks { texts, categories },
        None => GuardOpinion::Objects(categories),
    }))
}

#[cfg(test)]
mod tests {
    use super::super::shape::tests::{BASE, ask, body, config};
    use super::*;
    use haltline_ports::{Direction, GuardFaultKind};

    #[test]
    fn a_request_names_the_guard_in_its_path() {
        let written =
            write("my guard/x", &config(Some("k")), &BASE, &ask(Direction::Output, &["hello"])).expect("written");
        assert_eq!(written.path, "/p/guards/my%20guard%2Fx/validate");
        assert_eq!(body(&written), value!({"llm_output": "hello", "num_reasks": 0, "prompt_params": {}}));
        assert_eq!(written.headers["authorization"], "Bearer k");
    }

    #[test]
    fn answers_are_told_apart() {
        let one = ask(Direction::Output, &["call 555"]);
        let read = |code: u16, text: &str| read(StatusCode::from_u16(code).expect("a status"), text.as_bytes(), &one);
        let opinion = |code, text: &str| read(code, text).map(|answer| answer.opinion);
        let passed = r#"{"callId":"1","rawLlmOutput":"call 555","validatedOutput":"call 555","validationPassed":true}"#;
        assert_eq!(opinion(200, passed), Ok(GuardOpinion::Passed));
        let snake = r#"{"validated_output":"call 555","validation_passed":true}"#;
        assert_eq!(opinion(200, snake), Ok(GuardOpinion::Passed));
        let fixed = r#"{"validatedOutput":"call ***","validationPassed":true,"validationSummaries":[{"validatorName":"Phone"}]}"#;
        let texts = vec!["call ***".to_owned()];
        assert_eq!(opinion(200, fixed), Ok(GuardOpinion::Masks { texts, categories: vec!["Phone".to_owned()] }));
        let failed = r#"{"validatedOutput":null,"validationPassed":false,"validationSummaries":[{"validatorName":"a b","failureReason":"call 555"}]}"#;
        assert_eq!(opinion(200, failed), Ok(GuardOpinion::Objects(vec!["other".to_owned()])));
        let raised = r#"{"detail":"Validation failed for field with errors: call 555"}"#;
        assert_eq!(opinion(400, raised), Ok(GuardOpinion::Objects(vec!["validation".to_owned()])));
        for (code, text, kind) in [
            (400, "<html>", GuardFaultKind::Refused),
            (404, r#"{"detail":"no guard"}"#, GuardFaultKind::Refused),
            (422, r#"{"detail":[]}"#, GuardFaultKind::Refused),
            (500, r#"{"detail":"Internal Server Error"}"#, GuardFaultKind::Refused),
            (200, "{}", GuardFaultKind::Malformed),
            (200, r#"{"validationPassed":true}"#, GuardFaultKind::Malformed),
            (200, r#"{"validationPassed":"yes","validatedOutput":"call 555"}"#, GuardFaultKind::Malformed),
            (200, r#"{"validationPassed":true,"validatedOutput":{"a":1}}"#, GuardFaultKind::Malformed),
        ] {
            assert_eq!(read(code, text).expect_err(text).kind, kind, "{text}");
        }
    }
}
