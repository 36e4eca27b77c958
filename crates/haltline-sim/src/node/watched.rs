//! The store's doors with the auditor in them: what is asked is passed on, what is answered is
//! shown to the auditor first. Notices when the disk or the store has died.

use crate::auditor::Auditor;
use crate::budgets::BudgetPlan;
use haltline_ledger::{Balance, Budgets, Entry, Headroom, Hold, Settled};
use haltline_ports::{
    Basis, Book, BookError, BookHealth, BoxFuture, Correction, HoldError, LimitOverride, Permit, Records, RecordsError,
    RequestRecord, RequestsQuery, SpendQuery, SpendRow,
};
use haltline_store_embedded::{Disk, EmbeddedStore, SimDisk};
use haltline_types::{AttemptId, Demand, Name, RequestId, Subjects, Timestamp};
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::{Notify, watch};

pub(crate) struct WatchedBook {
    pub(super) store: Arc<EmbeddedStore>,
    pub(super) disk: SimDisk,
    pub(super) auditor: Option<Arc<Auditor>>,
    /// What the next `rebudget` brings, in the auditor's words.
    pub(super) coming: Mutex<Vec<BudgetPlan>>,
    /// Are holds being charged that a process died under?
    pub(super) recovering: Mutex<bool>,
    pub(super) death: Notify,
    /// One for each who waits for headroom, in the order in which they came. A channel that they
    /// shared would wake them in an order of its own choosing.
    pub(super) waiting: Mutex<Vec<watch::Sender<u64>>>,
}

impl WatchedBook {
    /// A store's book with nobody watching: what is left is the certain order in which those who
    /// wait for headroom are woken.
    pub(crate) fn unwatched(store: Arc<EmbeddedStore>, disk: SimDisk) -> Self {
        Self {
            store,
            disk,
            auditor: None,
            coming: Mutex::default(),
            recovering: Mutex::new(false),
            death: Notify::new(),
            waiting: Mutex::default(),
        }
    }

    /// Tells whoever waits for headroom, if the store does.
    fn pass_on(&self) {
        let count = *self.store.freed().borrow();
        let tell = |sender: &mut watch::Sender<u64>| {
            sender.send_if_modified(|told| std::mem::replace(told, count) != count);
            !sender.is_closed()
        };
        self.waiting.lock().retain_mut(tell);
    }

    /// Has the store or its disk died?
    pub(super) fn look(&self) {
        self.pass_on();
        if self.disk.is_dead() || self.store.health() != BookHealth::Open {
            self.death.notify_one();
        }
    }

    /// Does what is due. What the store writes down of its own, it dates.
    pub(super) fn tick(&self, at: Timestamp) -> Result<(), BookError> {
        self.asked(at);
        let before = self.bytes();
        let ticked = self.store.tick(at);
        if let Some(auditor) = &self.auditor
            && self.bytes() != before
        {
            auditor.told(at);
        }
        self.look();
        ticked
    }

    fn bytes(&self) -> usize {
        let names = self.disk.list().unwrap_or_default();
        names.iter().filter_map(|name| self.disk.read_all(name).ok()).map(|bytes| bytes.len()).sum()
    }

    fn asked(&self, at: Timestamp) {
        if let Some(auditor) = &self.auditor {
            auditor.asked(at);
        }
    }

    /// After an answer of the ledger.
    fn answered(&self, at: Timestamp, tell: impl FnOnce(&Auditor)) {
        self.pass_on();
        if let Some(auditor) = &self.auditor {
            tell(auditor);
            auditor.compare(&self.store.balances(at), at);
        }
    }
}

