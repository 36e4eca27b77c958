//! The line. A request travels it once, stage by stage; each stage takes what the stages before
//! it have proved.

mod accept;
mod call;
mod company;
mod identify;
mod quote;
mod record;
mod relay;
mod reserve;
mod route;
mod settle;
mod throttle;
mod trip;

pub(crate) use accept::allowed;
pub(crate) use identify::check_key;

use crate::deliver::{Client, Outlet};
use crate::gateway::{Gateway, Live};
use crate::incoming::Incoming;
use crate::problem::Problem;
use crate::settings::OnDisconnect;
use accept::Request;
use call::Times;
use company::Company;
use futures_util::FutureExt;
use haltline_policy::retry::{self, RetrySituation, RetryVerdict};
use haltline_policy::route::{RouteRules, Tried, other_endpoints};
use haltline_ports::Outcome;
use haltline_types::{Code, Fault, FaultKind, RequestId};
use quote::Measured;
use relay::{Finish, Tail, Ways};
use reserve::NotReserved;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use trip::Trip;

/// For a client to take the last piece of its answer.
const LAST_PIECE: Duration = Duration::from_secs(10);

/// The whole journey, closed whatever happens on it.
pub(crate) async fn travel(
    gateway: &Arc<Gateway>,
    id: RequestId,
    trace_id: String,
    incoming: Incoming,
    mut outlet: Outlet,
) {
    let mut trip = Trip::begin(id, trace_id, incoming.surface.word(), incoming.arrived, gateway.clock.now());
    let ended = AssertUnwindSafe(run(gateway, incoming, &mut trip, &mut outlet)).catch_unwind().await;
    let ended = match ended {
        Ok(ended) => ended,
        Err(_panic) => {
            settle::settle_broken(gateway, &mut trip).await;
            let mut problem = Problem::new(
                Code::Internal,
                "The gateway failed in the middle of this request. What may have been spent is charged.",
            );
            problem.spent = trip.spent;
            Err(problem)
        }
    };
    let sent = !trip.attempts.is_empty();
    let (outcome, status) = match ended {
        Ok(()) => (Outcome::Answered, 200),
        Err(problem) => {
            let (code, status) = (problem.code, if outlet.is_open() { 200 } else { problem.code.status() });
            outlet.problem(trip.final_notes(), problem, LAST_PIECE).await;
            (if sent { Outcome::Failed(code) } else { Outcome::Refused(code) }, status)
        }
    };
    if let Some(running) = trip.running.take() {
        gateway.limiter.lock().leave(running);
    }
    record::record(gateway, trip, outcome, status);
}

async fn run(gateway: &Gateway, mut incoming: Incoming, trip: &mut Trip, outlet: &mut Outlet) -> Result<(), Problem> {
    let live = gateway.live.load_full();
    trip.dropped_headers = std::mem::take(&mut incoming.dropped);
    let caller = identify::identify(gateway, incoming.key.as_deref(), &incoming.claims)?;
    trip.subjects = Arc::new(caller.subjects());
    let request = accept::accept(gateway, &live, caller, incoming)?;
    trip.note_request(&request);
    let admitted = throttle::throttle(gateway, request, trip)?;
    obtain(gateway, &live, &admitted.request, trip, outlet).await
}

