//! An answer put together again from what a client got of it, whole or broken off: what it said so
//! far, and what another stream must know to go on with it.
//!
//! Reads the streams of all client dialects, which are the providers' and the page's own. Tolerant:
//! what it does not understand it steps over. Bounded: it takes `BYTES_MAX` of data, and says so
//! when there was more.

pub(crate) mod resumption;

pub use resumption::Resumption;
pub(crate) use resumption::Standing;

use crate::canon::{Answer, Decode, Decoded, Event, Message, Part, Role, Sum};
use crate::client::ClientDialect;
use crate::openai::{chat, responses};
use crate::{Finish, anthropic, gemini, sse, ui_stream};
use bytes::Bytes;
use haltline_types::Usage;
use serde::Deserialize;

/// Data that one assembler takes: 64 MiB.
pub const BYTES_MAX: usize = 64 << 20;

/// Choices that are told apart.
const CHOICES_MAX: usize = 128;

/// What is there of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct PartialAnswer {
    /// What the assistant said: text, reasoning, refusals, and calls whose arguments are whole.
    /// Pictures that the model made are left out, as none can be sent back. Of several choices the
    /// first.
    pub message: Message,
    /// Why it stopped; `None` while it did not.
    pub finish: Option<Finish>,
    /// The provider's count so far. Of a stream that broke it may be a beginning only, such as the
    /// input that Anthropic tells first.
    pub usage: Option<Usage>,
    /// A call was begun whose arguments are not whole.
    pub open_call: bool,
    /// The model has finished, and nobody says that it failed.
    pub complete: bool,
    /// The stream says that it failed, or was stopped.
    pub failed: bool,
    /// How many choices came.
    pub choices: u32,
    /// There was more than is kept.
    pub cut: bool,
}

impl PartialAnswer {
    /// All text, joined.
    #[must_use]
    pub fn text(&self) -> String {
        let text = |part: &Part| if let Part::Text(text) = part { Some(text.text.clone()) } else { None };
        self.message.parts.iter().filter_map(text).collect()
    }

    /// The calls, in order.
    pub fn calls(&self) -> impl Iterator<Item = &crate::canon::Call> {
        self.message.parts.iter().filter_map(|part| if let Part::Call(call) = part { Some(call) } else { None })
    }

    fn of(answer: &Answer, failed: bool, choices: u32, cut: bool) -> Self {
        let failed = failed || answer.finish == Some(Finish::Error);
        let complete = !failed && !cut && (answer.done || answer.finish.is_some());
        let mut open_call = false;
        let mut parts = Vec::with_capacity(answer.parts.len());
        for part in &answer.parts {
            match part {
                Part::Call(call) => {
                    // At the end a call without arguments is one with none.
                    let is_whole = complete && call.arguments.trim().is_empty()
                        || serde_json::from_str::<serde::de::IgnoredAny>(&call.arguments).is_ok();
                    if is_whole || complete {
                        parts.push(part.clone());
                    }
                    open_call |= !is_whole && !complete;
                }
                Part::Text(_) | Part::Reasoning { .. } | Part::Refusal(_) => parts.push(part.clone()),
                Part::Image(_) | Part::Document(_) | Part::Audio(_) | Part::Result(_) => {}
            }
        }
        let message = Message { role: Role::Assistant, name: None, parts };
        let (finish, usage) = (answer.finish, answer.usage);
        Self { message, finish, usage, open_call, complete, failed, choices, cut }
    }
}

/// Puts an answer together from the events that a client got.
pub trait Assemble: Send {
    /// Takes one event: its name, where the dialect names its events, and its data.
    fn take(&mut self, event: Option<&str>, data: &[u8]);

    /// What is there so far.
    fn answer(&self) -> PartialAnswer;

    /// What another stream must know to go on where this one is.
    fn resumption(&self) -> Resumption;
}

