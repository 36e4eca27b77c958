//! The command line as clap reads it. What each command does stands in the module of its name.

use super::guard::GuardCommand;
use super::replay::ReplayArgs;
use super::review::ReviewCommand;
use super::trace::TraceArgs;
use super::ui::Format;
use clap::{Args, Parser, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;

/// The AI gateway whose bill cannot cross the line.
#[derive(Debug, Parser)]
#[command(name = "haltline", version, propagate_version = true, arg_required_else_help = true)]
pub struct Cli {
    /// What all commands understand.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of all commands.
#[derive(Clone, Debug, Default, Args)]
pub struct Global {
    /// The configuration; else HALTLINE_CONFIG, else ./haltline.toml, else a safe default of $10 a day
    #[arg(short, long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How to print results; tables on a terminal and JSON lines elsewhere when absent
    #[arg(long, global = true, value_enum)]
    pub format: Option<Format>,
    /// Say nothing but results and errors
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Try it: simulated models, no key, no configuration, no network
    Demo(DemoArgs),
    /// Run the gateway. SIGHUP reads the configuration again, SIGTERM drains
    Serve(ServeArgs),
    /// Write a configuration from the keys found in the environment
    Init(InitArgs),
    /// Check the configuration and print the worst case that it allows
    Check(CheckArgs),
    /// Explain an error code, of an answer (budget_exceeded) or of a configuration (C003)
    Explain(ExplainArgs),
    /// Make and manage API keys
    #[command(subcommand)]
    Key(KeyCommand),
    /// Make and manage administrators
    #[command(subcommand)]
    Admin(AdminCommand),
    /// What administrators did
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Look at budgets and change them
    #[command(subcommand)]
    Budget(BudgetCommand),
    /// What was spent, grouped
    Spend(SpendArgs),
    /// What happened to a request, a trace or a session, step by step
    Trace(TraceArgs),
    /// Replay a stream or a session as its client saw it
    Replay(ReplayArgs),
    /// What models cost by the shipped price lists, and what another list would change
    #[command(subcommand)]
    Prices(PricesCommand),
    /// Look at the response cache, and purge it
    #[command(subcommand)]
    Cache(CacheCommand),
    /// What failed for good: look at it, send it again, discard it
    #[command(subcommand)]
    Dlq(DlqCommand),
    /// What guards have refused or flagged: look at it, let it pass, switch rules off
    #[command(subcommand)]
    Review(ReviewCommand),
    /// Browsers that are signed in: look who, and sign them out
    #[command(subcommand)]
    SignIns(SignInsCommand),
    /// What the rules of the guards are worth on labelled texts
    #[command(subcommand)]
    Guard(GuardCommand),
    /// Look after the store
    #[command(subcommand)]
    Store(StoreCommand),
    /// What would this night have cost with this configuration? In virtual time, by the real gateway
    Simulate(SimulateArgs),
    /// Print the API document (OpenAPI 3.1)
    Openapi,
    /// Print the version
    Version(VersionArgs),
}

/// `haltline demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// What to show; without it, a gateway to play with
    #[command(subcommand)]
    pub what: Option<DemoWhat>,
    /// Where to listen [default: 127.0.0.1:4100]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
}

/// What the demo shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub enum DemoWhat {
    /// A storm of retries against a budget of one dollar, and what it cost
    Runaway {
        /// How long it lasts, in seconds
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(3..=3600))]
        seconds: u64,
    },
}

/// `haltline simulate`.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// The scenario; the post-mortem's night when absent
    pub file: Option<PathBuf>,
}

/// `haltline serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Listen here instead of where the configuration says
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
}

/// `haltline init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Where to write it
    #[arg(default_value = "haltline.toml")]
    pub file: PathBuf,
    /// Replace a file that is there
    #[arg(long)]
    pub force: bool,
    /// Print it and write nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `haltline check`.
