//! The scenario file: a provider, its outage, the clients, and what Haltline is told.

use crate::provider::{Honesty, Script, Temper};
use haltline_types::{NanoUsd, PicoUsdPerToken, Tokens, parse_duration};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::time::Duration;

/// A scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name, for the report.
    pub name: String,
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// The provider.
    pub provider: ProviderPlan,
    /// Its outage.
    pub outage: OutagePlan,
    /// Who calls.
    pub clients: ClientPlan,
    /// What Haltline is told, where the caller brings no configuration.
    pub haltline: HaltlinePlan,
}

/// The provider when it is well.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderPlan {
    /// USD per million tokens of input.
    #[serde(deserialize_with = "price")]
    pub input: PicoUsdPerToken,
    /// USD per million tokens of output.
    #[serde(deserialize_with = "price")]
    pub output: PicoUsdPerToken,
    /// From a request to its answer.
    #[serde(deserialize_with = "duration")]
    pub latency: Duration,
    /// Tokens of an answer, if the cap allows.
    #[serde(deserialize_with = "tokens")]
    pub output_tokens: Tokens,
}

/// The outage. Shares are of a thousand calls; what is left is answered.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutagePlan {
    /// From the first call to its end.
    #[serde(deserialize_with = "duration")]
    pub lasts: Duration,
    /// 429. Not billed.
    pub rate_limited_per_mille: u64,
    /// What those say about waiting.
    #[serde(deserialize_with = "duration")]
    pub retry_after: Duration,
    /// 500 before inference. Not billed.
    pub failed_per_mille: u64,
    /// 500 after the input was read. The input is billed.
    pub failed_after_input_per_mille: u64,
    /// 500 after the answer was made. All of it is billed.
    pub failed_after_output_per_mille: u64,
}

/// Clients that are stuck in a retry loop from the outage's first error on.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientPlan {
    /// How many.
    pub users: u64,
    /// Calls of each, whatever they are answered.
    pub calls_per_user: u64,
    /// From an answer to the next call; hints to wait are not read.
    #[serde(deserialize_with = "duration")]
    pub pause: Duration,
    /// The clients' first calls come within this time.
    #[serde(deserialize_with = "duration")]
    pub begin_within: Duration,
    /// Tokens of a request, four bytes each.
    #[serde(deserialize_with = "tokens")]
    pub input_tokens: Tokens,
    /// The output cap that they ask for.
    #[serde(deserialize_with = "tokens")]
    pub max_tokens: Tokens,
}

/// What Haltline is told.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HaltlinePlan {
    /// For everybody together.
    #[serde(deserialize_with = "money")]
    pub budget_per_day: NanoUsd,
    /// Repetitions by the gateway itself.
    pub retries_per_user_and_hour: u32,
}

/// Why a file is no scenario.
#[derive(Clone, Debug)]
pub struct ScenarioError(pub String);

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ScenarioError {}

impl Scenario {
    /// The night of the post-mortem.
    pub const POST_MORTEM: &'static str = include_str!("../../scenarios/post-mortem.toml");

    /// Reads a file.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = toml::from_str(text).map_err(|error| ScenarioError(error.to_string()))?;
        let outage = &scenario.outage;
        let shares = [
            outage.rate_limited_per_mille,
            outage.failed_per_mille,
            outage.failed_after_input_per_mille,
            outage.failed_after_output_per_mille,
        ];
        let sum = shares.iter().fold(0_u64, |sum, share| sum.saturating_add(*share));
        if sum > 1_000 {
            return Err(ScenarioError(format!("[outage]: the shares add up to {sum} of 1000")));
        }
        if scenario.clients.users == 0 || scenario.clients.calls_per_user == 0 {
            return Err(ScenarioError("[clients]: users and calls_per_user must be above zero".to_owned()));
        }
        Ok(scenario)
    }

    /// How the provider behaves when it is well.
    pub(crate) fn well(&self) -> Temper {
        Temper::calm(self.provider.latency, self.provider.output_tokens.get())
    }

    /// How it behaves in the outage.
    pub(crate) fn ill(&self) -> Temper {
        let outage = &self.outage;
        let wait = (!outage.retry_after.is_zero()).then_some(outage.retry_after);
        Temper {
            faults: vec![
                (Script::LimitsRate(wait), outage.rate_limited_per_mille),
                (Script::FailsBefore, outage.failed_per_mille),
                (Script::FailsAfterInput, outage.failed_after_input_per_mille),
                (Script::FailsAfterOutput, outage.failed_after_output_per_mille),
            ],
            honesty: Honesty::Honest,
            ..self.well()
        }
    }
}

fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    parse_duration(&String::deserialize(from)?).map_err(serde::de::Error::custom)
}

fn price<'de, D: Deserializer<'de>>(from: D) -> Result<PicoUsdPerToken, D::Error> {
    PicoUsdPerToken::from_usd_per_million(&String::deserialize(from)?).map_err(serde::de::Error::custom)
}

fn money<'de, D: Deserializer<'de>>(from: D) -> Result<NanoUsd, D::Error> {
    String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
}

fn tokens<'de, D: Deserializer<'de>>(from: D) -> Result<Tokens, D::Error> {
    u64::deserialize(from).map(Tokens::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_scenario_is_one() {
        let scenario = Scenario::parse(Scenario::POST_MORTEM).expect("the shipped scenario");
        assert_eq!(scenario.clients.users * scenario.clients.calls_per_user, 240_000);
        assert_eq!(scenario.outage.lasts, Duration::from_secs(900));
        assert_eq!(scenario.haltline.budget_per_day.to_string(), "$50.00");
    }

    #[test]
    fn what_is_no_scenario_is_refused_by_name() {
        let unknown = Scenario::POST_MORTEM.replace("users = ", "visitors = ");
        assert!(Scenario::parse(&unknown).expect_err("unknown").to_string().contains("visitors"));
        let much = Scenario::POST_MORTEM.replace("failed_per_mille = ", "failed_per_mille = 9");
        assert!(Scenario::parse(&much).expect_err("too much").to_string().contains("of 1000"));
    }
}
