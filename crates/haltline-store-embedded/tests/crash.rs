//! Random work on a simulated disk that dies at random moments. After a kill everything that was
//! acknowledged is there exactly. After a power loss no account stands below what was
//! acknowledged, nor higher above it than its mark allows.

use crate::books::{Account, Books, seen};
use crate::support::{Chance, START, at_once, attempt, budgets, demand, open, subjects};
use haltline_ledger::{AccountId, Hold};
use haltline_ports::{Book, Correction, HoldError, Records};
use haltline_store_embedded::{Crash, DiskFault, EmbeddedStore, SimDisk, Start, verify_disk};
use haltline_types::{Amount, AttemptId, Demand, NanoUsd, Timestamp, Tokens, Unit};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const USERS: [&str; 3] = ["alice", "bob", "carol"];
const CYCLES: u64 = 4;

#[test]
fn kills_and_power_losses_at_random_moments_0() {
    for_seeds(0);
}

#[test]
fn kills_and_power_losses_at_random_moments_1() {
    for_seeds(1);
}

/// `HALTLINE_SEEDS` sets how many seeds are tried.
fn for_seeds(part: u64) {
    let seeds = std::env::var("HALTLINE_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(600);
    let mut seen = Seen::default();
    for seed in (part..seeds).step_by(2) {
        World::new(seed, &mut seen).live();
    }
    println!("{seen:?}");
    assert!(seen.kills > 100 && seen.power_losses > 100 && seen.lost > 50 && seen.in_doubt > 100, "{seen:?}");
    assert!(seen.torn > 100 && seen.refused > 50, "{seen:?}");
}

/// Whether the tests meet what they are about.
#[derive(Debug, Default)]
struct Seen {
    kills: u64,
    power_losses: u64,
    /// Power losses that took acknowledged entries out of the journal.
    lost: u64,
    in_doubt: u64,
    torn: u64,
    refused: u64,
}

struct World<'s> {
    seed: u64,
    chance: Chance,
    disk: SimDisk,
    store: Arc<EmbeddedStore>,
    now: Timestamp,
    next: u128,
    /// What must be in the ledger after a kill, and what it would be with the command under way.
    exact: Books,
    doubt: Option<Books>,
    /// What was acknowledged: what providers may bill.
    truth: Books,
    /// The most that each account ever stood at.
    peak: BTreeMap<Account, i64>,
    seen: &'s mut Seen,
}

impl<'s> World<'s> {
    fn new(seed: u64, seen: &'s mut Seen) -> Self {
        let disk = SimDisk::new(seed);
        let (store, recovered) = open(&disk, START).expect("a new store");
        assert_eq!(recovered.start, Start::New);
        Self {
            seed,
            chance: Chance(seed ^ 0xabcd),
            disk,
            store,
            now: START,
            next: 1,
            exact: Books::default(),
            doubt: None,
            truth: Books::default(),
            peak: BTreeMap::new(),
            seen,
        }
    }

    fn live(&mut self) {
        for _ in 0..CYCLES {
            let dies_at = self.chance.below(200);
            self.disk.inject(DiskFault::DiesAt(dies_at));
            while !self.disk.is_dead() {
                self.now = self.now.saturating_add(Duration::from_millis(self.chance.below(50)));
                self.step();
                self.note_peaks();
                if !self.disk.is_dead() {
                    assert_eq!(seen(&self.store.balances(self.now)), self.exact.sums(), "seed {}", self.seed);
                }
            }
            let crash = [Crash::Kill, Crash::Kill, Crash::PowerLoss, Crash::PowerLossToSync][self.pick(4)];
            self.restart(crash);
        }
    }

    fn step(&mut self) {
        match self.chance.below(20) {
            0..8 => self.hold(),
            8..13 => self.settle(),
            13 => self.true_up(),
            14 => self.release(),
            15 => self.expire(),
            16 => self.adjust(),
            17 => {
                let record = record(self.next, self.now);
                let kept = self.store.record(&record);
                assert!(kept.is_ok() || self.disk.is_dead());
            }
            _ => {
                let ticked = self.store.tick(self.now);
                assert!(ticked.is_ok() || self.disk.is_dead(), "seed {}: {ticked:?}", self.seed);
            }
        }
    }

