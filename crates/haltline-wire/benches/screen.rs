//! What screening adds to a chunk of a stream: finding its text alone, and with the rules for
//! secrets that are on by default. Long streams of short text, as providers write them.
//!
//! `cargo bench -p haltline-wire --bench screen` prints a table.

use bytes::Bytes;
use haltline_guard::output::{Channel as Place, Filter, OutputOptions, OutputRules, Pass};
use haltline_wire::client::ClientDialect;
use haltline_wire::screen::{Channel, Flow, Scan, Screen, Screened};
use std::hint::black_box;
use std::time::Instant;

const CHUNKS: usize = 1_000;
const ROUNDS: usize = 200;
const WORDS: [&str; 8] = [" word", " and", " some", " of", "\\n\\n", " the", " sentence", "."];

/// Lets everything pass.
struct Nothing;

impl Scan for Nothing {
    fn push(&mut self, _: Channel, _: &str, _: &mut String) -> Flow {
        Flow::Same
    }

    fn finish(&mut self, _: Channel, _: &mut String) -> Flow {
        Flow::Same
    }

    fn whole(&mut self, _: Channel, _: &str, _: &mut String) -> Flow {
        Flow::Same
    }

    fn begun(&mut self, _: Channel, _: &str, _: &mut String) -> Flow {
        Flow::Same
    }
}

/// One filter for everything.
struct Secrets(OutputRules, Filter);

impl Scan for Secrets {
    fn push(&mut self, _: Channel, text: &str, out: &mut String) -> Flow {
        match self.1.push(&self.0, text, out, &mut Vec::new()) {
            Pass::Unchanged => Flow::Same,
            Pass::Changed => Flow::Changed,
            Pass::Cut => Flow::Cut,
        }
    }

    fn finish(&mut self, _: Channel, out: &mut String) -> Flow {
        self.1.finish(&self.0, out, &mut Vec::new());
        Flow::Changed
    }

    fn whole(&mut self, _: Channel, _: &str, _: &mut String) -> Flow {
        Flow::Same
    }

    fn begun(&mut self, _: Channel, _: &str, _: &mut String) -> Flow {
        Flow::Same
    }
}

fn main() {
    println!("| client | finding text, ns a chunk | with rules, ns a chunk |\n|---|---:|---:|");
    let rules = OutputRules::new(&OutputOptions::default()).expect("the built-in rules can be followed");
    for (name, dialect, event, chunks) in streams() {
        let finding = fastest(dialect, event, &chunks, || Nothing);
        let with_rules = fastest(dialect, event, &chunks, || Secrets(rules.clone(), rules.filter(Place::Text)));
        println!("| {name} | {finding:.0} | {with_rules:.0} |");
    }
}

/// The least time of a chunk, in nanoseconds: whatever else the machine does can only add to it.
fn fastest<S: Scan>(
    dialect: ClientDialect,
    event: Option<&'static str>,
    chunks: &[Bytes],
    scan: impl Fn() -> S,
) -> f64 {
    let event = event.map(|name| Bytes::from_static(name.as_bytes()));
    let mut out: Vec<Screened> = Vec::new();
    let rounds = (0..ROUNDS).map(|_| {
        let (mut screen, mut scan) = (Screen::new(dialect), scan());
        let began = Instant::now();
        for chunk in chunks {
            let looked = screen.take(event.as_ref(), chunk, &mut scan, &mut out);
            assert!(looked.is_ok(), "it can be read");
            black_box(&out);
            out.clear();
        }
        began.elapsed()
    });
    let least = rounds.min().unwrap_or_default().as_secs_f64();
    least * 1e9 / f64::from(u32::try_from(chunks.len()).unwrap_or(1))
}

type Stream = (&'static str, ClientDialect, Option<&'static str>, Vec<Bytes>);

fn streams() -> Vec<Stream> {
    let chunks = |write: &dyn Fn(usize, &str) -> String| -> Vec<Bytes> {
        let words = WORDS.iter().cycle().take(CHUNKS).enumerate();
        words.map(|(number, word)| Bytes::from(write(number, word))).collect()
    };
    let chat = |number: usize, word: &str| {
        format!(
            "{{\"id\":\"chatcmpl-BnWk\",\"object\":\"chat.completion.chunk\",\"created\":1795000000,\"model\":\"gpt-4.1-2025-04-14\",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_51e1070cf2\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{word}\"}},\"logprobs\":null,\"finish_reason\":null}}],\"usage\":null,\"obfuscation\":\"f{number}\"}}"
        )
    };
    let responses = |number: usize, word: &str| {
        format!(
            "{{\"type\":\"response.output_text.delta\",\"sequence_number\":{number},\"item_id\":\"msg_68af2ea1\",\"output_index\":0,\"content_index\":0,\"delta\":\"{word}\",\"logprobs\":[],\"obfuscation\":\"0aBc{number}\"}}"
        )
    };
    let messages = |_: usize, word: &str| {
        format!(
            "{{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"{word}\"}}}}"
        )
    };
    let gemini = |number: usize, word: &str| {
        format!(
            "{{\"candidates\": [{{\"content\": {{\"parts\": [{{\"text\": \"{word}\"}}],\"role\": \"model\"}},\"index\": 0}}],\"usageMetadata\": {{\"promptTokenCount\": 9,\"candidatesTokenCount\": {number},\"totalTokenCount\": {number},\"promptTokensDetails\": [{{\"modality\": \"TEXT\",\"tokenCount\": 9}}]}},\"modelVersion\": \"gemini-2.5-flash\",\"responseId\": \"aB3\"}}"
        )
    };
    let ui = |_: usize, word: &str| format!("{{\"type\":\"text-delta\",\"id\":\"text-1\",\"delta\":\"{word}\"}}");
    vec![
        ("chat", ClientDialect::Chat, None, chunks(&chat)),
        ("responses", ClientDialect::Responses, Some("response.output_text.delta"), chunks(&responses)),
        ("messages", ClientDialect::Messages, Some("content_block_delta"), chunks(&messages)),
        ("gemini", ClientDialect::Gemini, None, chunks(&gemini)),
        ("ui", ClientDialect::UiStream, None, chunks(&ui)),
    ]
}
