//! `haltline openapi`: the API document.

use super::exit::CliError;
use super::ui::Ui;

pub(super) fn run(ui: &mut Ui<'_>) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(&haltline_http::openapi_document())
        .map_err(|error| CliError::failed(format!("the document cannot be written: {error}")))?;
    ui.text(&(text + "\n"))
}