#[derive(Clone, Debug, Default, Args)]
pub struct CheckArgs {
    /// Show instead where requests for this model would go, and why: a configured name or provider/model
    #[arg(long, value_name = "MODEL")]
    pub plan: Option<String>,
    /// The plan of a prompt of so many tokens [default: 1000]
    #[arg(long, value_name = "N", requires = "plan", value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub prompt_tokens: Option<u64>,
    /// The plan after this endpoint failed, as openai/gpt-5=server_error; once for each attempt
    #[arg(long, value_name = "PROVIDER/MODEL=FAULT", requires = "plan")]
    pub failed: Vec<String>,
    /// The plan when this budget is short
    #[arg(long, value_name = "BUDGET", requires = "plan")]
    pub short: Option<String>,
    /// The plan of this session, which weights keep at one endpoint
    #[arg(long, value_name = "SESSION", requires = "plan")]
    pub session: Option<String>,
    /// Fetch price lists from the network; without it the copies of the last start are used
    #[arg(long)]
    pub fetch: bool,
    /// As JSON lines
    #[arg(long)]
    pub json: bool,
}

/// `haltline explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// budget_exceeded, C003, …
    pub code: String,
}

/// `haltline key …`.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a key; its secret is shown once
    Create(KeyCreate),
    /// All keys, without their secrets
    List,
    /// One key: its rules, and when it was last used
    Show(KeyShow),
    /// Change what a key may do; what is not named stays, `--models ''` takes a rule away
    Set(KeySet),
    /// Give a key a new secret; the old one ends at once, or after the overlap
    Rotate(KeyRotate),
    /// Switch a key off
    Freeze(KeyFreeze),
    /// Switch a key on again
    Thaw(KeyName),
    /// Remove a key
    Rm(KeyName),
    /// Which keys leaked secrets are, what was done with them, and ending that
    Leaked(KeyLeaked),
}

/// What a key may do.
#[derive(Debug, Args)]
pub struct KeyRulesArgs {
    /// Whom it may speak for: none, any, or names separated by commas [default: `[keys] users`]
    #[arg(long, value_name = "none|any|a,b")]
    pub users: Option<String>,
    /// Models it may ask for, separated by commas; all when absent
    #[arg(long, value_delimiter = ',')]
    pub models: Option<Vec<String>>,
    /// Groups of routes it may use, separated by commas: chat, responses, jobs, …; all when absent
    #[arg(long, value_delimiter = ',')]
    pub routes: Option<Vec<String>>,
    /// A network that its clients are in: 203.0.113.0/24; anywhere when absent
    #[arg(long, value_name = "CIDR")]
    pub from: Option<Vec<String>>,
    /// A budget of its own: $5/day, "100000 tokens/1h", "$50/month warn"
    #[arg(long = "budget", value_name = "LIMIT/WINDOW")]
    pub budgets: Option<Vec<String>>,
    /// A rate limit of its own: 10/10s, "5000 tokens/1m", "3 at once"
    #[arg(long = "limit", value_name = "LIMIT")]
    pub limits: Option<Vec<String>>,
    /// When it ends: 30d, 2026-12-31 or 2026-12-31T18:00:00Z
    #[arg(long, value_name = "WHEN")]
    pub expires: Option<String>,
    /// What it is for
    #[arg(long)]
    pub description: Option<String>,
}

