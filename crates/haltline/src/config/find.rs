//! Which configuration is meant: the one named, the one in this folder, or the safe default.

use super::codes::ConfigCode;
use super::diagnostic::{Diagnostic, Diagnostics};
use super::outside::{Outside, Secrets};
use super::redact::Redacted;
use super::safe_default::{detect, safe_default};
use super::{Loaded, load};
use crate::prices::remote::{self, Fetching};
use haltline_types::Timestamp;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The file that is looked for in the working folder.
const USUAL: &str = "haltline.toml";
/// The variable that names the file.
const VARIABLE: &str = "HALTLINE_CONFIG";

/// A configuration's text and where it came from.
#[derive(Clone, Debug)]
pub struct Found {
    /// The file; `None` for the safe default.
    pub path: Option<PathBuf>,
    /// Its text.
    pub text: String,
}

impl Found {
    /// As messages call it.
    #[must_use]
    pub fn name(&self) -> String {
        self.path.as_ref().map_or("(no configuration: safe default)".to_owned(), |path| path.display().to_string())
    }
}

/// Finds the configuration and reads its text.
///
/// # Errors
/// When a file that is named cannot be read.
pub fn find(named: Option<&Path>, env: &dyn Fn(&str) -> Option<String>) -> Result<Found, Box<Diagnostics>> {
    let wanted =
        named.map(Path::to_path_buf).or_else(|| env(VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from));
    let path = match wanted {
        Some(path) => path,
        None if Path::new(USUAL).exists() => PathBuf::from(USUAL),
        None => return Ok(Found { path: None, text: safe_default(&detect(env)) }),
    };
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Found { path: Some(path), text }),
        Err(error) => {
            let item = Diagnostic::new(ConfigCode::Unreadable, format!("{} cannot be read: {error}", path.display()));
            let items = vec![item.help("name another file with -c, or write one with `haltline init`")];
            Err(Box::new(Diagnostics { file: path.display().to_string(), source: Redacted::new("", &[]), items }))
        }
    }
}

/// Checks what was found, in the surroundings of this process.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load_found(
    found: &Found,
    env: &dyn Fn(&str) -> Option<String>,
    secrets: Secrets,
) -> Result<Loaded, Box<Diagnostics>> {
    load_fetching(found, env, secrets, Fetching::FromCopy)
}

/// As `load_found`, which fetches nothing from the network.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load_fetching(
    found: &Found,
    env: &dyn Fn(&str) -> Option<String>,
    secrets: Secrets,
    fetching: Fetching,
) -> Result<Loaded, Box<Diagnostics>> {
    let base = found.path.as_ref().and_then(|path| path.parent()).unwrap_or(Path::new("")).to_path_buf();
    let read = |path: &Path| fs::read_to_string(path);
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now = Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
    let fetch = |url: &str, data: Option<&Path>| remote::list(url, data, fetching, now);
    load(&found.name(), &found.text, &Outside { env, read: &read, fetch: &fetch, base, now }, secrets)
}
