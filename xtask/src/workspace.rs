//! What the checks look at: the project's files as git sees them, its crates as cargo sees them.
//! Only reads.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The project on disk.
pub(crate) struct Workspace {
    root: PathBuf,
}

/// A text file of the project.
pub(crate) struct TextFile {
    /// Path from the root, with `/`.
    pub(crate) path: String,
    /// Its contents.
    pub(crate) text: String,
}

/// A crate of the workspace, from `cargo metadata`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// Its description.
    pub(crate) description: Option<String>,
    manifest_path: PathBuf,
    /// What its manifest asks for, all kinds.
    pub(crate) dependencies: Vec<Dependency>,
}

/// One line of a manifest's dependency tables.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Dependency {
    /// The package's name.
    pub(crate) name: String,
    /// `None` for a normal one, else `dev` or `build`.
    pub(crate) kind: Option<String>,
    /// The name it goes by in the code, where that differs.
    pub(crate) rename: Option<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

impl Workspace {
    /// The project that this xtask was built from.
    pub(crate) fn find() -> Result<Self> {
        let from = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = from.parent().context("xtask has no parent folder")?.to_path_buf();
        Ok(Self { root })
    }

    /// The root folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Every file that is tracked or would be, sorted; without those that git ignores.
    pub(crate) fn files(&self) -> Result<Vec<String>> {
        let listed =
            self.output("git", &["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).context("git")?;
        let mut files: Vec<String> = listed
            .split('\0')
            .filter(|path| !path.is_empty() && self.root.join(path).is_file())
            .map(str::to_owned)
            .collect();
        files.sort();
        files.dedup();
        Ok(files)
    }

    /// The files that are text.
    pub(crate) fn text_files(&self) -> Result<Vec<TextFile>> {
        let mut found = Vec::new();
        for path in self.files()? {
            let bytes = std::fs::read(self.root.join(&path)).with_context(|| path.clone())?;
            if let Ok(text) = String::from_utf8(bytes) {
                found.push(TextFile { path, text });
            }
        }
        Ok(found)
    }

    /// A file's text, or `None` when there is no such file.
    pub(crate) fn read(&self, path: &str) -> Result<Option<String>> {
        let full = self.root.join(path);
        if !full.exists() {
            return Ok(None);
        }
        std::fs::read_to_string(&full).map(Some).with_context(|| path.to_owned())
    }

    /// The crates of the workspace.
    pub(crate) fn packages(&self) -> Result<Vec<Package>> {
        let json = self.output("cargo", &["metadata", "--format-version", "1", "--no-deps"])?;
        let metadata: Metadata = serde_json::from_str(&json).context("cargo metadata")?;
        Ok(metadata.packages)
    }

    /// The names of all crates that a package's normal dependencies lead to, on every platform,
    /// itself left out.
    pub(crate) fn reaches(&self, package: &str) -> Result<Vec<String>> {
        let arguments =
            ["tree", "-e", "normal", "--target", "all", "--prefix", "none", "--format", "{p}", "-p", package];
        let tree = self.output("cargo", &arguments)?;
        let mut names: Vec<String> = tree
            .lines()
            .filter_map(|line| line.split_whitespace().next())
            .filter(|name| *name != package)
            .map(str::to_owned)
            .collect();
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// A package's manifest, as a path from the root.
    pub(crate) fn manifest(&self, package: &Package) -> String {
        let path = package.manifest_path.strip_prefix(&self.root).unwrap_or(&package.manifest_path);
        path.to_string_lossy().replace('\\', "/")
    }

    /// A command that runs in the root.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        command
    }

    fn output(&self, program: &str, arguments: &[&str]) -> Result<String> {
        let shown = format!("{program} {}", arguments.join(" "));
        let output = self.command(program).args(arguments).output().with_context(|| shown.clone())?;
        if !output.status.success() {
            bail!("`{shown}` failed:\n{}", String::from_utf8_lossy(&output.stderr));
        }
        String::from_utf8(output.stdout).with_context(|| format!("`{shown}` printed something that is not text"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_crate_reaches_is_asked_of_cargo() {
        let here = Workspace::find().expect("the workspace");
        let reached = here.reaches("xtask").expect("cargo tree");
        for name in ["haltline-types", "clap", "clap_builder"] {
            assert!(reached.iter().any(|other| other == name), "{name} in {reached:?}");
        }
        assert!(!reached.iter().any(|other| other == "xtask"));
    }

    #[test]
    fn files_and_crates_are_found() {
        let here = Workspace::find().expect("the workspace");
        let files = here.files().expect("git");
        assert!(files.iter().any(|file| file == "xtask/src/workspace.rs"));
        assert!(!files.iter().any(|file| file.starts_with("target/")));
        let packages = here.packages().expect("cargo metadata");
        let own = packages.iter().find(|package| package.name == "xtask").expect("xtask");
        assert_eq!(here.manifest(own), "xtask/Cargo.toml");
        assert!(own.dependencies.iter().any(|dependency| dependency.name == "haltline-types"));
    }
}
