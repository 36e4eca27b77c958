//! Replays every file of the fuzz corpus, so that what fuzzing found stays found.

use std::path::Path;

#[path = "../../../../fuzz/harness.rs"]
mod harness;

fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut files = 0;
    for entry in std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("an entry").path();
        eprintln!("replaying {}", path.display());
        run(&std::fs::read(&path).expect("a file"));
        files += 1;
    }
    assert!(files >= 5, "{target}: the corpus has only {files} files");
}

#[test]
fn json_check() {
    replay("json_check", harness::json_check);
}

#[test]
fn chat_request() {
    replay("chat_request", harness::chat_request);
}

#[test]
fn sse_split() {
    replay("sse_split", harness::sse_split);
}

#[test]
fn stream_chunk() {
    replay("stream_chunk", harness::stream_chunk);
}

#[test]
fn classify() {
    replay("classify", harness::classify);
}

#[test]
fn retry_after() {
    replay("retry_after", harness::retry_after);
}

#[test]
fn chat_stream() {
    replay("chat_stream", harness::chat_stream);
}

#[test]
fn ui_request() {
    replay("ui_request", harness::ui_request);
}
