//! The store as a whole: how it opens after whatever ended the process before, and how it closes.

use crate::acts::ActLog;
use crate::admins::EmbeddedAdmins;
use crate::carry;
use crate::codec::FactRef;
use crate::disk::Disk;
use crate::documents::DocumentFile;
use crate::error::OpenError;
use crate::frame::Place;
use crate::housekeeping;
use crate::inner::Inner;
use crate::journal::{Extent, Journal};
use crate::keys::EmbeddedKeys;
use crate::load::{self, Counts, Loaded};
use crate::options::{Options, Threads};
use crate::recovery::Ending;
use crate::restored;
use crate::seal::Seal;
use crate::segment;
use crate::shared::Shared;
use crate::views::Views;
use haltline_ledger::{AccountId, Budgets, EntryKind, OpenHold, Skipped};
use haltline_ports::{BookError, Keys, budgets_with_keys};
use haltline_types::{Amount, Timestamp};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::JoinHandle;

/// The embedded store: `Book`, `Records`, `Keys`, `Documents` and `Streams` over one directory.
pub struct EmbeddedStore {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// How the process before ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// There was none: the store is new.
    New,
    /// It closed the store.
    Clean,
    /// It was killed, and the machine kept running: nothing is lost.
    Killed,
    /// The machine lost power, or was started anew: the accounts resume at their marks.
    PowerLoss,
}

/// What was found at the start.
#[derive(Debug)]
pub struct Recovered {
    /// How the process before ended.
    pub start: Start,
    /// Holds whose outcome nobody knows any more: the process died under them. Expire them.
    pub open: Vec<OpenHold>,
    /// What was charged for what a power loss may have taken from the journal.
    pub charged: Vec<(AccountId, Amount)>,
    /// Bytes of an unfinished write that were cut off the end of the journal.
    pub torn: u64,
    /// What the journal holds.
    pub counts: Counts,
    /// Entries that name budgets which are configured no more, or otherwise.
    pub skipped: Skipped,
}

impl EmbeddedStore {
    /// Opens a store with these budgets and those of its keys: replays its journal, recovers what a power loss may have taken, checks that
    /// balances are the sums of their entries, and starts the threads.
    ///
    /// # Errors
    /// When anything is not as it was written; nothing can then be spent.
    #[expect(clippy::needless_pass_by_value, reason = "as everywhere that budgets come into force")]
    pub fn open(options: Options, budgets: Budgets, now: Timestamp) -> Result<(Arc<Self>, Recovered), OpenError> {
        let disk = Arc::clone(&options.disk);
        let seal = Seal::open(disk.as_ref(), options.encryption.as_ref())?;
        let keys = EmbeddedKeys::open(Arc::clone(&disk), options.pepper)?;
        let records = keys.list();
        let budgets =
            budgets_with_keys(&budgets, records.iter().map(AsRef::as_ref)).map_err(OpenError::Contradiction)?;
        let doors = (EmbeddedAdmins::open(Arc::clone(&disk))?, ActLog::open(Arc::clone(&disk))?);
        let (mut loaded, ending) = load::load(disk.as_ref(), budgets)?;
        let (extents, end, mut recovered) = match ending {
            None => begin(disk.as_ref(), loaded.ledger.budgets(), now)?,
            Some(ending) if ending.same_boot => resume(disk.as_ref(), ending)?,
            Some(ending) => recover(disk.as_ref(), ending, &mut loaded, now)?,
        };
        loaded.ledger.check().map_err(OpenError::Contradiction)?;
        recovered.open = loaded.ledger.open_holds().collect();
        recovered.open.sort_by_key(|open| (open.at, open.id));
        recovered.counts = loaded.counts;
        recovered.skipped = loaded.ledger.skipped();
        let oldest = extents.front().map_or(end.segment, |extent| extent.number);
        let views = Views::open(Arc::clone(&disk), oldest, end)?;
        let documents = DocumentFile::open(disk.as_ref(), seal.clone())?;
        let mut journal = Journal::open(Arc::clone(&disk), options.segment_bytes, extents, end)?;
        journal.mark_synced(end);
        let budgets = loaded.ledger.budgets();
        if loaded.in_force.is_some_and(|then| then != *budgets) {
            let written = journal.push(FactRef::Budgets(budgets)).and_then(|()| journal.commit());
            written.map_err(OpenError::io("writing the journal"))?;
        }
        let inner = Inner::new(loaded.ledger, journal, loaded.audit);
        let restored = restored::is_marked(disk.as_ref())?;
        let shared = Arc::new(Shared::new(options, inner, views, documents, keys, doors, restored, seal));
        let store = Arc::new(Self { threads: Mutex::new(start_threads(&shared)?), shared });
        tracing::info!(start = ?recovered.start, entries = recovered.counts.entries, open = recovered.open.len(), "the store is open");
        Ok((store, recovered))
    }

