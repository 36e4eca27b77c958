//! Answers put together from what a client got: every recorded stream, cut at every event; whole
//! answers; and the page's stream.

use super::traffic::{
    CLIENTS, Recorded, counterpart, decode_whole, decoded, decoder, encode_whole, recorded_answers, split, written,
};
use haltline_wire::Finish;
use haltline_wire::assemble::{Assemble, BYTES_MAX, PartialAnswer, answer_assembler, whole_answer};
use haltline_wire::canon::{Answer, Decoded, Event, Frame, Part};
use haltline_wire::client::ClientDialect;
use haltline_wire::sse;
use proptest::prelude::*;

/// What is there after these frames.
pub(crate) fn assembled(client: ClientDialect, frames: &[Frame]) -> Box<dyn Assemble> {
    let mut assembler = answer_assembler(client);
    frames.iter().for_each(|frame| assembler.take(frame.event, &frame.data));
    assembler
}

/// Text and refusals: a page does not tell them apart.
fn spoken(answer: &PartialAnswer) -> String {
    let words = |part: &Part| match part {
        Part::Text(text) => Some(text.text.clone()),
        Part::Refusal(text) => Some(text.clone()),
        _ => None,
    };
    answer.message.parts.iter().filter_map(words).collect()
}

/// The client dialect in which a recorded stream passes.
pub(crate) fn client_of(recorded: &Recorded) -> ClientDialect {
    let speaks = |client: &ClientDialect| match (counterpart(*client), recorded.dialect) {
        (Some(own), dialect) => std::mem::discriminant(&own) == std::mem::discriminant(&dialect),
        (None, _) => false,
    };
    CLIENTS.into_iter().find(speaks).expect("somebody speaks it")
}

/// Takes an event that is no comment.
pub(crate) fn take(assembler: &mut dyn Assemble, event: &sse::Event) {
    if !event.comment {
        let name = event.event.as_ref().map(|name| String::from_utf8_lossy(name).into_owned());
        assembler.take(name.as_deref(), &event.data);
    }
}

#[test]
fn every_recorded_stream_is_put_together_wherever_it_is_cut() {
    let mut streams = 0;
    for recorded in recorded_answers().into_iter().filter(|recorded| recorded.streaming) {
        streams += 1;
        let client = client_of(&recorded);
        let events = split(&recorded.body, || usize::MAX);
        let said = Answer::of(decoded(decoder(recorded.dialect), &events).expect("a stream"));
        let mut whole = answer_assembler(client);
        events.iter().for_each(|event| take(&mut *whole, event));
        let whole = whole.answer();
        assert_eq!(whole.text(), said.text(), "{}", recorded.id);
        assert_eq!((whole.finish, whole.usage), (said.finish, said.usage), "{}", recorded.id);
        let open = usize::from(whole.open_call);
        assert!(open == 0 || !whole.complete, "{}", recorded.id);
        assert_eq!(whole.calls().count() + open, said.calls().count(), "{}", recorded.id);
        let full = spoken(&whole);
        let mut growing = answer_assembler(client);
        let (mut length, mut every) = (0, 1);
        for (at, event) in events.iter().enumerate() {
            take(&mut *growing, event);
            // Long streams are looked at here and there, as each look copies what is there.
            every = if at > 300 { 37 } else { every };
            if at % every != 0 {
                continue;
            }
            let part = growing.answer();
            let text = spoken(&part);
            assert!(full.starts_with(&text) && text.len() >= length, "{} at {at}", recorded.id);
            length = text.len();
            if part.complete {
                assert_eq!(text, full, "{} at {at}", recorded.id);
            }
            for call in part.calls() {
                serde_json::from_str::<serde_json::Value>(&call.arguments)
                    .map_or_else(|error| assert!(part.complete, "{} at {at}: {error}", recorded.id), |_| ());
            }
        }
    }
    assert!(streams == 0 || streams > 100, "only {streams} streams");
}

#[test]
fn every_client_gets_the_same_answer_put_together() {
    let mut answers = 0;
    for recorded in recorded_answers() {
        let events = if recorded.streaming {
            decoded(decoder(recorded.dialect), &split(&recorded.body, || usize::MAX)).expect("a stream")
        } else {
            match decode_whole(recorded.dialect, &recorded.body).expect("an answer") {
                Decoded::Answer(answer) => answer.events(),
                Decoded::Failed(_) => continue,
            }
        };
        answers += 1;
        let said = Answer::of(events.clone());
        let spoken_there: String = said
            .parts
            .iter()
            .filter_map(|part| match part {
                Part::Text(text) => Some(text.text.as_str()),
                Part::Refusal(text) => Some(text.as_str()),
                _ => None,
            })
            .collect();
        for client in CLIENTS {
            let answer = assembled(client, &written(client, &events)).answer();
            // In Chat Completions and Responses texts and refusals stand apart.
            assert_eq!(spoken(&answer).len(), spoken_there.len(), "{} for {client:?}", recorded.id);
            assert!(answer.complete || said.finish == Some(Finish::Error), "{} for {client:?}", recorded.id);
            assert!(!answer.open_call);
            assert_eq!(answer.calls().count(), said.calls().count(), "{} for {client:?}", recorded.id);
            assert_eq!(answer.usage.map(|usage| usage.output), said.usage.map(|usage| usage.output), "{}", recorded.id);
            if counterpart(client).is_some() {
                let whole = whole_answer(client, &encode_whole(client, &said));
                assert_eq!(whole.text(), said.text_or_spoken(client), "{} for {client:?}", recorded.id);
            }
        }
    }
    assert!(answers == 0 || answers > 200, "only {answers} answers");
}

