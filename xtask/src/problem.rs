//! What a check reports: where, what, and how to put it right. All problems are shown at once.

use std::fmt;
use std::process::ExitCode;

/// One breach of a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Problem {
    /// Path from the project's root.
    pub(crate) file: String,
    /// Line, counted from 1; 0 when the whole file is meant.
    pub(crate) line: usize,
    /// What is wrong.
    pub(crate) what: String,
    /// How to put it right.
    pub(crate) fix: String,
}

impl Problem {
    /// A problem in a line, counted from 1, or in the whole file (0).
    pub(crate) fn new(file: impl Into<String>, line: usize, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { file: file.into(), line, what: what.into(), fix: fix.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, what, fix } = self;
        write!(f, "{file}:{}: {what}\n    fix: {fix}", (*line).max(1))
    }
}

/// Prints all problems, then one line with their number.
pub(crate) fn report(check: &str, problems: &[Problem]) -> ExitCode {
    for problem in problems {
        println!("{problem}");
    }
    match problems.len() {
        0 => println!("{check}: ok"),
        1 => println!("{check}: 1 problem"),
        number => println!("{check}: {number} problems"),
    }
    if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_place_matter_and_cure() {
        let problem = Problem::new("a.rs", 3, "too long", "split it");
        assert_eq!(problem.to_string(), "a.rs:3: too long\n    fix: split it");
    }
}
