//! Jobs: work without a waiting client. What clients and the surface ask of them is here; running
//! them, taking them up after a restart, and telling how they stand have rooms of their own.
//!
//! A job is a document, written before the act that it announces. Whoever changes one holds its
//! turn; one process owns the documents, so that a lock in memory is enough.

mod notify;
mod order;
mod queue;
mod resume;
mod run;
mod sheet;
mod verdict;
mod view;

pub use notify::{JobNote, JobNotifier};
pub use order::JobEndpoint;
pub(crate) use order::Order;
pub use queue_size::JobsStanding;
pub(crate) use sheet::{Failure, RESPONSE, Run, Sheet, State};

use crate::gateway::{Gateway, draining};
use crate::incoming::Incoming;
use crate::line;
use crate::metrics::RequestLabels;
use crate::problem::Problem;
use bytes::Bytes;
use haltline_ports::{Document, DocumentQuery, DocumentsError, Owner, Shelf};
use haltline_types::{Code, Name, NanoUsd, RequestId, Timestamp, format_duration};
use parking_lot::Mutex;
use queue::{Full, Queue, Ticket};
use serde_json::{Value, json};
use sheet::{JOB, is_job_id, request_document, request_id, result_id};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Locks by which changes of one document take turns.
const TURNS: usize = 64;
/// How long an idempotency key finds its job again.
const ONCE_KEEP: Duration = Duration::from_secs(24 * 3600);
/// The largest `metadata`, in bytes of JSON.
const METADATA_MAX: usize = 16 << 10;
/// The longest idempotency key, in bytes.
const ONCE_MAX: usize = 256;
/// The most attempts that a client may ask for.
const ATTEMPTS_MAX: u8 = 20;
/// Jobs of one page.
const PAGE_MAX: usize = 100;

/// What the gateway knows of jobs besides their documents.
pub(crate) struct Jobs {
    queue: Mutex<Queue>,
    turns: Vec<tokio::sync::Mutex<()>>,
    wake: Arc<tokio::sync::Notify>,
    keeps_time: AtomicBool,
    notifier: OnceLock<Arc<dyn JobNotifier>>,
}

