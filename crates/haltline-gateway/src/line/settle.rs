//! Settle: replaces the hold by what the attempt cost. Awaited, never left to a destructor.

use crate::gateway::{Gateway, endpoint_labels};
use crate::line::quote::Quoted;
use crate::line::relay::Finish;
use crate::line::trip::{OpenAttempt, Trip};
use haltline_policy::meter::Meter;
use haltline_policy::price::{Multiplier, Price};
use haltline_ports::{AttemptRecord, Basis, BookError, What};
use haltline_types::{Billing, Demand, Fault, FaultKind, NanoUsd, Tokens, Usage};

/// What an attempt is charged, and why.
struct Charge {
    basis: Basis,
    usage: Option<Usage>,
    cost: Demand,
}

/// Closes the open attempt.
pub(crate) async fn settle(gateway: &Gateway, price: &Price, trip: &mut Trip, finish: &Finish) {
    let Some(open) = trip.open.clone() else { return };
    let charge = judge(gateway, price, &open, finish);
    let fault = finish.fault.as_ref();
    close(gateway, trip, open, charge, fault).await;
    trip.open = None;
}

/// Lowers what is held as soon as the provider has reported the input (promise, rule 4): nothing
/// that this dialect lets pass can add input later.
pub(crate) async fn true_up(gateway: &Gateway, trip: &mut Trip, quoted: &Quoted<'_>, usage: &Usage) {
    let Some(open) = trip.open.as_mut() else { return };
    let output = Meter::new(open.cap, quoted.n, quoted.pieces).allowed();
    if gateway.quarantine.holds(&open.endpoint) {
        return;
    }
    // Some providers count what came from the cache beside the input.
    let cached = usage.cached_input.checked_add(usage.cache_write).unwrap_or(Tokens::new(u64::MAX));
    let input = usage.input.max(cached);
    // A place holder of an imitator's: the real count comes at the end.
    if input < quoted.input_at_least() {
        return;
    }
    let (Some(usd), Some(tokens)) = (quoted.ceiling(input, output), input.checked_add(output)) else {
        return;
    };
    let lower = Demand { usd, tokens, ..open.ceiling };
    if lower.usd > open.ceiling.usd || lower.tokens > open.ceiling.tokens || lower == open.ceiling {
        return;
    }
    match gateway.book.true_up(open.id, gateway.clock.now(), lower).await {
        Ok(()) => {
            open.ceiling = lower;
            let attempt = open.id.number;
            trip.step(What::TruedUp { attempt, ceiling: lower.usd });
        }
        Err(error) => tracing::warn!(attempt = %open.id, %error, "a hold could not be lowered; it stays as it is"),
    }
}

/// Closes the open attempt of a journey that broke: what became of it is unknown.
pub(crate) async fn settle_broken(gateway: &Gateway, trip: &mut Trip) {
    let Some(open) = trip.open.take() else { return };
    let charge = Charge { basis: Basis::Ceiling, usage: None, cost: open.ceiling };
    let fault = Fault::new(FaultKind::Unknown, haltline_types::Origin::Gateway, "the journey broke");
    trip.step(What::fault(open.id.number, &fault, &fault.detail));
    close(gateway, trip, open, charge, Some(&fault)).await;
}

/// From what is known of an attempt to what it is charged (promise, rule 5).
fn judge(gateway: &Gateway, price: &Price, open: &OpenAttempt, finish: &Finish) -> Charge {
    let reported = match (finish.usage, finish.fault.as_ref().map(|fault| fault.billing)) {
        (Some(usage), _) | (None, Some(Billing::Known(usage))) => usage,
        (None, Some(Billing::NotSent | Billing::Rejected)) => {
            return Charge { basis: Basis::Released, usage: None, cost: Demand::ZERO };
        }
        (None, Some(Billing::Unknown) | None) => return at_least_ceiling(gateway, price, open, finish),
    };
    // No request has no input: a report of zeros is none.
    if reported.total() == Some(Tokens::ZERO) && reported.stated_cost.is_none() {
        return at_least_ceiling(gateway, price, open, finish);
    }
    if finish.output_at_least > reported.output.checked_mul(4).unwrap_or(Tokens::new(u64::MAX)) {
        gateway.metrics.underreported.get_or_create(&endpoint_labels(&open.endpoint)).inc();
        tracing::error!(
            endpoint = %open.endpoint, attempt = %open.id, reported = reported.output.get(), seen = finish.output_at_least.get(),
            "the provider sent more output than its usage report admits; the ceiling is charged"
        );
        return at_least_ceiling(gateway, price, open, finish);
    }
    let (Some(usd), Some(tokens)) = (cost(gateway, price, open, &reported), countable(&reported)) else {
        return at_least_ceiling(gateway, price, open, finish);
    };
    Charge {
        basis: Basis::Reported,
        usage: Some(reported),
        cost: Demand { usd, tokens, requests: open.ceiling.requests, retries: open.ceiling.retries },
    }
}

