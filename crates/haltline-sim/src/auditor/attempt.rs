//! One attempt as the auditor knows it: what was promised for it, what it was billed, what it was
//! charged.

use crate::provider::{Bill, Ending};
use haltline_ports::Basis;
use haltline_types::{AttemptId, Demand, ModelName, Subjects, Unit};
use std::sync::Arc;

pub(super) struct Attempt {
    pub(super) id: AttemptId,
    /// When the hold was given, in milliseconds.
    pub(super) at: i64,
    pub(super) subjects: Arc<Subjects>,
    endpoint: Option<ModelName>,
    /// The most that it can be billed, once it has arrived.
    most: Option<Bill>,
    bill: Bill,
    ending: Option<Ending>,
    charge: Option<(Basis, i64)>,
    /// What the ledger holds for it, or has charged.
    taken: Demand,
}

impl Attempt {
    pub(super) fn held(id: AttemptId, at: i64, subjects: Arc<Subjects>, ceiling: Demand) -> Self {
        let bill = Bill::default();
        Self { id, at, subjects, endpoint: None, most: None, bill, ending: None, charge: None, taken: ceiling }
    }

    pub(super) fn arrived(&mut self, endpoint: ModelName, most: Bill) {
        self.endpoint = Some(endpoint);
        self.most = Some(most);
    }

    pub(super) fn billed(&mut self, bill: Bill) -> Option<String> {
        self.bill = bill;
        let most = self.most.unwrap_or_default();
        if self.ending.is_some()
            || self.charge.is_some_and(|(basis, nano)| basis != Basis::Released && nano < bill.nano)
        {
            return Some(format!("{} is billed {} after its end", self.id, bill.nano));
        }
        (bill.nano > most.nano || bill.tokens > most.tokens)
            .then(|| format!("the simulated provider breaks its own rules: {} is billed {bill:?} of {most:?}", self.id))
    }

    pub(super) fn ended(&mut self, ending: Ending) {
        self.ending = Some(ending);
    }

    /// The ledger charges it; returns what is wrong with that.
    pub(super) fn charged(&mut self, basis: Basis, cost: Demand) -> Option<String> {
        let nano = cost.usd.get();
        self.taken = cost;
        self.charge = Some((basis, nano));
        let (id, billed, ending) = (self.id, self.bill.nano, self.ending);
        let right = match basis {
            // What arrived must be over: nothing can be billed after the charge.
            _ if self.most.is_some() && ending.is_none() => false,
            Basis::Released => billed == 0,
            Basis::Reported => nano == billed && ending == Some(Ending::Complete),
            Basis::Ceiling => nano >= billed && ending != Some(Ending::Complete),
        };
        (!right).then(|| format!("{id} is charged {nano} ({}); its bill is {billed}, its end {ending:?}", basis.word()))
    }

    /// The process died under it, whatever it had learned: the ceiling is charged.
    pub(super) fn recovered(&mut self, cost: Demand) -> Option<String> {
        let nano = cost.usd.get();
        self.taken = cost;
        self.charge = Some((Basis::Ceiling, nano));
        let (id, billed) = (self.id, self.bill.nano);
        (nano < billed).then(|| format!("{id} is charged {nano} after a crash; its bill is {billed}"))
    }

    pub(super) fn lowered(&mut self, ceiling: Demand) {
        self.taken = ceiling;
    }

    /// What the ledger counts for it.
    pub(super) fn taken(&self, unit: Unit) -> i128 {
        self.taken.of(unit).map_or(0, |amount| i128::from(amount.value()))
    }

    pub(super) const fn charge(&self) -> Option<(Basis, i64)> {
        self.charge
    }

    pub(super) const fn bill(&self) -> Bill {
        self.bill
    }

    pub(super) const fn endpoint(&self) -> Option<&ModelName> {
        self.endpoint.as_ref()
    }

    pub(super) const fn is_over(&self) -> bool {
        self.ending.is_some()
    }

    /// What it can be billed in all: its bill once it is over, before that the most.
    pub(super) fn exposure(&self, unit: Unit) -> i128 {
        match self.most {
            None => 0,
            Some(most) if self.ending.is_none() => self.of(unit, most),
            Some(_) => self.of(unit, self.bill),
        }
    }

    /// What it was billed.
    pub(super) fn spent(&self, unit: Unit) -> i128 {
        if self.most.is_some() { self.of(unit, self.bill) } else { 0 }
    }

    /// A call that is billed nothing was refused, and is no request that counts; a repetition is
    /// one also when it was refused.
    fn of(&self, unit: Unit, bill: Bill) -> i128 {
        match unit {
            Unit::Usd => i128::from(bill.nano),
            Unit::Tokens => i128::from(bill.tokens),
            Unit::Requests => i128::from(bill.tokens > 0),
            Unit::Retries => i128::from(self.id.number > 1),
        }
    }
}
