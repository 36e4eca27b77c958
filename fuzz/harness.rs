//! What must hold for any input whatever. The fuzz targets call these functions with inputs that
//! they invent, the tests of `haltline-wire` with the files of `corpus/`.

use bytes::Bytes;
use haltline_types::{Billing, Timestamp, Tokens};
use haltline_wire::PassFields;
use haltline_wire::canon::{Answer as Whole, Decode, Decoded, Encode, Event as Step, Inspect, Target, metered};
use haltline_wire::chunk::Chunk;
use haltline_wire::fault::{BillingRules, classify as classify_fault, classify_inside};
use haltline_wire::gemini;
use haltline_wire::json::{self, JsonErrorKind};
use haltline_wire::media::{self, MediumKind};
use haltline_wire::openai::chat::response::{self, Answer};
use haltline_wire::openai::chat::stream;
use haltline_wire::openai::chat::{CapField, ChatRequest, Edit};
use haltline_wire::sse::{Event, Splitter, SseError};
use haltline_wire::{rate_limit_headers, retry_after as retry, texts};
use serde::de::IgnoredAny;

/// The guard accepts what serde accepts, but for what it refuses on purpose.
pub(super) fn json_check(data: &[u8]) {
    let serde = std::str::from_utf8(data).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
    match json::check(data) {
        Ok(()) => assert!(serde, "accepted what serde refuses"),
        Err(error) => {
            assert!(error.offset <= data.len() && error.line >= 1 && error.column >= 1);
            let on_purpose = matches!(
                error.kind,
                JsonErrorKind::DuplicateKey(_) | JsonErrorKind::TooDeep | JsonErrorKind::TooManyKeys
            );
            assert!(on_purpose || !serde, "refused what serde accepts: {error}");
        }
    }
}

/// What was accepted can be rewritten, and a provider reads in it what was meant.
pub(super) fn chat_request(data: &[u8]) {
    for pass in [PassFields::none(), PassFields::new(["*"])] {
        let Ok(request) = ChatRequest::parse(Bytes::copy_from_slice(data), &pass) else { continue };
        assert_eq!(request.fingerprint_material(), data);
        for (field, tier) in [(CapField::MaxTokens, None), (CapField::MaxCompletionTokens, Some("default"))] {
            let edit = Edit {
                model: "up/\"stream\"",
                cap: (field, Tokens::new(77)),
                service_tier: tier,
                include_usage: true,
                drop: &["metadata"],
            };
            let sent = request.rewrite(&edit);
            let again = ChatRequest::parse(sent, &pass).expect("what we send is acceptable to ourselves");
            assert_eq!(again.model(), edit.model);
            assert_eq!(again.client_cap(), Some(edit.cap));
            assert_eq!(again.include_usage(), request.stream());
            assert_eq!(again.metadata_user(), None);
            assert_eq!((again.n(), again.stream(), again.user()), (request.n(), request.stream(), request.user()));
            assert_eq!(again.measure(), request.measure());
        }
    }
}

/// The first byte says how the rest is cut; the events do not depend on it.
pub(super) fn sse_split(data: &[u8]) {
    let Some((&size, stream)) = data.split_first() else { return };
    let size = usize::from(size).max(1);
    assert_eq!(events(stream, size), events(stream, stream.len().max(1)));
    assert_eq!(events(stream, 1), events(stream, size));
}

fn events(stream: &[u8], size: usize) -> Vec<Result<Event, SseError>> {
    let mut splitter = Splitter::with_cap(200);
    let mut events = Vec::new();
    for piece in stream.chunks(size) {
        splitter.push(&Bytes::copy_from_slice(piece));
        events.extend(std::iter::from_fn(|| splitter.next_event()));
    }
    events
}

