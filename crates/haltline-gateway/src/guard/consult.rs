//! Consulting: all external services that a text is for are asked at once, each within its
//! deadline, behind its breaker and its bound of calls at once. What comes back is reduced to a
//! verdict and categories. That a service has no opinion is a state of its own, and never "passed".
//! Not here: what follows from a verdict (the line), what a service speaks (`haltline-upstream`).

mod money;
mod rooms;
mod verdicts;

pub(crate) use rooms::Rooms;

use super::judge;
use super::settings::{Mode, OnError, ServiceKind, ServiceSettings};
use crate::auth::Identity;
use crate::gateway::{Gateway, Live};
use crate::metrics::ServiceLabels;
use futures_util::FutureExt;
use futures_util::future::join_all;
use haltline_policy::breaker::{Admission, BreakerState};
use haltline_ports::{BoxFuture, GuardAnswer, GuardAsk, GuardFault, GuardFaultKind, GuardOpinion};
use haltline_types::{Billing, Fault, FaultKind, ModelName, Name, NanoUsd, Origin, RequestId, Subjects};
use money::Purse;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

/// More text than this is not sent to services: a model's context may be larger, no guard's is.
const TEXT_BYTES_MAX: usize = 256 * 1024;
/// A service ends at its deadline by itself, and knows better what was sent by then.
const GRACE: Duration = Duration::from_millis(50);

/// For whom services are asked.
#[derive(Clone, Debug)]
pub struct Asker {
    /// Who came in: a judge's model is asked on its behalf.
    pub identity: Identity,
    /// Whose accounts pay: the request's subjects.
    pub subjects: Subjects,
    /// What the request may still cost, where its client says so.
    pub max_cost: Option<NanoUsd>,
    /// Ends with the request.
    pub cut: CancellationToken,
}

/// What one service came to.
#[derive(Clone, Debug)]
pub struct Consultation {
    /// Which service.
    pub service: Name,
    /// What the configuration makes of its objections.
    pub mode: Mode,
    /// What it thinks.
    pub consulted: Consulted,
    /// From the question to the answer.
    pub took: Duration,
    /// What was charged for it.
    pub cost: NanoUsd,
    /// Was the same text asked about a moment ago, and the service not asked again?
    pub remembered: bool,
    /// The record of what was charged.
    pub record: Option<RequestId>,
}

/// What a service thinks, or why it does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Consulted {
    /// Nothing is wrong.
    Passed,
    /// Something is wrong: its categories.
    Objects(Vec<String>),
    /// Something is wrong and can be mended.
    Masks {
        /// The texts to use instead, in the order of those asked about.
        texts: Vec<String>,
        /// Its categories.
        categories: Vec<String>,
    },
    /// It has no opinion.
    Error {
        /// Why not.
        kind: ConsultError,
        /// What that means for the request.
        on_error: OnError,
    },
}

impl Consulted {
    /// The word for records and metrics.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Objects(_) => "objects",
            Self::Masks { .. } => "masks",
            Self::Error { kind, .. } => kind.word(),
        }
    }
}

/// Why a service has no opinion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConsultError {
    /// It failed.
    Fault(GuardFaultKind),
    /// Its breaker lets nothing pass.
    BreakerOpen,
    /// No budget has room for what its call may cost.
    NoBudget,
    /// Too many calls of it are under way.
    Busy,
    /// The text is longer than any service is asked about.
    TooLong,
    /// The store cannot promise anything, so nothing is spent.
    Store,
    /// The request ended meanwhile, or the gateway is shutting down.
    Cut,
}

impl ConsultError {
    /// The word for records and metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fault(kind) => kind.word(),
            Self::BreakerOpen => "breaker_open",
            Self::NoBudget => "no_budget",
            Self::Busy => "busy",
            Self::TooLong => "too_long",
            Self::Store => "store",
            Self::Cut => "cut",
        }
    }
}

/// A call as it went: the opinion or the fault, and what was charged.
struct Called {
    outcome: Result<GuardAnswer, CallError>,
    cost: NanoUsd,
    record: Option<RequestId>,
}

impl Called {
    const fn not(error: ConsultError) -> Self {
        Self { outcome: Err(CallError::Not(error)), cost: NanoUsd::ZERO, record: None }
    }
}

/// Why a call brought no answer.
enum CallError {
    /// The service, or the way to it.
    Fault(GuardFault),
    /// It was not made, or not waited for: says nothing of the service.
    Not(ConsultError),
}

/// Is a service asked about this? Those that wait for local rules are, where these have flagged.
fn applies(service: &ServiceSettings, ask: &GuardAsk, flagged: bool) -> bool {
    service.mode != Mode::Off && service.directions.contains(&ask.direction) && (flagged || !service.only_if_flagged)
}

