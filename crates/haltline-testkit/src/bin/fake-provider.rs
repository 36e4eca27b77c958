//! The fake provider as a process of its own, for tests that are not written in Rust. Prints
//! `ready http://127.0.0.1:PORT` and runs until it is ended.

use clap::Parser;
use haltline_testkit::{Answer, Behaviour, FakeConfig, FakeProvider, Pace, Prices};
use haltline_types::{PicoUsdPerToken, Tokens};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// A provider that speaks OpenAI's Chat Completions, misbehaves on demand, and keeps the true bill.
///
/// Control: POST /__control, GET /__bill, GET /__calls, POST /__reset.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Port on the loopback interface; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// USD for a million input tokens.
    #[arg(long, default_value = "0.25", value_parser = price)]
    price_in: PicoUsdPerToken,
    /// USD for a million output tokens.
    #[arg(long, default_value = "2", value_parser = price)]
    price_out: PicoUsdPerToken,
    /// Milliseconds before the head of an answer.
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
    /// Milliseconds between the chunks of a stream.
    #[arg(long, default_value_t = 0)]
    interval_ms: u64,
    /// Output tokens of an answer.
    #[arg(long, default_value_t = 16)]
    tokens: u64,
    /// Output tokens of an answer to a request without a cap.
    #[arg(long, default_value_t = 256)]
    uncapped_output: u64,
    /// Bytes of message text in one input token.
    #[arg(long, default_value_t = 4)]
    bytes_per_token: u64,
    /// The only API key that is accepted.
    #[arg(long)]
    api_key: Option<String>,
}

fn price(text: &str) -> Result<PicoUsdPerToken, String> {
    PicoUsdPerToken::from_usd_per_million(text).map_err(|error| error.to_string())
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let arguments = Arguments::parse();
    let answer = Answer {
        latency: Duration::from_millis(arguments.latency_ms),
        pace: Pace { interval: Duration::from_millis(arguments.interval_ms), ..Pace::default() },
        ..Answer::default()
    };
    let provider = FakeProvider::start(FakeConfig {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port)),
        prices: Prices { input: arguments.price_in, output: arguments.price_out },
        tokens: Tokens::new(arguments.tokens),
        uncapped_output: Tokens::new(arguments.uncapped_output),
        bytes_per_token: arguments.bytes_per_token,
        api_key: arguments.api_key,
        ..FakeConfig::with_script(Behaviour::Answer(answer))
    })
    .await?;
    let mut out = std::io::stdout();
    writeln!(out, "ready {}", provider.origin())?;
    out.flush()?;
    tokio::signal::ctrl_c().await
}
