//! One account: what is spent and held in it. Every change of either is here, asserted before and after.

use crate::rolling::{Buckets, Grid};
use haltline_types::Timestamp;

/// What one budget has counted for one subject in one window.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    spent: Spent,
    held: i128,
    /// How many open holds touch it, those that ask nothing of it included.
    open: u32,
    mark: i128,
    marked_at: Timestamp,
}

#[derive(Clone, Debug)]
enum Spent {
    Calendar(i128),
    Rolling(Buckets),
}

impl Account {
    pub(crate) fn new(grid: Option<Grid>) -> Self {
        let spent = match grid {
            None => Spent::Calendar(0),
            Some(grid) => Spent::Rolling(Buckets::new(grid)),
        };
        Self { spent, held: 0, open: 0, mark: 0, marked_at: Timestamp::default() }
    }

    pub(crate) fn spent_at(&self, at: Timestamp) -> i128 {
        match &self.spent {
            Spent::Calendar(spent) => *spent,
            Spent::Rolling(buckets) => buckets.sum_at(at),
        }
    }

    pub(crate) const fn held(&self) -> i128 {
        self.held
    }

    pub(crate) const fn open(&self) -> u32 {
        self.open
    }

    pub(crate) const fn mark(&self) -> i128 {
        self.mark
    }

    pub(crate) const fn marked_at(&self) -> Timestamp {
        self.marked_at
    }

    /// Takes a hold.
    pub(crate) fn hold(&mut self, ceiling: i128) {
        self.assert_sound();
        assert!(ceiling >= 0, "a hold of less than nothing");
        self.held += ceiling;
        self.open += 1;
        self.assert_sound();
    }

    /// Lowers a hold.
    pub(crate) fn lower(&mut self, from: i128, to: i128) {
        self.assert_sound();
        assert!(self.open > 0 && 0 <= to && to <= from && from <= self.held, "a hold was lowered that is not here");
        self.held -= from - to;
        self.assert_sound();
    }

    /// Gives a hold back, and charges what it cost.
    pub(crate) fn close(&mut self, ceiling: i128, cost: i128, at: Timestamp) {
        self.assert_sound();
        assert!(self.open > 0 && 0 <= ceiling && ceiling <= self.held, "a hold was closed that is not here");
        self.held -= ceiling;
        self.open -= 1;
        self.charge(cost, at);
        self.assert_sound();
    }

    /// Adds to what is spent.
    pub(crate) fn charge(&mut self, amount: i128, at: Timestamp) {
        assert!(amount >= 0, "a charge of less than nothing");
        match &mut self.spent {
            Spent::Calendar(spent) => *spent += amount,
            Spent::Rolling(buckets) => buckets.add(amount, at),
        }
    }

    /// Takes from what is spent, never below zero.
    pub(crate) fn take_back(&mut self, amount: i128, at: Timestamp) {
        assert!(amount >= 0, "a correction with the wrong sign");
        match &mut self.spent {
            Spent::Calendar(spent) => *spent = (*spent - amount).max(0),
            Spent::Rolling(buckets) => buckets.take_back(amount, at),
        }
        self.assert_sound();
    }

    pub(crate) fn set_mark(&mut self, mark: i128, at: Timestamp) {
        self.mark = mark;
        self.marked_at = at;
    }

    /// What must hold whatever happened: cheap enough to ask at every change.
    fn assert_sound(&self) {
        assert!(self.held >= 0, "less than nothing is held");
        assert!(self.open > 0 || self.held == 0, "something is held for nobody");
        if let Spent::Calendar(spent) = self.spent {
            assert!(spent >= 0, "less than nothing is spent");
        }
    }

    /// Against what the open holds add up to.
    pub(crate) fn check(&self, held: i128, open: u32) -> Result<(), String> {
        if (self.held, self.open) != (held, open) {
            return Err(format!("{} held by {}, but its open holds say {held} by {open}", self.held, self.open));
        }
        match &self.spent {
            Spent::Calendar(spent) if *spent < 0 => Err(format!("{spent} spent")),
            Spent::Calendar(_) => Ok(()),
            Spent::Rolling(buckets) => buckets.check(),
        }
    }
}
