//! A journal that is cut at the horizon says the same of every window that is or could be open.

use crate::model::{Rule, Span, To};
use crate::pair::{Ask, START, USERS, attempt, budgets, demand, instant, subjects};
use haltline_ledger::scenario::{Bench, Limit, Plain};
use haltline_ledger::{AccountId, Balance, Budgets, Entry, EntryKind, Hold, Ledger, LedgerError};
use haltline_types::{Amount, Timestamp, Unit};
use proptest::prelude::*;
use std::collections::BTreeMap;

const DAY: i64 = 86_400_000;

fn rules(set: usize) -> Vec<Rule> {
    let rule = |name, by_user, span| Rule { name, by_user, unit: 0, limit: 100_000, span, warns: false, to: To::All };
    match set {
        0 => vec![rule("day", false, Span::Day), rule("long", true, Span::Rolling(31 * DAY))],
        _ => vec![rule("hour", true, Span::Hour), rule("longest", false, Span::Rolling(31 * DAY))],
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Hold { id: usize, user: usize, usd: u32 },
    Settle { id: usize, usd: u32 },
    Override { limit: u32, days: i64 },
    Adjust { usd: u32 },
    Wait { millis: i64 },
    LosePower,
    Trim,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..8_usize, 0..USERS.len(), 0..3_000_u32).prop_map(|(id, user, usd)| Step::Hold { id, user, usd }),
        5 => (0..8_usize, 0..3_000_u32).prop_map(|(id, usd)| Step::Settle { id, usd }),
        1 => (1..200_000_u32, 1..31_i64).prop_map(|(limit, days)| Step::Override { limit, days }),
        1 => (0..500_u32).prop_map(|usd| Step::Adjust { usd }),
        6 => prop_oneof![0..DAY, 0..10 * DAY].prop_map(|millis| Step::Wait { millis }),
        1 => Just(Step::LosePower),
        2 => Just(Step::Trim),
    ]
}

fn run(plain: &mut Plain, at: &mut i64, step: Step) {
    let now = instant(*at);
    match step {
        Step::Hold { id, user, usd } => {
            let ceiling = demand(Ask { usd, tokens: 0, retries: 0 });
            let _ = plain.hold(&Hold { id: attempt(id), at: now, subjects: subjects(user), ceiling, expires: now });
        }
        Step::Settle { id, usd } => {
            let done = plain.settle(attempt(id), now, demand(Ask { usd, tokens: 0, retries: 0 }));
            if matches!(done, Err(LedgerError::Lost(_))) {
                plain.expire(attempt(id), now).expect("what is lost can expire");
            }
        }
        Step::Override { limit, days } => {
            let limit = Amount::new(Unit::Usd, i64::from(limit));
            let until = instant(plain.ledger().now().max(now).as_millis() + days * DAY);
            plain.limit_override(Limit { budget: "day".into(), subject: None, limit, until }, now).expect("in range");
        }
        Step::Adjust { usd } => {
            let account = AccountId { budget: "long".into(), subject: USERS[0].to_owned(), window: instant(0) };
            plain.adjust(account, Amount::new(Unit::Usd, i64::from(usd)), now).expect("it only adds");
        }
        Step::Wait { millis } => *at += millis,
        Step::LosePower => plain.lose_power(now),
        Step::Trim => plain.trim(now),
    }
}

/// As a store replays a journal that is cut: ends of holds that lie before the cut are passed over.
fn replay<'a>(journal: impl Iterator<Item = &'a Entry>, budgets: Budgets) -> Ledger {
    let mut ledger = Ledger::new(budgets);
    for entry in journal {
        match ledger.apply(entry) {
            Ok(_) | Err(LedgerError::UnknownHold(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    ledger
}

fn shown(ledger: &Ledger, at: Timestamp) -> (Vec<Balance>, Vec<Option<i64>>) {
    let room = |user| ledger.headroom(&subjects(user), at).usd.map(haltline_types::NanoUsd::get);
    (ledger.balances(at), (0..USERS.len()).map(room).collect())
}

/// What a power loss would charge.
fn charged(ledger: &Ledger, at: Timestamp) -> BTreeMap<AccountId, i64> {
    let charge = |entry: Entry| match entry.kind {
        EntryKind::Recover { account, amount } => (account, amount.value()),
        other => panic!("{other:?} is no recovery"),
    };
    ledger.recoveries(at).into_iter().map(charge).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_matters_lies_before_the_horizon(steps in proptest::collection::vec(step(), 1..120)) {
        let mut plain = Plain::default();
        plain.rebudget(budgets(&rules(0)), instant(START));
        let mut at = START;
        for step in steps {
            run(&mut plain, &mut at, step);
        }
        let now = plain.ledger().now().max(instant(at));
        plain.trim(now);
        let horizon = plain.ledger().horizon(now);
        for set in 0..2 {
            let budgets = budgets(&rules(set));
            let whole = replay(plain.journal().iter(), budgets.clone());
            let cut = replay(plain.journal().iter().filter(|entry| entry.at >= horizon), budgets);
            prop_assert_eq!(shown(&cut, now), shown(&whole, now));
            if set == 0 {
                let (cut, whole) = (charged(&cut, now), charged(&whole, now));
                let value = |of: &BTreeMap<AccountId, i64>, account| of.get(account).copied().unwrap_or(0);
                for account in cut.keys().chain(whole.keys()) {
                    // A closed window that an open hold touches may miss what was settled in it,
                    // and is charged more.
                    let is_closed = account.window != instant(0) && account.window.as_millis() + DAY <= now.as_millis();
                    let (ours, true_charge) = (value(&cut, account), value(&whole, account));
                    prop_assert!(ours == true_charge || (is_closed && ours > true_charge), "{}", account);
                }
            }
        }
    }

    #[test]
    fn forgetting_changes_no_answer(steps in proptest::collection::vec(step(), 1..120)) {
        let mut plain = Plain::default();
        plain.rebudget(budgets(&rules(0)), instant(START));
        let mut at = START;
        for step in steps {
            run(&mut plain, &mut at, step);
        }
        let now = plain.ledger().now().max(instant(at));
        let before = shown(plain.ledger(), now);
        plain.forget_closed(now);
        prop_assert_eq!(shown(plain.ledger(), now), before);
        prop_assert_eq!(plain.check(), Ok(()));
    }
}

#[test]
fn marks_that_stay_right_for_long_are_written_again() {
    let mut plain = Plain::default();
    plain.rebudget(budgets(&rules(0)), instant(START));
    let mut at = START;
    // Spends evenly, so that after a month what leaves is what comes, always within one lease.
    for id in 0..100 {
        run(&mut plain, &mut at, Step::Hold { id, user: 0, usd: 100 });
        run(&mut plain, &mut at, Step::Settle { id, usd: 100 });
        run(&mut plain, &mut at, Step::Trim);
        run(&mut plain, &mut at, Step::Wait { millis: DAY });
    }
    let now = plain.ledger().now();
    let horizon = plain.ledger().horizon(now);
    let account = AccountId { budget: "long".into(), subject: USERS[0].to_owned(), window: instant(0) };
    let whole = charged(&replay(plain.journal().iter(), budgets(&rules(0))), now);
    let cut = charged(&replay(plain.journal().iter().filter(|entry| entry.at >= horizon), budgets(&rules(0))), now);
    assert!(whole[&account] > 0);
    assert_eq!(cut[&account], whole[&account]);
}
