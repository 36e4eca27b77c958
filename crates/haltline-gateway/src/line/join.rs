//! Join: is this a repetition of a request that runs, or was answered? Then its client gets that
//! answer, and nothing is asked or spent a second time.

use crate::deliver::{Beginning, Delivery, Outlet};
use crate::gateway::Gateway;
use crate::line::accept::Request;
use crate::line::trip::Trip;
use crate::problem::Problem;
use crate::settings::OnCut;
use crate::streams::{Asked, Ending, From, Head, Live, Opened, Other, RecentAnswer, Watcher, room_for_another};
use haltline_ports::{Outcome, StreamState, What};
use haltline_types::Code;
use std::fmt::Write;
use std::sync::Arc;

/// Is there another journey for this request?
pub(crate) enum Joined {
    /// No: travel on.
    Nobody,
    /// Yes, and the client has what that one gives.
    Another,
}

/// Enters the journey among those that run, or gives its client what another one has.
pub(crate) async fn join(
    gateway: &Arc<Gateway>,
    request: &Request,
    trip: &mut Trip,
    outlet: &mut Outlet,
) -> Result<Joined, Problem> {
    let live = Arc::clone(outlet.live());
    live.enter(request);
    let once = request.idempotency_key.as_deref().map(|key| hash_of_key(gateway, request, key));
    let fingerprint = once.map(|_| hash_of_request(gateway, request));
    if let Some(hash) = once {
        while let Some(other) = gateway.registry.enter_once(hash, &live) {
            if !live.asks_the_same(&other) {
                return Err(reused());
            }
            room_for_another(&other)?;
            if follow(gateway, &other, request, trip, outlet).await {
                return Ok(Joined::Another);
            }
        }
        prepare(gateway, request, outlet, Some(hash), fingerprint.clone());
        if let Some(delivery) = kept(gateway, request, &hash, fingerprint.as_deref()).await? {
            outlet.answer(delivery);
            return Ok(Joined::Another);
        }
    } else {
        prepare(gateway, request, outlet, None, None);
        if request.retry_count > 0 {
            match gateway.registry.same(&live) {
                Some(Other::Runs(other)) if room_for_another(&other).is_err() => {
                    return room_for_another(&other).map(|()| Joined::Nobody);
                }
                Some(Other::Runs(other)) if follow(gateway, &other, request, trip, outlet).await => {
                    return Ok(Joined::Another);
                }
                Some(Other::Ended(answer)) => {
                    if let Some(delivery) = given_again(gateway, request, answer).await {
                        outlet.answer(delivery);
                        return Ok(Joined::Another);
                    }
                }
                Some(Other::Runs(_)) | None => {}
            }
        }
    }
    gateway.registry.enter(&live);
    Ok(Joined::Nobody)
}

impl Live {
    /// Says whose it is and what it asks, once that is known.
    pub(crate) fn enter(&self, request: &Request) {
        let asked = Asked {
            owner: request.owner.clone(),
            session: request.watched_in(),
            fingerprint: request.fingerprint.clone(),
            may_come_again: request.counts_retries,
        };
        // It is the same whoever says it first.
        let _ = self.asked.set(asked);
    }
}

/// Takes the journey out from among those that run, and then tells those who wait for it that it
/// has nothing for them, if it has nothing.
pub(crate) fn leave(gateway: &Gateway, outlet: &Outlet, outcome: Outcome) {
    let live = outlet.live();
    leave_registry(gateway, outlet, outcome);
    live.open(Opened::Nothing);
}

fn leave_registry(gateway: &Gateway, outlet: &Outlet, outcome: Outcome) {
    let live = outlet.live();
    let may_come_again = live.asked.get().is_some_and(|asked| asked.may_come_again);
    let answer = (outcome == Outcome::Answered && may_come_again && gateway.registry.get(live.id).is_some())
        .then(|| match live.opened_now() {
            Some(opened @ Opened::Whole(..)) => Some(RecentAnswer::Whole(opened)),
            Some(Opened::Stream(_)) => Some(RecentAnswer::Stream(live.id)),
            Some(Opened::Problem(..) | Opened::Nothing) | None => None,
        })
        .flatten();
    gateway.registry.leave(live, outlet.once(), answer);
}

