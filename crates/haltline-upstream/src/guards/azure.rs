//! Azure AI Content Safety's Prompt Shields: `POST /contentsafety/text:shieldPrompt`. What users
//! say is the prompt; what tools and documents say are documents, in which instructions are an
//! attack. Answers of models are nothing for it.
//!
//! Source: Microsoft Learn, "Quickstart: Prompt Shields" (api-version 2024-09-01) for the shapes,
//! "What is Azure AI Content Safety", input requirements, for the bounds: a prompt of 10,000
//! characters, five documents with 10,000 together.

use super::GuardConfig;
use super::shape::{Base, Written, json, malformed, segment, success};
use haltline_ports::{Direction, GuardAnswer, GuardAsk, GuardFault, GuardFaultKind, GuardOpinion, GuardText, Speaker};
use http::StatusCode;
use http::header::HeaderName;
use serde::Deserialize;
use serde_json::{Map, Value};

const KEY: HeaderName = HeaderName::from_static("ocp-apim-subscription-key");
const CHARS_MAX: usize = 10_000;
const DOCUMENTS_MAX: usize = 5;

fn is_document(text: &GuardText) -> bool {
    matches!(text.speaker, Speaker::Tool | Speaker::Document)
}

fn prompt(ask: &GuardAsk) -> Option<String> {
    let said: Vec<&str> = ask.texts.iter().filter(|text| !is_document(text)).map(|text| text.text.as_str()).collect();
    (!said.is_empty()).then(|| said.join("\n\n"))
}

fn documents(ask: &GuardAsk) -> Vec<&str> {
    ask.texts.iter().filter(|text| is_document(text)).map(|text| text.text.as_str()).collect()
}

pub(super) fn write(
    api_version: &str,
    config: &GuardConfig,
    base: &Base<'_>,
    ask: &GuardAsk,
) -> Result<Written, GuardFault> {
    let refused = |why: &str| GuardFault::not_sent(GuardFaultKind::Refused, why);
    if ask.direction == Direction::Output {
        return Err(refused("Prompt Shields looks at prompts and documents only, not at answers"));
    }
    let (prompt, documents) = (prompt(ask), documents(ask));
    let chars = |text: &str| text.chars().count();
    if prompt.as_deref().map_or(0, chars) > CHARS_MAX
        || documents.iter().map(|text| chars(text)).sum::<usize>() > CHARS_MAX
    {
        return Err(refused("the text is longer than Prompt Shields takes (10,000 characters)"));
    }
    if documents.len() > DOCUMENTS_MAX {
        return Err(refused("there are more documents than Prompt Shields takes (5)"));
    }
    let mut body = Map::new();
    if let Some(prompt) = prompt {
        body.insert("userPrompt".to_owned(), Value::String(prompt));
    }
    if !documents.is_empty() {
        body.insert("documents".to_owned(), documents.into());
    }
    let path = format!("{}/contentsafety/text:shieldPrompt?api-version={}", base.prefix, segment(api_version));
    let written = Written::json(path, &Value::Object(body));
    match &config.key {
        Some(key) => written.with_secret(KEY, &key.0),
        None => Ok(written),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shield {
    user_prompt_analysis: Option<Analysis>,
    documents_analysis: Option<Vec<Analysis>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Analysis {
    attack_detected: bool,
}

pub(super) fn read(status: StatusCode, body: &[u8], ask: &GuardAsk) -> Result<GuardAnswer, GuardFault> {
    success(status)?;
    let shield: Shield = json(body)?;
    let mut categories = Vec::new();
    if prompt(ask).is_some() {
        let analysis = shield.user_prompt_analysis.ok_or_else(|| malformed("it says nothing of the prompt"))?;
        if analysis.attack_detected {
            categories.push("prompt_attack".to_owned());
        }
    }
    let analyses = shield.documents_analysis.unwrap_or_default();
    if analyses.len() != documents(ask).len() {
        return Err(malformed("it does not speak of as many documents as it was asked about"));
    }
    if analyses.iter().any(|analysis| analysis.attack_detected) {
        categories.push("document_attack".to_owned());
    }
    Ok(GuardAnswer::of(if categories.is_empty() { GuardOpinion::Passed } else { GuardOpinion::Objects(categories) }))
}

#[cfg(test)]
mod tests {
    use super::super::shape::tests::{BASE, ask, body, config};
    use super::*;
    use serde_json::json as value;

    fn mixed() -> GuardAsk {
        let mut ask = ask(Direction::Input, &["hello", "a page", "a result"]);
        ask.texts[1].speaker = Speaker::Document;
        ask.texts[2].speaker = Speaker::Tool;
        ask
    }

    #[test]
    fn what_tools_say_are_documents() {
        let written = write("2024-09-01", &config(Some("k")), &BASE, &mixed()).expect("written");
        assert_eq!(written.path, "/p/contentsafety/text:shieldPrompt?api-version=2024-09-01");
        assert_eq!(body(&written), value!({"userPrompt": "hello", "documents": ["a page", "a result"]}));
        assert_eq!(written.headers["ocp-apim-subscription-key"], "k");
        assert!(!written.headers.contains_key("authorization"));
    }

    #[test]
    fn what_it_would_cut_or_not_look_at_is_not_sent() {
        let long = "x".repeat(CHARS_MAX + 1);
        for ask in [
            ask(Direction::Input, &[&long]),
            ask(Direction::Output, &["an answer"]),
            GuardAsk { texts: vec![mixed().texts[1].clone(); 6], ..mixed() },
        ] {
            let fault = write("v", &config(None), &BASE, &ask).expect_err("refused");
            assert_eq!(fault.billing, haltline_types::Billing::NotSent);
        }
    }

    #[test]
    fn every_part_needs_its_verdict() {
        let read = |text: &str| read(StatusCode::OK, text.as_bytes(), &mixed()).map(|answer| answer.opinion);
        let fine = r#"{"userPromptAnalysis":{"attackDetected":false},"documentsAnalysis":[{"attackDetected":false},{"attackDetected":false}]}"#;
        assert_eq!(read(fine), Ok(GuardOpinion::Passed));
        let both = fine.replace("false", "true");
        let objects = |words: &[&str]| Ok(GuardOpinion::Objects(words.iter().map(|word| (*word).to_owned()).collect()));
        assert_eq!(read(&both), objects(&["prompt_attack", "document_attack"]));
        let last = fine.replacen("false", "true", 3).replacen("true", "false", 2);
        assert_eq!(read(&last), objects(&["document_attack"]));
        for text in [
            "{}",
            r#"{"userPromptAnalysis":{"attackDetected":false}}"#,
            r#"{"userPromptAnalysis":null,"documentsAnalysis":[{"attackDetected":false},{"attackDetected":false}]}"#,
            r#"{"userPromptAnalysis":{},"documentsAnalysis":[]}"#,
        ] {
            assert_eq!(read(text).expect_err(text).kind, GuardFaultKind::Malformed, "{text}");
        }
    }
}
