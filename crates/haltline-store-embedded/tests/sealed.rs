//! A store with a key: what clients said is not on the disk in the clear, and comes back whole
//! after a restart, a kill and a change of the key; without the key nothing opens and nothing is lost.

use crate::support::START as NOW;
use bytes::Bytes;
use haltline_ledger::Budgets;
use haltline_ports::{
    Batch, Blocked, Document, Documents, Outcome, Owner, Records, RequestRecord, Shelf, StreamBegin, StreamState,
    Streams,
};
use haltline_store_embedded::{EmbeddedStore, Encryption, Options, RealDisk, StoreKey, Threads};
use haltline_types::{Code, RequestId, Subjects};
use std::fs;
use std::path::Path;
use std::sync::Arc;

const ID: RequestId = RequestId::from_u128(7);
/// What must not be found on the disk.
const SAID: [&str; 4] = ["body-of-a-document", "head-of-a-stream", "event-of-a-stream", "note-of-an-end"];

fn key(first: u8) -> StoreKey {
    let digits: String = (0..32).map(|place| format!("{:02x}", first ^ place)).collect();
    StoreKey::parse(&digits.into()).expect("a key")
}

fn with(first: u8, old: &[u8]) -> Option<Encryption> {
    Some(Encryption { key: key(first), old: old.iter().map(|byte| key(*byte)).collect() })
}

fn open(dir: &Path, encryption: Option<Encryption>) -> Result<Arc<EmbeddedStore>, String> {
    let disk = RealDisk::lock(dir).map_err(|error| error.to_string())?;
    let options = Options { encryption, ..Options::on(Arc::new(disk), Threads::None) };
    EmbeddedStore::open(options, Budgets::none(), NOW).map(|(store, _)| store).map_err(|error| error.to_string())
}

fn owner() -> Owner {
    Owner { key: "app".into(), user: Some("alice".into()) }
}

fn document(id: &str) -> Document {
    Document {
        shelf: Shelf::Job,
        id: id.to_owned(),
        owner: Some(owner()),
        labels: vec!["a-label".to_owned()],
        changed: NOW,
        expires: None,
        body: Bytes::from_static(SAID[0].as_bytes()),
    }
}

async fn write(store: &EmbeddedStore) {
    store.put(vec![document("one")]).await.expect("written");
    let head = Bytes::from_static(SAID[1].as_bytes());
    store.begin(&StreamBegin { id: ID, owner: owner(), session: None, once: None, started: NOW, head }).expect("begun");
    let bytes = Bytes::from_static(SAID[2].as_bytes());
    let ends = vec![6, u32::try_from(bytes.len()).expect("small")];
    store.append(ID, &Batch { first: 1, at: NOW, ends, bytes }).expect("appended");
    Streams::end(store, ID, NOW, &Bytes::from_static(SAID[3].as_bytes())).expect("ended");
}

async fn check(store: &EmbeddedStore) {
    let found = store.get(Shelf::Job, "one", NOW).await.expect("readable").expect("there");
    assert_eq!(found, document("one"));
    let record = store.find(ID).await.expect("readable").expect("there");
    assert_eq!(record.begin.head, SAID[1]);
    assert_eq!(record.state, StreamState::Ended { at: NOW, note: Bytes::from_static(SAID[3].as_bytes()) });
    let batches = store.read(ID, 0, 1 << 20).await.expect("readable");
    assert_eq!((batches.len(), batches[0].bytes.as_ref(), batches[0].ends.len()), (1, SAID[2].as_bytes(), 2));
}

/// Every file of the directory.
fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path());
    entries
        .filter(|path| path.is_file())
        .map(|path| (path.display().to_string(), fs::read(&path).expect("read")))
        .collect()
}

fn found(dir: &Path, what: &str) -> Vec<String> {
    let holds = |content: &[u8]| content.windows(what.len()).any(|window| window == what.as_bytes());
    files(dir).into_iter().filter(|(_, content)| holds(content)).map(|(path, _)| path).collect()
}

#[tokio::test]
async fn what_clients_said_is_not_on_the_disk_in_the_clear() {
    for encryption in [None, with(1, &[])] {
        let is_on = encryption.is_some();
        let dir = tempfile::tempdir().expect("a directory");
        let store = open(dir.path(), encryption.clone()).expect("open");
        write(&store).await;
        check(&store).await;
        store.close(NOW).expect("closed");
        drop(store);
        for said in SAID {
            assert_eq!(found(dir.path(), said).is_empty(), is_on, "{said}");
        }
        // What things are found by stays readable, as the documentation says.
        assert!(!found(dir.path(), "a-label").is_empty() && !found(dir.path(), "alice").is_empty());
        check(&open(dir.path(), encryption).expect("open again")).await;
    }
}

