//! Reserve: takes the ceiling from every account, or says why not. When headroom is short: look
//! more closely at the ceiling, lower the cap to what fits, wait a bounded time for what is only held, then refuse (promise, rule 4).

use crate::gateway::{Gateway, Live};
use crate::line::accept::Request;
use crate::line::quote::{MaxPrice, Measured, Quoted};
use crate::line::route::Routed;
use crate::line::tighten::{Room, tighten};
use crate::line::trip::{OpenAttempt, Trip};
use crate::problem::{Own, Problem};
use haltline_ledger::{Hold, Refusal, RefusalReason};
use haltline_policy::quote::Quote;
use haltline_ports::{BookError, HoldError, Permit, WaitedFor, What, shown_budget};
use haltline_types::{AttemptId, Code, Demand, Name, NanoUsd, Subjects, Tokens, Unit};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A cap lowered under one headroom may meet another; after so many tries the refusal stands.
const LOWERINGS_MAX: u32 = 4;

/// A permit, and the cap that must be written into what is sent with it.
pub(crate) struct Reserved {
    pub(crate) permit: Permit,
    pub(crate) cap: Tokens,
    /// What the hold reckons with, for a server that chooses among sellers.
    pub(crate) max_price: Option<MaxPrice>,
}

/// Why there is no permit.
pub(crate) enum NotReserved {
    /// The client is told this.
    Problem(Problem),
    /// A budget says no; a cheaper model may fit.
    Full {
        /// Which budget.
        budget: Name,
        /// What the client is told otherwise.
        problem: Problem,
    },
    /// The retries of this user and hour are used up: the first attempt's own error stands.
    RetriesUsedUp,
}

/// Reserves for the next attempt, and notes what came of it.
pub(crate) async fn reserve(
    gateway: &Gateway,
    live: &Live,
    request: &Request,
    trip: &mut Trip,
    routed: &Routed,
    measured: &Measured,
    quoted: &mut Quoted<'_>,
) -> Result<Reserved, NotReserved> {
    let attempt = trip.attempts_made().saturating_add(1);
    let refused = match obtain(gateway, live, request, trip, routed, measured, quoted).await {
        Ok(reserved) => {
            if reserved.cap < quoted.quote.cap {
                trip.step(What::CapLowered { to: reserved.cap });
            }
            let ceiling = reserved.permit.ceiling().usd;
            trip.step(What::Held { attempt, endpoint: routed.endpoint.clone(), ceiling });
            return Ok(reserved);
        }
        Err(refused) => refused,
    };
    let (budget, why) = match &refused {
        NotReserved::Full { budget, problem } => (Some(budget.clone()), problem.code),
        NotReserved::Problem(problem) => (None, problem.code),
        NotReserved::RetriesUsedUp => (None, Code::RetryLimit),
    };
    trip.step(What::NotHeld { attempt, budget, why: why.word().into() });
    Err(refused)
}

/// A ceiling that does not fit is looked at more closely, once,
/// before anything is lowered or refused.
async fn obtain(
    gateway: &Gateway,
    live: &Live,
    request: &Request,
    trip: &mut Trip,
    routed: &Routed,
    measured: &Measured,
    quoted: &mut Quoted<'_>,
) -> Result<Reserved, NotReserved> {
    let number = trip.attempts_made().saturating_add(1);
    let mut subjects = request.subjects.clone();
    subjects.provider = Some(routed.endpoint.provider.clone());
    subjects.provider_model = Some(routed.endpoint.model.clone());
    let subjects = Arc::new(subjects);
    trip.subjects = Arc::clone(&subjects);
    let attempt = Attempt {
        gateway,
        live,
        routed,
        subjects: &subjects,
        id: AttemptId { request: trip.id, number },
        own: Own { key: request.is_key_itself, user: !request.speaks_for_any },
    };
    let left = request.max_cost.map(|most| trip.left_of(most));
    if left.is_some_and(|most| quoted.quote.ceiling.usd > most) {
        let room = Room { usd: left, tokens: None };
        tighten(gateway, live, request, routed, measured, quoted, room, trip).await;
    }
    let first = attempt.at(quoted).within(left).map_err(NotReserved::Problem)?;
    let began = Instant::now();
    let held = attempt.at(quoted).try_hold(first).await;
    note_wait(trip, WaitedFor::Store, began);
    let reserved = match held? {
        Ok(reserved) => reserved,
        Err(refusal) => {
            let is_lower = match room_for_count(&refusal) {
                Some(room) => tighten(gateway, live, request, routed, measured, quoted, room, trip).await,
                None => false,
            };
            let asker = attempt.at(quoted);
            let began = Instant::now();
            let reserved = if is_lower {
                let first = asker.within(left).map_err(NotReserved::Problem)?;
                asker.ask(first, None).await
            } else {
                asker.ask(first, Some(refusal)).await
            };
            note_wait(trip, WaitedFor::Headroom, began);
            reserved?
        }
    };
    if reserved.cap < quoted.quote.cap {
        trip.cap_lowered_to = Some(reserved.cap);
    }
    trip.open = Some(OpenAttempt {
        id: reserved.permit.id(),
        endpoint: routed.endpoint.clone(),
        started: gateway.clock.now(),
        ceiling: reserved.permit.ceiling(),
        base: if reserved.cap < quoted.quote.cap { reserved.permit.ceiling() } else { quoted.base },
        cap: reserved.cap,
    });
    Ok(reserved)
}

