//! Services whose calls cost money: what one call can cost at most is held before it, from the
//! accounts of whoever asks, and settled after it. The rules are those of every attempt (promise,
//! rules 4 to 7): nothing sent costs nothing, an unknown outcome costs what was held.

use super::{Asker, CallError, Called, ConsultError, asked, endpoint, of_service};
use crate::gateway::{Gateway, Live, endpoint_labels};
use crate::guard::settings::ServiceSettings;
use crate::incoming::Surface;
use crate::line;
use haltline_ledger::{Hold, RefusalReason};
use haltline_ports::{
    AttemptRecord, Basis, BookError, GuardAnswer, GuardAsk, HoldError, Outcome, Permit, RequestRecord,
};
use haltline_types::{
    AttemptId, Billing, Code, Demand, Fault, FaultKind, ModelName, Name, NanoUsd, Origin, Subjects, Timestamp,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio::time::{Instant, timeout_at};

/// What a request may still cost. Services that are asked at once take from it in turn.
pub(super) struct Purse(Option<AtomicI64>);

impl Purse {
    pub(super) fn new(most: Option<NanoUsd>) -> Self {
        Self(most.map(|most| AtomicI64::new(most.get())))
    }

    pub(super) fn left(&self) -> Option<NanoUsd> {
        self.0.as_ref().map(|left| NanoUsd::new(left.load(Ordering::Acquire)))
    }

    /// Takes as much, or nothing.
    pub(super) fn take(&self, amount: NanoUsd) -> bool {
        let Some(left) = &self.0 else { return true };
        let less = |left: i64| left.checked_sub(amount.get()).filter(|rest| *rest >= 0);
        left.fetch_update(Ordering::AcqRel, Ordering::Acquire, less).is_ok()
    }

    /// What was taken and not spent.
    pub(super) fn give_back(&self, taken: NanoUsd, spent: NanoUsd) {
        if let Some(left) = &self.0 {
            left.fetch_add(taken.get().saturating_sub(spent.get()), Ordering::AcqRel);
        }
    }
}

/// Asks a service, for money where its calls cost some.
pub(super) async fn pay(
    gateway: &Gateway,
    live: &Live,
    asker: &Asker,
    purse: &Purse,
    ask: &GuardAsk,
    service: &ServiceSettings,
    deadline: Instant,
) -> Called {
    let Some(most) = service.cost_at_most else {
        let outcome = asked(live, asker, ask, service, None, deadline).await;
        return Called { outcome, cost: NanoUsd::ZERO, record: None };
    };
    if !purse.take(most) {
        return Called::not(ConsultError::NoBudget);
    }
    let open = Open::new(gateway, asker, service, most);
    let permit = match open.hold(gateway, service, deadline).await {
        Ok(permit) => permit,
        Err(error) => {
            purse.give_back(most, NanoUsd::ZERO);
            return Called::not(error);
        }
    };
    let outcome = asked(live, asker, ask, service, Some(permit), deadline).await;
    let cost = open.close(gateway, ask, &outcome).await;
    purse.give_back(most, cost);
    Called { outcome, cost, record: Some(open.id.request) }
}

/// A call that is paid for, from its hold to its record.
struct Open {
    id: AttemptId,
    endpoint: ModelName,
    subjects: Arc<Subjects>,
    started: Timestamp,
    ceiling: Demand,
}

impl Open {
    fn new(gateway: &Gateway, asker: &Asker, service: &ServiceSettings, most: NanoUsd) -> Self {
        let endpoint = endpoint(service);
        let subjects = Subjects {
            provider: Some(endpoint.provider.clone()),
            provider_model: Some(endpoint.model.clone()),
            ..asker.subjects.clone()
        };
        Self {
            // Attempts of the request have numbers of their own; this is none of them.
            id: AttemptId { request: gateway.fresh_id(), number: 1 },
            endpoint,
            subjects: Arc::new(subjects),
            started: gateway.clock.now(),
            // Only money: budgets of requests and tokens count what models are asked.
            ceiling: Demand { usd: most, ..Demand::ZERO },
        }
    }

    /// Holds, and waits within the deadline for what others only hold.
    async fn hold(
        &self,
        gateway: &Gateway,
        service: &ServiceSettings,
        deadline: Instant,
    ) -> Result<Permit, ConsultError> {
        let mut freed = gateway.book.freed();
        loop {
            freed.mark_unchanged();
            let hold = Hold {
                id: self.id,
                at: gateway.clock.now(),
                subjects: Arc::clone(&self.subjects),
                ceiling: self.ceiling,
                expires: gateway.clock.now().saturating_add(service.deadline),
            };
            match gateway.book.hold(hold).await {
                Ok(permit) => return Ok(permit),
                Err(HoldError::Unavailable(error)) => {
                    tracing::error!(%error, service = %service.name, "a guard service is not asked because nothing can be held");
                    return Err(ConsultError::Store);
                }
                Err(HoldError::Refused(refusal)) if refusal.reason == RefusalReason::Held => {
                    match timeout_at(deadline, freed.changed()).await {
                        Ok(Ok(())) => {}
                        Ok(Err(_)) | Err(_) => return Err(ConsultError::NoBudget),
                    }
                }
                Err(HoldError::Refused(_)) => return Err(ConsultError::NoBudget),
            }
        }
    }

    /// Replaces the hold by what the call cost, writes its record, and gives what was charged.
    async fn close(&self, gateway: &Gateway, ask: &GuardAsk, outcome: &Result<GuardAnswer, CallError>) -> NanoUsd {
        let fault = match outcome {
            Ok(_) => None,
            Err(CallError::Fault(fault)) => Some(of_service(fault)),
            Err(CallError::Not(_)) => Some(Fault::new(FaultKind::Cancelled, Origin::Gateway, "nobody waits any more")),
        };
        let (basis, wanted) = match (outcome, fault.as_ref().map(|fault| fault.billing)) {
            (Ok(GuardAnswer { cost: Some(cost), .. }), _) => (Basis::Reported, *cost),
            (Err(_), Some(Billing::NotSent | Billing::Rejected)) => (Basis::Released, NanoUsd::ZERO),
            _ => (Basis::Ceiling, self.ceiling.usd),
        };
        let (basis, cost) = self.settle(gateway, basis, wanted).await;
        self.record(gateway, ask, basis, cost, fault.as_ref());
        cost
    }

    async fn settle(&self, gateway: &Gateway, basis: Basis, cost: NanoUsd) -> (Basis, NanoUsd) {
        let now = gateway.clock.now();
        let written = match basis {
            Basis::Released => gateway.book.release(self.id, now).await,
            Basis::Ceiling => gateway.book.expire(self.id, now).await.map(|_| ()),
            Basis::Reported => match gateway.book.settle(self.id, now, Demand { usd: cost, ..Demand::ZERO }).await {
                Ok(settled) if settled.overran => {
                    self.alarm(gateway, cost);
                    Ok(())
                }
                other => other.map(|_| ()),
            },
        };
        match written {
            Ok(()) => (basis, cost),
            // What the ledger cannot take as it is, is charged in full rather than held for ever.
            Err(BookError::NotAllowed(error)) => {
                tracing::error!(attempt = %self.id, %error, "a settlement was not possible; what was held is charged");
                if let Err(error) = gateway.book.expire(self.id, now).await {
                    self.report_unwritten(&error);
                }
                (Basis::Ceiling, self.ceiling.usd)
            }
            Err(error) => {
                self.report_unwritten(&error);
                (basis, cost)
            }
        }
    }

    fn report_unwritten(&self, error: &BookError) {
        tracing::error!(attempt = %self.id, %error, "a settlement could not be written; the hold stays until the next start charges it");
    }

    /// The service has billed more than the configuration says that it can.
    fn alarm(&self, gateway: &Gateway, cost: NanoUsd) {
        gateway.metrics.bound_violations.get_or_create(&endpoint_labels(&self.endpoint)).inc();
        gateway.alerts.billed_above_bound(&self.endpoint, self.id, self.ceiling.usd, cost);
        tracing::error!(
            endpoint = %self.endpoint, attempt = %self.id, ceiling = %self.ceiling.usd, %cost,
            "a guard service billed more than its max_cost_per_call; all of it is charged; raise max_cost_per_call"
        );
    }

    /// A request of its own, so that spend by provider shows what guards cost. It is no part of the
    /// caller's session and trace: what those show, clients see.
    fn record(&self, gateway: &Gateway, ask: &GuardAsk, basis: Basis, cost: NanoUsd, fault: Option<&Fault>) {
        let now = gateway.clock.now();
        let attempt = AttemptRecord {
            number: self.id.number,
            endpoint: self.endpoint.clone(),
            started: self.started,
            ended: now,
            ceiling: self.ceiling,
            cost,
            basis,
            usage: None,
            status: None,
            fault: fault.map(|fault| fault.kind),
        };
        line::count_attempt(gateway, &attempt);
        let code = fault.map(|fault| match fault.kind {
            FaultKind::FirstTokenTimeout => Code::UpstreamTimeout,
            FaultKind::Cancelled => Code::Stopped,
            _ => Code::UpstreamFailed,
        });
        let record = RequestRecord {
            id: self.id.request,
            trace_id: format!("{:032x}", self.id.request.as_u128()),
            started: self.started,
            ended: now,
            subjects: Arc::new(Subjects { session: None, ..Subjects::clone(&self.subjects) }),
            surface: Name::new(Surface::Guard.word()),
            model: ask.model.clone(),
            streamed: false,
            outcome: code.map_or(Outcome::Answered, Outcome::Failed),
            status: code.map_or(200, Code::status),
            first_token: None,
            cap_lowered_to: None,
            degraded_to: None,
            blocked: None,
            attempts: vec![attempt],
            steps: Vec::new(),
        };
        if let Err(error) = gateway.records.record(&record) {
            tracing::error!(%error, request = %record.id, %cost, "the record of a guard's call could not be kept; the ledger has its money");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purse_gives_no_more_than_it_holds() {
        let purse = Purse::new(Some(NanoUsd::new(10)));
        assert!(purse.take(NanoUsd::new(6)));
        assert!(!purse.take(NanoUsd::new(5)));
        purse.give_back(NanoUsd::new(6), NanoUsd::new(2));
        assert_eq!(purse.left(), Some(NanoUsd::new(8)));
        assert!(purse.take(NanoUsd::new(8)));
        assert!(Purse::new(None).take(NanoUsd::new(i64::MAX)));
    }
}
