//! The splitter: the same events however the bytes are cut, and never more memory than its cap.

use bytes::{Bytes, BytesMut};
use haltline_wire::sse::{Event, Splitter, SseError, write_comment, write_event};
use proptest::prelude::*;

fn all(splitter: &mut Splitter) -> Vec<Result<Event, SseError>> {
    std::iter::from_fn(|| splitter.next_event()).collect()
}

fn split(cap: usize, pieces: &[&[u8]]) -> Vec<Result<Event, SseError>> {
    let mut splitter = Splitter::with_cap(cap);
    let mut events = Vec::new();
    for piece in pieces {
        splitter.push(&Bytes::copy_from_slice(piece));
        events.extend(all(&mut splitter));
    }
    events
}

fn data(stream: &[u8]) -> Vec<String> {
    split(1 << 20, &[stream])
        .into_iter()
        .map(|event| event.expect("small events"))
        .filter(|event| !event.comment)
        .map(|event| String::from_utf8_lossy(&event.data).into_owned())
        .collect()
}

#[test]
fn all_line_ends_and_forms_of_data_are_read() {
    for stream in [
        "data: a\n\ndata: b\n\n",
        "data: a\r\n\r\ndata: b\r\n\r\n",
        "data: a\r\rdata: b\r\r",
        "data:a\n\ndata:b\n\n",
        "\u{feff}data: a\n\ndata: b\n\n",
        ": hello\ndata: a\n\n: bye\n\ndata: b\n\n",
        "id: 1\nretry: 5\nunknown\ndata: a\n\n\n\ndata: b\n\n",
        "event: x\n\ndata: a\n\ndata: b\n\ndata: lost",
        "event: message\ndata: a\n\ndata: b\n\ndata: lost\n",
    ] {
        assert_eq!(data(stream.as_bytes()), ["a", "b"], "{stream:?}");
    }
    assert_eq!(data(b"data: a\ndata\ndata:  b\n\n"), ["a\n\n b"]);
    assert_eq!(data(b"data\n\n"), [""]);
    assert_eq!(data(b"data:\xEF\xBB\xBFx\n\n"), ["\u{feff}x"], "a mark inside is text");
}

#[test]
fn names_comments_and_error_fields_are_told() {
    let events = split(100, &[b": keep-alive\nevent: error\ndata: {}\n\nerror: {\"code\":1}\ndata: x\n\n"]);
    let events: Vec<Event> = events.into_iter().map(|event| event.expect("small")).collect();
    assert!(events[0].comment && &events[0].data[..] == b"keep-alive");
    assert!(events[1].is_named("error") && &events[1].data[..] == b"{}");
    assert!(events[2].is_named("error") && &events[2].data[..] == b"{\"code\":1}");
    assert!(events[3].event.is_none() && &events[3].data[..] == b"x");
}

#[test]
fn a_cut_event_is_known_as_cut() {
    for (stream, inside) in
        [("data: a\n\n", false), ("data: a\n", true), ("data: a", true), ("", false), ("data: a\n\n: c\n", false)]
    {
        let mut splitter = Splitter::new();
        splitter.push(&Bytes::copy_from_slice(stream.as_bytes()));
        all(&mut splitter);
        assert_eq!(splitter.is_inside_event(), inside, "{stream:?}");
    }
}

#[test]
fn an_endless_event_is_an_error_and_the_end() {
    let mut splitter = Splitter::new();
    let piece = Bytes::from(vec![b'x'; 64 * 1024]);
    splitter.push(&Bytes::from_static(b"data: "));
    let mut errors = 0;
    for _ in 0..100 {
        splitter.push(&piece);
        errors += all(&mut splitter).len();
    }
    assert_eq!(errors, 1);
    let many_lines = "data: x\n".repeat(600_000);
    let mut splitter = Splitter::new();
    splitter.push(&Bytes::from(many_lines));
    assert!(all(&mut splitter).iter().any(Result::is_err));
}

#[test]
fn an_ordinary_event_is_not_copied() {
    let chunk = Bytes::from_static(b"data: {\"a\":1}\n\n");
    let mut splitter = Splitter::new();
    splitter.push(&chunk);
    let event = splitter.next_event().expect("an event").expect("small");
    assert_eq!(event.data.as_ptr(), chunk[6..].as_ptr());
}

#[test]
fn what_is_written_is_read_back() {
    let mut out = BytesMut::new();
    write_comment(&mut out, b"hello\nthere");
    write_event(&mut out, Some(18_446_744_073_709_551_615), Some("e\nvil"), b"one\r\ntwo\rthree\n");
    write_event(&mut out, Some(0), None, b"");
    assert_eq!(
        out,
        ": hello\n: there\nid: 18446744073709551615\nevent: evil\ndata: one\ndata: two\ndata: three\ndata: \n\nid: 0\ndata: \n\n"
    );
    assert_eq!(data(&out), ["one\ntwo\nthree\n", ""]);
}

