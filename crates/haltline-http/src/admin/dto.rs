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

/// What failed for good.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DeadLetter {
    /// `dl_…`; ids sort by time.
    pub id: String,
    /// `job`, `response` or `webhook`.
    pub kind: String,
    /// The id of what failed.
    pub about: String,
    /// When it failed for good.
    pub at: String,
    /// Whose key it was.
    pub key: Option<String>,
    /// Its user.
    pub user: Option<String>,
    /// The path of a surface, or a webhook's address.
    pub endpoint: String,
    /// The model that was asked for.
    pub model: Option<String>,
    /// Who can act: `user_actionable`, `operator_actionable`, `permanent`, `retryable`.
    pub class: String,
    /// The code of the failure.
    pub code: String,
    /// The failure in words.
    pub message: String,
    /// How often it was tried.
    pub attempts_made: usize,
    /// Charged so far, in dollars.
    pub cost: String,
    /// The most that one attempt could be billed when it was made, in dollars.
    pub ceiling: Option<String>,
    /// The job that repeats it.
    pub retried_as: Option<String>,
}

/// A dead letter with what was tried and what was to be sent.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct OpenedDeadLetter {
    /// The letter.
    #[serde(flatten)]
    pub letter: DeadLetter,
    /// What was tried.
    pub attempts: Vec<DeadLetterAttempt>,
    /// The most that one attempt of a retry can be billed now, in dollars.
    pub retry_ceiling: Option<String>,
    /// Why a retry is not possible now.
    pub not_retryable: Option<String>,
    /// The beginning of what was to be sent.
    pub body: String,
    /// How large all of it is.
    pub body_bytes: usize,
}

/// One attempt of what failed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DeadLetterAttempt {
    /// `req_…`; `/admin/v1/generation` has its record.
    pub request_id: String,
    /// When.
    pub started_at: String,
    /// What was asked last.
    pub endpoint: Option<String>,
    /// What went wrong there, or the code of the refusal.
    pub fault: Option<String>,
    /// Charged, in dollars; none when it is not known.
    pub cost: Option<String>,
}

/// A dead letter to be sent again: `{"max_cost":"0.10"}`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryDeadLetter {
    /// The most that one attempt may be billed, in dollars; no bound when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_cost: Option<String>,
}

/// A dead letter that was sent again.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Retried {
    /// The job that repeats it.
    pub job: String,
}

/// Something that a guard has refused, cut, taken out or flagged.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ReviewCase {
    /// `grd_…`: what the client was told, too.
    pub id: String,
    /// `open`, `allowed_once`, `passed`, `rule_allowed`, `confirmed`.
    pub state: String,
    /// `input`, `output`.
    pub direction: String,
    /// `blocked`, `redacted`, `flagged`.
    pub verdict: String,
    /// When the same text came first.
    pub first_at: String,
    /// When it came last.
    pub last_at: String,
    /// How often.
    pub times: u64,
    /// The last request.
    pub request_id: String,
    /// Whose.
    pub key: String,
    /// For which user.
    pub user: Option<String>,
    /// In which session.
    pub session: Option<String>,
    /// The model as the client asked for it.
    pub model: String,
    /// What was found.
    pub findings: Vec<ReviewFinding>,
    /// The version of the rules that found it.
    pub rules_version: String,
    /// Bytes of the text.
    pub bytes: usize,
    /// The text around the first finding, without credentials and personal data.
    pub excerpt: String,
    /// The text as it was; only where it was kept, and only when it is revealed.
    pub text: Option<String>,
    /// Who decided.
    pub decided_by: Option<String>,
    /// When.
    pub decided_at: Option<String>,
    /// Why, in the operator's words.
    pub note: Option<String>,
}

/// One finding of a case.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ReviewFinding {
    /// The rule, or the service that objects.
    pub rule: String,
    /// What kind of thing it finds.
    pub category: String,
    /// Where the text stands: `messages[3].content`.
    pub place: String,
    /// Where in that text, in bytes.
    pub span: Option<[usize; 2]>,
    /// What it counted.
    pub points: u32,
    /// How the text was read: `plain`, `decoded`, …
    pub view: String,
}

/// A decision about a case: `{"ruling":"allow_once"}`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecideCase {
    /// `allow_once`: the same text of the same key may pass once. `allow_rule`: its rules are off for
    /// the key. `confirm`: the guard was right.
    pub ruling: String,
    /// With `allow_rule`: for everybody.
    #[serde(default)]
    pub for_all: bool,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A rule that a decision has switched off.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AllowedRule {
    /// The rule.
    pub rule: String,
    /// For this key; none: for everybody.
    pub key: Option<String>,
    /// By which case.
    pub case: String,
    /// By whom.
    pub by: String,
    /// When.
    pub at: String,
}
