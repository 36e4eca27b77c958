//! The auditor: knows what was promised, what the provider bills and what the ledger answers, and
//! compares them after each event. It adds everything up by itself; of the ledger it uses only
//! what the ledger says in public.

mod accounts;
mod attempt;

use crate::budgets::BudgetPlan;
use crate::clock::SimClock;
use crate::log::EventLog;
use crate::provider::{Bill, Ending, Observer};
use accounts::Watch;
use attempt::Attempt;
use haltline_ledger::Balance;
use haltline_ports::{Basis, Clock, RequestRecord};
use haltline_store_embedded::Crash;
use haltline_types::{AttemptId, Demand, ModelName, RequestId, Subjects, Timestamp};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Notify;

/// Attempts that one request may have.
const CALLS_PER_REQUEST: u32 = 4;

/// The auditor of a world.
pub struct Auditor {
    clock: Arc<SimClock>,
    log: Arc<EventLog>,
    state: Mutex<State>,
    alarm: Notify,
}

/// What was seen, so that a run which met nothing cannot pass for one that proved something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Seen {
    /// Holds given.
    pub holds: u64,
    /// Holds refused.
    pub refusals: u64,
    /// Attempts that reached a provider.
    pub arrivals: u64,
    /// Of these repetitions.
    pub repeated: u64,
    /// Steps of bills.
    pub bills: u64,
    /// Charges that rest on a report.
    pub reported: u64,
    /// Charges of the ceiling.
    pub ceilings: u64,
    /// Holds given back.
    pub released: u64,
    /// Holds lowered.
    pub lowered: u64,
    /// Comparisons of all balances with all bills.
    pub balances: u64,
    /// Everything billed, in nanodollars.
    pub nano: i64,
}

#[derive(Default)]
struct State {
    attempts: Vec<Attempt>,
    by_id: BTreeMap<AttemptId, usize>,
    watches: Vec<Watch>,
    calls: BTreeMap<RequestId, u32>,
    /// When an endpoint may be asked again by a request, on the gateway's own clock.
    waits: BTreeMap<(RequestId, ModelName), Timestamp>,
    /// The latest time that the journal has an entry of, in milliseconds.
    now: i64,
    /// The latest time that the ledger was asked anything with.
    latest: i64,
    crashed: bool,
    power_losses: u64,
    violations: Vec<String>,
    seen: Seen,
}

impl Auditor {
    /// An auditor who has seen nothing.
    #[must_use]
    pub fn new(clock: Arc<SimClock>, log: Arc<EventLog>) -> Self {
        Self { clock, log, state: Mutex::default(), alarm: Notify::new() }
    }

