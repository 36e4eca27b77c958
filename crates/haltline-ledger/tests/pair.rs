//! The ledger and the model side by side: every command goes to both, every answer and every
//! balance is compared.

use crate::model::{Model, NO_LIMIT, No, Rule, Span, To};
use haltline_ledger::scenario::{Bench, Limit, Plain};
use haltline_ledger::{
    AccountId, Applies, Budget, Budgets, CalendarSpan, Headroom, Hold, LedgerError, OnFull, Refusal, Window, Zone,
};
use haltline_types::{Amount, AttemptId, Demand, Name, NanoUsd, RequestId, Scope, Subjects, Timestamp, Tokens, Unit};
use std::sync::Arc;
use std::time::Duration;

pub(crate) const USERS: [&str; 3] = ["alice", "bob", "carol"];
/// 2026-11-24T10:00:00Z.
pub(crate) const START: i64 = 1_795_514_400_000;

/// What a command asks, small numbers of each unit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    pub(crate) usd: u32,
    pub(crate) tokens: u32,
    pub(crate) retries: u32,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Command {
    Hold {
        id: usize,
        user: usize,
        ask: Ask,
    },
    Settle {
        id: usize,
        cost: Ask,
    },
    TrueUp {
        id: usize,
        ceiling: Ask,
    },
    Release {
        id: usize,
    },
    Expire {
        id: usize,
    },
    Adjust {
        rule: usize,
        user: usize,
        delta: i32,
    },
    Override {
        rule: usize,
        user: Option<usize>,
        limit: u32,
        minutes: u32,
    },
    /// Moves the clock, maybe back.
    Wait {
        millis: i64,
    },
    Restart,
    Forget,
    Rebudget {
        set: usize,
    },
}

pub(crate) struct Pair {
    pub(crate) plain: Plain,
    model: Model,
    sets: Vec<Vec<Rule>>,
    pub(crate) at: i64,
}

impl Pair {
    /// With the first of the sets of budgets in force.
    pub(crate) fn new(sets: Vec<Vec<Rule>>) -> Self {
        let mut pair = Self { plain: Plain::default(), model: Model::default(), sets, at: START };
        pair.rebudget(0);
        pair
    }

    fn rebudget(&mut self, set: usize) {
        let rules = self.sets[set % self.sets.len()].clone();
        let budgets = budgets(&rules);
        let counts_the_same = self.plain.ledger().budgets().count_like(&budgets);
        self.plain.rebudget(budgets, instant(self.at));
        self.model.rules = rules;
        if !counts_the_same {
            self.model.restart();
        }
    }

    pub(crate) fn run(&mut self, command: Command) {
        let (at, now) = (self.at, instant(self.at));
        match command {
            Command::Hold { id, user, ask } => {
                let expires = instant(at + 600_000);
                let hold = Hold { id: attempt(id), at: now, subjects: subjects(user), ceiling: demand(ask), expires };
                let ours = self.plain.hold(&hold).map_err(|refusal| no(&refusal, &self.model.rules));
                assert_eq!(ours, self.model.hold(id, user, amounts(ask), at), "{command:?}");
            }
            Command::Settle { id, cost } => {
                let ours = self.plain.settle(attempt(id), now, demand(cost)).map(|settled| settled.overran);
                assert_eq!(word(ours), self.model.settle(id, amounts(cost), at), "{command:?}");
            }
            Command::TrueUp { id, ceiling } => {
                let ours = self.plain.true_up(attempt(id), now, demand(ceiling));
                assert_eq!(word(ours), self.model.true_up(id, amounts(ceiling), at), "{command:?}");
            }
            Command::Release { id } => {
                assert_eq!(word(self.plain.release(attempt(id), now)), self.model.release(id, at), "{command:?}");
            }
            Command::Expire { id } => {
                let ours = self.plain.expire(attempt(id), now).map(|settled| assert!(!settled.overran));
                assert_eq!(word(ours), self.model.expire(id, at), "{command:?}");
            }
            Command::Adjust { rule, user, delta } => {
                let rule = rule % self.model.rules.len();
                let of = self.model.rules[rule].clone();
                let window = instant(of.span.start(self.model.now(at)));
                let account = AccountId { budget: of.name.into(), subject: subject(&of, user), window };
                let ours = self.plain.adjust(account, Amount::new(UNITS[of.unit], i64::from(delta)), now);
                assert_eq!(word(ours), self.model.adjust(rule, user, i128::from(delta), at), "{command:?}");
            }
            Command::Override { rule, user, limit, minutes } => {
                let rule = rule % self.model.rules.len();
                let of = self.model.rules[rule].clone();
                let user = user.filter(|_| of.by_user);
                let until = self.model.now(at) + 60_000 * i64::from(minutes + 1);
                let wanted = Limit {
                    budget: of.name.into(),
                    subject: user.map(|user| subject(&of, user)),
                    limit: Amount::new(UNITS[of.unit], i64::from(limit)),
                    until: instant(until),
                };
                assert_eq!(self.plain.limit_override(wanted, now), Ok(()), "{command:?}");
                self.model.override_limit(rule, user, i128::from(limit), until, at);
            }
            Command::Wait { millis } => self.at += millis,
            Command::Restart => {
                self.plain.restart(now);
                self.model.restart();
            }
            Command::Forget => {
                self.plain.forget_closed(now);
                self.model.forget(at);
            }
            Command::Rebudget { set } => self.rebudget(set),
        }
        self.compare();
    }