/// Waiting is told apart from the gateway's own work; a hold that fits takes next to none.
fn note_wait(trip: &mut Trip, on: WaitedFor, began: Instant) {
    let took = began.elapsed();
    if took > Duration::from_millis(1) {
        trip.waited += took;
        trip.step(What::Waited { on, took });
    }
}

/// What a lower ceiling would have to fit after this refusal; nothing where no ceiling could. Money
/// that is only held comes back, so there any lower one is of use.
fn room_for_count(refusal: &Refusal) -> Option<Room> {
    match (refusal.reason, refusal.asked.unit()) {
        (_, Unit::Requests | Unit::Retries) => None,
        (RefusalReason::Held, _) => Some(Room::default()),
        (RefusalReason::Spent | RefusalReason::TooLarge, _) => {
            Some(Room { usd: refusal.fits.usd, tokens: refusal.fits.tokens })
        }
        _ => None,
    }
}

/// An attempt, whatever its ceiling.
#[derive(Clone, Copy)]
struct Attempt<'a> {
    gateway: &'a Gateway,
    live: &'a Live,
    routed: &'a Routed,
    subjects: &'a Arc<Subjects>,
    id: AttemptId,
    /// Whose numbers are the caller's own.
    own: Own,
}

impl<'a> Attempt<'a> {
    fn at(self, quoted: &'a Quoted<'a>) -> Asker<'a> {
        let Self { gateway, live, routed, subjects, id, own } = self;
        Asker { gateway, live, routed, quoted, subjects, id, own }
    }
}

struct Asker<'a> {
    gateway: &'a Gateway,
    live: &'a Live,
    routed: &'a Routed,
    quoted: &'a Quoted<'a>,
    subjects: &'a Arc<Subjects>,
    id: AttemptId,
    /// Whose numbers are the caller's own.
    own: Own,
}

