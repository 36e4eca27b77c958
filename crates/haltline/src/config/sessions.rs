//! The section `[sessions]`: what is kept of conversations, and how long.

use super::reader::{Keys, Section};
use haltline_gateway::settings::SessionSettings;
use std::time::Duration;

/// Ten years: longer is for ever, and nobody means that.
const LONGEST: Duration = Duration::from_secs(3650 * 86_400);

pub(super) fn sessions(root: &Section<'_>) -> SessionSettings {
    let section = root.section("sessions", &Keys::of(&["keep_for", "content"]));
    let usual = SessionSettings::default();
    SessionSettings {
        keep_for: section.duration("keep_for", Duration::ZERO..=LONGEST).unwrap_or(usual.keep_for),
        content: section.boolean("content").unwrap_or(usual.content),
    }
}
