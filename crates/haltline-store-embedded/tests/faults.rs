//! Faults other than a crash: a full disk, a broken disk, damage, newer files. Each stops spending
//! with words that say what to do, and loses nothing that was acknowledged.

use crate::books::{Books, seen};
use crate::support::{START, at_once, attempt, budget, budgets, demand, open, options, subjects};
use haltline_ledger::{AccountId, Budgets, Hold};
use haltline_ports::{Book, BookError, BookHealth, Correction, HoldError, LimitOverride, Records};
use haltline_store_embedded::{Crash, Disk, DiskFault, EmbeddedStore, OpenError, SimDisk, Start};
use haltline_types::{Amount, NanoUsd, Timestamp, Unit};
use std::time::Duration;

fn hold(number: u128, nanodollars: i64) -> Hold {
    let expires = START.saturating_add(Duration::from_secs(600));
    Hold { id: attempt(number), at: START, subjects: subjects("alice"), ceiling: demand(nanodollars, 1), expires }
}

/// Works until something fails; returns what was acknowledged until then.
fn work_until_stopped(store: &EmbeddedStore) -> (Books, String) {
    let mut books = Books::default();
    for number in 1..400 {
        match at_once(store.hold(hold(number, 100_000))) {
            Ok(_) => books.hold(attempt(number), "alice", demand(100_000, 1)),
            Err(HoldError::Unavailable(BookError::Stopped(why))) => return (books, why),
            Err(other) => panic!("{other:?}"),
        }
        match at_once(store.settle(attempt(number), START, demand(50_000, 1))) {
            Ok(_) => books.close(attempt(number), demand(50_000, 1)),
            Err(BookError::Stopped(why)) => return (books, why),
            Err(other) => panic!("{other:?}"),
        }
    }
    panic!("nothing failed");
}

#[test]
fn a_full_disk_stops_spending_and_loses_nothing() {
    for space in [1500, 3000, 5000, 5003, 9000] {
        let disk = SimDisk::new(space);
        let (store, _) = open(&disk, START).expect("open");
        disk.set_space(Some(usize::try_from(space).expect("fits")));
        let (books, why) = work_until_stopped(&store);
        assert!(why.contains("the disk is full") && why.contains("restart"), "{why}");
        assert!(matches!(store.health(), BookHealth::Stopped(_)));
        assert!(matches!(at_once(store.hold(hold(999, 1))), Err(HoldError::Unavailable(_))), "it stays stopped");

        let disk = disk.restart(Crash::Kill);
        disk.set_space(None);
        let (store, _) = open(&disk, START).expect("there is space again");
        assert_eq!(seen(&store.balances(START)), books.sums());
        at_once(store.hold(hold(1000, 1))).expect("spending goes on");
    }
}

#[test]
fn a_failed_write_or_sync_stops_spending_and_gives_no_permit() {
    let faults: [fn(u64) -> DiskFault; 3] = [DiskFault::WriteBroken, DiskFault::WriteNoSpace, DiskFault::SyncBroken];
    for fault in faults {
        for moment in 0..12 {
            let disk = SimDisk::new(moment);
            let (store, _) = open(&disk, START).expect("open");
            let moment = if fault(0) == DiskFault::SyncBroken(0) { moment % 2 } else { moment };
            disk.inject(fault(moment));
            let (books, why) = work_until_stopped(&store);
            assert!(why.contains("failed"), "{why}");
            let disk = disk.restart(Crash::Kill);
            let (store, recovered) = open(&disk, START).expect("open");
            assert_eq!(recovered.start, Start::Killed);
            // A hold whose sync failed may be in the journal; nobody has a permit for it.
            for open in recovered.open.iter().filter(|open| !books.open.contains_key(&open.id)) {
                at_once(store.release(open.id, START)).expect("open");
            }
            assert_eq!(seen(&store.balances(START)), books.sums(), "{:?}", fault(moment));
        }
    }
}