    fn hold(&mut self) {
        let user = USERS[self.pick(3)];
        let most = [2_000_000, 10_000_000, 60_000_000][self.pick(3)];
        let ceiling = demand(self.chance.amount(most) + 1, self.chance.below(most.unsigned_abs() / 400_000));
        let id = attempt(self.next);
        self.next += 1;
        let expires = self.now.saturating_add(Duration::from_secs(600));
        let hold = Hold { id, at: self.now, subjects: subjects(user), ceiling, expires };
        match at_once(self.store.hold(hold)) {
            Ok(permit) => {
                assert_eq!(permit.id(), id);
                self.exact.hold(id, user, ceiling);
                self.truth.hold(id, user, ceiling);
            }
            Err(HoldError::Refused(_)) => self.seen.refused += 1,
            Err(HoldError::Unavailable(_)) => self.died(|books| books.hold(id, user, ceiling)),
        }
    }

    fn settle(&mut self) {
        let Some((id, ceiling)) = self.any_open() else { return };
        let overruns = self.chance.below(30) == 0;
        let share = if overruns { 1 + self.chance.amount(200) } else { -self.chance.amount(101) };
        let part = |whole: i64| whole + whole * share / 100;
        let tokens = u64::try_from(part(i64::try_from(ceiling.tokens.get()).expect("fits"))).expect("not negative");
        let cost = Demand { usd: NanoUsd::new(part(ceiling.usd.get())), tokens: Tokens::new(tokens), ..ceiling };
        let done = at_once(self.store.settle(id, self.now, cost)).map(drop);
        self.acknowledge(done.is_ok(), |books| books.close(id, cost));
    }

    fn true_up(&mut self) {
        let Some((id, ceiling)) = self.any_open() else { return };
        let lower = Demand { usd: NanoUsd::new(ceiling.usd.get() / 2), ..ceiling };
        let done = at_once(self.store.true_up(id, self.now, lower));
        self.acknowledge(done.is_ok(), |books| books.true_up(id, lower));
    }

    fn release(&mut self) {
        let Some((id, _)) = self.any_open() else { return };
        let done = at_once(self.store.release(id, self.now));
        self.acknowledge(done.is_ok(), |books| books.close(id, Demand::ZERO));
    }

    fn expire(&mut self) {
        let Some((id, ceiling)) = self.any_open() else { return };
        let done = at_once(self.store.expire(id, self.now)).map(drop);
        self.acknowledge(done.is_ok(), |books| books.close(id, ceiling));
    }

    fn adjust(&mut self) {
        let balances = self.store.balances(self.now);
        let Some(balance) = balances.iter().find(|balance| balance.account.budget.as_str() == "user-day") else {
            return;
        };
        let delta =
            self.chance.amount(20_000_000) - self.chance.amount(balance.spent.value().max(0) + 1).min(20_000_000);
        let account: AccountId = balance.account.clone();
        let key = (account.budget.to_string(), account.subject.clone());
        let delta_amount = Amount::new(Unit::Usd, delta);
        let correction = Correction { account, delta: delta_amount, by: "op".into(), reason: "test".into() };
        let done = at_once(self.store.adjust(correction, self.now));
        self.acknowledge(done.is_ok(), |books| books.charge(key.clone(), delta));
    }

    fn pick(&mut self, count: u64) -> usize {
        usize::try_from(self.chance.below(count)).expect("small")
    }

    fn any_open(&mut self) -> Option<(AttemptId, Demand)> {
        let count = u64::try_from(self.exact.open.len()).expect("few");
        if count == 0 {
            return None;
        }
        let place = usize::try_from(self.chance.below(count)).expect("few");
        self.exact.open.iter().nth(place).map(|(id, (_, ceiling))| (*id, *ceiling))
    }

    fn acknowledge(&mut self, done: bool, change: impl Fn(&mut Books)) {
        if done {
            change(&mut self.exact);
            change(&mut self.truth);
        } else {
            self.died(change);
        }
    }

    /// Only death is an excuse: the command may stand in the journal or not.
    fn died(&mut self, change: impl Fn(&mut Books)) {
        assert!(self.disk.is_dead(), "seed {}: {:?}", self.seed, self.store.health());
        let mut with = self.exact.clone();
        change(&mut with);
        self.doubt = Some(with);
        self.seen.in_doubt += 1;
        // Whatever lowers an account may have happened; whatever lifts one was not acknowledged.
        let mut lower = self.truth.clone();
        change(&mut lower);
        let total = |(spent, held): &(i64, i64)| spent + held;
        let sums = self.truth.sums();
        if lower.sums().iter().all(|(account, sum)| total(sum) <= sums.get(account).map_or(0, total)) {
            self.truth = lower;
        }
    }

