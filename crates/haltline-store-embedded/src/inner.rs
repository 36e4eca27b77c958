//! The ledger and its journal behind one lock: an entry is journalled, then applied, with nothing
//! between. Says also which permits must wait for a sync.

use crate::carry::{self, Audit};
use crate::codec::FactRef;
use crate::frame::Place;
use crate::journal::Journal;
use haltline_ledger::{Applied, Budgets, Entry, EntryKind, Ledger};
use haltline_ports::RequestRecord;
use haltline_types::{Subjects, Timestamp};
use std::io;

/// What the lock guards.
pub(crate) struct Inner {
    pub(crate) ledger: Ledger,
    pub(crate) journal: Journal,
    pub(crate) audit: Audit,
    /// Raised marks that are written and not known to be synced.
    raised: Vec<Raised>,
}

struct Raised {
    budget: haltline_types::Name,
    subject: String,
    until: Place,
}

/// The store cannot go on; the text says what to do.
#[derive(Debug)]
pub(crate) struct Stop(pub(crate) String);

impl Stop {
    pub(crate) fn io(doing: &str, error: &io::Error) -> Self {
        let what_to_do = if error.kind() == io::ErrorKind::StorageFull {
            "the disk is full; free some space and restart Haltline"
        } else {
            "check the disk and restart Haltline"
        };
        Self(format!("{doing} failed: {error}. Nothing that was acknowledged is lost: {what_to_do}"))
    }

    pub(crate) fn broken(why: &str) -> Self {
        Self(format!(
            "an invariant of the ledger is broken: {why}. Keep a copy of the data directory, run `haltline store verify` on it, \
             and report this; a restart replays the journal and checks it"
        ))
    }
}

/// What became of an entry.
pub(crate) struct Enacted {
    /// What the ledger says of it.
    pub(crate) applied: Applied,
    /// It may be acknowledged once the journal is durable up to here.
    pub(crate) wait: Option<Place>,
}

impl Inner {
    pub(crate) fn new(ledger: Ledger, journal: Journal, audit: Audit) -> Self {
        Self { ledger, journal, audit, raised: Vec::new() }
    }

    /// Journals an entry that the ledger has decided, with the marks that it needs, and applies them.
    pub(crate) fn enact(&mut self, entry: &Entry) -> Result<Enacted, Stop> {
        self.make_room(entry.at)?;
        let marks = self.ledger.marks_needed(entry);
        for mark in &marks {
            self.push(FactRef::Entry(mark))?;
        }
        self.push(FactRef::Entry(entry))?;
        let end = self.commit()?;
        for mark in &marks {
            self.apply(mark)?;
            if let EntryKind::Mark { account, .. } = &mark.kind {
                self.raised.push(Raised {
                    budget: account.budget.clone(),
                    subject: account.subject.clone(),
                    until: end,
                });
            }
        }
        let applied = self.apply(entry)?;
        let wait = if marks.is_empty() { None } else { Some(end) };
        Ok(Enacted { applied, wait })
    }

    /// Journals marks that nobody waits for: lowered ones.
    pub(crate) fn enact_trims(&mut self, marks: &[Entry]) -> Result<(), Stop> {
        for mark in marks {
            self.make_room(mark.at)?;
            self.push(FactRef::Entry(mark))?;
            self.commit()?;
            self.apply(mark)?;
        }
        Ok(())
    }

    /// Up to where the journal must be durable before a hold for `subjects` may be acknowledged,
    /// because an account that it touches rests on a mark which is not.
    pub(crate) fn wait_for_marks(&mut self, subjects: &Subjects) -> Option<Place> {
        if self.raised.is_empty() {
            return None;
        }
        let synced = self.journal.synced();
        self.raised.retain(|raised| raised.until > synced);
        let budgets = self.ledger.budgets();
        let touches = |raised: &&Raised| {
            // A budget that is gone might be here under another set: waiting is never wrong.
            budgets.find(&raised.budget).is_none_or(|(_, budget)| subjects.subject(&budget.scope) == raised.subject)
        };
        self.raised.iter().filter(touches).map(|raised| raised.until).max()
    }

    /// Journals the record of a request.
    pub(crate) fn record(&mut self, record: &RequestRecord) -> Result<(), Stop> {
        self.make_room(record.ended)?;
        self.push(FactRef::Record(record))?;
        self.commit().map(drop)
    }

    /// Puts other limits in force for the same accounts, and says so in the journal; `None` if
    /// these budgets count something else.
    pub(crate) fn relimit(&mut self, budgets: &Budgets) -> Result<Option<Place>, Stop> {
        if !self.ledger.budgets().count_like(budgets) {
            return Ok(None);
        }
        self.push(FactRef::Budgets(budgets))?;
        self.commit()?;
        // It counts the same, so this cannot say no.
        let _ = self.ledger.relimit(budgets);
        Ok(Some(self.journal.end()))
    }

    /// Says in the journal that the ledger's budgets are in force from here on.
    pub(crate) fn record_budgets(&mut self, ledger: Ledger) -> Result<(), Stop> {
        self.push(FactRef::Budgets(ledger.budgets()))?;
        self.commit()?;
        self.ledger = ledger;
        Ok(())
    }

    /// Says in the journal that it ends in order; the caller syncs before and after.
    pub(crate) fn record_clean(&mut self, at: Timestamp) -> Result<(), Stop> {
        self.push(FactRef::Clean(at))?;
        self.commit().map(drop)
    }

    fn make_room(&mut self, at: Timestamp) -> Result<(), Stop> {
        if !self.journal.is_full() {
            return Ok(());
        }
        let entries = carry::carried(&self.ledger, &mut self.audit, at);
        self.journal
            .rotate(at, carry::facts(self.ledger.budgets(), &entries))
            .map_err(|error| Stop::io("beginning a new segment of the journal", &error))
    }

    fn push(&mut self, fact: FactRef<'_>) -> Result<(), Stop> {
        self.journal.push(fact).map_err(|error| {
            self.journal.discard();
            Stop::io("adding to the journal", &error)
        })
    }

    fn commit(&mut self) -> Result<Place, Stop> {
        self.journal.commit().map_err(|error| Stop::io("writing the journal", &error))
    }

    fn apply(&mut self, entry: &Entry) -> Result<Applied, Stop> {
        self.audit.note(entry);
        self.ledger
            .apply(entry)
            .map_err(|error| Stop::broken(&format!("an entry that was decided cannot be applied: {error}")))
    }
}
