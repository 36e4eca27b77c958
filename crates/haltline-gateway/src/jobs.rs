//! Jobs: work without a waiting client. What clients and the surface ask of them is here; running
//! them, taking them up after a restart, and telling how they stand have rooms of their own.
//!
//! A job is a document, written before the act that it announces. Whoever changes one holds its
//! turn; one process owns the documents, so that a lock in memory is enough.

mod make;
mod notify;
mod order;
mod queue;
mod quota;
mod resume;
mod run;
mod sheet;
mod verdict;
mod view;

pub use make::NewJob;
pub use notify::{JobNote, JobNotifier};
pub use order::JobEndpoint;
pub(crate) use order::Order;
pub(crate) use sheet::{Failure, RESPONSE, Run, Sheet, State};

use crate::auth::Presented;
use crate::gateway::Gateway;
use crate::line;
use crate::problem::Problem;
use bytes::Bytes;
use haltline_ports::{Document, DocumentQuery, DocumentsError, Owner, Shelf};
use haltline_types::{Code, Name, RequestId, Timestamp, format_duration};
use parking_lot::Mutex;
use queue::{Queue, Ticket};
use quota::Quota;
use serde_json::{Value, json};
use sheet::{JOB, is_job_id, request_id, result_id};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Locks by which changes of one document take turns.
const TURNS: usize = 64;
/// Between two offers of news that nobody took.
const NEWS_WAIT: Duration = Duration::from_secs(60);
/// Jobs of one page.
const PAGE_MAX: usize = 100;

/// What the gateway knows of jobs besides their documents.
pub(crate) struct Jobs {
    queue: Mutex<Queue>,
    quota: Mutex<Quota>,
    turns: Vec<tokio::sync::Mutex<()>>,
    wake: Arc<tokio::sync::Notify>,
    keeps_time: AtomicBool,
    /// Are there ends that no webhook's carrier took?
    owes_news: AtomicBool,
    /// When they were offered last, in milliseconds since the epoch.
    told: AtomicI64,
    notifier: OnceLock<Arc<dyn JobNotifier>>,
}

impl Default for Jobs {
    fn default() -> Self {
        Self {
            queue: Mutex::default(),
            quota: Mutex::default(),
            turns: (0..TURNS).map(|_| tokio::sync::Mutex::default()).collect(),
            wake: Arc::default(),
            keeps_time: AtomicBool::new(false),
            owes_news: AtomicBool::new(false),
            told: AtomicI64::new(i64::MIN / 2),
            notifier: OnceLock::new(),
        }
    }
}

impl Jobs {
    /// The lock of whatever goes by this id.
    pub(crate) async fn turn(&self, id: &str) -> tokio::sync::MutexGuard<'_, ()> {
        let sum = id.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
        match self.turns.get(sum % TURNS).or_else(|| self.turns.first()) {
            Some(turn) => turn.lock().await,
            None => std::future::pending().await,
        }
    }

    pub(crate) fn stop(&self, id: &str, key: &Name) -> bool {
        self.queue.lock().stop(id, key)
    }
}

/// How full the queue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobsStanding {
    /// Jobs that wait for a place or for their time.
    pub waiting: usize,
    /// Jobs that run.
    pub running: usize,
}

/// Which jobs of an owner.
#[derive(Clone, Debug, Default)]
pub struct JobPage {
    /// Those that are older than this one.
    pub after: Option<String>,
    /// At most so many.
    pub limit: Option<usize>,
    /// Those that stand so: `queued`, `running`, `succeeded`, `failed`, `cancelled`.
    pub status: Option<String>,
}

impl Gateway {
    /// A job as JSON.
    ///
    /// # Errors
    /// `not_found` for a job that is not there or not this owner's: the same for both.
    pub async fn job(&self, owner: &Owner, id: &str) -> Result<Value, Problem> {
        self.own_job(owner, id).await.map(|sheet| view::job(&sheet, self.clock.now()))
    }

    /// A page of an owner's jobs as JSON, the newest first.
    ///
    /// # Errors
    /// `invalid_request` for a status that is none; when the store cannot be read.
    pub async fn jobs(&self, owner: &Owner, page: &JobPage) -> Result<Value, Problem> {
        let limit = page.limit.unwrap_or(20).clamp(1, PAGE_MAX);
        let label = match page.status.as_deref() {
            None => None,
            Some(word) => {
                let states = [State::Queued, State::Running, State::Succeeded, State::Failed, State::Cancelled];
                let state = states.into_iter().find(|state| state.word() == word).ok_or_else(|| {
                    let message = "`status` is queued, running, succeeded, failed or cancelled.";
                    Problem::new(Code::InvalidRequest, message).about("status")
                })?;
                Some(state.label())
            }
        };
        let query = DocumentQuery {
            owner: Some(owner.clone()),
            label,
            prefix: Some(JOB.to_owned()),
            after: page.after.clone(),
            backwards: true,
            ..DocumentQuery::of(Shelf::Job, limit + 1)
        };
        let now = self.clock.now();
        let found = self.documents.list(query, now).await.map_err(unavailable)?;
        let has_more = found.len() > limit;
        let sheets: Vec<Sheet> = found.iter().take(limit).filter_map(Sheet::read).collect();
        Ok(json!({
            "object": "list",
            "data": sheets.iter().map(|sheet| view::job(sheet, now)).collect::<Vec<_>>(),
            "first_id": sheets.first().map(|sheet| &sheet.id),
            "last_id": sheets.last().map(|sheet| &sheet.id),
            "has_more": has_more,
        }))
    }

