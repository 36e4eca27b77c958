//! `haltline init`: writes the safe default down, with the providers whose keys are there.

use super::args::InitArgs;
use super::exit::{CliError, Exit};
use super::ui::Ui;
use crate::config::{Address, detect, safe_default};
use std::fs;
use std::io::Write;

pub(super) fn run(args: &InitArgs, ui: &mut Ui<'_>, env: &dyn Fn(&str) -> Option<String>) -> Result<(), CliError> {
    let detected = detect(env);
    let text = safe_default(&detected);
    for found in &detected {
        let missing = match found.address {
            Address::Missing(variable) => format!(", but no address in {variable}: `{}` is left out", found.provider),
            Address::Usual | Address::At(_) => String::new(),
        };
        ui.note(&format!("found {} ({}){missing}\n", found.variable, found.hint));
    }
    if detected.is_empty() {
        ui.note("found no provider's key in the environment; the file shows where one goes\n");
    }
    if args.dry_run {
        return ui.text(&text);
    }
    let opened = if args.force { fs::File::create(&args.file) } else { fs::File::create_new(&args.file) };
    let mut file = opened.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            let message = format!("{} is there already", args.file.display());
            CliError::new(Exit::NotFound, message).help("choose another name, or write over it with --force")
        }
        _ => CliError::failed(format!("{} cannot be written: {error}", args.file.display())),
    })?;
    file.write_all(text.as_bytes())
        .map_err(|error| CliError::failed(format!("{} cannot be written: {error}", args.file.display())))?;
    ui.said(&format!("Wrote {}: at most $10 a day. Next: haltline check, haltline serve.", args.file.display()))
}