impl Default for Jobs {
    fn default() -> Self {
        Self {
            queue: Mutex::default(),
            turns: (0..TURNS).map(|_| tokio::sync::Mutex::default()).collect(),
            wake: Arc::default(),
            keeps_time: AtomicBool::new(false),
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

mod queue_size {
    //! How full the queue is.

    /// For gauges and for people.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct JobsStanding {
        /// Jobs that wait for a place or for their time.
        pub waiting: usize,
        /// Jobs that run.
        pub running: usize,
    }
}

/// A job to be made.
#[derive(Debug)]
pub struct NewJob {
    /// The path of the surface, as `JobEndpoint` reads it.
    pub endpoint: String,
    /// The request, for that surface.
    pub incoming: Incoming,
    /// Whatever the client wants to find again; a JSON object.
    pub metadata: Option<Value>,
    /// Where to tell that it has ended.
    pub webhook: Option<String>,
    /// How often it may be sent; the configuration's number when absent.
    pub max_attempts: Option<u8>,
    /// The client's `Idempotency-Key`.
    pub once: Option<String>,
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
    /// Makes a job: checked as the surface would check the request, written down, and queued.
    /// Gives the job as JSON.
    ///
    /// # Errors
    /// As the surface would refuse the request, and when the queue is full.
    pub async fn submit_job(self: &Arc<Self>, new: NewJob) -> Result<Value, Problem> {
        let surface = new.incoming.surface.word();
        let gateway = Arc::clone(self);
        // A client that leaves now must not leave half a job behind.
        let made = self.journeys.spawn(async move { gateway.make_job(new).await }).await;
        let made = made.unwrap_or_else(|_| Err(Problem::new(Code::Internal, "The job could not be made.")));
        if let Err(problem) = &made {
            let labels = RequestLabels { surface, outcome: "refused", code: problem.code.word() };
            self.metrics.requests.get_or_create(&labels).inc();
        }
        made
    }

    async fn make_job(self: Arc<Self>, new: NewJob) -> Result<Value, Problem> {
        if self.is_draining() {
            return Err(draining());
        }
        let owner = line::owner_of(&self, &new.incoming)?;
        let mut order = Order::of(&new.incoming, &new.endpoint, &owner);
        self.check_extras(&new)?;
        let once = match &new.once {
            Some(key) => Some(self.once(&owner, key, &new)?),
            None => None,
        };
        let _turn = match &once {
            Some((id, _)) => Some(self.jobs.turn(id).await),
            None => None,
        };
        if let Some((id, fingerprint)) = &once
            && let Some(known) = self.job_of_once(id, fingerprint).await?
        {
            return Ok(view::job(&known, self.clock.now()));
        }
        let live = self.live.load_full();
        let usual = if order.no_retry { 1 } else { live.settings.jobs.max_attempts };
        order.max_attempts = new.max_attempts.unwrap_or(usual).clamp(1, ATTEMPTS_MAX);
        order.metadata = new.metadata;
        order.webhook = new.webhook;
        let inspected = line::inspect(&self, new.incoming).await?;
        if inspected.asked.stream() {
            let message = "A job is not streamed; leave `stream` out of its `body`, and ask for its result.";
            return Err(Problem::new(Code::InvalidRequest, message).about("body.stream"));
        }
        order.model = inspected.model.to_string();
        order.ceiling = inspected.ceiling.map(NanoUsd::get);
        order.bytes = inspected.body.len();
        let now = self.clock.now();
        let sheet = Sheet::new(format!("{JOB}{:032x}", self.fresh_id().as_u128()), order, now);
        let more = once.map(|(id, fingerprint)| Document {
            shelf: Shelf::Job,
            id,
            owner: Some(owner),
            labels: Vec::new(),
            changed: now,
            expires: Some(now.saturating_add(ONCE_KEEP)),
            body: Bytes::from(json!({"job": sheet.id, "fingerprint": fingerprint}).to_string()),
        });
        self.enqueue(&sheet, inspected.body, more.into_iter().collect()).await?;
        Ok(view::job(&sheet, now))
    }

    fn check_extras(&self, new: &NewJob) -> Result<(), Problem> {
        let refuse = |param: &str, message: String| Err(Problem::new(Code::InvalidRequest, message).about(param));
        if new.max_attempts.is_some_and(|most| most == 0 || most > ATTEMPTS_MAX) {
            return refuse("max_attempts", format!("`max_attempts` is from 1 to {ATTEMPTS_MAX}."));
        }
        if let Some(metadata) = &new.metadata
            && (!metadata.is_object() || metadata.to_string().len() > METADATA_MAX)
        {
            return refuse("metadata", format!("`metadata` is a JSON object of at most {METADATA_MAX} bytes."));
        }
        if let Some(url) = &new.webhook {
            let Some(notifier) = self.jobs.notifier.get() else {
                let message = "This gateway sends no webhooks; ask for the job until its `status` is final.";
                return refuse("webhook", message.to_owned());
            };
            if let Err(why) = notifier.check(url) {
                return refuse("webhook.url", format!("The webhook cannot be called: {why}."));
            }
        }
        Ok(())
    }

    /// Where an idempotency key's job is noted, and what the request looks like.
    fn once(&self, owner: &Owner, key: &str, new: &NewJob) -> Result<(String, String), Problem> {
        if key.is_empty() || key.len() > ONCE_MAX {
            let message = format!("`Idempotency-Key` has 1 to {ONCE_MAX} bytes.");
            return Err(Problem::new(Code::InvalidRequest, message));
        }
        let user = owner.user.as_deref().unwrap_or_default();
        let place = self.keys.hash(&format!("job-once\n{}\n{user}\n{key}", owner.key));
        let extras = json!([new.endpoint, new.metadata, new.webhook, new.max_attempts]);
        let body = String::from_utf8_lossy(&new.incoming.body);
        let looks = self.keys.hash(&format!("job-looks\n{extras}\n{body}"));
        Ok((format!("once_{}", hex(&place)), hex(&looks)))
    }

    async fn job_of_once(&self, id: &str, fingerprint: &str) -> Result<Option<Sheet>, Problem> {
        let noted = self.documents.get(Shelf::Job, id, self.clock.now()).await.map_err(unavailable)?;
        let Some(noted) = noted.and_then(|noted| serde_json::from_slice::<Value>(&noted.body).ok()) else {
            return Ok(None);
        };
        if noted["fingerprint"] != *fingerprint {
            let message = "This `Idempotency-Key` was used for another job within the last 24 hours. Use a new key for a new job.";
            return Err(Problem::new(Code::IdempotencyKeyReused, message));
        }
        let job = noted["job"].as_str().unwrap_or_default();
        self.sheet(job).await.map_err(unavailable)
    }

    /// Writes a job down and puts it into the queue.
    pub(crate) async fn enqueue(
        self: &Arc<Self>,
        sheet: &Sheet,
        body: Bytes,
        more: Vec<Document>,
    ) -> Result<(), Problem> {
        let ticket = ticket(sheet);
        self.jobs.queue.lock().room_for(&ticket.key, ticket.bytes).map_err(full)?;
        let now = self.clock.now();
        let mut documents = vec![sheet.document(now, Duration::ZERO), request_document(sheet, now, body)];
        documents.extend(more);
        self.documents.put(documents).await.map_err(unavailable)?;
        self.jobs.queue.lock().push(ticket);
        self.pump_jobs();
        Ok(())
    }

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
    pub fn owner(&self, secret: Option<&str>, claims: &crate::incoming::Claims) -> Result<Owner, Problem> {
        line::identified_owner(self, secret, claims)
    }

    /// Who tells webhooks of jobs that have ended. Set once, before jobs are taken up.
    pub fn set_job_notifier(&self, notifier: Arc<dyn JobNotifier>) {
        if self.jobs.notifier.set(notifier).is_err() {
            tracing::warn!("a second notifier of jobs was offered; the first stays");
        }
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
        while !self.is_draining() {
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
                    let Some(gateway) = weak.upgrade() else { return };
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
    Ticket { id: sheet.id.clone(), key: Name::new(&sheet.order.key), bytes: sheet.order.bytes }
}

fn full(full: Full) -> Problem {
    match full {
        Full::Key => Problem::new(
            Code::RateLimited,
            format!("{} jobs of this key wait already; make more when some have run.", queue::QUEUED_OF_KEY_MAX),
        ),
        Full::All => {
            Problem::new(Code::Overloaded, "The queue of jobs is full; make more when some have run.".to_owned())
        }
    }
    .retry_after(Duration::from_secs(30))
}

/// What a client is told when documents cannot be read or written.
pub(crate) fn unavailable(error: DocumentsError) -> Problem {
    tracing::error!(%error, "documents cannot be read or written");
    Problem::new(Code::StoreUnavailable, "The gateway's store cannot be used at present. An operator must look at it.")
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Milliseconds since the epoch as an instant.
pub(crate) const fn instant(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}