/// A second, simpler splitter for whole streams, written from the specification.
fn simple(stream: &[u8]) -> Vec<(Option<Vec<u8>>, Vec<u8>)> {
    let stream = stream.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(stream);
    let mut lines = vec![Vec::new()];
    let mut at = 0;
    while at < stream.len() {
        match stream[at] {
            b'\r' => {
                at += usize::from(stream.get(at + 1) == Some(&b'\n'));
                lines.push(Vec::new());
            }
            b'\n' => lines.push(Vec::new()),
            byte => lines.last_mut().expect("one line at least").push(byte),
        }
        at += 1;
    }
    lines.pop();
    let (mut events, mut name, mut data) = (Vec::new(), None, None::<Vec<u8>>);
    for line in lines {
        let (field, value) = match line.iter().position(|byte| *byte == b':') {
            Some(colon) => (line[..colon].to_vec(), line[colon + 1..].to_vec()),
            None => (line.clone(), Vec::new()),
        };
        let value = value.strip_prefix(b" ").map_or(value.clone(), <[u8]>::to_vec);
        if line.is_empty() {
            if let Some(data) = data.take() {
                events.push((name.clone(), data));
            }
            name = None;
        } else if field == b"event" {
            name = Some(value);
        } else if field == b"data" {
            data = Some(data.map_or(value.clone(), |before| [&before[..], b"\n", &value[..]].concat()));
        } else if field == b"error" {
            events.push((Some(b"error".to_vec()), value));
        }
    }
    events
}

fn stream_of_lines() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        Just(Vec::new()),
        Just(Vec::new()),
        prop::sample::select(vec![
            "data: x",
            "data:y",
            "data",
            "data:  z",
            "event: e",
            "event:",
            ": c",
            ":",
            "id: 7",
            "error: e",
            "dat",
            "data: ü😀",
            " data: no",
            "\u{feff}data: bom",
        ])
        .prop_map(|line| line.as_bytes().to_vec()),
        prop::collection::vec(prop::sample::select(b"data: ev:\xEF\xBB\xBF\xff".to_vec()), 0..12),
    ];
    let end = prop::sample::select(vec![&b"\n"[..], b"\r", b"\r\n"]);
    (any::<bool>(), prop::collection::vec((line, end), 0..24), any::<bool>()).prop_map(|(mark, lines, cut)| {
        let mut stream = if mark { b"\xEF\xBB\xBF".to_vec() } else { Vec::new() };
        for (line, end) in lines {
            stream.extend_from_slice(&line);
            stream.extend_from_slice(end);
        }
        if cut {
            stream.pop();
        }
        stream
    })
}

fn cut<'a>(stream: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
    at.sort_unstable();
    let mut pieces = Vec::new();
    let mut from = 0;
    for to in at {
        pieces.push(&stream[from..to]);
        from = to;
    }
    pieces.push(&stream[from..]);
    pieces
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn cuts_change_nothing(stream in stream_of_lines(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8), cap in 4_usize..80) {
        let whole = split(cap, &[&stream]);
        prop_assert_eq!(&split(cap, &cut(&stream, &cuts)), &whole);
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        prop_assert_eq!(&split(cap, &bytes), &whole);
    }

    #[test]
    fn events_are_those_of_the_specification(stream in stream_of_lines()) {
        let ours: Vec<_> = split(1 << 20, &[&stream])
            .into_iter()
            .map(|event| event.expect("small"))
            .filter(|event| !event.comment)
            .map(|event| (event.event.map(|name| name.to_vec()), event.data.to_vec()))
            .collect();
        prop_assert_eq!(ours, simple(&stream));
    }

    #[test]
    fn written_events_are_read_back(events in prop::collection::vec((any::<Option<u64>>(), prop::option::of("[a-z]{1,8}"), "[ -~\\n]{0,40}"), 0..8)) {
        let mut out = BytesMut::new();
        for (id, name, data) in &events {
            write_event(&mut out, *id, name.as_deref(), data.as_bytes());
        }
        let read: Vec<_> = split(1 << 20, &[&out])
            .into_iter()
            .map(|event| event.expect("small"))
            .map(|event| (event.event.map(|name| String::from_utf8_lossy(&name).into_owned()), String::from_utf8_lossy(&event.data).into_owned()))
            .collect();
        let written: Vec<_> = events.into_iter().map(|(_, name, data)| (name, data)).collect();
        prop_assert_eq!(read, written);
    }
}