/// An assembler of streams of `dialect`, as clients get them. Embeddings have no streams: it reads
/// nothing of them.
#[must_use]
pub fn answer_assembler(dialect: ClientDialect) -> Box<dyn Assemble> {
    Box::new(Assembler {
        decoder: decoder(dialect),
        sum: Sum::default(),
        place: Standing::of(dialect),
        dialect,
        events: Vec::new(),
        choices: Vec::new(),
        bytes: 0,
        cut: false,
        failed: false,
    })
}

/// A whole answer, as a client got it. A body that is none is an answer that says nothing and
/// failed.
#[must_use]
pub fn whole_answer(dialect: ClientDialect, body: &[u8]) -> PartialAnswer {
    let decoded = match dialect {
        ClientDialect::Chat | ClientDialect::UiStream | ClientDialect::Embeddings => chat::decode_answer(body),
        ClientDialect::Responses => responses::decode_answer(body),
        ClientDialect::Messages => anthropic::decode_answer(body),
        ClientDialect::Gemini => gemini::decode_answer(body),
    };
    match decoded {
        Ok(Decoded::Answer(answer)) => {
            let mut choices = Vec::new();
            note_choices(body, &mut choices);
            PartialAnswer::of(&answer, false, count(&choices), false)
        }
        Ok(Decoded::Failed(_)) | Err(_) => PartialAnswer::of(&Answer::default(), true, 0, false),
    }
}

struct Assembler {
    dialect: ClientDialect,
    decoder: Box<dyn Decode>,
    sum: Sum,
    place: Standing,
    /// Kept for its room.
    events: Vec<Event>,
    /// Indices of the choices that came.
    choices: Vec<u64>,
    bytes: usize,
    cut: bool,
    failed: bool,
}

impl Assemble for Assembler {
    fn take(&mut self, event: Option<&str>, data: &[u8]) {
        if self.cut || data.len() > BYTES_MAX.saturating_sub(self.bytes) {
            self.cut = true;
            return;
        }
        self.bytes += data.len();
        if matches!(self.dialect, ClientDialect::Chat | ClientDialect::Gemini) {
            note_choices(data, &mut self.choices);
        }
        if let Ok(value) = serde_json::from_slice(data) {
            self.place.take(&value);
        }
        let event = sse::Event {
            data: Bytes::copy_from_slice(data),
            event: event.map(|name| Bytes::copy_from_slice(name.as_bytes())),
            comment: false,
        };
        self.events.clear();
        // What came before a fault in the same event counts.
        let read = self.decoder.decode(&event, &mut self.events);
        for event in self.events.drain(..) {
            self.failed |= matches!(event, Event::Failed(_));
            self.sum.add(event);
        }
        drop(read);
    }

    fn answer(&self) -> PartialAnswer {
        let choices = count(&self.choices).max(u32::from(!self.sum.answer.parts.is_empty()));
        PartialAnswer::of(&self.sum.answer, self.failed, choices, self.cut)
    }

    fn resumption(&self) -> Resumption {
        let answer = self.answer();
        Resumption { text: answer.text(), usage: answer.usage, place: self.place.clone() }
    }
}

fn decoder(dialect: ClientDialect) -> Box<dyn Decode> {
    match dialect {
        ClientDialect::Chat | ClientDialect::Embeddings => Box::new(chat::Decoder::new()),
        ClientDialect::Responses => Box::new(responses::Decoder::new()),
        ClientDialect::Messages => Box::new(anthropic::Decoder::new()),
        ClientDialect::Gemini => Box::new(gemini::Decoder::new()),
        ClientDialect::UiStream => Box::new(ui_stream::Decoder::new()),
    }
}

#[derive(Deserialize)]
struct Indexed {
    #[serde(default, alias = "candidates")]
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    index: u64,
}

fn note_choices(data: &[u8], known: &mut Vec<u64>) {
    let Ok(indexed) = serde_json::from_slice::<Indexed>(data) else { return };
    for choice in indexed.choices {
        if known.len() < CHOICES_MAX && !known.contains(&choice.index) {
            known.push(choice.index);
        }
    }
}

fn count(choices: &[u64]) -> u32 {
    u32::try_from(choices.len()).unwrap_or(u32::MAX)
}
