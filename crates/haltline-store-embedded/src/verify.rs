//! Looks at a data directory and changes nothing: is everything there as it was written, and are
//! balances the sums of their entries?

use crate::disk::{Disk, RealDisk};
use crate::error::OpenError;
use crate::load::{self, Counts};
use crate::segment;
use crate::store::EmbeddedStore;
use crate::views;
use haltline_ledger::{Balance, Budgets, Skipped};
use haltline_types::Timestamp;
use std::fmt;
use std::path::Path;

/// What a data directory holds.
#[derive(Debug)]
pub struct Report {
    /// The version of the journal's format.
    pub version: u32,
    /// How many segments there are.
    pub segments: usize,
    /// What they hold.
    pub counts: Counts,
    /// Bytes of an unfinished write at the end, which the next start cuts off.
    pub torn: u64,
    /// Was the journal closed in order?
    pub clean: bool,
    /// Was it last written in the present boot of the machine? If not, and it was not closed in
    /// order, the next start charges the accounts up to their marks.
    pub same_boot: bool,
    /// Holds without an outcome.
    pub open_holds: usize,
    /// Every account of an open window.
    pub balances: Vec<Balance>,
    /// Entries that name budgets which are configured no more, or otherwise.
    pub skipped: Skipped,
    /// Bytes of the journal that are not in the views yet, where that can be said.
    pub unprojected: Option<u64>,
    /// When it was looked at.
    pub at: Timestamp,
}

/// Looks at the directory of a stopped Haltline.
///
/// # Errors
/// What is wrong, and where; or that a running Haltline owns the directory.
pub fn verify(dir: &Path, budgets: Budgets, now: Timestamp) -> Result<Report, OpenError> {
    let disk = RealDisk::inspect(dir)?;
    verify_disk(&disk, budgets, now)
}

/// Looks at a disk that nobody else uses.
///
/// # Errors
/// What is wrong, and where.
pub fn verify_disk(disk: &dyn Disk, budgets: Budgets, now: Timestamp) -> Result<Report, OpenError> {
    let (loaded, ending) = load::load(disk, budgets)?;
    let Some(ending) = ending else {
        let error = std::io::Error::new(std::io::ErrorKind::NotFound, "there is no journal");
        return Err(OpenError::Io { doing: "looking for a journal".to_owned(), error });
    };
    loaded.ledger.check().map_err(OpenError::Contradiction)?;
    let projected = disk.path().and_then(views::position_in);
    let unprojected = projected.map(|place| {
        let length = |number| disk.read_all(&segment::name(number)).map_or(0, |bytes| bytes.len() as u64);
        let between: u64 = (place.segment.max(1)..ending.end.segment).map(length).sum();
        (between + ending.end.offset).saturating_sub(place.offset)
    });
    Ok(Report {
        version: segment::VERSION,
        segments: ending.extents.len(),
        counts: loaded.counts,
        torn: ending.torn,
        clean: ending.clean,
        same_boot: ending.same_boot,
        open_holds: loaded.ledger.open_holds().count(),
        balances: loaded.ledger.balances(now),
        skipped: loaded.ledger.skipped(),
        unprojected,
        at: now,
    })
}

impl EmbeddedStore {
    /// Looks at the store while it runs: its journal is replayed from the disk once more and the
    /// sums compared with the balances in memory. Nothing is written meanwhile, so holds wait.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn verify(&self, now: Timestamp) -> Result<Report, OpenError> {
        // No segment may be removed meanwhile.
        let _alone = self.shared().reading.lock();
        self.shared().look(|inner| {
            let budgets = inner.ledger.budgets().clone();
            let report = verify_disk(self.shared().disk.as_ref(), budgets, now)?;
            inner.ledger.check().map_err(OpenError::Contradiction)?;
            let live = inner.ledger.balances(now);
            if live != report.balances {
                let differs = live.iter().find(|balance| !report.balances.contains(balance));
                let what = differs.map_or_else(
                    || "an account is missing in memory".to_owned(),
                    |balance| balance.account.to_string(),
                );
                return Err(OpenError::Contradiction(format!("memory and journal differ: {what}")));
            }
            Ok(report)
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { entries, carried, records } = self.counts;
        writeln!(
            f,
            "journal: version {}, {} segments, {entries} entries, {records} records, {carried} carried on",
            self.version, self.segments
        )?;
        match (self.clean, self.torn) {
            (true, _) => writeln!(f, "ending: closed in order")?,
            (false, 0) => writeln!(f, "ending: not closed in order, nothing torn")?,
            (false, torn) => writeln!(
                f,
                "ending: not closed in order, an unfinished write of {torn} bytes, which the next start cuts off"
            )?,
        }
        if !self.clean && !self.same_boot {
            writeln!(
                f,
                "boot: the machine was started anew since; the next start charges each account up to its mark"
            )?;
        }
        writeln!(f, "open holds: {}", self.open_holds)?;
        if self.skipped != Skipped::default() {
            let Skipped { adjusts, overrides, marks } = self.skipped;
            writeln!(
                f,
                "of budgets that are configured no more: {adjusts} corrections, {overrides} limits, {marks} marks"
            )?;
        }
        if let Some(bytes) = self.unprojected {
            writeln!(f, "views: {bytes} bytes of the journal are not in them yet")?;
        }
        for balance in &self.balances {
            writeln!(
                f,
                "account {}: spent {}, held {}, limit {}",
                balance.account, balance.spent, balance.held, balance.limit
            )?;
        }
        write!(f, "balances are the sums of their entries")
    }
}
