//! The way of recorded streams from bytes to what a client gets: it does not depend on how the
//! bytes were cut, and in one dialect nothing is changed.

use super::traffic::{CLIENTS, Recorded, recorded_answers, shown, smallest, split};
use bytes::Bytes;
use haltline_types::NanoUsd;
use haltline_wire::canon::Frame;
use haltline_wire::chunk::Malformed;
use haltline_wire::client::ClientRequest;
use haltline_wire::passage::{Passage, Taken};
use haltline_wire::sse;

/// What came of a stream: the frames for the client, and what each event was taken for.
type Course = (Vec<Frame>, Vec<Result<Taken, Malformed>>);

fn drive(request: &ClientRequest, recorded: &Recorded, events: &[sse::Event]) -> Course {
    let mut passage = request.passage(recorded.dialect, &shown());
    let (mut frames, mut all_taken) = (Vec::new(), Vec::new());
    for event in events.iter().filter(|event| !event.comment) {
        let taken = match &mut passage {
            Passage::Same { inspector, .. } => {
                frames.push(Frame { event: None, data: event.data.clone() });
                inspector.inspect(event).map(Taken::from)
            }
            Passage::Crossing(crossing) => crossing.take(event, &mut frames),
        };
        all_taken.push(taken);
    }
    if let Passage::Crossing(crossing) = &mut passage {
        crossing.finish(NanoUsd::new(1), &mut frames);
    }
    (frames, all_taken)
}

fn streams() -> Vec<Recorded> {
    recorded_answers().into_iter().filter(|recorded| recorded.streaming).collect()
}

/// Sizes from 1 to 64 or so, now and then large: cuts in every place a network could cut.
fn sizes(seed: u64) -> impl FnMut() -> usize {
    let mut random = seed;
    move || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let large = if random >> 60 == 0 { 10 } else { 0 };
        usize::try_from(random >> (58 - large)).expect("16 bits") + 1
    }
}

#[test]
fn how_bytes_are_cut_changes_nothing() {
    let streams = streams();
    for recorded in &streams {
        let whole = split(&recorded.body, || usize::MAX);
        let mut cuts: Vec<Vec<sse::Event>> = (0..4).map(|seed| split(&recorded.body, sizes(seed))).collect();
        if recorded.body.len() < 40_000 {
            cuts.push(split(&recorded.body, || 1));
        }
        for client in CLIENTS {
            let request = smallest(client);
            let expected = drive(&request, recorded, &whole);
            for events in &cuts {
                assert!(drive(&request, recorded, events) == expected, "{} for {client:?}", recorded.id);
            }
        }
    }
    assert!(streams.is_empty() || streams.len() > 100, "only {} streams", streams.len());
}

#[test]
fn one_dialect_is_passed_on_byte_for_byte() {
    for recorded in streams() {
        let Some(request) = CLIENTS.map(smallest).into_iter().find(|request| request.passes_to(recorded.dialect))
        else {
            panic!("nobody speaks {:?}", recorded.dialect)
        };
        assert!(matches!(request.passage(recorded.dialect, &shown()), Passage::Same { .. }));
        for seed in 0..2 {
            let (frames, taken) = drive(&request, &recorded, &split(&recorded.body, sizes(seed)));
            let forwarded: Vec<&[u8]> = frames.iter().map(|frame| &frame.data[..]).collect();
            let sent = data_lines(&recorded.body);
            assert_eq!(forwarded, sent.iter().map(Vec::as_slice).collect::<Vec<_>>(), "{}", recorded.id);
            assert_eq!(taken.len(), sent.len());
            assert!(taken.iter().all(Result::is_ok), "{}: {taken:?}", recorded.id);
        }
    }
}

/// The data of a body's events, read line by line without the splitter.
fn data_lines(body: &Bytes) -> Vec<Vec<u8>> {
    let (mut events, mut data) = (Vec::new(), None::<Vec<u8>>);
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let Some(line) = line.strip_suffix(b"\n") else { break };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            events.extend(data.take());
        } else if let Some(value) = line.strip_prefix(b"data:") {
            let value = value.strip_prefix(b" ").unwrap_or(value);
            data = Some(match data {
                Some(before) => [&before[..], b"\n", value].concat(),
                None => value.to_vec(),
            });
        }
    }
    events
}

#[test]
fn what_metering_sees_does_not_depend_on_the_client() {
    for recorded in streams() {
        let events = split(&recorded.body, || usize::MAX);
        let mut seen = Vec::new();
        for client in CLIENTS {
            let request = smallest(client);
            if request.passes_to(recorded.dialect) {
                continue;
            }
            seen.push(drive(&request, &recorded, &events).1);
        }
        assert_eq!(seen.len(), 4, "{}", recorded.id);
        assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{}", recorded.id);
    }
}
