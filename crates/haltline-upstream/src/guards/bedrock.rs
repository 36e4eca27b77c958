//! Amazon Bedrock's `ApplyGuardrail`: `POST /guardrail/{id}/version/{version}/apply`. That it
//! intervened can mean that it blocked or that it masked; the assessments say which. What it
//! matched stands in them too, and is not taken over.
//!
//! Source: Amazon Bedrock API reference, "ApplyGuardrail" (request, response, `usage`), and the
//! user guide, "Use the ApplyGuardrail API in your application" and "Use API keys".

use super::GuardSecret;
use super::shape::{Base, Written, json, malformed, rule, segment, success};
use super::sigv4::{self, Access};
use haltline_ports::{Direction, GuardAnswer, GuardAsk, GuardFault, GuardOpinion};
use haltline_types::NanoUsd;
use http::StatusCode;
use http::header::{self, HeaderName};
use serde::Deserialize;
use serde_json::{Map, Value, json as value};
use std::collections::BTreeMap;

/// How calls are authorised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BedrockAccess {
    /// A Bedrock API key.
    ApiKey(GuardSecret),
    /// Keys of an AWS identity; requests are signed.
    Signed {
        /// The region that the signature is for.
        region: String,
        /// `AKIA…` or `ASIA…`.
        access_key_id: GuardSecret,
        /// Its secret.
        secret_access_key: GuardSecret,
        /// Of temporary keys.
        session_token: Option<GuardSecret>,
    },
}

/// What a text unit (up to 1,000 characters) costs, by the name under which `usage` counts it. A
/// name that is not in here makes the cost unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitPrices(pub BTreeMap<String, NanoUsd>);

impl UnitPrices {
    /// As AWS publishes them for us-east-1 ("Amazon Bedrock pricing", Guardrails): $0.15 for a
    /// thousand units of content filters and denied topics, $0.10 of sensitive information and
    /// contextual grounding, $0.17 of each automated reasoning policy; words and regular
    /// expressions are free, and so are images that are never sent.
    #[must_use]
    pub fn published() -> Self {
        let price = |(name, nanodollars): (&str, i64)| (name.to_owned(), NanoUsd::new(nanodollars));
        let units = [
            ("topicPolicyUnits", 150_000),
            ("contentPolicyUnits", 150_000),
            ("contentPolicyImageUnits", 750_000),
            ("wordPolicyUnits", 0),
            ("sensitiveInformationPolicyUnits", 100_000),
            ("sensitiveInformationPolicyFreeUnits", 0),
            ("contextualGroundingPolicyUnits", 100_000),
            ("automatedReasoningPolicyUnits", 170_000),
            // How many policies there are, which `automatedReasoningPolicyUnits` has counted.
            ("automatedReasoningPolicies", 0),
        ];
        Self(units.into_iter().map(price).collect())
    }

    /// What `usage` comes to; none where it cannot be told.
    fn cost(&self, usage: &Map<String, Value>) -> Option<NanoUsd> {
        if usage.is_empty() {
            return None;
        }
        usage.iter().try_fold(NanoUsd::ZERO, |sum, (name, units)| {
            let units = i64::try_from(units.as_u64()?).ok()?;
            if units == 0 {
                return Some(sum);
            }
            let price = self.0.get(name)?;
            sum.checked_add(NanoUsd::new(price.get().checked_mul(units)?))
        })
    }
}

pub(super) fn write(
    guardrail: &str,
    version: &str,
    access: &BedrockAccess,
    base: &Base<'_>,
    ask: &GuardAsk,
) -> Result<Written, GuardFault> {
    let content: Vec<Value> = ask.texts.iter().map(|text| value!({"text": {"text": text.text}})).collect();
    let source = match ask.direction {
        Direction::Input => "INPUT",
        Direction::Output => "OUTPUT",
    };
    let path = format!("{}/guardrail/{}/version/{}/apply", base.prefix, segment(guardrail), segment(version));
    let written = Written::json(path, &value!({"source": source, "content": content}));
    match access {
        BedrockAccess::ApiKey(key) => written.with_secret(header::AUTHORIZATION, &format!("Bearer {}", key.0)),
        BedrockAccess::Signed { region, access_key_id, secret_access_key, session_token } => {
            let access = Access {
                region,
                service: "bedrock",
                key_id: &access_key_id.0,
                secret: &secret_access_key.0,
                token: session_token.as_ref().map(|token| token.0.as_str()),
            };
            let signed = sigv4::sign(&access, base.host, &written.path, &written.body, base.now);
            let mut written = written
                .with_secret(HeaderName::from_static("x-amz-date"), &signed.date)?
                .with_secret(header::AUTHORIZATION, &signed.authorization)?;
            if let Some(token) = access.token {
                written = written.with_secret(HeaderName::from_static("x-amz-security-token"), token)?;
            }
            Ok(written)
        }
    }
}

