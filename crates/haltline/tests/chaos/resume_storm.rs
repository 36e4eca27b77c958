//! Nothing is lost: many streams at once whose clients vanish at random moments and come back, from
//! a provider that breaks off, through a gateway that is killed. Every stream is complete or ends
//! with an explicit error; no event is lost, doubled or out of order; the bill is within the limit,
//! and what was seen costs what it cost.
//!
//! `HALTLINE_STORM_SEED`, `HALTLINE_STORM_STREAMS` and `HALTLINE_STORM_KILLS` make it another or a
//! larger one.

mod chance;
mod client;
mod reader;
mod surface;

use crate::books::{compare_with_records, quiet_accounts};
use chance::Chance;
use client::{Outcome, Place, Told};
use haltline_testkit::http_client::Call;
use haltline_testkit::{FakeConfig, FakeProvider, GatewayOptions, Prices, TestGateway};
use haltline_types::{NanoUsd, PicoUsdPerToken};
use reader::{Ended, Manner, Numbered, Reader};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};
use surface::End;

/// Played in continuous integration: one for each way in which a gateway can be configured, and
/// every seed that ever failed.
const SEEDS: [u64; 4] = [1, 2, 3, 4];
const STREAMS: u64 = 80;
const KILLS: u64 = 3;
/// Of the output of one answer, in tokens.
const CAP: u64 = 400;
const PRICES: Prices = Prices { input: PicoUsdPerToken::new(1_000_000), output: PicoUsdPerToken::new(10_000_000) };

/// One storm.
#[derive(Clone, Copy, Debug)]
struct Storm {
    seed: u64,
    streams: u64,
    kills: u64,
    /// More streams take longer, on the same machine.
    slower: u64,
    limit: NanoUsd,
}

impl Storm {
    fn of(seed: u64) -> Self {
        let streams = number("HALTLINE_STORM_STREAMS").unwrap_or(STREAMS);
        let kills = number("HALTLINE_STORM_KILLS").unwrap_or(KILLS);
        // Enough for all; or so little that some are refused.
        let each = if seed.is_multiple_of(4) { 2_500_000 } else { 20_000_000 };
        let limit = NanoUsd::new(i64::try_from(streams * each).expect("a sum"));
        Self { seed, streams, kills, slower: (streams / 60).max(1), limit }
    }

    fn config(&self, base_url: &str) -> String {
        let on_cut = if self.seed.is_multiple_of(2) { "end" } else { "continue" };
        let on_disconnect = if self.seed % 4 < 2 {
            "on_disconnect = \"continue\"".to_owned()
        } else {
            format!("on_disconnect = \"cancel\"\ngrace = \"{}ms\"", 200 * self.slower)
        };
        let idle = 2 + self.slower;
        let limit = self.limit;
        format!(
            r#"
[server]
listen = "{{listen}}"
[store]
url = "file:{{dir}}/data"
[providers.fake]
kind = "openai-compatible"
base_url = "{base_url}"
[models.chat]
targets = ["fake/m"]
max_output_tokens = {CAP}
[prices."fake/m"]
input = "1"
output = "10"
[streams]
on_cut = "{on_cut}"
{on_disconnect}
heartbeat = "1s"
[retry]
base = "5ms"
rate_limit_wait = "20ms"
per_user_per_hour = 10000
[breaker]
failures = 100000
[deadlines]
idle = "{idle}s"
[headroom]
wait = "1s"
[[budgets]]
name = "day"
scope = "global"
limit = "{limit}"
window = "day"
[[budgets]]
name = "user-day"
scope = "user"
limit = "{limit}"
window = "day"
"#
        )
    }
}

