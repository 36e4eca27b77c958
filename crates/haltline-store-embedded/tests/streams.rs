//! Streams of the embedded store: what every store of them must do, what survives a restart, what
//! damage and a full disk cost, and that forgotten words are not on the disk.

use crate::support::{START, at_once, attempt, budgets, demand, options, subjects};
use haltline_ledger::Hold;
use haltline_ports::streams_conformance::{self as conformance, NOW, batch, begin, events};
use haltline_ports::{Book, Clock, Owner, StreamBegin, StreamState, Streams};
use haltline_store_embedded::{Crash, Disk, DiskFault, EmbeddedStore, Options, SimDisk};
use haltline_types::{RequestId, Timestamp};
use std::sync::Arc;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        NOW
    }
}

fn open(options: Options) -> Arc<EmbeddedStore> {
    EmbeddedStore::open(options, budgets(), NOW).expect("open").0
}

/// Segments of 16 KiB.
pub(crate) fn small(disk: &SimDisk) -> Options {
    Options { stream_bytes_max: 1 << 20, keep_streams: HOUR, ..options(disk) }
}

fn id(number: u128) -> RequestId {
    RequestId::from_u128(number)
}

/// A stream of so many events of 100 bytes; each says `word` and its number.
fn tell(store: &dyn Streams, number: u128, word: &str, count: u64) {
    store.begin(&StreamBegin { head: word.to_owned().into(), ..begin(number) }).expect("begin");
    for event in 1..=count {
        store.append(id(number), &batch(event, &[said(word, event).as_bytes()])).expect("append");
    }
}

fn said(word: &str, event: u64) -> String {
    format!("{word} {event:>width$}", width = 99 - word.len())
}

fn files(disk: &SimDisk, ending: &str) -> Vec<String> {
    let names = disk.list().expect("list");
    names.into_iter().filter(|name| name.starts_with("streams-") && name.ends_with(ending)).collect()
}

/// How often `word` stands in any file.
pub(crate) fn count(disk: &SimDisk, word: &str) -> usize {
    let names = disk.list().expect("list");
    let all = names.iter().map(|name| disk.read_all(name).expect("read"));
    all.map(|bytes| bytes.windows(word.len()).filter(|window| *window == word.as_bytes()).count()).sum()
}

#[test]
fn streams_on_a_simulated_disk_do_as_all_streams_do() {
    let disk = SimDisk::new(1);
    let store = open(Options { keep_streams: HOUR, ..options(&disk) });
    at_once(conformance::holds(store.as_ref()));
    // Segments of 8 MiB, so that most of it happens in several.
    let store = open(Options { keep_streams: HOUR, stream_bytes_max: 512 << 20, ..options(&SimDisk::new(2)) });
    at_once(conformance::holds(store.as_ref()));
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_on_a_real_disk_with_threads_do_as_all_streams_do() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let directory = || Options::directory(dir.path(), Arc::new(Noon)).expect("free");
    let store = open(Options { keep_streams: HOUR, ..directory() });
    conformance::holds(store.as_ref()).await;
    let tasks: Vec<_> = (1..=16)
        .map(|stream| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { tell(store.as_ref(), 1000 + stream, "many", 200) })
        })
        .collect();
    for task in tasks {
        task.await.expect("task");
    }
    store.close(NOW).expect("close");
    drop(store);
    let store = open(directory());
    assert_eq!(store.unended().await.expect("unended").len(), 16);
    for stream in 1..=16 {
        assert_eq!(events(store.as_ref(), id(1000 + stream), 190, 150).await.len(), 10);
    }
    store.forget(id(1001)).await.expect("forget");
    store.close(NOW).expect("close");
    assert!(store.begin(&begin(2000)).is_err(), "closed");
}

