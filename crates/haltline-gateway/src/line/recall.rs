//! Recall: was the same asked before, and may the answer be given again? One that is kept costs
//! nothing and goes out at once; of equal questions at the same time one goes on and the others wait
//! for what it brings. At the end of the line what came is kept, or an old answer stands in for one
//! that failed.

mod replay;
mod terms;

use crate::cache::{CacheMode, Entry, Found, Landed, Lead, Place, Recording, Said, Wanted};
use crate::deliver::{CacheNote, CacheResult, Outlet};
use crate::gateway::{Gateway, Live};
use crate::line::accept::Request;
use crate::line::company::Company;
use crate::line::trip::Trip;
use crate::metrics::CacheLabels;
use crate::problem::Problem;
use haltline_policy::cache::{Lifetime, Mark, fails_for_all, stale_may_help};
use haltline_ports::Owner;
use haltline_types::{Code, FaultKind, Name};
use haltline_wire::client::ClientDialect;
use haltline_wire::replayable::{StreamJudge, Unfit, judge_whole};
use replay::Replay;
use std::sync::Arc;
use std::time::Duration;
use terms::Terms;
use tokio::time::Instant;

/// What recall came to.
pub(crate) enum Recalled {
    /// The client has its answer.
    Answered,
    /// It must be asked for.
    Ask(Box<Wish>),
}

/// What the cache wants of an answer that is asked for.
#[derive(Default)]
pub(crate) struct Wish {
    keeping: Option<Keeping>,
}

/// How an answer is to be kept, or stood in for.
struct Keeping {
    terms: Terms,
    /// The versions of the request's tags before it went on.
    marks: Vec<(Mark, u64)>,
    lead: Option<Lead>,
    /// An old answer, and how old it is.
    stale: Option<(Arc<Entry>, Duration)>,
}

/// Looks for an answer. `is_elsewhere`: the answer goes to somebody who keeps it already.
pub(crate) async fn recall(
    gateway: &Gateway,
    live: &Live,
    request: &Request,
    is_elsewhere: bool,
    trip: &mut Trip,
    outlet: &mut Outlet,
) -> Result<Recalled, Problem> {
    let none = || Ok(Recalled::Ask(Box::default()));
    let terms = match Terms::of(
        &live.settings.cache,
        live.settings.guard.output.rules(request.strict),
        request,
        is_elsewhere,
    ) {
        Ok(Some(terms)) => terms,
        Ok(None) => return none(),
        Err(Bypassed) => {
            note(gateway, trip, CacheResult::Bypass, None);
            return none();
        }
    };
    let now = gateway.clock.now();
    gateway.cache.note_end(now.saturating_add(terms.ttl).saturating_add(terms.stale_for));
    let marks = match gateway.cache.versions_of(&terms.marks, now).await {
        Ok(marks) => marks,
        Err(error) => {
            tracing::warn!(%error, "the response cache cannot say what is valid, and is passed by");
            note(gateway, trip, CacheResult::Bypass, None);
            return none();
        }
    };
    let wanted = Wanted { key: terms.key, ttl: terms.ttl, marks: marks.clone() };
    let mut keeping = Keeping { terms, marks, lead: None, stale: None };
    if keeping.terms.mode != CacheMode::Refresh
        && let Some(recalled) = look_and_wait(gateway, live, request, &wanted, &mut keeping, trip, outlet).await?
    {
        return Ok(recalled);
    }
    note(gateway, trip, CacheResult::Miss, None);
    outlet.record(Recording::new(live.settings.cache.entry_bytes_max));
    Ok(Recalled::Ask(Box::new(Wish { keeping: Some(keeping) })))
}

