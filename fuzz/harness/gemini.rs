//! What must hold of any bytes: the Gemini dialect.

use bytes::Bytes;
use haltline_types::{Billing, Tokens};
use haltline_wire::PassFields;
use haltline_wire::canon::{Answer as Whole, Decode, Decoded, Encode, Event as Step, Inspect, Target, metered};
use haltline_wire::chunk::Chunk;
use haltline_wire::fault::classify_inside;
use haltline_wire::gemini;
use haltline_wire::json::{self};
use haltline_wire::sse::Event;

/// What was accepted can be rewritten, and what crosses to the canonical form and back is
/// acceptable to ourselves.
pub(crate) fn gemini_request(data: &[u8]) {
    let target = Target { model: "up", cap: Tokens::new(77) };
    for pass in [PassFields::none(), PassFields::new(["*"])] {
        let read = |body: Bytes| gemini::GeminiRequest::parse("m", true, body, &pass);
        let Ok(request) = read(Bytes::copy_from_slice(data)) else { continue };
        let again = read(request.rewrite(&target)).expect("what we send is acceptable to ourselves");
        assert_eq!((again.client_cap(), again.n(), again.user()), (Some(target.cap), request.n(), request.user()));
        assert_eq!(again.measure(), request.measure());
        let Ok(canonical) = request.canonical() else { continue };
        let Ok(written) = gemini::write(&canonical, &target) else { continue };
        json::check(&written.body).expect("JSON");
    }
}

/// Metering and decoding say the same of a chunk, and what was decoded can be written and read.
pub(crate) fn gemini_answer(data: &[u8]) {
    let event = Event { data: Bytes::copy_from_slice(data), event: None, comment: false };
    let mut events = Vec::new();
    let decoded = gemini::Decoder::new().decode(&event, &mut events);
    match gemini::Inspector::new().inspect(&event) {
        Ok(Chunk::Delta(delta)) if decoded.is_ok() && delta.finished < 2 => {
            let canonical = metered(&events);
            // Decoding reads the first candidate only.
            assert!(delta.text_bytes >= canonical.text_bytes);
            assert_eq!((delta.usage, delta.usage_unreadable), (canonical.usage, canonical.usage_unreadable));
        }
        Ok(Chunk::Error { seed, .. }) => {
            assert_eq!(classify_inside(&seed).billing, Billing::Unknown);
            assert!(decoded.is_err() || events.contains(&Step::Failed(seed)));
        }
        Ok(Chunk::Done) => assert_eq!(events, [Step::Done]),
        Ok(Chunk::Delta(_)) => {}
        Err(_) => assert!(decoded.is_err()),
    }
    if let Ok(Decoded::Answer(answer)) = gemini::decode_answer(data) {
        let encoded = gemini::encode_answer(&answer);
        let Ok(Decoded::Answer(again)) = gemini::decode_answer(&encoded) else { panic!("no answer") };
        assert_eq!((again.text(), again.calls().count()), (answer.text(), answer.calls().count()));
        let mut frames = Vec::new();
        let mut encoder = gemini::Encoder::new("id", "model");
        for event in answer.events() {
            encoder.encode(&event, &mut frames);
        }
        let mut events = Vec::new();
        let mut decoder = gemini::Decoder::new();
        for frame in frames {
            let event = Event { data: frame.data, event: None, comment: false };
            decoder.decode(&event, &mut events).expect("our own");
        }
        assert_eq!(Whole::of(events).text(), answer.text());
    }
}
