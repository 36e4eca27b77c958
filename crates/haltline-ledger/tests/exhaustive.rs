//! All sequences of commands up to a length, over small alphabets that are chosen so that every
//! rule has something to do.

use crate::model::{Rule, Span, To};
use crate::pair::{Ask, Command, Pair};

fn rule(name: &'static str, by_user: bool, unit: usize, limit: i128, span: Span) -> Rule {
    Rule { name, by_user, unit, limit, span, warns: false, to: To::All }
}

const fn usd(usd: u32) -> Ask {
    Ask { usd, tokens: 1, retries: 0 }
}

/// Every sequence of `length` commands, each on a pair of its own.
fn all(sets: &[Vec<Rule>], alphabet: &[Command], length: u32) {
    let count = alphabet.len().pow(length);
    for number in 0..count {
        let mut pair = Pair::new(sets.to_vec());
        let mut rest = number;
        for _ in 0..length {
            pair.run(alphabet[rest % alphabet.len()]);
            rest /= alphabet.len();
        }
        pair.check();
    }
}

#[test]
fn holds_and_outcomes() {
    let sets = [vec![rule("day", false, 0, 5, Span::Day), rule("user", true, 0, 3, Span::Hour)]];
    let alphabet = [
        Command::Hold { id: 0, user: 0, ask: usd(2) },
        Command::Hold { id: 1, user: 1, ask: usd(3) },
        Command::Hold { id: 2, user: 0, ask: usd(1) },
        Command::Settle { id: 0, cost: usd(1) },
        Command::Settle { id: 1, cost: usd(4) },
        Command::TrueUp { id: 1, ceiling: usd(1) },
        Command::Release { id: 0 },
        Command::Expire { id: 1 },
    ];
    all(&sets, &alphabet, 5);
}

#[test]
fn windows_and_clocks() {
    let sets = [vec![
        rule("rolling", false, 0, 4, Span::Rolling(3_600_000)),
        rule("hour", true, 0, 3, Span::Hour),
        rule("retries", true, 2, 1, Span::Hour),
    ]];
    let alphabet = [
        Command::Hold { id: 0, user: 0, ask: usd(2) },
        Command::Hold { id: 1, user: 0, ask: Ask { usd: 1, tokens: 0, retries: 1 } },
        Command::Settle { id: 0, cost: usd(2) },
        Command::Settle { id: 1, cost: Ask { usd: 3, tokens: 0, retries: 1 } },
        Command::Adjust { rule: 0, user: 0, delta: -1 },
        Command::Wait { millis: 30 * 60_000 },
        Command::Wait { millis: 61 * 60_000 },
        Command::Wait { millis: -40 * 60_000 },
        Command::Forget,
    ];
    all(&sets, &alphabet, 5);
}

#[test]
fn corrections_and_new_budgets() {
    let sets = [
        vec![rule("day", false, 0, 4, Span::Day)],
        vec![rule("day", false, 0, 2, Span::Day), rule("user", true, 0, 2, Span::Rolling(3_600_000))],
        vec![rule("day", true, 1, 3, Span::Hour)],
    ];
    let alphabet = [
        Command::Hold { id: 0, user: 0, ask: usd(2) },
        Command::Hold { id: 1, user: 1, ask: usd(1) },
        Command::Settle { id: 0, cost: usd(3) },
        Command::Expire { id: 1 },
        Command::Adjust { rule: 0, user: 0, delta: 1 },
        Command::Adjust { rule: 0, user: 0, delta: -2 },
        Command::Override { rule: 0, user: None, limit: 6, minutes: 30 },
        Command::Wait { millis: 45 * 60_000 },
        Command::Rebudget { set: 0 },
        Command::Rebudget { set: 1 },
        Command::Rebudget { set: 2 },
    ];
    all(&sets, &alphabet, 4);
}

#[test]
fn limits_of_some_subjects() {
    let listed = |list| Rule { to: To::Listed(list), ..rule("listed", true, 0, 3, Span::Hour) };
    let granted = Rule { to: To::Granted, ..rule("granted", true, 1, 3, Span::Day) };
    let sets = [
        vec![listed(&[(0, 3)]), rule("all", false, 0, 9, Span::Day)],
        vec![listed(&[(0, 2), (1, 1)]), rule("all", false, 0, 9, Span::Day)],
        vec![listed(&[(1, 2)]), granted],
    ];
    let alphabet = [
        Command::Hold { id: 0, user: 0, ask: usd(2) },
        Command::Hold { id: 1, user: 1, ask: usd(2) },
        Command::Settle { id: 0, cost: usd(3) },
        Command::Expire { id: 1 },
        Command::Override { rule: 1, user: Some(1), limit: 2, minutes: 30 },
        Command::Override { rule: 0, user: None, limit: 1, minutes: 50 },
        Command::Wait { millis: 45 * 60_000 },
        Command::Rebudget { set: 0 },
        Command::Rebudget { set: 1 },
        Command::Rebudget { set: 2 },
    ];
    all(&sets, &alphabet, 4);
}
