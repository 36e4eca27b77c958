//! The store on a real disk with its threads: many at once, a real `kill -9`, a second owner, the
//! time that a restart takes, and (ignored, in release) what an attempt costs.

use crate::books::{Books, seen};
use crate::support::{START, attempt, budget, budgets, demand, subjects};
use haltline_ledger::{Budgets, Hold};
use haltline_ports::{
    Book, BookHealth, Clock, Correction, HoldError, KeyRecord, Keys, Records, SpendKey, SpendQuery, UserClaims,
};
use haltline_store_embedded::{EmbeddedStore, OpenError, Options, Recovered, Start, verify};
use haltline_types::{Amount, Timestamp, Unit};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A clock that stands still.
struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        START
    }
}

fn open_in(dir: &Path, budgets: Budgets) -> Result<(Arc<EmbeddedStore>, Recovered), OpenError> {
    EmbeddedStore::open(Options::directory(dir, Arc::new(Noon))?, budgets, START)
}

fn hold(number: u128, user: &str, nanodollars: i64) -> Hold {
    let expires = START.saturating_add(Duration::from_secs(600));
    Hold { id: attempt(number), at: START, subjects: subjects(user), ceiling: demand(nanodollars, 1), expires }
}

/// So large that nothing is refused.
fn wide() -> Budgets {
    Budgets::new(vec![
        budget("all-day", &["global"], "$100000", "day"),
        budget("user-day", &["user"], "$1000", "day"),
        budget("team-day", &["team"], "$50000", "24h"),
    ])
    .expect("budgets")
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_share_syncs_and_add_up() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (store, recovered) = open_in(dir.path(), budgets()).expect("open");
    assert_eq!(recovered.start, Start::New);
    let tasks: Vec<_> = (0..16_u128)
        .map(|task| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let user = ["alice", "bob", "carol"][usize::try_from(task % 3).expect("small")];
                for step in 0..20 {
                    let number = task * 1000 + step;
                    let permit = store.hold(hold(number, user, 700_000)).await.expect("hold");
                    store.settle(permit.id(), START, demand(300_000, 1)).await.expect("settle");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("task");
    }
    let balances = seen(&store.balances(START));
    assert_eq!(balances[&("all-day".to_owned(), String::new())], (16 * 20 * 300_000, 0));
    assert_eq!(balances[&("team-requests".to_owned(), "red".to_owned())], (320, 0));
    let all = store.balances(START);
    assert_eq!(store.verify(START).expect("sound").balances, all);
    store.close(START).expect("close");
    drop(store);
    let report = verify(dir.path(), budgets(), START).expect("sound");
    assert!(report.clean);
    assert_eq!((report.balances, report.open_holds, report.torn), (all, 0, 0));
}

#[tokio::test]
async fn whoever_leaves_while_a_mark_is_synced_holds_nothing() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (store, _) = open_in(dir.path(), budgets()).expect("open");
    let mut freed = store.freed();
    {
        let mut taking = store.hold(hold(1, "alice", 5_000));
        // The first poll journals the hold and queues for the sync; then the caller leaves.
        let first = poll_once(taking.as_mut()).await;
        assert!(first.is_none(), "the first hold of an account waits for a sync");
        assert_eq!(seen(&store.balances(START))[&("user-day".to_owned(), "alice".to_owned())], (0, 5_000));
    }
    freed.changed().await.expect("the hold came back");
    assert!(store.balances(START).is_empty());
}

async fn poll_once<F: Future + Unpin>(mut future: F) -> Option<F::Output> {
    std::future::poll_fn(|context| match std::pin::Pin::new(&mut future).poll(context) {
        std::task::Poll::Ready(done) => std::task::Poll::Ready(Some(done)),
        std::task::Poll::Pending => std::task::Poll::Ready(None),
    })
    .await
}