    /// Every account of an open window, and what would fit, as both see it.
    fn compare(&mut self) {
        let now = instant(self.at);
        let at = self.model.now(self.at);
        let balances = self.plain.balances(now);
        let mut seen = 0;
        for rule in &self.model.rules {
            let users = if rule.by_user { 0..USERS.len() } else { 0..1 };
            for user in users {
                let window = rule.span.start(at);
                let name = subject(rule, user);
                let ours = balances
                    .iter()
                    .find(|balance| balance.account.budget.as_str() == rule.name && balance.account.subject == name);
                let theirs = (self.model.spent(rule, user, window, at), self.model.held(rule, user, window));
                let value = |amount: Amount| i128::from(amount.value());
                if self.model.limit(rule, user, at) == NO_LIMIT {
                    assert_eq!(ours, None, "{}[{name}] has no limit, so it has no balance to show", rule.name);
                    continue;
                }
                let (spent, held) = ours.map_or((0, 0), |ours| (value(ours.spent), value(ours.held)));
                assert_eq!((spent, held), theirs, "spent and held of {}[{name}]", rule.name);
                if let Some(ours) = ours {
                    seen += 1;
                    assert_eq!(value(ours.limit), self.model.limit(rule, user, at), "limit of {}[{name}]", rule.name);
                    assert_eq!(ours.account.window, instant(window));
                }
            }
        }
        // A correction made while a budget of the same name counted everything together names the
        // subject "", which is also that of a user without letters: an account that no attempt touches.
        let nameless = |rule: &&Rule| {
            rule.by_user
                && balances.iter().any(|b| b.account.budget.as_str() == rule.name && b.account.subject.is_empty())
        };
        seen += self.model.rules.iter().filter(nameless).count();
        assert_eq!(seen, balances.len(), "a balance that the model does not know: {balances:?}");
        for (user, name) in USERS.iter().enumerate() {
            let ours = self.plain.headroom(&subjects(user), now);
            assert_eq!(fits(ours), self.model.fits(user, at), "headroom of {name}");
        }
    }

    /// The journal, replayed, gives the same balances.
    pub(crate) fn check(&mut self) {
        assert_eq!(self.plain.check(), Ok(()));
    }
}

const UNITS: [Unit; 3] = [Unit::Usd, Unit::Tokens, Unit::Retries];

pub(crate) fn budgets(rules: &[Rule]) -> Budgets {
    let budget = |rule: &Rule| Budget {
        name: rule.name.into(),
        scope: Scope::parse([if rule.by_user { "user" } else { "global" }]).expect("a scope"),
        limit: Amount::new(UNITS[rule.unit], i64::try_from(rule.limit).expect("a small limit")),
        window: match rule.span {
            Span::Hour => Window::Calendar { span: CalendarSpan::Hour, zone: Zone::utc() },
            Span::Day => Window::Calendar { span: CalendarSpan::Day, zone: Zone::utc() },
            Span::Rolling(millis) => Window::Rolling(Duration::from_millis(millis.unsigned_abs())),
        },
        on_full: if rule.warns { OnFull::Warn } else { OnFull::Refuse },
        applies: match rule.to {
            To::All => Applies::ToAll,
            To::Granted => Applies::Granted,
            To::Listed(list) => {
                let amount = |limit: i128| Amount::new(UNITS[rule.unit], i64::try_from(limit).expect("a small limit"));
                let limits = list.iter().map(|(user, limit)| (USERS[*user].to_owned(), amount(*limit)));
                Applies::Listed(Arc::new(limits.collect()))
            }
        },
    };
    Budgets::new(rules.iter().map(budget).collect()).expect("budgets")
}

pub(crate) fn subjects(user: usize) -> Arc<Subjects> {
    Arc::new(Subjects { user: Some(Name::new(USERS[user])), ..Subjects::default() })
}

fn subject(rule: &Rule, user: usize) -> String {
    if rule.by_user { USERS[user].to_owned() } else { String::new() }
}

pub(crate) fn instant(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

pub(crate) fn attempt(id: usize) -> AttemptId {
    AttemptId { request: RequestId::from_u128(u128::try_from(id).expect("a small id")), number: 1 }
}

pub(crate) fn demand(ask: Ask) -> Demand {
    Demand {
        usd: NanoUsd::new(i64::from(ask.usd)),
        tokens: Tokens::new(u64::from(ask.tokens)),
        requests: 1,
        retries: ask.retries,
    }
}

fn amounts(ask: Ask) -> [i128; 3] {
    [ask.usd, ask.tokens, ask.retries].map(i128::from)
}

fn fits(headroom: Headroom) -> [Option<i128>; 3] {
    [
        headroom.usd.map(|usd| i128::from(usd.get())),
        headroom.tokens.map(|tokens| i128::from(tokens.get())),
        headroom.retries.map(i128::from),
    ]
}

fn no(refusal: &Refusal, rules: &[Rule]) -> No {
    let value = |amount: Amount| i128::from(amount.value());
    No {
        reason: refusal.reason.word(),
        rule: rules.iter().find(|rule| rule.name == refusal.budget.as_str()).map_or("", |rule| rule.name),
        spent: value(refusal.spent),
        held: value(refusal.held),
        limit: value(refusal.limit),
        fits: fits(refusal.fits),
    }
}

fn word<T>(result: Result<T, LedgerError>) -> Result<T, &'static str> {
    result.map_err(|error| error.word())
}