#[test]
fn damage_in_the_middle_is_refused_and_harms_no_byte() {
    let disk = SimDisk::new(1);
    let (store, _) = open(&disk, START).expect("open");
    for number in 1..10 {
        at_once(store.hold(hold(number, 100_000))).expect("hold");
    }
    drop(store);
    let disk = disk.restart(Crash::Kill);
    let file = "journal-00000001.hl";
    let sound = disk.read_all(file).expect("readable");
    for offset in [2, 20, sound.len() / 2, sound.len() - 3] {
        disk.damage(file, offset);
        let refused = open(&disk, START).expect_err("damaged");
        assert!(matches!(refused, OpenError::Corrupt { .. }), "{refused}");
        let text = refused.to_string();
        assert!(text.contains(file) && text.contains("haltline store verify"), "{text}");
        disk.damage(file, offset);
        assert_eq!(disk.read_all(file).expect("readable"), sound);
    }
    open(&disk, START).expect("sound again");
}

#[test]
fn a_newer_journal_is_refused_by_name() {
    let disk = SimDisk::new(1);
    drop(open(&disk, START).expect("open"));
    let disk = disk.restart(Crash::Kill);
    let mut bytes = disk.read_all("journal-00000001.hl").expect("readable");
    bytes[8] += 1;
    disk.replace("journal-00000001.hl", &bytes).expect("write");
    let refused = open(&disk, START).expect_err("newer");
    assert!(matches!(refused, OpenError::Newer { found: 2, known: 1, .. }), "{refused}");
}

#[test]
fn a_closed_store_needs_no_recovery_after_a_power_loss() {
    let disk = SimDisk::new(1);
    let (store, _) = open(&disk, START).expect("open");
    at_once(store.hold(hold(1, 100_000))).expect("hold");
    at_once(store.settle(attempt(1), START, demand(100_000, 1))).expect("settle");
    let before = store.balances(START);
    store.close(START).expect("close");
    assert!(matches!(at_once(store.hold(hold(2, 1))), Err(HoldError::Unavailable(_))));
    let disk = disk.restart(Crash::PowerLoss);
    let (store, recovered) = open(&disk, START).expect("open");
    assert_eq!((recovered.start, recovered.charged.len()), (Start::Clean, 0));
    assert_eq!(store.balances(START), before);
}

#[test]
fn a_budget_that_is_configured_only_after_the_power_loss_is_charged_for_it() {
    let disk = SimDisk::new(1);
    let (store, _) = open(&disk, START).expect("open");
    at_once(store.hold(hold(1, 100_000))).expect("hold");
    at_once(store.settle(attempt(1), START, demand(100_000, 1))).expect("settle");
    let disk = disk.restart(Crash::PowerLossToSync);
    let later = Budgets::new(vec![budget("later", &["global"], "$1", "day")]).expect("budgets");
    let (store, recovered) = EmbeddedStore::open(options(&disk), later, START).expect("open");
    assert!(
        recovered.charged.iter().any(|(account, amount)| account.budget.as_str() == "all-day" && amount.value() > 0)
    );
    at_once(store.expire(attempt(1), START)).expect("it is open");
    let balances = store.balances(START);
    let (spent, _) = seen(&balances)[&("later".to_owned(), String::new())];
    // What it opened with, and the lease of the dearest mark that was there: 1 % of $0.40 at least.
    assert!(spent >= 100_000 + 4_000_000, "{spent}");
}

