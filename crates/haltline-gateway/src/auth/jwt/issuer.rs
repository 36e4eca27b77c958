//! Issuers: their keys as far as they are known, and how a token becomes an identity. Nothing here
//! waits: keys come from the background (`refresh`), and a token whose key is not known is refused
//! at once.

use super::mapping;
use super::memory::{Memory, Remembered, TRUSTED_FOR};
use super::refresh::Turn;
use crate::auth::Identity;
use crate::auth::note::key_of_issuer;
use crate::auth::settings::{AuthSettings, FetchSettings, IssuerSettings, KeySource};
use crate::metrics::{IssuerLabels, Metrics};
use crate::problem::Problem;
use arc_swap::{ArcSwapOption, Guard};
use haltline_jwt::{KeySet, Refused, TOKEN_BYTES_MAX, Token};
use haltline_types::{Code, Name, Timestamp};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// All issuers of one configuration, and the tokens that were verified under it.
#[derive(Debug, Default)]
pub(crate) struct Issuers {
    /// By their `iss`.
    by_issuer: HashMap<String, Arc<Issuer>>,
    memory: Memory,
    /// Wakes who fetches keys.
    pub(super) wake: Arc<Notify>,
}

/// One issuer.
#[derive(Debug)]
pub(super) struct Issuer {
    pub(super) name: Name,
    key: Name,
    pub(super) settings: IssuerSettings,
    /// Its keys, as they came last.
    pub(super) known: ArcSwapOption<Known>,
    /// When to fetch them again.
    pub(super) turn: Mutex<Turn>,
}

/// Keys that are known.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) keys: Arc<KeySet>,
    /// From then on they are too old; none for keys of the configuration.
    pub(super) until: Option<Timestamp>,
}

impl Issuers {
    /// Those of a configuration. Keys that `before` has fetched from the same place serve on.
    pub(crate) fn new(settings: &AuthSettings, before: Option<&Self>) -> Self {
        let wake = before.map(|before| Arc::clone(&before.wake)).unwrap_or_default();
        let issuer = |(name, settings): (&Name, &IssuerSettings)| {
            let issuer = Issuer::new(name.clone(), settings.clone());
            let earlier = before.and_then(|before| before.by_issuer.get(&settings.rules.issuer));
            if let (Some(earlier), Some(now)) = (earlier, issuer.fetched())
                && earlier.fetched().is_some_and(|then| then.from == now.from)
            {
                issuer.take_over(earlier, now);
            }
            (settings.rules.issuer.clone(), Arc::new(issuer))
        };
        Self { by_issuer: settings.jwt.iter().map(issuer).collect(), memory: Memory::default(), wake }
    }

    /// There may be keys to be fetched.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Issuer>> {
        self.by_issuer.values()
    }

    /// What a token proves.
    ///
    /// # Errors
    /// 401 with the reason, or 503 as long as the issuer's keys are not known.
    pub(crate) fn prove(&self, text: &str, now: Timestamp, metrics: &Metrics) -> Result<Identity, Problem> {
        if text.len() > TOKEN_BYTES_MAX {
            return Err(refused(&Refused::TooLarge));
        }
        let hash = self.memory.hash(text);
        if let Some(known) = hash.and_then(|hash| self.memory.get(&hash))
            && now < known.until
            && known.issuer.has(&known.keys, now)
        {
            return Ok(known.identity.clone());
        }
        let token = Token::parse(text).map_err(|why| refused(&why))?;
        let issuer = token.claimed_issuer().and_then(|name| self.by_issuer.get(name));
        let Some(issuer) = issuer else {
            return Err(Problem::new(
                Code::KeyInvalid,
                "This gateway takes no tokens of this issuer (`iss`). The operator lists issuers under [auth.jwt].",
            ));
        };
        let proved = self.verify(issuer, token, now);
        let labels =
            IssuerLabels { issuer: issuer.name.to_string(), result: proved.as_ref().err().map_or("verified", word) };
        metrics.jwt_checks.get_or_create(&labels).inc();
        let remembered = proved?;
        let identity = remembered.identity.clone();
        if let Some(hash) = hash {
            self.memory.put(hash, remembered);
        }
        Ok(identity)
    }

    fn verify(&self, issuer: &Arc<Issuer>, token: Token<'_>, now: Timestamp) -> Result<Remembered, Problem> {
        let known = issuer.known.load();
        let Some(keys) = known.as_ref().filter(|known| known.serve(now)).map(|known| Arc::clone(&known.keys)) else {
            return Err(self.without_keys(issuer, now));
        };
        let verified = token.verify(&keys, &issuer.settings.rules, now).map_err(|why| {
            if why == Refused::UnknownKey && issuer.fetched().is_some() && issuer.turn.lock().wanted(now) {
                self.wake.notify_one();
            }
            refused(&why)
        })?;
        let identity = mapping::identity(&issuer.settings.mapping, &issuer.key, &verified)
            .map_err(|why| Problem::new(Code::KeyInvalid, format!("The token is not accepted: {why}.")))?;
        Ok(Remembered {
            identity,
            keys,
            issuer: Arc::clone(issuer),
            until: verified.expires.min(now.saturating_add(TRUSTED_FOR)),
        })
    }

    fn without_keys(&self, issuer: &Issuer, now: Timestamp) -> Problem {
        if issuer.turn.lock().wanted(now) {
            self.wake.notify_one();
        }
        let text = format!(
            "The keys of the identity provider \"{}\" are not there yet, so no token of it can be checked. Try again in a moment; API keys work meanwhile.",
            issuer.name
        );
        Problem::new(Code::IdentityUnavailable, text).retry_after(Duration::from_secs(2))
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.memory.len()
    }
}

impl Issuer {
    fn new(name: Name, settings: IssuerSettings) -> Self {
        let known = match &settings.keys {
            KeySource::Fixed(keys) => Some(Arc::new(Known { keys: Arc::clone(keys), until: None })),
            KeySource::Fetched(_) => None,
        };
        let key = key_of_issuer(&name);
        Self { name, key, settings, known: ArcSwapOption::new(known), turn: Mutex::default() }
    }

    pub(super) fn fetched(&self) -> Option<&FetchSettings> {
        match &self.settings.keys {
            KeySource::Fixed(_) => None,
            KeySource::Fetched(fetch) => Some(fetch),
        }
    }

    fn take_over(&self, earlier: &Self, _now: &FetchSettings) {
        self.known.store(earlier.known.load_full());
        *self.turn.lock() = earlier.turn.lock().clone();
    }

    /// Are these the keys that are in force?
    fn has(&self, keys: &Arc<KeySet>, now: Timestamp) -> bool {
        let known: Guard<Option<Arc<Known>>> = self.known.load();
        known.as_ref().is_some_and(|known| Arc::ptr_eq(&known.keys, keys) && known.serve(now))
    }
}

impl Known {
    fn serve(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

fn refused(why: &Refused) -> Problem {
    let code = if *why == Refused::Expired { Code::KeyExpired } else { Code::KeyInvalid };
    let more = match why {
        Refused::UnknownKey => ". If the issuer has changed its keys a moment ago, try again in a moment",
        _ => "",
    };
    Problem::new(code, format!("The token is not accepted: {why}{more}."))
}

fn word(problem: &Problem) -> &'static str {
    problem.code.word()
}
