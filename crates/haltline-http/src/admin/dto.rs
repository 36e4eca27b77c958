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
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Budgets of its own: `$5/day`, `100000 tokens/1h`, `$50/month warn`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<String>,
    /// Rate limits of its own: `10/10s`, `5000 tokens/1m`, `3 at once`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<String>,
    /// Groups of routes that it may use; empty = all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<String>,
    /// Networks that its clients are in; empty = anywhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<String>,
}

/// Other rules for a key; what is not named stays as it is, and a list is replaced as a whole.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangedKey {
    /// `none`, `any`, or names separated by commas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<String>,
    /// Models it may ask for; empty = all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<String>>,
    /// When it ends, or `never`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Budgets of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budgets: Option<Vec<String>>,
    /// Rate limits of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Vec<String>>,
    /// Groups of routes that it may use; empty = all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routes: Option<Vec<String>>,
    /// Networks that its clients are in; empty = anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Vec<String>>,
}

/// How a key gets a new secret.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RotatedKey {
    /// How long the old secret works yet: `24h`, at most `31d`; not at all unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<String>,
}

/// Secrets that were found where they should not be, as text or as GitHub's secret scanning reports them:
/// `[{"token":"…","type":"…","url":"…"}]`, bare or in an object that says what to do.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum LeakedReport {
    /// Only what was found.
    Bare(Vec<LeakedSecret>),
    /// And what to do.
    With {
        /// What was found.
        found: Vec<LeakedSecret>,
        /// `freeze` or `rotate` the keys that they are; nothing unless said.
        #[serde(default)]
        then: Option<String>,
        /// Since when to add up what was spent; RFC 3339, a day ago unless said.
        #[serde(default)]
        since: Option<String>,
    },
}

/// One secret, or as much of it as is known.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum LeakedSecret {
    /// Its text.
    Text(String),
    /// As a scanner reports it.
    Report {
        /// Its text.
        token: String,
        /// What the scanner takes it for.
        #[serde(default, rename = "type")]
        kind: Option<String>,
        /// Where it was found.
        #[serde(default)]
        url: Option<String>,
    },
}

/// What a leaked secret is.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LeakedKey {
    /// Its first characters.
    pub hint: String,
    /// Where it was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// `key`, `old secret`, `hint` (only its first characters are known), `admin` or `unknown`.
    pub is: String,
    /// The key's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Whether it opens anything now.
    pub works: bool,
    /// When the key was last used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used: Option<String>,
    /// From which network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_from: Option<String>,
    /// What the key has spent since, in dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spent: Option<String>,
    /// What was done: `frozen`, `rotated`, nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<String>,
    /// The new secret of a rotated key: shown now and never again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// An administrator to be made: `{"name":"ann","role":"operator"}`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAdmin {
    /// Unique name.
    pub name: String,
    /// `viewer`, `operator` or `owner`.
    pub role: String,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
}

/// An administrator without the secret.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AdminDto {
    /// Unique name.
    pub name: String,
    /// `viewer`, `operator` or `owner`.
    pub role: String,
    /// The first characters of the secret.
    pub hint: String,
    /// When it was made.
    pub created: String,
    /// When it ends.
    pub expires: Option<String>,
}

/// An administrator and, this once, the secret.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct MadeAdmin {
    /// `hl-admin-…`: shown now and never again.
    pub secret: String,
    /// The administrator.
    #[serde(flatten)]
    pub admin: AdminDto,
}

/// An act in the audit log.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AuditEntry {
    /// Its number, from 1, without gaps.
    pub number: u64,
    /// When.
    pub at: String,
    /// Who.
    pub by: String,
    /// From which address; none for a command on the store itself.
    pub from: Option<String>,
    /// What.
    pub what: String,
    /// On what.
    pub on: String,
    /// What was asked for or changed.
    pub detail: String,
    /// `begun`, `done`, `failed` or `denied`.
    pub outcome: String,
    /// SHA-256 over the seal before it and all of this.
    pub seal: String,
}

/// What a verification of the audit log found.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AuditReport {
    /// Entries whose seals are right.
    pub entries: u64,
    /// The seal of the last of them: note it elsewhere.
    pub last_seal: String,
    /// The first thing that is wrong.
    pub wrong: Option<String>,
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
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// Who made it.
    #[serde(default)]
    pub created_by: Option<String>,
    /// The first characters of the secret before this one, while that works.
    #[serde(default)]
    pub old_hint: Option<String>,
    /// When that ends.
    #[serde(default)]
    pub old_until: Option<String>,
    /// Budgets of its own.
    #[serde(default)]
    pub budgets: Vec<String>,
    /// Rate limits of its own.
    #[serde(default)]
    pub limits: Vec<String>,
    /// Groups of routes that it may use; empty = all.
    #[serde(default)]
    pub routes: Vec<String>,
    /// Networks that its clients are in; empty = anywhere.
    #[serde(default)]
    pub from: Vec<String>,
    /// When it was last used, a minute ago or more.
    #[serde(default)]
    pub last_used: Option<String>,
    /// From which network.
    #[serde(default)]
    pub last_from: Option<String>,
}

/// A key and, this once, its secret.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
pub struct MadeKey {
    /// `hl-live-…`: shown now and never again.
    pub secret: String,
    /// The key.
    #[serde(flatten)]
    pub key: Key,
}

/// Without the secret.
impl std::fmt::Debug for MadeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MadeKey").field("secret", &"(secret)").field("key", &self.key).finish()
    }
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

/// A browser that is signed in, or may sign in with a code.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SignIn {
    /// `sgn_…`.
    pub id: String,
    /// Who is signed in.
    pub user: String,
    /// The key that granted it.
    pub key: String,
    /// The page that it is for.
    pub origin: Option<String>,
    /// Models that it is narrowed to; empty = the key's.
    pub models: Vec<String>,
    /// Its own budget, in dollars.
    pub budget: Option<String>,
    /// When it was granted.
    pub created: String,
    /// When it was granted, exchanged or refreshed last.
    pub used: String,
    /// When it ends.
    pub ends: String,
    /// Has a browser exchanged the code?
    pub entered: bool,
}

/// Whose sign-ins are to end: `{"user":"alice"}`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeSignIns {
    /// Of this user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Of this key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// This one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Everybody's.
    #[serde(default)]
    pub all: bool,
    /// Stop also what their users have under way.
    #[serde(default)]
    pub stop: bool,
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
