//! The line. A request travels it once, stage by stage; each stage takes what the stages before
//! it have proved.

mod accept;
mod ask;
mod cache_writes;
mod call;
mod company;
mod consulted;
mod continued;
mod count;
mod identify;
mod inspect;
mod join;
mod quote;
mod recall;
mod record;
mod relay;
mod reserve;
mod route;
mod screen_input;
mod screen_output;
mod settle;
mod throttle;
mod tighten;
mod tools;
mod trip;

pub(crate) use accept::{Fingerprint, Request, allowed, body_of};
pub use count::TokenCount;
#[cfg(feature = "bench")]
pub(crate) use identify::of_key;
pub(crate) use identify::{Caller, caller, check_record, identified_owner, identify, prove};
pub(crate) use inspect::{inspect, submitted};
pub(crate) use record::count_attempt;
pub(crate) use trip::{Keeping, Trip};

use crate::deliver::{Client, Outlet};
use crate::endpoints::Manner;
use crate::gateway::{Gateway, Live};
use crate::guard::redactor;
use crate::incoming::Incoming;
use crate::problem::{Problem, without_accounts};
use crate::sessions;
use crate::settings::{OnCut, OnDisconnect};
use bytes::BytesMut;
use call::Times;
use company::Company;
use continued::Rest;
use futures_util::FutureExt;
use haltline_policy::retry::{self, RetrySituation, RetryVerdict};
use haltline_ports::{AttemptRecord, Outcome, What};
use haltline_types::{Code, Fault, FaultKind, ModelName, RequestId, Timestamp};
use haltline_wire::continuation::Continue;
use haltline_wire::openai::responses::StoredResponse;
use haltline_wire::passage::Passage;
use haltline_wire::provider::{early_frames, news_frame};
use join::Joined;
use quote::Measured;
use recall::Recalled;
use relay::{Finish, Tail, Ways};
use reserve::NotReserved;
use route::Router;
use serde_json::json;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tokio::time::Instant;

/// The whole journey, closed whatever happens on it.
pub(crate) async fn travel(
    gateway: &Arc<Gateway>,
    id: RequestId,
    trace_id: String,
    incoming: Incoming,
    mut outlet: Outlet,
) {
    let surface = incoming.surface.word();
    let cut = outlet.live().cut.clone();
    let mut trip = Trip::begin(id, trace_id, surface, incoming.arrived, gateway.clock.now(), cut);
    outlet.live().note_in(&trip.log);
    let ended = AssertUnwindSafe(run(gateway, incoming, &mut trip, &mut outlet)).catch_unwind().await;
    close(gateway, trip, outlet, ended).await;
}

/// Ends a journey, however it ended: the stream, the places that it had, and the record.
async fn close(gateway: &Gateway, mut trip: Trip, mut outlet: Outlet, ended: std::thread::Result<Result<(), Problem>>) {
    let live = Arc::clone(outlet.live());
    if outlet.is_left() {
        live.tear();
        gateway.registry.leave(&live, outlet.once(), None);
        if let Some(running) = trip.running.take() {
            gateway.limiter.lock().leave(running);
        }
        return;
    }
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
            let problem = if live.is_stopped() { stopped(&trip) } else { problem };
            let (code, status) = (problem.code, if outlet.is_open() { 200 } else { problem.code.status() });
            let outcome = match code {
                Code::Stopped => Outcome::Cancelled,
                _ if sent => Outcome::Failed(code),
                _ => Outcome::Refused(code),
            };
            sessions::answered(gateway, &mut trip, &outlet, None, outcome);
            outlet.problem(trip.final_notes(), problem);
            (outcome, status)
        }
    };
    screen_output::review(gateway, &trip).await;
    join::leave(gateway, &outlet, outcome);
    if let Some(running) = trip.running.take() {
        gateway.limiter.lock().leave(running);
    }
    record::record(gateway, &trip, outcome, status);
}

