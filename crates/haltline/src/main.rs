//! The binary: hands the command line to the library.

use haltline::cli::{self, CliError, Global, Ui, Wiring};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::main(&Wiring { serve: absent, demo: absent })
}

fn absent<T>(_: &Global, _: &T, _: &mut Ui<'_>) -> Result<(), CliError> {
    Err(CliError::failed("this build has no gateway in it"))
}
