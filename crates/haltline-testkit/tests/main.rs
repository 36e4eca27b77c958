//! The testkit tested by a raw client: every behaviour can be seen, and is billed as documented.

mod answers;
mod bills;
mod breaks;
mod controls;
mod gateways;
mod statuses;

use haltline_testkit::{AttemptBill, FakeConfig, FakeProvider, Prices, Script};
use haltline_types::PicoUsdPerToken;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(10);

/// A provider at 1 nanodollar an input token and 3 an output token.
async fn provider(script: impl Into<Script>) -> FakeProvider {
    FakeProvider::start(config(script)).await.expect("a provider starts")
}

fn config(script: impl Into<Script>) -> FakeConfig {
    let prices = Prices { input: PicoUsdPerToken::new(1000), output: PicoUsdPerToken::new(3000) };
    FakeConfig { prices, ..FakeConfig::with_script(script) }
}

/// The only line of the bill once nothing runs any more.
async fn only_line(provider: &FakeProvider) -> AttemptBill {
    let bill = provider.settled_bill(LIMIT).await.expect("all attempts end");
    assert_eq!(bill.attempts.len(), 1, "{bill:?}");
    assert_eq!(bill.total, bill.attempts[0].cost);
    bill.attempts[0].clone()
}
