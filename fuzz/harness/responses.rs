//! What must hold of any bytes: the Responses dialect.

use bytes::Bytes;
use haltline_types::Tokens;
use haltline_wire::PassFields;
use haltline_wire::canon::{Decode, Decoded, Event as Step, Inspect, Target, metered};
use haltline_wire::chunk::{Chunk, Whole};
use haltline_wire::openai::embeddings::EmbeddingsRequest;
use haltline_wire::openai::responses::{self, HostedTools, ResponsesRequest};
use haltline_wire::sse::Event;
use serde::de::IgnoredAny;

/// What was accepted can be rewritten, stores nothing, and says the same as before; in canonical
/// form it does not fail but by telling why.
pub(crate) fn responses_request(data: &[u8]) {
    let target = Target { model: "up/\"stream\"", cap: Tokens::new(77) };
    for (pass, hosted) in [(PassFields::none(), HostedTools::Refuse), (PassFields::new(["*"]), HostedTools::LeaveOut)] {
        let Ok(request) = ResponsesRequest::parse_with(Bytes::copy_from_slice(data), &pass, hosted) else { continue };
        let sent = request.rewrite(&target);
        // A list of reasoning items that were all left out is empty, which no request may be.
        let Ok(again) = ResponsesRequest::parse_with(sent.clone(), &pass, HostedTools::Refuse) else {
            assert!(sent.windows(2).any(|two| two == b"[]"), "what we send is acceptable to ourselves");
            continue;
        };
        assert_eq!((again.model(), again.client_cap(), again.store()), (target.model, Some(target.cap), Some(false)));
        assert!(!again.background() && again.previous_response_id().is_none() && again.conversation().is_none());
        assert_eq!((again.stream(), again.user()), (request.stream(), request.user()));
        assert!(again.measure().ascii_bytes <= request.measure().ascii_bytes);
        let _ = request.echo();
        if let Ok(canonical) = request.canonical() {
            assert_eq!(canonical.stream, request.stream());
            if let Ok(written) = responses::write(&canonical, &target) {
                assert!(serde_json::from_slice::<IgnoredAny>(&written.body).is_ok());
            }
        }
    }
    if let Ok(request) = EmbeddingsRequest::parse(Bytes::copy_from_slice(data), &PassFields::new(["*"])) {
        let again = EmbeddingsRequest::parse(request.rewrite(&target), &PassFields::new(["*"])).expect("the same");
        assert_eq!(
            (again.model(), again.inputs(), again.measure()),
            (target.model, request.inputs(), request.measure())
        );
    }
}

/// Each line is the data of an event. The inspector and the decoder see the same.
pub(crate) fn responses_stream(data: &[u8]) {
    let (mut inspector, mut decoder) = (responses::Inspector::new(), responses::Decoder::new());
    for line in data.split(|byte| *byte == b'\n') {
        let event = Event { data: Bytes::copy_from_slice(line), event: None, comment: false };
        let mut steps = Vec::new();
        let decoded = decoder.decode(&event, &mut steps);
        match inspector.inspect(&event) {
            Ok(Chunk::Delta(delta)) => assert_eq!(metered(&steps), delta),
            Ok(Chunk::Error { seed, delta }) => {
                assert_eq!(metered(&steps), delta);
                assert!(steps.contains(&Step::Failed(seed)));
            }
            Ok(Chunk::Done) => assert!(decoded.is_ok()),
            Err(error) => assert_eq!(decoded, Err(error)),
        }
        match (responses::inspect_answer(line), responses::decode_answer(line)) {
            (Ok(Whole::Complete(delta)), Ok(Decoded::Answer(answer))) => {
                assert_eq!((answer.usage, answer.finish), (delta.usage, delta.finish));
                assert_eq!(answer.usage_unreadable, delta.usage_unreadable);
            }
            (Ok(Whole::Error(seed)), Ok(Decoded::Failed(same))) => assert_eq!(seed, same),
            (Err(error), Err(same)) => assert_eq!(error, same),
            (whole, decoded) => panic!("{whole:?} and {decoded:?}"),
        }
    }
}
