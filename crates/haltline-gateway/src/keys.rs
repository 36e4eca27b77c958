//! Changes of API keys while the gateway runs. A key's budgets are in force before the key is written, and
//! a key that cannot be written leaves the budgets as they were: a key never works without its limits.
//! Which rules there are is in `haltline_ports::keys`; that they hold, in `line/identify.rs`, `throttle`
//! and the ledger.

mod uses;

pub(crate) use uses::KeyUses;

use crate::gateway::Gateway;
use haltline_ledger::Budgets;
use haltline_policy::limits::{Algorithm, LimitUnit, RateLimit};
use haltline_ports::{BookError, KeyLimit, KeyRecord, KeysError, budgets_with_keys};
use haltline_types::{Name, Scope};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A limit that only bounds how many run at once lets so many through in a second.
const NO_RATE: u64 = 1 << 40;

/// What is done to a key.
pub enum KeyChange {
    /// It is made.
    Add(KeyRecord),
    /// It becomes what the function makes of it.
    Change(Name, Box<dyn FnOnce(KeyRecord) -> Result<KeyRecord, String> + Send>),
    /// It is removed, and what runs for it is stopped.
    Remove(Name),
}

impl Gateway {
    /// Does something to a key. Returns the key as it was and as it is; both are the same where it is new
    /// or removed.
    ///
    /// # Errors
    /// When it cannot be done; nothing is changed then.
    pub async fn change_key(
        self: &Arc<Self>,
        change: KeyChange,
    ) -> Result<(Arc<KeyRecord>, Arc<KeyRecord>), KeysError> {
        let turn = self.key_turn.lock().await;
        let mut all: BTreeMap<Name, Arc<KeyRecord>> =
            self.keys.list().into_iter().map(|key| (key.name.clone(), key)).collect();
        let unknown = |name: &Name| KeysError::Unknown(name.clone());
        let (before, after, is_new) = match change {
            KeyChange::Add(record) => {
                if all.contains_key(&record.name) {
                    return Err(KeysError::Exists(record.name));
                }
                let record = Arc::new(record);
                (Arc::clone(&record), Some(record), true)
            }
            KeyChange::Change(name, with) => {
                let before = all.get(&name).cloned().ok_or_else(|| unknown(&name))?;
                let after = with(KeyRecord::clone(&before)).map_err(KeysError::Rules)?;
                (before, Some(Arc::new(after)), false)
            }
            KeyChange::Remove(name) => (all.get(&name).cloned().ok_or_else(|| unknown(&name))?, None, false),
        };
        match &after {
            Some(record) => {
                record.rules.check().map_err(KeysError::Rules)?;
                all.insert(record.name.clone(), Arc::clone(record));
            }
            None => drop(all.remove(&before.name)),
        }
        let configured = self.live.load().settings.budgets.clone();
        let wanted = budgets_with_keys(&configured, all.values().map(AsRef::as_ref)).map_err(KeysError::Rules)?;
        match &after {
            Some(record) => {
                let old = self.budgets_of_keys(&configured)?;
                self.rebudget(wanted).await?;
                let record = KeyRecord::clone(record);
                let written = if is_new { self.keys.add(record) } else { self.keys.replace(record) };
                if let Err(error) = written {
                    // A budget of a key that does not exist refuses nobody: should this fail, nothing is lost.
                    let _ = self.rebudget(old).await;
                    return Err(error);
                }
            }
            None => {
                self.keys.remove(&before.name, self.clock.now())?;
                // It has stopped working, whether its budgets are in force or not.
                let _ = self.rebudget(wanted).await;
            }
        }
        self.limiter.lock().set_keys(limits_of(&self.keys.list()));
        drop(turn);
        if after.is_none() {
            self.end_key(&before.name).await;
        }
        let after = after.unwrap_or_else(|| Arc::clone(&before));
        Ok((before, after))
    }

    /// The budgets of the keys as they are.
    fn budgets_of_keys(&self, configured: &Budgets) -> Result<Budgets, KeysError> {
        let keys = self.keys.list();
        budgets_with_keys(configured, keys.iter().map(AsRef::as_ref)).map_err(KeysError::Rules)
    }

    async fn rebudget(&self, budgets: Budgets) -> Result<(), KeysError> {
        let done = self.book.rebudget(budgets, self.clock.now()).await;
        done.map_err(|error: BookError| KeysError::Store(format!("the key's budgets cannot be in force: {error}")))
    }

    /// Keeps when each key had its last use. To be called now and then: nothing depends on it.
    pub fn flush_key_uses(&self) {
        let uses = self.key_uses.take();
        if !uses.is_empty()
            && let Err(error) = self.keys.note_uses(uses)
        {
            tracing::warn!(%error, "when keys were last used is not kept");
        }
    }
}

/// The rate limits of keys as the limiter counts them.
pub(crate) fn limits_of(keys: &[Arc<KeyRecord>]) -> BTreeMap<Name, Vec<RateLimit>> {
    let with_limits = keys.iter().filter(|key| !key.rules.limits.is_empty());
    with_limits
        .map(|key| (key.name.clone(), key.rules.limits.iter().map(|limit| rule(&key.name, limit)).collect()))
        .collect()
}

fn rule(key: &Name, limit: &KeyLimit) -> RateLimit {
    let (amount, unit, per, concurrency) = match limit {
        KeyLimit::Rate { limit, unit, per } => (*limit, *unit, *per, None),
        KeyLimit::AtOnce(count) => (NO_RATE, LimitUnit::Requests, Duration::from_secs(1), Some(*count)),
    };
    RateLimit {
        name: Name::new(&format!("key {key}/{}", limit.name())),
        scope: Scope::global(),
        limit: amount,
        per,
        algorithm: Algorithm::SlidingWindow,
        burst: None,
        unit,
        concurrency,
    }
}
