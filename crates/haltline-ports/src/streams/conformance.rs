//! What every store of streams must do, as one function that its tests call. Panics where a store
//! does otherwise. Says nothing of what survives a restart: that is for those that survive one.

use super::{Batch, EVENT_BYTES_MAX, HEAD_BYTES_MAX, StreamBegin, StreamState, Streams};
use crate::Owner;
use bytes::Bytes;
use haltline_types::{RequestId, Timestamp};
use std::time::Duration;

/// When everything happens.
pub const NOW: Timestamp = Timestamp::from_millis(1_795_514_400_000);

/// A beginning of stream `id`.
#[must_use]
pub fn begin(id: u128) -> StreamBegin {
    StreamBegin {
        id: RequestId::from_u128(id),
        owner: Owner { key: "app".into(), user: Some("alice".into()) },
        session: None,
        once: None,
        started: NOW,
        head: Bytes::from(format!("head of {id}")),
    }
}

/// Events from number `first` on.
#[must_use]
pub fn batch(first: u64, events: &[&[u8]]) -> Batch {
    let bytes = Bytes::from(events.concat());
    let mut end = 0;
    let ends = events.iter().map(|event| {
        end += event.len();
        u32::try_from(end).unwrap_or(u32::MAX)
    });
    Batch { first, at: NOW, ends: ends.collect(), bytes }
}

/// The events after `after`, one by one, read as a watcher does: `bytes_max` at a time.
///
/// # Panics
/// When a read fails, leaves a gap, or never ends.
pub async fn events(streams: &dyn Streams, id: RequestId, after: u64, bytes_max: usize) -> Vec<Vec<u8>> {
    let mut said = Vec::new();
    let mut seen = after;
    loop {
        let batches = streams.read(id, seen, bytes_max).await.expect("read");
        if batches.is_empty() {
            return said;
        }
        for batch in batches {
            assert_eq!(batch.first, seen + 1, "events of {id} come in order, without gaps");
            seen = batch.last();
            let mut from = 0;
            for end in &batch.ends {
                let end = usize::try_from(*end).expect("an offset");
                said.push(batch.bytes[from..end].to_vec());
                from = end;
            }
            assert_eq!(from, batch.bytes.len(), "a batch has no bytes behind its last event");
        }
    }
}

/// Checks a store that keeps streams for less than ten days, and at least for an hour.
///
/// # Panics
/// Where it does not do what it must.
pub async fn holds(streams: &dyn Streams) {
    a_stream_is_read_from_any_event_on(streams).await;
    what_does_not_follow_is_refused(streams).await;
    streams_without_events_and_with_huge_ones(streams).await;
    streams_are_found_again(streams).await;
    forgotten_streams_are_gone(streams).await;
    old_streams_go(streams).await;
}

async fn a_stream_is_read_from_any_event_on(streams: &dyn Streams) {
    let begins = [begin(101), begin(102)];
    for begin in &begins {
        streams.begin(begin).expect("begin");
    }
    let text = |stream: usize, number: u64| format!("stream {stream} event {number}").into_bytes();
    let mut next = [1, 1];
    for round in 0_usize..40 {
        let stream = round % 2;
        let events: Vec<Vec<u8>> = (next[stream]..).take(1 + round % 5).map(|number| text(stream, number)).collect();
        let events: Vec<&[u8]> = events.iter().map(Vec::as_slice).collect();
        streams.append(begins[stream].id, &batch(next[stream], &events)).expect("append");
        next[stream] += events.len() as u64;
    }
    for ended in [false, true] {
        for (stream, begin) in begins.iter().enumerate() {
            if ended {
                streams.end(begin.id, NOW, &Bytes::from_static(b"note")).expect("end");
            }
            let last = next[stream] - 1;
            for after in 0..=last + 2 {
                let wanted: Vec<Vec<u8>> = (after + 1..=last).map(|number| text(stream, number)).collect();
                for bytes_max in [0, 1, 100, usize::MAX] {
                    assert_eq!(events(streams, begin.id, after, bytes_max).await, wanted, "after {after}");
                }
            }
            assert_eq!(streams.read(begin.id, u64::MAX, 1).await, Ok(Vec::new()));
            let record = streams.find(begin.id).await.expect("find").expect("there");
            let note = Bytes::from_static(b"note");
            let state = if ended { StreamState::Ended { at: NOW, note } } else { StreamState::Running };
            assert_eq!((record.begin, record.state, record.last), (begin.clone(), state, last));
        }
    }
    let few = streams.read(begins[0].id, 0, 1).await.expect("read");
    let all = streams.read(begins[0].id, 0, usize::MAX).await.expect("read");
    assert!(!few.is_empty() && few.len() < all.len(), "a read ends when it has enough");
}