impl Gateway {
    /// Asks all services that `ask` is for. `flagged`: have local rules flagged it? In the order of
    /// the configuration; those that are not asked are absent. To be awaited to its end, which
    /// `asker.cut` can hasten: what is dropped in the middle holds its money until the next start.
    pub fn consult<'a>(
        self: &'a Arc<Self>,
        asker: &'a Asker,
        ask: &'a GuardAsk,
        flagged: bool,
    ) -> BoxFuture<'a, Vec<Consultation>> {
        // A judge goes down the line itself, so the type must end here.
        Box::pin(async move {
            let live = self.live.load_full();
            let texts = ask.texts.iter().filter(|text| !text.text.trim().is_empty()).cloned().collect();
            // Services refuse empty texts, and nothing can be wrong with one.
            let spoken = GuardAsk { texts, ..ask.clone() };
            if spoken.texts.is_empty() {
                return Vec::new();
            }
            let purse = Purse::new(asker.max_cost);
            let services = live.settings.guard.services.iter().filter(|service| applies(service, ask, flagged));
            let asked = services.map(|service| one(self, &live, asker, &purse, &spoken, service));
            let mut all = join_all(asked).await;
            for consultation in &mut all {
                if let Consulted::Masks { texts, .. } = &mut consultation.consulted {
                    *texts = with_empty(ask, std::mem::take(texts));
                }
            }
            all
        })
    }

    /// Is there a service that looks at anything?
    pub(crate) fn consults_any(&self) -> bool {
        self.live.load().settings.guard.services.iter().any(|one| one.mode != Mode::Off)
    }

    /// Is there a service that looks at texts of this direction?
    #[must_use]
    pub fn consults(&self, direction: haltline_ports::Direction) -> bool {
        let live = self.live.load();
        live.settings.guard.services.iter().any(|one| one.mode != Mode::Off && one.directions.contains(&direction))
    }
}

/// Mended texts with the empty ones, which nobody was asked about, in their places.
fn with_empty(ask: &GuardAsk, mended: Vec<String>) -> Vec<String> {
    let mut mended = mended.into_iter();
    let one = |text: &haltline_ports::GuardText| {
        if text.text.trim().is_empty() { Some(text.text.clone()) } else { mended.next() }
    };
    ask.texts.iter().filter_map(one).collect()
}

async fn one(
    gateway: &Arc<Gateway>,
    live: &Live,
    asker: &Asker,
    purse: &Purse,
    ask: &GuardAsk,
    service: &ServiceSettings,
) -> Consultation {
    let began = Instant::now();
    let key = gateway.guards.verdicts.key(gateway.keys.as_ref(), service, asker, ask);
    let known = gateway.guards.verdicts.get(key, gateway.clock.now(), service.remember_for);
    let remembered = known.is_some();
    let called = match known {
        Some(opinion) => Called { outcome: Ok(GuardAnswer::of(opinion)), cost: NanoUsd::ZERO, record: None },
        None if ask.texts.iter().map(|text| text.text.len()).sum::<usize>() > TEXT_BYTES_MAX => {
            Called::not(ConsultError::TooLong)
        }
        None => placed(gateway, live, asker, purse, ask, service, began + service.deadline).await,
    };
    let error = |kind| Consulted::Error { kind, on_error: service.on_error };
    let consulted = match called.outcome {
        Ok(answer) => {
            let opinion = checked(ask, answer.opinion);
            if !remembered && let Ok(opinion) = &opinion {
                gateway.guards.verdicts.put(key, opinion, gateway.clock.now(), service.remember_for);
            }
            match opinion {
                Ok(GuardOpinion::Passed) => Consulted::Passed,
                Ok(GuardOpinion::Objects(categories)) => Consulted::Objects(categories),
                Ok(GuardOpinion::Masks { texts, categories }) => Consulted::Masks { texts, categories },
                Err(kind) => error(kind),
            }
        }
        Err(CallError::Fault(fault)) => {
            tracing::warn!(service = %service.name, request = %ask.request, %fault, "a guard service has no opinion");
            error(ConsultError::Fault(fault.kind))
        }
        Err(CallError::Not(kind)) => error(kind),
    };
    let took = began.elapsed();
    let labels = ServiceLabels {
        service: service.name.to_string(),
        direction: ask.direction.word(),
        verdict: consulted.word(),
        remembered: if remembered { "yes" } else { "no" },
    };
    gateway.metrics.guard_calls.get_or_create(&labels).inc();
    if !remembered {
        gateway.metrics.guard_wait.observe(took.as_secs_f64());
    }
    Consultation {
        service: service.name.clone(),
        mode: service.mode,
        consulted,
        took,
        cost: called.cost,
        remembered,
        record: called.record,
    }
}

/// Texts that are not as many as were asked about mend nothing.
fn checked(ask: &GuardAsk, opinion: GuardOpinion) -> Result<GuardOpinion, ConsultError> {
    match opinion {
        GuardOpinion::Masks { texts, .. } if texts.len() != ask.texts.len() => {
            Err(ConsultError::Fault(GuardFaultKind::Malformed))
        }
        other => Ok(other),
    }
}

