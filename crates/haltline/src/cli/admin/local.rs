//! The store itself, when no gateway runs on it: opened for one command, and closed in order. Changes of
//! keys and administrators are in `local/people.rs`.

mod people;

use super::{Admin, Answer, AuditAsk, SpendAsk, StreamPage, TimelinesAsk};
use crate::cli::exit::{CliError, Exit};
use crate::cli::when::now;
use crate::config::Loaded;
use haltline_gateway::{ShownSignIn, SignInsOf};
use haltline_http::admin::dto::{
    Account, AllowedRule, CachePurgeOrder, CacheStanding, DeadLetter, DecideCase, HistoryLine, Key, MadeKey,
    NewAdjustment, NewKey, NewOverride, OpenedDeadLetter, ReviewCase, RevokeSignIns, SignIn, SpendLine,
};
use haltline_http::admin::dto::{
    AdminDto, AuditEntry, AuditReport, ChangedKey, LeakedKey, LeakedReport, MadeAdmin, NewAdmin, RotatedKey,
};
use haltline_http::admin::{
    account, admin_dto, audit_entry, audit_report, changed, history_line, new_secret, rotated, spend_line,
};
use haltline_http::admin::{sign_in, stream_lines};
use haltline_http::timeline::{Audience, Timeline, Timelines, before, time_tools, time_tools_of, timeline, timelines};
use haltline_ledger::{AccountId, Budgets};
use haltline_ports::{
    ActQuery, Acts, Admins, Book, BookError, Clock, Correction, DocumentQuery, KeyRecord, Keys, KeysError,
    LimitOverride, Order, REQUESTS_MAX, Records, RecordsError, RequestsQuery, Shelf, SpendQuery, Streams, Whose,
};
use haltline_store_embedded::{EmbeddedStore, LockError, Options};
use haltline_types::{Amount, Name, NanoUsd, RequestId, Timestamp};
use std::path::Path;
use std::sync::Arc;

/// An open store.
pub(super) struct Local {
    store: Arc<EmbeddedStore>,
    budgets: Budgets,
}

/// Who has the store.
pub(super) enum Opened {
    /// This command.
    Here(Local),
    /// Another process, by what it says of itself.
    Taken(String),
}

/// The machine's clock; no window is opened by a command, so nothing guards it.
struct MachineClock;

impl Clock for MachineClock {
    fn now(&self) -> Timestamp {
        now()
    }
}

impl Local {
    pub(super) fn open(dir: &Path, loaded: &Loaded) -> Result<Opened, CliError> {
        let budgets = loaded.settings.budgets.clone();
        let options = match Options::directory(dir, Arc::new(MachineClock)) {
            Ok(options) => options,
            Err(LockError::Taken { owner, .. }) => return Ok(Opened::Taken(owner)),
            Err(error) => return Err(not_opened(&error)),
        };
        let options = Options { encryption: loaded.encryption.clone(), ..options };
        let opened = EmbeddedStore::open(options, budgets.clone(), now());
        let (store, _) = opened.map_err(|error| CliError::failed(error.to_string()))?;
        Ok(Opened::Here(Self { store, budgets }))
    }

    /// Sign-ins as they are kept, for when no gateway has them in memory.
    async fn kept_sign_ins(&self, whose: &SignInsOf) -> Result<Vec<ShownSignIn>, CliError> {
        const PAGE: usize = 500;
        let documents: &dyn haltline_ports::Documents = &*self.store;
        let mut query = DocumentQuery::of(Shelf::SignIn, PAGE);
        let mut all = Vec::new();
        loop {
            let page = documents.list(query.clone(), now()).await;
            let page = page.map_err(|error| CliError::failed(error.to_string()))?;
            all.extend(page.iter().filter_map(ShownSignIn::read).filter(|shown| whose.has(shown)));
            query.after = page.last().map(|document| document.id.clone());
            if page.len() < PAGE {
                return Ok(all);
            }
        }
    }

    fn known_budget(&self, name: &str) -> Result<(), CliError> {
        match self.budgets.find(name) {
            Some(_) => Ok(()),
            None => Err(CliError::new(Exit::NotFound, format!("there is no budget named `{name}`"))
                .help("`haltline budget list` shows all")),
        }
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        // Whatever a command changed was durable before it was said; this only spares the next
        // start its recovery, so a failure changes nothing.
        let _ = self.store.close(now());
    }
}

