//! A second opinion, kept apart from the ledger: per account, what is spent and held by all that
//! was acknowledged.

use haltline_ledger::Balance;
use haltline_types::{AttemptId, Demand};
use std::collections::BTreeMap;

/// Budget and subject.
pub(crate) type Account = (String, String);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Books {
    spent: BTreeMap<Account, i64>,
    pub(crate) open: BTreeMap<AttemptId, (String, Demand)>,
}

impl Books {
    pub(crate) fn hold(&mut self, id: AttemptId, user: &str, ceiling: Demand) {
        self.open.insert(id, (user.to_owned(), ceiling));
    }

    pub(crate) fn true_up(&mut self, id: AttemptId, ceiling: Demand) {
        self.open.get_mut(&id).expect("open").1 = ceiling;
    }

    pub(crate) fn close(&mut self, id: AttemptId, cost: Demand) {
        let (user, _) = self.open.remove(&id).expect("open");
        for (account, part) in parts(&user, cost) {
            self.charge(account, part);
        }
    }

    pub(crate) fn charge(&mut self, account: Account, amount: i64) {
        *self.spent.entry(account).or_default() += amount;
    }

    /// Spent and held by account; accounts with nothing are left out.
    pub(crate) fn sums(&self) -> BTreeMap<Account, (i64, i64)> {
        let mut sums: BTreeMap<Account, (i64, i64)> = BTreeMap::new();
        for (account, spent) in &self.spent {
            sums.entry(account.clone()).or_default().0 += spent;
        }
        for (user, ceiling) in self.open.values() {
            for (account, part) in parts(user, *ceiling) {
                sums.entry(account).or_default().1 += part;
            }
        }
        sums.retain(|_, sum| *sum != (0, 0));
        sums
    }

    /// Starts anew from what a ledger says, with nothing held.
    pub(crate) fn adopt(balances: &[Balance]) -> Self {
        let spent = seen(balances).into_iter().map(|(account, (spent, _))| (account, spent)).collect();
        Self { spent, open: BTreeMap::new() }
    }
}

/// A ledger's balances in the same form.
pub(crate) fn seen(balances: &[Balance]) -> BTreeMap<Account, (i64, i64)> {
    let account = |balance: &Balance| (balance.account.budget.to_string(), balance.account.subject.clone());
    balances.iter().map(|balance| (account(balance), (balance.spent.value(), balance.held.value()))).collect()
}

/// What a demand of `user` takes of each budget in `support::budgets`.
fn parts(user: &str, demand: Demand) -> [(Account, i64); 4] {
    let tokens = i64::try_from(demand.tokens.get()).expect("fits");
    [
        (("all-day".into(), String::new()), demand.usd.get()),
        (("user-day".into(), user.into()), demand.usd.get()),
        (("user-tokens".into(), user.into()), tokens),
        (("team-requests".into(), "red".into()), i64::from(demand.requests)),
    ]
}
