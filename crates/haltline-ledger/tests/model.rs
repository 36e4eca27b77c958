//! A second opinion on the ledger, written apart and kept simple: it remembers every attempt for
//! ever, and answers each question by going through all of them again. It shares no code with the
//! ledger: windows are integer arithmetic (UTC only), amounts plain numbers.
//!
//! It knows money, tokens and retries; users and the whole world as subjects; hours, days and
//! rolling windows.

/// Amounts by unit: nanodollars, tokens, retries.
pub(crate) type Amounts = [i128; 3];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    Hour,
    Day,
    /// Its length in milliseconds.
    Rolling(i64),
}

#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) name: &'static str,
    pub(crate) by_user: bool,
    /// Index into `Amounts`.
    pub(crate) unit: usize,
    pub(crate) limit: i128,
    pub(crate) span: Span,
    pub(crate) warns: bool,
    pub(crate) to: To,
}

/// Who has the rule's limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum To {
    All,
    /// Only these users, each a limit of its own.
    Listed(&'static [(usize, i128)]),
    /// Everybody, but nothing without an override.
    Granted,
}

/// More than anybody has.
pub(crate) const NO_LIMIT: i128 = i128::MAX / 4;

pub(crate) const RETRIES: usize = 2;

#[derive(Clone, Debug)]
struct Attempt {
    id: usize,
    at: i64,
    user: usize,
    held: Amounts,
    is_open: bool,
}

#[derive(Clone, Debug)]
enum Event {
    Charged { attempt: usize, at: i64, cost: Amounts },
    Adjusted { rule: &'static str, unit: usize, user: Option<usize>, window: i64, at: i64, delta: i128 },
}

#[derive(Clone, Debug)]
struct Override {
    rule: &'static str,
    unit: usize,
    user: Option<usize>,
    limit: i128,
    until: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct No {
    pub(crate) reason: &'static str,
    pub(crate) rule: &'static str,
    pub(crate) spent: i128,
    pub(crate) held: i128,
    pub(crate) limit: i128,
    pub(crate) fits: [Option<i128>; 3],
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) rules: Vec<Rule>,
    now: i64,
    /// The time of the latest command that did something.
    written: i64,
    attempts: Vec<Attempt>,
    events: Vec<Event>,
    overrides: Vec<Override>,
}

impl Span {
    pub(crate) fn start(self, at: i64) -> i64 {
        match self {
            Self::Hour => at - at.rem_euclid(3_600_000),
            Self::Day => at - at.rem_euclid(86_400_000),
            Self::Rolling(_) => 0,
        }
    }

    /// Does what was dated `then` still count?
    fn counts(self, then: i64, at: i64) -> bool {
        match self {
            Self::Rolling(length) => {
                let width = (length / 60).max(1_000);
                let end_of_bucket = then - then.rem_euclid(width) + width;
                end_of_bucket + length > at
            }
            _ => true,
        }
    }
}

impl Model {
    pub(crate) fn now(&self, at: i64) -> i64 {
        self.now.max(at)
    }

    pub(crate) fn forget(&mut self, at: i64) {
        self.now = self.now(at);
    }

    fn write(&mut self, at: i64) {
        self.now = self.now(at);
        self.written = self.now;
    }

    /// After a restart only what is written down is known, the time too.
    pub(crate) fn restart(&mut self) {
        self.now = self.written;
    }

    /// The account of `user` in `rule`: the user of its subject, none for the whole world.
    fn subject(rule: &Rule, user: usize) -> Option<usize> {
        rule.by_user.then_some(user)
    }

    pub(crate) fn held(&self, rule: &Rule, user: usize, window: i64) -> i128 {
        let ours = |attempt: &&Attempt| {
            attempt.is_open
                && Self::subject(rule, attempt.user) == Self::subject(rule, user)
                && rule.span.start(attempt.at) == window
        };
        self.attempts.iter().filter(ours).map(|attempt| attempt.held[rule.unit]).sum()
    }

    pub(crate) fn spent(&self, rule: &Rule, user: usize, window: i64, at: i64) -> i128 {
        // What is spent, piece by piece, oldest first.
        let mut pieces: Vec<(i64, i128)> = Vec::new();
        for event in &self.events {
            match event {
                Event::Charged { attempt, at, cost } => {
                    let attempt = &self.attempts[*attempt];
                    let same_user = Self::subject(rule, attempt.user) == Self::subject(rule, user);
                    if same_user && rule.span.start(attempt.at) == window {
                        pieces.push((*at, cost[rule.unit]));
                    }
                }
                Event::Adjusted { rule: name, unit, user: whose, window: when, at, delta } => {
                    let same_kind = *name == rule.name && *unit == rule.unit && whose.is_some() == rule.by_user;
                    if !same_kind || *whose != Self::subject(rule, user) || *when != window {
                        continue;
                    }
                    if *delta >= 0 {
                        pieces.push((*at, *delta));
                    }
                    let mut rest = (-*delta).max(0);
                    for (then, amount) in &mut pieces {
                        if rule.span.counts(*then, *at) {
                            let taken = rest.min(*amount);
                            *amount -= taken;
                            rest -= taken;
                        }
                    }
                }
            }
        }
        pieces.iter().filter(|(then, _)| rule.span.counts(*then, at)).map(|(_, amount)| amount).sum()
    }