#[test]
fn a_kill_loses_nothing_and_streams_go_on_where_they_stood() {
    let mut disk = SimDisk::new(1);
    let store = open(small(&disk));
    tell(store.as_ref(), 1, "first", 300);
    tell(store.as_ref(), 2, "second", 10);
    Streams::end(store.as_ref(), id(1), NOW, &"done".into()).expect("end");
    let talk = StreamBegin { session: Some("talk".into()), once: Some([4; 16]), ..begin(3) };
    store.begin(&talk).expect("begin");
    assert!(files(&disk, ".log").len() > 2, "several segments");
    for round in 0..4 {
        disk = disk.restart(Crash::Kill);
        if round == 1 {
            // From indexes, as far as segments are sealed.
            open(small(&disk)).tick(NOW).expect("tick");
            assert_eq!(files(&disk, ".idx").len() + 1, files(&disk, ".log").len());
        }
        if round == 2 {
            disk.damage("streams-00000001.idx", 50);
        }
        let store = open(small(&disk));
        let (one, two) = (at_once(Streams::find(store.as_ref(), id(1))), at_once(Streams::find(store.as_ref(), id(2))));
        let (one, two) = (one.expect("find").expect("there"), two.expect("find").expect("there"));
        assert_eq!((one.last, one.state), (300, StreamState::Ended { at: NOW, note: "done".into() }));
        assert_eq!((two.last, two.state), (10 + round, StreamState::Running));
        let unended: Vec<_> =
            at_once(store.unended()).expect("unended").into_iter().map(|record| record.begin).collect();
        assert_eq!(unended.iter().map(|begin| begin.id.as_u128()).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(unended[1], talk);
        assert_eq!(store.newest(&talk.owner, &"talk".into()), Some(id(3)));
        assert_eq!(store.once(&[4; 16]), Some(id(3)));
        let rest = at_once(events(store.as_ref(), id(1), 123, 1000));
        assert_eq!(rest, (124..=300).map(|event| said("first", event).into_bytes()).collect::<Vec<_>>());
        store.append(id(2), &batch(11 + round, &[b"more"])).expect("goes on");
        assert_eq!(at_once(events(store.as_ref(), id(2), 9, 1))[0], said("second", 10).as_bytes());
        assert_eq!(at_once(events(store.as_ref(), id(2), 10 + round, 1)), [b"more"]);
    }
}

#[test]
fn what_is_forgotten_is_not_on_the_disk() {
    let mut disk = SimDisk::new(1);
    let store = open(small(&disk));
    tell(store.as_ref(), 1, "whisper", 200);
    tell(store.as_ref(), 2, "shout", 200);
    tell(store.as_ref(), 3, "mumble", 5);
    Streams::end(store.as_ref(), id(1), NOW, &"whisper end".into()).expect("end");
    store.tick(NOW).expect("tick");
    assert!(count(&disk, "whisper") > 200);
    at_once(store.forget(id(1))).expect("forget");
    assert_eq!((count(&disk, "whisper"), count(&disk, "shout")), (0, 201));
    at_once(store.forget(id(3))).expect("forget one that runs");
    assert_eq!(count(&disk, "mumble"), 0);
    let owner = Owner { key: "app".into(), user: Some("zoe".into()) };
    store.begin(&StreamBegin { owner, ..begin(4) }).expect("begin");
    store.append(id(4), &batch(1, &[b"murmur"])).expect("append");
    assert_eq!(at_once(store.forget_user(&"zoe".into())), Ok(1));
    assert_eq!((count(&disk, "murmur"), count(&disk, "zoe")), (0, 0));
    for crash in [Crash::Kill, Crash::PowerLossToSync] {
        disk = disk.restart(crash);
        let store = open(small(&disk));
        for gone in [1, 3, 4] {
            assert_eq!(at_once(Streams::find(store.as_ref(), id(gone))), Ok(None), "{gone}");
        }
        assert_eq!(at_once(events(store.as_ref(), id(2), 0, 1000)).len(), 200);
        assert_eq!((count(&disk, "whisper"), count(&disk, "murmur")), (0, 0));
    }
}

#[test]
fn forgetting_that_was_cut_off_is_done_at_the_next_start() {
    let mut unfinished = 0;
    for dies_at in 0..60 {
        let disk = SimDisk::new(dies_at);
        let store = open(small(&disk));
        tell(store.as_ref(), 1, "whisper", 300);
        tell(store.as_ref(), 2, "shout", 100);
        Streams::end(store.as_ref(), id(1), NOW, &"whisper end".into()).expect("end");
        store.tick(NOW).expect("tick");
        disk.inject(DiskFault::DiesAt(dies_at * 6));
        let forgotten = at_once(store.forget(id(1)));
        let disk = disk.restart(Crash::Kill);
        unfinished += usize::from((1..300).contains(&count(&disk, "whisper")));
        let store = open(small(&disk));
        match at_once(Streams::find(store.as_ref(), id(1))).expect("find") {
            // Nothing was said of it when the process died.
            Some(record) => {
                assert!(forgotten.is_err());
                assert_eq!((record.last, count(&disk, "whisper")), (300, 302), "{dies_at}");
            }
            None => assert_eq!(count(&disk, "whisper"), 0, "{dies_at}"),
        }
        assert_eq!(at_once(events(store.as_ref(), id(2), 0, 1000)).len(), 100);
    }
    assert!(unfinished > 20, "{unfinished}");
}

#[test]
fn damage_is_an_error_of_the_stream_that_it_hits() {
    let disk = SimDisk::new(1);
    let store = open(small(&disk));
    for event in 1..=60 {
        for stream in [1, 2, 3] {
            if event == 1 {
                store.begin(&begin(stream)).expect("begin");
            }
            store.append(id(stream), &batch(event, &[said(&format!("w{stream}"), event).as_bytes()])).expect("append");
        }
    }
    Streams::end(store.as_ref(), id(3), NOW, &"".into()).expect("end");
    // One event of a stream that runs, one of a stream that has ended.
    for (stream, event) in [(1, 30), (3, 40)] {
        let said = said(&format!("w{stream}"), event);
        let name = files(&disk, ".log").into_iter().find_map(|name| {
            let bytes = disk.read_all(&name).expect("read");
            bytes.windows(said.len()).position(|window| window == said.as_bytes()).map(|at| (name, at))
        });
        let (name, at) = name.expect("somewhere");
        disk.damage(&name, at + 50);
    }
    for is_new in [false, true] {
        let (disk, store) = if is_new {
            let disk = disk.restart(Crash::Kill);
            (disk.clone(), open(small(&disk)))
        } else {
            (disk.clone(), Arc::clone(&store))
        };
        assert_eq!(at_once(events(store.as_ref(), id(2), 0, 1000)).len(), 60, "the others are whole");
        let before = at_once(store.read(id(1), 0, 1)).expect("what is before it can be read");
        assert_eq!(before[0].first, 1);
        for (stream, event) in [(1, 30), (3, 40)] {
            let refused = at_once(store.read(id(stream), event - 1, 1)).expect_err("damaged").to_string();
            assert!(refused.contains("not what was written"), "{refused}");
            let all = at_once(store.read(id(stream), 0, usize::MAX));
            assert!(all.is_err() || all.is_ok_and(|all| all.last().is_some_and(|last| last.last() == event - 1)));
        }
        if is_new {
            assert!(store.append(id(1), &batch(61, &[b"x"])).is_err(), "nobody knows what it would follow");
            Streams::end(store.as_ref(), id(1), NOW, &"broken".into()).expect("it can be ended");
            assert!(at_once(store.read(id(1), 29, 1)).is_err());
            let store = open(small(&disk.restart(Crash::Kill)));
            assert!(at_once(store.read(id(1), 29, 1)).is_err());
            assert_eq!(at_once(store.read(id(1), 27, 1)).expect("before it")[0].first, 28);
        }
    }
}

#[test]
fn a_full_disk_stops_streams_for_a_while_and_money_never() {
    let disk = SimDisk::new(1);
    let store = open(small(&disk));
    tell(store.as_ref(), 1, "first", 10);
    let used: usize = disk.list().expect("list").iter().map(|name| disk.read_all(name).expect("read").len()).sum();
    disk.set_space(Some(used + 40));
    let refused = store.append(id(1), &batch(11, &[&[7; 100]])).expect_err("full").to_string();
    assert!(refused.contains("the disk is full"), "{refused}");
    disk.set_space(None);
    for fault in [DiskFault::WriteNoSpace(0), DiskFault::WriteBroken(0)] {
        disk.inject(fault);
        assert!(store.append(id(1), &batch(11, &[&[7; 100]])).is_err());
        assert!(Streams::end(store.as_ref(), id(2), NOW, &"".into()).is_err());
    }
    let hold = Hold {
        id: attempt(1),
        at: START,
        subjects: subjects("alice"),
        ceiling: demand(1000, 1),
        expires: START.saturating_add(HOUR),
    };
    at_once(store.hold(hold)).expect("money goes on");
    store.append(id(1), &batch(11, &[b"more"])).expect("there is space again");
    let store = open(small(&disk.restart(Crash::Kill)));
    assert_eq!(at_once(events(store.as_ref(), id(1), 9, 1)), [said("first", 10).as_bytes(), b"more"]);
}

#[test]
fn the_oldest_go_when_there_are_too_many_and_those_that_run_stay() {
    let mut disk = SimDisk::new(1);
    let mut store = open(small(&disk));
    tell(store.as_ref(), 1, "runs", 3);
    for stream in 2..=60 {
        tell(store.as_ref(), stream, "ends", 300);
        Streams::end(store.as_ref(), id(stream), NOW, &"".into()).expect("end");
        store.tick(NOW).expect("tick");
        let bytes: usize = files(&disk, ".log").iter().map(|name| disk.read_all(name).expect("read").len()).sum();
        assert!(bytes <= (1 << 20), "{bytes}");
    }
    for again in [false, true] {
        if again {
            disk = disk.restart(Crash::Kill);
            store = open(small(&disk));
        }
        assert_eq!(at_once(events(store.as_ref(), id(1), 0, 1)).len(), 3);
        assert_eq!(at_once(Streams::find(store.as_ref(), id(2))), Ok(None));
        let there: Vec<u128> = (1..=60)
            .filter(|stream| at_once(Streams::find(store.as_ref(), id(*stream))).expect("find").is_some())
            .collect();
        assert!(there.len() > 10 && there.ends_with(&[59, 60]), "{there:?}");
        for stream in &there[1..] {
            assert_eq!(at_once(events(store.as_ref(), id(*stream), 0, 100_000)).len(), 300, "{stream}");
        }
    }
    // Nothing can make room for what runs.
    store.begin(&begin(99)).expect("begin");
    let refused = (1..).find_map(|event| store.append(id(99), &batch(event, &[&[7; 10_000]])).err());
    let refused = refused.expect("full").to_string();
    assert!(refused.contains("streams that run"), "{refused}");
    Streams::sweep(store.as_ref(), NOW.saturating_add(2 * HOUR)).expect("sweep");
    assert_eq!(files(&disk, ".log").len() + files(&disk, ".idx").len(), 0, "all is old");
    store.begin(&begin(100)).expect("there is room");
}

#[test]
fn a_log_that_cannot_be_read_stops_nothing_but_streams() {
    let disk = SimDisk::new(1);
    disk.replace("streams-00000001.log", b"something else").expect("write");
    disk.replace("streams-00000002.log", b"hlstream\x09\0\0\0 of a newer program").expect("write");
    disk.replace("streams-00000003.idx", b"alone").expect("write");
    let store = open(small(&disk));
    tell(store.as_ref(), 1, "first", 3);
    assert_eq!(disk.read_all("streams-00000002.log").expect("read")[8], 9, "a newer program's file is left alone");
    let store = open(small(&disk.restart(Crash::Kill)));
    assert_eq!(at_once(events(store.as_ref(), id(1), 0, 1)).len(), 3);
    assert_eq!(at_once(store.unended()).expect("unended").len(), 1);
}
