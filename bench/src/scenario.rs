//! The measurements, each on one contender: load for a while, and what its process used.

use crate::client::{Meter, Target};
use crate::load::{self, Ask, Seen};
use crate::process::Process;
use crate::report::Side;
use anyhow::{bail, ensure};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// The cap of streams, above what the mock is told to send.
const STREAM_CAP: u64 = 4_096;

/// Who is measured, and its process.
pub(crate) struct Contender {
    pub(crate) side: Side,
    pub(crate) process: Process,
    pub(crate) target: Arc<Target>,
}

/// CPU for requests or chunks, and how many of them went through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// CPU seconds for so many units as were asked about.
    pub(crate) cpu_seconds: f64,
    /// Units each second of wall time.
    pub(crate) per_second: f64,
}

impl Cost {
    fn of(cpu: Duration, units: u64, wall: Duration, per: f64) -> anyhow::Result<Self> {
        ensure!(units > 0, "nothing went through");
        let units = units as f64;
        Ok(Self { cpu_seconds: cpu.as_secs_f64() * per / units, per_second: units / wall.as_secs_f64() })
    }
}

/// Every measurement makes its own connections: one that has carried other load behaves differently.
fn begin(contender: &mut Contender) -> anyhow::Result<()> {
    contender.target.close_idle();
    contender.process.check()
}

/// Plain requests, so many at once: CPU seconds for 1,000 requests.
pub(crate) async fn requests(
    contender: &mut Contender,
    prompt_bytes: usize,
    at_once: usize,
    length: Duration,
) -> anyhow::Result<Cost> {
    begin(contender)?;
    let body = load::body(Ask::Plain, prompt_bytes, 64);
    let meter = Arc::default();
    // Connections and caches are made outside of what is measured.
    load::closed(&contender.target, Ask::Plain, &body, at_once, Duration::from_millis(300), &meter).await?;
    let (began, cpu) = (Instant::now(), contender.process.cpu()?);
    let seen = load::closed(&contender.target, Ask::Plain, &body, at_once, length, &meter).await?;
    let used = contender.process.cpu()?.saturating_sub(cpu);
    Cost::of(used, seen.times.len() as u64, began.elapsed(), 1_000.0)
}

/// Streams flat out, so many at once, one after the other: CPU seconds for 100,000 chunks.
pub(crate) async fn flat_out(contender: &mut Contender, at_once: usize, length: Duration) -> anyhow::Result<Cost> {
    begin(contender)?;
    let body = load::body(Ask::Stream, 26, STREAM_CAP);
    let meter = Arc::<Meter>::default();
    load::closed(&contender.target, Ask::Stream, &body, at_once, Duration::from_millis(300), &meter).await?;
    let (began, cpu, chunks) = (Instant::now(), contender.process.cpu()?, meter.chunks.load(Ordering::Relaxed));
    load::closed(&contender.target, Ask::Stream, &body, at_once, length, &meter).await?;
    let used = contender.process.cpu()?.saturating_sub(cpu);
    Cost::of(used, meter.chunks.load(Ordering::Relaxed) - chunks, began.elapsed(), 100_000.0)
}

/// What many open streams cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Open {
    /// CPU for chunks while all streams were open.
    pub(crate) cost: Cost,
    /// Resident memory while all streams were open, in KiB.
    pub(crate) resident_kib: u64,
}

/// Many streams at the mock's pace, opened together; measured while all of them are open.
pub(crate) async fn paced(contender: &mut Contender, streams: usize, length: Duration) -> anyhow::Result<Open> {
    begin(contender)?;
    let body = load::body(Ask::Stream, 26, STREAM_CAP);
    let meter = Arc::<Meter>::default();
    let running = {
        let (target, body, meter) = (Arc::clone(&contender.target), body.clone(), Arc::clone(&meter));
        let limit = length + Duration::from_secs(60);
        tokio::spawn(async move { load::streams(&target, &body, streams, limit, &meter).await })
    };
    let until = Instant::now() + Duration::from_secs(30);
    while meter.opened.load(Ordering::Relaxed) < streams as u64 {
        if running.is_finished() {
            running.await??;
            bail!("the streams ended before all of them were open");
        }
        ensure!(Instant::now() < until, "{streams} streams are not open after 30 s");
        sleep(Duration::from_millis(20)).await;
    }
    sleep(Duration::from_millis(500)).await;
    let (began, cpu, chunks) = (Instant::now(), contender.process.cpu()?, meter.chunks.load(Ordering::Relaxed));
    sleep(length).await;
    let (wall, used) = (began.elapsed(), contender.process.cpu()?.saturating_sub(cpu));
    let passed = meter.chunks.load(Ordering::Relaxed) - chunks;
    let resident_kib = contender.process.resident_kib()?;
    ensure!(!running.is_finished(), "the streams ended while they were measured");
    running.await??;
    Ok(Open { cost: Cost::of(used, passed, wall, 100_000.0)?, resident_kib })
}

/// The least resident memory within so long after all clients have left, in KiB.
pub(crate) async fn resident_afterwards(contender: &mut Contender, within: Duration) -> anyhow::Result<u64> {
    contender.target.close_idle();
    let until = Instant::now() + within;
    let mut least = contender.process.resident_kib()?;
    while Instant::now() < until {
        sleep(Duration::from_millis(200)).await;
        least = least.min(contender.process.resident_kib()?);
    }
    Ok(least)
}

/// Latency of plain requests at a rate.
pub(crate) async fn latency(contender: &mut Contender, per_second: u32, length: Duration) -> anyhow::Result<Seen> {
    begin(contender)?;
    let body = load::body(Ask::Plain, 26, 64);
    load::open(&contender.target, Ask::Plain, &body, per_second, Duration::from_millis(300)).await?;
    load::open(&contender.target, Ask::Plain, &body, per_second, length).await
}

/// Time to the first chunk of streams at a rate.
pub(crate) async fn first_chunk(contender: &mut Contender, per_second: u32, length: Duration) -> anyhow::Result<Seen> {
    begin(contender)?;
    let body = load::body(Ask::Stream, 26, STREAM_CAP);
    load::open(&contender.target, Ask::Stream, &body, per_second, Duration::from_millis(300)).await?;
    load::open(&contender.target, Ask::Stream, &body, per_second, length).await
}
