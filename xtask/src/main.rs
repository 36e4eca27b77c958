//! `cargo xtask`: the project's checks, the same on a laptop and in continuous integration. Owns the
//! rules (`tidy`), the generated files (`generate`) and the stages (`ci`); knows nothing of what the
//! product does beyond its table of error codes and what the program itself prints.

mod ci;
mod generate;
mod problem;
mod tidy;
mod workspace;

use clap::{Parser, Subcommand};
use std::process::ExitCode;
use workspace::Workspace;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Haltline's checks")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check the rules of the house: layers, file headers, words, documents, portability.
    Tidy,
    /// Write the generated files again.
    Generate {
        /// Only say which ones are not current.
        #[arg(long)]
        check: bool,
    },
    /// Run the stages of continuous integration in order; stop at the first that fails.
    Ci {
        /// Run only this stage (may be repeated).
        #[arg(long = "stage", value_name = "NAME")]
        stages: Vec<String>,
        /// List the stages and what they run.
        #[arg(long)]
        list: bool,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli.command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::find()?;
    match command {
        Command::Tidy => Ok(problem::report("tidy", &tidy::run(&workspace)?)),
        Command::Generate { check: true } => Ok(problem::report("generated files", &generate::check(&workspace)?)),
        Command::Generate { check: false } => {
            generate::write(&workspace)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Ci { list: true, .. } => {
            ci::list();
            Ok(ExitCode::SUCCESS)
        }
        Command::Ci { stages, list: false } => ci::run(&workspace, &stages),
    }
}
