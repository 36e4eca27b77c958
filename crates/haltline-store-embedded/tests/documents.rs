//! Documents: the same as their twin in memory, whole after a kill, gone when they are forgotten,
//! and no danger to the journal. Measurements are ignored, for release builds.

use crate::support::{START, at_once, budgets, open as open_simulated};
use haltline_ledger::Hold;
use haltline_ports::{Book, Clock, Document, DocumentQuery, Documents, Owner, Shelf};
use haltline_store_embedded::{EmbeddedStore, Options, SimDisk};
use haltline_types::Timestamp;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        START
    }
}

fn open(dir: &Path) -> Arc<EmbeddedStore> {
    let options = Options::directory(dir, Arc::new(Noon)).expect("free");
    EmbeddedStore::open(options, budgets(), START).expect("open").0
}

fn document(shelf: Shelf, id: &str, body: &str) -> Document {
    Document {
        shelf,
        id: id.to_owned(),
        owner: None,
        labels: Vec::new(),
        changed: START,
        expires: None,
        body: body.to_owned().into(),
    }
}

#[tokio::test]
async fn the_store_keeps_to_the_suite_on_a_disk() {
    let dir = tempfile::tempdir().expect("temporary directory");
    haltline_ports::conformance::documents(open(dir.path()).as_ref()).await;
}

#[tokio::test]
async fn the_store_keeps_to_the_suite_in_memory() {
    let (store, _) = EmbeddedStore::open(Options::memory(Arc::new(Noon)), budgets(), START).expect("open");
    haltline_ports::conformance::documents(store.as_ref()).await;
}

#[test]
fn the_store_keeps_to_the_suite_without_threads() {
    let (store, _) = open_simulated(&SimDisk::new(1), START).expect("open");
    at_once(haltline_ports::conformance::documents(store.as_ref()));
    let expired = Document { expires: Some(START), ..document(Shelf::Job, "1", "x") };
    at_once(store.put(vec![expired])).expect("put");
    store.tick(START).expect("tick");
    assert_eq!(at_once(store.remove_prefix(Shelf::Job, "")).expect("remove"), 0, "a tick sweeps");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_change_the_same_document_one_wins_each_round() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let store = open(dir.path());
    let mut expected = None;
    for round in 0..20 {
        let changed = Timestamp::from_millis(START.as_millis() + round);
        let race = |racer: usize| {
            let store = Arc::clone(&store);
            let document = Document { changed, ..document(Shelf::Job, "race", &racer.to_string()) };
            tokio::spawn(async move { store.put_if(document, expected).await.expect("put") })
        };
        let racers: Vec<_> = (0..16).map(race).collect();
        let mut winners = Vec::new();
        for (racer, racing) in racers.into_iter().enumerate() {
            if racing.await.expect("ran") {
                winners.push(racer);
            }
        }
        assert_eq!(winners.len(), 1, "round {round}");
        let found = store.get(Shelf::Job, "race", START).await.expect("get").expect("there");
        assert_eq!(found.body, winners[0].to_string().as_bytes());
        expected = Some(changed);
    }
}

#[test]
fn what_was_acknowledged_before_a_real_kill_is_there() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let mut child = Command::new(std::env::current_exe().expect("the test binary"))
        .args(["--exact", "documents::child_that_is_killed", "--ignored", "--nocapture", "--test-threads=1"])
        .env("HALTLINE_CHILD_DIR", dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("start");
    let mut acknowledged = 0;
    for line in BufReader::new(child.stdout.take().expect("piped")).lines() {
        let Ok(line) = line else { break };
        let Some(number) = line.strip_prefix("put ") else { continue };
        acknowledged = number.parse::<u32>().expect("a number");
        if acknowledged == 700 {
            child.kill().expect("kill");
        }
    }
    child.wait().expect("ended");
    assert!(acknowledged >= 700, "{acknowledged}");
    let store = open(dir.path());
    for number in 0..=acknowledged {
        for half in ["a", "b"] {
            let found = waited(store.get(Shelf::Message, &format!("{number:06}/{half}"), START));
            assert_eq!(found.expect("whole").body, format!("body {number}").as_bytes());
        }
    }
    let all = waited(store.list(DocumentQuery::of(Shelf::Message, 100_000), START));
    assert!(all.len().is_multiple_of(2), "both of a pair, or none");
}

fn waited<T>(future: impl Future<Output = Result<T, haltline_ports::DocumentsError>>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
    runtime.block_on(future).expect("readable")
}

#[tokio::test]
#[ignore = "the child of the test above"]
async fn child_that_is_killed() {
    let Ok(dir) = std::env::var("HALTLINE_CHILD_DIR") else { return };
    let store = open(Path::new(&dir));
    let mut out = std::io::stdout();
    // The test's name stands on the line so far.
    writeln!(out).expect("write");
    for number in 0.. {
        let half = |half: &str| document(Shelf::Message, &format!("{number:06}/{half}"), &format!("body {number}"));
        store.put(vec![half("a"), half("b")]).await.expect("put");
        writeln!(out, "put {number}").expect("write");
    }
}

/// Is `needle` anywhere in the files of `dir`?
fn is_in(dir: &Path, needle: &str) -> bool {
    let files = std::fs::read_dir(dir).expect("readable").map(|entry| entry.expect("entry").path());
    files.filter(|path| path.is_file()).any(|path| {
        let bytes = std::fs::read(path).expect("readable");
        bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
    })
}