/// Sums for people.
#[derive(Debug, Default)]
struct Sums {
    complete: u64,
    failed: u64,
    refused: BTreeMap<String, u64>,
    connections: u64,
    resumes: u64,
    repeats: u64,
    screens: u64,
    events: u64,
    bytes: u64,
    /// Answers that were on their way from the provider in the same moment.
    at_once: u64,
    peak_kib: u64,
    slowest_start: Duration,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_stream_is_whole_or_says_why_not() {
    match number("HALTLINE_STORM_SEED") {
        Some(seed) => play(Storm::of(seed)).await,
        None => {
            for seed in SEEDS {
                play(Storm::of(seed)).await;
            }
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is a number, not `{text}`")))
}

async fn play(storm: Storm) {
    let began = Instant::now();
    let script = chance::script(storm.seed, storm.slower);
    let provider =
        FakeProvider::start(FakeConfig { prices: PRICES, ..FakeConfig::with_script(script) }).await.expect("provider");
    let options = GatewayOptions { ready_within: Duration::from_secs(60), ..GatewayOptions::find().expect("binary") };
    let mut gateway = TestGateway::prepare(options, &storm.config(&provider.base_url())).expect("gateway");
    let secret = gateway.create_key(&["storm", "--users", "any"]).expect("key");
    gateway.serve().await.expect("ready");
    let patience = Duration::from_secs(60 + 30 * storm.slower);
    let place = Arc::new(Place {
        origin: gateway.origin(),
        secret,
        seed: storm.seed,
        slower: storm.slower,
        silence: Duration::from_secs(20 + 2 * storm.slower),
        until: Instant::now() + patience,
    });
    let clients: Vec<_> =
        (0..storm.streams).map(|number| tokio::spawn(client::live(Arc::clone(&place), number))).collect();
    let mut sums = Sums::default();
    let mut chance = Chance::new(storm.seed, u64::MAX - 1);
    // In a large storm all have asked before anything dies.
    tokio::time::sleep(Duration::from_millis(200 * (storm.slower - 1))).await;
    for _ in 0..storm.kills {
        // Not a wait for anything: the moment of the kill is to be anywhere in the work.
        tokio::time::sleep(chance.millis(20, 900) * u32::try_from(storm.slower).expect("a small factor")).await;
        sums.peak_kib = sums.peak_kib.max(peak_kib(&gateway));
        gateway.kill9().expect("killed");
        tokio::time::sleep(chance.millis(0, 200)).await;
        let starting = Instant::now();
        gateway.serve().await.expect("ready again");
        sums.slowest_start = sums.slowest_start.max(starting.elapsed());
    }
    let mut told = Vec::new();
    let mut wrong = Vec::new();
    for client in clients {
        match tokio::time::timeout_at((place.until + patience).into(), client)
            .await
            .expect("a client hangs")
            .expect("client")
        {
            Ok(Outcome::Told(one)) => told.push(one),
            Ok(Outcome::Refused(how)) => *sums.refused.entry(how).or_default() += 1,
            Err(error) => wrong.push(error),
        }
    }
    let bill = provider.settled_bill(Duration::from_secs(60)).await.expect("bill");
    let accounts = quiet_accounts(&gateway, Duration::from_secs(60)).await;
    for one in &told {
        if let Err(error) = check(&place, one, &mut sums).await {
            wrong.push(format!("stream {} ({:?}): {error}", one.id, one.surface));
        }
    }
    sums.peak_kib = sums.peak_kib.max(peak_kib(&gateway));
    sums.at_once = provider.calls().in_flight_max;
    assert!(
        wrong.is_empty(),
        "seed {}: {} of {} went wrong:\n{}",
        storm.seed,
        wrong.len(),
        storm.streams,
        wrong.iter().take(20).cloned().collect::<Vec<_>>().join("\n")
    );
    let spent = accounts
        .iter()
        .find(|account| account["budget"] == "day")
        .map_or(NanoUsd::ZERO, |account| account["spent"].as_str().and_then(|text| text.parse().ok()).expect("spent"));
    assert!(bill.total <= storm.limit, "seed {}: billed {} of {}", storm.seed, bill.total, storm.limit);
    assert!(spent >= bill.total, "seed {}: spent {spent} is below the bill of {}", storm.seed, bill.total);
    assert!(spent <= storm.limit, "seed {}: spent {spent} of {}", storm.seed, storm.limit);
    let mut names = BTreeSet::new();
    for line in bill.attempts.iter().filter(|line| line.attempt.is_some()) {
        assert!(names.insert(line.attempt.as_deref()), "seed {}: two attempts have one number: {line:?}", storm.seed);
    }
    let compared = compare_with_records(&gateway, &provider).await;
    assert!(compared > storm.streams / 10, "seed {}: only {compared} attempts could be compared", storm.seed);
    let verify = gateway.command_line(&["store", "verify"]).expect("verify");
    assert!(verify.status.success(), "{}", String::from_utf8_lossy(&verify.stderr));
    check_log(&gateway.log());
    assert!(sums.complete > storm.streams / 10, "seed {}: the storm says nothing: {sums:?}", storm.seed);
    println!("{}", report(&storm, &sums, bill.attempts.len(), compared, bill.total, spent, began.elapsed()));
}

/// What a client was told, against what the gateway shows of the stream afterwards.
async fn check(place: &Place, told: &Told, sums: &mut Sums) -> Result<(), String> {
    let call = Call::get(format!("{}/v1/streams/{}", place.origin, told.id)).query("starting_after", "0");
    let call = call.bearer(&place.secret).header("x-haltline-user", &told.user).limit(place.silence);
    let open = call.open().await.map_err(|error| error.to_string())?;
    if open.status != 200 {
        let status = open.status;
        return Err(format!("{status} at the end: {}", open.read().await.text()));
    }
    let mut whole = Reader::default();
    let manner = Manner { leave_after: None, pause: Duration::ZERO };
    let ended = whole.read(open, Numbered::Yes, manner, &mut Chance::new(0, 0)).await?;
    if !matches!(ended, Ended::Clean) {
        return Err(format!("the whole stream cannot be read: {ended:?}"));
    }
    same(&told.reader, &whole)?;
    if let Some(watched) = &told.watched {
        same(watched, &whole).map_err(|error| format!("at a second screen: {error}"))?;
        sums.screens += 1;
    }
    let said = told.surface.said(&whole.events);
    let last = whole.events.last().cloned().unwrap_or_default();
    match said.end {
        Some(End::Complete) if said.finishes == 1 && said.errors == 0 => sums.complete += 1,
        Some(End::Error) if said.finishes == 0 && said.errors == 1 => sums.failed += 1,
        end => return Err(format!("{} finishes, {} errors, {end:?} at {last:?}", said.finishes, said.errors)),
    }
    check_text(&said.text)?;
    sums.connections += told.connections;
    sums.resumes += told.resumes;
    sums.repeats += told.repeats;
    sums.events += told.reader.events.len() as u64;
    sums.bytes += told.reader.bytes + told.watched.as_ref().map_or(0, |watched| watched.bytes);
    Ok(())
}

fn same(seen: &Reader, whole: &Reader) -> Result<(), String> {
    if seen.events.len() != whole.events.len() {
        return Err(format!("{} events were seen, there are {}", seen.events.len(), whole.events.len()));
    }
    match seen.events.iter().zip(&whole.events).position(|(one, other)| one != other) {
        Some(at) => Err(format!("event {}: {:?} was seen, it is {:?}", at + 1, seen.events[at], whole.events[at])),
        None => Ok(()),
    }
}

/// A provider counts its words from the beginning of each answer, so a lost, doubled or misplaced
/// piece shows in the text as well.
fn check_text(text: &str) -> Result<(), String> {
    let mut due = 0_u64;
    for word in text.split_terminator(' ') {
        let is_right = |due: u64| match due % 8 {
            0 => word == format!("{due:03}"),
            _ => word == "tok",
        };
        if is_right(due) {
            due += 1;
        } else if is_right(0) {
            due = 1;
        } else {
            return Err(format!("the word `{word}` at {due} in {text:?}"));
        }
    }
    Ok(())
}

/// Failures that are told to clients are warnings; an error in the log is one of the gateway's own.
fn check_log(log: &str) {
    for line in log.lines() {
        let value: Value = serde_json::from_str(line).unwrap_or_default();
        assert!(value["level"] != "ERROR" && !line.contains("panicked"), "the gateway says: {line}");
    }
}

/// The most memory that the process had, by what the system says.
fn peak_kib(gateway: &TestGateway) -> u64 {
    let status = gateway.pid().and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/status")).ok());
    let peak = status.as_deref().and_then(|status| status.lines().find_map(|line| line.strip_prefix("VmHWM:")));
    peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

fn report(
    storm: &Storm,
    sums: &Sums,
    attempts: usize,
    compared: u64,
    billed: NanoUsd,
    spent: NanoUsd,
    took: Duration,
) -> String {
    let mut text =
        format!("storm {}: {} streams, {} at once, {} kills\n", storm.seed, storm.streams, sums.at_once, storm.kills);
    let refused: u64 = sums.refused.values().sum();
    let _ = writeln!(
        text,
        "  complete {}, ended with an error {}, refused {refused} {:?}",
        sums.complete, sums.failed, sums.refused
    );
    let _ = writeln!(
        text,
        "  connections {}, resumes {}, repeats before a head {}, second screens {}",
        sums.connections, sums.resumes, sums.repeats, sums.screens
    );
    let _ = writeln!(text, "  events {}, bytes {}, attempts {attempts}, compared {compared}", sums.events, sums.bytes);
    let _ = write!(
        text,
        "  billed {billed}, spent {spent}, limit {}; {took:.1?}, slowest start {:.1?}, peak memory {} KiB",
        storm.limit, sums.slowest_start, sums.peak_kib
    );
    text
}
