//! The load generator: a closed loop (so many at once), an open loop (so many a second, whatever
//! the answers), and streams. Every loop is bounded in time; the first error ends it.

use crate::client::{Meter, Target};
use crate::stats::Times;
use anyhow::{Context, ensure};
use bytes::Bytes;
use clap::{Args, ValueEnum};
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// Requests of an open loop that may be without an answer at once, before it gives up.
const OPEN_MAX: usize = 2_000;

/// How long after its end a loop waits for answers.
const GRACE: Duration = Duration::from_secs(30);

/// What a request asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ask {
    /// A whole answer.
    Plain,
    /// A stream.
    Stream,
}

/// What a loop saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Latencies of plain requests, times to the first chunk of streams.
    pub(crate) times: Times,
}

/// One body of a chat request: a prompt of so many bytes, a cap, a stream or not.
pub(crate) fn body(ask: Ask, prompt_bytes: usize, max_tokens: u64) -> Bytes {
    let prompt: String = "Say hello to all of them. ".chars().cycle().take(prompt_bytes).collect();
    let mut value = json!({"model": "chat", "max_tokens": max_tokens,
        "messages": [{"role": "user", "content": prompt}]});
    if matches!(ask, Ask::Stream) {
        value["stream"] = json!(true);
        value["stream_options"] = json!({"include_usage": true});
    }
    Bytes::from(value.to_string())
}

/// So many requests at once for so long.
pub(crate) async fn closed(
    target: &Arc<Target>,
    ask: Ask,
    body: &Bytes,
    at_once: usize,
    length: Duration,
    meter: &Arc<Meter>,
) -> anyhow::Result<Seen> {
    let until = Instant::now() + length;
    let mut workers = JoinSet::new();
    for _ in 0..at_once {
        let (target, body, meter) = (Arc::clone(target), body.clone(), Arc::clone(meter));
        workers.spawn(async move {
            let mut times = Times::default();
            while Instant::now() < until {
                times.add(one(&target, ask, body.clone(), &meter).await?);
            }
            anyhow::Ok(times)
        });
    }
    gather(workers, length + GRACE).await
}

/// So many requests a second for so long.
pub(crate) async fn open(
    target: &Arc<Target>,
    ask: Ask,
    body: &Bytes,
    per_second: u32,
    length: Duration,
) -> anyhow::Result<Seen> {
    let meter = Arc::new(Meter::default());
    let mut running = JoinSet::new();
    let mut seen = Seen::default();
    let mut ticks = interval(Duration::from_secs(1) / per_second.max(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let until = Instant::now() + length;
    while Instant::now() < until {
        ticks.tick().await;
        ensure!(running.len() < OPEN_MAX, "{OPEN_MAX} requests are without an answer: the rate is too high");
        let (target, body, meter) = (Arc::clone(target), body.clone(), Arc::clone(&meter));
        running.spawn(async move {
            let mut times = Times::default();
            times.add(one(&target, ask, body, &meter).await?);
            anyhow::Ok(times)
        });
        while let Some(ended) = running.try_join_next() {
            seen.times.merge(&ended??);
        }
    }
    seen.times.merge(&gather(running, GRACE).await?.times);
    Ok(seen)
}

/// So many streams, opened together and read to their end.
pub(crate) async fn streams(
    target: &Arc<Target>,
    body: &Bytes,
    count: usize,
    limit: Duration,
    meter: &Arc<Meter>,
) -> anyhow::Result<Seen> {
    let mut running = JoinSet::new();
    for _ in 0..count {
        let (target, body, meter) = (Arc::clone(target), body.clone(), Arc::clone(meter));
        running.spawn(async move {
            let mut times = Times::default();
            times.add(one(&target, Ask::Stream, body, &meter).await?);
            anyhow::Ok(times)
        });
    }
    gather(running, limit).await
}

async fn one(target: &Target, ask: Ask, body: Bytes, meter: &Meter) -> anyhow::Result<Duration> {
    match ask {
        Ask::Plain => target.chat(body).await,
        Ask::Stream => target.stream(body, meter).await,
    }
}

async fn gather(mut running: JoinSet<anyhow::Result<Times>>, limit: Duration) -> anyhow::Result<Seen> {
    let all = async {
        let mut seen = Seen::default();
        while let Some(ended) = running.join_next().await {
            seen.times.merge(&ended??);
        }
        anyhow::Ok(seen)
    };
    timeout(limit, all).await.with_context(|| format!("no end after {limit:?}"))?
}

/// Arguments of `haltline-bench load`.
#[derive(Debug, Args)]
pub(crate) struct LoadArguments {
    /// Whom to load; loopback addresses only.
    #[arg(long)]
    address: SocketAddr,
    /// API key.
    #[arg(long, env = "HALTLINE_KEY", hide_env_values = true)]
    key: Option<String>,
    /// How the requests come.
    #[arg(long, value_enum, default_value_t = Mode::Closed)]
    mode: Mode,
    /// Ask for streams.
    #[arg(long)]
    stream: bool,
    /// Requests at once (closed).
    #[arg(long, default_value_t = 32)]
    at_once: usize,
    /// Requests a second (open).
    #[arg(long, default_value_t = 500)]
    rate: u32,
    /// Seconds.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Bytes of the prompt.
    #[arg(long, default_value_t = 26)]
    prompt_bytes: usize,
    /// The cap on output.
    #[arg(long, default_value_t = 64)]
    max_tokens: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Mode {
    /// So many requests at once.
    Closed,
    /// So many requests a second.
    Open,
}

/// Runs `haltline-bench load` and prints what it saw.
pub(crate) async fn command(arguments: LoadArguments) -> anyhow::Result<()> {
    ensure!(arguments.address.ip().is_loopback(), "load is put on loopback addresses only");
    let target = Arc::new(Target::new(arguments.address, arguments.key.as_deref())?);
    let ask = if arguments.stream { Ask::Stream } else { Ask::Plain };
    let body = body(ask, arguments.prompt_bytes, arguments.max_tokens);
    let length = Duration::from_secs(arguments.seconds);
    let meter = Arc::new(Meter::default());
    let began = Instant::now();
    let seen = match arguments.mode {
        Mode::Closed => closed(&target, ask, &body, arguments.at_once, length, &meter).await?,
        Mode::Open => open(&target, ask, &body, arguments.rate, length).await?,
    };
    let seconds = began.elapsed().as_secs_f64();
    let shown = json!({
        "requests": seen.times.len(),
        "requests_per_second": (seen.times.len() as f64 / seconds).round(),
        "chunks": meter.chunks.load(Ordering::Relaxed),
        "p50_ms": seen.times.percentile_ms(500),
        "p99_ms": seen.times.percentile_ms(990),
        "max_ms": seen.times.percentile_ms(1000),
    });
    println!("{shown}");
    Ok(())
}
