//! The accounts of one budget, and the limits in force for them.

use crate::account::Account;
use crate::rolling::Grid;
use crate::{AccountId, Applies, Budget, Span, Window};
use haltline_types::{Dimension, Timestamp, Unit};
use std::collections::HashMap;

/// One budget and what it has counted.
/// Subjects that have a limit of their own for a time: each sign-in of a browser that was granted a budget is one.
pub(crate) const OVERRIDES_MAX: usize = 500_000;

#[derive(Debug)]
pub(crate) struct Shelf {
    budget: Budget,
    /// Of a rolling budget.
    grid: Option<Grid>,
    /// The window of the latest hold: nearly every question is about it.
    current: Option<Span>,
    /// A subject's accounts, by the start of their windows. Hashed with a random seed, since
    /// clients choose subjects; the order never shows.
    subjects: HashMap<Box<str>, Vec<(Timestamp, Account)>>,
    /// The override for all.
    of_all: Option<Override>,
    /// Overrides of one subject each, hashed for the same reason.
    of_one: HashMap<Box<str>, Override>,
    losses: Vec<Loss>,
}

/// A limit in force for a time.
#[derive(Clone, Copy, Debug)]
struct Override {
    limit: i128,
    until: Timestamp,
}

/// What a power loss may have taken from the journal before this budget existed. It counts in
/// every account whose window the power loss lies in.
#[derive(Debug)]
struct Loss {
    run: u64,
    amount: i128,
    at: Timestamp,
    window: Timestamp,
}

impl Shelf {
    /// The time that a rolling account has instead of a window.
    const ALWAYS: Span = Span { start: Timestamp::from_millis(0), end: Timestamp::from_millis(i64::MAX) };

    pub(crate) fn new(budget: Budget) -> Self {
        let grid = match budget.window {
            Window::Rolling(length) => Some(Grid::of(length)),
            Window::Calendar { .. } => None,
        };
        let (subjects, of_one) = (HashMap::new(), HashMap::new());
        Self { budget, grid, current: None, subjects, of_all: None, of_one, losses: Vec::new() }
    }

    /// Takes other limits; what is counted stays what it is.
    pub(crate) fn relimit(&mut self, budget: &Budget) {
        self.budget.limit = budget.limit;
        self.budget.on_full = budget.on_full;
        self.budget.applies = budget.applies.clone();
    }

    pub(crate) const fn budget(&self) -> &Budget {
        &self.budget
    }

    pub(crate) fn unit(&self) -> Unit {
        self.budget.unit()
    }

    pub(crate) fn is_rolling(&self) -> bool {
        self.grid.is_some()
    }

    /// The window of an attempt at `at`.
    pub(crate) fn span_at(&self, at: Timestamp) -> Span {
        match self.current {
            Some(span) if span.start <= at && at < span.end => span,
            _ => self.budget.window.span_at(at).unwrap_or(Self::ALWAYS),
        }
    }

    /// Turns to the window of `at`; later questions about it are cheap.
    pub(crate) fn turn_to(&mut self, at: Timestamp) -> Span {
        let span = self.span_at(at);
        self.current = Some(span);
        span
    }

    /// When a window's account starts afresh; `None` for a rolling one.
    pub(crate) fn resets_at(&self, span: Span) -> Option<Timestamp> {
        (!self.is_rolling()).then_some(span.end)
    }

    pub(crate) fn account(&self, subject: &str, window: Timestamp) -> Option<&Account> {
        self.subjects.get(subject)?.iter().rev().find(|(start, _)| *start == window).map(|(_, account)| account)
    }

    /// The account, opened if it is not there yet.
    pub(crate) fn open(&mut self, subject: &str, window: Timestamp) -> &mut Account {
        if !self.subjects.contains_key(subject) {
            self.subjects.insert(subject.into(), Vec::with_capacity(1));
        }
        let Some(accounts) = self.subjects.get_mut(subject) else {
            unreachable!("the subject was inserted above");
        };
        let place = accounts.iter().rposition(|(start, _)| *start == window).unwrap_or_else(|| {
            accounts.push((window, Account::new(self.grid)));
            accounts.len() - 1
        });
        &mut accounts[place].1
    }

    /// What is spent in an account, unattributed losses included.
    pub(crate) fn spent(&self, account: Option<&Account>, window: Timestamp, at: Timestamp) -> i128 {
        account.map_or(0, |account| account.spent_at(at)) + self.lost(window, at)
    }

    /// What may have been lost of an account before this budget existed.
    pub(crate) fn lost(&self, window: Timestamp, at: Timestamp) -> i128 {
        self.losses.iter().map(|loss| self.lost_in(loss, window, at)).sum()
    }

    /// The same without recovery `run`, for as long as this budget may yet turn out to have been there.
    pub(crate) fn lost_before(&self, run: u64, window: Timestamp, at: Timestamp) -> i128 {
        self.losses.iter().filter(|loss| loss.run != run).map(|loss| self.lost_in(loss, window, at)).sum()
    }

