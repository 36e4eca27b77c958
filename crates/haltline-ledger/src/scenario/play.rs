//! Plays the rows of a file on a bench and compares what comes of each.

use super::row::{Words, amount, amount_of, instant};
use super::{Bench, Limit};
use crate::{AccountId, Budget, Budgets, Headroom, Hold, LedgerError, Refusal, Settled};
use haltline_types::{Amount, AttemptId, Demand, Name, RequestId, Timestamp, Unit};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A row that did not come out as it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The scenario.
    pub scenario: String,
    /// The row's number in the file, from 1.
    pub line: usize,
    /// The row.
    pub row: String,
    /// What came instead.
    pub why: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} of \"{}\": {}\n    {}", self.line, self.scenario, self.row, self.why)
    }
}

/// Plays a file, each scenario on a bench of its own. Returns how many scenarios there were.
///
/// # Errors
/// The first failure of each scenario that has one.
pub fn play<B: Bench>(file: &str, mut bench: impl FnMut() -> B) -> Result<usize, Vec<Failure>> {
    let mut failures = Vec::new();
    let mut count = 0;
    let mut player: Option<Player<B>> = None;
    for (index, row) in file.lines().enumerate() {
        if let Some(title) = row.strip_prefix("scenario ") {
            count += 1;
            player = Some(Player::new(title.trim().to_owned(), bench()));
            continue;
        }
        let Some(playing) = player.as_mut() else { continue };
        if let Err(why) = playing.row(row) {
            let scenario = playing.title.clone();
            failures.push(Failure { scenario, line: index + 1, row: row.to_owned(), why });
            player = None;
        }
    }
    if failures.is_empty() { Ok(count) } else { Err(failures) }
}

struct Player<B> {
    title: String,
    bench: B,
    now: Timestamp,
    /// Budgets that are stated and not in force yet.
    stated: Vec<Budget>,
    in_force: Budgets,
    attempts: BTreeMap<String, (AttemptId, Demand)>,
}

/// How long a hold lasts in scenarios, in which nothing expires by itself.
const HOLD_LASTS: Duration = Duration::from_secs(600);

impl<B: Bench> Player<B> {
    fn new(title: String, bench: B) -> Self {
        let (now, stated, in_force) = (Timestamp::default(), Vec::new(), Budgets::none());
        Self { title, bench, now, stated, in_force, attempts: BTreeMap::new() }
    }

    fn row(&mut self, row: &str) -> Result<(), String> {
        let (mut step, mut outcome) = Words::of_row(row);
        let Some(verb) = step.next() else { return Ok(()) };
        match verb {
            "budget" => self.stated.push(step.budget()?),
            "at" => self.now = instant(step.word("the time")?, self.now)?,
            "rebudget" => self.stated.clear(),
            _ => {
                self.put_in_force()?;
                self.act(verb, &mut step, &mut outcome)?;
            }
        }
        step.end()?;
        outcome.end()
    }

    fn put_in_force(&mut self) -> Result<(), String> {
        if self.stated.is_empty() {
            return Ok(());
        }
        let budgets = Budgets::new(std::mem::take(&mut self.stated)).map_err(|errors| format!("{errors:?}"))?;
        self.in_force = budgets.clone();
        self.bench.rebudget(budgets, self.now);
        Ok(())
    }

    fn act(&mut self, verb: &str, step: &mut Words<'_>, outcome: &mut Words<'_>) -> Result<(), String> {
        let at = self.now;
        match verb {
            "hold" => self.hold(step, outcome),
            "true-up" => {
                let (id, held) = self.attempt(step)?;
                let ceiling = step.demand(held)?;
                plain(self.bench.true_up(id, at, ceiling), outcome)
            }
            "settle" => {
                let (id, held) = self.attempt(step)?;
                let cost = step.demand(Demand { requests: held.requests, retries: held.retries, ..Demand::ZERO })?;
                settled(self.bench.settle(id, at, cost), outcome)
            }
            "release" => {
                let (id, _) = self.attempt(step)?;
                plain(self.bench.release(id, at), outcome)
            }
            "expire" => {
                let (id, _) = self.attempt(step)?;
                settled(self.bench.expire(id, at), outcome)
            }
            "adjust" => {
                let account = self.account(step)?;
                let delta = amount(step.needed("delta")?)?;
                plain(self.bench.adjust(account, delta, at), outcome)
            }
            "override" => {
                let budget = Name::new(step.word("the budget")?);
                let subject = step.field("subject").map(str::to_owned);
                let limit = amount(step.needed("limit")?)?;
                let until = instant(step.needed("until")?, at)?;
                plain(self.bench.limit_override(Limit { budget, subject, limit, until }, at), outcome)
            }
            "balance" => self.balance(step),
            "headroom" => headroom(self.bench.headroom(&step.subjects(), at), outcome),
            "forget" => {
                self.bench.forget_closed(at);
                Ok(())
            }
            "restart" => {
                self.bench.restart(at);
                Ok(())
            }
            "sync" => {
                self.bench.sync();
                Ok(())
            }
            "lose-power" => {
                self.bench.lose_power(at);
                Ok(())
            }
            "check" => self.bench.check(),
            other => Err(format!("`{other}` is not a step")),
        }
    }

