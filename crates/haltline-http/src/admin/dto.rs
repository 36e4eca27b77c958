//! The shapes of the admin API, shared with the command line. Money is a decimal string of
//! dollars, time is RFC 3339, amounts of other units are text with their unit.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A key to be made: `{"name":"web","team":"shop","users":"any","models":["chat"]}`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// Unique name.
    pub name: String,
    /// Team it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// Tier it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// `none`, `any`, or names separated by commas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<String>,
    /// Models it may ask for; empty = all.
    #[serde(default)]
    pub models: Vec<String>,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
}

/// A key without its secret.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Key {
    /// Unique name.
    pub name: String,
    /// The first characters of its secret.
    pub hint: String,
    /// Team it belongs to.
    pub team: Option<String>,
    /// Tier it belongs to.
    pub tier: Option<String>,
    /// `none`, `any`, or names separated by commas.
    pub users: String,
    /// Models it may ask for; empty = all.
    pub models: Vec<String>,
    /// When it was made.
    pub created: String,
    /// When it ends.
    pub expires: Option<String>,
    /// Switched off.
    pub frozen: bool,
}

/// A key and, this once, its secret.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct MadeKey {
    /// `hl-live-…`: shown now and never again.
    pub secret: String,
    /// The key.
    #[serde(flatten)]
    pub key: Key,
}

/// An account: one budget for one subject in one window.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Account {
    /// The budget.
    pub budget: String,
    /// What it counts apart.
    pub scope: String,
    /// Whose account it is; empty for `global`.
    pub subject: String,
    /// When its window began; the epoch for rolling windows.
    pub window: String,
    /// Spent, with unit: `$1.25`, `4000 tokens`.
    pub spent: String,
    /// Held by requests that are under way.
    pub held: String,
    /// The limit in force.
    pub limit: String,
    /// Spent and held, in thousandths of the limit.
    pub used_per_mille: i64,
    /// When the window ends.
    pub resets_at: Option<String>,
}

/// A temporary limit: `{"budget":"day","limit":"$80","until":"2026-11-25T00:00:00Z","by":"ann","reason":"launch"}`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOverride {
    /// The budget.
    pub budget: String,
    /// For one subject only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The limit until then.
    pub limit: String,
    /// When the configured limit is back.
    pub until: String,
    /// Who asks.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// A correction of what an account has spent: `{"budget":"day","subject":"","delta":"-$1.50","by":"ann","reason":"provider credit"}`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAdjustment {
    /// The budget.
    pub budget: String,
    /// Whose account.
    pub subject: String,
    /// Added to what is spent.
    pub delta: String,
    /// Who asks.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// A line of a budget's history.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HistoryLine {
    /// When.
    pub at: String,
    /// `adjust`, `override` or `recover`.
    pub what: String,
    /// Whose account; empty for all or for `global`.
    pub subject: String,
    /// The amount, with unit.
    pub amount: String,
    /// Until when, for an override.
    pub until: Option<String>,
    /// Who asked.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// A row of a spend report.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SpendLine {
    /// The values grouped by, in the order asked for.
    pub group: Vec<String>,
    /// Requests.
    pub requests: u64,
    /// Attempts sent.
    pub attempts: u64,
    /// Input tokens reported.
    pub input_tokens: u64,
    /// Output tokens reported.
    pub output_tokens: u64,
    /// Charged, in dollars.
    pub cost: String,
}

/// A sentence about what was done.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Said {
    /// The sentence.
    pub message: String,
}

/// How the response cache stands.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CacheStanding {
    /// Answers that are kept.
    pub entries: usize,
    /// What they take, in bytes.
    pub bytes: usize,
    /// What they may take.
    pub bytes_max: usize,
    /// Answers given from it since the start.
    pub hits: u64,
    /// Requests that found nothing.
    pub misses: u64,
    /// Requests that were not looked up.
    pub bypassed: u64,
    /// Old answers that stood in for failed ones.
    pub stale: u64,
}

/// What is to be purged from the response cache; one of the three.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CachePurgeOrder {
    /// Everything with this tag, whosever it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Everything of this API key's team, or of the key where it has no team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Everything.
    #[serde(default)]
    pub all: bool,
}
