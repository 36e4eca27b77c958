//! The door to the ledger: decides, journals, applies, and gives a permit only for what is durable.

use crate::inner::{Enacted, Inner, Stop};
use crate::rebudget;
use crate::shared::Shared;
use crate::store::EmbeddedStore;
use haltline_ledger::{Applied, Balance, Budgets, Entry, Headroom, Held, Hold, Ledger, LedgerError, Refusal, Settled};
use haltline_ports::{Book, BookError, BookHealth, BoxFuture, Correction, HoldError, LimitOverride, Permit};
use haltline_types::{AttemptId, Demand, Name, Subjects, Timestamp};
use tokio::sync::watch;

impl Book for EmbeddedStore {
    fn hold(&self, hold: Hold) -> BoxFuture<'_, Result<Permit, HoldError>> {
        Box::pin(take_hold(self.shared(), hold))
    }

    fn true_up(&self, id: AttemptId, at: Timestamp, ceiling: Demand) -> BoxFuture<'_, Result<(), BookError>> {
        Box::pin(async move {
            change(self.shared(), |ledger| ledger.true_up(id, at, ceiling)).await?;
            Ok(())
        })
    }

    fn settle(&self, id: AttemptId, at: Timestamp, cost: Demand) -> BoxFuture<'_, Result<Settled, BookError>> {
        Box::pin(
            async move { settled(self.shared(), change(self.shared(), |ledger| ledger.settle(id, at, cost)).await?) },
        )
    }

    fn release(&self, id: AttemptId, at: Timestamp) -> BoxFuture<'_, Result<(), BookError>> {
        Box::pin(async move {
            change(self.shared(), |ledger| ledger.release(id, at)).await?;
            Ok(())
        })
    }

    fn expire(&self, id: AttemptId, at: Timestamp) -> BoxFuture<'_, Result<Settled, BookError>> {
        Box::pin(async move { settled(self.shared(), change(self.shared(), |ledger| ledger.expire(id, at)).await?) })
    }

    fn adjust(&self, correction: Correction, at: Timestamp) -> BoxFuture<'_, Result<(), BookError>> {
        Box::pin(async move {
            let Correction { account, delta, by, reason } = correction;
            change(self.shared(), |ledger| ledger.adjust(account, delta, by, reason, at)).await?;
            flush(self.shared()).await
        })
    }

    fn limit_override(&self, wanted: LimitOverride, at: Timestamp) -> BoxFuture<'_, Result<(), BookError>> {
        Box::pin(async move {
            let LimitOverride { budget, subject, limit, until, by, reason } = wanted;
            change(self.shared(), |ledger| ledger.limit_override(budget, subject, limit, until, by, reason, at))
                .await?;
            flush(self.shared()).await
        })
    }

    fn headroom(&self, subjects: &Subjects, at: Timestamp) -> Headroom {
        self.shared().look(|inner| inner.ledger.headroom(subjects, at))
    }

    fn balance_of(&self, budget: &Name, subjects: &Subjects, at: Timestamp) -> Option<Balance> {
        self.shared().look(|inner| inner.ledger.balance_of(budget, subjects, at))
    }

    fn balances(&self, at: Timestamp) -> Vec<Balance> {
        self.shared().look(|inner| inner.ledger.balances(at))
    }

    fn history(&self, budget: &Name) -> BoxFuture<'_, Result<Vec<Entry>, BookError>> {
        let entries = self.shared().look(|inner| inner.audit.history(budget));
        Box::pin(std::future::ready(Ok(entries)))
    }

    fn rebudget(&self, budgets: Budgets, at: Timestamp) -> BoxFuture<'_, Result<(), BookError>> {
        Box::pin(rebudget::rebudget(self.shared(), budgets, at))
    }

    fn freed(&self) -> watch::Receiver<u64> {
        self.shared().freed.subscribe()
    }

    fn health(&self) -> BookHealth {
        self.shared().health()
    }
}

async fn take_hold(shared: &Shared, hold: Hold) -> Result<Permit, HoldError> {
    shared.check_spending().map_err(HoldError::Unavailable)?;
    let taken = shared.locked(|inner| take(inner, &hold)).map_err(HoldError::Unavailable)?;
    let (held, wait) = taken.map_err(HoldError::Refused)?;
    let Some(place) = wait else { return Ok(Permit::durable(held)) };
    let mut waiting = Waiting { shared, held: Some(held), at: hold.at };
    shared.durable(place).await.map_err(HoldError::Unavailable)?;
    match waiting.held.take() {
        Some(held) => Ok(Permit::durable(held)),
        None => Err(HoldError::Unavailable(BookError::Stopped("the hold is gone".to_owned()))),
    }
}

type Taken = Result<(Held, Option<crate::frame::Place>), Box<Refusal>>;

fn take(inner: &mut Inner, hold: &Hold) -> Result<Taken, Stop> {
    let entry = match inner.ledger.hold(hold) {
        Ok(entry) => entry,
        Err(refusal) => return Ok(Err(Box::new(refusal))),
    };
    let Enacted { applied, wait } = inner.enact(&entry)?;
    let wait = wait.max(inner.wait_for_marks(&hold.subjects));
    match applied {
        Applied::Held(held) => Ok(Ok((held, wait))),
        Applied::Settled(_) | Applied::Other => Err(Stop::broken("a hold that was decided was not held")),
    }
}

/// A hold whose mark is being synced. Nobody has a permit for it: when whoever wanted one leaves,
/// or the sync fails, nothing can have been sent, and it is given back.
struct Waiting<'a> {
    shared: &'a Shared,
    held: Option<Held>,
    at: Timestamp,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let Some(held) = self.held.take() else { return };
        let released = self.shared.locked(|inner| match inner.ledger.release(held.id(), self.at) {
            Ok(entry) => inner.enact(&entry).map(drop),
            Err(_) => Ok(()),
        });
        // When the store has stopped, the hold stays: budget unused, never overspent.
        if released.is_ok() {
            self.shared.bump();
        }
    }
}

/// Decides, journals and applies a change of what is held or spent, and waits where a mark was raised.
async fn change(
    shared: &Shared,
    decide: impl FnOnce(&Ledger) -> Result<Entry, LedgerError>,
) -> Result<Applied, BookError> {
    let done = shared.locked(|inner| match decide(&inner.ledger) {
        Ok(entry) => inner.enact(&entry).map(Ok),
        Err(error) => Ok(Err(error)),
    })?;
    let Enacted { applied, wait } = done.map_err(BookError::NotAllowed)?;
    shared.bump();
    if let Some(place) = wait {
        shared.durable(place).await?;
    }
    Ok(applied)
}

/// What an operator does is rare, and survives power loss as well.
async fn flush(shared: &Shared) -> Result<(), BookError> {
    let end = shared.look(|inner| inner.journal.end());
    shared.durable(end).await
}

fn settled(shared: &Shared, applied: Applied) -> Result<Settled, BookError> {
    match applied {
        Applied::Settled(settled) => Ok(settled),
        Applied::Held(_) | Applied::Other => {
            let Stop(why) = Stop::broken("a settle that was decided was not settled");
            Err(shared.stop(why))
        }
    }
}
