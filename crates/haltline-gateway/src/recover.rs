//! After a restart: holds that a process died under are charged in full, because what became of
//! them is unknown (promise, rule 5); and the streams that it died under are ended, or gone on
//! with.

use crate::deliver::Outlet;
use crate::gateway::Gateway;
use crate::incoming::{Claims, Incoming};
use crate::line;
use crate::settings::OnCut;
use crate::streams::{Ending, Head, Live, Opened};
use haltline_ledger::OpenHold;
use haltline_ports::{AttemptRecord, Basis, Book, BookError, Outcome, RequestRecord, StreamRecord, StreamsError};
use haltline_types::{FaultKind, ModelName, Name, NanoUsd, RequestId, Subjects, Timestamp};
use haltline_wire::client::Address;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Answers that are gone on with at once after a start: providers have limits.
const AT_ONCE: usize = 32;

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
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let unended = self.streams.unended().await?;
        for record in unended.into_iter().filter(|record| self.left_over.is_earlier(record)) {
            let holds = holds.remove(&record.begin.id).unwrap_or_default();
            if self.go_on_with(&record, &holds, &places) {
                taken.going_on += 1;
            } else {
                self.end_lost(&record, &holds);
                taken.ended += 1;
            }
        }
        for (id, holds) in holds {
            self.record_lost(id, None, &holds);
        }
        Ok(taken)
    }

    /// Asks for the rest of a stream's answer, where that may be. Its watchers are welcome from now on.
    fn go_on_with(self: &Arc<Self>, record: &StreamRecord, holds: &[&OpenHold], places: &Arc<Semaphore>) -> bool {
        let id = record.begin.id;
        if self.live.load().settings.streams.on_cut == OnCut::End || record.last == 0 {
            return false;
        }
        let Some(Head { surface, notes, again: Some((again, body)), .. }) = Head::of_bytes(id, &record.begin.head)
        else {
            return false;
        };
        let owner = &record.begin.owner;
        let Some(key) = self.keys.list().into_iter().find(|key| key.name == owner.key) else { return false };
        let mut pass_headers = http::HeaderMap::new();
        for (name, value) in &again.pass_headers {
            if let (Ok(name), Ok(value)) = (name.parse::<http::HeaderName>(), value.parse::<http::HeaderValue>()) {
                pass_headers.append(name, value);
            }
        }
        let incoming = Incoming {
            surface,
            address: Address { model: again.model, stream: true, leave_hosted_tools_out: again.leave_hosted_tools_out },
            key: None,
            on_behalf: Some(key),
            claims: Claims {
                user: owner.user.as_ref().map(ToString::to_string),
                session: record.begin.session.as_ref().map(ToString::to_string),
                tags: again.tags.iter().map(|(name, value)| (Name::new(name), Name::new(value))).collect(),
                max_cost: again.max_cost_nano_usd.map(NanoUsd::new),
                no_retry: again.no_retry,
                ..Claims::default()
            },
            trace_id: Some(notes.trace_id.clone()),
            pass_headers,
            dropped: notes.dropped.clone(),
            stop: None,
            body,
            arrived: Instant::now(),
        };
        let live = Arc::new(Live::going_on(id, surface, self.cut.child_token(), record.last));
        live.open(Opened::Stream(Box::new(notes.clone())));
        self.registry.enter(&live);
        let outlet = Outlet::going_on(Arc::clone(&live), Arc::clone(&self.streams), Arc::clone(&self.clock));
        let now = self.clock.now();
        let lost: Vec<AttemptRecord> = holds.iter().map(|hold| lost_attempt(hold, now)).collect();
        let (gateway, places, began) = (Arc::clone(self), Arc::clone(places), record.begin.started);
        self.journeys.spawn(async move {
            // A semaphore that is never closed gives a place in the end.
            let place = places.acquire().await;
            line::travel_on(&gateway, notes.trace_id, incoming, outlet, lost, began).await;
            drop(place);
        });
        true
    }

    /// Ends a stream whose answer cannot be gone on with.
    fn end_lost(&self, record: &StreamRecord, holds: &[&OpenHold]) {
        let id = record.begin.id;
        let note = Ending::Broken(Box::new(line::interrupted())).note();
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