fn not_opened(error: &LockError) -> CliError {
    let exit = match error {
        LockError::Taken { .. } => Exit::NotReachable,
        LockError::Io { error, .. } if error.kind() == std::io::ErrorKind::PermissionDenied => Exit::NotAllowed,
        LockError::Io { .. } => Exit::Failed,
    };
    CliError::new(exit, error.to_string())
}

fn keys_error(error: &KeysError) -> CliError {
    let exit = match error {
        KeysError::Exists(_) | KeysError::Used(..) | KeysError::Unknown(_) => Exit::NotFound,
        KeysError::Rules(_) => Exit::Usage,
        KeysError::Store(_) => Exit::Failed,
    };
    CliError::new(exit, error.to_string())
}

fn book_error(error: &BookError) -> CliError {
    let exit = if matches!(error, BookError::NotAllowed(_)) { Exit::Usage } else { Exit::Failed };
    CliError::new(exit, error.to_string())
}

fn records_error(error: &RecordsError) -> CliError {
    CliError::failed(error.to_string())
}

fn request_id(id: &str) -> Result<RequestId, CliError> {
    id.parse().map_err(|error: haltline_types::IdError| CliError::usage(error.to_string()))
}

fn instant(text: &str) -> Result<Timestamp, CliError> {
    let read = text.parse::<jiff::Timestamp>().map(|at| Timestamp::from_millis(at.as_millisecond()));
    read.map_err(|_| CliError::usage(format!("`{text}` is not a time")))
}

fn fresh_secret() -> Result<String, CliError> {
    new_secret("hl-live-").map_err(|error| CliError::failed(error.to_string()))
}

/// What a retry costs depends on keys, prices and models as a gateway has them in force.
fn needs_gateway() -> CliError {
    CliError::new(Exit::NotReachable, "this is a running gateway's matter, and none runs here")
        .help("start it with `haltline serve`")
}

