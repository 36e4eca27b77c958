//! OpenAI's moderation endpoint: `POST /moderations`, one result for each text. It knows harm of
//! many kinds and no injection. It is free of charge.
//!
//! Source: OpenAI's API reference, "Create moderation": `results[].flagged`, `.categories` and
//! `.category_scores`, with `input` as a string or a list of strings.

use super::GuardConfig;
use super::shape::{Base, Written, json, malformed, success, words};
use haltline_ports::{GuardAnswer, GuardAsk, GuardFault, GuardOpinion};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json as value;
use std::collections::BTreeMap;

pub(super) fn write(model: &str, config: &GuardConfig, base: &Base<'_>, ask: &GuardAsk) -> Result<Written, GuardFault> {
    let texts: Vec<&str> = ask.texts.iter().map(|text| text.text.as_str()).collect();
    let body = value!({"model": model, "input": texts});
    Written::json(format!("{}/moderations", base.prefix), &body).with_key(config)
}

#[derive(Deserialize)]
struct Moderation {
    results: Vec<One>,
}

#[derive(Deserialize)]
struct One {
    flagged: bool,
    /// A category that does not apply to what was asked about is null.
    categories: BTreeMap<String, Option<bool>>,
    #[serde(default)]
    category_scores: BTreeMap<String, Option<f64>>,
}

/// With thresholds a category counts from its score on, and any other where OpenAI says so.
/// Without, OpenAI's own verdict stands.
pub(super) fn read(
    status: StatusCode,
    body: &[u8],
    ask: &GuardAsk,
    thresholds: &BTreeMap<String, f64>,
) -> Result<GuardAnswer, GuardFault> {
    success(status)?;
    let moderation: Moderation = json(body)?;
    if moderation.results.len() != ask.texts.len() {
        return Err(malformed("it has not as many results as it was asked about texts"));
    }
    let mut hits: Vec<&str> = Vec::new();
    for one in &moderation.results {
        let before = hits.len();
        for (category, said) in &one.categories {
            let is_hit = match thresholds.get(category) {
                None => said.unwrap_or(false),
                Some(least) => score(one, category)? >= *least,
            };
            if is_hit {
                hits.push(category);
            }
        }
        if let Some(unknown) = thresholds.keys().find(|category| !one.categories.contains_key(*category)) {
            return Err(malformed(&format!("it knows no category `{unknown}`, for which a threshold is configured")));
        }
        if thresholds.is_empty() && one.flagged && hits.len() == before {
            hits.push("flagged");
        }
    }
    let opinion = if hits.is_empty() { GuardOpinion::Passed } else { GuardOpinion::Objects(words(hits)) };
    Ok(GuardAnswer::of(opinion))
}

fn score(one: &One, category: &str) -> Result<f64, GuardFault> {
    let score = one.category_scores.get(category).copied().flatten();
    score.ok_or_else(|| malformed(&format!("it gives no score of `{category}`, for which a threshold is configured")))
}

#[cfg(test)]
mod tests {
    use super::super::shape::tests::{BASE, ask, body, config};
    use super::*;
    use haltline_ports::{Direction, GuardFaultKind};

    #[test]
    fn all_texts_are_one_request() {
        let written = write("omni-moderation-latest", &config(Some("k")), &BASE, &ask(Direction::Input, &["a", "b"]))
            .expect("ok");
        assert_eq!(written.path, "/p/moderations");
        assert_eq!(body(&written), value!({"model": "omni-moderation-latest", "input": ["a", "b"]}));
        assert_eq!(written.headers["authorization"], "Bearer k");
    }

    #[test]
    fn thresholds_stand_in_for_the_verdict_of_their_category() {
        let one = ask(Direction::Input, &["a"]);
        let body = br#"{"id":"m","model":"o","results":[{"flagged":true,
            "categories":{"violence":true,"hate":false,"illicit":null},
            "category_scores":{"violence":0.7,"hate":0.4}}]}"#;
        let opinion = |thresholds: &[(&str, f64)]| {
            let thresholds = thresholds.iter().map(|(name, least)| ((*name).to_owned(), *least)).collect();
            read(StatusCode::OK, body, &one, &thresholds).map(|answer| answer.opinion)
        };
        let objects = |words: &[&str]| Ok(GuardOpinion::Objects(words.iter().map(|word| (*word).to_owned()).collect()));
        assert_eq!(opinion(&[]), objects(&["violence"]));
        assert_eq!(opinion(&[("violence", 0.8)]), Ok(GuardOpinion::Passed));
        assert_eq!(opinion(&[("hate", 0.3)]), objects(&["hate", "violence"]));
        assert_eq!(opinion(&[("hat", 0.3)]).expect_err("a typing error").kind, GuardFaultKind::Malformed);
        assert_eq!(opinion(&[("illicit", 0.3)]).expect_err("no score").kind, GuardFaultKind::Malformed);
    }

    #[test]
    fn a_verdict_that_is_missing_is_no_verdict() {
        let two = ask(Direction::Input, &["a", "b"]);
        let none = BTreeMap::new();
        let fine = r#"{"results":[{"flagged":false,"categories":{}},{"flagged":false,"categories":{"x":false}}]}"#;
        assert_eq!(read(StatusCode::OK, fine.as_bytes(), &two, &none), Ok(GuardAnswer::of(GuardOpinion::Passed)));
        let bare = r#"{"results":[{"flagged":false,"categories":{}},{"flagged":true,"categories":{}}]}"#;
        let objects = GuardOpinion::Objects(vec!["flagged".to_owned()]);
        assert_eq!(read(StatusCode::OK, bare.as_bytes(), &two, &none), Ok(GuardAnswer::of(objects)));
        for text in [r#"{"results":[{"flagged":false,"categories":{}}]}"#, r#"{"results":[]}"#, "{}", "null", ""] {
            let fault = read(StatusCode::OK, text.as_bytes(), &two, &none).expect_err(text);
            assert_eq!(fault.kind, GuardFaultKind::Malformed, "{text}");
        }
    }
}
