//! What a configuration takes from its surroundings: environment variables and files of secrets.

use crate::prices::remote::Fetched;
use haltline_ports::Secret;
use haltline_types::Timestamp;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A price list from the network, or for people why there is none.
pub type FetchResult = Result<Fetched, String>;

/// The surroundings, as an argument, so that tests own them.
pub struct Outside<'o> {
    /// An environment variable.
    pub env: &'o dyn Fn(&str) -> Option<String>,
    /// A file's text.
    pub read: &'o dyn Fn(&Path) -> io::Result<String>,
    /// A price list from the network, by its URL and the data directory.
    pub fetch: &'o (dyn Fn(&str, Option<&Path>) -> FetchResult + 'o),
    /// The folder that relative paths begin at: the configuration file's.
    pub base: PathBuf,
    /// The present, for what grows old.
    pub now: Timestamp,
}

/// What to do about providers' keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    /// They are needed: one that is missing is an error.
    Needed,
    /// They are not: nothing is called. For commands that only look at the store.
    Ignored,
}

impl fmt::Debug for Outside<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outside").field("base", &self.base).finish_non_exhaustive()
    }
}

/// Why a string could not be filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// No such variable.
    Variable(String),
    /// `${` without `}`, or an impossible name.
    Form(String),
    /// The file cannot be read.
    File(PathBuf, String),
}

/// Replaces `${NAME}` and `${NAME:-default}`.
pub(super) fn fill(text: &str, outside: &Outside<'_>) -> Result<String, Missing> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        out.push_str(&rest[..at]);
        let inside = &rest[at + 2..];
        let end = inside.find('}').ok_or_else(|| Missing::Form(text.to_owned()))?;
        let (name, default) = match inside[..end].split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (&inside[..end], None),
        };
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(Missing::Form(format!("${{{name}}}")));
        }
        let value = (outside.env)(name).filter(|value| default.is_none() || !value.is_empty());
        match (value, default) {
            (Some(value), _) => out.push_str(&value),
            (None, Some(default)) => out.push_str(default),
            (None, None) => return Err(Missing::Variable(name.to_owned())),
        }
        rest = &inside[end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

/// As `fill`; and `file:/path` becomes the file's content without the line break at its end.
pub(super) fn fill_secret(text: &str, outside: &Outside<'_>) -> Result<Secret, Missing> {
    let filled = Secret::new(fill(text, outside)?);
    let Some(path) = filled.reveal().strip_prefix("file:") else { return Ok(filled) };
    let path = outside.base.join(path);
    match (outside.read)(&path) {
        Ok(content) => Ok(Secret::from(Secret::new(content).reveal().trim_end_matches(['\n', '\r']))),
        Err(error) => Err(Missing::File(path, error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_and_files_are_filled_in() {
        let env = |name: &str| match name {
            "A" => Some("one".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        let read = |path: &Path| match path.to_str() {
            Some("/run/key") => Ok("k\n".to_owned()),
            _ => Err(io::Error::from(io::ErrorKind::NotFound)),
        };
        let fetch = |_: &str, _: Option<&Path>| Err(String::new());
        let outside =
            Outside { env: &env, read: &read, fetch: &fetch, base: "/etc".into(), now: Timestamp::from_secs(0) };
        assert_eq!(fill("x${A}y${B:-two}${EMPTY:-3}", &outside), Ok("xoneytwo3".to_owned()));
        assert_eq!(fill("$50", &outside), Ok("$50".to_owned()));
        assert_eq!(fill("${B}", &outside), Err(Missing::Variable("B".to_owned())));
        assert!(matches!(fill("${A", &outside), Err(Missing::Form(_))));
        assert!(matches!(fill("${}", &outside), Err(Missing::Form(_))));
        assert_eq!(fill_secret("file:/run/key", &outside), Ok(Secret::from("k")));
        assert!(
            matches!(fill_secret("file:absent", &outside), Err(Missing::File(path, _)) if path == Path::new("/etc/absent"))
        );
    }
}