/// The call, once there is a place for it and the breaker lets it pass.
async fn placed(
    gateway: &Arc<Gateway>,
    live: &Live,
    asker: &Asker,
    purse: &Purse,
    ask: &GuardAsk,
    service: &ServiceSettings,
    deadline: Instant,
) -> Called {
    let room = gateway.guards.room(&service.name);
    let place = tokio::select! {
        biased;
        () = asker.cut.cancelled() => return Called::not(ConsultError::Cut),
        place = timeout_at(deadline, room.acquire_owned()) => place,
    };
    // The room is never closed.
    let Ok(Ok(_place)) = place else { return Called::not(ConsultError::Busy) };
    let endpoint = endpoint(service);
    let admission = gateway.breaker(&endpoint).lock().admit(gateway.clock.now());
    if matches!(admission, Admission::Open { .. }) {
        return Called::not(ConsultError::BreakerOpen);
    }
    let called = match service.kind {
        ServiceKind::LlmJudge => judged(gateway, asker, purse, ask, service, deadline).await,
        _ => money::pay(gateway, live, asker, purse, ask, service, deadline).await,
    };
    report(gateway, &endpoint, admission, &called);
    called
}

/// A service as breakers, budgets and records know it.
pub(crate) fn endpoint(service: &ServiceSettings) -> ModelName {
    ModelName { provider: Name::new(&format!("guard:{}", service.name)), model: Name::new(service.kind.word()) }
}

/// One question to a service, ended by its deadline or the end of the request.
async fn asked(
    live: &Live,
    asker: &Asker,
    ask: &GuardAsk,
    service: &ServiceSettings,
    permit: Option<haltline_ports::Permit>,
    deadline: Instant,
) -> Result<GuardAnswer, CallError> {
    let calling = AssertUnwindSafe(live.guards.ask(&service.name, ask, permit)).catch_unwind();
    let answered = tokio::select! {
        biased;
        () = asker.cut.cancelled() => return Err(CallError::Not(ConsultError::Cut)),
        answered = timeout_at(deadline + GRACE, calling) => answered,
    };
    match answered {
        Ok(Ok(answer)) => answer.map_err(CallError::Fault),
        Ok(Err(_panic)) => Err(CallError::Fault(GuardFault::unknown(GuardFaultKind::Malformed, "the call broke"))),
        Err(_) => Err(CallError::Fault(GuardFault::unknown(GuardFaultKind::Timeout, "no answer by the deadline"))),
    }
}

/// A judge's label. Its holds and its record are the line's.
async fn judged(
    gateway: &Arc<Gateway>,
    asker: &Asker,
    purse: &Purse,
    ask: &GuardAsk,
    service: &ServiceSettings,
    deadline: Instant,
) -> Called {
    let most = match (service.cost_at_most, purse.left()) {
        (Some(most), Some(left)) => Some(most.min(left)),
        (most, left) => most.or(left),
    };
    let took = most.is_none_or(|most| purse.take(most));
    if !took {
        return Called::not(ConsultError::NoBudget);
    }
    let judged = judge::ask(gateway, asker, ask, service, most, deadline).await;
    if let Some(most) = most {
        purse.give_back(most, judged.cost);
    }
    let outcome = judged.label.map(GuardAnswer::of).map_err(|error| match error {
        judge::NoLabel::Fault(fault) => CallError::Fault(fault),
        judge::NoLabel::Not(kind) => CallError::Not(kind),
    });
    Called { outcome, cost: judged.cost, record: Some(judged.record) }
}

/// Tells the breaker how a call went. One that says nothing of the service gives a probe back.
fn report(gateway: &Gateway, endpoint: &ModelName, admission: Admission, called: &Called) {
    let breaker = gateway.breaker(endpoint);
    let mut breaker = breaker.lock();
    let now = gateway.clock.now();
    let before = breaker.state(now);
    match &called.outcome {
        Ok(_) => breaker.on_success(now),
        Err(CallError::Fault(fault)) => {
            let fault = of_service(fault);
            if fault.breaker || admission == Admission::Probe {
                breaker.on_fault(now, &fault);
            }
        }
        Err(CallError::Not(_)) if admission == Admission::Probe => breaker.on_abandoned(now),
        Err(CallError::Not(_)) => {}
    }
    let after = breaker.state(now);
    drop(breaker);
    if before != after && (before == BreakerState::Closed || after == BreakerState::Closed) {
        gateway.alerts.breaker_turned(endpoint, after != BreakerState::Closed, now);
    }
}

/// A guard's fault in the one vocabulary of faults.
fn of_service(fault: &GuardFault) -> Fault {
    let kind = match (fault.kind, fault.billing) {
        (GuardFaultKind::Timeout, _) => FaultKind::FirstTokenTimeout,
        (GuardFaultKind::Unreachable, Billing::NotSent) => FaultKind::ConnectFailed,
        (GuardFaultKind::Unreachable, _) => FaultKind::ConnectionLost,
        (GuardFaultKind::Malformed, _) => FaultKind::Malformed,
        // What it refuses it has looked at: it is there.
        (GuardFaultKind::Refused, Billing::NotSent | Billing::Rejected) => FaultKind::InvalidRequest,
        (GuardFaultKind::Refused, _) => FaultKind::ServerError,
    };
    Fault { billing: fault.billing, ..Fault::new(kind, Origin::Provider, fault.detail.clone()) }
}
