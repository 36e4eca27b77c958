//! What need not be done at once: records into the views, marks down to what is used, closed
//! windows out of memory, old segments, expired documents and old streams off the disk.

use crate::segment;
use crate::shared::Shared;
use haltline_ports::{BookError, Clock};
use haltline_types::Timestamp;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The life of the thread that projects and tidies.
pub(crate) fn run(shared: &Shared, clock: &dyn Clock) {
    const PROJECT_EVERY: Duration = Duration::from_millis(50);
    const ROUNDS_PER_TIDY: u32 = 200;
    let mut rounds = 0;
    while shared.rest(PROJECT_EVERY) {
        project(shared);
        shared.streams.catch_up();
        rounds += 1;
        if rounds == ROUNDS_PER_TIDY {
            rounds = 0;
            sweep_streams(shared, clock.now());
            if tidy(shared, clock.now()).is_err() {
                // It has stopped, and said so.
                return;
            }
        }
    }
    project(shared);
}

/// Brings the views up to date where something is new. The views are not the truth: when they
/// cannot be written, that is said once, spending goes on, and the next round tries again.
pub(crate) fn project(shared: &Shared) {
    if !shared.unprojected.load(Ordering::Acquire) {
        return;
    }
    match shared.project() {
        Ok(()) => {
            if shared.views_lag.swap(false, Ordering::Relaxed) {
                tracing::info!("the views are up to date again");
            }
        }
        Err(error) => {
            if !shared.views_lag.swap(true, Ordering::Relaxed) {
                tracing::error!(%error, "the views lag behind the journal");
            }
        }
    }
}

/// The most documents that one round removes, so that it ends soon.
const SWEPT_MAX: usize = 10_000;

/// Drops streams whose time is over, and what else is due in their log. What fails is said,
/// and concerns nothing but streams.
pub(crate) fn sweep_streams(shared: &Shared, now: Timestamp) {
    if let Err(error) = shared.streams.sweep(now) {
        tracing::error!(%error, "old streams stay");
    }
}

/// Trims marks, forgets closed windows, removes old segments, old records and
/// expired documents.
pub(crate) fn tidy(shared: &Shared, now: Timestamp) -> Result<(), BookError> {
    let horizon = shared.locked(|inner| {
        let trims = inner.ledger.marks_to_trim(now);
        inner.enact_trims(&trims)?;
        inner.ledger.forget_closed(now);
        Ok(inner.ledger.horizon(now))
    })?;
    let kept = |duration| now.saturating_sub(duration);
    compact(shared, horizon.min(kept(shared.options.keep_entries)))?;
    if let Err(error) = shared.views.forget_before(kept(shared.options.keep_records)) {
        tracing::error!(%error, "old records stay in the views");
    }
    if let Err(error) = shared.documents.sweep(now, SWEPT_MAX) {
        tracing::error!(%error, "expired documents stay");
    }
    Ok(())
}

/// Removes the oldest segments while nothing in them is younger than `horizon` or unprojected.
fn compact(shared: &Shared, horizon: Timestamp) -> Result<(), BookError> {
    let outdated = || shared.look(|inner| inner.journal.outdated(horizon));
    if outdated().is_none() {
        return Ok(());
    }
    // Also where no records are new: the views must be past the segments that go.
    let projected = match shared.project().and_then(|()| shared.views.checkpoint()) {
        Ok(Some(place)) => place,
        Ok(None) => return Ok(()),
        Err(error) => {
            tracing::error!(%error, "old segments stay, because the views are not safely on the disk");
            return Ok(());
        }
    };
    let _alone = shared.reading.lock();
    while let Some(number) = outdated().filter(|number| *number < projected.segment) {
        let name = segment::name(number);
        if let Err(error) = shared.disk.remove(&name) {
            tracing::warn!(%error, file = %name, "an old segment cannot be removed");
            return Ok(());
        }
        shared.locked(|inner| {
            inner.journal.forget_oldest();
            Ok(())
        })?;
        tracing::debug!(file = %name, "an old segment is removed");
    }
    Ok(())
}