    /// What does not hold, in the order in which it was found.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.state.lock().violations.clone()
    }

    /// What was seen so far.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.state.lock().seen
    }

    /// The latest time that the ledger was asked anything with.
    #[must_use]
    pub fn latest(&self) -> Timestamp {
        Timestamp::from_millis(self.state.lock().latest)
    }

    /// The ledger is asked something with this time. Whether the journal gets an entry of it, its
    /// answer tells, unless it dies of it.
    pub fn asked(&self, at: Timestamp) {
        let allowed = self.clock.latest_allowed();
        self.in_state(|state| {
            state.latest = state.latest.max(at.as_millis());
            if at > allowed {
                state.violations.push(format!("the ledger is told {at}, and it is {allowed} at most"));
            }
        });
    }

    /// The process has died: from here on the journal may know more than anybody was told, and
    /// accounts may stand higher than the sum of what was charged.
    pub fn crashed(&self, crash: Crash) {
        let mut state = self.state.lock();
        state.crashed = true;
        state.power_losses += u64::from(crash != Crash::Kill);
    }

    /// The ledger holds less for an attempt.
    pub fn lowered(&self, id: AttemptId, at: Timestamp, ceiling: Demand) {
        self.log.note(self.clock.elapsed(), format_args!("lowered {id} {}", ceiling.usd.get()));
        self.in_state(|state| {
            state.advance(at);
            state.seen.lowered += 1;
            if let Some(place) = state.by_id.get(&id) {
                state.attempts[*place].lowered(ceiling);
            }
        });
    }

    /// Returns when something was found not to hold.
    pub async fn alarm(&self) {
        self.alarm.notified().await;
    }

    /// Says that something does not hold.
    pub fn violate(&self, what: String) {
        self.in_state(|state| state.violations.push(what));
    }

    /// These budgets are in force from here on.
    pub fn budgets(&self, plans: &[BudgetPlan]) {
        self.in_state(|state| {
            let mut old = std::mem::take(&mut state.watches);
            for plan in plans {
                let same = old.iter().position(|watch| watch.counts_like(plan));
                let same = same.map(|place| old.swap_remove(place));
                let mut watch = Watch::new(plan.clone(), same, state.power_losses);
                for (place, attempt) in state.attempts.iter().enumerate() {
                    watch.enter(place, attempt);
                }
                state.watches.push(watch);
            }
        });
    }

    /// The ledger gave a hold.
    pub fn held(&self, id: AttemptId, at: Timestamp, subjects: &Arc<Subjects>, ceiling: Demand) {
        self.in_state(|state| {
            state.advance(at);
            state.seen.holds += 1;
            let place = state.attempts.len();
            let attempt = Attempt::held(id, state.now, Arc::clone(subjects), ceiling);
            for watch in &mut state.watches {
                watch.enter(place, &attempt);
                watch.note_hold(&attempt);
            }
            state.attempts.push(attempt);
            state.by_id.insert(id, place);
            state.check_exposure(place);
        });
        self.log.note(self.clock.elapsed(), format_args!("hold {id} {}", ceiling.usd.get()));
    }

    /// The ledger gave none.
    pub fn refused(&self, id: AttemptId, why: &str) {
        self.in_state(|state| state.seen.refusals += 1);
        self.log.note(self.clock.elapsed(), format_args!("refusal {id} {why}"));
    }

    /// A start has charged the ceiling of a hold that a process died under.
    pub fn recovered(&self, id: AttemptId, at: Timestamp, cost: Demand) {
        self.log.note(self.clock.elapsed(), format_args!("recovery {id} {}", cost.usd.get()));
        self.in_state(|state| {
            state.advance(at);
            // A hold that nobody was told of may stand in the journal.
            let Some(place) = state.by_id.get(&id).copied() else { return };
            let wrong = state.attempts[place].recovered(cost);
            state.violations.extend(wrong);
        });
    }

    /// The ledger has closed a hold and charged so much.
    pub fn charged(&self, id: AttemptId, at: Timestamp, basis: Basis, cost: Demand) {
        let nano = cost.usd.get();
        self.log.note(self.clock.elapsed(), format_args!("charge {id} {} {nano}", basis.word()));
        self.in_state(|state| {
            state.advance(at);
            match basis {
                Basis::Reported => state.seen.reported += 1,
                Basis::Ceiling => state.seen.ceilings += 1,
                Basis::Released => state.seen.released += 1,
            }
            let Some(place) = state.by_id.get(&id).copied() else {
                state.violations.push(format!("{id} is charged without a hold that was given"));
                return;
            };
            let attempt = &mut state.attempts[place];
            let wrong = attempt.charged(basis, cost);
            state.violations.extend(wrong);
        });
    }

    /// The journal has an entry of this time.
    pub fn told(&self, at: Timestamp) {
        self.in_state(|state| state.advance(at));
    }

    /// Compares balances, as the ledger shows them at `at`, with what was billed.
    pub fn compare(&self, balances: &[Balance], at: Timestamp) {
        self.in_state(|state| {
            state.seen.balances += 1;
            let now = state.now.max(at.as_millis());
            for watch in &state.watches {
                let wrong = watch.compare(&state.attempts, balances, now);
                state.violations.extend(wrong);
                if !state.crashed {
                    let wrong = watch.compare_exactly(&state.attempts, balances, now);
                    state.violations.extend(wrong);
                }
            }
        });
    }

    /// Nothing is under way: nothing may be held.
    pub fn quiet(&self, balances: &[Balance]) {
        for balance in balances.iter().filter(|balance| balance.held.value() != 0) {
            self.violate(format!("nothing is under way, and {} holds {}", balance.account, balance.held));
        }
    }

    /// A journey ended with this record.
    pub fn recorded(&self, record: &RequestRecord) {
        let outcome = record.outcome;
        self.log.note(
            self.clock.elapsed(),
            format_args!("record {} {} {} {:?}", record.id, record.status, record.cost().get(), outcome),
        );
        self.in_state(|state| {
            for made in &record.attempts {
                let id = AttemptId { request: record.id, number: made.number };
                let charged = state.by_id.get(&id).and_then(|place| state.attempts[*place].charge());
                if charged != Some((made.basis, made.cost.get())) {
                    state.violations.push(format!(
                        "the record of {id} says {} {}, the ledger {charged:?}",
                        made.basis.word(),
                        made.cost
                    ));
                }
            }
        });
    }

    fn in_state(&self, work: impl FnOnce(&mut State)) {
        let mut state = self.state.lock();
        let before = state.violations.len();
        work(&mut state);
        if state.violations.len() > before {
            for violation in &state.violations[before..] {
                self.log.note(self.clock.elapsed(), format_args!("VIOLATION {violation}"));
            }
            self.alarm.notify_one();
        }
    }
}

