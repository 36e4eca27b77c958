//! A gateway, a key and a provider for one test.

use haltline_testkit::http_client::Call;
use haltline_testkit::{FakeConfig, FakeProvider, GatewayOptions, Prices, TestGateway};
use haltline_types::{NanoUsd, PicoUsdPerToken};
use serde_json::{Value, json};

/// $1 and $10 for a million tokens: what the fake provider bills and the configurations say.
pub(crate) const PRICES: Prices =
    Prices { input: PicoUsdPerToken::new(1_000_000), output: PicoUsdPerToken::new(10_000_000) };

pub(crate) struct Setup {
    pub(crate) provider: FakeProvider,
    pub(crate) gateway: TestGateway,
    pub(crate) secret: String,
}

impl Setup {
    /// A gateway with these parts of a configuration besides provider, model and price.
    pub(crate) async fn start(provider: FakeConfig, rest: &str) -> Self {
        let provider = FakeProvider::start(FakeConfig { prices: PRICES, ..provider }).await.expect("provider");
        let config = config(&provider.base_url(), rest);
        let mut gateway = TestGateway::prepare(GatewayOptions::find().expect("binary"), &config).expect("gateway");
        let secret = gateway.create_key(&["test", "--users", "any"]).expect("key");
        gateway.serve().await.expect("ready");
        Self { provider, gateway, secret }
    }

    pub(crate) fn config(&self, rest: &str) -> String {
        config(&self.provider.base_url(), rest)
    }

    pub(crate) fn post(&self, body: &Value) -> Call {
        self.post_bytes(body.to_string())
    }

    pub(crate) fn post_bytes(&self, body: impl Into<bytes::Bytes>) -> Call {
        let url = format!("{}/v1/chat/completions", self.gateway.origin());
        Call::post(url).bearer(&self.secret).header("content-type", "application/json").body(body)
    }

    pub(crate) fn get(&self, path: &str) -> Call {
        Call::get(format!("{}{path}", self.gateway.origin())).bearer(&self.secret)
    }

    /// What the accounts of a budget say: spent and held, by subject.
    pub(crate) fn accounts(&self, budget: &str) -> Vec<Value> {
        let output = self.gateway.command_line(&["budget", "list", "--format", "json"]).expect("budget list");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let lines = String::from_utf8(output.stdout).expect("utf-8");
        lines
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect(line))
            .filter(|account| account["budget"] == budget)
            .collect()
    }

    /// Spent of a budget with one account.
    pub(crate) fn spent(&self, budget: &str) -> NanoUsd {
        let accounts = self.accounts(budget);
        assert!(accounts.len() <= 1, "{accounts:?}");
        accounts.first().map_or(NanoUsd::ZERO, |account| money(&account["spent"]))
    }

    /// What a request was. Its record is written after the last byte is out; until then that of a
    /// stream which goes on says that it is lost, as it would be if the process died.
    pub(crate) async fn generation(&self, id: &str) -> Value {
        let mut lost = None;
        for _ in 0..200 {
            let answer = self.get(&format!("/v1/generation?id={id}")).send().await.expect("answer");
            if answer.status == 200 {
                let record = answer.json().expect("json")["data"].clone();
                if record["outcome"] != "lost" {
                    return record;
                }
                lost = Some(record);
            } else {
                assert_eq!(answer.status, 404, "{:?}", answer.json());
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        lost.unwrap_or_else(|| panic!("no record of {id}"))
    }

    /// Everything ends, and nothing is held then.
    pub(crate) async fn until_nothing_is_held(&self, budget: &str) {
        for _ in 0..100 {
            if self.accounts(budget).iter().all(|account| money(&account["held"]) == NanoUsd::ZERO) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        self.assert_nothing_held(budget);
    }

    /// Nothing is held once everything has ended.
    pub(crate) fn assert_nothing_held(&self, budget: &str) {
        for account in self.accounts(budget) {
            assert_eq!(money(&account["held"]), NanoUsd::ZERO, "{account}");
        }
    }
}

pub(crate) fn money(value: &Value) -> NanoUsd {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{value} is no money"))
}

pub(crate) fn ask(text: &str) -> Value {
    json!({"model": "chat", "messages": [{"role": "user", "content": text}]})
}

/// The code of an error answer.
pub(crate) fn code(answer: &haltline_testkit::http_client::Answer) -> String {
    answer.json().ok().and_then(|body| body["error"]["code"].as_str().map(str::to_owned)).unwrap_or_default()
}

pub(crate) fn config(base_url: &str, rest: &str) -> String {
    format!(
        r#"
[server]
listen = "{{listen}}"
[store]
url = "file:{{dir}}/data"
[providers.fake]
kind = "openai-compatible"
base_url = "{base_url}"
[prices."fake/m"]
input = "1"
output = "10"
{rest}
"#
    )
}