async fn what_does_not_follow_is_refused(streams: &dyn Streams) {
    let begin = begin(201);
    assert!(streams.append(begin.id, &batch(1, &[b"a"])).is_err(), "there is none yet");
    assert!(streams.end(begin.id, NOW, &Bytes::new()).is_err(), "there is none yet");
    assert_eq!(streams.find(begin.id).await, Ok(None));
    assert_eq!(streams.read(begin.id, 0, 1).await, Ok(Vec::new()));
    streams.begin(&begin).expect("begin");
    assert!(streams.begin(&begin).is_err(), "there is one already");
    streams.append(begin.id, &batch(1, &[b"a", b"b"])).expect("append");
    for first in [0, 1, 2, 4, u64::MAX] {
        assert!(streams.append(begin.id, &batch(first, &[b"x"])).is_err(), "{first}");
    }
    let lies = [
        Batch { ends: Vec::new(), ..batch(3, &[b"abc"]) },
        Batch { ends: vec![2], ..batch(3, &[b"abc"]) },
        Batch { ends: vec![2, 1, 3], ..batch(3, &[b"abc"]) },
        Batch { ends: vec![4], ..batch(3, &[b"abc"]) },
    ];
    for lie in lies {
        assert!(streams.append(begin.id, &lie).is_err(), "{lie:?}");
    }
    let long = Bytes::from(vec![0; HEAD_BYTES_MAX + 1]);
    assert!(streams.end(begin.id, NOW, &long).is_err());
    assert!(streams.begin(&StreamBegin { head: long, ..self::begin(202) }).is_err());
    assert_eq!(events(streams, begin.id, 0, 1).await, [b"a", b"b"], "what was there is as it was");
    streams.append(begin.id, &batch(3, &[b"c"])).expect("the right one follows");
    streams.end(begin.id, NOW, &Bytes::new()).expect("end");
    assert!(streams.append(begin.id, &batch(4, &[b"d"])).is_err(), "it has ended");
    assert!(streams.end(begin.id, NOW, &Bytes::new()).is_err(), "it has ended");
    assert!(streams.begin(&begin).is_err(), "there was one already");
    assert_eq!(events(streams, begin.id, 0, 1).await, [b"a", b"b", b"c"]);
}

async fn streams_without_events_and_with_huge_ones(streams: &dyn Streams) {
    let empty = begin(301);
    streams.begin(&empty).expect("begin");
    assert_eq!(streams.read(empty.id, 0, 1).await, Ok(Vec::new()));
    streams.end(empty.id, NOW, &Bytes::new()).expect("end");
    assert_eq!(streams.read(empty.id, 0, 1).await, Ok(Vec::new()));
    let record = streams.find(empty.id).await.expect("find").expect("there");
    assert_eq!(record.last, 0);
    let huge = StreamBegin { head: Bytes::from(vec![5; HEAD_BYTES_MAX]), ..begin(302) };
    streams.begin(&huge).expect("begin");
    let event = vec![9; EVENT_BYTES_MAX];
    streams.append(huge.id, &batch(1, &[&event])).expect("the largest event");
    streams.append(huge.id, &batch(2, &[b"", b"small", b""])).expect("events of no bytes are events");
    let note = Bytes::from(vec![6; HEAD_BYTES_MAX]);
    streams.end(huge.id, NOW, &note).expect("the largest note");
    let said = events(streams, huge.id, 0, 1).await;
    assert!(said[0] == event, "the largest event comes back");
    assert_eq!(said[1..], [&b""[..], b"small", b""]);
    let record = streams.find(huge.id).await.expect("find").expect("there");
    assert!(record.begin == huge && record.state == StreamState::Ended { at: NOW, note });
    streams.forget(huge.id).await.expect("forget");
}