/// An answer that is kept, or that somebody brings who has asked the same; `None` when this request
/// goes itself.
async fn look_and_wait(
    gateway: &Gateway,
    live: &Live,
    request: &Request,
    wanted: &Wanted,
    keeping: &mut Keeping,
    trip: &mut Trip,
    outlet: &mut Outlet,
) -> Result<Option<Recalled>, Problem> {
    let until = Instant::now() + live.settings.deadlines.total;
    let mut company: Option<Company> = None;
    loop {
        // A place first: whoever lands between a look and a place would not be seen.
        let place = gateway.cache.flights.enter(wanted.key, trip.id);
        let found = gateway.cache.find(wanted, gateway.clock.now()).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the response cache cannot be read");
            Found::Nothing
        });
        match found {
            Found::Fresh(entry, age) => {
                let replay = Replay { entry: &entry, age, result: CacheResult::Hit };
                replay.to(gateway, request, trip, outlet).await;
                return Ok(Some(Recalled::Answered));
            }
            Found::Stale { entry, age, at_once: true } if keeping.terms.stale_for > Duration::ZERO => {
                let replay = Replay { entry: &entry, age, result: CacheResult::Stale };
                replay.to(gateway, request, trip, outlet).await;
                return Ok(Some(Recalled::Answered));
            }
            Found::Stale { entry, age, .. } => {
                keeping.stale = (keeping.terms.stale_for > Duration::ZERO).then_some((entry, age));
            }
            Found::Nothing => keeping.stale = None,
        }
        if keeping.terms.mode == CacheMode::OnlyIfCached {
            note(gateway, trip, CacheResult::Miss, None);
            return Err(Problem::new(
                Code::NotFound,
                "No answer to this is kept, and `x-haltline-cache: only-if-cached` asks for no other.",
            ));
        }
        let follow = match place {
            Place::Lead(lead) => {
                keeping.lead = Some(lead);
                return Ok(None);
            }
            Place::Follow(follow) => follow,
        };
        tracing::debug!(request = %trip.id, leader = %follow.leader, "waits for an equal request");
        let company = company.get_or_insert_with(|| Company::new(live.settings.streams.heartbeat));
        let began = Instant::now();
        let (streamed, notes, cut) = (trip.streamed, trip.notes(), trip.cut.clone());
        let waiting = async {
            tokio::select! {
                landed = follow.landed() => Waited::Landed(landed),
                () = tokio::time::sleep_until(until) => Waited::TooLong,
                () = cut.cancelled() => Waited::Cut,
            }
        };
        let waited = company.keep(outlet, streamed, || notes.clone(), waiting).await;
        trip.waited += began.elapsed();
        match waited {
            // It is looked for as any other: it may have been invalidated meanwhile.
            Waited::Landed(Some(Landed::Kept) | None) => {}
            Waited::Landed(Some(Landed::Private)) | Waited::TooLong => return Ok(None),
            Waited::Landed(Some(Landed::Failed(problem))) => {
                if let Some(replay) = standing_in(live, keeping, &problem, trip, outlet) {
                    replay.to(gateway, request, trip, outlet).await;
                    return Ok(Some(Recalled::Answered));
                }
                note(gateway, trip, CacheResult::Miss, None);
                return Err(Problem { spent: false, ..*problem });
            }
            Waited::Cut => return Err(Problem::new(Code::Draining, "The gateway is shutting down.")),
        }
    }
}

enum Waited {
    Landed(Option<Landed>),
    TooLong,
    Cut,
}

impl Wish {
    /// What is left to do at the end of the line: keeps the answer, or has an old one stand in for
    /// one that failed.
    pub(crate) async fn remember(
        self,
        gateway: &Gateway,
        live: &Live,
        request: &Request,
        trip: &mut Trip,
        outlet: &mut Outlet,
        ended: Result<(), Problem>,
    ) -> Result<(), Problem> {
        let Some(mut keeping) = self.keeping else { return ended };
        let lead = keeping.lead.take();
        let recording = outlet.recorded();
        let problem = match ended {
            Ok(()) => {
                let is_kept = recording.is_some_and(|recording| keep(gateway, request, trip, &keeping, recording));
                if let Some(lead) = lead {
                    lead.land(if is_kept { Landed::Kept } else { Landed::Private });
                }
                return Ok(());
            }
            Err(problem) => problem,
        };
        if let Some(replay) = standing_in(live, &keeping, &problem, trip, outlet) {
            // The same request within a moment is not to be told of the failure instead.
            gateway.failures.lock().forget(request.fingerprint.hash());
            gateway.cache.note_failed(keeping.terms.key, gateway.clock.now());
            share_failure(lead, &problem);
            replay.to(gateway, request, trip, outlet).await;
            return Ok(());
        }
        share_failure(lead, &problem);
        Err(problem)
    }
}

