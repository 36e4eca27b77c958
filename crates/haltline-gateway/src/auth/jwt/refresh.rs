//! Fetching keys in the background: once at the start, then from time to time, earlier when a token
//! names a key that is not known, later when it fails. Keys that are there serve on meanwhile.

use super::issuer::{Issuer, Issuers, Known};
use crate::auth::settings::{FetchSettings, KeysFrom};
use crate::gateway::Gateway;
use crate::metrics::{IssuerLabels, Metrics};
use futures_util::future::join_all;
use haltline_jwt::KeySet;
use haltline_ports::{Clock, Entropy, Fetched, KeySets};
use haltline_types::Timestamp;
use serde_json::Value;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Between two fetches that tokens with unknown keys lead to: whoever sends many of those cannot
/// make the gateway ask more often.
const UNKNOWN_KEY: Duration = Duration::from_secs(30);
/// Before a fetch that failed is tried again: at first, and at most.
const RETRY: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(300));
/// However short the time is that a server gives its keys.
const REFRESH_MIN: Duration = Duration::from_secs(60);
/// The shortest sleep, whatever is due.
const SLEEP_MIN: Duration = Duration::from_millis(50);
/// The longest sleep: so late at most is a clock noticed that has moved.
const SLEEP_MAX: Duration = Duration::from_secs(30);

/// When an issuer's keys are fetched.
#[derive(Clone, Debug, Default)]
pub(super) struct Turn {
    /// Not before; none = at once.
    next: Option<Timestamp>,
    /// The last time that it was tried.
    tried: Option<Timestamp>,
    failures: u32,
}

impl Turn {
    /// Somebody needs keys that are not there. Are they to be fetched at once?
    pub(super) fn wanted(&mut self, now: Timestamp) -> bool {
        let may = self.tried.is_some_and(|tried| now.since(tried) >= UNKNOWN_KEY);
        let is_later = self.next.is_none_or(|next| next > now);
        if may && is_later {
            self.next = Some(now);
        }
        may && is_later
    }

    fn is_due(&self, now: Timestamp) -> bool {
        self.next.is_none_or(|next| now >= next)
    }

    fn succeeded(&mut self, now: Timestamp, wait: Duration) {
        *self = Self { next: Some(now.saturating_add(wait)), tried: Some(now), failures: 0 };
    }

    fn failed(&mut self, now: Timestamp) {
        let wait = RETRY.0.saturating_mul(1 << self.failures.min(10)).min(RETRY.1);
        *self =
            Self { next: Some(now.saturating_add(wait)), tried: Some(now), failures: self.failures.saturating_add(1) };
    }
}

impl Gateway {
    /// Keeps the keys of all issuers fresh, as long as the gateway is there. To be run once, in a
    /// task of its own.
    pub async fn keep_key_sets_fresh(gateway: Weak<Self>) {
        loop {
            let Some(this) = gateway.upgrade() else { return };
            let issuers = this.live.load().issuers.clone();
            // Before the look: who wakes us during it is not forgotten.
            let woken = Arc::clone(&issuers.wake);
            let world =
                World { door: &*this.key_sets, clock: &*this.clock, entropy: &*this.entropy, metrics: &this.metrics };
            let next = issuers.refresh(&world).await;
            let now = this.clock.now();
            let sleep = next.map_or(SLEEP_MAX, |next| next.since(now)).clamp(SLEEP_MIN, SLEEP_MAX);
            drop((issuers, this));
            tokio::select! {
                () = woken.notified() => {}
                () = tokio::time::sleep(sleep) => {}
            }
        }
    }
}

/// What fetching needs of the world.
pub(super) struct World<'w> {
    pub(super) door: &'w dyn KeySets,
    pub(super) clock: &'w dyn Clock,
    pub(super) entropy: &'w dyn Entropy,
    pub(super) metrics: &'w Metrics,
}

