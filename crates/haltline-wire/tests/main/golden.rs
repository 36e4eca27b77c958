//! Snapshots that people read: what is written is compared with the file of the same name, and
//! `HALTLINE_BLESS=1` writes the files anew. Nothing is blessed unread.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The folder of one kind of snapshots.
pub(crate) fn folder(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(kind)
}

/// The snapshots of one kind, as they come.
pub(crate) struct Snapshots {
    root: PathBuf,
    bless: bool,
    seen: BTreeSet<PathBuf>,
    wrong: Vec<String>,
}

impl Snapshots {
    pub(crate) fn of(kind: &str) -> Self {
        let bless = std::env::var_os("HALTLINE_BLESS").is_some_and(|bless| bless == "1");
        Self { root: folder(kind), bless, seen: BTreeSet::new(), wrong: Vec::new() }
    }

    /// Compares `text` with the snapshot at `path`, which begins at the folder of the kind.
    pub(crate) fn check(&mut self, path: &str, text: &str) {
        let file = self.root.join(path);
        if self.bless {
            fs::write(&file, text).expect("a written snapshot");
        } else {
            match fs::read_to_string(&file) {
                Ok(known) if known == text => {}
                Ok(known) => self.wrong.push(format!("{path} has changed:\n{}", difference(&known, text))),
                Err(_) => self.wrong.push(format!("{path} is missing; it would be:\n{text}")),
            }
        }
        self.seen.insert(file);
    }

    /// Fails when anything differed, or when a snapshot belongs to nothing. `is_snapshot` tells
    /// snapshots from inputs by the file's name.
    pub(crate) fn finish(self, is_snapshot: impl Fn(&str) -> bool, at_least: usize) {
        let mut wrong = self.wrong;
        for case in super::recorded::folders(&self.root) {
            for entry in fs::read_dir(&case).expect("a readable folder") {
                let file = entry.expect("an entry").path();
                let name = file.file_name().expect("a name").to_string_lossy().into_owned();
                if !is_snapshot(&name) || self.seen.contains(&file) {
                    continue;
                }
                if self.bless {
                    fs::remove_file(&file).expect("a removed snapshot");
                } else {
                    wrong.push(format!("{} belongs to no case", file.display()));
                }
            }
        }
        let shown: Vec<&str> = wrong.iter().take(20).map(String::as_str).collect();
        let count = wrong.len();
        assert!(wrong.is_empty(), "{count} snapshots differ; HALTLINE_BLESS=1 accepts them:\n{}", shown.join("\n"));
        assert!(self.seen.len() >= at_least, "only {} snapshots", self.seen.len());
    }
}

/// Lines that are gone with `-`, new ones with `+`, and two of context.
fn difference(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    // The length of the longest common rest from each pair of places.
    let mut common = vec![vec![0_usize; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i][j] =
                if old[i] == new[j] { common[i + 1][j + 1] + 1 } else { common[i + 1][j].max(common[i][j + 1]) };
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            lines.push(format!("  {}", old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j >= new.len() || (i < old.len() && common[i + 1][j] >= common[i][j + 1]) {
            lines.push(format!("- {}", old[i]));
            i += 1;
        } else {
            lines.push(format!("+ {}", new[j]));
            j += 1;
        }
    }
    let changed: Vec<usize> = (0..lines.len()).filter(|at| !lines[*at].starts_with(' ')).collect();
    let near = |at: usize| changed.iter().any(|changed| changed.abs_diff(at) <= 2);
    let shown = lines.iter().enumerate().filter(|(at, _)| near(*at)).map(|(_, line)| line.as_str());
    shown.collect::<Vec<_>>().join("\n")
}

#[test]
fn differences_show_what_changed_and_little_else() {
    let old = "a\nb\nc\nd\ne\nf\ng";
    assert_eq!(difference(old, "a\nb\nc\nd\ne\nX\ng"), "  d\n  e\n- f\n+ X\n  g");
    assert_eq!(difference(old, old), "");
    assert_eq!(difference("a", "a\nb"), "  a\n+ b");
}
