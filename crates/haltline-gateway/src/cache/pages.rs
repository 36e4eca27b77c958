//! What others ask of the cache: clients that invalidate their tags, and operators.

use super::ask::checked_tags;
use super::key::{Marked, Tenant};
use crate::auth::Presented;
use crate::gateway::Gateway;
use crate::problem::Problem;
use crate::settings::CachePer;
use haltline_policy::cache::Mark;
use haltline_ports::DocumentsError;
use haltline_types::{Code, Name, Timestamp};
use serde_json::json;
use std::sync::Arc;

/// Tags that one call invalidates, at most.
const INVALIDATED_MAX: usize = 100;

/// How the cache stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheStats {
    /// Answers that are kept, those that were invalidated and not yet dropped included.
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

/// What an operator purges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CachePurge {
    /// What has this tag, whosever it is.
    Tag(String),
    /// What belongs to this API key: its team's answers where it has a team.
    Key(Name),
    /// Everything.
    All,
}

impl Gateway {
    /// Invalidates tags of the key's own tenant. When this returns, no answer that has one of them
    /// is given again, also none that is being made now. Returns how many tags there were.
    ///
    /// # Errors
    /// When the key may not be used, the tags are none, or they cannot be invalidated for good.
    pub async fn invalidate_cache(&self, presented: &Presented, tags: &[String]) -> Result<usize, Problem> {
        let key = self.backend_key(presented)?;
        let bad = |why: String| Problem::new(Code::InvalidRequest, why).about("tags");
        let tags = checked_tags(tags.iter().map(String::as_str), INVALIDATED_MAX)
            .map_err(|why| bad(format!("`tags`: {why}")))?;
        if tags.is_empty() {
            return Err(bad("Name the tags: {\"tags\": [\"page:/pricing\"]}.".to_owned()));
        }
        let mut tenants = vec![Tenant::of(key.team.as_ref(), &key.name)];
        if self.live.load().settings.cache.per == Some(CachePer::Everyone) {
            tenants.push(Tenant::Everyone);
        }
        let marks = tenants.iter().flat_map(|tenant| tags.iter().map(move |tag| named(Marked::Tag(tenant, tag))));
        self.cache.invalidate(&marks.collect::<Vec<_>>(), self.clock.now()).await.map_err(|error| {
            tracing::error!(%error, "cache tags could not be invalidated");
            Problem::new(Code::StoreUnavailable, "The tags could not be invalidated for good. Try again.")
        })?;
        self.tell_invalidated(&tags).await;
        Ok(tags.len())
    }

    /// Purges for an operator. Says what was done.
    ///
    /// # Errors
    /// When it could not be done for good.
    pub async fn purge_cache(&self, what: &CachePurge) -> Result<String, String> {
        let (marks, said) = match what {
            CachePurge::Tag(tag) => {
                let tags = checked_tags(std::iter::once(tag.as_str()), 1)?;
                (
                    tags.iter().map(|tag| named(Marked::AnyTag(tag))).collect(),
                    format!("tag `{tag}` is invalid for everybody"),
                )
            }
            CachePurge::Key(name) => {
                let keys = self.keys.list();
                let key = keys.iter().find(|key| key.name == *name);
                let key =
                    key.ok_or_else(|| format!("there is no key named `{name}`; `haltline key list` shows all"))?;
                let tenant = Tenant::of(key.team.as_ref(), &key.name);
                (vec![named(Marked::Tenant(&tenant))], format!("all answers of {} are invalid", tenant.shown()))
            }
            CachePurge::All => (vec![named(Marked::All)], "all answers are invalid".to_owned()),
        };
        let now = self.clock.now();
        self.cache.invalidate(&marks, now).await.map_err(|error: DocumentsError| error.to_string())?;
        self.tick_cache(now);
        if let CachePurge::Tag(tag) = what {
            self.tell_invalidated(std::slice::from_ref(tag)).await;
        }
        Ok(said)
    }

    /// How the cache stands.
    #[must_use]
    pub fn cache_stats(&self) -> CacheStats {
        let (entries, bytes) = self.cache.size();
        let count = |result| self.metrics.cached(result);
        CacheStats {
            entries,
            bytes,
            bytes_max: self.live.load().settings.cache.bytes_max,
            hits: count("hit"),
            misses: count("miss"),
            bypassed: count("bypass"),
            stale: count("stale"),
        }
    }

    /// Forgets what a user's requests have left in the cache.
    pub(crate) fn forget_cached_user(&self, user: &Name) -> usize {
        let forgotten = self.cache.forget_user(user);
        self.write_cache_behind();
        forgotten
    }

    /// Reads back, beside everything else, what an earlier process has kept.
    pub fn read_cache_back(self: &Arc<Self>) {
        let gateway = Arc::clone(self);
        self.journeys.spawn(async move {
            let bytes_max = gateway.live.load().settings.cache.bytes_max;
            let read = gateway.cache.read_back(bytes_max, gateway.clock.now());
            let done = tokio::select! {
                done = read => done,
                () = gateway.cut.cancelled() => return,
            };
            match done {
                Ok(0) => {}
                Ok(answers) => tracing::info!(answers, "the response cache was read back"),
                Err(error) => tracing::warn!(%error, "the response cache could not be read back; it is looked up answer by answer"),
            }
        });
    }

    /// Tells the application, so that it can drop what it has kept itself.
    async fn tell_invalidated(&self, tags: &[String]) {
        let live = self.live.load_full();
        let Some(hook) = &live.settings.cache.invalidated_webhook else { return };
        if let Err(error) = self.hooks.send(hook, "cache.invalidated", &json!({"tags": tags})).await {
            tracing::error!(%error, "the webhook is not told of invalidated cache tags");
        }
    }

    /// Work that is due from time to time.
    pub(crate) fn tick_cache(&self, now: Timestamp) {
        self.cache.tick(self.live.load().settings.cache.bytes_max, now);
        self.write_cache_behind();
        let (entries, bytes) = self.cache.size();
        self.metrics.set_cache_size(entries, bytes);
    }

    /// Has the changes of the cache written, beside everything else.
    pub(crate) fn write_cache_behind(&self) {
        if let Some(writing) = self.cache.writing() {
            self.journeys.spawn(writing);
        }
    }
}

fn named(marked: Marked<'_>) -> (Mark, String) {
    let about = match marked {
        Marked::All => "all".to_owned(),
        Marked::Tenant(tenant) => tenant.shown(),
        Marked::Tag(tenant, tag) => format!("{}: {tag}", tenant.shown()),
        Marked::AnyTag(tag) => format!("anybody: {tag}"),
    };
    (marked.mark(), about)
}