async fn run(
    gateway: &Arc<Gateway>,
    mut incoming: Incoming,
    trip: &mut Trip,
    outlet: &mut Outlet,
) -> Result<(), Problem> {
    let live = gateway.live.load_full();
    trip.dropped_headers = std::mem::take(&mut incoming.dropped);
    let caller = identify::caller(gateway, &incoming)?;
    trip.subjects = Arc::new(caller.subjects());
    trip.step(What::Identified { key: caller.key.name.clone(), user: caller.user.clone() });
    if gateway.consults_any() {
        trip.identity = Some(caller.identity());
    }
    gateway.fetch_turns_before(&caller.owner(), incoming.surface, &incoming.body).await?;
    // What is made in the background is kept by whoever began it.
    let is_kept_elsewhere = incoming.stop.is_some();
    let request = accept::accept(gateway, &live, caller, incoming).await?;
    trip.note_request(&request);
    trip.step(accepted(trip, &request));
    if request.history_is_partial {
        trip.dropped_headers.push("history".to_owned());
    }
    if is_kept_elsewhere {
        trip.keeping = None;
    }
    if let Joined::Another = join::join(gateway, &request, trip, outlet).await? {
        return Ok(());
    }
    let admitted = throttle::throttle(gateway, request, trip)?;
    let request = &admitted.request;
    screen_input::screen_input(gateway, &live, request, trip).await?;
    let ended = match recall::recall(gateway, &live, request, is_kept_elsewhere, trip, outlet).await? {
        Recalled::Answered => Ok(()),
        Recalled::Ask(wish) => {
            let obtained = obtain(gateway, &live, request, trip, outlet, None).await;
            wish.remember(gateway, &live, request, trip, outlet, obtained).await
        }
    };
    tools::note_results(trip, request);
    if ended.is_ok() {
        tools::note_calls(gateway, trip, request, outlet).await;
        consulted::about_output(gateway, request, trip, outlet).await;
    }
    ended
}

/// Why there is no answer, or no more of it.
enum Short {
    /// The client is told this.
    Problem(Problem),
    /// It broke off: the rest may be asked for. Else the client is told this.
    Rest(Problem),
}