/// `haltline key create`.
#[derive(Debug, Args)]
pub struct KeyCreate {
    /// Unique name: letters, digits, `-`, `_`, `.`
    pub name: String,
    /// Team it belongs to
    #[arg(long)]
    pub team: Option<String>,
    /// Tier it belongs to
    #[arg(long)]
    pub tier: Option<String>,
    /// What it may do
    #[command(flatten)]
    pub rules: KeyRulesArgs,
    /// Say what would be done and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `haltline key set`.
#[derive(Debug, Args)]
pub struct KeySet {
    /// Its name
    pub name: String,
    /// What it may do; `--expires never` takes the end away
    #[command(flatten)]
    pub rules: KeyRulesArgs,
    /// Say what would be done and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `haltline key show`.
#[derive(Debug, Args)]
pub struct KeyShow {
    /// Its name
    pub name: String,
}

/// A key.
#[derive(Debug, Args)]
pub struct KeyName {
    /// Its name
    pub name: String,
    /// Say what would be done and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `haltline key rotate`.
#[derive(Debug, Args)]
pub struct KeyRotate {
    /// Its name
    pub name: String,
    /// How long the old secret works yet: 24h, at most 31d
    #[arg(long, value_name = "DURATION", default_value = "0")]
    pub overlap: String,
    /// Say what would be done and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `haltline key freeze`.
#[derive(Debug, Args)]
pub struct KeyFreeze {
    /// Its name
    pub name: String,
    /// Switch it on again
    #[arg(long)]
    pub undo: bool,
    /// Say what would be done and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `haltline key leaked`.
#[derive(Debug, Args)]
pub struct KeyLeaked {
    /// Secrets, or their first twelve characters; `-` reads them from standard input, one a line or as the JSON
    /// of a secret scanner, so that they are in no shell history
    #[arg(required = true)]
    pub secrets: Vec<String>,
    /// End at once what they can do
    #[arg(long, value_parser = ["freeze", "rotate"])]
    pub then: Option<String>,
    /// Since when to add up what was spent
    #[arg(long, value_name = "WHEN", default_value = "1d")]
    pub since: String,
}

/// `haltline admin …`.
#[derive(Debug, Subcommand)]
pub enum AdminCommand {
    /// Make an administrator; the secret is shown once
    Create(AdminCreate),
    /// All administrators, without their secrets
    List,
    /// Give an administrator a new secret; the old one ends at once
    Rotate(AdminName),
    /// Remove an administrator
    Rm(AdminName),
}

/// `haltline admin create`.
#[derive(Debug, Args)]
pub struct AdminCreate {
    /// Unique name: letters, digits, `-`, `_`, `.`
    pub name: String,
    /// viewer looks, operator keeps it running, owner may do everything
    #[arg(long, value_parser = ["viewer", "operator", "owner"])]
    pub role: String,
    /// When it ends: 30d, 2026-12-31 or 2026-12-31T18:00:00Z
    #[arg(long, value_name = "WHEN")]
    pub expires: Option<String>,
}

/// An administrator.
#[derive(Debug, Args)]
pub struct AdminName {
    /// Its name
    pub name: String,
}

/// `haltline audit …`.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// What administrators did, the oldest first
    List(AuditList),
    /// Add up the seals of the audit log again: finds what was changed, taken out or put in
    Verify,
    /// The same as `list`, as JSON lines with seals
    Export(AuditList),
}

/// `haltline audit list`.
#[derive(Debug, Args)]
pub struct AuditList {
    /// From this time: 7d, 2026-11-24, 2026-11-24T18:00:00Z
    #[arg(long, value_name = "WHEN")]
    pub since: Option<String>,
    /// Only this administrator's
    #[arg(long)]
    pub by: Option<String>,
    /// Only this kind, or all that begin so: key.
    #[arg(long)]
    pub what: Option<String>,
}

/// `haltline budget …`.
#[derive(Debug, Subcommand)]
pub enum BudgetCommand {
    /// Every account: spent, held, limit, and when it resets
    List(BudgetList),
    /// Change a limit in the configuration and have the gateway read it again
    Set(BudgetSet),
    /// Another limit until a given time, audited
    Override(BudgetOverride),
    /// Correct what an account has spent, audited
    Adjust(BudgetAdjust),
    /// Who changed what, when and why
    History(BudgetName),
    /// Exit with 6 when a budget is used up to a mark; for pipelines
    Assert(BudgetAssert),
}

/// `haltline budget list`.
#[derive(Debug, Args)]
pub struct BudgetList {
    /// Only this budget
    pub name: Option<String>,
}

/// A budget.
#[derive(Debug, Args)]
pub struct BudgetName {
    /// Its name
    pub name: String,
}

/// `haltline budget set`.
#[derive(Debug, Args)]
pub struct BudgetSet {
    /// Its name
    pub name: String,
    /// The new limit: "$80", "4000 tokens", "200 requests"
    #[arg(long)]
    pub limit: String,
    /// Show the change and write nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `haltline budget override`.
#[derive(Debug, Args)]
pub struct BudgetOverride {
    /// The budget
    pub name: String,
    /// The limit until then
    #[arg(long)]
    pub limit: String,
    /// Until when: 2h, 2026-12-31 or 2026-12-31T18:00:00Z
    #[arg(long, value_name = "WHEN")]
    pub until: String,
    /// Why; kept in the journal
    #[arg(long)]
    pub reason: String,
    /// For one subject only, as `budget list` shows it
    #[arg(long)]
    pub subject: Option<String>,
    /// Who asks [default: the user of this machine]
    #[arg(long, value_name = "WHO")]
    pub by: Option<String>,
    /// Say what would be done and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `haltline budget adjust`.
#[derive(Debug, Args)]
pub struct BudgetAdjust {
    /// The budget
    pub name: String,
    /// What to add to the amount spent; with a minus to give back: "-$1.50"
    #[arg(long, allow_hyphen_values = true)]
    pub delta: String,
    /// Why; kept in the journal
    #[arg(long)]
    pub reason: String,
    /// Whose account, as `budget list` shows it; not for global budgets
    #[arg(long, default_value = "")]
    pub subject: String,
    /// Who asks [default: the user of this machine]
    #[arg(long, value_name = "WHO")]
    pub by: Option<String>,
    /// Say what would be done and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `haltline budget assert`.
#[derive(Debug, Args)]
pub struct BudgetAssert {
    /// The budget
    pub name: String,
    /// Only the account of this subject; else all of the budget's
    #[arg(long)]
    pub subject: Option<String>,
    /// Spent and held must be below this share of the limit
    #[arg(long, value_name = "PERCENT", value_parser = super::budget::per_mille)]
    pub below: i64,
}

/// `haltline spend`.
#[derive(Debug, Args)]
pub struct SpendArgs {
    /// Group by key, team, user, model, provider, tag, day; several separated by commas
    #[arg(long, value_delimiter = ',')]
    pub by: Vec<String>,
    /// From when: 7d, 2026-11-01 or 2026-11-01T00:00:00Z
    #[arg(long, value_name = "WHEN", default_value = "7d")]
    pub since: String,
    /// Until when; now when absent
    #[arg(long, value_name = "WHEN")]
    pub until: Option<String>,
}

/// `haltline prices …`.
#[derive(Clone, Debug, Subcommand)]
pub enum PricesCommand {
    /// All models with their rates
    List(PricesList),
    /// Everything about one model: rates, limits, sources, and what requests cost
    Show(PricesShow),
    /// What a list in a file would change against the shipped one
    Diff(PricesFile),
    /// Check a list in a file: everything that is wrong with it
    Check(PricesFile),
    /// Print the cost matrix of the documentation
    #[command(hide = true)]
    Matrix,
}

/// `haltline prices list`.
#[derive(Clone, Debug, Args)]
pub struct PricesList {
    /// Only this list: openai, anthropic, google, …
    #[arg(long, value_name = "P")]
    pub provider: Option<String>,
    /// As JSON lines
    #[arg(long)]
    pub json: bool,
}

/// `haltline prices show`.
#[derive(Clone, Debug, Args)]
pub struct PricesShow {
    /// A model's id, or list/model
    pub model: String,
    /// As a JSON line
    #[arg(long)]
    pub json: bool,
}

/// A price list.
#[derive(Clone, Debug, Args)]
pub struct PricesFile {
    /// In the form of `prices/*.toml`
    pub file: PathBuf,
    /// As JSON lines
    #[arg(long)]
    pub json: bool,
}

/// `haltline cache …`.
#[derive(Clone, Debug, Subcommand)]
pub enum CacheCommand {
    /// How many answers are kept, what they take, and how often they were given
    Stats,
    /// Answers that are not to be given again
    Purge(CachePurge),
}

/// `haltline cache purge`.
#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = false, id = "what")]
pub struct CachePurge {
    /// Those with this tag, whosever they are
    #[arg(long, value_name = "TAG", group = "what")]
    pub tag: Option<String>,
    /// Those of this API key's team, or of the key where it has no team
    #[arg(long, value_name = "KEY", group = "what")]
    pub key: Option<String>,
    /// All of them
    #[arg(long, group = "what")]
    pub all: bool,
}

/// `haltline sign-ins …`.
#[derive(Clone, Debug, Subcommand)]
pub enum SignInsCommand {
    /// Who is signed in, and until when
    List(SignInsList),
    /// End sign-ins at once
    Revoke(SignInsRevoke),
}

/// `haltline sign-ins list`.
#[derive(Clone, Debug, Args)]
pub struct SignInsList {
    /// Of this user only
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
    /// Of this key only
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
}

/// `haltline sign-ins revoke`.
#[derive(Clone, Debug, Args)]
pub struct SignInsRevoke {
    /// This one
    #[arg(value_name = "ID", required_unless_present_any = ["user", "key", "all"])]
    pub id: Option<String>,
    /// Those of this user
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
    /// Those of this key
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// Everybody's
    #[arg(long, conflicts_with_all = ["id", "user", "key"])]
    pub all: bool,
    /// Stop also what their users have under way; by itself that goes on to its end
    #[arg(long)]
    pub stop: bool,
}

/// `haltline dlq …`.
#[derive(Clone, Debug, Subcommand)]
pub enum DlqCommand {
    /// All that nobody has sent again, the oldest first
    List(DlqList),
    /// One of them: why, what was tried, what it has cost, what a retry may cost
    Show(DlqShow),
    /// Send one again, or all; says first what that may cost
    Retry(DlqRetry),
    /// Remove one for good, or all
    Discard(DlqDiscard),
}

/// `haltline dlq list`.
#[derive(Clone, Copy, Debug, Args)]
pub struct DlqList {
    /// Those that were sent again, too
    #[arg(long)]
    pub all: bool,
}

/// `haltline dlq show`.
#[derive(Clone, Debug, Args)]
pub struct DlqShow {
    /// dl_…
    pub id: String,
}

/// `haltline dlq retry`.
#[derive(Clone, Debug, Args)]
pub struct DlqRetry {
    /// dl_…
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub id: Option<String>,
    /// All that nobody has sent again
    #[arg(long)]
    pub all: bool,
    /// Do not ask when all of it may cost no more than this [default: $0.10, for a single one]
    #[arg(long, value_name = "$X")]
    pub yes_below: Option<String>,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    /// Say what would be done and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `haltline dlq discard`.
#[derive(Clone, Debug, Args)]
pub struct DlqDiscard {
    /// dl_…
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub id: Option<String>,
    /// All, those that were sent again included
    #[arg(long)]
    pub all: bool,
    /// Only those that failed before: 7d, 2026-11-01 or 2026-11-01T00:00:00Z
    #[arg(long, value_name = "WHEN", requires = "all")]
    pub older_than: Option<String>,
    /// Say what would be done and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `haltline store …`.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum StoreCommand {
    /// Is everything there as it was written, and do the sums agree?
    Verify,
}

/// `haltline version`.
#[derive(Clone, Copy, Debug, Args)]
pub struct VersionArgs {
    /// As JSON
    #[arg(long)]
    pub json: bool,
}
