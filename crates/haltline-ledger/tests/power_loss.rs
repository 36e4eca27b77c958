//! Power loss at random moments: nothing that was spent may come back as headroom, and what is
//! lost is bounded.

use crate::model::{Rule, Span, To};
use crate::pair::{Ask, START, USERS, attempt, budgets, demand, instant, subjects};
use crate::random::wait;
use haltline_ledger::scenario::{Bench, Plain};
use haltline_ledger::{AccountId, Balance, Budgets, Entry, EntryKind, Hold, Ledger};
use haltline_types::Timestamp;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug)]
enum Step {
    Hold { id: usize, user: usize, ask: Ask },
    Settle { id: usize, cost: Ask },
    TrueUp { id: usize, ceiling: Ask },
    Release { id: usize },
    Expire { id: usize },
    Wait { millis: i64 },
    Sync,
    Trim,
}

fn rules(set: usize) -> Vec<Rule> {
    let rule = |name, by_user, unit, limit, span| Rule { name, by_user, unit, limit, span, warns: false, to: To::All };
    let minute = 60_000;
    match set {
        0 => vec![
            rule("day", false, 0, 50_000, Span::Day),
            rule("user", true, 0, 20_000, Span::Rolling(60 * minute)),
            rule("tokens", true, 1, 30_000, Span::Hour),
        ],
        1 => vec![rule("hour", true, 0, 9_000, Span::Hour), rule("all", false, 1, 60_000, Span::Rolling(60 * minute))],
        2 => vec![
            rule("new", true, 0, 15_000, Span::Day),
            rule("day", true, 1, 40_000, Span::Day),
            rule("brief", false, 0, 40_000, Span::Rolling(5 * minute)),
        ],
        3 => vec![
            rule("fresh", false, 0, 70_000, Span::Rolling(24 * 60 * minute)),
            rule("tokens", false, 1, 70_000, Span::Hour),
        ],
        // Budgets of some subjects, the only ones of their unit; and then with limits for others.
        4 => vec![
            Rule { to: To::Listed(&[(0, 9_000), (1, 700)]), ..rule("listed", true, 0, 9_000, Span::Hour) },
            Rule { to: To::Listed(&[(2, 5_000)]), ..rule("few", true, 1, 5_000, Span::Rolling(60 * minute)) },
        ],
        _ => vec![
            Rule { to: To::Listed(&[(0, 4_000), (2, 9_000)]), ..rule("listed", true, 0, 9_000, Span::Hour) },
            Rule { to: To::Listed(&[(0, 15_000), (2, 9_000)]), ..rule("later", true, 0, 9_000, Span::Day) },
            rule("few", true, 1, 20_000, Span::Rolling(60 * minute)),
        ],
    }
}

/// Some within the leases, some far above.
fn ask() -> impl Strategy<Value = Ask> {
    let count = || prop_oneof![3 => 0..60_u32, 1 => 0..6_000_u32];
    (count(), count()).prop_map(|(usd, tokens)| Ask { usd, tokens, retries: 0 })
}

fn step() -> impl Strategy<Value = Step> {
    let id = || 0..16_usize;
    prop_oneof![
        8 => (id(), 0..USERS.len(), ask()).prop_map(|(id, user, ask)| Step::Hold { id, user, ask }),
        4 => (id(), ask()).prop_map(|(id, cost)| Step::Settle { id, cost }),
        1 => (id(), ask()).prop_map(|(id, ceiling)| Step::TrueUp { id, ceiling }),
        1 => id().prop_map(|id| Step::Release { id }),
        1 => id().prop_map(|id| Step::Expire { id }),
        3 => wait().prop_map(|millis| Step::Wait { millis }),
        1 => Just(Step::Sync),
        1 => Just(Step::Trim),
    ]
}

/// A node that runs until its power is lost.
struct Node {
    plain: Plain,
    at: i64,
    /// The most that each account had spent and held since its mark was last trimmed.
    peaks: BTreeMap<AccountId, i64>,
}

impl Node {
    fn new(rules: &[Rule]) -> Self {
        let mut plain = Plain::default();
        plain.rebudget(budgets(rules), instant(START));
        Self { plain, at: START, peaks: BTreeMap::new() }
    }

