//! What reaches a provider that chooses among sellers, and with which of several keys.

use crate::setup::{PRICES, Setup, ask};
use haltline_testkit::{FakeConfig, FakeProvider, GatewayOptions, TestGateway};
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[tokio::test(flavor = "multi_thread")]
async fn openrouter_is_told_what_the_hold_reckons_with_and_keys_take_turns() {
    let provider = FakeProvider::start(FakeConfig { prices: PRICES, ..FakeConfig::default() }).await.expect("provider");
    let config = format!(
        r#"
[server]
listen = "{{listen}}"
[store]
url = "file:{{dir}}/data"
[providers.router]
kind = "openai-compatible"
server = "openrouter"
base_url = "{}"
api_keys = ["first-key", {{ key = "second-key", weight = 1 }}]
[models.chat]
targets = ["router/m"]
max_output_tokens = 100
[prices."router/m"]
input = "1"
output = "10"
[[budgets]]
name = "day"
scope = "global"
limit = "$1"
window = "day"
"#,
        provider.base_url()
    );
    let mut gateway = TestGateway::prepare(GatewayOptions::find().expect("binary"), &config).expect("gateway");
    let secret = gateway.create_key(&["test", "--users", "any"]).expect("key");
    gateway.serve().await.expect("ready");
    let setup = Setup { provider, gateway, secret };
    for text in ["one", "two"] {
        let answer = setup.post(&ask(text)).send().await.expect("answer");
        assert_eq!(answer.status, 200, "{}", setup.gateway.log());
    }
    let seen = setup.provider.seen();
    assert_eq!(seen.len(), 2);
    for request in &seen {
        let body: Value = serde_json::from_slice(&request.body).expect("JSON");
        assert_eq!(body["provider"], json!({"max_price": {"prompt": 1, "completion": 10}}));
    }
    let keys: BTreeSet<_> = seen.iter().filter_map(|request| request.headers["authorization"].to_str().ok()).collect();
    assert_eq!(keys, BTreeSet::from(["Bearer first-key", "Bearer second-key"]));
    assert!(!setup.gateway.log().contains("first-key"), "a key is in the log");
}
