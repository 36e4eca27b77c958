//! What a chunk of a stream costs when it crosses dialects, beside what it costs when it passes:
//! the time of splitting, reading, writing and framing, for long streams of short text.
//!
//! `cargo bench -p haltline-wire --bench crossing` prints a table. A number after `--` is the most
//! that a crossing may cost in units of the passage; above it the command fails.

use bytes::{Bytes, BytesMut};
use haltline_types::{NanoUsd, Timestamp};
use haltline_wire::PassFields;
use haltline_wire::canon::Frame;
use haltline_wire::client::{Address, ClientDialect, ClientRequest};
use haltline_wire::openai::ProviderKind;
use haltline_wire::passage::Passage;
use haltline_wire::provider::{ProviderDialect, Shown};
use haltline_wire::sse::{self, Splitter};
use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

const CHUNKS: u32 = 1_000;
const ROUNDS: u32 = 100;
/// Bytes that come in one read.
const READ: usize = 4_096;

fn main() -> ExitCode {
    let bound = std::env::args().skip(1).find_map(|word| word.parse::<f64>().ok());
    let mut too_dear = false;
    println!("| provider | client | same, ns a chunk | crossing, ns a chunk | ratio |\n|---|---|---:|---:|---:|");
    for (provider_name, provider, body) in providers() {
        let own = clients().into_iter().find(|(_, client)| client.passes_to(provider));
        let Some((_, own)) = own else { continue };
        let same = fastest(&own, provider, &body);
        for (client_name, client) in clients() {
            if client.passes_to(provider) {
                continue;
            }
            let crossing = fastest(&client, provider, &body);
            let ratio = crossing / same;
            println!("| {provider_name} | {client_name} | {same:.0} | {crossing:.0} | {ratio:.2} |");
            too_dear |= bound.is_some_and(|bound| ratio > bound);
        }
    }
    if too_dear { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// The least time of a chunk, in nanoseconds. A round is short: whatever else the machine does can
/// only add to it, and some round is spared.
fn fastest(client: &ClientRequest, provider: ProviderDialect, body: &Bytes) -> f64 {
    let rounds = (0..ROUNDS).map(|_| {
        let began = Instant::now();
        black_box(relayed(client, provider, body));
        began.elapsed()
    });
    rounds.min().unwrap_or_default().as_secs_f64() * 1e9 / f64::from(CHUNKS)
}

fn relayed(client: &ClientRequest, provider: ProviderDialect, body: &Bytes) -> usize {
    let shown = Shown { id: "a".to_owned(), trace_id: String::new(), created: Timestamp::from_secs(1_795_000_000) };
    let mut passage = client.passage(provider, &shown);
    let mut splitter = Splitter::new();
    let mut frames: Vec<Frame> = Vec::new();
    let mut out = BytesMut::new();
    let (mut written, mut metered) = (0, 0);
    let mut rest = body.clone();
    while !rest.is_empty() {
        splitter.push(&rest.split_to(READ.min(rest.len())));
        while let Some(Ok(event)) = splitter.next_event() {
            match &mut passage {
                Passage::Same { inspector, .. } => {
                    let chunk = inspector.inspect(&event);
                    metered += usize::from(chunk.is_ok());
                    sse::write_event(&mut out, Some(1), event.event.as_deref().map(|_| "e"), &event.data);
                }
                Passage::Crossing(crossing) => {
                    if let Ok(taken) = crossing.take(&event, &mut frames) {
                        metered += taken.delta.text_bytes;
                    }
                }
            }
            for frame in frames.drain(..) {
                sse::write_event(&mut out, Some(1), frame.event, &frame.data);
            }
        }
        written += out.len();
        out.clear();
    }
    if let Passage::Crossing(crossing) = &mut passage {
        crossing.finish(NanoUsd::new(1), &mut frames);
    }
    written + frames.len() + metered
}

fn clients() -> Vec<(&'static str, ClientRequest)> {
    [
        (
            "chat",
            ClientDialect::Chat,
            r#"{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hi"}]}"#,
        ),
        ("responses", ClientDialect::Responses, r#"{"model":"m","stream":true,"input":"hi"}"#),
        (
            "messages",
            ClientDialect::Messages,
            r#"{"model":"m","stream":true,"max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#,
        ),
        ("gemini", ClientDialect::Gemini, r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}"#),
        (
            "ui",
            ClientDialect::UiStream,
            r#"{"id":"c","messages":[{"id":"1","role":"user","parts":[{"type":"text","text":"hi"}]}]}"#,
        ),
    ]
    .into_iter()
    .filter_map(|(name, dialect, body)| {
        let address = Address { model: Some("m".to_owned()), stream: true, leave_hosted_tools_out: false };
        let body = Bytes::from_static(body.as_bytes());
        Some((name, ClientRequest::parse(dialect, &address, body, &PassFields::none()).ok()?))
    })
    .collect()
}

/// Long streams as the providers write them.
fn providers() -> Vec<(&'static str, ProviderDialect, Bytes)> {
    let stream = |begin: &str, chunk: &dyn Fn(u32) -> String, end: &str| {
        let chunks: String = (0..CHUNKS).map(chunk).collect();
        Bytes::from(format!("{begin}{chunks}{end}"))
    };
    let chat = |_: u32| {
        "data: {\"id\":\"chatcmpl-BnWk\",\"object\":\"chat.completion.chunk\",\"created\":1795000000,\"model\":\"gpt-4.1-2025-04-14\",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_51e1070cf2\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" word\"},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null,\"obfuscation\":\"f0Ab\"}\n\n".to_owned()
    };
    let messages = |_: u32| {
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\" word and more\"}        }\n\n".to_owned()
    };
    let gemini = |number: u32| {
        format!(
            "data: {{\"candidates\": [{{\"content\": {{\"parts\": [{{\"text\": \" some words of a sentence\"}}],\"role\": \"model\"}},\"index\": 0}}],\"usageMetadata\": {{\"promptTokenCount\": 9,\"candidatesTokenCount\": {number},\"totalTokenCount\": {},\"promptTokensDetails\": [{{\"modality\": \"TEXT\",\"tokenCount\": 9}}]}},\"modelVersion\": \"gemini-2.5-flash\",\"responseId\": \"aB3\"}}\r\n\r\n",
            number + 9
        )
    };
    let responses = |number: u32| {
        format!(
            "event: response.output_text.delta\ndata: {{\"type\":\"response.output_text.delta\",\"sequence_number\":{},\"item_id\":\"msg_68af2ea1\",\"output_index\":0,\"content_index\":0,\"delta\":\" word\",\"logprobs\":[],\"obfuscation\":\"0aBcDeFgHi\"}}\n\n",
            number + 4
        )
    };
    vec![
        ("chat", ProviderDialect::Chat(ProviderKind::OpenAi), stream("", &chat, "data: [DONE]\n\n")),
        ("responses", ProviderDialect::Responses(ProviderKind::OpenAi), stream("", &responses, "")),
        (
            "messages",
            ProviderDialect::Messages,
            stream(
                "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"model\":\"claude\",\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
                &messages,
                "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
            ),
        ),
        ("gemini", ProviderDialect::Gemini, stream("", &gemini, "")),
    ]
}