    fn note_peaks(&mut self) {
        for books in [Some(&self.exact), self.doubt.as_ref()].into_iter().flatten() {
            for (account, (spent, held)) in books.sums() {
                let peak = self.peak.entry(account).or_default();
                *peak = (*peak).max(spent + held);
            }
        }
    }

    fn restart(&mut self, crash: Crash) {
        self.disk = self.disk.restart(crash);
        let report =
            verify_disk(&self.disk, budgets(), self.now).unwrap_or_else(|error| panic!("seed {}: {error}", self.seed));
        self.seen.torn += u64::from(report.torn > 0);
        // Dying while it recovers must not make a difference.
        if self.chance.below(3) == 0 {
            self.disk.inject(DiskFault::DiesAt(self.chance.below(4)));
            if open(&self.disk, self.now).is_err() || self.disk.is_dead() {
                self.disk = self.disk.restart(if self.chance.below(2) == 0 { Crash::Kill } else { crash });
            } else {
                self.disk = self.disk.restart(Crash::Kill);
            }
        }
        let (store, recovered) =
            open(&self.disk, self.now).unwrap_or_else(|error| panic!("seed {}: {error}", self.seed));
        self.store = store;
        let found = seen(&self.store.balances(self.now));
        match crash {
            Crash::Kill => {
                self.seen.kills += 1;
                let with = self.doubt.take().filter(|with| with.sums() == found);
                self.exact = with.unwrap_or_else(|| self.exact.clone());
                assert_eq!(found, self.exact.sums(), "seed {}", self.seed);
                let open: Vec<AttemptId> = recovered.open.iter().map(|open| open.id).collect();
                assert!(self.exact.open.keys().all(|id| open.contains(id)) && open.len() == self.exact.open.len());
            }
            Crash::PowerLoss | Crash::PowerLossToSync => {
                self.seen.power_losses += 1;
                self.check_bounds(&found);
            }
        }
        // The process died under these: the gateway charges their ceilings.
        for open in &recovered.open {
            at_once(self.store.expire(open.id, self.now)).expect("open");
            // A true-up may be lost, and what it said stays true: the bill is not above it.
            if let Some((_, ceiling)) = self.truth.open.get(&open.id).cloned() {
                self.truth.close(open.id, ceiling);
            }
        }
        // What the ledger lost is charged by its marks; nobody will settle it any more.
        for (id, (_, ceiling)) in self.truth.open.clone() {
            self.seen.lost += u64::from(crash != Crash::Kill);
            self.truth.close(id, ceiling);
        }
        self.exact = Books::adopt(&self.store.balances(self.now));
        self.doubt = None;
        self.check_bounds(&seen(&self.store.balances(self.now)));
        self.note_peaks();
    }

    /// Never below the truth; never further above what was once there than a lease.
    fn check_bounds(&self, found: &BTreeMap<Account, (i64, i64)>) {
        for (account, (spent, held)) in self.truth.sums() {
            let (found_spent, found_held) = found.get(&account).copied().unwrap_or_default();
            assert!(
                found_spent + found_held >= spent + held,
                "seed {}: {account:?} stands at {found_spent} + {found_held}, acknowledged were {spent} + {held}",
                self.seed
            );
        }
        for (account, (spent, held)) in found {
            let limit =
                budgets().iter().find(|budget| budget.name.as_str() == account.0).expect("budget").limit.value();
            let most = self.peak.get(account).copied().unwrap_or(0) + limit / 100;
            assert!(
                spent + held <= most,
                "seed {}: {account:?} stands at {} of at most {most}",
                self.seed,
                spent + held
            );
        }
    }
}

pub(crate) fn record(number: u128, at: Timestamp) -> haltline_ports::RequestRecord {
    haltline_ports::RequestRecord {
        id: haltline_types::RequestId::from_u128(number),
        trace_id: "0af7651916cd43dd8448eb211c80319c".into(),
        started: at,
        ended: at,
        subjects: subjects("alice"),
        surface: "chat.completions".into(),
        model: "chat".into(),
        streamed: false,
        outcome: haltline_ports::Outcome::Answered,
        status: 200,
        first_token: None,
        cap_lowered_to: None,
        degraded_to: None,
        blocked: None,
        attempts: Vec::new(),
        steps: Vec::new(),
    }
}