/// No chunk and no answer holds more text than bytes, and no error inside a 200 is free.
pub(super) fn stream_chunk(data: &[u8]) {
    let _ = stream::identify(data);
    match stream::inspect(data) {
        Ok(Chunk::Delta(delta)) => {
            assert!(delta.text_bytes <= data.len());
            assert!(delta.usage.is_none() || !delta.usage_unreadable);
        }
        Ok(Chunk::Error { seed, delta }) => {
            assert!(delta.text_bytes <= data.len());
            assert_eq!(classify_inside(&seed).billing, Billing::Unknown);
        }
        Ok(Chunk::Done) | Err(_) => {}
    }
    if let Ok(Answer::Complete(answer)) = response::inspect(data) {
        assert!(answer.text_bytes <= data.len() && answer.choices > 0);
        if let Some(usage) = answer.usage {
            assert!(usage.total().is_some());
        }
    }
}

/// The first two bytes are the status. Only rejections are free, and no advice is zero.
pub(super) fn classify(data: &[u8]) {
    let Some((status, body)) = data.split_first_chunk::<2>() else { return };
    let status = 100 + u16::from_be_bytes(*status) % 500;
    for rules in [BillingRules::OpenAi, BillingRules::Compatible, BillingRules::Azure, BillingRules::Anthropic] {
        let fault = classify_fault(status, &|_| None, body, rules, Timestamp::from_millis(0));
        if fault.billing == Billing::Rejected {
            assert!(matches!(status, 400..=404 | 413 | 422 | 429 | 503 | 529), "{status}");
            assert!(serde_json::from_slice::<serde_json::Value>(body).is_ok());
        }
        if let Some(after) = fault.retry.after {
            assert!(!after.is_zero());
        }
    }
}

/// Three lines: `retry-after-ms`, `retry-after`, message. What is read is never zero or endless.
pub(super) fn retry_after(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.splitn(3, '\n');
    let (millis, seconds) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let header = |name: &str| match name {
        "retry-after-ms" => Some(millis),
        "retry-after" | "x-ratelimit-reset-tokens" | "x-ratelimit-limit-tokens" | "x-ratelimit-reset" => Some(seconds),
        "x-ratelimit-remaining-tokens" | "x-ratelimit-remaining" => Some("0"),
        _ => None,
    };
    let message = lines.next().unwrap_or_default();
    let now = Timestamp::from_secs(1_795_000_000);
    let advice = retry::read(429, &header, None, message, now);
    if let Some(after) = advice.after {
        assert!(!after.is_zero() && after <= retry::WAIT_MAX);
    }
    assert_eq!(retry::read(200, &header, None, message, now).after, None);
    if let Some(wait) = rate_limit_headers::read(&header, now).nothing_left_for() {
        assert!(!wait.is_zero() && wait <= retry::WAIT_MAX);
    }
}

/// What was accepted can be rewritten, and what crosses to the canonical form and back is
/// acceptable to ourselves.
pub(super) fn gemini_request(data: &[u8]) {
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
pub(super) fn gemini_answer(data: &[u8]) {
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

/// An image has a size or a reason, the same by its bytes and by its base64; and what is found in
/// a body lies in the body.
pub(super) fn image_header(data: &[u8]) {
    let size = media::size_of_bytes(data);
    if let Ok(Some(size)) = size {
        assert!(size.width > 0 && size.height > 0);
    }
    if data.len() < media::HEADER_MAX {
        assert_eq!(media::size_of_base64(base64(data).as_bytes()), size);
    }
    let _ = media::size_of_base64(data);
    if json::check(data).is_ok() {
        let found = media::find(data);
        for medium in &found {
            assert!(data.get(medium.span.clone()).is_some());
            if let MediumKind::Image { size: Ok(Some(size)), .. } = medium.kind {
                assert!(size.width > 0 && size.height > 0);
            }
        }
        let spans: Vec<_> = found.into_iter().map(|medium| medium.span).collect();
        assert!(texts::texts(data, &spans).is_some());
    }
}

fn base64(data: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for piece in data.chunks(3) {
        let whole = piece.iter().fold(0_u32, |sum, byte| (sum << 8) | u32::from(*byte)) << (8 * (3 - piece.len()));
        for digit in 0..=piece.len() {
            let at = usize::try_from((whole >> (18 - 6 * digit)) & 63).expect("six bits");
            text.push(char::from(DIGITS[at]));
        }
    }
    text
}
