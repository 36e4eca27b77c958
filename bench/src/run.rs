//! The one command: starts mock, limit and gateway as processes of their own, measures limit and
//! gateway in turns, and prints where the gateway stands.

use crate::client::Target;
use crate::process::Process;
use crate::report::{self, Bound, Compare, Series, Side};
use crate::scenario::{self, Contender};
use crate::{gateway, load};
use bytes::Bytes;
use clap::Args;
use serde_json::json;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Arguments of `haltline-bench run`.
#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// The gateway's binary; without it `haltline` beside this one.
    #[arg(long, conflicts_with = "against_limit")]
    gateway_bin: Option<PathBuf>,
    /// Compare the limit with itself: every ratio has to come out near 1, which shows the noise.
    #[arg(long)]
    against_limit: bool,
    /// Shorter, fewer streams: for a look, not for a verdict.
    #[arg(long)]
    quick: bool,
    /// Rounds; each measures limit and gateway, in turns who is first.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=20))]
    rounds: Option<u32>,
    /// How long the gateway keeps streams (`[streams] keep_for`); `0s` = none, to see what keeping
    /// them costs.
    #[arg(long)]
    keep_streams_for: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Exit with 1 when a bound is missed.
    #[arg(long)]
    strict: bool,
}

struct Plan {
    /// Rounds of open streams, which take longest.
    stream_rounds: u32,
    rounds: u32,
    length: Duration,
    streams: usize,
    settle: Duration,
}

const PACED_INTERVAL: Duration = Duration::from_millis(20);
const SLOW_FIRST_CHUNK: Duration = Duration::from_millis(35);

fn plan(arguments: &RunArguments) -> Plan {
    let (rounds, seconds, streams, settle) = if arguments.quick { (1, 1, 200, 1) } else { (5, 3, 1_000, 5) };
    let rounds = arguments.rounds.unwrap_or(rounds);
    Plan {
        stream_rounds: rounds.min(3),
        rounds,
        length: Duration::from_secs(seconds),
        streams,
        settle: Duration::from_secs(settle),
    }
}

/// Runs everything and prints the report.
pub(crate) async fn run(arguments: RunArguments) -> anyhow::Result<()> {
    raise_open_files();
    let plan = plan(&arguments);
    let binary = if arguments.against_limit { None } else { Some(gateway::find(arguments.gateway_bin.clone())?) };

    let (mock_process, upstream) = Process::start_own(&["mock"])?;
    let mock = Mock { target: Target::new(upstream, None)?, address: upstream, _process: mock_process };
    let mut results = Results::new();
    for round in 0..plan.rounds {
        // Fresh processes and a fresh store: what one process happens to be lucky with stays in its round.
        let directory = tempfile::Builder::new().prefix("haltline-bench-").tempdir()?;
        let mut contenders =
            contenders(&mock, binary.as_deref(), directory.path(), arguments.keep_streams_for.as_deref()).await?;
        if round < plan.stream_rounds {
            results.streams(&plan, round, &mock, &mut contenders).await?;
        }
        results.others(&plan, round, &mock, &mut contenders).await?;
    }

    let series = results.in_order();
    let missed = series.iter().filter(|one| one.kept() == Some(false)).count();
    let about = json!({
        "gateway": if binary.is_some() { "haltline" } else { "the limit itself" },
        "rounds": plan.rounds,
        "seconds_of_each_measurement": plan.length.as_secs(),
        "open_streams": plan.streams,
        "cpus": std::thread::available_parallelism().map(usize::from).unwrap_or(0),
        "quick": arguments.quick,
    });
    if arguments.json {
        println!("{}", report::document(&series, &about));
    } else {
        print!("{}", report::table(&series));
        println!("{} rounds, {} open streams, {missed} bounds missed", plan.rounds, plan.streams);
    }
    anyhow::ensure!(!(arguments.strict && missed > 0), "{missed} bounds are missed");
    Ok(())
}

