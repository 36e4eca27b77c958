//! The threat model in `SECURITY.md`: every row of its table names a test, and every test that the
//! page names is there. Whether a test proves what its row says is for people to judge.

use crate::problem::Problem;
use crate::workspace::TextFile;

/// The page.
const PAGE: &str = "SECURITY.md";
const BEGIN: &str = "<!-- threats:begin -->";
const END: &str = "<!-- threats:end -->";

/// All breaches.
pub(super) fn check(files: &[TextFile]) -> Vec<Problem> {
    let Some(page) = files.iter().find(|file| file.path == PAGE) else {
        return vec![Problem::new(PAGE, 0, "the page is missing", "write it, with a threat model")];
    };
    let mut problems = Vec::new();
    let mut in_table = false;
    let mut rows = 0_usize;
    for (index, line) in page.text.lines().enumerate() {
        let number = index + 1;
        in_table = (in_table || line == BEGIN) && line != END;
        let tests = tests(line);
        if in_table && line.starts_with("| ") && !line.starts_with("| asset |") {
            rows += 1;
            let cells = line.trim_matches('|').split(" | ").count();
            if cells != 4 {
                let what = format!("a threat has four cells, this row {cells}");
                problems.push(Problem::new(PAGE, number, what, "write | asset | attacker | defence | test |"));
            }
            if tests.is_empty() {
                problems.push(Problem::new(
                    PAGE,
                    number,
                    "no test stands for this threat",
                    "name one as `path/to/file.rs::name`, or take the row out",
                ));
            }
        }
        for (path, name) in tests {
            problems.extend(absent(files, path, name).map(|what| {
                Problem::new(PAGE, number, what, "name a test that is there; a defence without one is a hope")
            }));
        }
    }
    if rows == 0 {
        problems.push(Problem::new(PAGE, 0, "there is no threat", format!("put the table between {BEGIN} and {END}")));
    }
    problems
}

/// What a line names as `` `path.rs::name` ``.
fn tests(line: &str) -> Vec<(&str, &str)> {
    let codes = line.split('`').skip(1).step_by(2);
    codes.filter_map(|code| code.find(".rs::").map(|at| (&code[..at + 3], &code[at + 5..]))).collect()
}

/// Why a test is not there: no such file, no such function, or none that is run.
fn absent(files: &[TextFile], path: &str, name: &str) -> Option<String> {
    let Some(file) = files.iter().find(|file| file.path == path) else {
        return Some(format!("there is no file {path}"));
    };
    let lines: Vec<&str> = file.text.lines().map(str::trim_start).collect();
    let is_named = |line: &&str| {
        let rest = line.strip_prefix("async ").unwrap_or(line);
        rest.strip_prefix("fn ").and_then(|rest| rest.strip_prefix(name)).is_some_and(|rest| rest.starts_with('('))
    };
    let Some(at) = lines.iter().position(is_named) else {
        return Some(format!("{path} has no test `{name}`"));
    };
    let attributes: Vec<&&str> = lines[..at].iter().rev().take_while(|line| line.starts_with("#[")).collect();
    let is_test = attributes.iter().any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"));
    let is_left_out = attributes.iter().any(|line| line.starts_with("#[ignore"));
    (!is_test || is_left_out).then(|| format!("`{name}` in {path} is no test that is run"))
}

#[cfg(test)]
mod cases {
    use super::*;

    fn page(rows: &str) -> Vec<Problem> {
        let table = format!("{BEGIN}\n| asset | attacker | defence | test |\n|---|---|---|---|\n{rows}\n{END}\n");
        let code = "#[test]\nfn it_holds() {}\n#[tokio::test(x)]\n    async fn it_waits() {}\nfn helper() {}\n#[test]\n#[ignore]\nfn left_out() {}\n";
        check(&[
            TextFile { path: PAGE.to_owned(), text: table },
            TextFile { path: "a/b.rs".to_owned(), text: code.to_owned() },
        ])
    }

    #[test]
    fn a_row_with_a_test_that_is_there_is_well() {
        assert_eq!(page("| a | b | c | `a/b.rs::it_holds`, `a/b.rs::it_waits` |"), []);
    }

    #[test]
    fn a_row_without_one_or_with_another_is_found() {
        for (row, what) in [
            ("| a | b | c | later |", "no test stands"),
            ("| a | b | c | `a/c.rs::it_holds` |", "no file a/c.rs"),
            ("| a | b | c | `a/b.rs::it_hold` |", "has no test `it_hold`"),
            ("| a | b | c | `a/b.rs::helper` |", "no test that is run"),
            ("| a | b | c | `a/b.rs::left_out` |", "no test that is run"),
            ("| a | c | `a/b.rs::it_holds` |", "four cells"),
            ("", "there is no threat"),
        ] {
            let found = page(row);
            assert!(found.iter().any(|problem| problem.what.contains(what)), "{row}: {found:?}");
        }
    }
}
