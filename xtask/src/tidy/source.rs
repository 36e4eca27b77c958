//! Rules for source files: a header that says what the file owns, a length that a reader can hold,
//! no leftovers, no history in comments, `expect` instead of `allow`.

use super::rust;
use crate::problem::Problem;
use crate::workspace::TextFile;

/// More lines than this and a file is two files.
const LINES_MAX: usize = 800;

const MEASURED: [&str; 7] = [".rs", ".md", ".py", ".sh", ".js", ".mjs", ".ts"];

const LEFTOVERS: [&str; 3] = ["todo!", "dbg!", "unimplemented!"];

const HISTORY: [&str; 3] = ["no longer", "previously", "used to"];

/// All breaches in one file.
pub(super) fn check(file: &TextFile) -> Vec<Problem> {
    let mut problems = length(file);
    if file.path.ends_with(".rs") {
        problems.extend(header(file));
        problems.extend(lines(file));
    }
    problems
}

fn length(file: &TextFile) -> Vec<Problem> {
    let measured = MEASURED.iter().any(|ending| file.path.ends_with(ending));
    let lines = file.text.lines().count();
    if !measured || lines <= LINES_MAX {
        return Vec::new();
    }
    let what = format!("{lines} lines; {LINES_MAX} is the most");
    vec![Problem::new(&file.path, LINES_MAX + 1, what, "split the file by what its parts do")]
}

fn header(file: &TextFile) -> Vec<Problem> {
    let checked = ["crates/", "xtask/", "bench/"].iter().any(|folder| file.path.starts_with(folder));
    if !checked || file.text.starts_with("//!") {
        return Vec::new();
    }
    vec![Problem::new(
        &file.path,
        1,
        "the file does not begin with a `//!` comment",
        "begin with `//!` and say in a sentence or two what the file owns, and what not",
    )]
}

fn lines(file: &TextFile) -> Vec<Problem> {
    let lines = rust::split(&file.text);
    let mut problems = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let number = index + 1;
        for leftover in LEFTOVERS.into_iter().filter(|leftover| has_macro(&line.code, leftover)) {
            problems.push(Problem::new(
                &file.path,
                number,
                format!("`{leftover}` is left in the code"),
                "finish it, or return an error that says what is not supported",
            ));
        }
        let spaceless: String = line.code.chars().filter(|c| !c.is_whitespace()).collect();
        if spaceless.contains("#[allow(") || spaceless.contains("#![allow(") {
            problems.push(Problem::new(
                &file.path,
                number,
                "a lint is allowed in silence",
                "use `#[expect(lint, reason = \"…\")]`, which complains when it is not needed",
            ));
        }
    }
    problems.extend(history(file, &lines));
    problems
}

fn has_macro(code: &str, name: &str) -> bool {
    code.match_indices(name)
        .any(|(at, _)| !code[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_'))
}

/// Looks across line ends, since a phrase may be wrapped.
fn history(file: &TextFile, lines: &[rust::Line]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let own = words(&line.comment);
        let next = lines.get(index + 1).map(|line| words(&line.comment)).unwrap_or_default();
        let joined = format!(" {own} {next} ");
        for phrase in HISTORY {
            let told = joined
                .match_indices(&format!(" {phrase} "))
                .any(|(at, _)| at < own.len() && !is_purpose(phrase, &joined[..at]));
            if told {
                problems.push(Problem::new(
                    &file.path,
                    index + 1,
                    format!("the comment tells history: \"{phrase}\""),
                    "say what is so and why; git keeps what was",
                ));
            }
        }
    }
    problems
}

/// After a form of "to be" the words tell what for: "the key is" such "to sign".
fn is_purpose(phrase: &str, before: &str) -> bool {
    let last = before.rsplit(' ').next().unwrap_or_default();
    phrase == "used to" && matches!(last, "is" | "are" | "be" | "been" | "being" | "was" | "were")
}

fn words(comment: &str) -> String {
    let spaced: String =
        comment.chars().map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { ' ' }).collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<(usize, String)> {
        let file = TextFile { path: path.to_owned(), text: text.to_owned() };
        check(&file).into_iter().map(|problem| (problem.line, problem.what)).collect()
    }

    #[test]
    fn a_source_file_begins_with_what_it_owns() {
        assert_eq!(found("crates/a/src/lib.rs", "//! Owns a.\n"), []);
        assert_eq!(found("crates/a/src/lib.rs", "use std;\n").len(), 1);
        assert_eq!(found("examples/a.rs", "use std;\n"), []);
    }

    #[test]
    fn a_file_has_an_end() {
        let long = "x\n".repeat(801);
        assert_eq!(found("docs/a.md", &long), [(801, "801 lines; 800 is the most".to_owned())]);
        assert_eq!(found("docs/a.md", &"x\n".repeat(800)), []);
        assert_eq!(found("Cargo.lock", &long), []);
    }

    #[test]
    fn leftovers_are_found_in_code_only() {
        assert_eq!(found("crates/a.rs", "//! A.\nfn f() { todo!() }")[0].0, 2);
        assert_eq!(found("crates/a.rs", "//! A.\nfn f() { dbg!(1); }")[0].0, 2);
        assert_eq!(found("crates/a.rs", "//! A. todo!\nlet a = \"dbg!\"; not_todo!();"), []);
    }

    #[test]
    fn allow_is_refused_and_expect_is_not() {
        assert_eq!(found("crates/a.rs", "//! A.\n#[allow(dead_code)]\nfn f() {}")[0].0, 2);
        assert_eq!(found("crates/a.rs", "//! A.\n#![ allow(dead_code)]")[0].0, 2);
        assert_eq!(found("crates/a.rs", "//! A.\n#[expect(dead_code, reason = \"x\")]\nfn f() {}"), []);
    }

    #[test]
    fn comments_tell_no_history() {
        assert_eq!(found("crates/a.rs", "//! A.\n// This is No Longer needed.")[0].0, 2);
        assert_eq!(found("crates/a.rs", "//! A.\n// what was previously, b")[0].0, 2);
        let wrapped = found("crates/a.rs", "//! A.\n// it is no\n// longer so");
        assert_eq!(wrapped.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2]);
        assert_eq!(found("crates/a.rs", "//! A.\n// It used to wait here.")[0].0, 2);
        assert_eq!(found("crates/a.rs", "//! A.\n// The key is used to sign."), []);
        assert_eq!(found("crates/a.rs", "//! A.\n// It is unused to be sure.\nlet previously = \"no longer\";"), []);
    }
}
