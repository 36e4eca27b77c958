//! Crate versions that their authors have withdrawn, and published advisories where a database of
//! them is at hand. Continuous integration has no network of its own, and `cargo deny` takes no empty
//! database, so where there is none it gets one with a single advisory about a crate that does not
//! exist: what is left to check is withdrawn versions, as the registry's local index knows them.

use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names a clone of the public database.
pub(super) const DATABASE: &str = "HALTLINE_ADVISORY_DB";

/// The database that everybody means; `cargo deny` finds a local copy by it.
const URL: &str = "https://github.com/rustsec/advisory-db";
/// What the pinned `cargo deny` calls the copy of that address.
const FOLDER: &str = "advisory-db-3157b0e258782691";

const NOTHING: &str = "```toml\n[advisory]\nid = \"RUSTSEC-2026-9999\"\npackage = \"haltline-no-such-crate\"\n\
    date = \"2026-01-01\"\n\n[versions]\npatched = []\n```\n\n# Nothing\n\nA database must not be empty.\n";

/// Puts the database in place below `tools` and gives the configuration that names it.
pub(super) fn prepare(tools: &Path) -> Result<PathBuf> {
    let root = tools.join("advisories");
    let copy = root.join(FOLDER);
    if copy.exists() {
        fs::remove_dir_all(&copy).with_context(|| copy.display().to_string())?;
    }
    fs::create_dir_all(&root).with_context(|| root.display().to_string())?;
    match std::env::var_os(DATABASE).filter(|path| !path.is_empty()) {
        Some(database) => {
            println!("advisories of {}", Path::new(&database).display());
            let source = fs::canonicalize(&database).with_context(|| Path::new(&database).display().to_string())?;
            git(&root, &["clone", "--quiet", &source.to_string_lossy(), FOLDER])?;
        }
        None => {
            println!(
                "advisories are NOT looked at: {DATABASE} names no clone of {URL}; withdrawn versions are, as the \
                 local index knows them"
            );
            let folder = copy.join("crates").join("haltline-no-such-crate");
            fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
            fs::write(folder.join("RUSTSEC-2026-9999.md"), NOTHING)?;
            git(&copy, &["init", "--quiet"])?;
            git(&copy, &["add", "--all"])?;
            let who = ["-c", "user.name=xtask", "-c", "user.email=xtask@localhost"];
            git(&copy, &[who.as_slice(), &["commit", "--quiet", "-m", "nothing"]].concat())?;
        }
    }
    let config = root.join("deny.toml");
    fs::write(&config, configuration(&root)).with_context(|| config.display().to_string())?;
    Ok(config)
}

fn configuration(root: &Path) -> String {
    format!(
        "[graph]\nall-features = true\n\n[advisories]\ndb-path = {:?}\ndb-urls = [\"{URL}\"]\nyanked = \"deny\"\n",
        root.to_string_lossy()
    )
}

fn git(folder: &Path, words: &[&str]) -> Result<()> {
    let status = Command::new("git").args(words).current_dir(folder).status().context("git cannot be started")?;
    if !status.success() {
        bail!("`git {}`: {status}", words.join(" "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_database_there_is_one_that_says_nothing_of_anybody() {
        let tools = std::env::temp_dir().join(format!("haltline-xtask-advisories-{}", std::process::id()));
        let config = prepare(&tools).expect("prepared");
        // Again, over what is there.
        assert_eq!(prepare(&tools).expect("prepared again"), config);
        let text = fs::read_to_string(&config).expect("a configuration");
        assert!(text.contains("yanked = \"deny\"") && text.contains("advisories"), "{text}");
        let copy = tools.join("advisories").join(FOLDER);
        assert!(copy.join(".git").is_dir() && copy.join("crates/haltline-no-such-crate").is_dir());
        fs::remove_dir_all(&tools).expect("removed");
    }
}