impl Issuers {
    /// Fetches all keys that are due. Says when the next ones are.
    pub(super) async fn refresh(&self, world: &World<'_>) -> Option<Timestamp> {
        let due: Vec<_> = self.all().filter(|issuer| issuer.is_due(world.clock.now())).cloned().collect();
        join_all(due.iter().map(|issuer| issuer.refresh(world))).await;
        self.all().filter_map(|issuer| issuer.next()).min()
    }
}

impl Issuer {
    async fn refresh(&self, world: &World<'_>) {
        let issuer = self;
        let Some(settings) = issuer.fetched() else { return };
        let fetched = fetch(world.door, &issuer.settings.rules.issuer, settings).await;
        let now = world.clock.now();
        let name = &issuer.name;
        let result = match fetched {
            Ok((keys, max_age)) => {
                let refresh = max_age
                    .map_or(settings.refresh, |age| age.clamp(REFRESH_MIN.min(settings.refresh), settings.refresh));
                // Not all gateways at once.
                let early = refresh.mul_f64(0.1 * chance(world.entropy.u64()));
                issuer.turn.lock().succeeded(now, refresh.saturating_sub(early));
                for why in &keys.left_aside {
                    tracing::debug!(issuer = %name, "a key of the set is left aside: {why}");
                }
                let until = now.saturating_add(refresh).saturating_add(settings.stale_for);
                issuer.put(keys, until);
                "fetched"
            }
            Err(why) => {
                issuer.turn.lock().failed(now);
                match issuer.known.load().as_ref().and_then(|known| known.until) {
                    Some(until) if now < until => {
                        tracing::warn!(issuer = %name, "the keys of an identity provider cannot be fetched: {why}; the earlier ones serve until {until}");
                    }
                    _ => {
                        tracing::error!(issuer = %name, "the keys of an identity provider cannot be fetched: {why}; its tokens are refused meanwhile");
                    }
                }
                "failed"
            }
        };
        let labels = IssuerLabels { issuer: name.to_string(), result };
        world.metrics.key_set_fetches.get_or_create(&labels).inc();
    }

    fn is_due(&self, now: Timestamp) -> bool {
        self.fetched().is_some() && self.turn.lock().is_due(now)
    }

    fn next(&self) -> Option<Timestamp> {
        self.fetched()?;
        self.turn.lock().next
    }

    /// Puts keys in force. The same keys again keep their identity, so that what was verified with
    /// them stays so.
    fn put(&self, keys: KeySet, until: Timestamp) {
        let same =
            self.known.load().as_ref().filter(|known| known.keys.is_same(&keys)).map(|known| Arc::clone(&known.keys));
        let keys = same.unwrap_or_else(|| Arc::new(keys));
        self.known.store(Some(Arc::new(Known { keys, until: Some(until) })));
    }
}

async fn fetch(
    door: &dyn KeySets,
    issuer: &str,
    settings: &FetchSettings,
) -> Result<(KeySet, Option<Duration>), String> {
    let url = match &settings.from {
        KeysFrom::Url(url) => url.clone(),
        KeysFrom::Discovery => {
            let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
            jwks_uri(&door.fetch(&url, settings.reach).await?.bytes, issuer)?
        }
    };
    let Fetched { bytes, max_age } = door.fetch(&url, settings.reach).await?;
    let keys = KeySet::parse(&bytes).map_err(|error| error.to_string())?;
    Ok((keys, max_age))
}

/// Where an issuer's keys are, by its own word (OpenID Connect Discovery 1.0 section 4.3: the issuer
/// must be the one that was asked).
fn jwks_uri(document: &[u8], issuer: &str) -> Result<String, String> {
    let document: Value = serde_json::from_slice(document).map_err(|_| "its configuration is no JSON".to_owned())?;
    if document.get("issuer").and_then(Value::as_str) != Some(issuer) {
        return Err("its configuration is another issuer's".to_owned());
    }
    let uri = document.get("jwks_uri").and_then(Value::as_str);
    uri.map(str::to_owned).ok_or_else(|| "its configuration names no `jwks_uri`".to_owned())
}

/// From 0 to 1.
fn chance(random: u64) -> f64 {
    f64::from(u32::try_from(random >> 32).unwrap_or(0)) / f64::from(u32::MAX)
}