    fn run(&mut self, step: Step) {
        let now = instant(self.at);
        match step {
            Step::Hold { id, user, ask } => {
                let (subjects, expires) = (subjects(user), instant(self.at + 600_000));
                let _ = self.plain.hold(&Hold { id: attempt(id), at: now, subjects, ceiling: demand(ask), expires });
            }
            Step::Settle { id, cost } => {
                let _ = self.plain.settle(attempt(id), now, demand(cost));
            }
            Step::TrueUp { id, ceiling } => {
                let _ = self.plain.true_up(attempt(id), now, demand(ceiling));
            }
            Step::Release { id } => {
                let _ = self.plain.release(attempt(id), now);
            }
            Step::Expire { id } => {
                let _ = self.plain.expire(attempt(id), now);
            }
            Step::Wait { millis } => self.at += millis,
            Step::Sync => self.plain.sync(),
            Step::Trim => {
                self.plain.trim(now);
                self.peaks.clear();
            }
        }
        // Not at `now`: a clock that went back shows windows that it had left.
        for balance in self.plain.balances(instant(self.at)) {
            let peak = self.peaks.entry(balance.account.clone()).or_default();
            *peak = (*peak).max(used(&balance));
        }
    }
}

fn used(balance: &Balance) -> i64 {
    balance.spent.value() + balance.held.value()
}

fn replay(journal: &[Entry], budgets: &Budgets) -> Ledger {
    let mut ledger = Ledger::new(budgets.clone());
    for entry in journal {
        ledger.apply(entry).expect("a journal");
    }
    ledger
}

/// Starts again in another boot with what is left of a journal.
fn recover(left: &[Entry], budgets: &Budgets, at: Timestamp) -> Vec<Entry> {
    let mut journal = left.to_vec();
    journal.extend(replay(left, budgets).recoveries(at));
    journal
}

fn expire_all(ledger: &mut Ledger, at: Timestamp) {
    let open: Vec<_> = ledger.open_holds().map(|hold| hold.id).collect();
    for id in open {
        let entry = ledger.expire(id, at).expect("it is open");
        ledger.apply(&entry).expect("it is decided");
    }
}

fn assert_covers(recovered: &Ledger, truth: &Ledger, at: Timestamp) {
    let recovered: BTreeMap<_, _> =
        recovered.balances(at).into_iter().map(|balance| (balance.account.clone(), used(&balance))).collect();
    for balance in truth.balances(at) {
        let have = recovered.get(&balance.account).copied().unwrap_or(0);
        assert!(have >= used(&balance), "{} has {have}, but {} was spent", balance.account, used(&balance));
    }
}

/// No more room than there truly is, for anyone.
fn assert_no_more_room(recovered: &Ledger, truth: &Ledger, at: Timestamp) {
    for (user, name) in USERS.iter().enumerate() {
        let (ours, true_room) = (recovered.headroom(&subjects(user), at), truth.headroom(&subjects(user), at));
        assert!(ours.usd <= true_room.usd, "{name}: {ours:?} instead of {true_room:?}");
        assert!(ours.tokens <= true_room.tokens, "{name}: {ours:?} instead of {true_room:?}");
    }
}

/// Where the power is lost, and for how long; where it is lost again, while the recovery is written.
#[derive(Clone, Copy, Debug)]
struct Loss {
    kept: usize,
    outage: i64,
    again: Option<usize>,
    later: i64,
    set: usize,
    new_set: usize,
}

fn loss() -> impl Strategy<Value = Loss> {
    let again = proptest::option::of(0..6_usize);
    let (set, new_set) = (prop_oneof![Just(0), Just(1), Just(4)], 2..6_usize);
    (0..40_usize, prop_oneof![2 => Just(0), 1 => 0..7_200_000_i64], again, 0..7_200_000_i64, set, new_set)
        .prop_map(|(kept, outage, again, later, set, new_set)| Loss { kept, outage, again, later, set, new_set })
}

/// Runs a node, takes its power, and compares what it recovers with what was true.
fn lose_power_after(steps: &[Step], loss: Loss) {
    let old = budgets(&rules(loss.set));
    let mut node = Node::new(&rules(loss.set));
    for step in steps {
        node.run(*step);
    }
    let written = node.plain.journal();
    let mut at = node.plain.ledger().now().max(instant(node.at)).as_millis();

    let kept = node.plain.synced() + loss.kept % (written.len() - node.plain.synced() + 1);
    at += loss.outage;
    let mut journal = recover(&written[..kept], &old, instant(at));
    if let Some(again) = loss.again {
        at += 1;
        let torn = kept + again % (journal.len() - kept + 1);
        journal = recover(&journal[..torn], &old, instant(at));
    }

    let now = instant(at);
    let (mut recovered, mut truth) = (replay(&journal, &old), replay(written, &old));
    assert_eq!(recovered.check(), Ok(()));
    assert_covers(&recovered, &truth, now);
    for balance in recovered.balances(now) {
        let peak = node.peaks.get(&balance.account).copied().unwrap_or(0);
        let lease = balance.limit.value() / 100;
        assert!(used(&balance) <= peak + lease, "{} has {}, peak {peak}", balance.account, used(&balance));
    }
    let later = instant(at + loss.later);
    expire_all(&mut recovered, now);
    expire_all(&mut truth, now);
    assert_covers(&recovered, &truth, later);

    let new = budgets(&rules(loss.new_set));
    let (mut recovered, mut truth) = (replay(&journal, &new), replay(written, &new));
    assert_no_more_room(&recovered, &truth, now);
    expire_all(&mut recovered, now);
    expire_all(&mut truth, now);
    assert_no_more_room(&recovered, &truth, later);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4 * ProptestConfig::default().cases, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_spent_stays_spent(steps in proptest::collection::vec(step(), 1..80), loss in loss()) {
        lose_power_after(&steps, loss);
    }
}