/// Those who wait for the same get the same failure, unless it is the leader's own affair: then the
/// next of them goes.
fn share_failure(lead: Option<Lead>, problem: &Problem) {
    let is_own = problem.upstream.as_ref().is_some_and(|upstream| upstream.kind == FaultKind::Cancelled);
    if let Some(lead) = lead
        && fails_for_all(problem.code)
        && !is_own
    {
        lead.land(Landed::Failed(Box::new(problem.clone())));
    }
}

/// The old answer that stands in for a failure, if there is one and the client has none of another.
fn standing_in<'a>(
    live: &Live,
    keeping: &'a Keeping,
    problem: &Problem,
    trip: &Trip,
    outlet: &Outlet,
) -> Option<Replay<'a>> {
    let (entry, age) = keeping.stale.as_ref()?;
    let can_replay =
        if trip.streamed { trip.first_token.is_none() && outlet.can_begin_anew() } else { !outlet.is_open() };
    let helps = stale_may_help(problem.code, live.settings.cache.stale_on_budget);
    (helps && can_replay && !trip.cut.is_cancelled()).then_some(Replay { entry, age: *age, result: CacheResult::Stale })
}

/// Keeps an answer, if it may be given again. Says whether it is kept.
fn keep(gateway: &Gateway, request: &Request, trip: &Trip, keeping: &Keeping, recording: Recording) -> bool {
    if trip.degraded.is_some() || trip.blocked.is_some() {
        return false;
    }
    let Some(said) = recording.said() else { return false };
    let dialect = request.asked.dialect();
    let said = match judged(dialect, said) {
        Ok(said) => said,
        Err(why) => {
            tracing::debug!(request = %trip.id, %why, "an answer is not kept");
            return false;
        }
    };
    let owner = Owner {
        key: request.subjects.key.clone().unwrap_or_else(|| Name::new("")),
        user: request.subjects.user.clone(),
    };
    let entry = Arc::new(Entry {
        key: keeping.terms.key,
        said,
        endpoint: trip.attempts.last().map(|attempt| attempt.endpoint.clone()),
        dropped: trip.dropped.iter().map(|word| (*word).to_owned()).collect(),
        owner,
        lifetime: Lifetime { began: trip.started, ttl: keeping.terms.ttl, stale_for: keeping.terms.stale_for },
        marks: keeping.marks.clone(),
    });
    let is_kept = gateway.cache.keep(&entry, gateway.clock.now());
    gateway.write_cache_behind();
    is_kept
}

/// What is kept of what was said, if it may be given again.
fn judged(dialect: ClientDialect, said: Said) -> Result<Said, Unfit> {
    match said {
        Said::Whole(body) => judge_whole(dialect, &body).map(|()| Said::Whole(body)),
        Said::Stream(mut events) => {
            let mut judge = StreamJudge::new(dialect);
            events.retain(|event| judge.take(&event.data));
            judge.verdict().map(|()| Said::Stream(events))
        }
    }
}

/// The request may not use the cache.
#[derive(Debug)]
pub(super) struct Bypassed;

/// Notes and counts what the cache gave.
fn note(gateway: &Gateway, trip: &mut Trip, result: CacheResult, age: Option<Duration>) {
    trip.cache = Some(CacheNote { result, age });
    gateway.metrics.cache.get_or_create(&CacheLabels { result: result.word() }).inc();
}