impl Observer for Auditor {
    fn arrived(&self, id: AttemptId, endpoint: &ModelName, most: Bill) {
        self.log.note(self.clock.elapsed(), format_args!("arrival {id} {endpoint} {}", most.nano));
        let now = self.clock.now();
        self.in_state(|state| {
            state.seen.arrivals += 1;
            state.seen.repeated += u64::from(id.number > 1);
            let calls = state.calls.entry(id.request).or_default();
            *calls += 1;
            if *calls > CALLS_PER_REQUEST {
                let calls = *calls;
                state.violations.push(format!("{} has called {calls} times", id.request));
            }
            if let Some(until) = state.waits.get(&(id.request, endpoint.clone())).filter(|until| now < **until) {
                state.violations.push(format!("{id} asks {endpoint} at {now}, which said not before {until}"));
            }
            let Some(place) = state.by_id.get(&id).copied() else {
                state.violations.push(format!("{id} was sent without a hold"));
                return;
            };
            state.attempts[place].arrived(endpoint.clone(), most);
            state.check_exposure(place);
        });
    }

    fn billed(&self, id: AttemptId, bill: Bill) {
        self.log.note(self.clock.elapsed(), format_args!("bill {id} {}", bill.nano));
        self.in_state(|state| {
            state.seen.bills += 1;
            let Some(place) = state.by_id.get(&id).copied() else { return };
            let before = state.attempts[place].bill().nano;
            state.seen.nano += bill.nano - before;
            let wrong = state.attempts[place].billed(bill);
            state.violations.extend(wrong);
            state.check_exposure(place);
        });
    }

    fn ended(&self, id: AttemptId, ending: Ending) {
        self.log.note(self.clock.elapsed(), format_args!("end {id} {ending:?}"));
        let now = self.clock.now();
        self.in_state(|state| {
            let Some(place) = state.by_id.get(&id).copied() else { return };
            let attempt = &mut state.attempts[place];
            attempt.ended(ending);
            if let (Ending::Rejected(Some(wait)), Some(endpoint)) = (ending, attempt.endpoint()) {
                state.waits.insert((id.request, endpoint.clone()), now.saturating_add(wait));
            }
        });
    }
}

impl State {
    fn advance(&mut self, at: Timestamp) {
        self.now = self.now.max(at.as_millis());
    }

    /// What can still be billed for each account that the attempt touches, against the limit that
    /// was in force at the account's latest hold.
    fn check_exposure(&mut self, place: usize) {
        for watch in &self.watches {
            let wrong = watch.check_exposure(&self.attempts, place, self.now);
            self.violations.extend(wrong);
        }
    }
}
