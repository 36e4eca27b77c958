//! The rules of the house as a test. Each rule is a pure function over text, in a file of its own;
//! this file only fetches what they look at and gathers what they say.

mod documents;
mod layers;
mod manifests;
mod portable;
mod rust;
mod source;
mod threats;

use crate::problem::Problem;
use crate::workspace::Workspace;
use anyhow::Result;

pub(crate) use manifests::unused;

/// All breaches of all rules, sorted by place.
pub(crate) fn run(workspace: &Workspace) -> Result<Vec<Problem>> {
    let files = workspace.text_files()?;
    let packages = workspace.packages()?;

    let mut problems = Vec::new();
    for file in &files {
        problems.extend(source::check(file));
        problems.extend(portable::check(file));
    }

    let map = workspace.read(layers::MAP)?.unwrap_or_default();
    let (table, faults) = layers::read(&map);
    problems.extend(faults);
    problems.extend(layers::check(&table, &packages));
    for row in &table {
        if !row.never.is_empty() && packages.iter().any(|package| package.name == row.name) {
            problems.extend(layers::reach(row, &workspace.reaches(&row.name)?));
        }
    }

    for package in &packages {
        problems.extend(manifests::described(&workspace.manifest(package), package));
    }
    problems.extend(documents::stages(&files));
    problems.extend(documents::error_pages(&files));
    problems.extend(threats::check(&files));
    problems.sort();
    Ok(problems)
}
