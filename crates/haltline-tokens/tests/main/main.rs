//! Exact counts against the byte bound, both against what providers billed, and how tight they are.

mod groundtruth;
mod recorded;
mod samples;
mod speed;
mod tightness;

use std::path::PathBuf;

/// A folder of the data that stands beside the project, if it is there.
fn shared(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {} is not there", path.display());
    None
}

/// `tokens` for a hundred of `per`, as a person reads it: 1.25.
fn ratio(tokens: u64, per: u64) -> String {
    let hundredths = (tokens * 100 + per / 2).checked_div(per).unwrap_or(0);
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}
