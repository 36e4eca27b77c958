//! Running a job: its state is written before the request goes down the line, its answer before
//! its state says that it has succeeded. Everything about money is the line's.

use super::notify::JobNote;
use super::queue::Ticket;
use super::sheet::{Failure, Run, Sheet, State, request_id, result_document};
use super::verdict::{Tally, Verdict, verdict};
use super::{instant, view};
use crate::dead_letters::DeadLetter;
use crate::deliver::{Delivery, Notes};
use crate::gateway::Gateway;
use crate::problem::Problem;
use bytes::Bytes;
use futures_util::FutureExt;
use haltline_ports::{Document, DocumentsError, Shelf};
use haltline_types::{Code, NanoUsd, RequestId, Timestamp};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often a write that must not be lost is tried.
const WRITES: u32 = 6;
/// Before a run that could not be written down is tried again.
const UNWRITTEN_WAIT: Duration = Duration::from_secs(5);

/// Gives the place back whatever happens on the way.
struct Place {
    gateway: Arc<Gateway>,
    id: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.gateway.jobs.queue.lock().ended(&self.id);
    }
}

/// What a run leaves to be done.
enum Next {
    Nothing,
    Again(Timestamp),
}

impl Gateway {
    pub(super) async fn run_job(self: Arc<Self>, ticket: Ticket, stop: CancellationToken) {
        let place = Place { gateway: Arc::clone(&self), id: ticket.id.clone() };
        let run = AssertUnwindSafe(self.run_once(&ticket.id, stop.clone())).catch_unwind().await;
        let next = match run {
            Ok(next) => next,
            Err(_) => {
                // The request, if there is one, runs in a task of its own: it ends, and is charged.
                stop.cancel();
                let lost = AssertUnwindSafe(self.after_a_panic(&ticket.id)).catch_unwind().await;
                lost.unwrap_or(Next::Nothing)
            }
        };
        drop(place);
        if let Next::Again(at) = next {
            self.jobs.queue.lock().push_later(ticket, at);
        }
        self.pump_jobs();
    }

    async fn run_once(self: &Arc<Self>, id: &str, stop: CancellationToken) -> Next {
        let request = self.fresh_id();
        let (sheet, body) = match self.begin_run(id, request).await {
            Ok(Some(begun)) => begun,
            Ok(None) => return Next::Nothing,
            Err(error) => {
                tracing::error!(%error, job = id, "a job cannot be begun because its state cannot be written");
                return Next::Again(self.clock.now().saturating_add(UNWRITTEN_WAIT));
            }
        };
        let incoming = self
            .identity_of(&sheet.order)
            .and_then(|identity| sheet.order.incoming(identity, body.clone(), Some(stop)));
        let delivery = match incoming {
            Ok(incoming) => self.journey(request, incoming).await,
            Err(problem) => {
                Delivery::Problem { notes: Box::new(Notes::new(request, String::new())), problem: Box::new(problem) }
            }
        };
        self.end_run(id, request, body, delivery).await
    }

    /// A run that broke in the middle is looked at as a restart would: its answer may be safe, else
    /// the attempt is lost.
    async fn after_a_panic(&self, id: &str) -> Next {
        tracing::error!(job = id, "the run of a job broke in the middle: this is a defect of Haltline");
        let taken_up = match self.sheet(id).await {
            Ok(Some(sheet)) if sheet.state == State::Running => self.take_up_job(sheet, None).await,
            Ok(_) => return Next::Nothing,
            Err(error) => Err(error),
        };
        match taken_up {
            Ok(State::Queued) => Next::Again(self.clock.now().saturating_add(UNWRITTEN_WAIT)),
            Ok(_) => Next::Nothing,
            Err(error) => {
                tracing::error!(%error, job = id, "what became of a job's run could not be written; the next start takes it up");
                Next::Nothing
            }
        }
    }

    /// Writes down that a request of this id goes out. Nothing to do for a job that has ended.
    async fn begin_run(&self, id: &str, request: RequestId) -> Result<Option<(Sheet, Bytes)>, DocumentsError> {
        let _turn = self.jobs.turn(id).await;
        let Some(mut sheet) = self.sheet(id).await? else { return Ok(None) };
        if sheet.state.is_final() {
            return Ok(None);
        }
        let now = self.clock.now();
        let Some(body) = self.documents.get(Shelf::Job, &request_id(id), now).await? else {
            let problem = Problem::new(Code::Internal, "The job's request is not there any more.");
            self.bury(&mut sheet, &problem, Bytes::new()).await;
            return Ok(None);
        };
        sheet.state = State::Running;
        sheet.not_before = None;
        sheet.failure = None;
        sheet.runs.push(Run::begin(request, now));
        self.documents.put(vec![sheet.document(now, Duration::ZERO)]).await?;
        Ok(Some((sheet, body.body)))
    }

