//! Responses that are kept: gone on from, made in the background, stopped, forgotten, and nobody
//! else's.

use super::providers::{Kind, Spoken};
use super::setup::Setup;
use haltline_testkit::http_client::{Answer, Call};
use haltline_testkit::{RawAnswer, RawEnd};
use http::Method;
use serde_json::{Value, json};
use std::time::Duration;

async fn get(setup: &Setup, path: &str) -> Answer {
    setup.authorized(Call::get(setup.url(path))).send().await.expect("answer")
}

async fn post(setup: &Setup, path: &str, body: &Value) -> Answer {
    setup.authorized(Call::post(setup.url(path)).json(body)).send().await.expect("answer")
}

fn question(text: &str) -> Value {
    json!({"model": Kind::OpenAi.model(), "input": format!("{text} {}", "Some words. ".repeat(80))})
}

fn id_of(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    answer.json().expect("JSON")["id"].as_str().expect("an id").to_owned()
}

/// Asks until the response is no more on its way.
async fn wait_for(setup: &Setup, id: &str) -> Value {
    for _ in 0..200 {
        let kept = get(setup, &format!("/v1/responses/{id}")).await;
        assert_eq!(kept.status, 200, "{:?}", kept.body);
        let response = kept.json().expect("JSON");
        if !matches!(response["status"].as_str(), Some("queued" | "in_progress")) {
            return response;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{id} is never ready");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_goes_on_from_a_response_and_all_of_it_is_sent_and_held() {
    let setup = Setup::start("").await;
    setup.provider.always(RawAnswer::json(200, Spoken::Responses.whole()));
    let first = id_of(&post(&setup, "/v1/responses", &question("The first.")).await);
    let items = get(&setup, &format!("/v1/responses/{first}/input_items")).await.json().expect("JSON");
    assert!(items["data"][0]["content"][0]["text"].as_str().expect("text").starts_with("The first."), "{items}");
    let mut second = question("The second.");
    second["previous_response_id"] = json!(first);
    id_of(&post(&setup, "/v1/responses", &second).await);
    let sent = setup.provider.seen().pop().expect("a call");
    let sent: Value = serde_json::from_slice(&sent.body).expect("JSON");
    let input = sent["input"].as_array().expect("items");
    assert!(input.len() >= 3, "the question, its answer, and the next question: {sent}");
    assert!(input[0].to_string().contains("The first."), "{sent}");
    assert!(sent.get("previous_response_id").is_none() && sent["store"] == false, "{sent}");

    // What is not kept here cannot be gone on from, and nothing is sent.
    let calls = setup.provider.count();
    let mut third = question("The third.");
    third["previous_response_id"] = json!("resp_of_somebody");
    let refused = post(&setup, "/v1/responses", &third).await;
    assert_eq!(refused.status, 400, "{:?}", refused.body);
    assert_eq!(refused.json().expect("JSON")["error"]["param"], "previous_response_id");
    assert_eq!(setup.provider.count(), calls);

    // Forgotten is forgotten.
    let gone = setup.authorized(Call::new(Method::DELETE, setup.url(&format!("/v1/responses/{first}")))).send().await;
    assert_eq!(gone.expect("answer").status, 200);
    assert_eq!(get(&setup, &format!("/v1/responses/{first}")).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_is_made_in_the_background_and_is_nobody_elses() {
    let setup = Setup::start("").await;
    setup.provider.always(RawAnswer::json(200, Spoken::Responses.whole()));
    let mut asked = question("In the background.");
    asked["background"] = json!(true);
    let begun = post(&setup, "/v1/responses", &asked).await;
    assert_eq!(begun.json().expect("JSON")["status"], "queued");
    let id = id_of(&begun);
    let ready = wait_for(&setup, &id).await;
    assert_eq!((&ready["status"], &ready["background"], &ready["id"]), (&json!("completed"), &json!(true), &json!(id)));
    let other = setup.another_key("other");
    let theirs = Call::get(setup.url(&format!("/v1/responses/{id}"))).bearer(&other).send().await.expect("answer");
    assert_eq!(theirs.status, 404);
    setup.assert_balanced(Spoken::Responses.cost());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_in_the_background_can_be_stopped_and_is_charged_once() {
    let setup = Setup::start("").await;
    setup.provider.always(RawAnswer::json(200, "{\"id\":\"").end(RawEnd::Silence));
    let mut asked = question("Never answered.");
    asked["background"] = json!(true);
    let id = id_of(&post(&setup, "/v1/responses", &asked).await);
    for _ in 0..200 {
        let running = get(&setup, &format!("/v1/responses/{id}")).await.json().expect("JSON");
        if running["status"] == "in_progress" && setup.provider.count() == 1 {
            break;
        }
        assert_eq!(running["output"], json!([]));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let stopped = post(&setup, &format!("/v1/responses/{id}/cancel"), &json!({})).await;
    assert_eq!(stopped.json().expect("JSON")["status"], "cancelled");
    assert_eq!(wait_for(&setup, &id).await["status"], "cancelled");
    // The request was sent: what it may have cost is charged, and nothing stays held.
    setup.assert_nothing_is_held().await;
    assert_eq!(setup.provider.count(), 1);
}
