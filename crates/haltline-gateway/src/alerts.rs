//! What somebody wants to be told: a budget that fills up, tokens that burn too fast, an endpoint
//! that is left alone, a bill above its bound, dead letters that wait. An alert is a log line, a
//! count and a message to every webhook that wants its kind. Nothing here is on the way of a
//! request but an addition; all is looked at by `Gateway::tick`. Not here: sending
//! (`webhooks`), what fast is (`policy::baseline`).

mod bills;
mod breakers;
mod budgets;
mod burn;
mod dead;
#[cfg(test)]
mod tests;

use crate::metrics::{AlertLabels, Metrics};
use crate::settings::{AlertKind, AlertSettings};
use crate::webhooks::{HookError, Hooks, Letter};
use haltline_ledger::Balance;
use haltline_ports::{Document, Documents};
use haltline_types::{Amount, AttemptId, ModelName, NanoUsd, Timestamp, Tokens, Unit};
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use tokio_util::task::TaskTracker;

pub(crate) use dead::EVENT as DEAD_LETTERS;

/// An alert before anybody is told.
#[derive(Clone, Debug, PartialEq)]
struct Notice {
    kind: AlertKind,
    /// The type of its event.
    event: &'static str,
    /// What the event says.
    data: Value,
    /// The same for the log.
    text: String,
}

/// All sources of alerts. Cheap to clone, one for the process.
#[derive(Clone)]
pub(crate) struct Alerts(Arc<Inner>);

struct Inner {
    hooks: Hooks,
    documents: Arc<dyn Documents>,
    given: Family<AlertLabels, Counter>,
    budgets: Mutex<budgets::Budgets>,
    burn: burn::Burn,
    breakers: Mutex<breakers::Breakers>,
    bills: Mutex<bills::Bills>,
    dead: Mutex<dead::Watch>,
}

impl Alerts {
    pub(crate) fn new(hooks: Hooks, documents: Arc<dyn Documents>, metrics: &Metrics) -> Self {
        Self(Arc::new(Inner {
            hooks,
            documents,
            given: metrics.alerts.clone(),
            budgets: Mutex::default(),
            burn: burn::Burn::default(),
            breakers: Mutex::default(),
            bills: Mutex::default(),
            dead: Mutex::default(),
        }))
    }

    /// An attempt has used tokens of an endpoint.
    pub(crate) fn burned(&self, endpoint: &ModelName, tokens: Tokens) {
        self.0.burn.add(endpoint, tokens);
    }

    /// The breaker of an endpoint has opened, or closed again.
    pub(crate) fn breaker_turned(&self, endpoint: &ModelName, is_open: bool, at: Timestamp) {
        self.0.breakers.lock().turned(endpoint, is_open, at);
    }

    /// All breakers are new, and closed.
    pub(crate) fn breakers_are_new(&self) {
        self.0.breakers.lock().all_closed();
    }

    /// A provider billed more than the ceiling of an attempt.
    pub(crate) fn billed_above_bound(&self, endpoint: &ModelName, attempt: AttemptId, ceiling: NanoUsd, cost: NanoUsd) {
        self.0.bills.lock().note(endpoint, attempt, ceiling, cost);
    }

    /// Looks at all sources. What is to be told is told by tasks of `tasks`.
    pub(crate) fn tick(&self, settings: &AlertSettings, balances: &[Balance], now: Timestamp, tasks: &TaskTracker) {
        let due = self.0.budgets.lock().look(&settings.at, balances);
        let mut notices = self.0.burn.look(now);
        notices.extend(self.0.breakers.lock().look(now));
        notices.extend(self.0.bills.lock().look(now));
        let looks_for_dead = self.0.dead.lock().is_due(now);
        if due.is_empty() && notices.is_empty() && !looks_for_dead {
            return;
        }
        // Without a runtime nobody can be told; that is a simulation's last breath.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (alerts, settings) = (self.clone(), settings.clone());
        let telling = async move {
            for notice in notices {
                alerts.tell(&settings, &notice).await;
            }
            for account in due {
                alerts.tell_of_budget(&settings, account, now).await;
            }
            if looks_for_dead {
                alerts.tell_of_dead_letters(&settings, now).await;
            }
        };
        tasks.spawn_on(telling, &runtime);
    }

    /// Tells of an alert that need not be remembered.
    async fn tell(&self, settings: &AlertSettings, notice: &Notice) {
        self.say(notice);
        if let Err(error) = self.write(settings, std::slice::from_ref(notice), Vec::new()).await {
            tracing::error!(event = notice.event, %error, "an alert could not be written for its webhooks");
        }
    }

    /// The log line and the count.
    fn say(&self, notice: &Notice) {
        self.0.given.get_or_create(&AlertLabels { kind: notice.kind.word() }).inc();
        tracing::warn!(kind = notice.kind.word(), event = notice.event, "alert: {}", notice.text);
    }

    /// The messages, and what remembers them, all or none. A webhook that cannot take any is left
    /// out, loudly: it must not keep the others from being told.
    async fn write(
        &self,
        settings: &AlertSettings,
        notices: &[Notice],
        remember: Vec<Document>,
    ) -> Result<(), HookError> {
        let mut letters: Vec<Letter> = Vec::new();
        for notice in notices {
            for hook in settings.hooks.iter().filter(|hook| hook.on.contains(&notice.kind)) {
                match self.0.hooks.draft(None, &hook.hook, notice.event, &notice.data) {
                    Ok(letter) => letters.push(letter),
                    Err(error) => {
                        tracing::error!(event = notice.event, %error, "a webhook of [[alerts]] is not told");
                    }
                }
            }
        }
        if letters.is_empty() && remember.is_empty() {
            return Ok(());
        }
        self.0.hooks.post(letters, remember).await
    }
}

/// An amount as events have it: `{"value": "12.50", "unit": "usd"}`, `{"value": "4000", "unit": "tokens"}`.
fn amount(amount: Amount) -> Value {
    let value = match amount.unit() {
        Unit::Usd => NanoUsd::new(amount.value()).to_decimal(),
        Unit::Tokens | Unit::Requests | Unit::Retries => amount.value().to_string(),
    };
    json!({"value": value, "unit": amount.unit().word()})
}

/// The id of a document that remembers an alert. Subjects may be long, and need not be told here.
fn memory_id(kind: AlertKind, parts: &[&str]) -> String {
    let hash = Sha256::digest(parts.join("\n"));
    let digits: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}_{digits}", kind.word())
}