async fn contenders(
    mock: &Mock,
    binary: Option<&Path>,
    directory: &Path,
    keep_streams_for: Option<&str>,
) -> anyhow::Result<[Contender; 2]> {
    let upstream = mock.address.to_string();
    let limit = || Process::start_own(&["limit", "--upstream", &upstream]);
    let (limit_process, limit_address) = limit()?;
    let (own_process, own_address, key) = match binary {
        Some(binary) => {
            let gateway = gateway::start(binary, mock.address, directory, keep_streams_for).await?;
            (gateway.process, gateway.address, gateway.key)
        }
        None => {
            let (process, address) = limit()?;
            (process, address, "hl-none".to_owned())
        }
    };
    let limit_target = Arc::new(Target::new(limit_address, Some(&key))?);
    let own_target = Arc::new(Target::new(own_address, Some(&key))?);
    Ok([
        Contender { side: Side::Limit, process: limit_process, target: limit_target },
        Contender { side: Side::Gateway, process: own_process, target: own_target },
    ])
}

struct Mock {
    target: Target,
    address: SocketAddr,
    _process: Process,
}

impl Mock {
    async fn shape(&self, chunks: u64, interval: Duration) -> anyhow::Result<()> {
        let interval_us = u64::try_from(interval.as_micros())?;
        let shape = json!({"chunks": chunks, "interval_us": interval_us});
        self.target.post("/__shape", Bytes::from(shape.to_string())).await?;
        Ok(())
    }
}

struct Results {
    small: Series,
    small_rate: Series,
    large: Series,
    paced: Series,
    paced_rate: Series,
    flat: Series,
    flat_rate: Series,
    p50: Series,
    p99: Series,
    first_p50: Series,
    first_p99: Series,
    first_max: Series,
    first_slow: Series,
    fresh: Series,
    open: Series,
    kept: Series,
}

impl Results {
    fn new() -> Self {
        use Bound::{AtMost, Below};
        use Compare::{Difference, Gateway, Ratio};
        Self {
            small: Series::new("CPU, small request", "s/1k requests", Ratio, AtMost(2.0)),
            small_rate: Series::new("  throughput then", "requests/s", Ratio, Bound::None),
            large: Series::new("CPU, prompt of 100 KB", "s/1k requests", Ratio, AtMost(1.5)),
            paced: Series::new("CPU, streams of 50 tokens/s", "s/100k chunks", Ratio, AtMost(1.3)),
            paced_rate: Series::new("  throughput then", "chunks/s", Ratio, Bound::None),
            flat: Series::new("CPU, streams flat out", "s/100k chunks", Ratio, Below(1.0)),
            flat_rate: Series::new("  throughput then", "chunks/s", Ratio, Bound::None),
            p50: Series::new("added p50 at 500 requests/s", "ms", Difference, AtMost(0.2)),
            p99: Series::new("added p99 at 500 requests/s", "ms", Difference, Bound::None),
            first_p50: Series::new("first chunk p50", "ms", Gateway, Bound::None),
            first_p99: Series::new("first chunk p99", "ms", Gateway, Bound::None),
            first_max: Series::new("first chunk max", "ms", Gateway, Bound::None),
            first_slow: Series::new("first chunk after 35 ms or more", "share", Difference, AtMost(0.001)),
            fresh: Series::new("memory, fresh", "MB", Gateway, AtMost(20.0)),
            open: Series::new("memory, each open stream", "KB", Gateway, AtMost(60.0)),
            kept: Series::new("memory, kept of each afterwards", "KB", Gateway, AtMost(15.0)),
        }
    }

    fn in_order(self) -> Vec<Series> {
        vec![
            self.small,
            self.small_rate,
            self.large,
            self.paced,
            self.paced_rate,
            self.flat,
            self.flat_rate,
            self.p50,
            self.p99,
            self.first_p50,
            self.first_p99,
            self.first_max,
            self.first_slow,
            self.fresh,
            self.open,
            self.kept,
        ]
    }

