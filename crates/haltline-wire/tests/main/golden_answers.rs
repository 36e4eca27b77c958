//! What each client gets for each provider's answer: streams and whole answers written by hand in
//! the words of the providers' documentation.
//!
//! A case is a folder with one answer for each provider dialect that can say it, `.sse` for a
//! stream and `.json` for a whole one; beside it stands what each client dialect gets, and what
//! metering saw.

use super::golden::{Snapshots, folder};
use super::recorded::folders;
use super::traffic::{CLIENTS, shown, smallest, split};
use bytes::Bytes;
use haltline_types::NanoUsd;
use haltline_wire::canon::Frame;
use haltline_wire::chunk::Delta;
use haltline_wire::client::ClientDialect;
use haltline_wire::openai::ProviderKind;
use haltline_wire::passage::{End, Passage, Taken};
use haltline_wire::provider::ProviderDialect;
use serde_json::Value;
use std::fmt::Write;

const PROVIDERS: [(&str, ProviderDialect); 4] = [
    ("chat", ProviderDialect::Chat(ProviderKind::Compatible)),
    ("responses", ProviderDialect::Responses(ProviderKind::OpenAi)),
    ("messages", ProviderDialect::Messages),
    ("gemini", ProviderDialect::Gemini),
];

const fn name(client: ClientDialect) -> &'static str {
    match client {
        ClientDialect::Chat => "chat",
        ClientDialect::Responses => "responses",
        ClientDialect::Messages => "messages",
        ClientDialect::Gemini => "gemini",
        ClientDialect::UiStream => "ui",
        ClientDialect::Embeddings => "embeddings",
    }
}

#[test]
fn answers_become_what_clients_expect() {
    let mut snapshots = Snapshots::of("answers");
    for case in folders(&folder("answers")) {
        let case_name = case.file_name().expect("a name").to_string_lossy().into_owned();
        for (provider, dialect) in PROVIDERS {
            for client in CLIENTS {
                if let Ok(body) = std::fs::read(case.join(format!("{provider}.sse"))) {
                    let text = stream(dialect, client, &Bytes::from(body));
                    snapshots.check(&format!("{case_name}/{provider}-to-{}.txt", name(client)), &text);
                }
                if let Ok(body) = std::fs::read(case.join(format!("{provider}.json")))
                    && client != ClientDialect::UiStream
                {
                    let text = whole(dialect, client, Bytes::from(body));
                    snapshots.check(&format!("{case_name}/{provider}-whole-to-{}.txt", name(client)), &text);
                }
            }
        }
    }
    snapshots.finish(|name| name.contains("-to-"), 100);
}

/// The frames, one a line, with marks where the provider's events end, and what metering saw.
fn stream(provider: ProviderDialect, client: ClientDialect, body: &Bytes) -> String {
    let mut passage = smallest(client).passage(provider, &shown());
    let mut seen = Seen::default();
    let mut text = String::new();
    let mut finished = false;
    for event in split(body, || usize::MAX).iter().filter(|event| !event.comment) {
        let mut frames = Vec::new();
        let taken = match &mut passage {
            Passage::Same { inspector, .. } => Taken::from(inspector.inspect(event).expect("an event")),
            Passage::Crossing(crossing) => crossing.take(event, &mut frames).expect("an event"),
        };
        text.extend(frames.iter().map(line));
        seen.add(&taken.delta);
        finished |= taken.done || taken.delta.finish.is_some();
        if let Some(seed) = taken.failed {
            writeln!(text, "# failed: {}", seed.message).expect("a line");
            return text;
        }
    }
    match &mut passage {
        Passage::Crossing(crossing) if finished => {
            let mut frames = Vec::new();
            crossing.finish(NanoUsd::new(1_500), &mut frames);
            text.push_str("# the end\n");
            text.extend(frames.iter().map(line));
        }
        Passage::Crossing(_) => text.push_str("# cut\n"),
        Passage::Same { end, .. } => {
            text.push_str(if *end == End::Event { "# as it is, up to the final event\n" } else { "# as it is\n" });
        }
    }
    text + &seen.line()
}

fn line(frame: &Frame) -> String {
    let event = frame.event.map(|event| format!("{event} ")).unwrap_or_default();
    format!("{event}{}\n", String::from_utf8_lossy(&frame.data))
}

fn whole(provider: ProviderDialect, client: ClientDialect, body: Bytes) -> String {
    match smallest(client).whole_passage(provider, &shown()).take(body).expect("an answer") {
        Ok((delta, body)) => {
            let mut seen = Seen::default();
            seen.add(&delta);
            let body: Value = serde_json::from_slice(&body).expect("JSON");
            format!("{}\n{}", serde_json::to_string_pretty(&body).expect("JSON"), seen.line())
        }
        Err(seed) => format!("# failed: {}\n", seed.message),
    }
}

/// What metering saw of an answer.
#[derive(Default)]
struct Seen(Delta);

impl Seen {
    fn add(&mut self, delta: &Delta) {
        self.0.text_bytes += delta.text_bytes;
        self.0.finish = self.0.finish.or(delta.finish);
        self.0.usage = delta.usage.or(self.0.usage);
    }

    fn line(&self) -> String {
        let usage = self.0.usage.map(|usage| {
            let (input, cached, written) = (usage.input, usage.cached_input, usage.cache_write);
            format!(
                "{input} in ({cached} cached, {written} written), {} out ({} thought)",
                usage.output, usage.reasoning
            )
        });
        let finish = self.0.finish.map_or("none", haltline_wire::Finish::word);
        format!("# metered: {} bytes, {finish}, {}\n", self.0.text_bytes, usage.as_deref().unwrap_or("no usage"))
    }
}
