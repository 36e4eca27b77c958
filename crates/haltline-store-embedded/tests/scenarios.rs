//! The ledger's scenario files, played on the store.

use crate::support::{START, at_once, options};
use haltline_ledger::scenario::{Bench, Limit, play};
use haltline_ledger::{AccountId, Balance, Budgets, Headroom, Hold, LedgerError, Refusal, Settled};
use haltline_ports::{Book, BookError, Correction, HoldError, LimitOverride};
use haltline_store_embedded::{Crash, EmbeddedStore, SimDisk, verify_disk};
use haltline_types::{Amount, AttemptId, Demand, Subjects, Timestamp};
use std::sync::Arc;

#[test]
fn the_store_plays_every_scenario_of_the_ledger() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../haltline-ledger/scenarios");
    let mut played = 0;
    let mut failures = Vec::new();
    for file in std::fs::read_dir(folder).expect("the folder of scenarios") {
        let path = file.expect("a file").path();
        let text = std::fs::read_to_string(&path).expect("readable");
        match play(&text, Stored::new) {
            Ok(count) => played += count,
            Err(failed) => failures.extend(failed.iter().map(|failure| format!("{}: {failure}", path.display()))),
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
    assert!(played >= 30, "only {played} scenarios");
}

struct Stored {
    disk: SimDisk,
    store: Arc<EmbeddedStore>,
    budgets: Budgets,
    /// The latest time that the scenario has mentioned.
    now: Timestamp,
}

impl Stored {
    fn new() -> Self {
        let disk = SimDisk::new(1);
        let budgets = Budgets::none();
        let (store, _) = EmbeddedStore::open(options(&disk), budgets.clone(), Timestamp::default()).expect("open");
        Self { disk, store, budgets, now: START }
    }

    fn start_again(&mut self, crash: Crash, at: Timestamp) {
        self.disk = self.disk.restart(crash);
        let opened = EmbeddedStore::open(options(&self.disk), self.budgets.clone(), at);
        (self.store, _) = opened.unwrap_or_else(|error| panic!("{error}"));
    }
}

fn allowed<T>(done: Result<T, BookError>) -> Result<T, LedgerError> {
    done.map_err(|error| match error {
        BookError::NotAllowed(error) => error,
        BookError::Stopped(why) => panic!("{why}"),
    })
}

impl Bench for Stored {
    fn rebudget(&mut self, budgets: Budgets, at: Timestamp) {
        self.budgets = budgets.clone();
        at_once(self.store.rebudget(budgets, at)).expect("rebudget");
    }

    fn hold(&mut self, hold: &Hold) -> Result<(), Refusal> {
        self.now = hold.at;
        match at_once(self.store.hold(hold.clone())) {
            Ok(_) => Ok(()),
            Err(HoldError::Refused(refusal)) => Err(*refusal),
            Err(HoldError::Unavailable(error)) => panic!("{error}"),
        }
    }

    fn true_up(&mut self, id: AttemptId, at: Timestamp, ceiling: Demand) -> Result<(), LedgerError> {
        allowed(at_once(self.store.true_up(id, at, ceiling)))
    }

    fn settle(&mut self, id: AttemptId, at: Timestamp, cost: Demand) -> Result<Settled, LedgerError> {
        allowed(at_once(self.store.settle(id, at, cost)))
    }

    fn release(&mut self, id: AttemptId, at: Timestamp) -> Result<(), LedgerError> {
        allowed(at_once(self.store.release(id, at)))
    }

    fn expire(&mut self, id: AttemptId, at: Timestamp) -> Result<Settled, LedgerError> {
        allowed(at_once(self.store.expire(id, at)))
    }

    fn adjust(&mut self, account: AccountId, delta: Amount, at: Timestamp) -> Result<(), LedgerError> {
        let correction = Correction { account, delta, by: "op".into(), reason: "asked for".into() };
        allowed(at_once(self.store.adjust(correction, at)))
    }

    fn limit_override(&mut self, wanted: Limit, at: Timestamp) -> Result<(), LedgerError> {
        let Limit { budget, subject, limit, until } = wanted;
        let wanted = LimitOverride { budget, subject, limit, until, by: "op".into(), reason: "asked for".into() };
        allowed(at_once(self.store.limit_override(wanted, at)))
    }

    fn headroom(&mut self, subjects: &Subjects, at: Timestamp) -> Headroom {
        self.store.headroom(subjects, at)
    }

    fn balances(&mut self, at: Timestamp) -> Vec<Balance> {
        self.now = at;
        self.store.balances(at)
    }

    fn forget_closed(&mut self, at: Timestamp) {
        self.store.tick(at).expect("tick");
    }

    fn restart(&mut self, at: Timestamp) {
        self.start_again(Crash::Kill, at);
    }

    fn sync(&mut self) {
        self.store.sync().expect("sync");
    }

    fn lose_power(&mut self, at: Timestamp) {
        self.start_again(Crash::PowerLossToSync, at);
    }

    fn check(&mut self) -> Result<(), String> {
        let report = verify_disk(&self.disk, self.budgets.clone(), self.now).map_err(|error| error.to_string())?;
        if report.balances == self.store.balances(self.now) {
            Ok(())
        } else {
            Err(format!("the journal says {:?}, the store {:?}", report.balances, self.store.balances(self.now)))
        }
    }
}
