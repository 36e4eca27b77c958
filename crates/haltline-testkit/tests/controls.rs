//! The control API and the control words, as another process uses them; and the binary.

use crate::{LIMIT, provider};
use haltline_testkit::Behaviour;
use haltline_testkit::http_client::Call;
use serde_json::json;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

#[tokio::test]
async fn scripts_are_set_and_bills_read_over_http() {
    let provider = provider(Behaviour::default()).await;
    let origin = provider.origin();
    let script = json!({"script": {"queue": {"first": [{"kind": "status", "status": 529}],
        "then": {"kind": "answer", "tokens": 2}}}});
    let set = Call::post(format!("{origin}/__control")).json(&script).send().await.expect("control");
    assert_eq!(set.status, 200, "{:?}", set.body);
    let first = Call::chat(&origin, "m", "abcd", 9).send().await.expect("answer");
    let second = Call::chat(&origin, "m", "abcd", 9).send().await.expect("answer");
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (529, 200));
    let bill = Call::get(format!("{origin}/__bill")).send().await.expect("bill").json().expect("json");
    assert_eq!(bill["total_nanodollars"], 1 + 3 * 2);
    assert_eq!(bill["attempts"][0]["outcome"], "delivered");
    let calls = Call::get(format!("{origin}/__calls")).send().await.expect("calls").json().expect("json");
    assert_eq!((&calls["chat"], &calls["rejected"]), (&json!(2), &json!(1)));
    Call::post(format!("{origin}/__reset")).send().await.expect("reset");
    assert_eq!(provider.calls().chat, 0);
    let refused = Call::post(format!("{origin}/__control")).json(&json!({"scirpt": 1})).send().await.expect("answer");
    assert_eq!(refused.status, 400);
}

#[tokio::test]
async fn words_in_the_prompt_go_before_the_script() {
    let provider = provider(Behaviour::status(500)).await;
    let origin = provider.origin();
    let good = Call::chat(&origin, "m", "say [[tokens:3]]", 9).send().await.expect("answer");
    assert_eq!(good.json().expect("json")["usage"]["completion_tokens"], 3);
    let limited = Call::chat(&origin, "m", "[[status:429]][[retry-after:5]]", 9).send().await.expect("answer");
    assert_eq!((limited.status.as_u16(), limited.header("retry-after")), (429, Some("5")));
    let plain = Call::chat(&origin, "m", "nothing special", 9).send().await.expect("answer");
    assert_eq!(plain.status, 500);
    let bill = provider.settled_bill(LIMIT).await.expect("bill");
    assert_eq!(bill.attempts.len(), 1);
}

#[tokio::test]
async fn the_binary_says_where_it_is_and_bills_at_its_prices() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_fake-provider"))
        .args(["--port", "0", "--price-in", "1", "--price-out", "10", "--tokens", "4"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("stdout")).read_line(&mut line).expect("a line");
    let origin = line.trim().strip_prefix("ready ").expect("ready").to_owned();
    let answer = Call::chat(&origin, "m", "abcd", 9).send().await;
    let bill = Call::get(format!("{origin}/__bill")).send().await;
    child.kill().expect("kill");
    child.wait().expect("wait");
    assert_eq!(answer.expect("answer").status, 200);
    assert_eq!(bill.expect("bill").json().expect("json")["total_nanodollars"], 1000 + 4 * 10_000);
}