    /// The answer of a job that succeeded, as its surface would have given it.
    ///
    /// # Errors
    /// As `job`, and when there is no result (yet).
    pub async fn job_result(&self, owner: &Owner, id: &str) -> Result<Bytes, Problem> {
        let sheet = self.own_job(owner, id).await?;
        if sheet.state != State::Succeeded {
            let message = match sheet.state {
                State::Queued | State::Running => {
                    format!(
                        "The job `{id}` is {}; its result comes when its `status` is succeeded.",
                        sheet.state.word()
                    )
                }
                _ => format!("The job `{id}` has no result: it is {}. GET /v1/jobs/{id} says why.", sheet.state.word()),
            };
            return Err(Problem::new(Code::NotFound, message));
        }
        let found = self.documents.get(Shelf::Job, &result_id(id), self.clock.now()).await.map_err(unavailable)?;
        found
            .map(|found| found.body)
            .ok_or_else(|| Problem::new(Code::NotFound, format!("The result of `{id}` is gone.")))
    }

    /// Stops a job; one that has ended stays as it is. Gives the job as JSON.
    ///
    /// # Errors
    /// As `job`.
    pub async fn cancel_job(&self, owner: &Owner, id: &str) -> Result<Value, Problem> {
        let _turn = self.jobs.turn(id).await;
        let sheet = self.own_job(owner, id).await?;
        let sheet = self.cancelled(sheet, Vec::new()).await?;
        Ok(view::job(&sheet, self.clock.now()))
    }

    /// Ends a job early, under its turn; `more` is written with it.
    pub(crate) async fn cancelled(&self, mut sheet: Sheet, more: Vec<Document>) -> Result<Sheet, Problem> {
        if sheet.state.is_final() {
            return Ok(sheet);
        }
        let now = self.clock.now();
        let was_running = sheet.state == State::Running;
        sheet.state = State::Cancelled;
        sheet.ended = Some(now.as_millis());
        sheet.not_before = None;
        sheet.failure = None;
        let mut documents = more;
        documents.push(sheet.document(now, self.jobs_keep_for()));
        self.documents.put(documents).await.map_err(unavailable)?;
        self.jobs.stop(&sheet.id, &Name::new(&sheet.order.key));
        if !was_running {
            self.drop_request(&sheet.id).await;
        }
        Ok(sheet)
    }

    /// Forgets a job with its request and result; one that has not ended is stopped.
    ///
    /// # Errors
    /// As `job`.
    pub async fn forget_job(&self, owner: &Owner, id: &str) -> Result<(), Problem> {
        let _turn = self.jobs.turn(id).await;
        let sheet = self.own_job(owner, id).await?;
        self.cancelled(sheet, Vec::new()).await?;
        let ids = vec![id.to_owned(), request_id(id), result_id(id)];
        self.documents.remove(Shelf::Job, ids).await.map_err(unavailable)?;
        Ok(())
    }

    /// Whoever asks, as jobs, responses and streams know it: the key, and the user that it names in
    /// the headers.
    ///
    /// # Errors
    /// When the key may not be used, or may not speak for the user.
    pub fn owner(&self, presented: &Presented, claims: &crate::incoming::Claims) -> Result<Owner, Problem> {
        line::identified_owner(self, presented, claims)
    }

    /// Who tells webhooks of jobs that have ended. Set once, before jobs are taken up.
    pub fn set_job_notifier(&self, notifier: Arc<dyn JobNotifier>) {
        if self.jobs.notifier.set(notifier).is_err() {
            tracing::warn!("a second notifier of jobs was offered; the first stays");
        }
    }

    /// Ends a user's jobs early. Returns those that are not over yet, or just were.
    pub(crate) fn stop_jobs_of_user(&self, user: &Name) -> Vec<String> {
        self.jobs.queue.lock().stop_user(user)
    }

    /// Cancels the jobs of a key, or of one user of it. Returns how many there were.
    pub(crate) async fn cancel_jobs_of_key(&self, key: &Name, user: Option<&Name>) -> Result<usize, Problem> {
        // None of them takes the place of the one before it.
        let ids = self.jobs.queue.lock().take_key(key, user);
        for id in &ids {
            let Some(sheet) = self.sheet(id).await.map_err(unavailable)? else { continue };
            if sheet.is_response() {
                self.stop_response(&sheet.order.owner(), id).await?;
            } else {
                let _turn = self.jobs.turn(id).await;
                // What it was a moment ago may be over.
                if let Some(sheet) = self.sheet(id).await.map_err(unavailable)? {
                    self.cancelled(sheet, Vec::new()).await?;
                }
            }
        }
        Ok(ids.len())
    }