    /// Does what is due and need not be done at once: sync, project, trim marks, forget closed
    /// windows, compact, sweep streams. For stores without threads; others do it themselves.
    ///
    /// # Errors
    /// When the store has stopped.
    pub fn tick(&self, now: Timestamp) -> Result<(), BookError> {
        housekeeping::sweep_streams(&self.shared, now);
        self.shared.sync_all()?;
        housekeeping::project(&self.shared);
        housekeeping::tidy(&self.shared, now)
    }

    /// All that is written so far survives a power loss when this returns.
    ///
    /// # Errors
    /// When the store has stopped, or the sync fails, which stops it.
    pub fn sync(&self) -> Result<(), BookError> {
        self.shared.sync_all()
    }

    /// Ends the threads, syncs, and says in the journal that it ends in order, so that the next
    /// start has nothing to recover. Whatever comes after it is refused.
    ///
    /// # Errors
    /// When the store had stopped before, or the last sync fails.
    pub fn close(&self, now: Timestamp) -> Result<(), BookError> {
        self.end_threads();
        self.shared.streams.close();
        self.shared.sync_all()?;
        self.shared.locked(|inner| inner.record_clean(now))?;
        self.shared.sync_all()?;
        housekeeping::project(&self.shared);
        self.shared.documents.close();
        self.shared.close();
        Ok(())
    }

    /// Opens spending again after a restore from a backup: the operator has stated, by corrections,
    /// what was spent since the backup was made.
    ///
    /// # Errors
    /// When the mark of the restore cannot be removed; spending stays shut then.
    pub fn accept_restored(&self) -> std::io::Result<()> {
        restored::unmark(self.shared.disk.as_ref())?;
        self.shared.accept_restored();
        Ok(())
    }

    pub(crate) const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    fn end_threads(&self) {
        self.shared.end_threads();
        for thread in self.threads.lock().drain(..) {
            // A thread that panicked has said so itself.
            let _ = thread.join();
        }
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        self.end_threads();
    }
}

impl std::fmt::Debug for EmbeddedStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedStore").field("options", &self.shared.options).finish_non_exhaustive()
    }
}

type Begun = (VecDeque<Extent>, Place, Recovered);

fn recovered(start: Start, torn: u64) -> Recovered {
    Recovered {
        start,
        torn,
        open: Vec::new(),
        charged: Vec::new(),
        counts: Counts::default(),
        skipped: Skipped::default(),
    }
}

/// The first segment of a new journal.
fn begin(disk: &dyn Disk, budgets: &Budgets, now: Timestamp) -> Result<Begun, OpenError> {
    let (extent, end) = Journal::begin_segment(disk, 1, now, carry::facts(budgets, &[]))
        .map_err(OpenError::io("beginning the journal"))?;
    Ok(([extent].into(), end, recovered(Start::New, 0)))
}