impl Book for WatchedBook {
    fn hold(&self, hold: Hold) -> BoxFuture<'_, Result<Permit, HoldError>> {
        Box::pin(async move {
            let (id, at, subjects) = (hold.id, hold.at, Arc::clone(&hold.subjects));
            self.asked(at);
            let answer = self.store.hold(hold).await;
            match &answer {
                Ok(permit) => {
                    let ceiling = permit.ceiling();
                    self.answered(at, |auditor| auditor.held(id, at, &subjects, ceiling));
                }
                Err(HoldError::Refused(refusal)) => {
                    self.answered(at, |auditor| auditor.refused(id, refusal.reason.word()));
                }
                Err(HoldError::Unavailable(_)) => self.look(),
            }
            answer
        })
    }

    fn true_up(&self, id: AttemptId, at: Timestamp, ceiling: Demand) -> BoxFuture<'_, Result<(), BookError>> {
        Box::pin(async move {
            self.asked(at);
            let answer = self.store.true_up(id, at, ceiling).await;
            match answer {
                Ok(()) => self.answered(at, |auditor| auditor.lowered(id, at, ceiling)),
                Err(_) => self.look(),
            }
            answer
        })
    }

    fn settle(&self, id: AttemptId, at: Timestamp, cost: Demand) -> BoxFuture<'_, Result<Settled, BookError>> {
        Box::pin(async move {
            self.asked(at);
            let answer = self.store.settle(id, at, cost).await;
            // A repetition that was refused is no money, and counts as a repetition all the same.
            let basis = if cost.requests == 0 { Basis::Released } else { Basis::Reported };
            match &answer {
                Ok(settled) => {
                    let cost = settled.cost;
                    self.answered(at, |auditor| auditor.charged(id, at, basis, cost));
                }
                Err(_) => self.look(),
            }
            answer
        })
    }

    fn release(&self, id: AttemptId, at: Timestamp) -> BoxFuture<'_, Result<(), BookError>> {
        Box::pin(async move {
            self.asked(at);
            let answer = self.store.release(id, at).await;
            match answer {
                Ok(()) => self.answered(at, |auditor| auditor.charged(id, at, Basis::Released, Demand::ZERO)),
                Err(_) => self.look(),
            }
            answer
        })
    }

    fn expire(&self, id: AttemptId, at: Timestamp) -> BoxFuture<'_, Result<Settled, BookError>> {
        Box::pin(async move {
            self.asked(at);
            let answer = self.store.expire(id, at).await;
            let recovering = *self.recovering.lock();
            match &answer {
                Ok(settled) => {
                    let cost = settled.cost;
                    self.answered(at, |auditor| {
                        if recovering {
                            auditor.recovered(id, at, cost);
                        } else {
                            auditor.charged(id, at, Basis::Ceiling, cost);
                        }
                    });
                }
                Err(_) => self.look(),
            }
            answer
        })
    }

    fn adjust(&self, correction: Correction, at: Timestamp) -> BoxFuture<'_, Result<(), BookError>> {
        self.store.adjust(correction, at)
    }

    fn limit_override(&self, wanted: LimitOverride, at: Timestamp) -> BoxFuture<'_, Result<(), BookError>> {
        self.store.limit_override(wanted, at)
    }

    fn headroom(&self, subjects: &Subjects, at: Timestamp) -> Headroom {
        self.store.headroom(subjects, at)
    }

    fn balance_of(&self, budget: &Name, subjects: &Subjects, at: Timestamp) -> Option<Balance> {
        self.store.balance_of(budget, subjects, at)
    }

    fn balances(&self, at: Timestamp) -> Vec<Balance> {
        self.store.balances(at)
    }

    fn history(&self, budget: &Name) -> BoxFuture<'_, Result<Vec<Entry>, BookError>> {
        self.store.history(budget)
    }

    fn rebudget(&self, budgets: Budgets, at: Timestamp) -> BoxFuture<'_, Result<(), BookError>> {
        Box::pin(async move {
            self.asked(at);
            let answer = self.store.rebudget(budgets, at).await;
            match answer {
                Ok(()) => {
                    let plans = self.coming.lock().clone();
                    self.answered(at, |auditor| auditor.budgets(&plans));
                }
                Err(_) => self.look(),
            }
            answer
        })
    }

    fn freed(&self) -> watch::Receiver<u64> {
        let (sender, receiver) = watch::channel(*self.store.freed().borrow());
        self.waiting.lock().push(sender);
        receiver
    }

    fn health(&self) -> BookHealth {
        self.store.health()
    }
}

pub(super) struct WatchedRecords {
    pub(super) book: Arc<WatchedBook>,
}

impl Records for WatchedRecords {
    fn record(&self, record: &RequestRecord) -> Result<(), RecordsError> {
        let kept = self.book.store.record(record);
        match (&kept, &self.book.auditor) {
            (Ok(()), Some(auditor)) => auditor.recorded(record),
            (Ok(()), None) => {}
            (Err(_), _) => self.book.look(),
        }
        kept
    }

    fn generation(&self, id: RequestId) -> BoxFuture<'_, Result<Option<RequestRecord>, RecordsError>> {
        self.book.store.generation(id)
    }

    fn requests(&self, query: RequestsQuery) -> BoxFuture<'_, Result<Vec<RequestRecord>, RecordsError>> {
        self.book.store.requests(query)
    }

    fn spend(&self, query: SpendQuery) -> BoxFuture<'_, Result<Vec<SpendRow>, RecordsError>> {
        self.book.store.spend(query)
    }
}