    /// Tells webhooks what nobody took before.
    pub(crate) fn tick_jobs(self: &Arc<Self>, now: Timestamp) {
        if self.is_draining() || !self.jobs.owes_news.load(Ordering::Acquire) {
            return;
        }
        let last = self.jobs.told.swap(now.as_millis(), Ordering::AcqRel);
        if now.since(instant(last)) < NEWS_WAIT {
            self.jobs.told.store(last, Ordering::Release);
            return;
        }
        let gateway = Arc::clone(self);
        self.journeys.spawn(async move {
            if let Err(error) = gateway.tell_what_is_owed().await {
                gateway.jobs.owes_news.store(true, Ordering::Release);
                tracing::warn!(%error, "the ends of jobs that are to be told of cannot be read");
            }
        });
    }

    /// How full the queue is.
    #[must_use]
    pub fn jobs_standing(&self) -> JobsStanding {
        let (waiting, running) = self.jobs.queue.lock().len();
        JobsStanding { waiting, running }
    }

    async fn own_job(&self, owner: &Owner, id: &str) -> Result<Sheet, Problem> {
        let missing = || {
            let keep = format_duration(self.jobs_keep_for());
            let shown: String = id.chars().take(64).collect();
            Problem::new(
                Code::NotFound,
                format!("There is no job `{shown}` here. Jobs are kept for {keep} after their end."),
            )
        };
        if !is_job_id(id) {
            return Err(missing());
        }
        let found = self.sheet(id).await.map_err(unavailable)?;
        found.filter(|sheet| sheet.order.owner() == *owner).ok_or_else(missing)
    }

    pub(crate) async fn sheet(&self, id: &str) -> Result<Option<Sheet>, DocumentsError> {
        let found = self.documents.get(Shelf::Job, id, self.clock.now()).await?;
        Ok(found.as_ref().and_then(Sheet::read))
    }

    pub(crate) fn jobs_keep_for(&self) -> Duration {
        self.live.load().settings.jobs.keep_for
    }

    /// The request of a job that has ended is of no use to anybody.
    async fn drop_request(&self, id: &str) {
        if let Err(error) = self.documents.remove(Shelf::Job, vec![request_id(id)]).await {
            tracing::warn!(%error, job = id, "the request of a job that has ended could not be removed");
        }
    }

    pub(crate) fn fresh_id(&self) -> RequestId {
        RequestId::from_parts(u64::try_from(self.clock.now().as_millis()).unwrap_or(0), self.entropy.u128())
    }

    /// Starts what may start now, and sees to it that the rest starts in time.
    pub(crate) fn pump_jobs(self: &Arc<Self>) {
        // What waits then is the next process's.
        if self.is_draining() {
            return;
        }
        loop {
            let places = self.live.load().settings.jobs.concurrency;
            let stop = self.cut.child_token();
            let taken = self.jobs.queue.lock().take(self.clock.now(), places, stop.clone());
            let Some(ticket) = taken else { break };
            let gateway = Arc::clone(self);
            self.journeys.spawn(async move { gateway.run_job(ticket, stop).await });
        }
        if self.jobs.queue.lock().next_due().is_some() {
            self.keep_time();
        }
    }

    /// One task waits for the time of those that wait for it. It holds nothing of the gateway while
    /// it sleeps.
    fn keep_time(self: &Arc<Self>) {
        const LONGEST: Duration = Duration::from_secs(60);
        self.jobs.wake.notify_one();
        if self.jobs.keeps_time.swap(true, Ordering::AcqRel) {
            return;
        }
        let (weak, wake) = (Arc::downgrade(self), Arc::clone(&self.jobs.wake));
        tokio::spawn(async move {
            loop {
                let sleep = {
                    let Some(gateway) = weak.upgrade().filter(|gateway| !gateway.is_draining()) else { return };
                    let due = gateway.jobs.queue.lock().next_due();
                    due.map_or(LONGEST, |due| due.since(gateway.clock.now())).min(LONGEST)
                };
                tokio::select! {
                    () = wake.notified() => continue,
                    () = tokio::time::sleep(sleep) => {}
                }
                let Some(gateway) = weak.upgrade() else { return };
                gateway.pump_jobs();
            }
        });
    }
}

fn ticket(sheet: &Sheet) -> Ticket {
    let order = &sheet.order;
    Ticket {
        id: sheet.id.clone(),
        key: Name::new(&order.key),
        user: order.owner_user.as_deref().map(Name::new),
        bytes: order.bytes,
    }
}

/// What a client is told when documents cannot be read or written.
#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` takes")]
pub(crate) fn unavailable(error: DocumentsError) -> Problem {
    tracing::error!(%error, "documents cannot be read or written");
    Problem::new(Code::StoreUnavailable, "The gateway's store cannot be used at present. An operator must look at it.")
}

/// Milliseconds since the epoch as an instant.
pub(crate) const fn instant(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}