/// Goes on in the last segment, written in this boot. What a killed process has written is in the
/// journal, and perhaps not yet on the disk: the sync puts it there.
fn resume(disk: &dyn Disk, ending: Ending) -> Result<Begun, OpenError> {
    cut(disk, &ending)?;
    let start = if ending.clean { Start::Clean } else { Start::Killed };
    Ok((ending.extents, ending.end, recovered(start, ending.torn)))
}

/// Begins a new segment after another boot. What the accounts are charged for the loss stands in
/// it from its first moment: a process that dies here leaves either all of it or the old end.
fn recover(disk: &dyn Disk, ending: Ending, loaded: &mut Loaded, now: Timestamp) -> Result<Begun, OpenError> {
    cut(disk, &ending)?;
    let carried = carry::carried(&loaded.ledger, &mut loaded.audit, now);
    let budgets = loaded.ledger.budgets().clone();
    let then = loaded.in_force.clone().unwrap_or_else(|| budgets.clone());
    let entries = match (ending.clean, then == budgets) {
        (true, _) => Vec::new(),
        (false, true) => loaded.ledger.recoveries(now),
        // Budgets that came after the power loss say nothing of what it took.
        (false, false) => load::load(disk, then.clone())?.0.ledger.recoveries(now),
    };
    let number = ending.end.segment + 1;
    let facts =
        carry::facts(&then, &carried).chain(entries.iter().map(FactRef::Entry)).chain([FactRef::Budgets(&budgets)]);
    let (extent, end) = Journal::begin_segment(disk, number, now, facts)
        .map_err(OpenError::io("beginning a segment of the journal"))?;
    loaded.in_force = Some(budgets);
    let start = if ending.clean { Start::Clean } else { Start::PowerLoss };
    let mut recovered = recovered(start, ending.torn);
    for entry in &entries {
        loaded.audit.note(entry);
        let applied = loaded.ledger.apply(entry);
        applied.map_err(|error| OpenError::Contradiction(format!("a recovery cannot be applied: {error}")))?;
        if let EntryKind::Recover { account, amount } = &entry.kind
            && amount.value() != 0
        {
            tracing::warn!(%account, %amount, "charged for what a power loss may have taken from the journal");
            recovered.charged.push((account.clone(), *amount));
        }
    }
    let mut extents = ending.extents;
    extents.push_back(extent);
    Ok((extents, end, recovered))
}

/// Cuts an unfinished write off the end of the journal, and syncs that end: also when there is
/// nothing to cut, because a start that died may have cut it and not synced.
fn cut(disk: &dyn Disk, ending: &Ending) -> Result<(), OpenError> {
    let name = segment::name(ending.end.segment);
    let (offset, bytes) = (ending.end.offset, ending.torn);
    let cut = || {
        let file = disk.open(&name)?;
        if bytes > 0 {
            tracing::warn!(file = %name, offset, bytes, "an unfinished write is cut off the end of the journal");
            file.truncate(offset)?;
        }
        file.sync()
    };
    cut().map_err(OpenError::io(format!("cutting an unfinished write off {name}")))
}

fn start_threads(shared: &Arc<Shared>) -> Result<Vec<JoinHandle<()>>, OpenError> {
    let Threads::Own(clock) = &shared.options.threads else { return Ok(Vec::new()) };
    let start = |name: &str, life: Box<dyn FnOnce() + Send>| {
        let builder = std::thread::Builder::new().name(name.to_owned());
        builder.spawn(life).map_err(OpenError::io("starting a thread"))
    };
    let syncing = Arc::clone(shared);
    let tidying = Arc::clone(shared);
    let writing = Arc::clone(shared);
    let clock = Arc::clone(clock);
    Ok(vec![
        start("haltline-sync", Box::new(move || syncing.sync_until_closed()))?,
        start("haltline-documents", Box::new(move || writing.documents.write_until_closed()))?,
        start("haltline-views", Box::new(move || housekeeping::run(&tidying, clock.as_ref())))?,
    ])
}