/// Route, quote, reserve, call, relay and settle, until an attempt succeeds or nothing more may be
/// tried. The one place that sleeps.
async fn obtain(
    gateway: &Gateway,
    live: &Live,
    request: &Request,
    trip: &mut Trip,
    outlet: &mut Outlet,
) -> Result<(), Problem> {
    let measured = Measured::of(request)?;
    let began = Instant::now();
    let deadlines = live.settings.deadlines;
    let total_by = began + deadlines.total;
    let deadline = gateway.clock.now().saturating_add(deadlines.total);
    let mut company: Option<Company> = None;
    let mut tried: Vec<Tried> = Vec::new();
    let mut last: Option<Fault> = None;
    loop {
        let routed = route::route(gateway, request, &tried, last.as_ref())
            .map_err(|problem| remember(gateway, request, prefer(last.as_ref(), trip, problem)))?;
        let quoted = quote::quote(gateway, live, &routed, &measured).inspect_err(|_| routed.abandoned(gateway))?;
        let reserved = match reserve::reserve(gateway, live, request, trip, &routed, &quoted).await {
            Ok(reserved) => reserved,
            Err(not) => {
                routed.abandoned(gateway);
                let problem = match not {
                    NotReserved::Problem(problem) => problem,
                    NotReserved::RetriesUsedUp => {
                        Problem::new(Code::RetryLimit, "The retries of this user and hour are used up.")
                    }
                };
                return Err(remember(gateway, request, prefer(last.as_ref(), trip, problem)));
            }
        };
        let cap = reserved.cap;
        // No refusal can come any more: from here on a waiting client may get its head.
        let company = company.get_or_insert_with(|| Company::new(live.settings.streams.heartbeat));
        let first_by = if trip.streamed { (Instant::now() + deadlines.first_token).min(total_by) } else { total_by };
        let times = Times { first_by, total_by };
        let (streamed, notes) = (trip.streamed, trip.notes());
        let dialect = call::dialect(live, request, &routed.endpoint.provider);
        let mut tail = Tail::default();
        let calling = call::call(gateway, live, request, trip, &routed, dialect, reserved, times);
        let finish = match company.keep(outlet, streamed, || notes.clone(), calling).await {
            Err(fault) => Finish::failed(fault),
            Ok(answer) if streamed => {
                let ways = Ways {
                    stream: request.asked.passage(dialect, &trip.shown()),
                    whole: request.asked.whole_passage(dialect, &trip.shown()),
                    usage_wanted: request.asked.usage_wanted(),
                };
                let (finish, rest) =
                    relay::relay_stream(gateway, live, trip, outlet, company, answer, &quoted, cap, ways, times).await;
                tail = rest;
                finish
            }
            Ok(answer) => {
                let passage = request.asked.whole_passage(dialect, &trip.shown());
                relay::relay_whole(gateway, live, trip, &passage, answer, times).await
            }
        };
        routed.ended(gateway, finish.fault.as_ref());
        settle::settle(gateway, quoted.price, trip, &finish).await;
        let Some(fault) = finish.fault else {
            match finish.whole {
                Some(body) => outlet.whole(trip.final_notes(), body),
                None => relay::finish_stream(gateway, trip, outlet, tail, LAST_PIECE).await,
            }
            return Ok(());
        };
        tracing::warn!(request = %trip.id, attempt = trip.attempts_made(), endpoint = %routed.endpoint, %fault, "an attempt failed");
        let rules = RouteRules { fallback_on: request.fallback_on.clone() };
        let now = gateway.clock.now();
        let mut here = Tried {
            rest: retry::rest(&live.settings.retry, &fault, now),
            endpoint: routed.endpoint.clone(),
            avoid_next: false,
        };
        tried.push(here.clone());
        let cancels = matches!(live.settings.streams.on_disconnect, OnDisconnect::Cancel { .. });
        let nobody_waits = cancels && outlet.client() == Client::Gone;
        let situation = RetrySituation {
            attempts_made: trip.attempts_made(),
            first_byte_delivered: finish.delivered,
            client_forbids: request.retries_forbidden || fault.kind == FaultKind::Cancelled || nobody_waits,
            now,
            deadline,
            other_endpoints: other_endpoints(&request.targets, &tried, &routed.endpoint, now, &mut |endpoint| {
                gateway.breaker(endpoint).lock().would_admit(now)
            }),
            fallback_allowed: rules.allows(&fault),
        };
        match retry::decide(&live.settings.retry, &fault, &situation, gateway.entropy.u64()) {
            RetryVerdict::GiveUp(_) => {
                let problem = Problem::from_fault(&fault, trip.attempts_made(), trip.spent);
                return Err(remember(gateway, request, problem));
            }
            RetryVerdict::Again { wait, avoid_endpoint } => {
                here.avoid_next = avoid_endpoint;
                if let Some(newest) = tried.last_mut() {
                    *newest = here;
                }
                last = Some(fault);
                let pause = Instant::now();
                let (streamed, notes) = (trip.streamed, trip.notes());
                let sleep = async {
                    tokio::select! {
                        () = gateway.cut.cancelled() => {}
                        () = tokio::time::sleep(wait) => {}
                    }
                };
                company.keep(outlet, streamed, || notes.clone(), sleep).await;
                trip.waited += pause.elapsed();
                if gateway.cut.is_cancelled() {
                    return Err(prefer(
                        last.as_ref(),
                        trip,
                        Problem::new(Code::Draining, "The gateway is shutting down."),
                    ));
                }
            }
        }
    }
}

/// What the client is told when a further attempt cannot be made: the fault of the attempt that
/// was made, if one was.
fn prefer(last: Option<&Fault>, trip: &Trip, problem: Problem) -> Problem {
    match last {
        Some(fault) => Problem::from_fault(fault, trip.attempts_made(), trip.spent),
        None => problem,
    }
}

/// Final failures of ours are remembered for a moment: clients repeat them at once.
fn remember(gateway: &Gateway, request: &Request, problem: Problem) -> Problem {
    if matches!(problem.code, Code::UpstreamFailed | Code::UpstreamTimeout | Code::StreamDeadline) {
        gateway.failures.lock().put(gateway.clock.now(), request.fingerprint.hash(), problem.clone());
    }
    problem
}
