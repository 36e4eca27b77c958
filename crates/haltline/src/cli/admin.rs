//! The operator's door from the command line: to a running gateway through its admin API, or to
//! the store itself when nobody runs. The shapes are those of `haltline_http::admin::dto`.

mod local;
mod remote;

use super::args::Global;
use super::exit::{CliError, Exit};
use crate::config::{Found, Loaded, Secrets, StoreSettings, find, load_found};
use haltline_http::admin::dto::{
    Account, AllowedRule, CachePurgeOrder, CacheStanding, DeadLetter, DecideCase, HistoryLine, Key, MadeKey,
    NewAdjustment, NewKey, NewOverride, OpenedDeadLetter, ReviewCase, RevokeSignIns, SignIn, SpendLine,
};
use haltline_http::admin::dto::{
    AdminDto, AuditEntry, AuditReport, ChangedKey, LeakedKey, LeakedReport, MadeAdmin, NewAdmin, RotatedKey,
};
use haltline_http::timeline::{BatchLine, StreamLine, Timeline, Timelines};
use haltline_ports::{BoxFuture, SpendKey, Together};
use haltline_types::NanoUsd;
use haltline_types::Timestamp;
use local::{Local, Opened};
use remote::Remote;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What a method gives back.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, CliError>>;

/// A question about spend.
#[derive(Clone, Debug)]
pub struct SpendAsk {
    /// Properties to group by.
    pub by: Vec<SpendKey>,
    /// From this instant.
    pub since: Timestamp,
    /// Before this instant.
    pub until: Timestamp,
}

/// A question for the timelines of requests that belong together, the oldest first.
#[derive(Clone, Debug)]
pub struct TimelinesAsk {
    /// What they have in common.
    pub together: Together,
    /// Only this key's.
    pub key: Option<String>,
    /// Only this user's.
    pub user: Option<String>,
    /// The last request of the page before.
    pub after: Option<String>,
}

/// A question for acts of administrators.
#[derive(Clone, Debug, Default)]
pub struct AuditAsk {
    /// From this instant on.
    pub since: Option<Timestamp>,
    /// By this administrator.
    pub by: Option<String>,
    /// Of this kind, or of all that begin so.
    pub what: Option<String>,
}

/// A stream, and some of its events.
pub type StreamPage = (StreamLine, Vec<BatchLine>);

/// What an operator can ask for.
pub trait Admin: Send + Sync {
    /// All keys.
    fn keys(&self) -> Answer<'_, Vec<Key>>;
    /// Makes a key.
    fn create_key<'a>(&'a self, wanted: &'a NewKey) -> Answer<'a, MadeKey>;
    /// One of them.
    fn key<'a>(&'a self, name: &'a str) -> Answer<'a, Key>;
    /// Changes what it may do.
    fn set_key<'a>(&'a self, name: &'a str, wanted: &'a ChangedKey) -> Answer<'a, Key>;
    /// Gives it another secret.
    fn rotate_key<'a>(&'a self, name: &'a str, wanted: &'a RotatedKey) -> Answer<'a, MadeKey>;
    /// Which keys leaked secrets are, and ending what they can do.
    fn leaked_keys<'a>(&'a self, report: &'a LeakedReport) -> Answer<'a, Vec<LeakedKey>>;
    /// All administrators.
    fn admins(&self) -> Answer<'_, Vec<AdminDto>>;
    /// Makes one.
    fn create_admin<'a>(&'a self, wanted: &'a NewAdmin) -> Answer<'a, MadeAdmin>;
    /// Gives one another secret.
    fn rotate_admin<'a>(&'a self, name: &'a str) -> Answer<'a, MadeAdmin>;
    /// Removes one.
    fn remove_admin<'a>(&'a self, name: &'a str) -> Answer<'a, ()>;
    /// What administrators did, the oldest first.
    fn audit<'a>(&'a self, ask: &'a AuditAsk) -> Answer<'a, Vec<AuditEntry>>;
    /// Adds up the audit log's seals again.
    fn verify_audit(&self) -> Answer<'_, AuditReport>;
    /// Switches it off, or on again.
    fn freeze_key<'a>(&'a self, name: &'a str, frozen: bool) -> Answer<'a, Key>;
    /// Removes it.
    fn remove_key<'a>(&'a self, name: &'a str) -> Answer<'a, ()>;
    /// Every account of an open window.
    fn accounts(&self) -> Answer<'_, Vec<Account>>;
    /// Another limit for a time; says what is in force.
    fn limit_override<'a>(&'a self, wanted: &'a NewOverride) -> Answer<'a, String>;
    /// Corrects what is spent; says what was done.
    fn adjust<'a>(&'a self, wanted: &'a NewAdjustment) -> Answer<'a, String>;
    /// Corrections and overrides of a budget, oldest first.
    fn history<'a>(&'a self, budget: &'a str) -> Answer<'a, Vec<HistoryLine>>;
    /// Spend, grouped.
    fn spend<'a>(&'a self, ask: &'a SpendAsk) -> Answer<'a, Vec<SpendLine>>;
    /// How the response cache stands; a running gateway knows.
    fn cache_stats(&self) -> Answer<'_, CacheStanding>;
    /// Has answers of the response cache not given again; says what was done.
    fn purge_cache<'a>(&'a self, order: &'a CachePurgeOrder) -> Answer<'a, String>;
    /// Browsers that are signed in, of a key or user where one is named.
    fn sign_ins<'a>(&'a self, key: Option<&'a str>, user: Option<&'a str>) -> Answer<'a, Vec<SignIn>>;
    /// Ends sign-ins; says what was done.
    fn revoke_sign_ins<'a>(&'a self, order: &'a RevokeSignIns) -> Answer<'a, String>;
    /// Dead letters, the oldest first; with `all` those that were sent again, too.
    fn dead_letters(&self, all: bool) -> Answer<'_, Vec<DeadLetter>>;
    /// One of them.
    fn dead_letter<'a>(&'a self, id: &'a str) -> Answer<'a, OpenedDeadLetter>;
    /// Sends one again if one attempt costs at most this; gives the job's id.
    fn retry_dead_letter<'a>(&'a self, id: &'a str, most: NanoUsd) -> Answer<'a, String>;
    /// Removes one.
    fn discard_dead_letter<'a>(&'a self, id: &'a str) -> Answer<'a, ()>;
    /// Cases of the review queue, the latest first.
    fn cases<'a>(&'a self, state: Option<&'a str>) -> Answer<'a, Vec<ReviewCase>>;
    /// One of them; `reveal`: with the text as it was.
    fn case<'a>(&'a self, id: &'a str, reveal: bool) -> Answer<'a, ReviewCase>;
    /// Decides one.
    fn decide_case<'a>(&'a self, id: &'a str, wanted: &'a DecideCase) -> Answer<'a, ReviewCase>;
    /// Rules that decisions have switched off.
    fn allowed_rules(&self) -> Answer<'_, Vec<AllowedRule>>;
    /// Switches one on again.
    fn restore_rule<'a>(&'a self, rule: &'a str, key: Option<&'a str>) -> Answer<'a, ()>;
    /// What happened to a request.
    fn timeline<'a>(&'a self, id: &'a str) -> Answer<'a, Timeline>;
    /// What happened to requests that belong together; a page.
    fn timelines<'a>(&'a self, ask: &'a TimelinesAsk) -> Answer<'a, Timelines>;
    /// A stream and a page of its events after this one.
    fn stream<'a>(&'a self, id: &'a str, after: u64) -> Answer<'a, StreamPage>;
    /// Checks the store; says what it holds.
    fn verify(&self) -> Answer<'_, String>;
    /// Has the gateway read its configuration again; `None` when none runs.
    fn reload(&self) -> Answer<'_, Option<String>>;
}