impl Asker<'_> {
    /// The quote within what the client is willing to pay for the request.
    fn within(&self, max_cost: Option<NanoUsd>) -> Result<Quote, Problem> {
        let quote = self.quoted.quote;
        let Some(most) = max_cost.filter(|most| quote.ceiling.usd > *most) else { return Ok(quote) };
        self.lowered(Some(most), None).ok_or_else(|| {
            Problem::new(
                Code::ReservationTooLarge,
                format!("This request may cost up to {}, more than its x-haltline-max-cost of {most}. Lower its max_tokens, or shorten it.", quote.ceiling.usd),
            )
        })
    }

    /// Holds at the first quote or lower; `refused` is the answer to the first if it is known.
    async fn ask(&self, first: Quote, refused: Option<Box<Refusal>>) -> Result<Reserved, NotReserved> {
        let answer = match refused {
            Some(refusal) => self.lower(first, refusal).await?,
            None => self.hold_or_lower(first).await?,
        };
        let refusal = match answer {
            Ok(reserved) => return Ok(reserved),
            Err(refusal) => refusal,
        };
        // Nobody waits for money where a cheaper model can be asked at once.
        let degrades = self.routed.is_degradable && self.live.settings.degrade.budgets.contains_key(&refusal.budget);
        if refusal.reason != RefusalReason::Held || degrades {
            return Err(self.full(&refusal));
        }
        let patience = self.live.settings.headroom.wait;
        match tokio::time::timeout(patience, self.wait_and_hold(first, &refusal)).await {
            Ok(answer) => answer,
            Err(_) => Err(self.full(&refusal)),
        }
    }

    /// In one's turn, looks again whenever money comes back.
    async fn wait_and_hold(&self, first: Quote, refused: &Refusal) -> Result<Reserved, NotReserved> {
        let mut freed = self.gateway.book.freed();
        let _turn = self.gateway.lanes.turn((refused.budget.clone(), refused.subject.clone())).await;
        loop {
            freed.mark_unchanged();
            let refusal = match self.hold_or_lower(first).await? {
                Ok(reserved) => return Ok(reserved),
                Err(refusal) => refusal,
            };
            if refusal.reason != RefusalReason::Held || freed.changed().await.is_err() {
                return Err(self.full(&refusal));
            }
        }
    }

    /// Holds at the first quote, or at the largest cap that fits.
    async fn hold_or_lower(&self, first: Quote) -> Result<Result<Reserved, Box<Refusal>>, NotReserved> {
        match self.try_hold(first).await? {
            Ok(reserved) => Ok(Ok(reserved)),
            Err(refusal) => self.lower(first, refusal).await,
        }
    }

    /// Holds at the largest cap that fits.
    async fn lower(
        &self,
        first: Quote,
        mut refusal: Box<Refusal>,
    ) -> Result<Result<Reserved, Box<Refusal>>, NotReserved> {
        for _ in 0..LOWERINGS_MAX {
            let lower = self.lowered(refusal.fits.usd, refusal.fits.tokens).filter(|lower| lower.cap < first.cap);
            let Some(lower) = lower else { break };
            match self.try_hold(lower).await? {
                Ok(reserved) => return Ok(Ok(reserved)),
                Err(next) => refusal = next,
            }
        }
        Ok(Err(refusal))
    }

    fn lowered(&self, usd: Option<NanoUsd>, tokens: Option<Tokens>) -> Option<Quote> {
        let minimum = self.live.settings.headroom.min_output_tokens;
        self.quoted
            .lowered(self.gateway, self.routed, usd, tokens, minimum)
            .filter(|lower| lower.cap < self.quoted.quote.cap)
    }

    async fn try_hold(&self, quote: Quote) -> Result<Result<Reserved, Box<Refusal>>, NotReserved> {
        let now = self.gateway.clock.now();
        let ceiling = Demand { retries: u32::from(self.id.number > 1), ..quote.ceiling };
        let hold = Hold {
            id: self.id,
            at: now,
            subjects: Arc::clone(self.subjects),
            ceiling,
            expires: now.saturating_add(self.live.settings.deadlines.total),
        };
        match self.gateway.book.hold(hold).await {
            Ok(permit) => Ok(Ok(Reserved { permit, cap: quote.cap, max_price: self.quoted.max_price() })),
            Err(HoldError::Refused(refusal)) if refusal.reason == RefusalReason::RetriesExhausted => {
                Err(NotReserved::RetriesUsedUp)
            }
            Err(HoldError::Refused(refusal)) => Ok(Err(refusal)),
            Err(HoldError::Unavailable(error)) => Err(NotReserved::Problem(unavailable(&error))),
        }
    }

    fn full(&self, refusal: &Refusal) -> NotReserved {
        let budget = Name::new(&shown_budget(&refusal.budget, &refusal.subject));
        NotReserved::Full { budget, problem: self.refused(refusal) }
    }

    fn refused(&self, refusal: &Refusal) -> Problem {
        let fits = self
            .quoted
            .lowered(self.gateway, self.routed, refusal.fits.usd, refusal.fits.tokens, Tokens::new(1))
            .map(|quote| quote.cap);
        let soon = Duration::from_secs(1 + self.gateway.entropy.u64() % 5);
        Problem::from_refusal(refusal, fits, self.own, self.gateway.clock.now(), soon)
    }
}

fn unavailable(error: &BookError) -> Problem {
    tracing::error!(%error, "a request was refused because the store cannot promise anything");
    Problem::new(
        Code::StoreUnavailable,
        "The gateway's store has stopped, so nothing can be spent. An operator must look at it.",
    )
}