    async fn end_run(&self, id: &str, request: RequestId, body: Bytes, delivery: Delivery) -> Next {
        let _turn = self.jobs.turn(id).await;
        let sheet = match self.sheet(id).await {
            Ok(Some(sheet)) => sheet,
            // Forgotten meanwhile.
            Ok(None) => return Next::Nothing,
            Err(error) => {
                tracing::error!(%error, job = id, "what became of a job's run could not be written; the next start takes it up");
                return Next::Nothing;
            }
        };
        match delivery {
            Delivery::Whole { notes, body: answer } => {
                self.succeeded(sheet, request, &notes, &body, answer).await;
                Next::Nothing
            }
            Delivery::Problem { notes, problem } => self.failed(sheet, request, &notes, &problem, body).await,
            Delivery::Stream { notes, .. } => {
                let problem = Problem::new(Code::Internal, "The answer came as a stream, which a job cannot take.");
                self.failed(sheet, request, &notes, &problem, body).await
            }
        }
    }

    async fn succeeded(&self, mut sheet: Sheet, request: RequestId, notes: &Notes, body: &Bytes, answer: Bytes) {
        let now = self.clock.now();
        note_run(&mut sheet, request, notes, None, now);
        if sheet.state.is_final() {
            // Stopped while the answer was on its way: it is charged, and told of, but not kept.
            self.write(vec![sheet.document(now, self.jobs_keep_for())]).await;
            return;
        }
        if self.keep_answer(&sheet, body, answer).await {
            self.finish(&mut sheet, State::Succeeded).await;
        }
    }

    /// Writes the answer down; `false` when that was not possible.
    pub(super) async fn keep_answer(&self, sheet: &Sheet, body: &Bytes, answer: Bytes) -> bool {
        let result = if sheet.is_response() {
            self.background_result(sheet, &answer).await
        } else {
            self.keep_response_of_job(sheet, body, &answer).await;
            vec![result_document(sheet, self.clock.now(), self.jobs_keep_for(), answer)]
        };
        self.write(result).await
    }

    /// The answer is safe: now the state may say so. The webhook comes first: whoever dies before the
    /// state is written finds the answer again, and tells it under the same id. News that nobody
    /// took are told later.
    pub(super) async fn finish(&self, sheet: &mut Sheet, state: State) {
        let now = self.clock.now();
        sheet.state = state;
        sheet.ended = Some(now.as_millis());
        sheet.not_before = None;
        sheet.failure = None;
        sheet.is_told = sheet.owes_news() && self.tell(sheet).await;
        if self.write(vec![sheet.document(now, self.jobs_keep_for())]).await {
            self.drop_request(&sheet.id).await;
        }
    }

    async fn failed(
        &self,
        mut sheet: Sheet,
        request: RequestId,
        notes: &Notes,
        problem: &Problem,
        body: Bytes,
    ) -> Next {
        let now = self.clock.now();
        note_run(&mut sheet, request, notes, Some(problem), now);
        if sheet.state.is_final() {
            self.write(vec![sheet.document(now, self.jobs_keep_for())]).await;
            self.drop_request(&sheet.id).await;
            return Next::Nothing;
        }
        let sent = sheet.runs.last().is_some_and(Run::counts);
        if self.is_draining() && !sent {
            // The next process sends it.
            sheet.runs.pop();
            self.requeue(&mut sheet, None, now).await;
            return Next::Nothing;
        }
        if self.cut.is_cancelled() && sheet.attempts() < sheet.order.max_attempts {
            self.requeue(&mut sheet, None, now).await;
            return Next::Nothing;
        }
        if !sent {
            sheet.refusals = sheet.refusals.saturating_add(1);
        }
        let tally = Tally {
            attempts: sheet.attempts(),
            max_attempts: sheet.order.max_attempts,
            refusals: sheet.refusals,
            sent,
        };
        let base = self.live.load().settings.jobs.retry_base;
        match verdict(problem, tally, now, base, self.entropy.u64()) {
            Verdict::Again(at) => {
                sheet.failure = Some(Failure::of(problem));
                self.requeue(&mut sheet, Some(at), now).await;
                Next::Again(at)
            }
            Verdict::Bury => {
                self.bury(&mut sheet, problem, body).await;
                Next::Nothing
            }
        }
    }

