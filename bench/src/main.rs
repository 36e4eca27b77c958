//! Benchmarks: a bare pass-through as the limit, a mock upstream, a load generator, and the one
//! command that runs limit and gateway interleaved and compares. Each part is a subcommand, so
//! that every process of a run is this one binary or the gateway. `README.md` says how to read it.

mod client;
mod gateway;
mod limit;
mod load;
mod mock;
mod pool;
mod process;
mod report;
mod run;
mod scenario;
mod stats;

use clap::{Parser, Subcommand};
use std::net::SocketAddr;

#[derive(Debug, Parser)]
#[command(version, about = "What the gateway costs above a bare pass-through")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The bare hyper pass-through: what any proxy costs at least.
    Limit {
        /// Where requests go.
        #[arg(long)]
        upstream: SocketAddr,
        /// Where it listens; port 0 takes a free one.
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
    },
    /// The mock upstream: a fixed small reply, or a stream of chunks at a rate or flat out.
    Mock {
        /// Where it listens; port 0 takes a free one.
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
    },
    /// Load on one address, printed as JSON.
    Load(load::LoadArguments),
    /// Starts mock, limit and gateway and compares limit and gateway.
    Run(run::RunArguments),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Limit { upstream, listen } => limit::serve(upstream, listen).await,
        Command::Mock { listen } => mock::serve(listen).await,
        Command::Load(arguments) => load::command(arguments).await,
        Command::Run(arguments) => run::run(arguments).await,
    }
}
