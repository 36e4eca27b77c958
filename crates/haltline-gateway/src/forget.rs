//! Forgetting: what is kept of a user goes, and what was a removed key's runs no more. What still
//! runs is stopped first, because its end would write it down again. Not here: one session
//! (`sessions/show.rs`), one response (`kept.rs`), and the bill, which stays.

use crate::gateway::Gateway;
use crate::problem::Problem;
use crate::streams::{Asked, Live};
use haltline_ports::Owner;
use haltline_types::{Code, Name, RequestId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What was stopped has so long to end.
const ENDS_WITHIN: Duration = Duration::from_secs(10);
/// Between two looks at whether it has.
const LOOK: Duration = Duration::from_millis(20);

/// What was forgotten of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forgotten {
    /// Requests under way that were stopped.
    pub requests: usize,
    /// Jobs that waited or ran.
    pub jobs: usize,
    /// Streams of answers.
    pub streams: u64,
    /// Answers in the response cache.
    pub cached_answers: usize,
    /// Documents: sessions and their messages, responses, jobs, dead letters, messages to webhooks,
    /// and those answers of the cache that were written.
    pub documents: u64,
}

/// What ended with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Requests under way that were stopped.
    pub requests: usize,
    /// Jobs that waited or ran.
    pub jobs: usize,
}

impl Gateway {
    /// Removes everything that is kept of a user, whatever the key: what runs is stopped, and its
    /// streams, sessions, responses, jobs, messages and cached answers are removed. Ledger and records
    /// stay: they are the bill. A request that arrives meanwhile is a new one.
    ///
    /// # Errors
    /// When not everything could be removed; what could be is.
    pub async fn forget_user(self: &Arc<Self>, user: &Name) -> Result<Forgotten, Problem> {
        let (gateway, user) = (Arc::clone(self), user.clone());
        // An operator that leaves must not leave half of it behind.
        let task = self.journeys.spawn(async move { gateway.forget_all_of(&user).await });
        task.await.unwrap_or_else(|_| Err(Problem::new(Code::Internal, "Not everything could be removed.")))
    }

    async fn forget_all_of(&self, user: &Name) -> Result<Forgotten, Problem> {
        let is_theirs = |owner: &Owner| owner.user.as_ref() == Some(user);
        let mut jobs = BTreeSet::new();
        let resumed = self.resumed_of(is_theirs).await;
        let stopped = self.until_ended(
            &resumed,
            |_, asked| is_theirs(&asked.owner),
            || {
                let running = self.stop_jobs_of_user(user);
                let is_over = running.is_empty();
                jobs.extend(running);
                is_over
            },
        );
        let (requests, is_over) = stopped.await;
        self.end_sign_ins_of(None, Some(user)).await;
        let still = self.sessions.hold_still().await;
        self.shelf.lock().forget_user(user);
        self.graves.count_anew();
        self.registry.forget(|_, owner| is_theirs(owner));
        let cached_answers = self.forget_cached_user(user);
        let streams = self.streams.forget_user(user).await;
        let documents = self.documents.forget_user(user).await;
        let still = still.map(drop);
        match (streams, documents, still) {
            (Ok(streams), Ok(documents), Ok(())) if is_over => {
                let forgotten = Forgotten { requests, jobs: jobs.len(), streams, cached_answers, documents };
                tracing::warn!(%user, ?forgotten, "a user is forgotten by the operator's order");
                Ok(forgotten)
            }
            (Ok(_), Ok(_), Ok(())) => Err(still_running()),
            (Ok(_), Ok(_), Err(problem)) => Err(problem),
            (streams, documents, _) => {
                let streams = streams.err().map(|error| error.to_string());
                let why = documents.err().map(|error| error.to_string()).or(streams).unwrap_or_default();
                tracing::error!(%user, why, "a user could not be forgotten");
                Err(Problem::new(Code::StoreUnavailable, format!("Not everything could be removed: {why}.")))
            }
        }
    }