    pub(super) async fn requeue(&self, sheet: &mut Sheet, at: Option<Timestamp>, now: Timestamp) {
        sheet.state = State::Queued;
        sheet.not_before = at.map(Timestamp::as_millis);
        self.write(vec![sheet.document(now, Duration::ZERO)]).await;
    }

    /// It failed for good: the dead letter and the state are written together.
    pub(super) async fn bury(&self, sheet: &mut Sheet, problem: &Problem, body: Bytes) {
        let now = self.clock.now();
        sheet.state = State::Failed;
        sheet.ended = Some(now.as_millis());
        sheet.not_before = None;
        sheet.failure = Some(Failure::of(problem));
        let letter = DeadLetter::of_job(format!("dl_{:032x}", self.fresh_id().as_u128()), sheet, problem, &body, now);
        sheet.dead_letter = Some(letter.id.clone());
        tracing::warn!(job = %sheet.id, letter = %letter.id, code = %problem.code, cost = %sheet.cost(), "a job failed for good");
        let mut documents = letter.documents(Some(body), now);
        self.graves.make_room(&documents, now).await;
        documents.push(sheet.document(now, self.jobs_keep_for()));
        if sheet.is_response() {
            documents.extend(self.background_failed(sheet, &problem.message).await);
        }
        if self.write(documents).await {
            self.drop_request(&sheet.id).await;
            self.tell_end(sheet).await;
        }
    }

    /// Tells the end of a job that is written down. What was not told is told later, by this
    /// process or the next.
    pub(super) async fn tell_end(&self, sheet: &mut Sheet) {
        if sheet.owes_news() && self.tell(sheet).await {
            sheet.is_told = true;
            self.write(vec![sheet.document(self.clock.now(), self.jobs_keep_for())]).await;
        }
    }

    /// Has the webhook's carrier taken the news?
    async fn tell(&self, sheet: &Sheet) -> bool {
        let Some(url) = &sheet.order.webhook else { return false };
        let note = JobNote {
            id: format!("{}_{}", sheet.id, sheet.state.word()),
            kind: if sheet.state == State::Failed { "job.failed" } else { "job.completed" },
            owner: sheet.order.owner(),
            url: url.clone(),
            job: view::job(sheet, self.clock.now()),
        };
        let told = match self.jobs.notifier.get() {
            Some(notifier) => notifier.notify(note).await,
            None => Err("nobody carries them".to_owned()),
        };
        match told {
            Ok(()) => true,
            Err(error) => {
                self.jobs.owes_news.store(true, Ordering::Release);
                tracing::warn!(%error, job = %sheet.id, "the news of a job's end are not taken; they are told later");
                false
            }
        }
    }

    /// Writes what must not be lost. What cannot be written is taken up by the next start.
    async fn write(&self, documents: Vec<Document>) -> bool {
        let mut wait = Duration::from_millis(100);
        for left in (0..WRITES).rev() {
            match self.documents.put(documents.clone()).await {
                Ok(()) => return true,
                Err(error) if left == 0 => {
                    tracing::error!(%error, "the state of a job could not be written; the next start takes it up");
                }
                Err(error) => {
                    tracing::warn!(%error, "the state of a job could not be written; it is tried again");
                    tokio::time::sleep(wait).await;
                    wait = wait.saturating_mul(2);
                }
            }
        }
        false
    }
}

/// What a run came to.
fn note_run(sheet: &mut Sheet, request: RequestId, notes: &Notes, problem: Option<&Problem>, now: Timestamp) {
    let request = request.to_string();
    let Some(run) = sheet.runs.iter_mut().rev().find(|run| run.request == request) else { return };
    run.ended = Some(now.max(instant(run.started)).as_millis());
    run.endpoint = notes.endpoint.as_ref().map(ToString::to_string);
    // A journey that broke says nothing of its attempts.
    let is_known = notes.cost.is_some() || !problem.is_some_and(|problem| problem.spent);
    run.attempts = is_known.then_some(notes.attempts);
    run.cost = is_known.then(|| notes.cost.unwrap_or(NanoUsd::ZERO).get());
    run.code = problem.map(|problem| problem.code.word().to_owned());
    run.fault = problem.and_then(|problem| problem.upstream.as_ref()).map(|upstream| upstream.kind.word().to_owned());
}
