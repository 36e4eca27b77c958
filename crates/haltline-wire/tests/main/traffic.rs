//! What tests of whole ways share: the recorded answers with the dialect they are in, the smallest
//! request of each client dialect, and readers and writers of every dialect behind one face.

use super::recorded::{fixtures, folders, json};
use bytes::Bytes;
use haltline_types::{NanoUsd, Timestamp};
use haltline_wire::canon::{Answer, Decode, Decoded, Encode, Event, Frame};
use haltline_wire::chunk::Malformed;
use haltline_wire::client::{Address, ClientDialect, ClientRequest};
use haltline_wire::openai::{ProviderKind, chat, responses};
use haltline_wire::provider::{ProviderDialect, Shown};
use haltline_wire::sse::{self, Splitter};
use haltline_wire::{PassFields, anthropic, gemini, ui_stream};
use serde_json::Value;
use std::path::PathBuf;

/// One recorded answer with status 200.
pub(crate) struct Recorded {
    pub(crate) id: String,
    pub(crate) dialect: ProviderDialect,
    pub(crate) streaming: bool,
    pub(crate) body: Bytes,
}

/// Every recorded answer in a dialect that crosses.
pub(crate) fn recorded_answers() -> Vec<Recorded> {
    let mut answers = Vec::new();
    for (folder, record) in recorded_cases() {
        let Some(dialect) = provider_dialect(record["api"].as_str().unwrap_or_default()) else { continue };
        if record["http_status"].as_u64().unwrap_or(200) != 200 {
            continue;
        }
        answers.push(Recorded {
            id: record["id"].as_str().expect("an id").to_owned(),
            dialect,
            streaming: record["streaming"] == true,
            body: Bytes::from(std::fs::read(folder.join("response.body")).expect("a body")),
        });
    }
    answers
}

/// The folder and the record of every case.
pub(crate) fn recorded_cases() -> Vec<(PathBuf, Value)> {
    let Some(root) = fixtures() else { return Vec::new() };
    let cases = folders(&root.join("dev")).into_iter().flat_map(|provider| folders(&provider));
    cases.map(|case| (case.clone(), json(&case.join("case.json")))).collect()
}

fn provider_dialect(api: &str) -> Option<ProviderDialect> {
    Some(match api {
        "openai.chat" | "openai.completions" => ProviderDialect::Chat(ProviderKind::Compatible),
        "openai.responses" => ProviderDialect::Responses(ProviderKind::OpenAi),
        "anthropic.messages" => ProviderDialect::Messages,
        "gemini.generateContent" | "gemini.streamGenerateContent" => ProviderDialect::Gemini,
        _ => return None,
    })
}

/// The dialects of clients that get answers of models which speak.
pub(crate) const CLIENTS: [ClientDialect; 5] = [
    ClientDialect::Chat,
    ClientDialect::Responses,
    ClientDialect::Messages,
    ClientDialect::Gemini,
    ClientDialect::UiStream,
];

/// The smallest request, of a stream with usage.
pub(crate) fn smallest(client: ClientDialect) -> ClientRequest {
    let body = match client {
        ClientDialect::Chat => {
            r#"{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hi"}]}"#
        }
        ClientDialect::Responses => r#"{"model":"m","stream":true,"input":"hi"}"#,
        ClientDialect::Messages => {
            r#"{"model":"m","stream":true,"max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#
        }
        ClientDialect::Gemini => r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}"#,
        ClientDialect::UiStream => {
            r#"{"id":"c","messages":[{"id":"1","role":"user","parts":[{"type":"text","text":"hi"}]}]}"#
        }
        ClientDialect::Embeddings => panic!("embeddings are no answers of a model that speaks"),
    };
    parse(client, body.as_bytes()).expect("a request")
}

/// Reads a body; the address names the model `m` where the dialect's address does.
pub(crate) fn parse(client: ClientDialect, body: &[u8]) -> Result<ClientRequest, haltline_wire::RequestError> {
    let address = Address { model: Some("m".to_owned()), stream: true, leave_hosted_tools_out: false };
    ClientRequest::parse(client, &address, Bytes::copy_from_slice(body), &PassFields::none())
}

/// What our answers are called.
pub(crate) fn shown() -> Shown {
    Shown { id: "own".to_owned(), trace_id: "trace".to_owned(), created: Timestamp::from_secs(1_795_000_000) }
}

/// A reader of a provider's stream.
pub(crate) fn decoder(dialect: ProviderDialect) -> Box<dyn Decode> {
    match dialect {
        ProviderDialect::Chat(_) | ProviderDialect::Embeddings => Box::new(chat::Decoder::new()),
        ProviderDialect::Responses(_) => Box::new(responses::Decoder::new()),
        ProviderDialect::Messages => Box::new(anthropic::Decoder::new()),
        ProviderDialect::Gemini => Box::new(gemini::Decoder::new()),
    }
}