    pub(crate) fn limit(&self, rule: &Rule, user: usize, at: i64) -> i128 {
        let find = |whose: Option<usize>| {
            let ours = |o: &&Override| o.rule == rule.name && o.unit == rule.unit && o.user == whose;
            self.overrides.iter().rev().find(ours).filter(|o| at < o.until)
        };
        let own = if rule.by_user { find(Some(user)) } else { None };
        let configured = match rule.to {
            To::All => rule.limit,
            To::Listed(list) => list.iter().find(|(listed, _)| *listed == user).map_or(NO_LIMIT, |(_, limit)| *limit),
            To::Granted => 0,
        };
        let for_all = find(None).filter(|_| configured < NO_LIMIT);
        own.or(for_all).map_or(configured, |o| o.limit)
    }

    pub(crate) fn room(&self, rule: &Rule, user: usize, at: i64) -> i128 {
        let window = rule.span.start(at);
        self.limit(rule, user, at) - self.spent(rule, user, window, at) - self.held(rule, user, window)
    }

    pub(crate) fn fits(&self, user: usize, at: i64) -> [Option<i128>; 3] {
        [0, 1, 2].map(|unit| {
            let rules = self.rules.iter().filter(|rule| rule.unit == unit && !rule.warns);
            let limited = rules.filter(|rule| self.limit(rule, user, at) < NO_LIMIT);
            limited.map(|rule| self.room(rule, user, at).max(0)).min()
        })
    }

    pub(crate) fn hold(&mut self, id: usize, user: usize, asked: Amounts, at: i64) -> Result<(), No> {
        let at = self.now(at);
        if self.open(id).is_some() {
            let nothing = No { reason: "duplicate-id", rule: "", spent: 0, held: 0, limit: 0, fits: [None; 3] };
            return Err(nothing);
        }
        let mut answers: Vec<(usize, No)> = Vec::new();
        for rule in self.rules.iter().filter(|rule| !rule.warns) {
            let window = rule.span.start(at);
            let (spent, held) = (self.spent(rule, user, window, at), self.held(rule, user, window));
            let (limit, asked) = (self.limit(rule, user, at), asked[rule.unit]);
            if asked == 0 || spent + held + asked <= limit {
                continue;
            }
            let (rank, reason) = if rule.unit == RETRIES {
                (0, "retries-exhausted")
            } else if asked > limit {
                (1, "too-large")
            } else if spent + asked > limit {
                (2, "spent")
            } else {
                (3, "held")
            };
            let fits = self.fits(user, at);
            answers.push((rank, No { reason, rule: rule.name, spent, held, limit, fits }));
        }
        // The first of the lowest rank: sorting is stable.
        answers.sort_by_key(|(rank, _)| *rank);
        if let Some((_, no)) = answers.into_iter().next() {
            return Err(no);
        }
        self.write(at);
        self.attempts.push(Attempt { id, at, user, held: asked, is_open: true });
        Ok(())
    }

    fn open(&self, id: usize) -> Option<usize> {
        self.attempts.iter().position(|attempt| attempt.id == id && attempt.is_open)
    }

    /// Returns whether it cost more than was held.
    pub(crate) fn settle(&mut self, id: usize, cost: Amounts, at: i64) -> Result<bool, &'static str> {
        let attempt = self.open(id).ok_or("unknown-hold")?;
        self.write(at);
        self.attempts[attempt].is_open = false;
        self.events.push(Event::Charged { attempt, at: self.now, cost });
        Ok((0..3).any(|unit| cost[unit] > self.attempts[attempt].held[unit]))
    }

    pub(crate) fn release(&mut self, id: usize, at: i64) -> Result<(), &'static str> {
        self.settle(id, [0; 3], at).map(|_| ())
    }

    pub(crate) fn expire(&mut self, id: usize, at: i64) -> Result<(), &'static str> {
        let attempt = self.open(id).ok_or("unknown-hold")?;
        self.settle(id, self.attempts[attempt].held, at).map(|_| ())
    }

    pub(crate) fn true_up(&mut self, id: usize, ceiling: Amounts, at: i64) -> Result<(), &'static str> {
        let attempt = self.open(id).ok_or("unknown-hold")?;
        if (0..3).any(|unit| ceiling[unit] > self.attempts[attempt].held[unit]) {
            return Err("raises");
        }
        self.write(at);
        self.attempts[attempt].held = ceiling;
        Ok(())
    }

    /// Of the window that is open.
    pub(crate) fn adjust(&mut self, rule: usize, user: usize, delta: i128, at: i64) -> Result<(), &'static str> {
        let at = self.now(at);
        let rule = self.rules[rule].clone();
        let window = rule.span.start(at);
        if self.spent(&rule, user, window, at) + delta < 0 {
            return Err("below-zero");
        }
        self.write(at);
        let user = Self::subject(&rule, user);
        self.events.push(Event::Adjusted { rule: rule.name, unit: rule.unit, user, window, at, delta });
        Ok(())
    }

    pub(crate) fn override_limit(&mut self, rule: usize, user: Option<usize>, limit: i128, until: i64, at: i64) {
        self.write(at);
        let rule = &self.rules[rule];
        self.overrides.push(Override { rule: rule.name, unit: rule.unit, user, limit, until });
    }
}
