//! The command line: what is asked, who answers, and the exit codes of the contract. `serve` and
//! `demo` are handed to whoever wires the gateway; everything else is answered here.

mod admin;
mod admins;
mod args;
mod budget;
mod budget_set;
mod cache;
mod check;
mod dlq;
mod exit;
mod explain;
mod guard;
mod init;
mod key;
mod openapi;
mod plan;
mod prices;
mod replay;
mod review;
mod sign_ins;
mod simulate;
mod spend;
mod store;
#[cfg(test)]
mod tests;
mod trace;
mod ui;
mod version;
mod when;

pub use admin::{Admin, AdminFile, Answer, IfAbsent, SpendAsk, StreamPage, TimelinesAsk, connect};
pub use args::{Cli, Command, DemoArgs, DemoWhat, Global, ServeArgs};
pub use exit::{CliError, Exit};
pub use guard::{GuardCommand, GuardEval};
pub use replay::ReplayArgs;
pub use trace::TraceArgs;
pub use ui::{Format, Ui};

use crate::config::Paint;
use clap::Parser;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

/// What the binary does besides the commands that need no running gateway.
#[derive(Clone, Copy, Debug)]
pub struct Wiring {
    /// `haltline serve`: returns when the gateway has stopped.
    pub serve: fn(&Global, &ServeArgs, &mut Ui<'_>) -> Result<(), CliError>,
    /// `haltline demo`.
    pub demo: fn(&Global, &DemoArgs, &mut Ui<'_>) -> Result<(), CliError>,
}

/// Reads the command line and does what it says.
#[must_use]
pub fn main(wiring: &Wiring) -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no mistakes; everything else is one of usage.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Ok };
            let _ = error.print();
            return exit.into();
        }
    };
    let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
    let is_terminal = out.is_terminal();
    let colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let mut ui = Ui::new(&mut out, &mut err, &cli.global, is_terminal, colours && std::io::stderr().is_terminal());
    ui.out_paint = if colours && is_terminal { Paint::Ansi } else { Paint::None };
    let env = |name: &str| std::env::var(name).ok();
    let exit = run(&cli, wiring, &mut ui, &env);
    let _ = std::io::stdout().flush();
    exit.into()
}

/// Does what the command line says, in given surroundings.
pub fn run(cli: &Cli, wiring: &Wiring, ui: &mut Ui<'_>, env: &dyn Fn(&str) -> Option<String>) -> Exit {
    let global = &cli.global;
    let done = match &cli.command {
        Command::Serve(args) => (wiring.serve)(global, args, ui),
        Command::Demo(args) => (wiring.demo)(global, args, ui),
        Command::Init(args) => init::run(args, ui, env),
        Command::Check(args) => check::run(args, global, ui, env),
        Command::Explain(args) => explain::run(&args.code, ui),
        Command::Key(command) => key::run(command, global, ui, env),
        Command::Admin(command) => admins::run(command, global, ui, env),
        Command::Audit(command) => admins::audit(command, global, ui, env),
        Command::Budget(command) => budget::run(command, global, ui, env),
        Command::Spend(args) => spend::run(args, global, ui, env),
        Command::Trace(args) => trace::run(args, global, ui, env),
        Command::Replay(args) => replay::run(args, global, ui, env),
        Command::Prices(command) => prices::run(command, when::now(), ui),
        Command::Cache(command) => cache::run(command, global, ui, env),
        Command::Dlq(command) => dlq::run(command, global, ui, env),
        Command::Review(command) => review::run(command, global, ui, env),
        Command::SignIns(command) => sign_ins::run(command, global, ui, env),
        Command::Guard(command) => guard::run(command, ui),
        Command::Store(command) => store::run(command, global, ui, env),
        Command::Simulate(args) => simulate::run(args, global, ui, env),
        Command::Openapi => openapi::run(ui),
        Command::Version(args) => version::run(args, ui),
    };
    match done {
        Ok(()) => Exit::Ok,
        Err(error) => {
            ui.error(&error);
            error.exit
        }
    }
}

/// Runs the one asynchronous thing that a command does.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::failed(format!("no runtime: {error}")))?
        .block_on(future)
}