async fn streams_are_found_again(streams: &dyn Streams) {
    let bob = Owner { key: "app".into(), user: Some("bob".into()) };
    let nobody = Owner { key: "app".into(), user: None };
    let other = Owner { key: "other".into(), user: Some("bob".into()) };
    let talk = |id, owner: &Owner| StreamBegin { owner: owner.clone(), session: Some("talk".into()), ..begin(id) };
    let begins = [
        StreamBegin { once: Some([1; 16]), ..talk(401, &bob) },
        StreamBegin { once: Some([2; 16]), ..talk(402, &bob) },
        talk(403, &nobody),
        StreamBegin { session: Some("other".into()), ..talk(404, &bob) },
    ];
    for begin in &begins {
        streams.begin(begin).expect("begin");
    }
    let newest = |owner: &Owner, session: &str| streams.newest(owner, &session.into()).map(RequestId::as_u128);
    assert_eq!(newest(&bob, "talk"), Some(402));
    assert_eq!(newest(&nobody, "talk"), Some(403), "what belongs to one owner is not another's");
    assert_eq!(newest(&other, "talk"), None, "another key's user is another");
    assert_eq!((newest(&bob, "other"), newest(&bob, "third")), (Some(404), None));
    streams.end(begins[1].id, NOW, &Bytes::new()).expect("end");
    assert_eq!(newest(&bob, "talk"), Some(402), "also when it has ended");
    let once = |hash: u8| streams.once(&[hash; 16]).map(RequestId::as_u128);
    assert_eq!([once(1), once(2), once(3)], [Some(401), Some(402), None]);
    let unended = streams.unended().await.expect("unended");
    let unended: Vec<u128> = unended.iter().map(|record| record.begin.id.as_u128()).collect();
    assert_eq!(unended, [401, 403, 404], "oldest first");
    streams.forget(begins[1].id).await.expect("forget");
    assert_eq!((newest(&bob, "talk"), once(2)), (Some(401), None), "the one before is the newest then");
    for begin in [&begins[0], &begins[2], &begins[3]] {
        let record = streams.find(begin.id).await.expect("find").expect("there");
        assert_eq!(record.begin, *begin);
        streams.end(begin.id, NOW, &Bytes::new()).expect("end");
    }
}

async fn forgotten_streams_are_gone(streams: &dyn Streams) {
    let carol = |key: &str| Owner { key: key.into(), user: Some("carol".into()) };
    let begins = [
        StreamBegin { owner: carol("app"), once: Some([7; 16]), ..begin(501) },
        StreamBegin { owner: carol("other"), ..begin(502) },
        begin(503),
        begin(504),
    ];
    for begin in &begins {
        streams.begin(begin).expect("begin");
        streams.append(begin.id, &batch(1, &[b"secret"])).expect("append");
    }
    streams.end(begins[0].id, NOW, &Bytes::new()).expect("end");
    streams.forget(begins[2].id).await.expect("forget");
    streams.forget(begins[2].id).await.expect("again");
    assert!(streams.append(begins[2].id, &batch(2, &[b"more"])).is_err(), "it runs no more");
    assert_eq!(streams.forget_user(&"carol".into()).await, Ok(2));
    assert_eq!(streams.forget_user(&"carol".into()).await, Ok(0));
    for begin in &begins[..3] {
        assert_eq!(streams.find(begin.id).await, Ok(None));
        assert_eq!(streams.read(begin.id, 0, usize::MAX).await, Ok(Vec::new()));
    }
    assert_eq!(streams.once(&[7; 16]), None);
    assert_eq!(events(streams, begins[3].id, 0, 1).await, [b"secret"], "nobody else's is touched");
    streams.end(begins[3].id, NOW, &Bytes::new()).expect("end");
}

async fn old_streams_go(streams: &dyn Streams) {
    let later = |days: u64| NOW.saturating_add(Duration::from_secs(days * 86_400));
    let (old, young, running) = (begin(601), begin(602), begin(603));
    streams.begin(&old).expect("begin");
    streams.end(old.id, NOW, &Bytes::new()).expect("end");
    streams.sweep(NOW).expect("sweep");
    assert!(streams.find(old.id).await.expect("find").is_some(), "it has just ended");
    streams.sweep(later(10)).expect("sweep");
    assert_eq!(streams.find(old.id).await, Ok(None));
    assert_eq!(streams.read(old.id, 0, 1).await, Ok(Vec::new()));
    for begin in [&young, &running] {
        streams.begin(&StreamBegin { started: later(10), ..begin.clone() }).expect("begin");
        streams.append(begin.id, &Batch { at: later(10), ..batch(1, &[b"a"]) }).expect("append");
    }
    streams.end(young.id, later(10), &Bytes::new()).expect("end");
    streams.sweep(later(10)).expect("sweep");
    for id in [young.id, running.id] {
        assert_eq!(events(streams, id, 0, 1).await, [b"a"], "neither old nor ended long ago");
    }
    streams.end(running.id, later(10), &Bytes::new()).expect("end");
}