    /// Open streams come first: memory is measured on processes that have done nothing else.
    async fn streams(&mut self, plan: &Plan, round: u32, mock: &Mock, both: &mut [Contender; 2]) -> anyhow::Result<()> {
        let seconds = plan.length.as_secs() + 4;
        mock.shape(seconds * 50, PACED_INTERVAL).await?;
        let fresh = [both[0].process.resident_kib()?, both[1].process.resident_kib()?];
        for place in order(round) {
            let contender = &mut both[place];
            let side = contender.side;
            progress(round, side, "open streams");
            let open = scenario::paced(contender, plan.streams, plan.length).await?;
            let after = scenario::resident_afterwards(contender, plan.settle).await?;
            self.paced.add(side, open.cost.cpu_seconds);
            self.paced_rate.add(side, open.cost.per_second);
            self.fresh.add(side, fresh[place] as f64 / 1024.0);
            self.open.add(side, per_stream(open.resident_kib, fresh[place], plan.streams));
            self.kept.add(side, per_stream(after, fresh[place], plan.streams));
        }
        Ok(())
    }

    async fn others(&mut self, plan: &Plan, round: u32, mock: &Mock, both: &mut [Contender; 2]) -> anyhow::Result<()> {
        for place in order(round) {
            let side = both[place].side;
            progress(round, side, "small requests");
            let cost = scenario::requests(&mut both[place], 26, 64, plan.length).await?;
            self.small.add(side, cost.cpu_seconds);
            self.small_rate.add(side, cost.per_second);
        }
        for place in order(round) {
            let side = both[place].side;
            progress(round, side, "prompts of 100 KB");
            let cost = scenario::requests(&mut both[place], 100 * 1024, 32, plan.length).await?;
            self.large.add(side, cost.cpu_seconds);
        }
        mock.shape(2_000, Duration::ZERO).await?;
        for place in order(round) {
            let side = both[place].side;
            progress(round, side, "streams flat out");
            let cost = scenario::flat_out(&mut both[place], 16, plan.length).await?;
            self.flat.add(side, cost.cpu_seconds);
            self.flat_rate.add(side, cost.per_second);
        }
        for place in order(round) {
            let side = both[place].side;
            progress(round, side, "latency");
            let seen = scenario::latency(&mut both[place], 500, plan.length).await?;
            self.p50.add(side, seen.times.percentile_ms(500));
            self.p99.add(side, seen.times.percentile_ms(990));
        }
        mock.shape(10, PACED_INTERVAL).await?;
        for place in order(round) {
            let side = both[place].side;
            progress(round, side, "first chunks");
            let seen = scenario::first_chunk(&mut both[place], 100, plan.length).await?;
            self.first(side, &seen);
        }
        Ok(())
    }

    fn first(&mut self, side: Side, seen: &load::Seen) {
        self.first_p50.add(side, seen.times.percentile_ms(500));
        self.first_p99.add(side, seen.times.percentile_ms(990));
        self.first_max.add(side, seen.times.percentile_ms(1000));
        self.first_slow.add(side, seen.times.share_from(SLOW_FIRST_CHUNK));
    }
}

/// Who is measured first changes from round to round.
fn order(round: u32) -> [usize; 2] {
    if round.is_multiple_of(2) { [0, 1] } else { [1, 0] }
}

fn per_stream(kib: u64, fresh: u64, streams: usize) -> f64 {
    kib.saturating_sub(fresh) as f64 / streams as f64
}

fn progress(round: u32, side: Side, what: &str) {
    let who = match side {
        Side::Limit => "limit",
        Side::Gateway => "gateway",
    };
    eprintln!("round {}: {what}, {who}", round + 1);
}

/// A thousand streams need more open files than some shells allow; children inherit the limit.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    // When it cannot be raised, the run says so by its own first error.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: now.maximum, maximum: now.maximum });
}
