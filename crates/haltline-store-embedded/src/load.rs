//! From a journal to a ledger: what opening, a new set of budgets and `verify` have in common.

use crate::carry::Audit;
use crate::codec::Fact;
use crate::disk::Disk;
use crate::error::OpenError;
use crate::recovery::{self, Ending, Replayed};
use crate::segment;
use haltline_ledger::{Budgets, Ledger};

/// What a journal says.
pub(crate) struct Loaded {
    pub(crate) ledger: Ledger,
    pub(crate) audit: Audit,
    pub(crate) counts: Counts,
    /// The budgets that were in force at the end of the journal.
    pub(crate) in_force: Option<Budgets>,
}

/// How many facts of each kind a journal holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Entries of the ledger.
    pub entries: u64,
    /// Entries that are repeated at the head of a segment.
    pub carried: u64,
    /// Records of requests.
    pub records: u64,
}

impl Loaded {
    pub(crate) fn new(budgets: Budgets) -> Self {
        Self { ledger: Ledger::new(budgets), audit: Audit::default(), counts: Counts::default(), in_force: None }
    }

    /// Takes one fact in.
    pub(crate) fn take(&mut self, replayed: &Replayed) -> Result<(), OpenError> {
        let entry = match &replayed.fact {
            Fact::Entry(entry) => {
                self.counts.entries += 1;
                entry
            }
            Fact::Carried(entry) => {
                self.counts.carried += 1;
                if !replayed.oldest {
                    return Ok(());
                }
                entry
            }
            Fact::Record(_) => {
                self.counts.records += 1;
                return Ok(());
            }
            Fact::Budgets(budgets) => {
                self.in_force = Some(budgets.clone());
                return Ok(());
            }
            Fact::Synced(_) | Fact::Clean(_) => return Ok(()),
        };
        self.audit.note(entry);
        self.ledger.apply(entry).map(drop).map_err(|error| {
            let place = replayed.begin;
            OpenError::Contradiction(format!("{}, byte {}: {error}", segment::name(place.segment), place.offset))
        })
    }
}

/// Replays the whole journal on `disk`; `None` for the ending where there is none.
pub(crate) fn load(disk: &dyn Disk, budgets: Budgets) -> Result<(Loaded, Option<Ending>), OpenError> {
    let mut loaded = Loaded::new(budgets);
    let ending = recovery::replay(disk, |replayed| loaded.take(&replayed))?;
    Ok((loaded, ending))
}
