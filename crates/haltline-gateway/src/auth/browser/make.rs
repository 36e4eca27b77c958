//! A backend grants its user's browser a sign-in: narrower than its key, and for a time.

use super::grant::{BrowserTokens, Grant, SignIn, Timed};
use super::register::Full;
use super::tokens::{ACCESS, CODE};
use super::{BrowserSettings, no_chance, unwritten};
use crate::auth::Presented;
use crate::auth::secret::new_secret;
use crate::gateway::Gateway;
use crate::problem::Problem;
use haltline_ports::{KeyRecord, LimitOverride, Owner, UserClaims};
use haltline_types::{Amount, Code, Name, NanoUsd, Timestamp, format_duration};
use std::sync::Arc;
use std::time::Duration;

/// For a browser to exchange its code.
const CODE_FOR: Duration = Duration::from_secs(60);
/// The budget of which each sign-in that has one of its own is a subject.
pub const BROWSER_BUDGET: &str = "browser-token";
/// For jobs that a browser has left behind to be done on its budget.
const WORK_LEFT: Duration = Duration::from_secs(86_400);
/// The shortest life of anything.
const SHORTEST: Duration = Duration::from_secs(1);
/// Models that a sign-in is narrowed to, at most.
const MODELS_MAX: usize = 64;
/// Tags of a sign-in, at most.
const TAGS_MAX: usize = 16;
/// The longest name, in bytes.
const NAME_MAX: usize = 256;

/// What a backend wants for a user's browser.
#[derive(Clone, Debug, Default)]
pub struct NewSignIn {
    /// The user.
    pub user: String,
    /// Models that the browser may ask for; empty = those of the key.
    pub models: Vec<String>,
    /// The most that the sign-in may spend in all, besides every other budget.
    pub budget: Option<NanoUsd>,
    /// The life of an access token.
    pub expires_in: Option<Duration>,
    /// The life of the sign-in.
    pub session_for: Option<Duration>,
    /// Tags that all of its requests have.
    pub tags: Vec<(String, String)>,
    /// The page that it is for.
    pub origin: Option<String>,
}

/// A sign-in and, this once, its token and code.
#[derive(Clone)]
pub struct MadeSignIn {
    /// `sgn_…`: no secret.
    pub id: String,
    /// `hl-web-…`.
    pub token: String,
    /// When the token ends.
    pub expires: Timestamp,
    /// `hl-code-…`, to be exchanged once for a refresh cookie.
    pub code: String,
    /// When the code ends.
    pub code_expires: Timestamp,
    /// When all of it ends.
    pub ends: Timestamp,
}

impl Gateway {
    /// Grants a sign-in to one of the key's users.
    ///
    /// # Errors
    /// When the key may not be used or not speak for the user, when more is asked for than the key
    /// may do itself, when there are too many sign-ins, and when it cannot be written down.
    pub async fn make_sign_in(self: &Arc<Self>, presented: &Presented, new: NewSignIn) -> Result<MadeSignIn, Problem> {
        let rules = self.browser_settings()?;
        let key = self.backend_key(presented)?;
        self.sign_ins.must_be_read()?;
        check(&rules, &key, &new)?;
        let hash = self.keys.hash(presented.text().unwrap_or_default());
        let gateway = Arc::clone(self);
        // A backend that leaves now must not leave half of it behind.
        let task = self.journeys.spawn(async move { gateway.write_sign_in(&rules, &key, hash, new).await });
        task.await.unwrap_or_else(|_| Err(Problem::new(Code::Internal, "The sign-in could not be made.")))
    }

    async fn write_sign_in(
        &self,
        rules: &BrowserSettings,
        key: &KeyRecord,
        key_hash: [u8; 32],
        new: NewSignIn,
    ) -> Result<MadeSignIn, Problem> {
        let owner = Owner { key: key.name.clone(), user: Some(Name::new(&new.user)) };
        let room = self.sign_ins.register.read().room_for(&owner, rules.sign_ins_max, rules.sign_ins_per_key);
        room.map_err(|full| no_room(full, rules))?;
        let now = self.clock.now();
        let session_for = new.session_for.unwrap_or(rules.session_for);
        let ends = now.saturating_add(session_for);
        let ends = key.expires.map_or(ends, |expires| ends.min(expires));
        let expires_in = new.expires_in.unwrap_or(rules.expires_in.min(session_for));
        let made = |prefix| new_secret(prefix).map_err(|error| no_chance(&error));
        let grant = Grant {
            id: format!("sgn_{:032x}", self.fresh_id().as_u128()),
            key: key.name.to_string(),
            key_hash,
            user: new.user,
            models: new.models,
            tags: new.tags,
            origin: new.origin,
            budget: new.budget.map(NanoUsd::get),
            created: now.as_millis(),
            ends: ends.as_millis(),
            expires_in: u64::try_from(expires_in.as_millis()).unwrap_or(u64::MAX),
        };
        let (token, code) = (made(ACCESS)?, made(CODE)?);
        let (expires, code_expires) = (grant.access_until(now), now.saturating_add(CODE_FOR).min(ends));
        let tokens = BrowserTokens {
            code: Some(Timed { hash: self.keys.hash(&code), at: code_expires.as_millis() }),
            access: vec![Timed { hash: self.keys.hash(&token), at: expires.as_millis() }],
            used: now.as_millis(),
            ..BrowserTokens::default()
        };
        if let Some(budget) = new.budget {
            self.grant_budget(&grant, budget).await?;
        }
        let id = grant.id.clone();
        let signed = Arc::new(SignIn::new(grant, tokens.clone()));
        let document = signed.document(&tokens, rules.idle_for, now);
        self.sign_ins.documents.put(vec![document]).await.map_err(|error| unwritten(&error))?;
        let made_way = self.sign_ins.register.write().enter(&signed);
        if !made_way.is_empty()
            && let Err(error) = self.end_sign_ins(&made_way).await
        {
            tracing::warn!(%error, "a browser sign-in that made way stays on the disk until it expires there");
        }
        Ok(MadeSignIn { id, token, expires, code, code_expires, ends })
    }
}