impl From<Problem> for Short {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// The answer, in as many pieces as it takes: what a provider does not finish is gone on with where
/// that is possible. `rest`: what is there already, of an answer that a restart has cut.
async fn obtain(
    gateway: &Gateway,
    live: &Live,
    request: &Request,
    trip: &mut Trip,
    outlet: &mut Outlet,
    mut rest: Option<Rest>,
) -> Result<(), Problem> {
    let deadlines = live.settings.deadlines;
    let until = Until {
        total_by: Instant::now() + deadlines.total,
        deadline: gateway.clock.now().saturating_add(deadlines.total),
    };
    let mut company: Option<Company> = None;
    let mut may_prefix = true;
    loop {
        let short = attempt(gateway, live, request, rest.as_ref(), trip, outlet, &mut company, until).await;
        let problem = match short {
            Ok(()) => return Ok(()),
            // Not every model that should go on behind its own words does.
            Err(Short::Problem(problem))
                if may_prefix
                    && refused_prefix(rest.as_ref(), &problem)
                    && trip.attempts_made() <= live.settings.retry.max_retries =>
            {
                may_prefix = false;
                record::so_far(gateway, trip);
                problem
            }
            Err(Short::Problem(problem)) => return Err(problem),
            Err(Short::Rest(problem)) => problem,
        };
        match continued::rest_of(gateway, live, request, trip, outlet, may_prefix).await {
            Ok(next) => rest = Some(next),
            Err(why) => {
                tracing::info!(request = %trip.id, why, "an answer that broke off is not gone on with");
                return Err(problem);
            }
        }
    }
}

fn refused_prefix(rest: Option<&Rest>, problem: &Problem) -> bool {
    rest.is_some_and(|rest| rest.how == Continue::Prefix)
        && problem.upstream.as_ref().is_some_and(|upstream| upstream.kind == FaultKind::InvalidRequest)
}

/// How long all attempts of a request may take together.
#[derive(Clone, Copy)]
struct Until {
    total_by: Instant,
    deadline: Timestamp,
}

/// The attempts of processes before, which are charged.
pub(crate) struct Earlier {
    /// As far as they are known.
    pub(crate) attempts: Vec<AttemptRecord>,
    /// None had a higher number: the number of an attempt is never used again.
    pub(crate) last: u8,
}

/// Goes on with a stream that a process before has begun and died under.
pub(crate) async fn travel_on(
    gateway: &Arc<Gateway>,
    trace_id: String,
    incoming: Incoming,
    mut outlet: Outlet,
    earlier: Earlier,
    began: Timestamp,
) {
    let live = Arc::clone(outlet.live());
    let surface = incoming.surface.word();
    let mut trip = Trip::begin(live.id, trace_id, surface, incoming.arrived, began, live.cut.clone());
    live.note_in(&trip.log);
    trip.spent = true;
    trip.earlier = earlier.last;
    trip.attempts = earlier.attempts;
    let ended = AssertUnwindSafe(run_on(gateway, incoming, &mut trip, &mut outlet)).catch_unwind().await;
    close(gateway, trip, outlet, ended).await;
}

async fn run_on(
    gateway: &Arc<Gateway>,
    incoming: Incoming,
    trip: &mut Trip,
    outlet: &mut Outlet,
) -> Result<(), Problem> {
    let settings = gateway.live.load_full();
    let caller = identify::caller(gateway, &incoming)?;
    trip.subjects = Arc::new(caller.subjects());
    gateway.fetch_turns_before(&caller.owner(), incoming.surface, &incoming.body).await?;
    let request = accept::accept(gateway, &settings, caller, incoming).await?;
    trip.note_request(&request);
    outlet.live().enter(&request);
    outlet.name_response_again().await;
    let request = admitted_in_turn(gateway, request, trip).await.inspect_err(|_| {
        if is_left_to_the_next(gateway, &settings, outlet) {
            outlet.leave_it();
        }
    })?;
    let rest = continued::rest_of(gateway, &settings, &request, trip, outlet, true).await.map_err(|why| {
        tracing::info!(request = %trip.id, why, "an answer that a restart has cut is not gone on with");
        interrupted()
    })?;
    obtain(gateway, &settings, &request, trip, outlet, Some(rest)).await
}

/// Many streams may go on at once: one that rate limits refuse waits for its turn.
async fn admitted_in_turn(gateway: &Gateway, request: Request, trip: &mut Trip) -> Result<Request, Problem> {
    const TURNS: usize = 10;
    for _ in 0..TURNS {
        match throttle::throttle(gateway, request.clone(), trip) {
            Ok(admitted) => return Ok(admitted.request),
            Err(problem) if problem.code == Code::RateLimited && !trip.cut.is_cancelled() => {
                let wait = problem.retry_after.unwrap_or(std::time::Duration::from_secs(1));
                tokio::select! {
                    () = trip.cut.cancelled() => return Err(problem),
                    () = tokio::time::sleep(wait) => {}
                }
            }
            Err(problem) => return Err(problem),
        }
    }
    throttle::throttle(gateway, request, trip).map(|admitted| admitted.request)
}

/// A restart has cut the answer.
pub(crate) fn interrupted() -> Problem {
    let message = "The gateway was restarted in the middle of this answer. What was written until then is kept.";
    let mut problem = Problem::new(Code::Interrupted, message);
    problem.spent = true;
    problem
}

/// Route, quote, reserve, call, relay and settle, until an attempt succeeds, an answer breaks off,
/// or nothing more may be tried. The one place that sleeps.
#[expect(clippy::too_many_arguments, reason = "a stage takes what the stages before it have proved")]
async fn attempt(
    gateway: &Gateway,
    live: &Live,
    whole: &Request,
    rest: Option<&Rest>,
    trip: &mut Trip,
    outlet: &mut Outlet,
    company: &mut Option<Company>,
    until: Until,
) -> Result<(), Short> {
    let request = rest.map_or(whole, |rest| &rest.request);
    let measured = Measured::of(request)?;
    let deadlines = live.settings.deadlines;
    let Until { total_by, deadline } = until;
    let mut router = Router::new(gateway, live, request, &measured);
    loop {
        let routed = router
            .route(trip)
            .map_err(|problem| remember(gateway, whole, prefer(router.last_fault(), trip, problem)))?;
        let mut quoted = quote::quote(gateway, live, &routed, &measured).inspect_err(|_| routed.abandoned(gateway))?;
        let reserved = match reserve::reserve(gateway, live, request, trip, &routed, &measured, &mut quoted).await {
            Ok(reserved) => reserved,
            Err(not) => {
                routed.abandoned(gateway);
                let problem = match not {
                    NotReserved::Full { budget, .. } if router.degrade(budget.clone()) => continue,
                    NotReserved::Full { problem, .. } | NotReserved::Problem(problem) => problem,
                    NotReserved::RetriesUsedUp => {
                        Problem::new(Code::RetryLimit, "The retries of this user and hour are used up.")
                    }
                };
                return Err(remember(gateway, whole, prefer(router.last_fault(), trip, problem)).into());
            }
        };
        sessions::arrived(gateway, live, whole, trip);
        let cap = reserved.cap;
        // No refusal can come any more: from here on a waiting client may get its head.
        if company.is_none() {
            begin_early(request, trip, outlet);
        }
        tell_page(request, trip, outlet, &routed.endpoint);
        let company = company.get_or_insert_with(|| Company::new(live.settings.streams.heartbeat));
        let first_by = if trip.streamed { (Instant::now() + deadlines.first_token).min(total_by) } else { total_by };
        let times = Times { first_by, total_by };
        let (streamed, notes) = (trip.streamed, trip.notes());
        let dialect = call::dialect(live, &request.asked, &routed.endpoint.provider);
        screen_output::begin(live, whole, rest, trip);
        let mut tail = Tail::default();
        let called = Instant::now();
        let calling = call::call(live, request, trip, &routed, dialect, reserved, times);
        let answered = company.keep(outlet, streamed, || notes.clone(), calling).await;
        if let Ok(answer) = &answered {
            gateway.endpoints.note_head(&routed.endpoint, answer.exhausted_until, gateway.clock.now());
        }
        let mut finish = match answered {
            Err(fault) => Finish::failed(fault),
            Ok(answer) if streamed => {
                let mut stream = match rest {
                    Some(rest) => request.asked.continued_passage(dialect, &trip.shown(), &rest.from, rest.how),
                    None => request.asked.passage(dialect, &trip.shown()),
                };
                if let (Passage::Crossing(crossing), None, true) = (&mut stream, rest, outlet.has_begun()) {
                    crossing.resume();
                }
                let ways = Ways {
                    stream,
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
                relay::relay_whole(live, trip, &passage, request.asked.dialect(), answer, times).await
            }
        };
        if let Some(fault) = &mut finish.fault {
            redactor::hide_secrets(fault);
        }
        routed.ended(gateway, trip, finish.fault.as_ref());
        measure(gateway, trip, &routed.endpoint, called, finish.fault.as_ref());
        note_fault(trip, finish.fault.as_ref());
        if let Some(body) = &finish.whole {
            outlet.keep_before_it_is_settled(&trip.notes(), body);
        }
        // The hold stays open as under a kill: the next start charges it in full.
        if finish.fault.as_ref().is_some_and(|fault| fault.kind == FaultKind::Cancelled)
            && is_left_to_the_next(gateway, live, outlet)
        {
            outlet.leave_it();
            return Err(Short::Problem(Problem::new(Code::Draining, "The gateway is shutting down.")));
        }
        settle::settle(gateway, &quoted.listed, trip, &finish).await;
        screen_output::tell(trip);
        let Some(fault) = finish.fault else {
            match finish.whole {
                Some(body) => {
                    if let Some(keeping) = trip.keeping.take()
                        && let Some(response) = StoredResponse::read(&body)
                    {
                        gateway.keep(keeping, &response, body.clone()).await;
                    }
                    sessions::answered(gateway, trip, outlet, Some(&body), Outcome::Answered);
                    outlet.whole(trip.final_notes(), body);
                }
                None => relay::finish_stream(gateway, whole, trip, outlet, tail).await?,
            }
            return Ok(());
        };
        tracing::warn!(request = %trip.id, attempt = trip.attempts_made(), endpoint = %routed.endpoint, %fault, "an attempt failed");
        if screen_output::is_forbidden(&fault) {
            return Err(screen_output::close(gateway, whole, trip, outlet).await.into());
        }
        if fault.kind == FaultKind::ContentPolicy {
            record::note_blocked(gateway, live, trip, request);
        }
        let now = gateway.clock.now();
        router.failed(&routed.endpoint, &fault, retry::rest(&live.settings.retry, &fault, now));
        let cancels = matches!(live.settings.streams.on_disconnect, OnDisconnect::Cancel { .. });
        let nobody_waits = cancels && outlet.client() == Client::Gone;
        let situation = RetrySituation {
            attempts_made: trip.attempts_made(),
            first_byte_delivered: finish.delivered,
            client_forbids: request.retries_forbidden || fault.kind == FaultKind::Cancelled || nobody_waits,
            now,
            deadline,
            other_endpoints: router.leads_elsewhere(trip, &routed.endpoint),
            fallback_allowed: router.allows(&fault),
        };
        let random = gateway.entropy.u64();
        let goes_on = finish.delivered && live.settings.streams.on_cut != OnCut::End;
        let verdict = if goes_on {
            retry::decide_to_go_on(&live.settings.retry, &fault, &situation, random)
        } else {
            retry::decide(&live.settings.retry, &fault, &situation, random)
        };
        let problem = |trip: &Trip| Problem::from_fault(&fault, trip.attempts_made(), trip.spent);
        match verdict {
            RetryVerdict::GiveUp(why) => {
                trip.step(What::GaveUp { why: why.word().into() });
                return Err(remember(gateway, whole, problem(trip)).into());
            }
            RetryVerdict::Again { wait, avoid_endpoint } => {
                router.avoid_last(avoid_endpoint);
                trip.step(What::Retry { wait, why: fault.kind });
                // A process that takes the stream up must know which numbers are used.
                if outlet.is_open() {
                    record::so_far(gateway, trip);
                }
                let news = json!({
                    "state": if goes_on { "continuing" } else { "retrying" },
                    "attempt": trip.attempts_made().saturating_add(1),
                    "of": live.settings.retry.max_retries.saturating_add(1),
                    "wait_ms": u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
                });
                tell_news(whole, outlet, &news);
                let pause = Instant::now();
                let (streamed, notes) = (trip.streamed, trip.notes());
                let cut_short = trip.cut.clone();
                let sleep = async {
                    tokio::select! {
                        () = cut_short.cancelled() => {}
                        () = tokio::time::sleep(wait) => {}
                    }
                };
                company.keep(outlet, streamed, || notes.clone(), sleep).await;
                trip.waited += pause.elapsed();
                if trip.cut.is_cancelled() {
                    trip.step(What::Cut { why: "drain".into() });
                    // Nothing is held, and what was settled is on record.
                    if is_left_to_the_next(gateway, live, outlet) {
                        outlet.leave_it();
                    }
                    let draining = Problem::new(Code::Draining, "The gateway is shutting down.");
                    return Err(prefer(Some(&fault), trip, draining).into());
                }
                if goes_on {
                    return Err(Short::Rest(problem(trip)));
                }
            }
        }
    }
}

/// Is the process ending, in the middle of an answer that the next one can go on with?
fn is_left_to_the_next(gateway: &Gateway, live: &Live, outlet: &Outlet) -> bool {
    gateway.cut.is_cancelled()
        && !outlet.live().is_stopped()
        && live.settings.streams.on_cut != OnCut::End
        && outlet.can_be_left()
}

fn accepted(trip: &Trip, request: &Request) -> What {
    let bytes = u64::try_from(request.body().len()).unwrap_or(u64::MAX);
    What::Accepted { model: request.model.clone(), surface: trip.surface.into(), bytes }
}

/// The fault of the open attempt, without words that name an account of the operator's.
fn note_fault(trip: &Trip, fault: Option<&Fault>) {
    if let Some(fault) = fault {
        trip.step(What::fault(trip.attempts_made(), fault, &without_accounts(&fault.detail)));
    }
}

/// How fast the endpoint was: to the first content of a stream, to the end of a whole answer. One
/// that was waited for in vain is at least as slow as the wait.
fn measure(gateway: &Gateway, trip: &Trip, endpoint: &ModelName, called: Instant, fault: Option<&Fault>) {
    let timed_out = fault.is_some_and(|fault| fault.kind == FaultKind::FirstTokenTimeout);
    // Content of an earlier attempt came before this one was called.
    let content = trip.first_token.and_then(|since| (trip.arrived + since).checked_duration_since(called));
    if let Some(sample) = content.or_else(|| timed_out.then(|| called.elapsed())) {
        let manner = Manner::of(trip.streamed);
        gateway.endpoints.note_latency(&gateway.metrics, endpoint, manner, sample, gateway.clock.now());
    }
}

/// A page shows that an answer is on its way as soon as nothing can refuse it any more.
fn begin_early(request: &Request, trip: &Trip, outlet: &mut Outlet) {
    let frames = early_frames(&request.asked, || trip.shown());
    if frames.is_empty() || outlet.is_open() {
        return;
    }
    let mut out = BytesMut::new();
    for frame in frames {
        outlet.event(&mut out, frame.event, &frame.data);
    }
    outlet.open(trip.notes(), out.freeze());
}

/// Headers are out before a page's stream knows where its answer comes from: what became of the
/// route is told in a part of its own.
fn tell_page(request: &Request, trip: &Trip, outlet: &mut Outlet, endpoint: &ModelName) {
    if !outlet.is_open() {
        return;
    }
    let attempt = trip.attempts_made();
    let news = match &trip.degraded {
        Some(degraded) if attempt <= 1 => {
            json!({"state": "degraded", "from": &*degraded.from, "to": &*degraded.to})
        }
        _ if attempt > 1 => {
            let (provider, model) = (&*endpoint.provider, &*endpoint.model);
            let mut news = json!({"state": "fallback", "attempt": attempt, "provider": provider, "model": model});
            if let Some(first) = trip.attempts.first().filter(|first| first.endpoint != *endpoint) {
                news["from"] = json!(&*first.endpoint.model);
            }
            news
        }
        _ => json!({"state": "waiting", "provider": &*endpoint.provider, "model": &*endpoint.model}),
    };
    tell_news(request, outlet, &news);
}

/// A part for pages, where the client is one.
fn tell_news(request: &Request, outlet: &mut Outlet, news: &serde_json::Value) {
    if !outlet.is_open() {
        return;
    }
    let Some(frame) = news_frame(&request.asked, news) else { return };
    let mut out = BytesMut::new();
    outlet.event(&mut out, frame.event, &frame.data);
    outlet.publish(out.freeze());
}

/// The user has stopped the answer.
fn stopped(trip: &Trip) -> Problem {
    let mut problem = Problem::new(Code::Stopped, "The answer was stopped. What was written until then is kept.");
    problem.spent = trip.spent;
    problem
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
