//! Making a job: checked as its surface would check the request, found again by its idempotency key,
//! written down, and put into the queue.

use super::order::Order;
use super::queue::{Full, QUEUED_BYTES_OF_KEY_MAX, QUEUED_OF_KEY_MAX};
use super::quota::BYTES_OF_KEY_MAX;
use super::sheet::{JOB, Sheet, request_document};
use super::{ticket, unavailable, view};
use crate::auth::browser;
use crate::gateway::{Gateway, draining};
use crate::incoming::Incoming;
use crate::line;
use crate::metrics::RequestLabels;
use crate::problem::Problem;
use bytes::Bytes;
use haltline_ports::{Document, Owner, Shelf};
use haltline_types::{Code, NanoUsd, format_duration};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// How long an idempotency key finds its job again.
const ONCE_KEEP: Duration = Duration::from_secs(24 * 3600);
/// The largest `metadata`, in bytes of JSON.
const METADATA_MAX: usize = 16 << 10;
/// The longest idempotency key, in bytes.
const ONCE_MAX: usize = 256;
/// The most attempts that a client may ask for.
const ATTEMPTS_MAX: u8 = 20;

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
        let caller = line::caller(&self, &new.incoming)?;
        let owner = caller.owner();
        if new.webhook.is_some() && caller.is_of_user() {
            return Err(browser::only_backends());
        }
        let mut order = Order::of(&new.incoming, &new.endpoint, &caller);
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
        let inspected = line::submitted(&self, new.incoming).await?;
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
        self.left_over.check_jobs()?;
        let ticket = ticket(sheet);
        let now = self.clock.now();
        let mut documents = vec![sheet.document(now, Duration::ZERO)];
        documents.extend(more);
        self.jobs.queue.lock().reserve(&ticket).map_err(full)?;
        let stays = documents.iter().filter(|document| document.shelf == Shelf::Job);
        let stays = stays.map(|document| document.body.len()).fold(0, usize::saturating_add);
        if !self.jobs.quota.lock().take(&ticket.key, stays, now, self.jobs_keep_for()) {
            self.jobs.queue.lock().give_back(&ticket);
            return Err(too_many(self.jobs_keep_for()));
        }
        documents.push(request_document(sheet, now, body));
        if let Err(error) = self.documents.put(documents).await {
            self.jobs.queue.lock().give_back(&ticket);
            return Err(unavailable(error));
        }
        self.jobs.queue.lock().push_reserved(ticket);
        self.pump_jobs();
        Ok(())
    }
}

fn full(full: Full) -> Problem {
    match full {
        Full::Key => Problem::new(
            Code::RateLimited,
            format!("{QUEUED_OF_KEY_MAX} jobs of this key wait already; make more when some have run."),
        ),
        Full::KeyBytes => Problem::new(
            Code::RateLimited,
            format!("The jobs of this key that wait have {QUEUED_BYTES_OF_KEY_MAX} bytes already; make more when some have run."),
        ),
        Full::All => {
            Problem::new(Code::Overloaded, "The queue of jobs is full; make more when some have run.".to_owned())
        }
    }
    .retry_after(Duration::from_secs(30))
}

fn too_many(keep_for: Duration) -> Problem {
    let message = format!(
        "This key has had {BYTES_OF_KEY_MAX} bytes of jobs written within {}, for which jobs are kept; make more when some of them are gone.",
        format_duration(keep_for)
    );
    Problem::new(Code::RateLimited, message).retry_after(Duration::from_secs(60))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
