//! Messages to webhooks, signed as Standard Webhooks has it. A message is written to its shelf
//! before it is tried, so a restart loses none; what fails is tried again for some hours and then
//! becomes a dead letter. A receiver may get a message twice, and tells by `webhook-id`. Not here:
//! what the messages say (alerts, jobs, the cache), connections (`Webhooks`).

mod attempt;
mod jobs;
mod letter;
mod queue;
mod signature;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use letter::Letter;
pub use signature::check_secret;

use crate::dead_letters::Graves;
use crate::metrics::{DeliveryLabels, Metrics};
use crate::settings::Secret;
use haltline_ports::{
    Clock, Document, DocumentQuery, Documents, DocumentsError, Entropy, Owner, Reach, Shelf, Webhooks,
};
use haltline_types::Timestamp;
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use queue::{Bounds, Queue};
use serde_json::Value;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Deliveries read at once when a process takes up those of the last one.
const PAGE: usize = 100;
/// Secrets that are remembered to sign with.
const SECRETS_MAX: usize = 1_000;
/// Hooks that are remembered to be off.
const OFF_MAX: usize = 1_000;
/// How long a hook stays off after 410, unless the configuration is read again before.
const OFF: Duration = Duration::from_secs(86_400);

/// Where messages go.
#[derive(Clone, PartialEq, Eq)]
pub struct Hook {
    /// `https://…`.
    pub url: String,
    /// `whsec_…`: what signs. Several while one is being changed for another; none for messages
    /// without a signature.
    pub secrets: Vec<Secret>,
    /// May it be in a private network, or on this machine?
    pub allow_private: bool,
}

/// The path of a webhook is often as good as its password.
impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.url.split_once("://").map_or("", |(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or(""));
        f.debug_struct("Hook").field("host", &host).field("allow_private", &self.allow_private).finish_non_exhaustive()
    }
}

/// Why a message was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookError {
    /// The address may not be called.
    Forbidden(String),
    /// The receiver has said that it is gone (410).
    Off,
    /// Too many messages wait, in all, for this host, or of this key.
    Full,
    /// The message is larger than so many bytes.
    TooLarge(usize),
    /// It could not be written.
    Store(DocumentsError),
}

impl fmt::Display for HookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forbidden(why) => f.write_str(why),
            Self::Off => f.write_str("the receiver has said that it is gone (410), so nothing is sent to it"),
            Self::Full => f.write_str("too many messages wait for webhooks already"),
            Self::TooLarge(most) => write!(f, "the message is larger than {most} bytes"),
            Self::Store(error) => write!(f, "the message could not be written: {error}"),
        }
    }
}

impl std::error::Error for HookError {}

/// The outbox: cheap to clone, one for the process.
#[derive(Clone)]
pub struct Hooks(Arc<Inner>);

struct Inner {
    documents: Arc<dyn Documents>,
    webhooks: Arc<dyn Webhooks>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    graves: Arc<Graves>,
    deliveries: Family<DeliveryLabels, Counter>,
    waiting: Gauge,
    state: Mutex<State>,
    tasks: TaskTracker,
    cut: CancellationToken,
}

struct State {
    queue: Queue,
    /// By fingerprint.
    secrets: HashMap<String, Secret>,
    /// From these the secrets of keys are derived.
    roots: Vec<Secret>,
    /// Receivers that are gone, and until when that is believed.
    off: HashMap<String, Timestamp>,
    /// When the next look at the queue is due.
    timer: Option<Timestamp>,
    closed: bool,
}

impl Hooks {
    /// An outbox on these doors.
    pub(crate) fn new(
        documents: Arc<dyn Documents>,
        webhooks: Arc<dyn Webhooks>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        graves: Arc<Graves>,
        metrics: &Metrics,
    ) -> Self {
        Self(Arc::new(Inner {
            documents,
            webhooks,
            clock,
            entropy,
            graves,
            deliveries: metrics.deliveries.clone(),
            waiting: metrics.deliveries_waiting.clone(),
            state: Mutex::new(State {
                queue: Queue::new(Bounds::USUAL),
                secrets: HashMap::new(),
                roots: Vec::new(),
                off: HashMap::new(),
                timer: None,
                closed: false,
            }),
            tasks: TaskTracker::new(),
            cut: CancellationToken::new(),
        }))
    }