#[test]
fn old_segments_go_and_nothing_that_counts_with_them() {
    let disk = SimDisk::new(1);
    let (store, _) = open(&disk, START).expect("open");
    let day = Duration::from_secs(86_400);
    at_once(store.hold(hold(1, 1_000))).expect("a hold that stays open");
    let mut now = START;
    let mut number = 2;
    let segments =
        |disk: &SimDisk| disk.list().expect("list").iter().filter(|name| name.starts_with("journal")).count();
    let mut most = 0;
    for _ in 0..120 {
        now = now.saturating_add(day);
        for _ in 0..20 {
            let wanted = Hold { at: now, ..hold(number, 1_000_000) };
            at_once(store.hold(wanted)).expect("hold");
            at_once(store.settle(attempt(number), now, demand(500_000, 1))).expect("settle");
            number += 1;
        }
        store.tick(now).expect("tick");
        most = most.max(segments(&disk));
        if number == 2 + 20 * 60 {
            // As long as a hold is open, what came after it stays.
            assert!(disk.list().expect("list").contains(&"journal-00000001.hl".to_owned()));
            at_once(store.release(attempt(1), now)).expect("open");
        }
    }
    let left = segments(&disk);
    assert!(left < most * 3 / 4, "{left} segments of {most} are left");
    assert!(!disk.list().expect("list").contains(&"journal-00000001.hl".to_owned()));
    let before = store.balances(now);
    assert!(!before.is_empty());
    drop(store);
    let (store, _) = open(&disk.restart(Crash::Kill), now).expect("open");
    assert_eq!(store.balances(now), before);
}

#[test]
fn what_operators_did_is_kept_with_who_and_why() {
    let disk = SimDisk::new(1);
    let (store, _) = open(&disk, START).expect("open");
    at_once(store.hold(hold(1, 100_000))).expect("hold");
    let midnight = Timestamp::from_secs(1_795_478_400);
    let account = AccountId { budget: "user-day".into(), subject: "alice".into(), window: midnight };
    let delta = Amount::usd(NanoUsd::new(5_000_000));
    let correction = Correction { account, delta, by: "op".into(), reason: "invoice".into() };
    at_once(store.adjust(correction, START)).expect("adjust");
    let wanted = LimitOverride {
        budget: "user-day".into(),
        subject: Some("alice".into()),
        limit: Amount::new(Unit::Usd, 9_000_000_000),
        until: START.saturating_add(Duration::from_secs(3600)),
        by: "op".into(),
        reason: "launch".into(),
    };
    at_once(store.limit_override(wanted, START)).expect("override");
    // Both are synced: a power loss takes neither.
    let (store, _) = open(&disk.restart(Crash::PowerLossToSync), START).expect("open");
    let history = at_once(store.history(&"user-day".into())).expect("history");
    assert_eq!(history.len(), 2);
    assert!(format!("{history:?}").contains("invoice") && format!("{history:?}").contains("launch"));
    let alice = store.balances(START).into_iter().find(|balance| balance.account.subject == "alice").expect("alice");
    assert_eq!(alice.limit.value(), 9_000_000_000);
    assert!(at_once(store.history(&"all-day".into())).expect("history").is_empty());
}

#[test]
fn records_are_found_at_once_and_after_a_kill() {
    let disk = SimDisk::new(1);
    let (store, _) = open(&disk, START).expect("open");
    let record = crate::crash::record(77, START);
    store.record(&record).expect("record");
    assert_eq!(at_once(store.generation(record.id)).expect("readable"), Some(record.clone()));
    let (store, _) = open(&disk.restart(Crash::Kill), START).expect("open");
    assert_eq!(at_once(store.generation(record.id)).expect("readable"), Some(record));
}

#[test]
fn new_budgets_open_with_the_journals_sum_and_a_failure_leaves_the_old() {
    let disk = SimDisk::new(1);
    let (store, _) = open(&disk, START).expect("open");
    for number in 1..60 {
        at_once(store.hold(hold(number, 100_000))).expect("hold");
    }
    let mut list = budgets().to_vec();
    list.push(budget("later", &["user"], "$5", "month"));
    let more = Budgets::new(list).expect("budgets");
    at_once(store.rebudget(more.clone(), START)).expect("rebudget");
    assert_eq!(seen(&store.balances(START))[&("later".to_owned(), "alice".to_owned())], (0, 5_900_000));
    disk.damage("journal-00000001.hl", 300);
    at_once(store.rebudget(budgets(), START)).expect_err("the journal cannot be read");
    assert_eq!(store.health(), BookHealth::Open);
    assert!(seen(&store.balances(START)).contains_key(&("later".to_owned(), "alice".to_owned())));
}