#[tokio::test]
async fn nothing_of_a_forgotten_user_is_left_in_the_files() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let store = open(dir.path());
    let of = |user: &str, id: usize, length: usize| Document {
        owner: Some(Owner { key: "app".into(), user: Some(user.into()) }),
        labels: vec![format!("of={user}-label")],
        ..document(
            Shelf::ALL[id % Shelf::ALL.len()],
            &format!("{id:05}-{user}-id"),
            &format!("{user}-body ").repeat(length),
        )
    };
    // Of all sizes, so that they lie in pages together, and over several.
    for batch in 0..40 {
        let mut written = Vec::new();
        for id in batch * 25..batch * 25 + 25 {
            written.push(of("secretmallory", id, 1 + id * 7 % 900));
            written.push(of("bystander", id, 1 + id * 13 % 300));
        }
        store.put(written).await.expect("put");
    }
    for id in (0..1000).step_by(3) {
        store.put(vec![of("secretmallory", id, 1 + id % 40), of("bystander", id, 1)]).await.expect("changed");
    }
    let reader = Arc::clone(&store);
    reader.list(DocumentQuery::of(Shelf::Job, 10), START).await.expect("a reader is open");
    assert!(is_in(dir.path(), "secretmallory"));
    let removed = store.forget_user(&"secretmallory".into()).await.expect("forget");
    assert_eq!(removed, 1000);
    assert!(!is_in(dir.path(), "secretmallory"), "bytes are left");
    assert!(is_in(dir.path(), "bystander"));
    assert_eq!(store.forget_user(&"bystander".into()).await.expect("forget"), 1000);
    assert!(!is_in(dir.path(), "bystander"));
}

#[tokio::test]
async fn a_damaged_file_is_set_aside_and_the_journal_is_as_it_was() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let store = open(dir.path());
    let hold = Hold {
        id: crate::support::attempt(1),
        at: START,
        subjects: crate::support::subjects("alice"),
        ceiling: crate::support::demand(5_000, 10),
        expires: START.saturating_add(Duration::from_secs(600)),
    };
    let permit = store.hold(hold).await.expect("hold");
    store.settle(permit.id(), START, crate::support::demand(4_000, 10)).await.expect("settle");
    store.put(vec![document(Shelf::Job, "1", "x")]).await.expect("put");
    let balances = store.balances(START);
    store.close(START).expect("close");
    drop(store);
    for round in 1..=2 {
        std::fs::write(dir.path().join("documents.db"), vec![round; 8192]).expect("damage");
        let store = open(dir.path());
        let aside = std::fs::read(dir.path().join(format!("documents.db.damaged-{round}"))).expect("kept");
        assert_eq!(aside, vec![round; 8192]);
        assert_eq!(store.get(Shelf::Job, "1", START).await.expect("get"), None);
        store.put(vec![document(Shelf::Job, "2", "y")]).await.expect("put");
        assert_eq!(store.balances(START), balances);
        store.close(START).expect("close");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_of_the_directory_may_read_documents() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("temporary directory");
    let store = open(dir.path());
    store.put(vec![document(Shelf::Job, "1", "x")]).await.expect("put");
    for name in ["documents.db", "documents.db-wal"] {
        let mode = std::fs::metadata(dir.path().join(name)).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

/// `cargo test --release -- --ignored --nocapture cost_of_documents`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement, for release builds"]
async fn cost_of_documents() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let store = open(dir.path());
    let body = "x".repeat(1000);
    for writers in [1_usize, 8, 64] {
        let begun = Instant::now();
        let write = |writer: usize| {
            let (store, body) = (Arc::clone(&store), body.clone());
            tokio::spawn(async move {
                let mut number = 0_usize;
                while begun.elapsed() < Duration::from_secs(3) {
                    let owner = Some(Owner { key: "app".into(), user: Some(format!("u{writer}").into()) });
                    let labels = vec!["l".to_owned()];
                    let id = format!("{writers}/{writer}/{number:06}");
                    let document = Document { owner, labels, ..document(Shelf::Message, &id, &body) };
                    store.put(vec![document]).await.expect("put");
                    number += 1;
                }
                number
            })
        };
        let mut written = 0;
        for writing in (0..writers).map(write).collect::<Vec<_>>() {
            written += writing.await.expect("ran");
        }
        println!("{writers} writers: {:.0} puts/s", written as f64 / begun.elapsed().as_secs_f64());
    }
    let mut took = Vec::new();
    for number in 0..5000 {
        let begun = Instant::now();
        let id = format!("8/{}/{:06}", number % 8, number % 500);
        store.get(Shelf::Message, &id, START).await.expect("get").expect("there");
        took.push(begun.elapsed());
    }
    took.sort();
    println!("get: median {:?}, p99 {:?}", took[took.len() / 2], took[took.len() * 99 / 100]);
    let begun = Instant::now();
    let query = DocumentQuery { prefix: Some("8/3/".into()), ..DocumentQuery::of(Shelf::Message, 200) };
    assert_eq!(store.list(query, START).await.expect("list").len(), 200);
    println!("list of 200: {:?}", begun.elapsed());
}