    fn hold(&mut self, step: &mut Words<'_>, outcome: &mut Words<'_>) -> Result<(), String> {
        let name = step.word("the attempt")?;
        let number = u128::try_from(self.attempts.len()).map_err(|error| error.to_string())?;
        let known = self.attempts.get(name).map(|(id, _)| *id);
        let id = known.unwrap_or(AttemptId { request: RequestId::from_u128(number), number: 1 });
        let subjects = Arc::new(step.subjects());
        let ceiling = step.demand(Demand { requests: 1, ..Demand::ZERO })?;
        self.attempts.entry(name.to_owned()).or_insert((id, ceiling));
        let expires = self.now.saturating_add(HOLD_LASTS);
        let result = self.bench.hold(&Hold { id, at: self.now, subjects, ceiling, expires });
        match (outcome.word("the outcome")?, result) {
            ("ok", Ok(())) => Ok(()),
            ("refused", Err(refusal)) => refused(&refusal, outcome),
            (_, Ok(())) => Err(String::from("it was given")),
            (_, Err(refusal)) => Err(format!("it was refused: {refusal}")),
        }
    }

    fn attempt(&self, step: &mut Words<'_>) -> Result<(AttemptId, Demand), String> {
        let name = step.word("the attempt")?;
        let nobody = (AttemptId { request: RequestId::from_u128(u128::MAX), number: 1 }, Demand::ZERO);
        Ok(self.attempts.get(name).copied().unwrap_or(nobody))
    }

    /// `BUDGET [SUBJECT] [window=]`; without a window the one that is open.
    fn account(&self, step: &mut Words<'_>) -> Result<AccountId, String> {
        let budget = Name::new(step.word("the budget")?);
        let subject = step.next().unwrap_or_default().to_owned();
        let open = self.in_force.find(&budget).and_then(|(_, budget)| budget.window.span_at(self.now));
        let window = match step.field("window") {
            Some(text) => instant(text, self.now)?,
            None => open.map_or(Timestamp::default(), |span| span.start),
        };
        Ok(AccountId { budget, subject, window })
    }

    fn balance(&mut self, step: &mut Words<'_>) -> Result<(), String> {
        let account = self.account(step)?;
        let Some((_, budget)) = self.in_force.find(&account.budget) else {
            return Err(format!("there is no budget {}", account.budget));
        };
        let nothing = Amount::zero(budget.unit());
        let found = self.bench.balances(self.now).into_iter().find(|balance| balance.account == account);
        step.compare("spent", found.as_ref().map_or(nothing, |balance| balance.spent))?;
        step.compare("held", found.as_ref().map_or(nothing, |balance| balance.held))?;
        let Some(found) = found else { return Ok(()) };
        step.compare("limit", found.limit)?;
        step.compare_text("resets", &shown(found.resets_at))
    }
}

fn shown(resets_at: Option<Timestamp>) -> String {
    resets_at.map_or(String::from("never"), |at| at.to_string())
}

fn plain(result: Result<(), LedgerError>, outcome: &mut Words<'_>) -> Result<(), String> {
    match (outcome.word("the outcome")?, result) {
        ("ok", Ok(())) => Ok(()),
        ("error", Err(error)) => expect_word(outcome, error.word()),
        (_, Ok(())) => Err(String::from("it was done")),
        (_, Err(error)) => Err(format!("{error}")),
    }
}

fn settled(result: Result<Settled, LedgerError>, outcome: &mut Words<'_>) -> Result<(), String> {
    let settled = match result {
        Ok(settled) => settled,
        Err(error) => return plain(Err(error), outcome),
    };
    let word = if settled.overran { "overran" } else { "ok" };
    expect_word(outcome, word)?;
    outcome.compare("usd", Amount::usd(settled.cost.usd))?;
    match settled.cost.of(Unit::Tokens) {
        Some(tokens) => outcome.compare("tokens", tokens),
        None => Err(String::from("the tokens do not fit")),
    }
}

fn refused(refusal: &Refusal, outcome: &mut Words<'_>) -> Result<(), String> {
    expect_word(outcome, refusal.reason.word())?;
    outcome.compare_text("budget", &refusal.budget)?;
    outcome.compare_text("subject", &refusal.subject)?;
    outcome.compare_text("scope", &refusal.scope.to_string())?;
    outcome.compare("asked", refusal.asked)?;
    outcome.compare("spent", refusal.spent)?;
    outcome.compare("held", refusal.held)?;
    outcome.compare("limit", refusal.limit)?;
    outcome.compare_text("resets", &shown(refusal.resets_at))?;
    if let Some(expected) = outcome.field("fits") {
        compare_room("fits", refusal.limit.unit(), expected, refusal.fits)?;
    }
    Ok(())
}

fn headroom(headroom: Headroom, outcome: &mut Words<'_>) -> Result<(), String> {
    for unit in Unit::ALL {
        if let Some(expected) = outcome.field(unit.word()) {
            compare_room(unit.word(), unit, expected, headroom)?;
        }
    }
    Ok(())
}

/// `none` where no budget counts the unit.
fn compare_room(key: &str, unit: Unit, expected: &str, headroom: Headroom) -> Result<(), String> {
    let counted = |count: u64| i64::try_from(count).map(|count| Amount::new(unit, count)).ok();
    let actual = match unit {
        Unit::Usd => headroom.usd.map(Amount::usd),
        Unit::Tokens => headroom.tokens.and_then(|tokens| counted(tokens.get())),
        Unit::Requests => headroom.requests.and_then(counted),
        Unit::Retries => headroom.retries.and_then(counted),
    };
    let expected = if expected == "none" { None } else { Some(amount_of(unit, expected)?) };
    if expected == actual { Ok(()) } else { Err(format!("{key}: {actual:?} would fit, not {expected:?}")) }
}

fn expect_word(outcome: &mut Words<'_>, actual: &str) -> Result<(), String> {
    let expected = outcome.word("the outcome")?;
    if expected == actual { Ok(()) } else { Err(format!("it is `{actual}`, not `{expected}`")) }
}
