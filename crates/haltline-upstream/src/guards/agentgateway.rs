//! A webhook in the dialect of agentgateway: `POST /request` and `POST /response`. Its actions
//! carry no name of their own and are told apart by what they have: a `body` with a `status_code`
//! rejects, a `body` with messages or choices masks, and a `reason` alone passes.
//!
//! Source: agentgateway, `crates/agentgateway/src/llm/policy/webhook.rs`.

use super::GuardConfig;
use super::shape::{Base, Written, json, malformed, role, success};
use haltline_ports::{Direction, GuardAnswer, GuardAsk, GuardFault, GuardOpinion};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json as value};

pub(super) fn write(config: &GuardConfig, base: &Base<'_>, ask: &GuardAsk) -> Result<Written, GuardFault> {
    let messages = ask.texts.iter().map(|text| value!({"role": role(text.speaker), "content": text.text}));
    let (path, body) = match ask.direction {
        Direction::Input => ("request", value!({"body": {"messages": messages.collect::<Vec<_>>()}})),
        Direction::Output => {
            let choices: Vec<Value> = messages.map(|message| value!({"message": message})).collect();
            ("response", value!({"body": {"choices": choices}}))
        }
    };
    Written::json(format!("{}/{path}", base.prefix), &body).with_key(config)
}

#[derive(Deserialize)]
struct Answer {
    action: Map<String, Value>,
}

#[derive(Deserialize)]
struct Message {
    content: String,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Mended {
    Messages { messages: Vec<Message> },
    Choices { choices: Vec<Choice> },
}

pub(super) fn read(status: StatusCode, body: &[u8], ask: &GuardAsk) -> Result<GuardAnswer, GuardFault> {
    success(status)?;
    let Answer { action } = json(body)?;
    let opinion = match action.get("body") {
        Some(Value::String(_)) if action.get("status_code").is_some_and(Value::is_u64) => {
            GuardOpinion::Objects(vec!["rejected".to_owned()])
        }
        Some(mended @ Value::Object(_)) => {
            let mended =
                Mended::deserialize(mended).map_err(|_| malformed("it masks with neither messages nor choices"))?;
            let texts: Vec<String> = match mended {
                Mended::Messages { messages } => messages.into_iter().map(|message| message.content).collect(),
                Mended::Choices { choices } => choices.into_iter().map(|choice| choice.message.content).collect(),
            };
            let categories = vec!["masked".to_owned()];
            if texts.len() == ask.texts.len() {
                GuardOpinion::Masks { texts, categories }
            } else {
                GuardOpinion::Objects(categories)
            }
        }
        None if action.keys().all(|key| key == "reason") => GuardOpinion::Passed,
        _ => return Err(malformed("its action is none of pass, mask and reject")),
    };
    Ok(GuardAnswer::of(opinion))
}

#[cfg(test)]
mod tests {
    use super::super::shape::tests::{BASE, ask, body, config};
    use super::*;
    use haltline_ports::GuardFaultKind;

    #[test]
    fn each_direction_has_its_address_and_body() {
        let written = write(&config(None), &BASE, &ask(Direction::Input, &["a"])).expect("written");
        assert_eq!(written.path, "/p/request");
        assert_eq!(body(&written), value!({"body": {"messages": [{"role": "user", "content": "a"}]}}));
        let written = write(&config(None), &BASE, &ask(Direction::Output, &["a"])).expect("written");
        assert_eq!(written.path, "/p/response");
        let wanted = value!({"body": {"choices": [{"message": {"role": "assistant", "content": "a"}}]}});
        assert_eq!(body(&written), wanted);
    }

    #[test]
    fn actions_are_told_apart_by_what_they_have() {
        let one = ask(Direction::Input, &["a"]);
        let opinion = |text: &str| read(StatusCode::OK, text.as_bytes(), &one).map(|answer| answer.opinion);
        assert_eq!(opinion(r#"{"action":{"reason":"a is fine"}}"#), Ok(GuardOpinion::Passed));
        assert_eq!(opinion(r#"{"action":{}}"#), Ok(GuardOpinion::Passed));
        let rejected = r#"{"action":{"body":"no","status_code":403,"reason":"a"}}"#;
        assert_eq!(opinion(rejected), Ok(GuardOpinion::Objects(vec!["rejected".to_owned()])));
        let masks =
            |text: &str| GuardOpinion::Masks { texts: vec![text.to_owned()], categories: vec!["masked".to_owned()] };
        let mask = r#"{"action":{"body":{"messages":[{"role":"user","content":"*"}]},"reason":"r"}}"#;
        assert_eq!(opinion(mask), Ok(masks("*")));
        let mask = r#"{"action":{"body":{"choices":[{"message":{"role":"assistant","content":"*"}}]}}}"#;
        assert_eq!(opinion(mask), Ok(masks("*")));
        let mask = r#"{"action":{"body":{"messages":[]}}}"#;
        assert_eq!(opinion(mask), Ok(GuardOpinion::Objects(vec!["masked".to_owned()])));
        for text in [
            "{}",
            r#"{"action":"pass"}"#,
            r#"{"action":null}"#,
            r#"{"action":{"status_code":403}}"#,
            r#"{"action":{"body":"no"}}"#,
            r#"{"action":{"body":{"other":[]}}}"#,
            r#"{"action":{"body":null}}"#,
        ] {
            assert_eq!(opinion(text).expect_err(text).kind, GuardFaultKind::Malformed, "{text}");
        }
    }
}
