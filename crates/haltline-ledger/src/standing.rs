//! How the accounts that an attempt touches stand: what every decision looks at.

use crate::account::Account;
use crate::quantity::{amount, part};
use crate::shelf::Shelf;
use crate::{Headroom, Ledger, OnFull, Span};
use haltline_types::{Demand, NanoUsd, Subjects, Timestamp, Tokens, Unit};

/// One account that an attempt touches, seen at the attempt's time.
pub(crate) struct Standing<'a> {
    pub(crate) shelf: &'a Shelf,
    pub(crate) span: Span,
    pub(crate) spent: i128,
    pub(crate) held: i128,
    /// `None` if nothing limits it.
    pub(crate) limit: Option<i128>,
    pub(crate) asked: i128,
    pub(crate) mark: i128,
}

impl Standing<'_> {
    pub(crate) fn unit(&self) -> Unit {
        self.shelf.unit()
    }

    /// Does the account refuse what does not fit?
    pub(crate) fn refuses(&self) -> bool {
        self.shelf.budget().on_full == OnFull::Refuse
    }

    /// What would fit, if there is a limit. Less than nothing after an overrun, or under a lowered limit.
    pub(crate) fn room(&self) -> Option<i128> {
        self.limit.map(|limit| limit - self.spent - self.held)
    }

    /// The limit of a full account: it has one.
    pub(crate) fn limit(&self) -> i128 {
        self.limit.unwrap_or(i128::MAX)
    }

    /// Does the account have to say no? Who asks nothing is never in the way of a limit.
    pub(crate) fn is_full(&self) -> bool {
        self.refuses() && self.asked > 0 && self.room().is_some_and(|room| self.asked > room)
    }
}

impl Ledger {
    /// Every account that an attempt with these subjects at `at` touches: one of each budget, in
    /// configuration order. `at` is on the ledger's time, `demand` well-formed.
    pub(crate) fn standings(&self, subjects: &Subjects, at: Timestamp, demand: &Demand) -> Vec<Standing<'_>> {
        let mut subject = String::with_capacity(64);
        let look = |shelf| {
            subject.clear();
            Standing::of(shelf, subjects, &mut subject, at, demand)
        };
        self.shelves.iter().map(look).collect()
    }
}

impl<'a> Standing<'a> {
    fn of(shelf: &'a Shelf, subjects: &Subjects, subject: &mut String, at: Timestamp, demand: &Demand) -> Self {
        subjects.write_subject(&shelf.budget().scope, subject);
        let span = shelf.span_at(at);
        let account = shelf.account(subject, span.start);
        Self {
            shelf,
            span,
            spent: shelf.spent(account, span.start, at),
            held: account.map_or(0, Account::held),
            limit: shelf.limit(subject, at),
            asked: part(demand, shelf.unit()),
            mark: account.map_or(0, Account::mark),
        }
    }
}

impl Headroom {
    /// The least room by unit, over the accounts that refuse.
    pub(crate) fn over(standings: &[Standing<'_>]) -> Self {
        let least = |unit: Unit| {
            let refusing = standings.iter().filter(|standing| standing.refuses() && standing.unit() == unit);
            refusing.filter_map(Standing::room).map(|room| amount(unit, room.max(0)).value()).min()
        };
        let count = |unit| least(unit).map(i64::unsigned_abs);
        Self {
            usd: least(Unit::Usd).map(NanoUsd::new),
            tokens: count(Unit::Tokens).map(Tokens::new),
            requests: count(Unit::Requests),
            retries: count(Unit::Retries),
        }
    }
}
