//! Documents on a file that is full, or of which one write fails.

use super::*;
use crate::disk::RealDisk;
use haltline_ports::{Document, Shelf};

fn document(id: &str, bytes: usize) -> Document {
    Document {
        shelf: Shelf::Job,
        id: id.to_owned(),
        owner: None,
        labels: vec!["l".to_owned()],
        changed: Timestamp::from_secs(1),
        expires: None,
        body: vec![7; bytes].into(),
    }
}

fn put(ids: &[&str]) -> Command {
    Command::Put(ids.iter().map(|id| document(id, 10)).collect())
}

fn open() -> (tempfile::TempDir, DocumentFile) {
    let dir = tempfile::tempdir().expect("temporary directory");
    let disk = RealDisk::lock(dir.path()).expect("free");
    let documents = DocumentFile::open(&disk, Seal::none()).expect("open");
    (dir, documents)
}

fn has(documents: &DocumentFile, id: &str) -> bool {
    let now = Timestamp::from_secs(1);
    documents
        .reading(Question::One, |reader| read::get(reader, &Seal::none(), Shelf::Job, id, now))
        .expect("readable")
        .is_some()
}

#[test]
fn a_full_file_refuses_what_does_not_fit_and_takes_what_does() {
    let (_dir, documents) = open();
    documents.write_now(put(&["kept"])).expect("room");
    let bound = |pages: i64| {
        let bounded = |connection: &mut Connection| connection.pragma_update(None, "max_page_count", pages);
        documents.writing(bounded).expect("pragma");
    };
    bound(64);
    let large = Command::Put(vec![document("large", 1 << 20)]);
    let refused = documents.write_now(large).expect_err("full").to_string();
    assert!(refused.contains("full") && refused.contains("Spending is not affected"), "{refused}");
    assert!(has(&documents, "kept") && !has(&documents, "large"));
    documents.write_now(put(&["small"])).expect("it still fits");
    bound(1 << 20);
    documents.write_now(Command::Put(vec![document("large", 1 << 20)])).expect("room again");
    assert!(has(&documents, "small") && has(&documents, "large"));
}

#[test]
fn one_write_that_fails_takes_none_of_its_batch_with_it() {
    let (_dir, documents) = open();
    let trap = "CREATE TRIGGER trap BEFORE INSERT ON documents WHEN NEW.id = CAST('bad' AS BLOB)
                BEGIN SELECT RAISE(ROLLBACK, 'no'); END";
    documents.writing(|connection| connection.execute_batch(trap)).expect("trap");
    let (jobs, answers): (Vec<_>, Vec<_>) =
        [put(&["a"]), put(&["b", "bad"]), put(&["c"])].into_iter().map(Job::new).unzip();
    documents.write(jobs);
    let answers: Vec<bool> =
        answers.into_iter().map(|mut answer| answer.try_recv().expect("answered").is_ok()).collect();
    assert_eq!(answers, [true, false, true]);
    assert_eq!(["a", "b", "bad", "c"].map(|id| has(&documents, id)), [true, false, false, true]);
}

#[test]
fn room_that_is_free_goes_back_to_the_disk() {
    let (dir, documents) = open();
    for number in 0..40 {
        let expires = Some(Timestamp::from_secs(2));
        let document = Document { expires, ..document(&number.to_string(), 100_000) };
        documents.write_now(Command::Put(vec![document])).expect("room");
    }
    let length = || {
        documents.writing(|connection| schema::checkpoint(connection)).expect("checkpoint");
        std::fs::metadata(dir.path().join(FILE)).expect("there").len()
    };
    assert!(length() > 4_000_000);
    documents.sweep(Timestamp::from_secs(2), 100).expect("sweep");
    assert!(length() < 200_000, "{}", length());
}

#[test]
fn a_file_that_a_newer_program_wrote_is_refused() {
    let (dir, documents) = open();
    documents.writing(|connection| connection.pragma_update(None, "user_version", 9)).expect("pragma");
    drop(documents);
    let disk = RealDisk::inspect(dir.path()).expect("free");
    let refused = DocumentFile::open(&disk, Seal::none()).err().expect("newer").to_string();
    assert!(refused.contains("version 9"), "{refused}");
}

#[test]
fn a_file_that_cannot_be_opened_is_tried_again() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let disk = RealDisk::lock(dir.path()).expect("free");
    std::fs::create_dir(dir.path().join(FILE)).expect("in the way");
    let documents = DocumentFile::open(&disk, Seal::none()).expect("spending goes on");
    documents.write_now(put(&["a"])).expect_err("no file");
    std::fs::remove_dir(dir.path().join(FILE)).expect("out of the way");
    documents.write_now(put(&["a"])).expect("a file");
    assert!(has(&documents, "a"));
}
