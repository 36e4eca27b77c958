//! Long random runs against the model: clocks that step, restarts, new budgets.

use crate::model::{Rule, Span, To};
use crate::pair::{Ask, Command, Pair, USERS};
use proptest::prelude::*;

pub(crate) fn ask() -> impl Strategy<Value = Ask> {
    (0..40_u32, 0..40_u32, 0..3_u32).prop_map(|(usd, tokens, retries)| Ask { usd, tokens, retries: retries / 2 })
}

fn command() -> impl Strategy<Value = Command> {
    let id = || 0..12_usize;
    let user = || 0..USERS.len();
    prop_oneof![
        8 => (id(), user(), ask()).prop_map(|(id, user, ask)| Command::Hold { id, user, ask }),
        4 => (id(), ask()).prop_map(|(id, cost)| Command::Settle { id, cost }),
        2 => (id(), ask()).prop_map(|(id, ceiling)| Command::TrueUp { id, ceiling }),
        1 => id().prop_map(|id| Command::Release { id }),
        1 => id().prop_map(|id| Command::Expire { id }),
        1 => (0..4_usize, user(), -30..30_i32).prop_map(|(rule, user, delta)| Command::Adjust { rule, user, delta }),
        1 => (0..4_usize, proptest::option::of(user()), 0..200_u32, 0..300_u32)
            .prop_map(|(rule, user, limit, minutes)| Command::Override { rule, user, limit, minutes }),
        4 => wait().prop_map(|millis| Command::Wait { millis }),
        1 => Just(Command::Restart),
        1 => Just(Command::Forget),
        1 => (0..6_usize).prop_map(|set| Command::Rebudget { set }),
    ]
}

/// Mostly small steps; now and then a leap, or a step back.
pub(crate) fn wait() -> impl Strategy<Value = i64> {
    prop_oneof![6 => 0..120_000_i64, 3 => 0..7_200_000_i64, 1 => 0..200_000_000_i64, 2 => -600_000..0_i64]
}

pub(crate) fn sets() -> Vec<Vec<Rule>> {
    let rule = |name, by_user, unit, limit, span| Rule { name, by_user, unit, limit, span, warns: false, to: To::All };
    let minute = 60_000;
    vec![
        vec![
            rule("day", false, 0, 200, Span::Day),
            rule("user", true, 0, 90, Span::Rolling(61 * minute)),
            rule("tokens", true, 1, 120, Span::Hour),
            rule("retries", true, 2, 2, Span::Hour),
        ],
        vec![rule("day", false, 0, 60, Span::Day), rule("tokens", false, 1, 300, Span::Rolling(24 * 60 * minute))],
        vec![
            rule("user", false, 0, 150, Span::Rolling(minute)),
            Rule { warns: true, ..rule("watch", true, 0, 10, Span::Day) },
        ],
        vec![rule("day", true, 1, 100, Span::Hour), rule("tokens", true, 0, 100, Span::Day)],
        // Limits of some subjects only; twice the same accounts, so that only limits change.
        vec![
            rule("day", false, 0, 300, Span::Day),
            Rule { to: To::Listed(&[(0, 60), (2, 25)]), ..rule("listed", true, 0, 60, Span::Hour) },
            Rule { to: To::Granted, ..rule("granted", true, 1, 100, Span::Rolling(61 * minute)) },
            Rule { to: To::Listed(&[(1, 1)]), ..rule("retries", true, 2, 1, Span::Hour) },
        ],
        vec![
            rule("day", false, 0, 150, Span::Day),
            Rule { to: To::Listed(&[(0, 30), (1, 90)]), ..rule("listed", true, 0, 90, Span::Hour) },
            rule("granted", true, 1, 100, Span::Rolling(61 * minute)),
            rule("retries", true, 2, 2, Span::Hour),
        ],
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_ledger_is_of_one_mind_with_the_model(commands in proptest::collection::vec(command(), 1..150)) {
        let mut pair = Pair::new(sets());
        for command in commands {
            pair.run(command);
        }
        pair.check();
    }
}
