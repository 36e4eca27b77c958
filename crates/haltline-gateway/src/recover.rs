//! After a restart: holds that a process died under are charged in full, because what became of
//! them is unknown (promise, rule 5); and the streams that it died under are ended, or gone on
//! with.

use crate::gateway::Gateway;
use crate::problem::Problem;
use crate::streams::{Ending, Head};
use haltline_ledger::OpenHold;
use haltline_ports::{AttemptRecord, Basis, Book, BookError, Outcome, RequestRecord, StreamRecord, StreamsError};
use haltline_types::{Code, FaultKind, ModelName, Name, RequestId, Subjects, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Expires every hold that the journal left open. Returns how many.
///
/// # Errors
/// When the store has stopped.
pub async fn expire_open_holds(book: &dyn Book, open: &[OpenHold], now: Timestamp) -> Result<usize, BookError> {
    for hold in open {
        book.expire(hold.id, now).await?;
    }
    Ok(open.len())
}

/// What became of the streams that a process died under.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TakenUp {
    /// Ended with an error that says so.
    pub ended: usize,
    /// Gone on with.
    pub going_on: usize,
}

impl Gateway {
    /// Takes up what a process before died under. `lost`: its holds, which are charged already.
    /// To be called once, before the first request.
    ///
    /// # Errors
    /// When the streams cannot be read.
    pub async fn take_up_streams(self: &Arc<Self>, lost: &[OpenHold]) -> Result<TakenUp, StreamsError> {
        let mut holds: BTreeMap<RequestId, Vec<&OpenHold>> = BTreeMap::new();
        for hold in lost {
            holds.entry(hold.id.request).or_default().push(hold);
        }
        let mut taken = TakenUp::default();
        for record in self.streams.unended().await? {
            let holds = holds.remove(&record.begin.id).unwrap_or_default();
            self.end_lost(&record, &holds);
            taken.ended += 1;
        }
        for (id, holds) in holds {
            self.record_lost(id, None, &holds);
        }
        Ok(taken)
    }

    /// Ends a stream whose answer cannot be gone on with.
    fn end_lost(&self, record: &StreamRecord, holds: &[&OpenHold]) {
        let mut problem = Problem::new(
            Code::Interrupted,
            "The gateway was restarted in the middle of this answer. What was written until then is kept.",
        );
        problem.spent = true;
        let id = record.begin.id;
        let note = Ending::Broken(Box::new(problem)).note();
        if let Err(error) = self.streams.end(id, self.clock.now(), &note) {
            tracing::error!(stream = %id, %error, "a stream that a restart has cut cannot be ended");
        }
        self.record_lost(id, Some(record), holds);
    }

    /// The line of truth for a request whose process died.
    fn record_lost(&self, id: RequestId, stream: Option<&StreamRecord>, holds: &[&OpenHold]) {
        let head = stream.and_then(|record| Head::of_bytes(id, &record.begin.head));
        let now = self.clock.now();
        let of_stream = || {
            let begin = stream.map(|record| record.begin.clone());
            Subjects {
                key: begin.as_ref().map(|begin| begin.owner.key.clone()),
                user: begin.as_ref().and_then(|begin| begin.owner.user.clone()),
                session: begin.and_then(|begin| begin.session),
                ..Subjects::default()
            }
        };
        let subjects = holds.first().map_or_else(|| Arc::new(of_stream()), |hold| Arc::clone(&hold.subjects));
        let record = RequestRecord {
            id,
            trace_id: head
                .as_ref()
                .map_or_else(|| format!("{:032x}", id.as_u128()), |head| head.notes.trace_id.clone()),
            started: stream.map(|record| record.begin.started).or(holds.first().map(|hold| hold.at)).unwrap_or(now),
            ended: now,
            surface: Name::new(head.as_ref().map_or("-", |head| head.surface.word())),
            model: subjects.model.clone().unwrap_or_else(|| Name::new("-")),
            subjects,
            streamed: stream.is_some(),
            outcome: Outcome::Lost,
            status: if stream.is_some() { 200 } else { 0 },
            first_token: None,
            cap_lowered_to: head.as_ref().and_then(|head| head.notes.cap_lowered_to),
            degraded_to: head.and_then(|head| head.notes.degraded).map(|degraded| degraded.to),
            blocked: None,
            attempts: holds.iter().map(|hold| lost_attempt(hold, now)).collect(),
            steps: Vec::new(),
        };
        if let Err(error) = self.records.record(&record) {
            tracing::error!(%error, request = %id, "the record of a lost request could not be kept; the ledger has its money");
        }
    }
}

/// An attempt under which the process died: charged in full.
pub(crate) fn lost_attempt(hold: &OpenHold, now: Timestamp) -> AttemptRecord {
    let name = |name: &Option<Name>| name.clone().unwrap_or_else(|| Name::new("-"));
    AttemptRecord {
        number: hold.id.number,
        endpoint: ModelName { provider: name(&hold.subjects.provider), model: name(&hold.subjects.provider_model) },
        started: hold.at,
        ended: now,
        ceiling: hold.ceiling,
        cost: hold.ceiling.usd,
        basis: Basis::Ceiling,
        usage: None,
        status: None,
        fault: Some(FaultKind::Unknown),
    }
}