trait TextFor {
    fn text_or_spoken(&self, client: ClientDialect) -> String;
}

impl TextFor for Answer {
    /// The text as `client` reads it back: where a refusal has no place of its own it is text.
    fn text_or_spoken(&self, client: ClientDialect) -> String {
        if matches!(client, ClientDialect::Chat | ClientDialect::Responses) {
            return self.text();
        }
        let words = |part: &Part| match part {
            Part::Text(text) => Some(text.text.clone()),
            Part::Refusal(text) => Some(text.clone()),
            _ => None,
        };
        self.parts.iter().filter_map(words).collect()
    }
}

#[test]
fn calls_are_open_until_their_arguments_are_whole() {
    let call = Event::Call { index: 0, id: "c".to_owned(), name: "f".to_owned(), signature: None };
    let more = |fragment: &str| Event::Arguments { index: 0, fragment: fragment.to_owned() };
    let events = [Event::Text("a".to_owned()), call, more(r#"{"x""#), more(":1}")];
    for client in CLIENTS {
        let frames = written(client, &events);
        let mut states = Vec::new();
        let mut assembler = answer_assembler(client);
        for frame in &frames {
            assembler.take(frame.event, &frame.data);
            let answer = assembler.answer();
            let state = (answer.open_call, answer.calls().count(), answer.complete);
            if states.last() != Some(&state) {
                states.push(state);
            }
        }
        let expected: &[(bool, usize, bool)] = if client == ClientDialect::Gemini {
            // A call is written whole.
            &[(false, 0, false), (false, 1, false), (false, 1, true)]
        } else {
            &[(false, 0, false), (true, 0, false), (false, 1, false), (false, 1, true)]
        };
        assert_eq!(states, expected, "{client:?}");
    }
}

#[test]
fn a_stream_that_fails_is_not_complete() {
    for (client, name, data) in [
        (ClientDialect::Chat, None, r#"{"error":{"message":"gone","code":"x"}}"#),
        (ClientDialect::Responses, Some("error"), r#"{"type":"error","code":"x","message":"gone"}"#),
        (ClientDialect::Messages, Some("error"), r#"{"type":"error","error":{"type":"api_error","message":"gone"}}"#),
        (ClientDialect::Gemini, None, r#"{"error":{"code":503,"message":"gone","status":"UNAVAILABLE"}}"#),
        (ClientDialect::UiStream, None, r#"{"type":"error","errorText":"gone"}"#),
        (ClientDialect::UiStream, None, r#"{"type":"abort"}"#),
    ] {
        let mut assembler = answer_assembler(client);
        let begin = written(client, &[Event::Text("Hello".to_owned())]);
        let end = if client == ClientDialect::Gemini { 1 } else { 3 };
        begin.iter().take(end).for_each(|frame| assembler.take(frame.event, &frame.data));
        assembler.take(name, data.as_bytes());
        assembler.take(None, b"[DONE]");
        let answer = assembler.answer();
        assert!(answer.failed && !answer.complete, "{client:?}: {answer:?}");
    }
    for client in CLIENTS {
        let answer = whole_answer(client, b"not an answer");
        assert!(answer.failed && !answer.complete && answer.message.parts.is_empty());
    }
}

#[test]
fn strange_data_is_stepped_over_and_the_rest_is_read() {
    for client in CLIENTS {
        let mut assembler = answer_assembler(client);
        for frame in written(client, &[Event::Text("Hel".to_owned()), Event::Text("lo".to_owned())]) {
            for junk in [&b"{"[..], b"null", b"[1]", b"\xff", b"{\"type\":5,\"choices\":\"x\"}", b""] {
                assembler.take(None, junk);
            }
            assembler.take(frame.event, &frame.data);
        }
        assert_eq!(assembler.answer().text(), "Hello", "{client:?}");
        let _ = assembler.resumption();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_data_makes_it_panic(data in prop::collection::vec((any::<u8>(), any::<u16>(), any::<Vec<u8>>()), 0..30)) {
        for client in CLIENTS {
            let events = [Event::Reasoning("r".to_owned()), Event::Text("Hello".to_owned())];
            let frames = written(client, &events);
            let mut assembler = answer_assembler(client);
            for (pick, at, bytes) in &data {
                // Frames in any order, some of them damaged.
                let frame = &frames[usize::from(*pick) % frames.len()];
                let mut data = frame.data.to_vec();
                if !bytes.is_empty() {
                    let at = usize::from(*at) % data.len();
                    data.splice(at.., bytes.iter().copied());
                }
                assembler.take(frame.event, &data);
            }
            let _ = (assembler.answer(), assembler.resumption());
        }
    }
}

#[test]
fn choices_are_counted_and_the_first_is_kept() {
    let mut assembler = answer_assembler(ClientDialect::Chat);
    for index in [0, 1, 0, 2] {
        let data = format!(r#"{{"id":"x","choices":[{{"index":{index},"delta":{{"content":"a{index}"}}}}]}}"#);
        assembler.take(None, data.as_bytes());
    }
    let answer = assembler.answer();
    assert_eq!((answer.choices, answer.text().as_str()), (3, "a0a0"));
}

#[test]
fn there_is_a_bound() {
    let mut assembler = answer_assembler(ClientDialect::UiStream);
    let piece = format!(r#"{{"type":"text-delta","id":"1","delta":"{}"}}"#, "x".repeat(8 << 20));
    for _ in 0..9 {
        assembler.take(None, piece.as_bytes());
    }
    let answer = assembler.answer();
    assert!(answer.cut && !answer.complete);
    assert_eq!(answer.text().len(), 7 * (8 << 20));
    assert!(answer.text().len() < BYTES_MAX);
}
