//! What must hold for any input whatever. The fuzz targets call these functions with inputs that
//! they invent, the tests of `haltline-wire` with the files of `corpus/`.

#[path = "harness/anthropic.rs"]
mod anthropic;

#[path = "harness/chat.rs"]
mod chat;

#[path = "harness/gemini.rs"]
mod gemini;

#[path = "harness/media.rs"]
mod media;

#[path = "harness/responses.rs"]
mod responses;

pub(super) use anthropic::{anthropic_answer, anthropic_request};
pub(super) use chat::{chat_stream, ui_request};
pub(super) use gemini::{gemini_answer, gemini_request};
pub(super) use media::image_header;
pub(super) use responses::{responses_request, responses_stream};

use bytes::Bytes;
use haltline_types::{Billing, Timestamp, Tokens};
use haltline_wire::PassFields;
use haltline_wire::chunk::Chunk;
use haltline_wire::fault::{BillingRules, classify as classify_fault, classify_inside};
use haltline_wire::json::{self, JsonErrorKind};
use haltline_wire::openai::chat::response::{self, Answer};
use haltline_wire::openai::chat::stream;
use haltline_wire::openai::chat::{CapField, ChatRequest, Edit};
use haltline_wire::sse::{Event, Splitter, SseError};
use haltline_wire::{rate_limit_headers, retry_after as retry};
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
                max_price: None,
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
