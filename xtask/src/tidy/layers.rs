//! The layers table of ARCHITECTURE.md against what the crates really depend on. A crate may use
//! what its row lists; a row may list lower layers, and a neighbour only where it says `beside`.
//! Dependencies of tests are free.

use crate::problem::Problem;
use crate::workspace::Package;

/// The document with the table.
pub(super) const MAP: &str = "ARCHITECTURE.md";

const BEGIN: &str = "<!-- layers:begin -->";
const END: &str = "<!-- layers:end -->";

/// One crate's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    line: usize,
    layer: u8,
    /// The crate.
    pub(super) name: String,
    may_use: Vec<String>,
    beside: Vec<String>,
    /// Crates that must not be reached by normal dependencies, however far away; `*` means any.
    pub(super) never: Vec<String>,
}

/// The rows of the table in `map`, and what is wrong with it in itself.
pub(super) fn read(map: &str) -> (Vec<Row>, Vec<Problem>) {
    let mut rows = Vec::new();
    let mut problems = Vec::new();
    let mut inside = false;
    for (index, line) in map.lines().enumerate() {
        match line.trim() {
            BEGIN => inside = true,
            END => inside = false,
            text if inside && text.starts_with('|') && !is_head(text) => match row(index + 1, text) {
                Some(row) => rows.push(row),
                None => problems.push(Problem::new(
                    MAP,
                    index + 1,
                    "a row of the layers table cannot be read",
                    "write `| layer | crate | may use | beside | never |` with a number for the layer and names in backticks",
                )),
            },
            _ => {}
        }
    }
    if rows.is_empty() {
        problems.push(Problem::new(
            MAP,
            0,
            "there is no layers table",
            format!("put the table between `{BEGIN}` and `{END}`"),
        ));
    }
    problems.extend(inconsistent(&rows));
    (rows, problems)
}

fn is_head(text: &str) -> bool {
    text.starts_with("| layer ") || text.starts_with("|-") || text.starts_with("| -") || text.starts_with("|:")
}

fn row(line: usize, text: &str) -> Option<Row> {
    let cells: Vec<&str> = text.trim_matches('|').split('|').map(str::trim).collect();
    let [layer, name, may_use, beside, never] = cells.as_slice() else { return None };
    let mut name = names(name).into_iter();
    let row = Row {
        line,
        layer: layer.parse().ok()?,
        name: name.next()?,
        may_use: names(may_use),
        beside: names(beside),
        never: names(never),
    };
    name.next().is_none().then_some(row)
}

/// The words in backticks; a bare `haltline-` prefix may be left out with a leading `-`.
fn names(cell: &str) -> Vec<String> {
    cell.split('`')
        .skip(1)
        .step_by(2)
        .map(|name| name.strip_prefix('-').map_or_else(|| name.to_owned(), |rest| format!("haltline-{rest}")))
        .collect()
}

fn inconsistent(rows: &[Row]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for row in rows {
        if rows.iter().filter(|other| other.name == row.name).count() > 1 {
            let what = format!("`{}` stands in the layers table more than once", row.name);
            problems.push(Problem::new(MAP, row.line, what, "keep one row a crate"));
        }
        for (used, sideways) in
            row.may_use.iter().map(|name| (name, false)).chain(row.beside.iter().map(|name| (name, true)))
        {
            let target = rows.iter().find(|other| other.name == *used);
            let fits = target.is_some_and(|target| {
                if sideways { target.layer == row.layer && target.name != row.name } else { target.layer < row.layer }
            });
            if !fits {
                problems.push(Problem::new(
                    MAP,
                    row.line,
                    format!("`{}` (layer {}) may not list `{used}` there", row.name, row.layer),
                    "list lower layers under `may use`, crates of the same layer under `beside`, nothing higher",
                ));
            }
        }
    }
    problems
}

/// The crates against the table.
pub(super) fn check(rows: &[Row], packages: &[Package]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for row in rows {
        if !packages.iter().any(|package| package.name == row.name) {
            let what = format!("the layers table lists `{}`, which is no crate of the workspace", row.name);
            problems.push(Problem::new(MAP, row.line, what, "take the row out, or add the crate"));
        }
    }
    for package in packages {
        let Some(row) = rows.iter().find(|row| row.name == package.name) else {
            let what = format!("the crate `{}` is missing in the layers table", package.name);
            problems.push(Problem::new(MAP, 0, what, "give it a row: its layer and what it may use"));
            continue;
        };
        for used in inner_dependencies(package, packages) {
            if !row.may_use.contains(&used) && !row.beside.contains(&used) {
                problems.push(Problem::new(
                    MAP,
                    row.line,
                    format!("`{}` depends on `{used}`, which its row does not list", package.name),
                    "take the dependency out; if the wall itself should move, change the row and say why in an ADR",
                ));
            }
        }
    }
    problems
}

fn inner_dependencies(package: &Package, packages: &[Package]) -> Vec<String> {
    let mut used: Vec<String> = package
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind.as_deref() != Some("dev"))
        .filter(|dependency| packages.iter().any(|other| other.name == dependency.name))
        .map(|dependency| dependency.name.clone())
        .collect();
    used.sort();
    used.dedup();
    used
}

