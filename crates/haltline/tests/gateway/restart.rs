//! Ends and beginnings: drain, kill, and what the books say afterwards.

use crate::setup::{Setup, ask};
use haltline_testkit::Answer as BehaviourAnswer;
use haltline_testkit::{Behaviour, FakeConfig, Pace};
use haltline_types::{NanoUsd, Tokens};
use serde_json::json;
use std::time::Duration;

const MODEL: &str = "[models.chat]\ntargets = [\"fake/m\"]\nmax_output_tokens = 1000\n[[budgets]]\nname = \"day\"\nscope = \"global\"\nlimit = \"$1\"\nwindow = \"day\"\n";

fn slow_stream() -> Behaviour {
    let pace = Pace { interval: Duration::from_millis(20), tokens_per_chunk: Tokens::new(1) };
    Behaviour::Answer(BehaviourAnswer { tokens: Some(Tokens::new(50)), pace, ..Default::default() })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_lets_running_answers_finish() {
    let mut setup = Setup::start(FakeConfig::with_script(slow_stream()), MODEL).await;
    let mut body = ask("finish me");
    body["stream"] = json!(true);
    let mut open = setup.post(&body).open().await.expect("stream");
    open.piece().await.expect("piece").expect("content");
    let reading = tokio::spawn(open.read());
    let status = setup.gateway.term(Duration::from_secs(20)).await.expect("ended");
    assert!(status.success(), "{status}: {}", setup.gateway.log());
    assert!(reading.await.expect("read").text().trim_end().ends_with("data: [DONE]"));
    setup.gateway.serve().await.expect("ready again");
    assert_eq!(setup.spent("day"), setup.provider.bill().total);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_the_books_cover_the_bill_and_nothing_is_held() {
    let mut setup = Setup::start(FakeConfig::with_script(slow_stream()), MODEL).await;
    let answered = setup.post(&ask("before")).send().await.expect("answer");
    assert_eq!(answered.status, 200);
    let before = setup.spent("day");
    let mut body = ask("killed");
    body["stream"] = json!(true);
    let mut open = setup.post(&body).open().await.expect("stream");
    open.piece().await.expect("piece").expect("content");
    setup.gateway.kill9().expect("killed");
    setup.gateway.serve().await.expect("ready again");
    let bill = setup.provider.settled_bill(Duration::from_secs(10)).await.expect("bill");
    let spent = setup.spent("day");
    assert!(spent >= bill.total && spent > before, "spent {spent}, billed {}", bill.total);
    // The answer goes on in a new attempt, which ends a moment after the provider's part of it.
    setup.until_nothing_is_held("day").await;
    let spend = setup.gateway.command_line(&["spend", "--by", "key", "--format", "json"]).expect("spend");
    assert!(spend.status.success(), "{}", String::from_utf8_lossy(&spend.stderr));
    let verify = setup.gateway.command_line(&["store", "verify"]).expect("verify");
    assert!(verify.status.success(), "{}", String::from_utf8_lossy(&verify.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_may_not_have_the_directory() {
    let setup = Setup::start(FakeConfig::default(), MODEL).await;
    let config = setup
        .config(MODEL)
        .replace("{listen}", "127.0.0.1:0")
        .replace("{dir}", &setup.gateway.directory().to_string_lossy());
    let path = setup.gateway.directory().join("second.toml");
    std::fs::write(&path, config).expect("write");
    let binary = haltline_testkit::GatewayOptions::find().expect("binary").binary;
    let output = std::process::Command::new(binary).args(["serve", "-c"]).arg(&path).output().expect("run");
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains(&setup.gateway.pid().expect("pid").to_string()), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_raised_budget_is_in_force_after_a_reload_and_a_bad_configuration_changes_nothing() {
    let small = MODEL.replace("$1", "$0.001");
    let setup = Setup::start(FakeConfig::default(), &small).await;
    assert_eq!(setup.post(&ask("one")).send().await.expect("answer").status, 402);
    setup.gateway.write_config("[nonsense").expect("write");
    setup.gateway.hup().expect("hup");
    assert_eq!(setup.get("/readyz").send().await.expect("ready").status, 200);
    assert_eq!(setup.post(&ask("two")).send().await.expect("answer").status, 402);
    setup.gateway.write_config(&setup.config(MODEL)).expect("write");
    setup.gateway.hup().expect("hup");
    let mut status = 402;
    for number in 0..500 {
        status = setup.post(&ask(&format!("three {number}"))).send().await.expect("answer").status.as_u16();
        if status == 200 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(status, 200, "{}", setup.gateway.log());
    assert!(setup.accounts("day").iter().any(|account| account["limit"] == "$1.00"), "{:?}", setup.accounts("day"));
    assert!(setup.spent("day") > NanoUsd::ZERO);
}