#[tokio::test]
async fn without_the_key_nothing_opens_and_nothing_is_lost() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path(), with(1, &[])).expect("open");
    write(&store).await;
    store.close(NOW).expect("closed");
    drop(store);
    let before = files(dir.path());
    for (encryption, why) in [(None, "there is no key"), (with(2, &[]), "another key"), (with(2, &[3]), "another key")]
    {
        let error = open(dir.path(), encryption).expect_err("refused");
        assert!(error.contains(why) && error.contains("nothing was changed"), "{error}");
    }
    let content = |files: &[(String, Vec<u8>)]| {
        let mut files: Vec<_> = files.iter().filter(|(path, _)| !path.ends_with("lock")).cloned().collect();
        files.sort();
        files
    };
    assert_eq!(content(&files(dir.path())), content(&before));
    check(&open(dir.path(), with(1, &[])).expect("the right key")).await;
}

#[tokio::test]
async fn a_key_comes_late_and_is_changed_and_what_was_written_stays_readable() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path(), None).expect("open");
    write(&store).await;
    drop(store);
    let store = open(dir.path(), with(1, &[])).expect("a first key");
    check(&store).await;
    store.put(vec![document("two")]).await.expect("written");
    drop(store);
    let store = open(dir.path(), with(2, &[1])).expect("a second key");
    check(&store).await;
    assert!(store.get(Shelf::Job, "two", NOW).await.expect("readable").is_some());
    store.put(vec![document("two")]).await.expect("written anew");
    drop(store);
    // With the old key gone, what was written since is there.
    let store = open(dir.path(), with(2, &[])).expect("the second key alone");
    assert_eq!(store.get(Shelf::Job, "two", NOW).await.expect("readable"), Some(document("two")));
}

#[tokio::test]
async fn a_body_that_was_moved_or_changed_on_the_disk_is_not_given() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path(), with(1, &[])).expect("open");
    store.put(vec![document("one"), document("two")]).await.expect("written");
    store.close(NOW).expect("closed");
    drop(store);
    let file = rusqlite::Connection::open(dir.path().join("documents.db")).expect("the file");
    let moved = "UPDATE documents SET body = (SELECT body FROM documents WHERE id = CAST('two' AS BLOB)) WHERE id = CAST('one' AS BLOB)";
    assert_eq!(file.execute(moved, []).expect("moved"), 1);
    drop(file);
    let store = open(dir.path(), with(1, &[])).expect("open");
    let error = store.get(Shelf::Job, "one", NOW).await.expect_err("refused");
    assert!(error.to_string().contains("changed on the disk"), "{error}");
    assert!(store.get(Shelf::Job, "two", NOW).await.expect("readable").is_some());
}

#[tokio::test]
async fn a_prompt_that_a_record_keeps_is_sealed_too() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path(), with(1, &[])).expect("open");
    let record = blocked("a forbidden prompt");
    Records::record(store.as_ref(), &record).expect("written");
    assert_eq!(store.generation(ID).await.expect("readable"), Some(record.clone()));
    store.close(NOW).expect("closed");
    drop(store);
    assert!(found(dir.path(), "a forbidden prompt").is_empty());
    let store = open(dir.path(), with(1, &[])).expect("open");
    assert_eq!(store.generation(ID).await.expect("readable"), Some(record));
}

fn blocked(prompt: &str) -> RequestRecord {
    RequestRecord {
        id: ID,
        trace_id: "0af7651916cd43dd8448eb211c80319c".into(),
        started: NOW,
        ended: NOW,
        subjects: Arc::new(Subjects::default()),
        surface: "chat.completions".into(),
        model: "chat".into(),
        streamed: false,
        outcome: Outcome::Refused(Code::ContentBlocked),
        status: 400,
        first_token: None,
        cap_lowered_to: None,
        degraded_to: None,
        blocked: Some(Blocked { fingerprint: "f".to_owned(), prompt: Some(prompt.to_owned()) }),
        attempts: Vec::new(),
        steps: Vec::new(),
    }
}

/// Every promise of the doors holds with a key as without one.
#[tokio::test]
async fn a_sealed_store_is_a_store() {
    let dir = tempfile::tempdir().expect("a directory");
    haltline_ports::conformance::documents(open(dir.path(), with(1, &[])).expect("open").as_ref()).await;
    let dir = tempfile::tempdir().expect("a directory");
    haltline_ports::streams_conformance::holds(open(dir.path(), with(1, &[])).expect("open").as_ref()).await;
}
