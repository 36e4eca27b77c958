//! The section `[auth]`: who may come in besides the bearers of API keys.

mod browser;
mod jwt;

use super::reader::{Keys, Section};
use haltline_gateway::settings::AuthSettings;

const KEYS: Keys = Keys::of(&["jwt", "browser"]);

pub(super) fn auth(root: &Section<'_>) -> AuthSettings {
    let section = root.section("auth", &KEYS);
    AuthSettings { jwt: jwt::issuers(&section), browser: browser::browser(&section) }
}
