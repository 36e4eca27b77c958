//! `kill -9` at random moments under load: at least fifty times, on real processes. At the end the
//! bill is within the limit, the books cover the bill, equal it where the outcome was seen, and
//! nothing is stuck.

use crate::books::{compare_with_records, quiet_accounts};
use haltline_testkit::http_client::Call;
use haltline_testkit::{
    Behaviour, Ending, FakeConfig, FakeProvider, GatewayOptions, Prices, Report, Script, TestGateway,
};
use haltline_types::{NanoUsd, PicoUsdPerToken, Tokens};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const KILLS: u64 = 50;
const CLIENTS: u64 = 16;
const PRICES: Prices = Prices { input: PicoUsdPerToken::new(1_000_000), output: PicoUsdPerToken::new(10_000_000) };
/// Small enough that the limit is reached while processes die.
const LIMIT: &str = "$3";

fn script() -> Script {
    let paced = haltline_testkit::Answer {
        latency: Duration::from_millis(3),
        tokens: Some(Tokens::new(120)),
        pace: haltline_testkit::Pace { interval: Duration::from_millis(1), tokens_per_chunk: Tokens::new(8) },
        ..Default::default()
    };
    Script::random(
        7,
        [
            (70, Behaviour::Answer(paced)),
            (6, Behaviour::status(500)),
            (6, Behaviour::status(429)),
            (4, Behaviour::ResetBeforeHead),
            (4, Behaviour::ending(Ending::Truncate { after: 2 })),
            (4, Behaviour::ending(Ending::Reset { after: 2 })),
            (4, Behaviour::reporting(Report::Omit)),
        ],
    )
}

fn config(base_url: &str) -> String {
    format!(
        r#"
[server]
listen = "{{listen}}"
[store]
url = "file:{{dir}}/data"
[providers.fake]
kind = "openai-compatible"
base_url = "{base_url}"
[models.chat]
targets = ["fake/m"]
max_output_tokens = 200
[prices."fake/m"]
input = "1"
output = "10"
[retry]
base = "1ms"
rate_limit_wait = "5ms"
[breaker]
failures = 100000
[headroom]
wait = "50ms"
[[budgets]]
name = "day"
scope = "global"
limit = "{LIMIT}"
window = "day"
[[budgets]]
name = "user-day"
scope = "user"
limit = "$2"
window = "day"
"#
    )
}

/// What clients saw in full: the attempt's cost as the gateway told it.
#[derive(Default)]
struct Seen {
    answered: AtomicU64,
    refused: AtomicU64,
    lost: AtomicU64,
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_kills_under_load() {
    let provider = FakeProvider::start(FakeConfig { prices: PRICES, ..FakeConfig::with_script(script()) })
        .await
        .expect("provider");
    let options = GatewayOptions::find().expect("binary");
    let mut gateway = TestGateway::prepare(options, &config(&provider.base_url())).expect("gateway");
    let secret = gateway.create_key(&["chaos", "--users", "any"]).expect("key");
    gateway.serve().await.expect("ready");
    let stop = Arc::new(AtomicBool::new(false));
    let seen = Arc::new(Seen::default());
    let mut clients = Vec::new();
    for client in 0..CLIENTS {
        clients.push(tokio::spawn(storm(
            client,
            gateway.origin(),
            secret.clone(),
            Arc::clone(&stop),
            Arc::clone(&seen),
        )));
    }
    let mut slowest_start = Duration::ZERO;
    for kill in 0..KILLS {
        // Not a wait for anything: the moment of the kill is to be anywhere in the work.
        tokio::time::sleep(Duration::from_millis(40 + (kill * 37) % 160)).await;
        gateway.kill9().expect("killed");
        let began = Instant::now();
        gateway.serve().await.expect("ready again");
        slowest_start = slowest_start.max(began.elapsed());
    }
    stop.store(true, Ordering::Release);
    for client in clients {
        client.await.expect("client");
    }
    let bill = provider.settled_bill(Duration::from_secs(30)).await.expect("bill");
    let accounts = quiet_accounts(&gateway, Duration::from_secs(30)).await;
    let limit: NanoUsd = LIMIT.parse().expect("limit");
    assert!(bill.total <= limit, "billed {} of {limit}", bill.total);
    let day = accounts.iter().find(|account| account["budget"] == "day").expect("account");
    let spent: NanoUsd = day["spent"].as_str().and_then(|text| text.parse().ok()).expect("spent");
    assert!(spent >= bill.total, "spent {spent} is below the bill of {}", bill.total);
    assert!(spent <= limit, "spent {spent} of {limit}");
    assert!(seen.answered.load(Ordering::Acquire) > 100, "the load was too small to say anything");
    let compared = compare_with_records(&gateway, &provider).await;
    assert!(compared > 50, "only {compared} attempts could be compared");
    let verify = gateway.command_line(&["store", "verify"]).expect("verify");
    assert!(verify.status.success(), "{}", String::from_utf8_lossy(&verify.stderr));
    println!(
        "{KILLS} kills: {} answered, {} refused, {} lost in kills; billed {}, spent {spent} of {limit}; slowest restart {slowest_start:?}",
        seen.answered.load(Ordering::Acquire),
        seen.refused.load(Ordering::Acquire),
        seen.lost.load(Ordering::Acquire),
        bill.total,
    );
}

async fn storm(client: u64, origin: String, secret: String, stop: Arc<AtomicBool>, seen: Arc<Seen>) {
    let mut turn = 0_u64;
    while !stop.load(Ordering::Acquire) {
        turn += 1;
        let body = json!({
            "model": "chat",
            "stream": turn.is_multiple_of(2),
            "messages": [{"role": "user", "content": format!("client {client}, question {turn}")}],
        });
        let call = Call::post(format!("{origin}/v1/chat/completions"))
            .bearer(&secret)
            .header("x-haltline-user", &format!("user-{}", client % 4))
            .json(&body)
            .limit(Duration::from_secs(10));
        match call.send().await {
            Ok(answer) if answer.status == 200 => seen.answered.fetch_add(1, Ordering::AcqRel),
            Ok(_) => {
                tokio::time::sleep(Duration::from_millis(5)).await;
                seen.refused.fetch_add(1, Ordering::AcqRel)
            }
            Err(_) => {
                tokio::time::sleep(Duration::from_millis(5)).await;
                seen.lost.fetch_add(1, Ordering::AcqRel)
            }
        };
    }
}
