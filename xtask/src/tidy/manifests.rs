//! Rules for manifests: a crate says what it is for, and asks for nothing that its code never names.

use super::rust;
use crate::problem::Problem;
use crate::workspace::{Package, TextFile, Workspace};
use anyhow::Result;

/// Dependencies that no code names, each with the reason: (crate, dependency, reason).
const UNNAMED: [(&str, &str, &str); 0] = [];

/// A crate without a description is a crate without a purpose.
pub(super) fn described(manifest: &str, package: &Package) -> Vec<Problem> {
    let described = package.description.as_deref().is_some_and(|text| !text.trim().is_empty());
    if described {
        return Vec::new();
    }
    vec![Problem::new(
        manifest,
        0,
        format!("`{}` has no description", package.name),
        "add `description = \"…\"`: one sentence, what the crate owns",
    )]
}

/// Dependencies that a crate asks for and never names.
pub(crate) fn unused(workspace: &Workspace) -> Result<Vec<Problem>> {
    let files = workspace.text_files()?;
    let mut problems = Vec::new();
    for package in workspace.packages()? {
        let manifest = workspace.manifest(&package);
        let folder = manifest.trim_end_matches("Cargo.toml");
        let sources: Vec<&TextFile> =
            files.iter().filter(|file| file.path.starts_with(folder) && file.path.ends_with(".rs")).collect();
        problems.extend(unnamed(&manifest, &package, &sources));
    }
    problems.sort();
    Ok(problems)
}

fn unnamed(manifest: &str, package: &Package, sources: &[&TextFile]) -> Vec<Problem> {
    let folder = manifest.trim_end_matches("Cargo.toml");
    let mut problems = Vec::new();
    for dependency in &package.dependencies {
        let called = dependency.rename.as_ref().unwrap_or(&dependency.name).replace('-', "_");
        let excused = UNNAMED.iter().any(|(owner, name, _)| *owner == package.name && *name == dependency.name);
        let named = sources
            .iter()
            .filter(|file| may_name(&file.path[folder.len()..], dependency.kind.as_deref()))
            .any(|file| names(&file.text, &called));
        if !named && !excused {
            let table = match dependency.kind.as_deref() {
                None => "dependencies",
                Some("dev") => "dev-dependencies",
                Some(_) => "build-dependencies",
            };
            problems.push(Problem::new(
                manifest,
                0,
                format!("`{}` under [{table}] is named nowhere in the code", dependency.name),
                "take it out; if it is needed without being named, list it in xtask/src/tidy/manifests.rs with the reason",
            ));
        }
    }
    problems
}

/// Which files, by their path from the crate's folder, a kind of dependency serves.
fn may_name(path: &str, kind: Option<&str>) -> bool {
    match kind {
        None => path.starts_with("src/"),
        Some("dev") => path != "build.rs",
        Some(_) => path == "build.rs",
    }
}

fn names(source: &str, identifier: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    rust::split(source).iter().any(|line| {
        line.code.match_indices(identifier).any(|(at, _)| {
            let before = line.code[..at].chars().next_back();
            let after = line.code[at + identifier.len()..].chars().next();
            !before.is_some_and(is_word) && !after.is_some_and(is_word)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(description: Option<&str>, dependencies: &serde_json::Value) -> Package {
        serde_json::from_value(serde_json::json!({
            "name": "a", "description": description, "manifest_path": "a/Cargo.toml", "dependencies": dependencies,
        }))
        .expect("a package")
    }

    fn source(path: &str, text: &str) -> TextFile {
        TextFile { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn a_crate_says_what_it_is_for() {
        let none = serde_json::json!([]);
        assert_eq!(described("a/Cargo.toml", &package(Some("Owns a."), &none)), []);
        assert_eq!(described("a/Cargo.toml", &package(Some(" "), &none)).len(), 1);
        assert_eq!(described("a/Cargo.toml", &package(None, &none)).len(), 1);
    }

    #[test]
    fn a_dependency_is_named_in_code_where_it_counts() {
        let normal = package(None, &serde_json::json!([{ "name": "b-c", "kind": null, "rename": null }]));
        let count =
            |package: &Package, path: &str, text: &str| unnamed("a/Cargo.toml", package, &[&source(path, text)]).len();
        assert_eq!(count(&normal, "a/src/lib.rs", "use b_c::D;"), 0);
        assert_eq!(count(&normal, "a/src/lib.rs", "use ab_c::D; // b_c\nlet x = \"b_c\";"), 1);
        assert_eq!(count(&normal, "a/tests/main.rs", "use b_c::D;"), 1);
        let test = package(None, &serde_json::json!([{ "name": "b-c", "kind": "dev", "rename": null }]));
        assert_eq!(count(&test, "a/tests/main.rs", "use b_c::D;"), 0);
        let renamed = package(None, &serde_json::json!([{ "name": "b", "kind": null, "rename": "e" }]));
        assert_eq!(count(&renamed, "a/src/lib.rs", "e::f();"), 0);
        assert_eq!(count(&renamed, "a/src/lib.rs", "b::f();"), 1);
    }
}
