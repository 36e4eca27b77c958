//! The binary: hands the command line to the library.

use haltline::cli::{self, Wiring};
use haltline::wiring;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    cli::main(&Wiring { serve: wiring::serve, demo: wiring::demo })
}
