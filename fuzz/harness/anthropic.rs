//! What must hold of any bytes: the Messages dialect.

use bytes::Bytes;
use haltline_types::Tokens;
use haltline_wire::canon::{Decode, Decoded, Encode, Inspect, Target, metered};
use haltline_wire::chunk::{Chunk, Whole};
use haltline_wire::sse::Event;
use haltline_wire::{PassFields, anthropic};
use serde::de::IgnoredAny;

/// What was accepted can be rewritten and means something; what crosses back is acceptable.
pub(crate) fn anthropic_request(data: &[u8]) {
    for pass in [PassFields::none(), PassFields::new(["*"])] {
        let Ok(request) = anthropic::MessagesRequest::parse(Bytes::copy_from_slice(data), &pass) else { continue };
        assert_eq!(request.fingerprint_material(), data);
        let target = Target { model: "up/\"stream\"", cap: Tokens::new(1_500) };
        let sent = request.rewrite(&target);
        let again = anthropic::MessagesRequest::parse(sent, &pass).expect("what we send is acceptable to ourselves");
        assert_eq!((again.model(), again.client_cap()), (target.model, Some(target.cap)));
        assert_eq!((again.stream(), again.user(), again.cache()), (request.stream(), request.user(), request.cache()));
        assert_eq!(again.measure(), request.measure());
        let Ok(canonical) = request.canonical() else { continue };
        if let Ok(written) = anthropic::write(&canonical, &target) {
            serde_json::from_slice::<IgnoredAny>(&written.body).expect("what we write is JSON");
        }
    }
}

/// The events of a stream, one a line, or one whole answer: metering and decoding agree, no text is
/// longer than its bytes, and what is read can be written for a client.
pub(crate) fn anthropic_answer(data: &[u8]) {
    let _ = anthropic::identify(data);
    match (anthropic::inspect_answer(data), anthropic::decode_answer(data)) {
        (Ok(Whole::Complete(delta)), Ok(Decoded::Answer(answer))) => {
            assert!(delta.text_bytes <= data.len() * 2);
            assert_eq!(metered(&answer.events()), delta);
            anthropic::decode_answer(&anthropic::encode_answer(&answer)).expect("what we write can be read");
        }
        (inspected, decoded) => assert_eq!(inspected.is_err(), decoded.is_err()),
    }
    let (mut inspector, mut decoder) = (anthropic::Inspector::new(), anthropic::Decoder::new());
    let mut encoder = anthropic::Encoder::new("id", "");
    let mut frames = Vec::new();
    for line in data.split(|byte| *byte == b'\n') {
        let event = Event { data: Bytes::copy_from_slice(line), event: None, comment: false };
        let mut said = Vec::new();
        let decoded = decoder.decode(&event, &mut said);
        match inspector.inspect(&event) {
            Ok(Chunk::Delta(delta) | Chunk::Error { delta, .. }) => assert_eq!(metered(&said), delta),
            Ok(Chunk::Done) => {}
            Err(error) => assert_eq!(decoded, Err(error)),
        }
        said.iter().for_each(|event| encoder.encode(event, &mut frames));
    }
    encoder.encode(&haltline_wire::canon::Event::Done, &mut frames);
    for frame in frames {
        let event = Event { data: frame.data, event: None, comment: false };
        anthropic::Decoder::new().decode(&event, &mut Vec::new()).expect("what we write can be read");
    }
}
