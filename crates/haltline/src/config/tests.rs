//! The whole configuration: what is refused and how it is said, and what the contract's example
//! becomes.

mod bad;
mod good;
mod worst;

use super::{Diagnostics, Loaded, Outside, Secrets, load};
use std::io;
use std::path::Path;

/// Loads a text in surroundings with two variables and one file.
fn load_text(text: &str) -> Result<Loaded, Box<Diagnostics>> {
    let env = |name: &str| match name {
        "OPENAI_API_KEY" => Some("sk-from-the-environment".to_owned()),
        "LIMIT" => Some("$7".to_owned()),
        _ => None,
    };
    let read = |path: &Path| match path.to_str() {
        Some("/etc/haltline/key") => Ok("sk-from-a-file\n".to_owned()),
        _ => Err(io::Error::from(io::ErrorKind::NotFound)),
    };
    load("haltline.toml", text, &Outside { env: &env, read: &read, base: "/etc/haltline".into() }, Secrets::Needed)
}

/// What is said of a text, errors or warnings.
fn said(text: &str) -> Diagnostics {
    match load_text(text) {
        Ok(loaded) => loaded.warnings,
        Err(found) => *found,
    }
}