#[test]
fn a_second_owner_and_a_verify_beside_a_running_store_are_refused() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (store, _) = open_in(dir.path(), budgets()).expect("open");
    let pid = format!("process {}", std::process::id());
    for refused in [open_in(dir.path(), budgets()).map(drop), verify(dir.path(), budgets(), START).map(drop)] {
        let text = refused.expect_err("taken").to_string();
        assert!(text.contains(&pid) && text.contains("admin API"), "{text}");
    }
    drop(store);
    open_in(dir.path(), budgets()).expect("free again");
}

#[tokio::test]
async fn records_and_keys_come_back_through_the_doors() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (store, _) = open_in(dir.path(), budgets()).expect("open");
    let record = crate::crash::record(5, START);
    store.record(&record).expect("record");
    assert_eq!(store.generation(record.id).await.expect("readable"), Some(record.clone()));
    let query =
        SpendQuery { by: vec![SpendKey::User], since: START, until: START.saturating_add(Duration::from_secs(1)) };
    assert!(store.spend(query).await.expect("readable").is_empty(), "it was neither sent nor refused");
    let hash = store.hash("hl-live-secret");
    let key = KeyRecord {
        name: "app".into(),
        hash,
        hint: "hl-live-se".into(),
        team: None,
        tier: None,
        users: UserClaims::Any,
        models: Vec::new(),
        created: START,
        expires: None,
        frozen: false,
        ..KeyRecord::default()
    };
    store.add(key.clone()).expect("add");
    drop(store);
    let (store, _) = open_in(dir.path(), budgets()).expect("open");
    assert_eq!(store.find(&store.hash("hl-live-secret")).as_deref(), Some(&key));
    assert_eq!(store.generation(record.id).await.expect("readable"), Some(record));
}

#[test]
fn what_was_acknowledged_before_a_real_kill_is_there() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let mut child = Command::new(std::env::current_exe().expect("the test binary"))
        .args(["--exact", "process::child_that_is_killed", "--ignored", "--nocapture", "--test-threads=1"])
        .env("HALTLINE_CHILD_DIR", dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("start");
    let mut books = Books::default();
    let mut acknowledged = 0;
    for line in BufReader::new(child.stdout.take().expect("piped")).lines() {
        let Ok(line) = line else { break };
        let mut words = line.split(' ');
        match (words.next(), words.next().and_then(|number| number.parse::<u128>().ok())) {
            (Some("held"), Some(number)) => books.hold(attempt(number), "alice", demand(9_000, 1)),
            (Some("settled"), Some(number)) => books.close(attempt(number), demand(4_000, 1)),
            _ => continue,
        }
        acknowledged += 1;
        if acknowledged == 1501 {
            child.kill().expect("kill");
        }
    }
    child.wait().expect("ended");
    assert!(acknowledged >= 1501);
    let (store, recovered) = open_in(dir.path(), wide()).expect("open");
    assert_eq!(recovered.start, Start::Killed);
    let found = seen(&store.balances(START));
    let key = ("user-day".to_owned(), "alice".to_owned());
    let (spent, held) = books.sums()[&key];
    // The child may have got one step further than it could say.
    let (found_spent, found_held) = found[&key];
    let one_further = [(spent, held), (spent, held + 9_000), (spent + 4_000, held - 9_000)];
    assert!(
        one_further.contains(&(found_spent, found_held)),
        "{found_spent} {found_held}, acknowledged {spent} {held}"
    );
}

#[tokio::test]
#[ignore = "the child of the test above"]
async fn child_that_is_killed() {
    let Ok(dir) = std::env::var("HALTLINE_CHILD_DIR") else { return };
    let (store, _) = open_in(Path::new(&dir), wide()).expect("open");
    let mut out = std::io::stdout();
    // The test's name stands on the line so far.
    writeln!(out).expect("write");
    for number in 1.. {
        let permit = store.hold(hold(number, "alice", 9_000)).await.expect("hold");
        writeln!(out, "held {number}").expect("write");
        store.settle(permit.id(), START, demand(4_000, 1)).await.expect("settle");
        writeln!(out, "settled {number}").expect("write");
    }
}

