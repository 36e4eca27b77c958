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
fn anthropic_answer() {
    replay("anthropic_answer", harness::anthropic_answer);
}

#[test]
fn anthropic_request() {
    replay("anthropic_request", harness::anthropic_request);
}

#[test]
fn chat_request() {
    replay("chat_request", harness::chat_request);
}

#[test]
fn chat_stream() {
    replay("chat_stream", harness::chat_stream);
}

#[test]
fn classify() {
    replay("classify", harness::classify);
}

#[test]
fn gemini_answer() {
    replay("gemini_answer", harness::gemini_answer);
}

#[test]
fn gemini_request() {
    replay("gemini_request", harness::gemini_request);
}

#[test]
fn image_header() {
    replay("image_header", harness::image_header);
}

#[test]
fn json_check() {
    replay("json_check", harness::json_check);
}

#[test]
fn responses_request() {
    replay("responses_request", harness::responses_request);
}

#[test]
fn responses_stream() {
    replay("responses_stream", harness::responses_stream);
}

#[test]
fn retry_after() {
    replay("retry_after", harness::retry_after);
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
fn ui_request() {
    replay("ui_request", harness::ui_request);
}
