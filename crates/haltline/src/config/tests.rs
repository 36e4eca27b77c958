//! The whole configuration: what is refused and how it is said, and what the contract's example
//! becomes.

mod bad;
mod certificates;
mod good;
mod jwt;
mod worst;

use super::{Diagnostics, Loaded, Outside, Secrets, load};
use crate::prices::remote::Fetched;
use haltline_types::Timestamp;
use std::io;
use std::path::Path;

/// 2026-11-24.
const NOW: Timestamp = Timestamp::from_secs(1_795_478_400);

/// A list of an operator's own, half a year old.
const OWN_LIST: &str = "[catalogue]\nprovider = \"groq\"\nas_of = \"2026-05-01\"\n[models.own]\nmax_input = 1000\n\
    max_output = 100\nsettle = [{ over = 0, input = \"0.2\", output = \"0.4\" }]\n";

/// Loads a text in surroundings with four variables and one file.
fn load_text(text: &str) -> Result<Loaded, Box<Diagnostics>> {
    let env = |name: &str| match name {
        "OPENAI_API_KEY" => Some("sk-from-the-environment".to_owned()),
        "WEBHOOK_SECRET" => Some("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned()),
        "STORE_KEY" => Some("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".to_owned()),
        "LIMIT" => Some("$7".to_owned()),
        _ => None,
    };
    let read = |path: &Path| match path.to_str() {
        Some("/etc/haltline/key") => Ok("sk-from-a-file\n".to_owned()),
        Some("/etc/haltline/groq.toml") => Ok(OWN_LIST.to_owned()),
        Some("/etc/haltline/wrong.toml") => Ok(OWN_LIST.replace("\"0.2\"", "\"0\"")),
        other => other.and_then(certificates::file).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound)),
    };
    let fetch = |url: &str, data: Option<&Path>| {
        assert_eq!(data.and_then(Path::to_str), Some("/etc/haltline/haltline-data"));
        match url {
            "https://prices.example/groq.toml" => Ok(Fetched { text: Some(OWN_LIST.to_owned()), warning: None }),
            "https://prices.example/old.toml" => Ok(Fetched {
                text: Some(OWN_LIST.to_owned()),
                warning: Some("the copy of 2026-11-01 is used".to_owned()),
            }),
            _ => Err(format!("the price list {url} could not be fetched: nobody is there")),
        }
    };
    let outside = Outside { env: &env, read: &read, fetch: &fetch, base: "/etc/haltline".into(), now: NOW };
    load("haltline.toml", text, &outside, Secrets::Needed)
}

/// What is said of a text, errors or warnings.
fn said(text: &str) -> Diagnostics {
    match load_text(text) {
        Ok(loaded) => loaded.warnings,
        Err(found) => *found,
    }
}
