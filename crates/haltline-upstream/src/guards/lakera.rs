//! Lakera Guard: `POST /v2/guard`. It screens the last interaction of what it is sent. Where
//! nothing but detectors of personal data has found something, the places that it names are
//! masked; anything else is an objection.
//!
//! Source: docs.lakera.ai, "Screen content for threats": `flagged`; `breakdown` and `payload` on
//! request. Offsets count characters of the message's content, as LiteLLM and aisix take them.

use super::GuardConfig;
use super::shape::{Base, Written, json, role, success, word, words};
use haltline_ports::{GuardAnswer, GuardAsk, GuardFault, GuardOpinion};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json as value};

pub(super) fn write(
    project: Option<&str>,
    config: &GuardConfig,
    base: &Base<'_>,
    ask: &GuardAsk,
) -> Result<Written, GuardFault> {
    let message = |text: &haltline_ports::GuardText| value!({"role": role(text.speaker), "content": text.text});
    let messages: Vec<Value> = ask.texts.iter().map(message).collect();
    let mut body = value!({"messages": messages, "breakdown": true, "payload": true});
    if let (Some(project), Some(map)) = (project, body.as_object_mut()) {
        map.insert("project_id".to_owned(), project.into());
    }
    Written::json(format!("{}/v2/guard", base.prefix), &body).with_key(config)
}

#[derive(Deserialize)]
struct Screened {
    flagged: bool,
    #[serde(default)]
    breakdown: Option<Vec<Detector>>,
    #[serde(default)]
    payload: Option<Vec<Span>>,
}

#[derive(Deserialize)]
struct Detector {
    detector_type: String,
    detected: bool,
}

#[derive(Deserialize)]
struct Span {
    message_id: usize,
    start: usize,
    end: usize,
    detector_type: String,
}

const PERSONAL: &str = "pii/";

pub(super) fn read(status: StatusCode, body: &[u8], ask: &GuardAsk) -> Result<GuardAnswer, GuardFault> {
    success(status)?;
    let screened: Screened = json(body)?;
    if !screened.flagged {
        return Ok(GuardAnswer::of(GuardOpinion::Passed));
    }
    let breakdown = screened.breakdown.unwrap_or_default();
    let detected: Vec<&str> =
        breakdown.iter().filter(|one| one.detected).map(|one| one.detector_type.as_str()).collect();
    let categories = if detected.is_empty() { vec!["flagged".to_owned()] } else { words(detected.iter().copied()) };
    let only_personal = !detected.is_empty() && detected.iter().all(|name| name.starts_with(PERSONAL));
    let masked = if only_personal { masked(ask, screened.payload.unwrap_or_default()) } else { None };
    Ok(GuardAnswer::of(match masked {
        Some(texts) => GuardOpinion::Masks { texts, categories },
        None => GuardOpinion::Objects(categories),
    }))
}

/// The texts with every span replaced; none unless all spans can be believed, and there are some.
fn masked(ask: &GuardAsk, mut spans: Vec<Span>) -> Option<Vec<String>> {
    if spans.is_empty() {
        return None;
    }
    let mut texts: Vec<String> = ask.texts.iter().map(|text| text.text.clone()).collect();
    // From the end, so that places before stay where they are; of those that overlap the first
    // takes in the rest.
    spans.sort_by_key(|span| (span.message_id, span.start));
    let mut merged: Vec<Span> = Vec::new();
    for span in spans {
        match merged.last_mut() {
            Some(last) if last.message_id == span.message_id && span.start < last.end => {
                last.end = last.end.max(span.end);
            }
            _ => merged.push(span),
        }
    }
    for span in merged.iter().rev() {
        let text = texts.get_mut(span.message_id)?;
        let at = |count: usize| text.char_indices().map(|(at, _)| at).chain([text.len()]).nth(count);
        let (start, end) = (at(span.start)?, at(span.end)?);
        if start >= end {
            return None;
        }
        text.replace_range(start..end, &format!("[REDACTED:{}]", word(&span.detector_type)));
    }
    Some(texts)
}

#[cfg(test)]
mod tests {
    use super::super::shape::tests::{BASE, ask, body, config};
    use super::*;
    use haltline_ports::{Direction, GuardFaultKind};

    #[test]
    fn spans_and_detectors_are_asked_for() {
        let written =
            write(Some("project-1"), &config(Some("k")), &BASE, &ask(Direction::Output, &["hi"])).expect("ok");
        assert_eq!(written.path, "/p/v2/guard");
        let wanted = value!({"messages": [{"role": "assistant", "content": "hi"}], "breakdown": true, "payload": true,
            "project_id": "project-1"});
        assert_eq!(body(&written), wanted);
        assert_eq!(written.headers["authorization"], "Bearer k");
        let written = write(None, &config(None), &BASE, &ask(Direction::Input, &["hi"])).expect("ok");
        assert!(body(&written).get("project_id").is_none());
    }

    fn opinion(texts: &[&str], text: &str) -> Result<GuardOpinion, GuardFault> {
        read(StatusCode::OK, text.as_bytes(), &ask(Direction::Input, texts)).map(|answer| answer.opinion)
    }

    #[test]
    fn only_personal_data_is_masked() {
        let said = r#"{"flagged":true,"breakdown":[{"detector_type":"pii/email","detected":true},{"detector_type":"prompt_attack","detected":false}],
            "payload":[{"message_id":1,"start":3,"end":8,"text":"a@b.c","detector_type":"pii/email","labels":[]},
                       {"message_id":1,"start":5,"end":9,"text":"b.cd","detector_type":"pii/name","labels":[]}],
            "metadata":{"request_uuid":"u"}}"#;
        let texts = vec!["x".to_owned(), "\u{e9}: [REDACTED:pii/email]!".to_owned()];
        let masks = GuardOpinion::Masks { texts, categories: vec!["pii/email".to_owned()] };
        assert_eq!(opinion(&["x", "\u{e9}: a@b.cd!"], said), Ok(masks));
        let objects = |words: &[&str]| Ok(GuardOpinion::Objects(words.iter().map(|word| (*word).to_owned()).collect()));
        let attack = said.replace("\"detected\":false", "\"detected\":true");
        assert_eq!(opinion(&["x", "\u{e9}: a@b.cd!"], &attack), objects(&["pii/email", "prompt_attack"]));
        // Spans that are nowhere: nothing is mended that cannot be.
        assert_eq!(opinion(&["x", "short"], said), objects(&["pii/email"]));
        assert_eq!(opinion(&["x"], said), objects(&["pii/email"]));
        let no_spans = r#"{"flagged":true,"breakdown":[{"detector_type":"pii/email","detected":true}]}"#;
        assert_eq!(opinion(&["x"], no_spans), objects(&["pii/email"]));
    }

    #[test]
    fn flagged_is_flagged() {
        assert_eq!(opinion(&["x"], r#"{"flagged":false}"#), Ok(GuardOpinion::Passed));
        assert_eq!(opinion(&["x"], r#"{"flagged":true}"#), Ok(GuardOpinion::Objects(vec!["flagged".to_owned()])));
        for text in ["{}", r#"{"flagged":null}"#, r#"{"flagged":"false"}"#, "[]", r#"{"error":"x"}"#] {
            assert_eq!(opinion(&["x"], text).expect_err(text).kind, GuardFaultKind::Malformed, "{text}");
        }
    }
}
