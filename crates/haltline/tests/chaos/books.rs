//! What is asked of the books after a storm: nothing is held, and what was seen costs what it cost.

use haltline_testkit::http_client::Call;
use haltline_testkit::{FakeProvider, TestGateway};
use haltline_types::NanoUsd;
use serde_json::Value;
use std::time::{Duration, Instant};

/// The accounts once nothing is held any more.
pub(crate) async fn quiet_accounts(gateway: &TestGateway, within: Duration) -> Vec<Value> {
    let began = Instant::now();
    loop {
        let output = gateway.command_line(&["budget", "list", "--format", "json"]).expect("budget list");
        let text = String::from_utf8(output.stdout).expect("utf-8");
        let accounts: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
        let held = |account: &Value| {
            account["held"].as_str().is_some_and(|held| {
                held.trim_start_matches('$').trim_matches(['0', '.']).chars().any(|c| c.is_ascii_digit() && c != '0')
            })
        };
        if !accounts.iter().any(held) {
            return accounts;
        }
        assert!(began.elapsed() < within, "something is stuck: {accounts:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Ledger = bill for every attempt whose outcome was seen: the provider knows attempts by our ids.
/// How many could be compared.
pub(crate) async fn compare_with_records(gateway: &TestGateway, provider: &FakeProvider) -> u64 {
    let admin: Value =
        serde_json::from_slice(&std::fs::read(gateway.directory().join("data/admin.json")).expect("admin.json"))
            .expect("json");
    let token = admin["token"].as_str().expect("token");
    let mut compared = 0;
    for line in provider.bill().attempts.iter().filter(|line| line.attempt.is_some()) {
        let Some((request, number)) = line.attempt.as_deref().and_then(|attempt| attempt.split_once('/')) else {
            continue;
        };
        let url = format!("{}/admin/v1/generation?id={request}", gateway.origin());
        let answer = Call::get(url).bearer(token).send().await.expect("record");
        if answer.status == 404 {
            continue;
        }
        let record = answer.json().expect("json");
        let attempts = record["attempts"].as_array().expect("attempts");
        let Some(attempt) = attempts.iter().find(|attempt| attempt["number"].to_string() == number) else { continue };
        let cost: NanoUsd = attempt["cost"].as_str().and_then(|text| text.parse().ok()).expect("cost");
        if attempt["basis"] == "reported" {
            assert_eq!(cost, line.cost, "{record}");
            compared += 1;
        } else {
            assert!(cost >= line.cost, "{record} against {line:?}");
        }
    }
    compared
}