/// Reads a whole answer.
pub(crate) fn decode_whole(dialect: ProviderDialect, body: &[u8]) -> Result<Decoded, Malformed> {
    match dialect {
        ProviderDialect::Chat(_) | ProviderDialect::Embeddings => chat::decode_answer(body),
        ProviderDialect::Responses(_) => responses::decode_answer(body),
        ProviderDialect::Messages => anthropic::decode_answer(body),
        ProviderDialect::Gemini => gemini::decode_answer(body),
    }
}

/// The provider dialect in which a client's answers are; the UI message stream is nobody's.
pub(crate) fn counterpart(client: ClientDialect) -> Option<ProviderDialect> {
    match client {
        ClientDialect::Chat => Some(ProviderDialect::Chat(ProviderKind::Compatible)),
        ClientDialect::Responses => Some(ProviderDialect::Responses(ProviderKind::OpenAi)),
        ClientDialect::Messages => Some(ProviderDialect::Messages),
        ClientDialect::Gemini => Some(ProviderDialect::Gemini),
        ClientDialect::UiStream | ClientDialect::Embeddings => None,
    }
}

fn chat_shown() -> chat::Shown {
    let shown = shown();
    chat::Shown { id: "chatcmpl-own".to_owned(), model: String::new(), created: shown.created, include_usage: true }
}

fn responses_shown() -> responses::Shown {
    let ClientRequest::Responses(request) = smallest(ClientDialect::Responses) else { panic!("a Responses request") };
    let shown = shown();
    responses::Shown { id: "resp_own".to_owned(), model: String::new(), created: shown.created, echo: request.echo() }
}

/// A writer of a client's stream.
pub(crate) fn encoder(client: ClientDialect) -> Box<dyn Encode> {
    match client {
        ClientDialect::Chat | ClientDialect::Embeddings => Box::new(chat::Encoder::new(chat_shown())),
        ClientDialect::Responses => Box::new(responses::Encoder::new(responses_shown())),
        ClientDialect::Messages => Box::new(anthropic::Encoder::new("msg_own", "")),
        ClientDialect::Gemini => Box::new(gemini::Encoder::new("own", "")),
        ClientDialect::UiStream => Box::new(ui_stream::Encoder::new(ui_stream::Shown {
            message_id: "msg_own".to_owned(),
            trace_id: "trace".to_owned(),
        })),
    }
}

/// Writes a whole answer; a page gets none, only streams.
pub(crate) fn encode_whole(client: ClientDialect, answer: &Answer) -> Bytes {
    match client {
        ClientDialect::Chat | ClientDialect::UiStream | ClientDialect::Embeddings => {
            chat::encode_answer(answer, &chat_shown())
        }
        ClientDialect::Responses => responses::encode_answer(answer, responses_shown()),
        ClientDialect::Messages => anthropic::encode_answer(answer),
        ClientDialect::Gemini => gemini::encode_answer(answer),
    }
}

/// The frames of a stream that says `events`, ended as a complete one is.
pub(crate) fn written(client: ClientDialect, events: &[Event]) -> Vec<Frame> {
    let mut encoder = encoder(client);
    let mut frames = Vec::new();
    for event in events.iter().filter(|event| !matches!(event, Event::Done | Event::Failed(_))) {
        encoder.encode(event, &mut frames);
    }
    encoder.priced(NanoUsd::new(0));
    encoder.encode(&Event::Done, &mut frames);
    frames
}

/// Frames as the events that a client's reader gets.
pub(crate) fn as_events(frames: &[Frame]) -> Vec<sse::Event> {
    let event = |frame: &Frame| sse::Event {
        data: frame.data.clone(),
        event: frame.event.map(|name| Bytes::from_static(name.as_bytes())),
        comment: false,
    };
    frames.iter().map(event).collect()
}

/// The events of `body` when it comes in pieces; `size` is asked for the length of each.
pub(crate) fn split(body: &Bytes, mut size: impl FnMut() -> usize) -> Vec<sse::Event> {
    let mut splitter = Splitter::new();
    let mut events = Vec::new();
    let mut rest = body.clone();
    while !rest.is_empty() {
        splitter.push(&rest.split_to(size().clamp(1, rest.len())));
        events.extend(std::iter::from_fn(|| splitter.next_event()).map(|event| event.expect("small")));
    }
    events
}

/// What a decoder makes of events that are no comments.
pub(crate) fn decoded(mut decoder: Box<dyn Decode>, events: &[sse::Event]) -> Result<Vec<Event>, Malformed> {
    let mut out = Vec::new();
    for event in events.iter().filter(|event| !event.comment) {
        decoder.decode(event, &mut out)?;
    }
    Ok(out)
}
