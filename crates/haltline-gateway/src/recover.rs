//! After a restart: holds that a process died under are charged in full, because what became of
//! them is unknown (promise, rule 5); and the streams that it died under are ended, or gone on
//! with.

use crate::auth::{Identity, Presented};
use crate::deliver::Outlet;
use crate::gateway::Gateway;
use crate::incoming::{Claims, Incoming};
use crate::line::{self, Earlier};
use crate::sessions::Recovered;
use crate::settings::OnCut;
use crate::streams::{Ending, Head, Live, Opened};
use haltline_ledger::OpenHold;
use haltline_ports::{AttemptRecord, Basis, Book, BookError, Outcome, RequestRecord, StreamRecord, StreamsError};
use haltline_types::{FaultKind, ModelName, Name, NanoUsd, RequestId, Subjects, Timestamp};
use haltline_wire::client::Address;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// Answers that are asked for at once after a start: a provider should not get all of them in the
/// same moment. Once one goes on, the next is asked for.
const AT_ONCE: usize = 32;
/// A gateway may be down so long, and its clients still wait for what it began.
const LATE: Duration = Duration::from_secs(600);

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

/// What is known of a request's attempts when its process has died.
struct Lost<'a> {
    /// Those that were under way.
    holds: Vec<&'a OpenHold>,
    /// What is on record of those before.
    known: Option<RequestRecord>,
}