/// The ceiling, or what is known to have been used where that is more (promise, rule 7).
fn at_least_ceiling(gateway: &Gateway, price: &Price, open: &OpenAttempt, finish: &Finish) -> Charge {
    let mut used = finish.usage_at_least.unwrap_or_default();
    used.output = used.output.max(finish.output_at_least);
    let usd = cost(gateway, price, open, &used).unwrap_or(open.ceiling.usd).max(open.ceiling.usd);
    let tokens = countable(&used).unwrap_or(open.ceiling.tokens).max(open.ceiling.tokens);
    let cost = Demand { usd, tokens, ..open.ceiling };
    let certain = finish.fault.as_ref().is_some_and(|fault| fault.kind == FaultKind::CeilingReached);
    if cost == open.ceiling {
        if certain {
            alarm(gateway, open, cost);
        }
        return Charge { basis: Basis::Ceiling, usage: finish.usage_at_least, cost };
    }
    Charge { basis: Basis::Reported, usage: finish.usage_at_least, cost }
}

/// What `used` costs at the rates that were in force while the attempt ran.
fn cost(gateway: &Gateway, price: &Price, open: &OpenAttempt, used: &Usage) -> Option<NanoUsd> {
    price.cost_between(used, Multiplier::ONE, (open.started, gateway.clock.now()))
}

/// All tokens of a report, if a ledger can count so many.
fn countable(usage: &Usage) -> Option<Tokens> {
    usage.total().filter(|tokens| i64::try_from(tokens.get()).is_ok())
}

async fn close(gateway: &Gateway, trip: &mut Trip, open: OpenAttempt, charge: Charge, fault: Option<&Fault>) {
    let now = gateway.clock.now();
    let written = match charge.basis {
        // A repetition that was refused is one all the same: a storm of 429s must not repeat for free
        // (promise, rule 10). Only its money is given back.
        Basis::Released if open.ceiling.retries > 0 => {
            let repetition = Demand { retries: open.ceiling.retries, ..Demand::ZERO };
            gateway.book.settle(open.id, now, repetition).await.map(|_| ())
        }
        Basis::Released => gateway.book.release(open.id, now).await,
        Basis::Ceiling => gateway.book.expire(open.id, now).await.map(|_| ()),
        Basis::Reported => match gateway.book.settle(open.id, now, charge.cost).await {
            Ok(settled) if settled.overran => {
                alarm(gateway, &open, charge.cost);
                Ok(())
            }
            other => other.map(|_| ()),
        },
    };
    let mut charge = charge;
    let written = match written {
        // What the ledger cannot take as it is, is charged in full rather than held for ever.
        Err(BookError::NotAllowed(error)) => {
            tracing::error!(attempt = %open.id, %error, "a settlement was not possible; the ceiling is charged");
            charge = Charge { basis: Basis::Ceiling, cost: open.ceiling, ..charge };
            gateway.book.expire(open.id, now).await.map(|_| ())
        }
        other => other,
    };
    if let Err(error) = written {
        report_unwritten(&open, &error);
    }
    trip.spent |= charge.basis != Basis::Released;
    if let Some(tokens) = charge.usage.as_ref().and_then(countable) {
        gateway.alerts.burned(&open.endpoint, tokens);
    }
    trip.step(What::Settled {
        attempt: open.id.number,
        basis: charge.basis,
        cost: if charge.basis == Basis::Released { NanoUsd::ZERO } else { charge.cost.usd },
        input: charge.usage.map(|usage| usage.input),
        output: charge.usage.map(|usage| usage.output),
    });
    trip.attempts.push(AttemptRecord {
        number: open.id.number,
        endpoint: open.endpoint,
        started: open.started,
        ended: now,
        ceiling: open.ceiling,
        cost: if charge.basis == Basis::Released { NanoUsd::ZERO } else { charge.cost.usd },
        basis: charge.basis,
        usage: charge.usage,
        status: fault.and_then(|fault| fault.status),
        fault: fault.map(|fault| fault.kind),
    });
}

/// The one way in which an account can stand above its limit, and it is loud (promise, rule 7).
fn alarm(gateway: &Gateway, open: &OpenAttempt, cost: Demand) {
    gateway.metrics.bound_violations.get_or_create(&endpoint_labels(&open.endpoint)).inc();
    gateway.quarantine.note(&open.endpoint, open.base, cost);
    gateway.alerts.billed_above_bound(&open.endpoint, open.id, open.ceiling.usd, cost.usd);
    tracing::error!(
        endpoint = %open.endpoint, attempt = %open.id, ceiling = %open.ceiling.usd, cost = %cost.usd,
        "a provider billed more than its ceiling; all of it is charged, and the ceilings of this endpoint are raised until a restart"
    );
}

/// The hold stays in the journal; the next start charges it in full.
fn report_unwritten(open: &OpenAttempt, error: &BookError) {
    tracing::error!(attempt = %open.id, %error, "a settlement could not be written; the hold stays until the next start charges it");
}