#[derive(Deserialize)]
struct Applied {
    action: String,
    #[serde(default)]
    outputs: Vec<Output>,
    #[serde(default)]
    assessments: Vec<Map<String, Value>>,
    #[serde(default)]
    usage: Map<String, Value>,
}

#[derive(Deserialize)]
struct Output {
    text: String,
}

pub(super) fn read(
    status: StatusCode,
    body: &[u8],
    ask: &GuardAsk,
    prices: &UnitPrices,
) -> Result<GuardAnswer, GuardFault> {
    success(status)?;
    let applied: Applied = json(body)?;
    let opinion = match applied.action.as_str() {
        "NONE" => GuardOpinion::Passed,
        "GUARDRAIL_INTERVENED" => intervened(ask, &applied),
        _ => return Err(malformed("its action is neither NONE nor GUARDRAIL_INTERVENED")),
    };
    Ok(GuardAnswer { opinion, cost: prices.cost(&applied.usage) })
}

fn intervened(ask: &GuardAsk, applied: &Applied) -> GuardOpinion {
    let (mut blocked, mut masked) = (Vec::new(), Vec::new());
    for assessment in &applied.assessments {
        for (policy, found) in assessment {
            collect(policy, found, &mut blocked, &mut masked);
        }
    }
    if blocked.is_empty() && !masked.is_empty() && applied.outputs.len() == ask.texts.len() {
        let texts = applied.outputs.iter().map(|output| output.text.clone()).collect();
        return GuardOpinion::Masks { texts, categories: masked };
    }
    blocked.extend(masked);
    blocked.truncate(16);
    if blocked.is_empty() {
        blocked.push("intervened".to_owned());
    }
    GuardOpinion::Objects(blocked)
}

/// What a policy has blocked and what it has masked. `kind`: the key that the finding stands under.
fn collect(kind: &str, value: &Value, blocked: &mut Vec<String>, masked: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(kind, item, blocked, masked)),
        Value::Object(map) => {
            if let Some(action) = map.get("action").and_then(Value::as_str) {
                let category = category(kind, map);
                let list = match action {
                    "BLOCKED" => blocked,
                    "ANONYMIZED" => masked,
                    // A finding that is only noted.
                    _ => return,
                };
                if !list.contains(&category) && list.len() < 16 {
                    list.push(category);
                }
                return;
            }
            for (key, inner) in map {
                collect(key, inner, blocked, masked);
            }
        }
        _ => {}
    }
}