/// `admin.json` in the data directory, written by `haltline serve` for its owner only:
/// `{"url":"http://127.0.0.1:4100","token":"…","pid":4242}`.
#[derive(Clone, Serialize, Deserialize)]
pub struct AdminFile {
    /// Where the gateway listens, without a path.
    pub url: String,
    /// The bearer token of the admin API.
    pub token: String,
    /// The gateway's process.
    pub pid: u32,
}

/// Without the token.
impl std::fmt::Debug for AdminFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AdminFile").field("url", &self.url).field("pid", &self.pid).finish_non_exhaustive()
    }
}

impl AdminFile {
    /// Its name in the data directory.
    pub const NAME: &'static str = "admin.json";
}

/// What the store is and is for; providers' keys are not needed for that.
pub(super) fn configuration(
    global: &Global,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<(Found, Loaded), CliError> {
    let found = find(global.config.as_deref(), env)?;
    let loaded = load_found(&found, env, Secrets::Ignored)?;
    Ok((found, loaded))
}

/// Whether a store that is not there yet is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfAbsent {
    /// Yes: a first key can be made before the gateway has ever run.
    Make,
    /// No: there is nothing to show.
    Refuse,
}

/// Finds whoever owns the store: a gateway named in the environment (HALTLINE_ADMIN_URL and
/// HALTLINE_ADMIN_TOKEN), the one that runs on the data directory, or nobody.
///
/// # Errors
/// When neither a gateway nor the store can be reached.
pub fn connect(
    loaded: &Loaded,
    if_absent: IfAbsent,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Box<dyn Admin>, CliError> {
    if let Some(url) = env("HALTLINE_ADMIN_URL").filter(|url| !url.is_empty()) {
        let token = env("HALTLINE_ADMIN_TOKEN").unwrap_or_default();
        return Ok(Box::new(Remote::new(&url, &token)?));
    }
    let StoreSettings::File(dir) = &loaded.store else {
        let message = "the store is in memory, so only its own gateway knows it";
        return Err(CliError::new(Exit::NotReachable, message)
            .help("name the gateway with HALTLINE_ADMIN_URL and HALTLINE_ADMIN_TOKEN"));
    };
    if if_absent == IfAbsent::Refuse && !dir.exists() {
        let message = format!("there is no store at {} yet", dir.display());
        return Err(
            CliError::new(Exit::NotFound, message).help("start the gateway with `haltline serve`, or make a key")
        );
    }
    // The lock says who owns the store; a file that a killed gateway left behind says nothing.
    match Local::open(dir, loaded)? {
        Opened::Here(local) => Ok(Box::new(local)),
        Opened::Taken(owner) => Ok(Box::new(running(dir, &owner)?)),
    }
}

/// The gateway that owns a data directory.
fn running(dir: &Path, owner: &str) -> Result<Remote, CliError> {
    let path = dir.join(AdminFile::NAME);
    let text = std::fs::read_to_string(&path).map_err(|error| match error.kind() {
        std::io::ErrorKind::PermissionDenied => {
            let message = format!("{} belongs to another user", path.display());
            CliError::new(Exit::NotAllowed, message).help("run the command as the user of the gateway")
        }
        _ => CliError::new(
            Exit::NotReachable,
            format!("{} is in use by {owner}, which does not say where it listens", dir.display()),
        )
        .help("is it starting, stopping, or another command? try again"),
    })?;
    let file: AdminFile = serde_json::from_str(&text)
        .map_err(|error| CliError::new(Exit::NotReachable, format!("{} is not understood: {error}", path.display())))?;
    Remote::new(&file.url, &file.token)
}
