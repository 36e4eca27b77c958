//! A new set of budgets: a new ledger from the whole journal, so that a budget which did not exist
//! opens with what its subject has spent in its window, open holds included.

use crate::frame::Place;
use crate::inner::Stop;
use crate::load::Loaded;
use crate::recovery;
use crate::shared::Shared;
use haltline_ledger::Budgets;
use haltline_ports::BookError;
use haltline_types::Timestamp;

/// So much of the journal may be read while everybody waits.
const BYTES_UNDER_LOCK: u64 = 256 << 10;
/// When the journal grows faster than it is read, the lock ends the chase.
const ROUNDS_MAX: u32 = 8;

pub(crate) async fn rebudget(shared: &Shared, budgets: Budgets, at: Timestamp) -> Result<(), BookError> {
    shared.check_open()?;
    if shared.look(|inner| *inner.ledger.budgets() == budgets) {
        return Ok(());
    }
    if let Some(end) = relimit(shared, &budgets)? {
        return shared.durable(end).await;
    }
    let end = swap(shared, budgets, at)?;
    // Marks of new accounts do not exist yet: what their sums rest on is made durable instead.
    shared.durable(end).await
}

/// Where only limits differ, nothing needs to be counted anew: a key that is made or changed must not
/// cost a walk through the journal. `None` if more differs.
fn relimit(shared: &Shared, budgets: &Budgets) -> Result<Option<Place>, BookError> {
    let _alone = shared.reading.lock();
    let end = shared.locked(|inner| inner.relimit(budgets))?;
    if end.is_some() {
        shared.bump();
    }
    Ok(end)
}

/// Reads what is written without the lock, and the rest under it.
fn swap(shared: &Shared, budgets: Budgets, at: Timestamp) -> Result<Place, BookError> {
    let _alone = shared.reading.lock();
    let oldest = shared.look(|inner| inner.journal.oldest());
    let mut loaded = Loaded::new(budgets);
    let mut from = Place { segment: oldest, offset: 0 };
    for _ in 0..ROUNDS_MAX {
        let end = shared.look(|inner| inner.journal.end());
        from = read(shared, &mut loaded, oldest, from, end)?;
        let grown = shared.look(|inner| inner.journal.end());
        if grown.segment == from.segment && grown.offset - from.offset <= BYTES_UNDER_LOCK {
            break;
        }
    }
    let swapped = shared.locked(|inner| {
        let end = inner.journal.end();
        if let Err(error) = read(shared, &mut loaded, oldest, from, end) {
            return Ok(Err(error));
        }
        loaded.ledger.check().map_err(|why| Stop::broken(&why))?;
        loaded.ledger.forget_closed(at);
        inner.record_budgets(loaded.ledger)?;
        Ok(Ok(inner.journal.end()))
    })?;
    shared.bump();
    swapped
}

/// Returns `end`. When the journal cannot be read the old budgets stay in force and spending goes
/// on: what is in memory is whole.
fn read(shared: &Shared, loaded: &mut Loaded, oldest: u64, from: Place, end: Place) -> Result<Place, BookError> {
    recovery::replay_between(shared.disk.as_ref(), oldest, from, end, |replayed| loaded.take(&replayed))
        .map(|()| end)
        .map_err(|error| BookError::Stopped(format!("the new budgets are not in force, the old ones are: {error}")))
}
