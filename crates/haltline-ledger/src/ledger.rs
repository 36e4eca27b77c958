//! The ledger: budgets, accounts, open holds, and its own time. What each command does is in the
//! file of its name.

use crate::account::Account;
use crate::hold::Taken;
use crate::quantity::{amount, part};
use crate::recover::Run;
use crate::shelf::Shelf;
use crate::{AccountId, Balance, Budgets, Entry, EntryKind, Headroom, Held, LedgerError, OpenHold, Settled};
use haltline_types::{AttemptId, Demand, Subjects, Timestamp, Unit};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Balances as a pure function of the budgets and the entries applied.
#[derive(Debug)]
pub struct Ledger {
    budgets: Budgets,
    /// One for each budget, in the same order.
    pub(crate) shelves: Vec<Shelf>,
    pub(crate) holds: HashMap<AttemptId, Taken>,
    /// The latest time that any entry carried.
    now: Timestamp,
    /// The recovery being applied, and how many came before.
    pub(crate) run: Option<Run>,
    pub(crate) recoveries: u64,
    pub(crate) skipped: Skipped,
    /// When holds were taken and closed that were open for long: what the horizon must not cut off.
    long_lived: Vec<(Timestamp, Timestamp)>,
}

/// What was applied.
#[derive(Debug)]
pub enum Applied {
    /// A hold that fits: the proof of it.
    Held(Held),
    /// A settle or an expiry.
    Settled(Settled),
    /// Anything else. Also a hold that the limits in force would refuse, as a replay after a
    /// limit was lowered meets them: it counts, and proves nothing.
    Other,
}

/// How many entries were passed over, because the budgets have no place for what they name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Skipped {
    /// Corrections.
    pub adjusts: u64,
    /// Overrides.
    pub overrides: u64,
    /// Marks.
    pub marks: u64,
}

/// A hold that was open for longer is remembered when it closes.
const LONG_LIVED: Duration = Duration::from_secs(86_400);
/// No window is longer, changes of the clock included.
const LONGEST_WINDOW: Duration = Duration::from_secs(32 * 86_400);

impl Ledger {
    /// A ledger that has seen nothing.
    #[must_use]
    pub fn new(budgets: Budgets) -> Self {
        let shelves = budgets.iter().cloned().map(Shelf::new).collect();
        Self {
            budgets,
            shelves,
            holds: HashMap::new(),
            now: Timestamp::default(),
            run: None,
            recoveries: 0,
            skipped: Skipped::default(),
            long_lived: Vec::new(),
        }
    }

    /// The budgets in force.
    #[must_use]
    pub fn budgets(&self) -> &Budgets {
        &self.budgets
    }

    /// Takes other limits at once, without a replay; `false`, and nothing done, if these budgets count
    /// anything that those in force do not. What is spent and held stays, overrides too.
    #[must_use]
    pub fn relimit(&mut self, budgets: &Budgets) -> bool {
        if !self.budgets.count_like(budgets) {
            return false;
        }
        for (shelf, budget) in self.shelves.iter_mut().zip(budgets) {
            shelf.relimit(budget);
        }
        self.budgets = budgets.clone();
        true
    }

    /// The latest time that any entry carried. Earlier times are taken as this, so that no window
    /// opens twice.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Entries that were passed over.
    #[must_use]
    pub fn skipped(&self) -> Skipped {
        self.skipped
    }

    /// Applies an entry: the one way to change a ledger.
    ///
    /// # Errors
    /// When the entry cannot follow those before it. Nothing has changed then.
    pub fn apply(&mut self, entry: &Entry) -> Result<Applied, LedgerError> {
        let at = self.clamp(entry.at);
        let applied = match &entry.kind {
            EntryKind::Hold { id, subjects, ceiling, expires } => {
                let subjects = Arc::clone(subjects);
                self.apply_hold(OpenHold { id: *id, at, subjects, ceiling: *ceiling, expires: *expires })?
            }
            EntryKind::TrueUp { id, ceiling } => self.apply_true_up(*id, at, *ceiling)?,
            EntryKind::Settle { id, cost } => self.apply_settle(*id, at, *cost)?,
            EntryKind::Release { id } => self.apply_release(*id, at)?,
            EntryKind::Expire { id } => self.apply_expire(*id, at)?,
            EntryKind::Adjust { account, delta, .. } => self.apply_adjust(account, *delta, at),
            EntryKind::Override { budget, subject, limit, until, .. } => {
                self.apply_override(budget, subject.as_ref(), *limit, *until, at)
            }
            EntryKind::Mark { account, mark } => self.apply_mark(account, *mark, at),
            EntryKind::Recover { account, amount } => return Ok(self.apply_recover(account, *amount, at)),
        };
        self.end_recovery();
        Ok(applied)
    }

    /// What would fit for an attempt with these subjects.
    #[must_use]
    pub fn headroom(&self, subjects: &Subjects, at: Timestamp) -> Headroom {
        Headroom::over(&self.standings(subjects, self.clamp(at), &Demand::ZERO))
    }

    /// The hold of an attempt, if it is open.
    #[must_use]
    pub fn open_hold(&self, id: AttemptId) -> Option<OpenHold> {
        self.holds.get(&id).map(|taken| taken.hold.clone())
    }

    /// All open holds, in no order.
    pub fn open_holds(&self) -> impl Iterator<Item = OpenHold> {
        self.holds.values().map(|taken| taken.hold.clone())
    }

