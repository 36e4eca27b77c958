//! What streams cost, on a real disk: appends, replay, a resume among a million events, a start.
//! Prints numbers, judges none. `cargo bench -p haltline-store-embedded --bench streams`; a number
//! as the argument scales the work (1 = all of it, 10 = a tenth); `sealed` encrypts what is kept.

use bytes::Bytes;
use haltline_ledger::Budgets;
use haltline_ports::{Batch, Clock, Owner, StreamBegin, Streams};
use haltline_store_embedded::{EmbeddedStore, Encryption, Options, StoreKey};
use haltline_types::{RequestId, Timestamp};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const NOW: Timestamp = Timestamp::from_secs(1_795_514_400);
const STREAMS: u64 = 1_000;
const EVENT: usize = 200;

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        NOW
    }
}

/// With `sealed` among the arguments everything is encrypted.
fn open(dir: &Path) -> Arc<EmbeddedStore> {
    let options = Options::directory(dir, Arc::new(Noon)).expect("directory");
    let is_sealed = std::env::args().any(|argument| argument == "sealed");
    let digits: String = (0..32).map(|place| format!("{place:02x}")).collect();
    let key = StoreKey::parse(&digits.into()).expect("a key");
    let options = Options { encryption: is_sealed.then_some(Encryption { key, old: Vec::new() }), ..options };
    EmbeddedStore::open(options, Budgets::none(), NOW).expect("open").0
}

fn id(number: u64) -> RequestId {
    RequestId::from_u128(u128::from(number))
}

fn begin(store: &EmbeddedStore, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let owner = Owner { key: "app".into(), user: Some("alice".into()) };
        let session = Some(format!("talk {number}").into());
        let head = Bytes::from_static(b"{}");
        store.begin(&StreamBegin { id: id(number), owner, session, once: None, started: NOW, head }).expect("begin");
    }
}

fn batch(first: u64) -> Batch {
    let bytes = Bytes::from(vec![b'e'; EVENT]);
    Batch { first, at: NOW, ends: vec![u32::try_from(EVENT).expect("small")], bytes }
}

/// Processor time of this thread.
fn processor() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0))
}

/// Processor time of all threads, to a hundredth of a second.
fn processors() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = text.rsplit(") ").next().unwrap_or_default().split(' ');
    let ticks: u64 = fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

fn each(count: u64, time: Duration) -> f64 {
    time.as_secs_f64() * 1e6 / count as f64
}

fn main() {
    let part = std::env::args().filter_map(|argument| argument.parse::<u64>().ok()).next().unwrap_or(1).max(1);
    let dir = tempfile::tempdir().expect("temporary directory");
    let store = open(dir.path());
    let events = 1_000 / part;
    appends(&store, events);
    from_many_threads(&store, events / 4);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("runtime");
    runtime.block_on(resumes(&store, events));
    runtime.block_on(watch(&store));
    for number in 0..STREAMS / 2 {
        Streams::end(store.as_ref(), id(number), NOW, &Bytes::from_static(b"done")).expect("end");
    }
    println!("ended: half of the streams, so that their places are read from the disk");
    runtime.block_on(resumes(&store, events));
    grow(&store, (1 << 30) / part);
    store.close(NOW).expect("close");
    drop(store);
    starts(dir.path());
}

fn appends(store: &EmbeddedStore, events: u64) {
    begin(store, 0..STREAMS);
    let batches: Vec<Batch> = (1..=events).map(batch).collect();
    let (began, busy) = (Instant::now(), processor());
    for batch in &batches {
        for number in 0..STREAMS {
            store.append(id(number), batch).expect("append");
        }
    }
    let count = STREAMS * events;
    println!(
        "append: {:.2} µs of processor, {:.2} µs of time each; {count} events of {EVENT} bytes in {STREAMS} streams",
        each(count, processor() - busy),
        each(count, began.elapsed()),
    );
}

