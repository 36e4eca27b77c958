//! After a restart: jobs that waited wait again, jobs that ran are looked at. One whose answer was
//! kept has succeeded and is not sent again; of another one the attempt is lost, and its ceiling was
//! charged.

use super::sheet::{Run, Sheet, State, UNTOLD, request_id, result_id};
use super::{instant, ticket};
use crate::gateway::Gateway;
use crate::problem::Problem;
use crate::streams::{Ending, Head};
use bytes::Bytes;
use haltline_ledger::OpenHold;
use haltline_ports::{DocumentQuery, DocumentsError, Shelf, StreamState};
use haltline_types::{Code, RequestId};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Jobs that are read at once.
const PAGE: usize = 100;

impl Gateway {
    /// Takes up the jobs of an earlier process, before any request is accepted. `lost` are the
    /// holds that were open at the start and have been charged. Returns how many jobs go on.
    ///
    /// # Errors
    /// When documents cannot be read.
    pub async fn resume_jobs(self: &Arc<Self>, lost: &[OpenHold]) -> Result<usize, DocumentsError> {
        for sheet in self.all_in(State::Running).await? {
            self.take_up_job(sheet, Some(lost)).await?;
        }
        self.tell_what_is_owed().await?;
        let mut waiting = 0;
        for sheet in self.all_in(State::Queued).await? {
            let mut queue = self.jobs.queue.lock();
            match sheet.not_before {
                Some(at) => queue.push_later(ticket(&sheet), instant(at)),
                None => queue.push(ticket(&sheet)),
            }
            waiting += 1;
        }
        self.pump_jobs();
        Ok(waiting)
    }

    /// Tells webhooks of jobs whose end nobody took so far.
    pub(crate) async fn tell_what_is_owed(&self) -> Result<(), DocumentsError> {
        self.jobs.owes_news.store(false, Ordering::Release);
        for sheet in self.all_with(UNTOLD.to_owned()).await? {
            let _turn = self.jobs.turn(&sheet.id).await;
            // It may have been told, or forgotten, meanwhile.
            if let Some(mut sheet) = self.sheet(&sheet.id).await? {
                self.tell_end(&mut sheet).await;
            }
        }
        Ok(())
    }

    async fn all_in(&self, state: State) -> Result<Vec<Sheet>, DocumentsError> {
        self.all_with(state.label()).await
    }

    /// Reads a whole state before anything of it changes: ids sort by time, so that the order is
    /// that in which they came.
    async fn all_with(&self, label: String) -> Result<Vec<Sheet>, DocumentsError> {
        let mut sheets = Vec::new();
        let mut after = None;
        loop {
            let query = DocumentQuery { label: Some(label.clone()), after, ..DocumentQuery::of(Shelf::Job, PAGE) };
            let page = self.documents.list(query, self.clock.now()).await?;
            sheets.extend(page.iter().filter_map(Sheet::read));
            match page.last() {
                Some(last) if page.len() == PAGE => after = Some(last.id.clone()),
                _ => break,
            }
        }
        // Ids of responses and of jobs begin differently.
        sheets.sort_by_key(|sheet| sheet.created);
        Ok(sheets)
    }

    /// `lost`: the holds that its process died under; none where this process lives, and what an
    /// attempt has cost is not known before its record is there. Gives how it stands then.
    pub(super) async fn take_up_job(
        &self,
        mut sheet: Sheet,
        lost: Option<&[OpenHold]>,
    ) -> Result<State, DocumentsError> {
        let _turn = self.jobs.turn(&sheet.id).await;
        let now = self.clock.now();
        if let Some(run) = sheet.runs.last_mut().filter(|run| run.ended.is_none()) {
            run.ended = Some(now.as_millis());
            self.look_up(run, lost).await;
        }
        let has_answer = if sheet.is_response() {
            self.background_is_ready(&sheet).await?
        } else {
            self.documents.get(Shelf::Job, &result_id(&sheet.id), now).await?.is_some()
        };
        if has_answer {
            self.finish(&mut sheet, State::Succeeded).await;
            return Ok(sheet.state);
        }
        if let Some(answer) = self.answer_of_run(&sheet).await {
            let body = self.documents.get(Shelf::Job, &request_id(&sheet.id), now).await?;
            self.keep_answer(&sheet, &body.map_or_else(Bytes::new, |body| body.body), answer).await;
            self.finish(&mut sheet, State::Succeeded).await;
            return Ok(sheet.state);
        }
        if let Some(run) = sheet.runs.last_mut() {
            run.code = Some(Code::Internal.word().to_owned());
            run.fault = Some("lost".to_owned());
        }
        if sheet.attempts() < sheet.order.max_attempts {
            self.requeue(&mut sheet, None, now).await;
            return Ok(sheet.state);
        }
        let what = if lost.is_some() { "was restarted" } else { "failed" };
        let message =
            format!("The gateway {what} in the middle of the last attempt. What may have been spent is charged.");
        let mut problem = Problem::new(Code::Internal, message);
        problem.spent = true;
        let body = self.documents.get(Shelf::Job, &request_id(&sheet.id), now).await?;
        self.bury(&mut sheet, &problem, body.map_or_else(Bytes::new, |body| body.body)).await;
        Ok(sheet.state)
    }

    /// The answer of the last run, if it was whole when the process died: it is in the store before
    /// it is settled.
    async fn answer_of_run(&self, sheet: &Sheet) -> Option<Bytes> {
        let id: RequestId = sheet.runs.last()?.request.parse().ok()?;
        let record = self.streams.find(id).await.ok().flatten()?;
        let StreamState::Ended { note, .. } = &record.state else { return None };
        if Ending::of_note(note) != Ending::Complete || !Head::of_bytes(id, &record.begin.head)?.whole {
            return None;
        }
        let batches = self.streams.read(id, 0, usize::MAX).await.ok()?;
        batches.into_iter().next().map(|batch| batch.bytes)
    }

    /// What a run that nobody saw the end of has cost: its record says, or its hold was charged.
    async fn look_up(&self, run: &mut Run, lost: Option<&[OpenHold]>) {
        let Ok(request) = run.request.parse() else { return };
        if let Ok(Some(record)) = self.records.generation(request).await {
            run.cost = Some(record.cost().get());
            run.attempts = u8::try_from(record.attempts.len()).ok();
            run.endpoint = record.attempts.last().map(|attempt| attempt.endpoint.to_string());
            return;
        }
        let Some(lost) = lost else { return };
        let held = lost.iter().filter(|hold| hold.id.request == request);
        run.cost = Some(held.map(|hold| hold.ceiling.usd.get()).fold(0, i64::saturating_add));
    }
}
