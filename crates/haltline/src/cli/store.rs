//! `haltline store …`.

use super::admin::{IfAbsent, configuration, connect};
use super::args::{Global, StoreCommand};
use super::block_on;
use super::exit::CliError;
use super::ui::Ui;

pub(super) fn run(
    command: &StoreCommand,
    global: &Global,
    ui: &mut Ui<'_>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<(), CliError> {
    let (_, loaded) = configuration(global, env)?;
    match command {
        StoreCommand::Verify => {
            let said = block_on(async { connect(&loaded, IfAbsent::Refuse, env)?.verify().await })?;
            ui.said(&said)
        }
    }
}