/// Every case that ever showed something.
#[test]
fn what_was_spent_stays_spent_where_it_once_did_not() {
    let hold = |millis, tokens| {
        let hold = Step::Hold { id: 0, user: 0, ask: Ask { usd: 0, tokens, retries: 0 } };
        [Step::Wait { millis }, hold]
    };
    let cost = Ask { usd: 0, tokens: 20, retries: 0 };
    let loss = Loss { kept: 0, outage: 0, again: None, later: 0, set: 0, new_set: 2 };
    // A trim that has nothing to write, at the instant at which the hour ends; then the clock goes
    // back into that hour.
    let (to_the_hour, back) = ([Step::Wait { millis: 106_475 }, Step::Trim], [Step::Wait { millis: -2 }]);
    let open = [&hold(32_293_525, 1)[..], &to_the_hour, &back].concat();
    // The same with a mark that a trim in the hour would have lowered.
    let closed = [&hold(32_293_525, 5_000)[..], &[Step::Settle { id: 0, cost }], &to_the_hour, &back].concat();
    for steps in [open, closed] {
        println!("{steps:?}");
        lose_power_after(&steps, loss);
    }
}

#[test]
fn a_recovery_that_is_torn_goes_on_from_where_the_journal_broke_off() {
    let old = budgets(&rules(0));
    let mut node = Node::new(&rules(0));
    // 10:59:59, a second before the hour of the token budget is over.
    node.run(Step::Wait { millis: 3_599_000 });
    let ask = Ask { usd: 100, tokens: 100, retries: 0 };
    node.run(Step::Hold { id: 0, user: 0, ask });
    node.run(Step::Settle { id: 0, cost: ask });
    let written = node.plain.journal();
    let recovered = |journal: &[Entry]| -> BTreeMap<AccountId, i64> {
        let kinds = journal.iter().map(|entry| &entry.kind);
        let recoveries = kinds.filter_map(|kind| match kind {
            EntryKind::Recover { account, amount } => Some((account.clone(), amount.value())),
            _ => None,
        });
        recoveries.filter(|(_, amount)| *amount > 0).collect()
    };

    let whole = recover(written, &old, instant(START + 3_601_000));
    assert_eq!(recovered(&whole).values().copied().collect::<Vec<_>>(), [500, 300, 200]);
    for kept in written.len()..=whole.len() {
        let again = recover(&whole[..kept], &old, instant(START + 3_602_000));
        assert_eq!(recovered(&again), recovered(&whole), "torn after {kept} entries");
    }
}

#[test]
fn right_after_a_trim_no_account_loses_more_than_a_lease() {
    let mut node = Node::new(&rules(0));
    for id in 0..200 {
        let ask = Ask { usd: 90, tokens: 90, retries: 0 };
        node.run(Step::Hold { id, user: id % 3, ask });
        node.run(Step::Settle { id, cost: Ask { usd: 20, ..ask } });
        node.run(Step::Wait { millis: 40_000 });
    }
    node.run(Step::Trim);
    let now = node.plain.ledger().now();
    let before: BTreeMap<_, _> = node.plain.balances(now).into_iter().map(|b| (b.account.clone(), used(&b))).collect();
    node.plain.lose_power(now);
    let after = node.plain.balances(now);
    assert!(!after.is_empty());
    for balance in after {
        let lost = used(&balance) - before[&balance.account];
        assert!((0..=balance.limit.value() / 100).contains(&lost), "{} lost {lost}", balance.account);
    }
    assert!(node.plain.journal().iter().any(|entry| matches!(entry.kind, EntryKind::Recover { .. })));
}

#[test]
fn few_holds_need_a_mark() {
    let mut node = Node::new(&rules(0));
    for id in 0..400 {
        node.run(Step::Hold { id, user: 0, ask: Ask { usd: 10, tokens: 10, retries: 0 } });
        node.run(Step::Settle { id, cost: Ask { usd: 10, tokens: 10, retries: 0 } });
    }
    let marks = node.plain.journal().iter().filter(|entry| matches!(entry.kind, EntryKind::Mark { .. })).count();
    assert!((20..90).contains(&marks), "{marks} marks for 400 holds in 3 accounts");
}
