//! Replays every file of the fuzz corpus, so that what fuzzing found stays found.

use std::path::Path;

#[path = "../../../../fuzz/harness/guard.rs"]
mod harness;

#[test]
fn guard_input() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/guard_input");
    let mut files = 0;
    for entry in std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("an entry").path();
        eprintln!("replaying {}", path.display());
        harness::guard_input(&std::fs::read(&path).expect("a file"));
        files += 1;
    }
    assert!(files >= 5, "the corpus has only {files} files");
}
