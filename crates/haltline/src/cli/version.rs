//! `haltline version`.

use super::args::VersionArgs;
use super::exit::CliError;
use super::ui::{Format, Ui};
use serde_json::json;

pub(super) fn run(args: &VersionArgs, ui: &mut Ui<'_>) -> Result<(), CliError> {
    let version = env!("CARGO_PKG_VERSION");
    let system = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
    if args.json || (ui.is_explicit && ui.format == Format::Json) {
        let prices = crate::prices::Shipped::OpenAi.catalogue().map(|catalogue| &catalogue.as_of).ok();
        return ui.json(&json!({ "name": "haltline", "version": version, "system": system, "prices_as_of": prices }));
    }
    ui.text(&format!("haltline {version} ({system})\n"))
}
