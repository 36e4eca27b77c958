//! Replays every file of the fuzz corpus, so that what fuzzing found stays found.

use std::path::Path;

#[path = "../../../../fuzz/harness/jwt.rs"]
mod harness;

fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let entries = std::fs::read_dir(&folder).expect("a corpus");
    let files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    assert!(files.len() >= 10, "{target}: the corpus has only {} files", files.len());
    for file in files {
        let data = std::fs::read(&file).expect("a file");
        run(&data);
        // What is cut anywhere, and what is changed anywhere.
        for at in 0..data.len().min(2_000) {
            run(&data[..at]);
            let mut other = data.clone();
            other[at] ^= 1;
            run(&other);
        }
    }
}

#[test]
fn tokens() {
    replay("jwt_token", harness::jwt_token);
}

#[test]
fn key_sets() {
    replay("jwt_key_set", harness::jwt_key_set);
}