fn prepare(
    gateway: &Gateway,
    request: &Request,
    outlet: &mut Outlet,
    once: Option<[u8; 16]>,
    fingerprint: Option<String>,
) {
    let streams = gateway.live.load().settings.streams;
    let goes_on = request.asked.stream() && streams.on_cut != OnCut::End;
    outlet.prepare(Beginning {
        is_kept: streams.kept,
        owner: request.owner.clone(),
        session: request.watched_in(),
        once,
        fingerprint,
        is_job: request.is_job,
        again: goes_on.then(|| (request.again(), request.body().clone())),
    });
}

/// Waits until the other journey has something to show, and shows it. `false` when it has nothing
/// of its own; it is then not among those that run any more.
async fn follow(gateway: &Gateway, other: &Arc<Live>, request: &Request, trip: &mut Trip, outlet: &mut Outlet) -> bool {
    let began = tokio::time::Instant::now();
    let watcher = Watcher::of_live(Arc::clone(&gateway.streams), Arc::clone(other), 0);
    let seat = watcher.seat();
    let opened = other.opened_for(seat).await;
    trip.waited += began.elapsed();
    trip.step(What::Attached { to: other.id });
    let Some(delivery) = deliver(opened, watcher, request.original_timing) else { return false };
    outlet.answer(delivery);
    true
}

fn deliver(opened: Opened, watcher: Watcher, original_timing: bool) -> Option<Delivery> {
    Some(match opened {
        Opened::Stream(mut notes) => {
            notes.replayed = true;
            let watcher = if original_timing { watcher.with_original_timing() } else { watcher };
            Delivery::Stream { notes, watcher }
        }
        Opened::Whole(mut notes, body) => {
            notes.replayed = true;
            Delivery::Whole { notes, body }
        }
        Opened::Problem(mut notes, problem) => {
            notes.replayed = true;
            Delivery::Problem { notes, problem }
        }
        Opened::Nothing => return None,
    })
}

/// What the store has under the idempotency key, if it is worth being given again. An answer that
/// failed is not: the key's next request is a new attempt.
async fn kept(
    gateway: &Arc<Gateway>,
    request: &Request,
    hash: &[u8; 16],
    fingerprint: Option<&str>,
) -> Result<Option<Delivery>, Problem> {
    let Some(id) = gateway.streams.once(hash) else { return Ok(None) };
    let record = match gateway.streams.find(id).await {
        Ok(Some(record)) => record,
        Ok(None) => return Ok(None),
        Err(error) => {
            tracing::error!(%error, "an idempotency key cannot be looked up");
            return Err(Problem::new(Code::StoreUnavailable, "The gateway's store cannot be read at present."));
        }
    };
    let known = Head::of_bytes(id, &record.begin.head).and_then(|head| head.fingerprint);
    if known.as_deref() != fingerprint {
        return Err(reused());
    }
    let is_worth_it = match &record.state {
        StreamState::Ended { note, .. } => Ending::of_note(note).is_final(),
        // One that a restart has cut, and that goes on.
        StreamState::Running => gateway.registry.get(id).is_some(),
    };
    if !is_worth_it {
        return Ok(None);
    }
    let from = From { after: 0, original_timing: request.original_timing };
    gateway.show(record, from).await.map(|watched| Some(watched.delivery))
}

async fn given_again(gateway: &Arc<Gateway>, request: &Request, answer: RecentAnswer) -> Option<Delivery> {
    match answer {
        RecentAnswer::Whole(Opened::Whole(mut notes, body)) => {
            notes.replayed = true;
            Some(Delivery::Whole { notes, body })
        }
        RecentAnswer::Whole(_) => None,
        RecentAnswer::Stream(id) => {
            let record = gateway.streams.find(id).await.ok().flatten()?;
            let from = From { after: 0, original_timing: request.original_timing };
            gateway.show(record, from).await.ok().map(|watched| watched.delivery)
        }
    }
}

/// Keys of one caller mean nothing for another.
fn hash_of_key(gateway: &Gateway, request: &Request, key: &str) -> [u8; 16] {
    let user = request.owner.user.as_deref();
    let material = format!("idempotency:{:?}\0{user:?}\0{key}", &*request.owner.key);
    let hash = gateway.keys.hash(&material);
    let mut half = [0; 16];
    half.copy_from_slice(&hash[..16]);
    half
}

fn hash_of_request(gateway: &Gateway, request: &Request) -> String {
    let hash = gateway.keys.hash(&format!("request:{}", request.fingerprint.material()));
    hash.iter().take(16).fold(String::with_capacity(32), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn reused() -> Problem {
    let message =
        "This Idempotency-Key was sent before with another request. Send each request under a key of its own.";
    Problem::new(Code::IdempotencyKeyReused, message)
}