/// A finding by its type, or by the name that the operator gave the rule. A word of a list has
/// neither: `match` is the text itself.
fn category(kind: &str, finding: &Map<String, Value>) -> String {
    let text = |key: &str| finding.get(key).and_then(Value::as_str);
    match kind {
        "customWords" => "words".to_owned(),
        "topics" | "regexes" => rule(text("name").unwrap_or(kind)),
        _ => rule(text("type").or_else(|| text("name")).unwrap_or(kind)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::shape::tests::{BASE, ask, body};
    use super::*;
    use haltline_ports::GuardFaultKind;

    fn signed() -> BedrockAccess {
        let secret = |text: &str| GuardSecret(text.to_owned());
        BedrockAccess::Signed {
            region: "us-east-1".to_owned(),
            access_key_id: secret("AKIDEXAMPLE"),
            secret_access_key: secret("not a secret"),
            session_token: Some(secret("token")),
        }
    }

    #[test]
    fn an_arn_is_one_segment_of_the_path() {
        let arn = "arn:aws:bedrock:us-east-1:123456789012:guardrail/abc";
        let access = BedrockAccess::ApiKey(GuardSecret("k".to_owned()));
        let written = write(arn, "DRAFT", &access, &BASE, &ask(Direction::Input, &["a", "b"])).expect("written");
        let path = "/p/guardrail/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aguardrail%2Fabc/version/DRAFT/apply";
        assert_eq!(written.path, path);
        let wanted = value!({"source": "INPUT", "content": [{"text": {"text": "a"}}, {"text": {"text": "b"}}]});
        assert_eq!(body(&written), wanted);
        assert_eq!(written.headers["authorization"], "Bearer k");
        let written = write("abc", "1", &signed(), &BASE, &ask(Direction::Output, &["a"])).expect("written");
        assert_eq!(body(&written)["source"], "OUTPUT");
        assert_eq!(written.headers["x-amz-security-token"], "token");
        assert_eq!(written.headers["x-amz-date"], "20150830T123600Z");
        let authorization = written.headers["authorization"].to_str().expect("text");
        let scope = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/bedrock/aws4_request, SignedHeaders=";
        assert!(authorization.starts_with(scope), "{authorization}");
    }

    fn answer(texts: &[&str], text: &str) -> Result<GuardAnswer, GuardFault> {
        read(StatusCode::OK, text.as_bytes(), &ask(Direction::Input, texts), &UnitPrices::published())
    }

    #[test]
    fn intervened_can_mean_masked() {
        let masked = r#"{"action":"GUARDRAIL_INTERVENED","outputs":[{"text":"mail {EMAIL}"}],
            "assessments":[{"sensitiveInformationPolicy":{"piiEntities":[{"type":"EMAIL","match":"a@b.c","action":"ANONYMIZED"}],"regexes":[]},
                            "contentPolicy":{"filters":[{"type":"HATE","confidence":"LOW","action":"NONE","detected":true}]}}]}"#;
        let masks =
            GuardOpinion::Masks { texts: vec!["mail {EMAIL}".to_owned()], categories: vec!["EMAIL".to_owned()] };
        assert_eq!(answer(&["mail a@b.c"], masked).map(|answer| answer.opinion), Ok(masks));
        // Not one output for each text: nobody knows which is which.
        let objects = |words: &[&str]| Ok(GuardOpinion::Objects(words.iter().map(|word| (*word).to_owned()).collect()));
        assert_eq!(answer(&["mail", "a@b.c"], masked).map(|answer| answer.opinion), objects(&["EMAIL"]));
        let blocked = r#"{"action":"GUARDRAIL_INTERVENED","outputs":[{"text":"Sorry, no."}],
            "assessments":[{"topicPolicy":{"topics":[{"name":"Medical advice","type":"DENY","action":"BLOCKED"}]},
                            "wordPolicy":{"customWords":[{"match":"bluebird","action":"BLOCKED"}],"managedWordLists":[{"match":"x","type":"PROFANITY","action":"BLOCKED"}]},
                            "sensitiveInformationPolicy":{"piiEntities":[{"type":"EMAIL","match":"a@b.c","action":"ANONYMIZED"}]}}]}"#;
        let opinion = answer(&["mail a@b.c"], blocked).map(|answer| answer.opinion);
        assert_eq!(opinion, objects(&["Medical_advice", "words", "PROFANITY", "EMAIL"]));
        let bare = r#"{"action":"GUARDRAIL_INTERVENED","outputs":[{"text":"Sorry, no."}]}"#;
        assert_eq!(answer(&["x"], bare).map(|answer| answer.opinion), objects(&["intervened"]));
    }

    #[test]
    fn units_come_to_a_cost_or_to_none() {
        let with =
            |usage: &str| answer(&["x"], &format!(r#"{{"action":"NONE","usage":{usage}}}"#)).map(|answer| answer.cost);
        let usage = r#"{"topicPolicyUnits":1,"contentPolicyUnits":2,"wordPolicyUnits":1,"sensitiveInformationPolicyUnits":1,"sensitiveInformationPolicyFreeUnits":1,"contextualGroundingPolicyUnits":0}"#;
        assert_eq!(with(usage), Ok(Some(NanoUsd::new(550_000))));
        assert_eq!(with(r#"{"dreamPolicyUnits":0,"topicPolicyUnits":1}"#), Ok(Some(NanoUsd::new(150_000))));
        for unknown in [
            "{}",
            r#"{"dreamPolicyUnits":1}"#,
            r#"{"topicPolicyUnits":-1}"#,
            r#"{"topicPolicyUnits":9223372036854775807}"#,
        ] {
            assert_eq!(with(unknown), Ok(None), "{unknown}");
        }
    }

    #[test]
    fn another_action_is_none() {
        for text in ["{}", r#"{"action":"ALLOW"}"#, r#"{"message":"x"}"#, r#"{"action":null}"#] {
            assert_eq!(answer(&["x"], text).expect_err(text).kind, GuardFaultKind::Malformed, "{text}");
        }
    }
}