fn from_many_threads(store: &Arc<EmbeddedStore>, events: u64) {
    const THREADS: u64 = 4;
    begin(store, STREAMS..STREAMS + THREADS * 100);
    let began = Instant::now();
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let store = Arc::clone(store);
            std::thread::spawn(move || {
                let busy = processor();
                for first in 1..=events {
                    for number in 0..100 {
                        store.append(id(STREAMS + thread * 100 + number), &batch(first)).expect("append");
                    }
                }
                processor() - busy
            })
        })
        .collect();
    let busy: Duration = threads.into_iter().map(|thread| thread.join().expect("thread")).sum();
    let count = THREADS * 100 * events;
    println!(
        "append from {THREADS} threads: {:.2} µs of processor, {:.2} µs of time each",
        each(count, busy),
        each(count, began.elapsed())
    );
}

async fn resumes(store: &EmbeddedStore, events: u64) {
    // Whole streams again, as a client without a cursor gets them.
    let (began, busy) = (Instant::now(), processors());
    let mut bytes = 0;
    for number in 0..STREAMS / 2 {
        let mut seen = 0;
        loop {
            let batches = store.read(id(number), seen, 256 << 10).await.expect("read");
            let Some(last) = batches.last() else { break };
            seen = last.last();
            bytes += batches.iter().map(|batch| batch.bytes.len()).sum::<usize>();
        }
    }
    let time = began.elapsed();
    println!(
        "replay: {:.0} MB/s of time, {:.0} MB/s of processor; {} MB in events of {EVENT} bytes, each from a place of its own",
        bytes as f64 / 1e6 / time.as_secs_f64(),
        bytes as f64 / 1e6 / (processors() - busy).as_secs_f64(),
        bytes / 1_000_000
    );
    let mut times = Vec::new();
    let mut chance = 7_u64;
    for _ in 0..2_000 {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (number, after) = ((chance >> 33) % STREAMS, (chance >> 20) % events);
        let began = Instant::now();
        let batches = store.read(id(number), after, 4 << 10).await.expect("read");
        times.push(began.elapsed());
        assert_eq!(batches.first().map(|batch| batch.first), Some(after + 1));
    }
    times.sort_unstable();
    println!(
        "resume at a random event, 4 KiB: {:?} in the middle, {:?} at 99 %, {:?} at most",
        times[times.len() / 2],
        times[times.len() * 99 / 100],
        times[times.len() - 1]
    );
}

/// What a watcher asks for that is a little behind: it is read without a thread of its own.
async fn watch(store: &EmbeddedStore) {
    let id = id(900_000);
    begin(store, 900_000..900_001);
    let (mut busy, mut times) = (Duration::ZERO, Vec::new());
    for first in 1..=5_000 {
        store.append(id, &batch(first)).expect("append");
        let (began, before) = (Instant::now(), processor());
        let batches = store.read(id, first.saturating_sub(4), 4 << 10).await.expect("read");
        busy += processor() - before;
        times.push(began.elapsed());
        assert!(!batches.is_empty());
    }
    times.sort_unstable();
    println!(
        "the last 4 events of a stream: {:.2} µs of processor each, {:?} in the middle, {:?} at 99 %",
        each(5_000, busy),
        times[2_500],
        times[4_950]
    );
}

/// Streams that end, until the log holds so many bytes more.
fn grow(store: &EmbeddedStore, bytes: u64) {
    let event = Bytes::from(vec![b'g'; 16 << 10]);
    let ends = vec![16 << 10];
    for number in 0..bytes / (64 << 10) {
        let id = id(1_000_000 + number);
        begin(store, 1_000_000 + number..1_000_001 + number);
        for first in 1..=4 {
            let batch = Batch { first, at: NOW, ends: ends.clone(), bytes: event.clone() };
            store.append(id, &batch).expect("append");
        }
        Streams::end(store, id, NOW, &Bytes::new()).expect("end");
    }
    Streams::sweep(store, NOW).expect("sweep");
}

fn starts(dir: &Path) {
    let sizes = || std::fs::read_dir(dir).expect("list").filter_map(|entry| entry.ok()?.metadata().ok());
    let bytes: u64 = sizes().map(|data| data.len()).sum();
    let time = || {
        let began = Instant::now();
        drop(open(dir));
        began.elapsed()
    };
    println!("start with {} MB: {:?}", bytes / 1_000_000, time());
    for entry in std::fs::read_dir(dir).expect("list").flatten() {
        if entry.path().extension().is_some_and(|ending| ending == "idx") {
            std::fs::remove_file(entry.path()).expect("remove");
        }
    }
    println!("start without indexes: {:?}", time());
}
