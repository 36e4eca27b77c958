//! Nothing in the project may depend on the machine it was written on: no absolute paths of somebody's
//! home, no package registry but the public default ones.

use crate::problem::Problem;
use crate::workspace::TextFile;

/// Folders in which people and machines keep what others do not have.
const HOMES: [&str; 6] = [
    concat!("/", "home/"),
    concat!("/", "root/"),
    concat!("/", "Users/"),
    concat!("/", "work/"),
    concat!("/", "workspace/"),
    concat!("C:\\", "Users\\"),
];

/// Settings that point a package manager away from its default registry.
const REDIRECTIONS: [&str; 7] = [
    concat!("index", "-url"),
    concat!("extra-index", "-url"),
    concat!("find", "-links"),
    concat!("replace", "-with"),
    concat!("trusted", "-host"),
    concat!("GO", "PROXY="),
    concat!("npm_config", "_registry"),
];

const CARGO_INDEX: &str = "registry+https://github.com/rust-lang/crates.io-index";
const NPM_REGISTRY: &str = "https://registry.npmjs.org/";

/// All breaches in one file.
pub(super) fn check(file: &TextFile) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        if let Some(home) = HOMES.into_iter().find(|home| has_path(line, home)) {
            problems.push(Problem::new(
                &file.path,
                index + 1,
                format!("a path of one machine: `{home}…`"),
                "use a path from the project's root, an environment variable or a temporary folder",
            ));
        }
        if let Some(setting) = REDIRECTIONS.into_iter().find(|setting| line.contains(setting)) {
            problems.push(Problem::new(
                &file.path,
                index + 1,
                format!("a package registry is set: `{setting}`"),
                "leave registries to the machine's own configuration",
            ));
        }
        problems.extend(locked(file, index + 1, line));
    }
    problems
}

/// An absolute path starts where no word or other path goes on.
fn has_path(line: &str, home: &str) -> bool {
    line.match_indices(home).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + home.len()..].chars().next();
        let starts =
            !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '~' | '*' | '}' | '>'));
        starts && after.is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-'))
    })
}

fn locked(file: &TextFile, line: usize, text: &str) -> Option<Problem> {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    let (key, allowed) = match name {
        "Cargo.lock" => ("source = \"", CARGO_INDEX),
        "package-lock.json" => ("\"resolved\": \"", NPM_REGISTRY),
        _ => return None,
    };
    let value = text.trim().strip_prefix(key)?;
    if value.starts_with(allowed) || value.starts_with("file:") {
        return None;
    }
    let source = value.trim_end_matches(['"', ',']);
    Some(Problem::new(
        &file.path,
        line,
        format!("locked to `{source}`, which is not the default registry"),
        "lock again without a mirror: the file must work for everybody",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [usize; 0] = [];

    fn lines(path: &str, text: &str) -> Vec<usize> {
        let file = TextFile { path: path.to_owned(), text: text.to_owned() };
        check(&file).into_iter().map(|problem| problem.line).collect()
    }

    #[test]
    fn a_machines_path_is_found_and_a_relative_one_is_not() {
        for home in HOMES {
            assert_eq!(lines("a.md", &format!("x\ncd {home}me/project")), [2], "{home}");
            assert_eq!(lines("a.md", &format!("\"{home}me\"")), [1], "{home}");
        }
        assert_eq!(lines("a.md", &["https://example.com", HOMES[0], "me"].concat()), NONE);
        assert_eq!(lines("a.md", &["./a", HOMES[3], "b ", HOMES[0], " ~", HOMES[1], "x"].concat()), NONE);
    }

    #[test]
    fn a_registry_setting_is_found() {
        for setting in REDIRECTIONS {
            assert_eq!(lines("pip.conf", &format!("[x]\n{setting} = y")), [2], "{setting}");
        }
        assert_eq!(lines("a.md", "the registry is the default one"), NONE);
    }

    #[test]
    fn a_lock_file_names_the_default_registry() {
        let cargo = |source: &str| format!("[[package]]\nname = \"a\"\nsource = \"{source}\"\n");
        assert_eq!(lines("Cargo.lock", &cargo(CARGO_INDEX)), NONE);
        assert_eq!(lines("Cargo.lock", &cargo("registry+https://mirror.example/index")), [3]);
        assert_eq!(lines("Cargo.lock", &cargo("git+https://example.com/a")), [3]);
        let npm = |host: &str| format!("{{\n  \"resolved\": \"{host}a/-/a-1.0.0.tgz\",\n");
        assert_eq!(lines("e2e/package-lock.json", &npm(NPM_REGISTRY)), NONE);
        assert_eq!(lines("e2e/package-lock.json", &npm("https://mirror.example/")), [2]);
    }
}
