//! Hold: takes an attempt's ceiling from every account that it touches, or from none.

use crate::quantity::{amount, part, well_formed};
use crate::standing::Standing;
use crate::{Applied, Entry, EntryKind, Headroom, Ledger, LedgerError, OnFull, Refusal, RefusalReason};
use haltline_types::{Amount, AttemptId, Demand, Name, Scope, Subjects, Timestamp, Unit};
use std::sync::Arc;
use std::time::Duration;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The attempt.
    pub id: AttemptId,
    /// When it is asked for; decides the windows.
    pub at: Timestamp,
    /// Whom and what it is for; decides the accounts.
    pub subjects: Arc<Subjects>,
    /// The most that it can be billed.
    pub ceiling: Demand,
    /// When its outcome counts as lost. The ledger keeps it and does not act on it.
    pub expires: Timestamp,
}

/// The proof of a hold: it stands in every account, and no refusing account is above its limit for
/// it. Only [`crate::Ledger::apply`] makes one, and it cannot be cloned.
#[derive(Debug)]
pub struct Held {
    id: AttemptId,
    at: Timestamp,
    subjects: Arc<Subjects>,
    ceiling: Demand,
    expires: Timestamp,
}

/// A hold that is neither settled, released nor expired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenHold {
    /// The attempt.
    pub id: AttemptId,
    /// When it was taken, on the ledger's time.
    pub at: Timestamp,
    /// Whom and what it is for.
    pub subjects: Arc<Subjects>,
    /// What is held for it, after all true-ups.
    pub ceiling: Demand,
    /// When its outcome counts as lost.
    pub expires: Timestamp,
}

impl Held {
    /// The attempt.
    #[must_use]
    pub fn id(&self) -> AttemptId {
        self.id
    }

    /// When it was taken, on the ledger's time.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// Whom and what it is for.
    #[must_use]
    pub fn subjects(&self) -> &Arc<Subjects> {
        &self.subjects
    }

    /// What is held.
    #[must_use]
    pub fn ceiling(&self) -> Demand {
        self.ceiling
    }

    /// When its outcome counts as lost.
    #[must_use]
    pub fn expires(&self) -> Timestamp {
        self.expires
    }
}

/// An open hold, and the windows in which it was taken, by budget.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) hold: OpenHold,
    pub(crate) windows: Box<[Timestamp]>,
    /// Power was lost since: it can only expire.
    pub(crate) is_lost: bool,
}

impl Ledger {
    /// Decides on a hold: the entry that takes it, if every account that it touches has room.
    /// Changes nothing.
    ///
    /// # Errors
    /// The first reason, in the order of [`RefusalReason`], of the first budget that gives it.
    pub fn hold(&self, hold: &Hold) -> Result<Entry, Refusal> {
        let at = self.clamp(hold.at);

        if self.holds.contains_key(&hold.id) {
            return Err(Refusal::of_no_budget(RefusalReason::DuplicateId));
        }
        if !well_formed(&hold.ceiling) {
            return Err(Refusal::of_no_budget(RefusalReason::Malformed));
        }
        let standings = self.standings(&hold.subjects, at, &hold.ceiling);
        let refuse = |reason, full: &Standing<'_>| Err(Refusal::of(reason, full, &standings, &hold.subjects));
        let mut full = standings.iter().filter(|standing| standing.is_full());
        if let Some(retries) = full.clone().find(|full| full.unit() == Unit::Retries) {
            return refuse(RefusalReason::RetriesExhausted, retries);
        }
        if let Some(small) = full.clone().find(|full| full.asked > full.limit()) {
            return refuse(RefusalReason::TooLarge, small);
        }
        if let Some(spent) = full.clone().find(|full| full.asked > full.limit() - full.spent) {
            return refuse(RefusalReason::Spent, spent);
        }
        if let Some(held) = full.next() {
            return refuse(RefusalReason::Held, held);
        }

        // Nothing can fail below.
        let kind = EntryKind::Hold {
            id: hold.id,
            subjects: Arc::clone(&hold.subjects),
            ceiling: hold.ceiling,
            expires: hold.expires,
        };
        Ok(Entry { at, kind })
    }

    /// Takes a hold that was decided, now or long ago. Limits are not asked again, for a replay may
    /// run under other limits; but where they would refuse, there is no proof.
    pub(crate) fn apply_hold(&mut self, hold: OpenHold) -> Result<Applied, LedgerError> {
        if self.holds.contains_key(&hold.id) {
            return Err(LedgerError::DuplicateId(hold.id));
        }
        if !well_formed(&hold.ceiling) {
            return Err(LedgerError::Malformed(hold.id));
        }

        // Nothing can fail below.
        self.advance(hold.at);
        let mut within_limits = true;
        let mut windows = Vec::with_capacity(self.shelves.len());
        let mut subject = String::with_capacity(64);
        for shelf in &mut self.shelves {
            subject.clear();
            hold.subjects.write_subject(&shelf.budget().scope, &mut subject);
            let window = shelf.turn_to(hold.at).start;
            let asked = part(&hold.ceiling, shelf.unit());
            let limit = shelf.limit(&subject, hold.at);
            let warns = shelf.budget().on_full == OnFull::Warn;
            let lost = shelf.lost(window, hold.at);

            let account = shelf.open(&subject, window);
            account.hold(asked);
            let used = account.spent_at(hold.at) + lost + account.held();
            within_limits &= warns || asked == 0 || limit.is_none_or(|limit| used <= limit);
            windows.push(window);
        }
        let OpenHold { id, at, subjects, ceiling, expires } = hold.clone();
        self.holds.insert(id, Taken { hold, windows: windows.into(), is_lost: false });
        let proof = Held { id, at, subjects, ceiling, expires };
        Ok(if within_limits { Applied::Held(proof) } else { Applied::Other })
    }
}

impl Refusal {
    fn of(reason: RefusalReason, full: &Standing<'_>, all: &[Standing<'_>], subjects: &Subjects) -> Self {
        let budget = full.shelf.budget();
        let unit = full.unit();
        Self {
            reason,
            budget: budget.name.clone(),
            scope: budget.scope.clone(),
            subject: subjects.subject(&budget.scope),
            asked: amount(unit, full.asked),
            spent: amount(unit, full.spent),
            held: amount(unit, full.held),
            limit: amount(unit, full.limit()),
            resets_at: full.shelf.resets_at(full.span),
            window: budget.window.nominal(),
            fits: Headroom::over(all),
        }
    }

    fn of_no_budget(reason: RefusalReason) -> Self {
        let nothing = Amount::zero(Unit::Usd);
        Self {
            reason,
            budget: Name::new(""),
            scope: Scope::global(),
            subject: String::new(),
            asked: nothing,
            spent: nothing,
            held: nothing,
            limit: nothing,
            resets_at: None,
            window: Duration::ZERO,
            fits: Headroom::default(),
        }
    }
}
