//! One budget as the auditor keeps it: which attempts count in which account, and the limit that
//! was in force when the latest hold was given. Sums are made anew for every question.

use super::attempt::Attempt;
use crate::budgets::{BudgetPlan, WindowPlan};
use haltline_ledger::{Balance, OnFull};
use std::collections::BTreeMap;

/// Subject and beginning of the window.
type Key = (String, i64);

pub(super) struct Watch {
    plan: BudgetPlan,
    accounts: BTreeMap<Key, Account>,
    /// Power losses before it came into force.
    power_losses: u64,
}

#[derive(Default)]
struct Account {
    members: Vec<usize>,
    /// `None` until a hold is given while the budget is in force.
    bound: Option<i128>,
}

impl Watch {
    /// A budget that comes into force; its bounds go on where the same budget was there before.
    pub(super) fn new(plan: BudgetPlan, same: Option<Self>, power_losses: u64) -> Self {
        let (mut accounts, power_losses) =
            same.map_or_else(|| (BTreeMap::new(), power_losses), |watch| (watch.accounts, watch.power_losses));
        accounts.values_mut().for_each(|account| account.members.clear());
        Self { plan, accounts, power_losses }
    }

    /// Is it the same budget, whatever its limit?
    pub(super) fn counts_like(&self, plan: &BudgetPlan) -> bool {
        let own = &self.plan;
        own.name == plan.name && own.scope == plan.scope && own.unit == plan.unit && own.window == plan.window
    }

    pub(super) fn enter(&mut self, place: usize, attempt: &Attempt) {
        let key = self.key(attempt);
        self.accounts.entry(key).or_default().members.push(place);
    }

    pub(super) fn note_hold(&mut self, attempt: &Attempt) {
        let key = self.key(attempt);
        if self.plan.on_full == OnFull::Refuse {
            let limit = self.plan.limit_of(&key.0).map(i128::from);
            self.accounts.entry(key).or_default().bound = limit;
        }
    }

    pub(super) fn check_exposure(&self, attempts: &[Attempt], place: usize, now: i64) -> Option<String> {
        let attempt = attempts.get(place)?;
        let key = self.key(attempt);
        let account = self.accounts.get(&key)?;
        let bound = account.bound?;
        let sum = self.sum(account, attempts, now, |attempt| attempt.exposure(self.plan.unit));
        (sum > bound).then(|| {
            format!(
                "{}[{}] from {}: providers can bill {sum} {}, the limit at the latest hold was {bound} (at {})",
                self.plan.name,
                key.0,
                key.1,
                self.plan.unit.word(),
                attempt.id
            )
        })
    }

    /// No open account may show less than what was billed for it.
    pub(super) fn compare(&self, attempts: &[Attempt], balances: &[Balance], now: i64) -> Vec<String> {
        let mut wrong = Vec::new();
        for (key, account) in self.open_accounts(now) {
            let billed = self.sum(account, attempts, now, |attempt| attempt.spent(self.plan.unit));
            let shown = self.shown(key, balances);
            // What a power loss may have taken counts in every account of a budget that came later, and
            // is shown only for those that have had a hold. The next hold tells: `check_exposure`.
            let hidden = self.power_losses > 0 && shown == 0;
            if shown < billed && !hidden {
                wrong.push(format!(
                    "{}[{}] from {} shows {shown}, and {billed} {} are billed",
                    self.plan.name,
                    key.0,
                    key.1,
                    self.plan.unit.word()
                ));
            }
        }
        wrong
    }

    /// As long as no process has died, every account of a calendar's window shows exactly what is
    /// held and was charged for the attempts whose holds were given in it.
    pub(super) fn compare_exactly(&self, attempts: &[Attempt], balances: &[Balance], now: i64) -> Vec<String> {
        let mut wrong = Vec::new();
        if matches!(self.plan.window, WindowPlan::Rolling { .. }) {
            return wrong;
        }
        for (key, account) in self.open_accounts(now) {
            let taken = self.sum(account, attempts, now, |attempt| attempt.taken(self.plan.unit));
            let shown = self.shown(key, balances);
            if shown != taken {
                wrong.push(format!(
                    "{}[{}] from {} shows {shown} {}, its attempts took {taken}",
                    self.plan.name,
                    key.0,
                    key.1,
                    self.plan.unit.word()
                ));
            }
        }
        wrong
    }

    fn open_accounts(&self, now: i64) -> impl Iterator<Item = (&Key, &Account)> {
        let window = self.plan.window.start(now);
        // An account without a limit is not shown.
        self.accounts
            .iter()
            .filter(move |((subject, start), _)| *start == window && self.plan.limit_of(subject).is_some())
    }

    /// Spent and held, as the ledger says.
    fn shown(&self, (subject, window): &Key, balances: &[Balance]) -> i128 {
        let balance = balances.iter().find(|balance| {
            *balance.account.budget == *self.plan.name
                && balance.account.subject == *subject
                && balance.account.window.as_millis() == *window
        });
        balance.map_or(0, |balance| i128::from(balance.spent.value()) + i128::from(balance.held.value()))
    }

    fn sum(&self, account: &Account, attempts: &[Attempt], now: i64, part: impl Fn(&Attempt) -> i128) -> i128 {
        let counts = |attempt: &&Attempt| match self.plan.window {
            WindowPlan::Aligned { .. } => true,
            WindowPlan::Rolling { seconds } => attempt.at > now - seconds * 1_000 || !attempt.is_over(),
        };
        account.members.iter().filter_map(|place| attempts.get(*place)).filter(counts).map(part).sum()
    }

    fn key(&self, attempt: &Attempt) -> Key {
        (attempt.subjects.subject(&self.plan.scope), self.plan.window.start(attempt.at))
    }
}