/// What a crate reaches by normal dependencies against what its row forbids.
pub(super) fn reach(row: &Row, reached: &[String]) -> Vec<Problem> {
    let forbidden = |name: &&String| row.never.iter().any(|never| never == "*" || never == *name);
    reached
        .iter()
        .filter(forbidden)
        .map(|name| {
            Problem::new(
                MAP,
                row.line,
                format!("`{}` reaches `{name}`, which its row forbids", row.name),
                format!("see `cargo tree -e normal --target all -p {} -i {name}` and cut that way", row.name),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    fn table(rows: &str) -> String {
        format!("# Map\n{BEGIN}\n| layer | crate | may use | beside | never |\n|---|---|---|---|---|\n{rows}\n{END}\n")
    }

    fn package(name: &str, dependencies: &[(&str, Option<&str>)]) -> Package {
        let dependencies: Vec<serde_json::Value> = dependencies
            .iter()
            .map(|(name, kind)| serde_json::json!({ "name": name, "kind": kind, "rename": null }))
            .collect();
        serde_json::from_value(serde_json::json!({
            "name": name, "description": "x", "manifest_path": "Cargo.toml", "dependencies": dependencies,
        }))
        .expect("a package")
    }

    fn whats(problems: &[Problem]) -> String {
        problems.iter().map(|problem| problem.what.as_str()).collect::<Vec<_>>().join("; ")
    }

    const GOOD: &str = "| 0 | `haltline-types` | | | `*` |\n| 1 | `haltline-ledger` | `-types` | | `tokio` |\n| 1 | `haltline-wire` | `-types` | `-ledger` | |";

    #[test]
    fn the_table_is_read() {
        let (rows, problems) = read(&table(GOOD));
        assert_eq!(problems, []);
        assert_eq!(rows.len(), 3);
        assert_eq!(rows[1].may_use, ["haltline-types"]);
        assert_eq!(rows[1].never, ["tokio"]);
        assert_eq!(rows[2].beside, ["haltline-ledger"]);
        assert_eq!(rows[2].line, 7);
    }

    #[test]
    fn a_missing_or_unreadable_table_is_a_problem() {
        assert!(whats(&read("# Map\n").1).contains("no layers table"));
        assert!(whats(&read(&table("| low | `haltline-types` | | | |")).1).contains("cannot be read"));
        assert!(whats(&read(&table("| 0 | `a` `b` | | | |")).1).contains("cannot be read"));
    }

    #[test]
    fn a_row_lists_only_what_lies_below() {
        let upward = table("| 0 | `a` | `b` | | |\n| 1 | `b` | | | |");
        assert!(whats(&read(&upward).1).contains("`a` (layer 0) may not list `b`"));
        let sideways = table("| 1 | `a` | `b` | | |\n| 1 | `b` | | | |");
        assert!(whats(&read(&sideways).1).contains("may not list `b`"));
        let unknown = table("| 1 | `a` | `c` | | |");
        assert!(whats(&read(&unknown).1).contains("may not list `c`"));
        let twice = table("| 1 | `a` | | | |\n| 1 | `a` | | | |");
        assert!(whats(&read(&twice).1).contains("more than once"));
    }

    #[test]
    fn a_dependency_that_is_not_listed_is_a_problem_unless_only_tests_have_it() {
        let (rows, _) = read(&table(GOOD));
        let types = package("haltline-types", &[]);
        let wire = package("haltline-wire", &[("haltline-ledger", None), ("serde", None)]);
        let bad = package("haltline-ledger", &[("haltline-types", None), ("haltline-wire", None)]);
        let build = package("haltline-ledger", &[("haltline-wire", Some("build"))]);
        let good = package("haltline-ledger", &[("haltline-types", None), ("haltline-wire", Some("dev"))]);
        assert_eq!(check(&rows, &[types.clone(), good, wire.clone()]), []);
        for one in [bad, build] {
            let problems = check(&rows, &[types.clone(), one, wire.clone()]);
            assert!(whats(&problems).contains("`haltline-ledger` depends on `haltline-wire`"));
        }
    }

    #[test]
    fn table_and_workspace_name_the_same_crates() {
        let (rows, _) = read(&table("| 0 | `haltline-types` | | | |"));
        assert!(whats(&check(&rows, &[])).contains("is no crate of the workspace"));
        let packages = [package("haltline-types", &[]), package("stranger", &[])];
        assert!(whats(&check(&rows, &packages)).contains("`stranger` is missing"));
    }

    #[test]
    fn what_a_row_forbids_is_found_however_far_away() {
        let (rows, _) = read(&table(GOOD));
        assert!(whats(&reach(&rows[1], &["jiff".to_owned(), "tokio".to_owned()])).contains("reaches `tokio`"));
        assert_eq!(reach(&rows[1], &["jiff".to_owned(), "tokio-like".to_owned()]), []);
        assert!(whats(&reach(&rows[0], &["anything".to_owned()])).contains("reaches `anything`"));
    }

    #[test]
    fn dependencies_come_from_metadata() {
        let one: Dependency =
            serde_json::from_str(r#"{"name":"a","kind":null,"rename":"b","req":"^1"}"#).expect("a dependency");
        assert_eq!((one.name.as_str(), one.kind, one.rename.as_deref()), ("a", None, Some("b")));
    }
}