    /// May this hook be used, as far as can be told without calling it?
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, hook: &Hook) -> Result<(), HookError> {
        let checked = self.0.webhooks.check(&hook.url, Reach::private_if(hook.allow_private));
        checked.map_err(|fault| HookError::Forbidden(fault.to_string()))
    }

    /// Takes `{"type": event, "timestamp": …, "data": data}` for a hook. Written when this returns;
    /// sent soon after. Gives the `webhook-id`.
    ///
    /// # Errors
    /// Why it was not taken.
    pub async fn send(&self, hook: &Hook, event: &str, data: &Value) -> Result<String, HookError> {
        self.send_of(None, hook, event, data).await
    }

    /// The same for what belongs to a client, which is forgotten with its user.
    ///
    /// # Errors
    /// Why it was not taken.
    pub async fn send_of(
        &self,
        owner: Option<Owner>,
        hook: &Hook,
        event: &str,
        data: &Value,
    ) -> Result<String, HookError> {
        let letter = self.draft(owner, hook, event, data)?;
        let id = letter.id.clone();
        self.post(vec![letter], Vec::new()).await?;
        Ok(id)
    }

    /// A message that can be written, together with what must not be written without it.
    pub(crate) fn draft(
        &self,
        owner: Option<Owner>,
        hook: &Hook,
        event: &str,
        data: &Value,
    ) -> Result<Letter, HookError> {
        self.check(hook)?;
        let unknown = hook.secrets.iter().filter(|secret| !self.can_derive(secret, owner.as_ref()));
        let unknown: Vec<Secret> = unknown.cloned().collect();
        self.know(unknown);
        let now = self.0.clock.now();
        {
            let state = self.0.state.lock();
            if state.off.get(&hook.url).is_some_and(|until| now < *until) {
                return Err(HookError::Off);
            }
            if !state.queue.has_room(&letter::host(&hook.url), owner.as_ref().map(|owner| &owner.key)) {
                self.0.count("refused");
                return Err(HookError::Full);
            }
        }
        Letter::new(self.0.entropy.u128(), now, hook, event, data, owner)
    }

    /// Writes messages and `beside`, all or none, and then begins to send.
    pub(crate) async fn post(&self, letters: Vec<Letter>, beside: Vec<Document>) -> Result<(), HookError> {
        let now = self.0.clock.now();
        let documents = letters.iter().map(|letter| letter.document(now)).chain(beside).collect();
        self.0.documents.put(documents).await.map_err(HookError::Store)?;
        self.queue(&letters);
        Ok(())
    }

    /// A message that was given up, as new. `None` when `again` is not what was kept of one.
    pub(crate) fn revive(&self, again: &Value, id: &str, owner: Option<Owner>, body: &[u8]) -> Option<Letter> {
        let letter: Letter = serde_json::from_value(again.clone()).ok()?;
        let body = String::from_utf8(body.to_vec()).ok()?;
        let now = self.0.clock.now().as_millis();
        self.0.state.lock().off.remove(&letter.url);
        Some(Letter { id: id.to_owned(), owner, body, attempts: 0, due: now, written: now, ..letter })
    }

    /// Takes up what an earlier process did not send. Returns how many messages that are.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn take_up(&self) -> Result<usize, DocumentsError> {
        let mut found = 0;
        let mut after = None;
        loop {
            let query = DocumentQuery {
                prefix: Some(letter::PREFIX.to_owned()),
                after,
                ..DocumentQuery::of(Shelf::Delivery, PAGE)
            };
            let page = self.0.documents.list(query, self.0.clock.now()).await?;
            let letters: Vec<Letter> = page.iter().filter_map(Letter::read).collect();
            found += letters.len();
            self.queue(&letters);
            after = page.last().map(|document| document.id.clone());
            if page.len() < PAGE {
                return Ok(found);
            }
        }
    }

    /// Remembers secrets of the configuration, for messages that an earlier process has written.
    pub fn know(&self, secrets: impl IntoIterator<Item = Secret>) {
        let mut state = self.0.state.lock();
        for secret in secrets {
            if state.secrets.len() < SECRETS_MAX {
                state.secrets.insert(signature::fingerprint(&secret), secret);
            }
        }
    }

    /// Remembers a secret from which those of keys are derived.
    pub(crate) fn know_root(&self, secret: Secret) {
        let mut state = self.0.state.lock();
        if state.roots.len() < SECRETS_MAX && !state.roots.contains(&secret) {
            state.roots.push(secret);
        }
    }

    /// A secret of a key is made when it is needed, so that any number of keys may have one.
    fn can_derive(&self, secret: &Secret, owner: Option<&Owner>) -> bool {
        let Some(owner) = owner else { return false };
        let roots = self.0.state.lock().roots.clone();
        roots.iter().any(|root| signature::derive(root, &owner.key).as_ref() == Some(secret))
    }

    /// A new configuration: hooks that were off may be tried again.
    pub(crate) fn all_on(&self) {
        self.0.state.lock().off.clear();
    }

    /// Messages that are not sent yet.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.0.state.lock().queue.len()
    }

    /// Begins nothing more, and waits this long for what is under way. What is not sent is taken up
    /// by the next process.
    pub async fn close(&self, patience: Duration) {
        self.0.state.lock().closed = true;
        self.0.tasks.close();
        if tokio::time::timeout(patience, self.0.tasks.wait()).await.is_err() {
            self.0.cut.cancel();
            self.0.tasks.wait().await;
        }
        self.0.cut.cancel();
    }

    fn queue(&self, letters: &[Letter]) {
        {
            let mut state = self.0.state.lock();
            for letter in letters {
                state.queue.put(&letter.id, &letter.host(), letter.key(), letter.due());
            }
        }
        self.pump();
    }

    /// Starts what may go now, and comes back when the next one is due.
    fn pump(&self) {
        let now = self.0.clock.now();
        let (go, timer) = {
            let mut state = self.0.state.lock();
            if state.closed {
                return;
            }
            let go: Vec<String> = std::iter::from_fn(|| state.queue.take(now)).collect();
            let next = state.queue.next_due();
            let timer = next.filter(|due| state.timer.is_none_or(|timer| *due < timer || timer <= now));
            if timer.is_some() {
                state.timer = timer;
            }
            self.0.waiting.set(i64::try_from(state.queue.len()).unwrap_or(i64::MAX));
            (go, timer)
        };
        for id in go {
            let hooks = self.clone();
            self.0.tasks.spawn(async move { hooks.attempt(id).await });
        }
        if let Some(due) = timer {
            let hooks = self.clone();
            tokio::spawn(async move {
                tokio::select! {
                    () = hooks.0.cut.cancelled() => return,
                    () = tokio::time::sleep(due.since(now)) => {}
                }
                {
                    let mut state = hooks.0.state.lock();
                    if state.timer == Some(due) {
                        state.timer = None;
                    }
                }
                hooks.pump();
            });
        }
    }
}

impl Inner {
    fn count(&self, outcome: &'static str) {
        self.deliveries.get_or_create(&DeliveryLabels { outcome }).inc();
    }
}