    fn lost_in(&self, loss: &Loss, window: Timestamp, at: Timestamp) -> i128 {
        let counts = match self.grid {
            Some(grid) => !grid.has_left(grid.bucket(loss.at), at),
            None => loss.window == window,
        };
        if counts { loss.amount } else { 0 }
    }

    /// The limit in force: the subject's override, else that for all, else what is configured.
    /// `None` if it has none.
    pub(crate) fn limit(&self, subject: &str, at: Timestamp) -> Option<i128> {
        let own = if self.of_one.is_empty() { None } else { self.of_one.get(subject) };
        let in_force = |entry: Option<&Override>| entry.filter(|entry| at < entry.until).map(|entry| entry.limit);
        match in_force(own) {
            Some(limit) => Some(limit),
            // What is for all is for all who have a limit: to nobody else does it give one.
            None => self.budget.limit_of(subject).map(|limit| in_force(self.of_all.as_ref()).unwrap_or(limit)),
        }
    }

    /// May one more subject, or this one again, have a limit of its own?
    pub(crate) fn has_room_for(&self, subject: &str) -> bool {
        self.of_one.len() < OVERRIDES_MAX || self.of_one.contains_key(subject)
    }

    /// Replaces the override of the same subject.
    pub(crate) fn set_override(&mut self, subject: Option<&str>, limit: i128, until: Timestamp) {
        let entry = Override { limit, until };
        match subject {
            Some(subject) => drop(self.of_one.insert(subject.into(), entry)),
            None => self.of_all = Some(entry),
        }
    }

    /// States what recovery `run` lost for this budget; nothing if zero.
    pub(crate) fn set_loss(&mut self, run: u64, amount: i128, at: Timestamp) {
        self.losses.retain(|loss| loss.run != run);
        if amount > 0 {
            let window = self.span_at(at).start;
            self.losses.push(Loss { run, amount, at, window });
        }
    }

    /// Could this be one of its accounts? Journals also name accounts of budgets that had this name
    /// before and were something else.
    pub(crate) fn has_place_for(&self, account: &AccountId) -> bool {
        self.has_subject(&account.subject) && self.has_window(account.window)
    }

    /// Does it look like a subject of the scope?
    pub(crate) fn has_subject(&self, subject: &str) -> bool {
        let dimensions = self.budget.scope.dimensions();
        let values: usize = dimensions.iter().map(|d| if *d == Dimension::Endpoint { 2 } else { 1 }).sum();
        if values == 0 { subject.is_empty() } else { subject.split('/').count() == values }
    }

    /// Does a window begin then?
    pub(crate) fn has_window(&self, start: Timestamp) -> bool {
        match self.budget.window.span_at(start) {
            Some(span) => span.start == start,
            None => start == Self::ALWAYS.start,
        }
    }

    /// Every account: subject, start of its window, account. In no order.
    pub(crate) fn accounts(&self) -> impl Iterator<Item = (&str, Timestamp, &Account)> {
        self.subjects
            .iter()
            .flat_map(|(subject, accounts)| accounts.iter().map(|(start, account)| (&**subject, *start, account)))
    }

    /// Every account, by subject and window: for whatever shows outside.
    pub(crate) fn accounts_in_order(&self) -> impl Iterator<Item = (&str, Timestamp, &Account)> {
        let mut all: Vec<_> = self.accounts().collect();
        all.sort_unstable_by_key(|(subject, window, _)| (*subject, *window));
        all.into_iter()
    }

    /// Drops what can matter to no hold that is open or to come: closed windows, and rolling
    /// accounts that are empty, with marks that bound no more than a lease.
    pub(crate) fn forget_closed(&mut self, at: Timestamp) {
        let current = self.span_at(at).start;
        let rolling = self.is_rolling();
        let mut subjects = std::mem::take(&mut self.subjects);
        subjects.retain(|subject, accounts| {
            accounts.retain(|(start, account)| {
                let over = match rolling {
                    true => account.spent_at(at) == 0 && account.mark() <= self.lease(subject, 0, at),
                    false => *start < current,
                };
                !over || account.open() > 0
            });
            !accounts.is_empty()
        });
        self.subjects = subjects;
        self.of_all = self.of_all.filter(|entry| at < entry.until);
        self.of_one.retain(|_, entry| at < entry.until);
        let (grid, losses) = (self.grid, &mut self.losses);
        losses.retain(|loss| match grid {
            Some(grid) => !grid.has_left(grid.bucket(loss.at), at),
            None => loss.window >= current,
        });
    }

    /// How far above `used` an account is marked, so that few holds need a mark of their own: a
    /// hundredth of its limit, or of what it has used if it has none.
    pub(crate) fn lease(&self, subject: &str, used: i128, at: Timestamp) -> i128 {
        let stated = i128::from(self.budget.limit.value());
        let whole = match self.budget.applies {
            Applies::ToAll => stated,
            Applies::Listed(_) | Applies::Granted => self.limit(subject, at).unwrap_or_else(|| used.max(stated)),
        };
        whole / 100
    }
}