impl Lost<'_> {
    fn attempts(&self, now: Timestamp) -> Vec<AttemptRecord> {
        let lost = self.holds.iter().map(|hold| lost_attempt(hold, now));
        let is_lost = |number: u8| self.holds.iter().any(|hold| hold.id.number == number);
        let known = self.known.iter().flat_map(|known| &known.attempts);
        known.filter(|known| !is_lost(known.number)).cloned().chain(lost).collect()
    }

    /// No attempt has a higher number. Without a hold that was open, the last attempt may have been
    /// settled and nothing said about it; and without a record, as many as there may be before a
    /// stream begins.
    fn last_number(&self, max_retries: u8) -> u8 {
        let known = || self.known.as_ref().and_then(|known| known.attempts.iter().map(|attempt| attempt.number).max());
        match self.holds.iter().map(|hold| hold.id.number).max() {
            Some(last) => last,
            None => known().map_or(max_retries.saturating_add(2), |last| last.saturating_add(1)),
        }
    }
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
            let id = record.begin.id;
            let lost = Lost { holds: holds.remove(&id).unwrap_or_default(), known: self.known_of(id).await };
            if self.go_on_with(&record, &lost, &places) {
                taken.going_on += 1;
            } else {
                self.end_lost(&record, &lost);
                taken.ended += 1;
            }
        }
        for (id, holds) in holds {
            self.record_lost(id, None, &Lost { holds, known: None });
        }
        Ok(taken)
    }

    /// What is on record of a request that has not ended.
    async fn known_of(&self, id: RequestId) -> Option<RequestRecord> {
        self.records.generation(id).await.unwrap_or_else(|error| {
            tracing::error!(%error, request = %id, "the earlier attempts of a request cannot be looked up");
            None
        })
    }

    /// Asks for the rest of a stream's answer, where that may be. Its watchers are welcome from now on.
    fn go_on_with(self: &Arc<Self>, record: &StreamRecord, lost: &Lost<'_>, places: &Arc<Semaphore>) -> bool {
        let id = record.begin.id;
        let settings = self.live.load();
        let settings = &settings.settings;
        if settings.streams.on_cut == OnCut::End || record.last == 0 {
            return false;
        }
        // Nobody waits any more for an answer of yesterday.
        let age = self.clock.now().since(record.begin.started);
        if age > settings.deadlines.total.saturating_add(LATE) {
            return false;
        }
        // A stream that each start dies of has its attempts like any other.
        let last = lost.last_number(settings.retry.max_retries);
        if last > settings.retry.max_retries {
            return false;
        }
        let Some(Head { surface, notes, again: Some((again, body)), .. }) = Head::of_bytes(id, &record.begin.head)
        else {
            return false;
        };
        // Unless all attempts are known, nobody knows what may be left of what the client allows.
        let are_known = lost.attempts(self.clock.now()).len() == usize::from(last);
        if again.no_retry || (again.max_cost_nano_usd.is_some() && !are_known) {
            return false;
        }
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
            presented: Presented::default(),
            on_behalf: Some(Identity::of_key(key)),
            claims: Claims {
                user: owner.user.as_ref().map(ToString::to_string),
                session: record.begin.session.as_ref().map(ToString::to_string),
                tags: again.tags.iter().map(|(name, value)| (Name::new(name), Name::new(value))).collect(),
                max_cost: again.max_cost_nano_usd.map(NanoUsd::new),
                no_retry: again.no_retry,
                strict: again.strict,
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
        // Whatever becomes of this process, the next one knows of these attempts.
        self.record_lost(id, Some(record), lost);
        let earlier = Earlier { attempts: lost.attempts(self.clock.now()), last };
        let (gateway, places, began) = (Arc::clone(self), Arc::clone(places), record.begin.started);
        let cursor = record.last;
        self.journeys.spawn(async move {
            let heartbeat = gateway.live.load().settings.streams.heartbeat;
            let place = place_for(&live, &places, heartbeat).await;
            let mut travel =
                std::pin::pin!(line::travel_on(&gateway, notes.trace_id, incoming, outlet, earlier, began));
            tokio::select! {
                () = &mut travel => return,
                () = live.until_after(cursor) => drop(place),
            }
            travel.await;
        });
        true
    }

    /// Ends a stream whose answer cannot be gone on with.
    fn end_lost(&self, record: &StreamRecord, lost: &Lost<'_>) {
        let id = record.begin.id;
        let note = Ending::Broken(Box::new(line::interrupted())).note();
        if let Err(error) = self.streams.end(id, self.clock.now(), &note) {
            tracing::error!(stream = %id, %error, "a stream that a restart has cut cannot be ended");
        }
        self.record_lost(id, Some(record), lost);
        self.tell_session_of_lost(record, lost);
    }

    /// What its client was told of the answer is a part of its session.
    fn tell_session_of_lost(&self, record: &StreamRecord, lost: &Lost<'_>) {
        let (id, begin) = (record.begin.id, &record.begin);
        let (Some(session), Some(head)) = (&begin.session, Head::of_bytes(id, &begin.head)) else { return };
        let of_hold = lost.holds.first().and_then(|hold| hold.subjects.model.clone());
        let model = of_hold.or_else(|| lost.known.as_ref().map(|known| known.model.clone()));
        let attempts = lost.attempts(self.clock.now());
        self.recovered_in_session(Recovered {
            owner: begin.owner.clone(),
            session: session.clone(),
            request: id,
            surface: head.surface,
            model: model.unwrap_or_else(|| Name::new("-")),
            attempts: u8::try_from(attempts.len()).unwrap_or(u8::MAX),
            cost: attempts.iter().fold(NanoUsd::ZERO, |sum, attempt| sum.checked_add(attempt.cost).unwrap_or(sum)),
        });
    }

    /// The line of truth for a request whose process died.
    fn record_lost(&self, id: RequestId, stream: Option<&StreamRecord>, lost: &Lost<'_>) {
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
        let first = lost.holds.first();
        let of_hold = first.map(|hold| Arc::clone(&hold.subjects));
        let known = || lost.known.as_ref().map(|known| Arc::clone(&known.subjects));
        let subjects = of_hold.or_else(known).unwrap_or_else(|| Arc::new(of_stream()));
        let record = RequestRecord {
            id,
            trace_id: head
                .as_ref()
                .map_or_else(|| format!("{:032x}", id.as_u128()), |head| head.notes.trace_id.clone()),
            started: stream.map(|record| record.begin.started).or(first.map(|hold| hold.at)).unwrap_or(now),
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
            attempts: lost.attempts(now),
            steps: Vec::new(),
        };
        if let Err(error) = self.records.record(&record) {
            tracing::error!(%error, request = %id, "the record of a lost request could not be kept; the ledger has its money");
        }
    }
}

/// Waits for a place among those that ask; watchers hear meanwhile that it goes on. One that is
/// stopped needs none.
async fn place_for<'a>(live: &Live, places: &'a Semaphore, heartbeat: Duration) -> Option<SemaphorePermit<'a>> {
    let mut place = std::pin::pin!(places.acquire());
    loop {
        tokio::select! {
            biased;
            // The semaphore is never closed.
            place = &mut place => return place.ok(),
            () = live.cut.cancelled() => return None,
            () = tokio::time::sleep(heartbeat) => live.sign(),
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