#[tokio::test]
async fn a_restart_with_100_000_entries_is_quick() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (store, _) = open_in(dir.path(), wide()).expect("open");
    for number in 0..50_000 {
        let user = format!("user-{}", number % 100);
        let permit = store.hold(hold(number, &user, 9_000)).await.expect("hold");
        store.settle(permit.id(), START, demand(4_000, 1)).await.expect("settle");
    }
    drop(store);
    let begun = Instant::now();
    let (_store, recovered) = open_in(dir.path(), wide()).expect("open");
    let took = begun.elapsed();
    println!("a restart with {} entries took {took:?}", recovered.counts.entries);
    assert!(recovered.counts.entries >= 100_000);
    assert!(took < Duration::from_secs(5), "{took:?}");
}

/// `cargo test --release -- --ignored --nocapture cost`
#[tokio::test(flavor = "current_thread")]
#[ignore = "a measurement, for release builds"]
async fn cost_of_hold_settle_and_record() {
    const ROUNDS: u128 = 100_000;
    let dir = tempfile::tempdir().expect("temporary directory");
    let (store, _) = open_in(dir.path(), wide()).expect("open");
    let mut record = crate::crash::record(0, START);
    let mut spent = [Duration::ZERO; 3];
    for number in 0..ROUNDS {
        let wanted = hold(number, ["alice", "bob", "carol"][usize::try_from(number % 3).expect("small")], 9_000);
        let begun = Instant::now();
        let permit = store.hold(wanted).await.expect("hold");
        let held = Instant::now();
        store.settle(permit.id(), START, demand(4_000, 1)).await.expect("settle");
        let settled = Instant::now();
        record.id = haltline_types::RequestId::from_u128(number);
        store.record(&record).expect("record");
        let recorded = settled.elapsed();
        for (sum, part) in spent.iter_mut().zip([held - begun, settled - held, recorded]) {
            *sum += part;
        }
    }
    let micros = spent.map(|sum| sum.as_secs_f64() * 1e6 / 1e5);
    println!("hold {:.2} µs, settle {:.2} µs, record {:.2} µs", micros[0], micros[1], micros[2]);
}

#[tokio::test]
async fn a_store_in_memory_has_all_doors() {
    let (store, _) = EmbeddedStore::open(Options::memory(Arc::new(Noon)), budgets(), START).expect("open");
    let permit = store.hold(hold(1, "alice", 5_000)).await.expect("hold");
    store.settle(permit.id(), START, demand(4_000, 1)).await.expect("settle");
    let record = crate::crash::record(9, START);
    store.record(&record).expect("record");
    assert_eq!(store.generation(record.id).await.expect("readable"), Some(record));
    store.close(START).expect("close");
}

#[tokio::test]
async fn after_a_restore_spending_is_shut_until_it_is_accepted() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (store, _) = open_in(dir.path(), budgets()).expect("open");
    let permit = store.hold(hold(1, "alice", 5_000)).await.expect("hold");
    store.settle(permit.id(), START, demand(5_000, 1)).await.expect("settle");
    drop(store);
    haltline_store_embedded::mark_restored(dir.path()).expect("mark");
    let (store, _) = open_in(dir.path(), budgets()).expect("open");
    assert!(matches!(store.health(), BookHealth::Stopped(why) if why.contains("backup")));
    assert!(matches!(store.hold(hold(2, "alice", 5_000)).await, Err(HoldError::Unavailable(_))));
    let account = store.balances(START)[0].account.clone();
    let delta = Amount::new(Unit::Usd, 7_000);
    let correction = Correction { account, delta, by: "op".into(), reason: "spent since the backup".into() };
    store.adjust(correction, START).await.expect("corrections are possible");
    store.accept_restored().expect("accept");
    store.hold(hold(2, "alice", 5_000)).await.expect("open again");
    drop(store);
    let (store, _) = open_in(dir.path(), budgets()).expect("open");
    assert_eq!(store.health(), BookHealth::Open);
}