    /// Every account with a limit, of an open window, in which something is spent or held: by budget in
    /// configuration order, then by subject.
    #[must_use]
    pub fn balances(&self, at: Timestamp) -> Vec<Balance> {
        let at = self.clamp(at);
        let mut balances = Vec::new();
        for shelf in &self.shelves {
            let span = shelf.span_at(at);
            for (subject, window, account) in shelf.accounts_in_order().filter(|(_, window, _)| *window == span.start) {
                let (spent, held) = (shelf.spent(Some(account), window, at), account.held());
                if spent == 0 && held == 0 {
                    continue;
                }
                balances.extend(balance(shelf, subject, at));
            }
        }
        balances
    }

    /// How one budget's account stands for an attempt with these subjects; `None` for a budget
    /// that is not in force, or has no limit for them.
    #[must_use]
    pub fn balance_of(&self, budget: &str, subjects: &Subjects, at: Timestamp) -> Option<Balance> {
        let shelf = self.shelf(budget)?;
        balance(shelf, &subjects.subject(&shelf.budget().scope), self.clamp(at))
    }

    /// Drops accounts whose window is over at `at` and which no open hold touches. No answer about
    /// `at` or later changes, and the ledger's time moves on to it: what is forgotten must not open again.
    pub fn forget_closed(&mut self, at: Timestamp) {
        self.advance(at);
        let at = self.now;
        for shelf in &mut self.shelves {
            shelf.forget_closed(at);
        }
        self.long_lived.retain(|(_, closed)| closed.saturating_add(LONGEST_WINDOW) > at);
    }

    /// Entries before this instant can matter to no hold that is open and to no window that is, or
    /// could be, opened now; not for these budgets nor for any others. A journal may be cut here,
    /// once marks are trimmed (which writes old ones again). The replay of such a journal meets the
    /// ends of holds that it does not know; they are of the past as well.
    #[must_use]
    pub fn horizon(&self, at: Timestamp) -> Timestamp {
        let at = self.clamp(at);
        let holds_open = self.holds.values().map(|taken| taken.hold.at);
        let holds_closed = self.long_lived.iter().map(|(taken, _)| *taken);
        let oldest = at.saturating_sub(LONGEST_WINDOW + LONG_LIVED);
        holds_open.chain(holds_closed).fold(oldest, Timestamp::min)
    }

    /// `at` on the ledger's time.
    pub(crate) fn clamp(&self, at: Timestamp) -> Timestamp {
        at.max(self.now)
    }

    pub(crate) fn advance(&mut self, at: Timestamp) {
        self.now = self.clamp(at);
    }

    pub(crate) fn shelf(&self, budget: &str) -> Option<&Shelf> {
        self.shelves.iter().find(|shelf| shelf.budget().name.as_str() == budget)
    }

    /// The budget of this account's name, if it counts this unit and could have this account.
    pub(crate) fn shelf_for(&mut self, account: &AccountId, unit: Unit) -> Option<&mut Shelf> {
        let named = self.shelves.iter_mut().find(|shelf| shelf.budget().name == account.budget)?;
        (named.unit() == unit && named.has_place_for(account)).then_some(named)
    }

    pub(crate) fn must_be_open(&self, id: AttemptId) -> Result<&OpenHold, LedgerError> {
        self.holds.get(&id).map(|taken| &taken.hold).ok_or(LedgerError::UnknownHold(id))
    }

    /// The hold, if its outcome is not lost with the power.
    pub(crate) fn may_end(&self, id: AttemptId) -> Result<&OpenHold, LedgerError> {
        let taken = self.holds.get(&id).ok_or(LedgerError::UnknownHold(id))?;
        if taken.is_lost { Err(LedgerError::Lost(id)) } else { Ok(&taken.hold) }
    }

    /// Ends an open hold in every account that it touches, and charges each its part of `cost`, in
    /// the windows of the hold. The guards of the command have let it through.
    pub(crate) fn close(&mut self, id: AttemptId, cost: &Demand) -> OpenHold {
        let Some(Taken { hold, windows, .. }) = self.holds.remove(&id) else {
            unreachable!("{id} was found open by the guards of its command");
        };
        assert_eq!(windows.len(), self.shelves.len(), "a hold touches one account of every budget");
        let mut subject = String::with_capacity(64);
        for (shelf, window) in self.shelves.iter_mut().zip(&windows) {
            subject.clear();
            hold.subjects.write_subject(&shelf.budget().scope, &mut subject);
            let (ceiling, cost) = (part(&hold.ceiling, shelf.unit()), part(cost, shelf.unit()));
            shelf.open(&subject, *window).close(ceiling, cost, self.now);
        }
        if self.now.since(hold.at) > LONG_LIVED {
            self.long_lived.push((hold.at, self.now));
        }
        hold
    }
}

/// The account of a subject in the window of `at`, which is on the ledger's time; `None` if the
/// subject has no limit.
fn balance(shelf: &Shelf, subject: &str, at: Timestamp) -> Option<Balance> {
    let (budget, unit, span) = (shelf.budget(), shelf.unit(), shelf.span_at(at));
    let limit = shelf.limit(subject, at)?;
    let account = shelf.account(subject, span.start);
    Some(Balance {
        account: AccountId { budget: budget.name.clone(), subject: subject.to_owned(), window: span.start },
        scope: budget.scope.clone(),
        spent: amount(unit, shelf.spent(account, span.start, at)),
        held: amount(unit, account.map_or(0, Account::held)),
        limit: amount(unit, limit),
        resets_at: shelf.resets_at(span),
        window: budget.window.nominal(),
        on_full: budget.on_full,
    })
}