    /// Ends what a removed key had under way: its requests are stopped, its jobs cancelled. What is
    /// kept for it stays until its time is over; nobody can ask for it, because the key's name is not
    /// given again.
    pub async fn end_key(self: &Arc<Self>, key: &Name) -> Ended {
        let (gateway, key) = (Arc::clone(self), key.clone());
        let task = self.journeys.spawn(async move {
            gateway.end_sign_ins_of(Some(&key), None).await;
            let jobs = gateway.cancel_jobs_of_key(&key, None).await.unwrap_or_else(|problem| {
                tracing::error!(%key, why = problem.message, "not all jobs of a removed key could be cancelled; they fail when they run");
                0
            });
            let resumed = gateway.resumed_of(|owner| owner.key == key).await;
            let running = gateway.under_way(&resumed, |_, asked| asked.owner.key == key);
            running.values().for_each(|live| live.stop());
            Ended { requests: running.len(), jobs }
        });
        task.await.unwrap_or(Ended { requests: 0, jobs: 0 })
    }

    /// Stops the journeys that it concerns, and waits until they have ended, which may take too long.
    /// Returns how many there were, and whether all have ended.
    /// `resumed`: those that it concerns among streams that a restart has cut and that wait to go on.
    pub(crate) async fn stop_and_wait(
        &self,
        resumed: &[RequestId],
        concerns: impl Fn(RequestId, &Asked) -> bool,
    ) -> (usize, bool) {
        self.until_ended(resumed, concerns, || true).await
    }

    /// The streams that have not ended, of these owners. One that a restart has cut and that waits for
    /// its turn to go on is known by its id only.
    async fn resumed_of(&self, is_theirs: impl Fn(&Owner) -> bool) -> Vec<RequestId> {
        let unended = self.streams.unended().await.unwrap_or_else(|error| {
            tracing::error!(%error, "streams that have not ended cannot be looked up");
            Vec::new()
        });
        unended
            .iter()
            .map(|record| &record.begin)
            .filter(|begin| is_theirs(&begin.owner))
            .map(|begin| begin.id)
            .collect()
    }

    fn under_way(
        &self,
        resumed: &[RequestId],
        concerns: impl Fn(RequestId, &Asked) -> bool,
    ) -> BTreeMap<RequestId, Arc<Live>> {
        let resumed = resumed.iter().filter_map(|id| self.registry.get(*id));
        self.registry.all_of(concerns).into_iter().chain(resumed).map(|live| (live.id, live)).collect()
    }

    /// The same, and until `is_over` as well.
    async fn until_ended(
        &self,
        resumed: &[RequestId],
        concerns: impl Fn(RequestId, &Asked) -> bool,
        mut is_over: impl FnMut() -> bool,
    ) -> (usize, bool) {
        let (mut seen, until) = (BTreeSet::new(), Instant::now() + ENDS_WITHIN);
        loop {
            // First, so that nothing new begins in the place of what is stopped.
            let is_over = is_over();
            let running = self.under_way(resumed, &concerns);
            for live in running.values() {
                live.stop();
                seen.insert(live.id);
            }
            if is_over && running.is_empty() {
                return (seen.len(), true);
            }
            if Instant::now() >= until {
                return (seen.len(), false);
            }
            drop(running);
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Forgets those of these streams that are the owner's.
    pub(crate) async fn forget_streams(&self, owner: &Owner, ids: Vec<RequestId>) -> Result<(), Problem> {
        let mut theirs = Vec::new();
        let failed = |error: haltline_ports::StreamsError| {
            tracing::error!(%error, "streams could not be forgotten");
            Problem::new(Code::StoreUnavailable, "Not everything could be removed. Try again.")
        };
        for id in ids {
            let found = self.streams.find(id).await.map_err(failed)?;
            if found.is_some_and(|record| record.begin.owner == *owner) {
                theirs.push(id);
            }
        }
        self.registry.forget(|id, whose| whose == owner && theirs.contains(&id));
        if theirs.is_empty() { Ok(()) } else { self.streams.forget_all(theirs).await.map_err(failed) }
    }
}

/// What was stopped has not ended.
pub(crate) fn still_running() -> Problem {
    let message =
        "All that was kept is removed, but a request that was stopped has not ended yet. Ask again in a moment.";
    Problem::new(Code::Overloaded, message).retry_after(Duration::from_secs(1))
}
