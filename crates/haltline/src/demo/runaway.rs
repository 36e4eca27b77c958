//! `haltline demo runaway`: the post-mortem's night against a real gateway in real time, shortened:
//! 200 users whose clients repeat everything at once, and a provider that fails for most of it.
//! The same clients ask the same model without Haltline beside it; every number is measured.

use super::client::{NaiveClient, body};
use super::unmetered::Unmetered;
use super::{Demo, LIMIT, settings};
use anyhow::Context;
use haltline_gateway::settings::SimulatedSettings;
use haltline_types::{Amount, ModelName, Name, NanoUsd, Tokens, Unit};
use haltline_upstream::{FailureBilling, Outage, OutageAnswer, OutageShare, SimulatedBill, SimulatedUpstream};
use http::StatusCode;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Users of the post-mortem.
const USERS: usize = 200;
/// Between two attempts of a naive client: what a round trip and its own work take.
const PAUSE: Duration = Duration::from_millis(100);
/// Between two questions of a user who got an answer.
const THINK: Duration = Duration::from_secs(1);

/// What was measured.
#[derive(Clone, Debug)]
pub struct Runaway {
    /// How long it ran.
    pub lasted: Duration,
    /// Requests that clients made to the gateway.
    pub asked: u64,
    /// Requests by the status of their answer.
    pub statuses: BTreeMap<u16, u64>,
    /// The gateway's calls to the model, and the model's own bill for them.
    pub with: SimulatedBill,
    /// The same without Haltline.
    pub without: SimulatedBill,
    /// What the ledger says was spent.
    pub spent: NanoUsd,
}

/// Runs the night for `duration`.
///
/// # Errors
/// What hindered it.
pub async fn runaway(duration: Duration) -> anyhow::Result<Runaway> {
    let model = SimulatedSettings {
        latency: Duration::from_millis(60),
        token_interval: Duration::ZERO,
        output_tokens: Tokens::new(400),
        ..SimulatedSettings::default()
    };
    let demo = Demo::start(([127, 0, 0, 1], 0).into(), settings(model.clone())?).await?;
    let twin = Demo::start(([127, 0, 0, 1], 0).into(), settings(model)?).await?;
    let provider = Name::new("simulated");
    let metered = demo.instance.simulated.get(&provider).context("the demo has its simulated model")?;
    let direct = twin.instance.simulated.get(&provider).context("the demo has its simulated model")?;
    let unmetered = Arc::new(Unmetered::new(Arc::clone(direct))?);
    let began = Instant::now();
    let until = began + duration;
    let outage = tokio::spawn(weather(vec![Arc::clone(metered), Arc::clone(direct)], duration));
    let mut storms = Vec::with_capacity(USERS);
    let mut direct_storms = Vec::with_capacity(USERS);
    for user in 0..USERS {
        let client = NaiveClient::new(demo.instance.address, &demo.secret, user);
        storms.push(tokio::spawn(storm(client, until)));
        direct_storms.push(tokio::spawn(direct_storm(Arc::clone(&unmetered), until)));
    }
    let mut statuses: BTreeMap<u16, u64> = BTreeMap::new();
    for storm in storms {
        for (status, count) in storm.await? {
            *statuses.entry(status).or_default() += count;
        }
    }
    for storm in direct_storms {
        storm.await?;
    }
    outage.await?;
    let lasted = began.elapsed();
    let (with_model, without_model) = (Arc::clone(metered), Arc::clone(direct));
    let gateway = Arc::clone(&demo.instance.gateway);
    demo.instance.gateway.drain(Duration::from_secs(30)).await;
    let now = gateway.clock().now();
    let spent = gateway
        .book()
        .balances(now)
        .iter()
        .filter(|balance| *balance.account.budget == *"demo-day")
        .try_fold(Amount::zero(Unit::Usd), |sum, balance| sum.checked_add(balance.spent))
        .context("what was spent does not fit an amount of money")?;
    let report = Runaway {
        lasted,
        asked: statuses.values().sum(),
        statuses,
        with: with_model.bill(),
        without: without_model.bill(),
        spent: NanoUsd::new(spent.value()),
    };
    demo.instance.shutdown(Duration::from_secs(5)).await?;
    twin.instance.shutdown(Duration::from_secs(5)).await?;
    Ok(report)
}

/// A quiet tenth, then the outage, then a quiet tenth.
async fn weather(models: Vec<Arc<SimulatedUpstream>>, duration: Duration) {
    let outage = Outage {
        mix: vec![
            OutageShare { answer: OutageAnswer::Status(500), weight: 60 },
            OutageShare { answer: OutageAnswer::Status(429), weight: 40 },
        ],
        billing: FailureBilling::Everything,
    };
    sleep(duration / 10).await;
    for model in &models {
        model.set_outage(Some(outage.clone()));
    }
    sleep(duration / 10 * 8).await;
    for model in &models {
        model.set_outage(None);
    }
}

async fn storm(mut client: NaiveClient, until: Instant) -> BTreeMap<u16, u64> {
    let mut statuses = BTreeMap::new();
    let mut turn = 0;
    while Instant::now() < until {
        let status = client.ask(body(turn)).await.unwrap_or(StatusCode::from_u16(599).unwrap_or_default());
        *statuses.entry(status.as_u16()).or_default() += 1;
        let answered = status.is_success();
        turn += u64::from(answered);
        sleep(if answered { THINK } else { PAUSE }).await;
    }
    statuses
}

async fn direct_storm(model: Arc<Unmetered>, until: Instant) {
    let endpoint = ModelName { provider: Name::new("simulated"), model: Name::new("fast") };
    let mut turn = 0;
    while Instant::now() < until {
        let answered = model.ask(&endpoint, body(turn)).await;
        turn += u64::from(answered);
        sleep(if answered { THINK } else { PAUSE }).await;
    }
}

impl Runaway {
    /// What was spent above the limit: zero, or the promise is broken.
    #[must_use]
    pub fn over(&self) -> NanoUsd {
        let billed = self.with.billed.get().max(self.spent.get());
        NanoUsd::new((billed - LIMIT).max(0))
    }

    fn status(&self, status: u16) -> u64 {
        self.statuses.get(&status).copied().unwrap_or(0)
    }
}

impl fmt::Display for Runaway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = NanoUsd::new(LIMIT);
        let admitted = self.status(200);
        writeln!(
            f,
            "{USERS} users with clients that repeat everything at once, for {:.0} s, the provider failing for most of it and billing failures in full",
            self.lasted.as_secs_f64()
        )?;
        writeln!(f, "                     without Haltline     with Haltline")?;
        writeln!(f, "  calls to provider  {:>16}  {:>16}", self.without.calls, self.with.calls)?;
        writeln!(
            f,
            "  billed             {:>16}  {:>16}",
            self.without.billed.to_string(),
            self.with.billed.to_string()
        )?;
        let statuses: Vec<String> = self.statuses.iter().map(|(status, count)| format!("{status}: {count}")).collect();
        writeln!(f, "  answers            {}", statuses.join(", "))?;
        write!(
            f,
            "asked {}, admitted {admitted}, refused {}, attempts {}, spent {} of {limit}, over {}.",
            self.asked,
            self.asked - admitted,
            self.with.calls,
            self.spent,
            self.over(),
        )
    }
}