impl Admin for Local {
    fn keys(&self) -> Answer<'_, Vec<Key>> {
        Box::pin(async { Ok(self.all_keys()) })
    }

    fn key<'a>(&'a self, name: &'a str) -> Answer<'a, Key> {
        Box::pin(async move { self.one_key(name) })
    }

    fn create_key<'a>(&'a self, wanted: &'a NewKey) -> Answer<'a, MadeKey> {
        Box::pin(self.make_key(wanted))
    }

    fn set_key<'a>(&'a self, name: &'a str, wanted: &'a ChangedKey) -> Answer<'a, Key> {
        Box::pin(self.change_key("key.set", name, |key| changed(key, wanted, now())))
    }

    fn rotate_key<'a>(&'a self, name: &'a str, wanted: &'a RotatedKey) -> Answer<'a, MadeKey> {
        Box::pin(async move {
            let secret = fresh_secret()?;
            let hash = Keys::hash(&*self.store, &secret);
            let with = |key| rotated(key, &secret, hash, wanted.overlap.as_deref(), now());
            let key = self.change_key("key.rotate", name, with).await?;
            Ok(MadeKey { secret, key })
        })
    }

    fn freeze_key<'a>(&'a self, name: &'a str, frozen: bool) -> Answer<'a, Key> {
        let what = if frozen { "key.freeze" } else { "key.thaw" };
        Box::pin(self.change_key(what, name, move |key| Ok(KeyRecord { frozen, ..key })))
    }

    fn remove_key<'a>(&'a self, name: &'a str) -> Answer<'a, ()> {
        Box::pin(self.drop_key(name))
    }

    fn leaked_keys<'a>(&'a self, _report: &'a LeakedReport) -> Answer<'a, Vec<LeakedKey>> {
        Box::pin(async { Err(needs_gateway()) })
    }

    fn admins(&self) -> Answer<'_, Vec<AdminDto>> {
        Box::pin(async { Ok(self.store.list_admins().iter().map(|admin| admin_dto(admin)).collect()) })
    }

    fn create_admin<'a>(&'a self, wanted: &'a NewAdmin) -> Answer<'a, MadeAdmin> {
        Box::pin(self.make_admin(wanted))
    }

    fn rotate_admin<'a>(&'a self, name: &'a str) -> Answer<'a, MadeAdmin> {
        Box::pin(self.change_admin(name))
    }

    fn remove_admin<'a>(&'a self, name: &'a str) -> Answer<'a, ()> {
        Box::pin(self.drop_admin(name))
    }

    fn audit<'a>(&'a self, ask: &'a AuditAsk) -> Answer<'a, Vec<AuditEntry>> {
        Box::pin(async move {
            let query = ActQuery {
                since: ask.since,
                by: ask.by.as_deref().map(Name::new),
                what: ask.what.clone(),
                after: 0,
                limit: usize::MAX,
            };
            let acts = self.store.acts(query).await.map_err(|error| CliError::failed(error.to_string()))?;
            Ok(acts.iter().map(audit_entry).collect())
        })
    }

    fn verify_audit(&self) -> Answer<'_, AuditReport> {
        Box::pin(async {
            let report = self.store.verify_acts().await.map_err(|error| CliError::failed(error.to_string()))?;
            Ok(audit_report(report))
        })
    }

    fn accounts(&self) -> Answer<'_, Vec<Account>> {
        Box::pin(async { Ok(self.store.balances(now()).iter().map(account).collect()) })
    }

    fn limit_override<'a>(&'a self, wanted: &'a NewOverride) -> Answer<'a, String> {
        Box::pin(async move {
            self.known_budget(&wanted.budget)?;
            let order = LimitOverride {
                budget: Name::new(&wanted.budget),
                subject: wanted.subject.clone(),
                limit: wanted.limit.parse().map_err(CliError::usage)?,
                until: instant(&wanted.until)?,
                by: Name::new(&wanted.by),
                reason: wanted.reason.clone(),
            };
            let said = format!("{} is {} until {}.", wanted.budget, order.limit, order.until);
            let act = async {
                let done = self.store.limit_override(order, now()).await;
                done.map(|()| ((), said.clone())).map_err(|error| book_error(&error))
            };
            self.acting(("budget.override", &wanted.budget), act).await?;
            Ok(said)
        })
    }

    fn adjust<'a>(&'a self, wanted: &'a NewAdjustment) -> Answer<'a, String> {
        Box::pin(async move {
            self.known_budget(&wanted.budget)?;
            let delta: Amount = wanted.delta.parse().map_err(CliError::usage)?;
            let at = now();
            let open =
                self.store.balances(at).into_iter().find(|balance| {
                    *balance.account.budget == *wanted.budget && balance.account.subject == wanted.subject
                });
            let account: AccountId = open.map(|balance| balance.account).ok_or_else(|| {
                let message = format!("`{}` has no open account for the subject `{}`", wanted.budget, wanted.subject);
                CliError::new(Exit::NotFound, message).help("`haltline budget list` shows those there are")
            })?;
            let said = format!("{delta} on {account}.");
            let correction = Correction { account, delta, by: Name::new(&wanted.by), reason: wanted.reason.clone() };
            let act = async {
                let done = self.store.adjust(correction, at).await;
                done.map(|()| ((), said.clone())).map_err(|error| book_error(&error))
            };
            self.acting(("budget.adjust", &wanted.budget), act).await?;
            Ok(said)
        })
    }

    fn history<'a>(&'a self, budget: &'a str) -> Answer<'a, Vec<HistoryLine>> {
        Box::pin(async move {
            self.known_budget(budget)?;
            let entries = self.store.history(&Name::new(budget)).await.map_err(|error| book_error(&error))?;
            Ok(entries.iter().filter_map(history_line).collect())
        })
    }

    fn spend<'a>(&'a self, ask: &'a SpendAsk) -> Answer<'a, Vec<SpendLine>> {
        Box::pin(async move {
            let query = SpendQuery { by: ask.by.clone(), since: ask.since, until: ask.until };
            let rows = self.store.spend(query).await.map_err(|error| CliError::failed(error.to_string()))?;
            Ok(rows.iter().map(spend_line).collect())
        })
    }

    fn cache_stats(&self) -> Answer<'_, CacheStanding> {
        Box::pin(async { Err(needs_gateway()) })
    }

    fn purge_cache<'a>(&'a self, _order: &'a CachePurgeOrder) -> Answer<'a, String> {
        Box::pin(async { Err(needs_gateway()) })
    }

    fn sign_ins<'a>(&'a self, key: Option<&'a str>, user: Option<&'a str>) -> Answer<'a, Vec<SignIn>> {
        Box::pin(async move {
            let whose = SignInsOf { key: key.map(Name::new), user: user.map(Name::new), id: None };
            Ok(self.kept_sign_ins(&whose).await?.into_iter().map(sign_in).collect())
        })
    }

    fn revoke_sign_ins<'a>(&'a self, order: &'a RevokeSignIns) -> Answer<'a, String> {
        Box::pin(async move {
            let whose = order.whose().map_err(CliError::usage)?;
            let on = whose.to_string();
            let act = async {
                let ids = self.kept_sign_ins(&whose).await?.into_iter().map(|shown| shown.id).collect();
                let documents: &dyn haltline_ports::Documents = &*self.store;
                let ended = documents.remove(Shelf::SignIn, ids).await;
                let ended = ended.map_err(|error| CliError::failed(error.to_string()))?;
                Ok((ended, format!("{ended} ended")))
            };
            let ended = self.acting(("sign-in.revoke", &on), act).await?;
            Ok(format!("{ended} browser sign-ins are ended."))
        })
    }

    fn dead_letters(&self, _all: bool) -> Answer<'_, Vec<DeadLetter>> {
        Box::pin(async { Err(needs_gateway()) })
    }

    fn dead_letter<'a>(&'a self, _id: &'a str) -> Answer<'a, OpenedDeadLetter> {
        Box::pin(async { Err(needs_gateway()) })
    }

    fn retry_dead_letter<'a>(&'a self, _id: &'a str, _most: NanoUsd) -> Answer<'a, String> {
        Box::pin(async { Err(needs_gateway()) })
    }

    fn discard_dead_letter<'a>(&'a self, _id: &'a str) -> Answer<'a, ()> {
        Box::pin(async { Err(needs_gateway()) })
    }

    fn cases<'a>(&'a self, _state: Option<&'a str>) -> Answer<'a, Vec<ReviewCase>> {
        Box::pin(async { Err(needs_gateway()) })
    }

    fn case<'a>(&'a self, _id: &'a str, _reveal: bool) -> Answer<'a, ReviewCase> {
        Box::pin(async { Err(needs_gateway()) })
    }

    fn decide_case<'a>(&'a self, _id: &'a str, _wanted: &'a DecideCase) -> Answer<'a, ReviewCase> {
        Box::pin(async { Err(needs_gateway()) })
    }

    fn allowed_rules(&self) -> Answer<'_, Vec<AllowedRule>> {
        Box::pin(async { Err(needs_gateway()) })
    }

    fn restore_rule<'a>(&'a self, _rule: &'a str, _key: Option<&'a str>) -> Answer<'a, ()> {
        Box::pin(async { Err(needs_gateway()) })
    }

    fn timeline<'a>(&'a self, id: &'a str) -> Answer<'a, Timeline> {
        Box::pin(async move {
            let id = request_id(id)?;
            let found = self.store.generation(id).await.map_err(|error| records_error(&error))?;
            let mut record =
                found.ok_or_else(|| CliError::new(Exit::NotFound, format!("there is no record of {id}")))?;
            if let Some(query) = before(&record) {
                let earlier = self.store.requests(query).await.map_err(|error| records_error(&error))?;
                time_tools(&mut record, earlier.iter());
            }
            Ok(timeline(&record, Audience::Operator))
        })
    }

    fn timelines<'a>(&'a self, ask: &'a TimelinesAsk) -> Answer<'a, Timelines> {
        Box::pin(async move {
            let name = |text: &Option<String>| text.as_deref().map(Name::new);
            let query = RequestsQuery {
                together: ask.together.clone(),
                whose: Whose::Any { key: name(&ask.key), user: name(&ask.user) },
                order: Order::OldestFirst,
                after: ask.after.as_deref().map(request_id).transpose()?,
                limit: REQUESTS_MAX,
            };
            let mut found = self.store.requests(query).await.map_err(|error| records_error(&error))?;
            if found.is_empty() && ask.after.is_none() {
                return Err(CliError::new(Exit::NotFound, "there is no record of such a request"));
            }
            time_tools_of(&mut found);
            Ok(timelines(&found, REQUESTS_MAX, Audience::Operator))
        })
    }

    fn stream<'a>(&'a self, id: &'a str, after: u64) -> Answer<'a, StreamPage> {
        Box::pin(async move {
            let id = request_id(id)?;
            let missing = || CliError::new(Exit::NotFound, format!("no stream of {id} is kept"));
            let page = stream_lines(self.store.as_ref() as &dyn Streams, id, after).await;
            page.map_err(|error| CliError::failed(error.to_string()))?.ok_or_else(missing)
        })
    }

    fn verify(&self) -> Answer<'_, String> {
        Box::pin(async {
            let report = self.store.verify(now()).map_err(|error| CliError::failed(error.to_string()))?;
            Ok(report.to_string())
        })
    }

    fn reload(&self) -> Answer<'_, Option<String>> {
        Box::pin(async { Ok(None) })
    }
}