impl Gateway {
    /// The sign-in's own limit, in the ledger: from the first hold on it is a line like any other.
    async fn grant_budget(&self, grant: &Grant, budget: NanoUsd) -> Result<(), Problem> {
        let wanted = LimitOverride {
            budget: Name::new(BROWSER_BUDGET),
            subject: Some(grant.id.clone()),
            limit: Amount::usd(budget),
            until: grant.ends_at().saturating_add(WORK_LEFT),
            by: Name::new(&grant.key),
            reason: "granted to a browser sign-in".to_owned(),
        };
        self.book.limit_override(wanted, self.clock.now()).await.map_err(|error| {
            tracing::error!(%error, "the budget of a browser sign-in cannot be written");
            Problem::new(Code::StoreUnavailable, "The sign-in's budget cannot be written down at present. Try again.")
        })
    }
}

fn check(rules: &BrowserSettings, key: &KeyRecord, new: &NewSignIn) -> Result<(), Problem> {
    let bad = |param: &str, message: String| Err(Problem::new(Code::InvalidRequest, message).about(param));
    let fits = |name: &String| !name.is_empty() && name.len() <= NAME_MAX;
    if !fits(&new.user) {
        return bad("user", format!("`user` is whom the browser speaks for, 1 to {NAME_MAX} bytes."));
    }
    let may_speak = match &key.users {
        UserClaims::Any => true,
        UserClaims::Listed(users) => users.iter().any(|user| **user == *new.user),
        UserClaims::None => false,
    };
    if !may_speak {
        let message = format!(
            "The key \"{}\" may not speak for the user `{}`; the operator lets it with `haltline key create --users`.",
            key.name, new.user
        );
        return bad("user", message);
    }
    if new.models.len() > MODELS_MAX || !new.models.iter().all(fits) {
        return bad("models", format!("`models` has at most {MODELS_MAX} names of 1 to {NAME_MAX} bytes."));
    }
    let is_allowed = |model: &&String| key.models.is_empty() || key.models.iter().any(|known| **known == ***model);
    if let Some(model) = new.models.iter().find(|model| !is_allowed(model)) {
        let message = format!("The key \"{}\" may not use `{model}` itself, so it cannot grant it.", key.name);
        return Err(Problem::new(Code::ModelNotAllowed, message).about("models"));
    }
    if new.tags.len() > TAGS_MAX || !new.tags.iter().all(|(name, value)| fits(name) && value.len() <= NAME_MAX) {
        return bad("tags", format!("`tags` has at most {TAGS_MAX} names and values of at most {NAME_MAX} bytes."));
    }
    if let Some(origin) = new.origin.as_ref().filter(|origin| !rules.origins.contains(origin)) {
        let message = format!("`{origin}` is not in [auth.browser] origins; write it exactly as it stands there.");
        return bad("origin", message);
    }
    if let Some(budget) = new.budget.filter(|budget| *budget <= NanoUsd::ZERO || *budget > rules.budget_max) {
        let message = format!("`budget` is {budget}; it is above zero and at most {} here.", rules.budget_max);
        return bad("budget", message);
    }
    let lives = [
        ("expires_in", new.expires_in, rules.expires_in, "[auth.browser] expires_in"),
        ("session_for", new.session_for, rules.session_for, "[auth.browser] session_for"),
    ];
    for (param, wanted, most, whose) in lives {
        if wanted.is_some_and(|wanted| !(SHORTEST..=most).contains(&wanted)) {
            let most = format_duration(most);
            return bad(param, format!("`{param}` is from 1s to {most}, which is {whose}."));
        }
    }
    Ok(())
}

fn no_room(full: Full, rules: &BrowserSettings) -> Problem {
    let message = match full {
        Full::Key => format!(
            "This key has {} sign-ins, the most that [auth.browser] sign_ins_per_key allows. End some: POST /v1/auth/revoke.",
            rules.sign_ins_per_key
        ),
        Full::All => format!(
            "There are {} sign-ins, the most that [auth.browser] sign_ins_max allows. The operator can end some: `haltline sign-ins revoke`.",
            rules.sign_ins_max
        ),
    };
    Problem::new(Code::Overloaded, message).retry_after(Duration::from_secs(60))
}
