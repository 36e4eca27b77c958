//! A stream of this dialect, event by event, in pieces that borrow from it. `Inspector` and
//! `Decoder` are made of the same pieces, so that they cannot disagree.
//!
//! Blocks of tools that the provider runs, and compactions, are not part of an answer: they mean
//! nothing here. Neither do `ping` and events that nobody knows.

use super::stop::finish_from_word;
use super::usage::Report;
use super::wire::{Block, Change, Citation, Count, Data, Kind, Message};
use crate::Finish;
use crate::canon::ReportedUsage;
use crate::chunk::Malformed;
use crate::fault::FaultSeed;
use crate::sse;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Blocks that may be open at the same time. Anthropic opens one.
const OPEN_MAX: usize = 1_000;

/// What an event says; see `canon::Event`.
pub(super) enum Piece<'a> {
    Started { id: Cow<'a, str>, model: Cow<'a, str> },
    Text(Cow<'a, str>),
    Thinking(Cow<'a, str>),
    Signature(Cow<'a, str>),
    Redacted(Cow<'a, str>),
    Call { index: u32, id: Cow<'a, str>, name: Cow<'a, str> },
    Arguments { index: u32, fragment: Cow<'a, str> },
    Source { url: Cow<'a, str>, title: Option<Cow<'a, str>> },
    Usage(ReportedUsage),
    Finished { reason: Finish, stop_sequence: Option<Cow<'a, str>> },
    Done,
    Failed(Box<FaultSeed>),
}

/// A call whose block is open.
#[derive(Debug)]
struct OpenCall {
    block: Count,
    call: u32,
    /// The input that came with the block's begin: it stands only if no fragments follow.
    input: Option<String>,
}

/// What a stream said so far.
#[derive(Debug, Default)]
pub(super) struct StreamReader {
    id: String,
    usage: Report,
    calls: u32,
    open: Vec<OpenCall>,
    finished: bool,
}

impl StreamReader {
    /// Hands out what `event` says.
    pub(super) fn read<'a>(
        &mut self,
        event: &'a sse::Event,
        sink: &mut impl FnMut(Piece<'a>),
    ) -> Result<(), Malformed> {
        let data = event.data.trim_ascii();
        if !data.starts_with(b"{") {
            return read_other(event, data, sink);
        }
        let wire: Data<'a> = match serde_json::from_slice(data) {
            Ok(wire) => wire,
            Err(error) => return read_odd(data, &error, sink),
        };
        let kind = match wire.kind.as_str() {
            "" => event.event.as_deref().unwrap_or_default(),
            kind => kind.as_bytes(),
        };
        match kind {
            b"message_start" => self.start(wire.message.unwrap_or_default(), sink),
            b"content_block_start" => self.start_block(wire.index, wire.content_block.unwrap_or_default(), sink)?,
            b"content_block_delta" => self.change_block(wire.index, wire.delta.unwrap_or_default(), sink),
            b"content_block_stop" => self.stop_block(wire.index, sink),
            b"message_delta" => {
                let delta = wire.delta.unwrap_or_default();
                self.finish(delta.stop_reason.filled(), delta.stop_sequence.filled(), sink);
                self.report(wire.usage, sink);
            }
            b"message_stop" => sink(Piece::Done),
            _ if kind == b"error" || wire.error.is_some() => sink(Piece::Failed(Box::new(seed_of(data)))),
            _ => {}
        }
        Ok(())
    }

    fn start<'a>(&mut self, message: Message<'a>, sink: &mut impl FnMut(Piece<'a>)) {
        let (id, model) = (message.id.0.unwrap_or_default(), message.model.0.unwrap_or_default());
        self.id.clone_from(&id.to_string());
        sink(Piece::Started { id, model });
        self.report(message.usage, sink);
        // Imitators may send content, or everything, in the head.
        for block in message.content.unwrap_or_default() {
            self.whole_block(block, sink);
        }
        self.finish(message.stop_reason.filled(), message.stop_sequence.filled(), sink);
    }

    fn start_block<'a>(
        &mut self,
        index: Count,
        block: Block<'a>,
        sink: &mut impl FnMut(Piece<'a>),
    ) -> Result<(), Malformed> {
        if block.kind.as_str() != "tool_use" {
            self.whole_block(block, sink);
            return Ok(());
        }
        if self.open.len() >= OPEN_MAX {
            return Err(Malformed { detail: format!("a stream has more than {OPEN_MAX} open blocks") });
        }
        let input = block.input.map(RawValue::get).filter(|input| *input != "{}").map(str::to_owned);
        let call = self.call(block, sink);
        self.open.push(OpenCall { block: index, call, input });
        Ok(())
    }

    fn change_block<'a>(&mut self, index: Count, delta: Change<'a>, sink: &mut impl FnMut(Piece<'a>)) {
        match delta.kind.as_str() {
            "text_delta" => emit(delta.text.filled(), Piece::Text, sink),
            "thinking_delta" => emit(delta.thinking.filled(), Piece::Thinking, sink),
            "signature_delta" => emit(delta.signature.filled(), Piece::Signature, sink),
            "citations_delta" => delta.citation.into_iter().for_each(|citation| source(citation, sink)),
            "input_json_delta" => {
                let open = self.open.iter_mut().rev().find(|open| open.block == index);
                if let (Some(open), Some(fragment)) = (open, delta.partial_json.filled()) {
                    // Something came: what the block began with was no more than a place holder.
                    open.input = Some(String::new());
                    sink(Piece::Arguments { index: open.call, fragment });
                }
            }
            _ => {}
        }
    }

    fn stop_block<'a>(&mut self, index: Count, sink: &mut impl FnMut(Piece<'a>)) {
        let Some(at) = self.open.iter().rposition(|open| open.block == index) else { return };
        let open = self.open.remove(at);
        let rest = open.input.unwrap_or_else(|| "{}".to_owned());
        if !rest.is_empty() {
            sink(Piece::Arguments { index: open.call, fragment: Cow::Owned(rest) });
        }
    }

    /// A block whose content, as far as it is known, stands in it.
    pub(super) fn whole_block<'a>(&mut self, block: Block<'a>, sink: &mut impl FnMut(Piece<'a>)) {
        match block.kind.as_str() {
            "text" => {
                emit(block.text.filled(), Piece::Text, sink);
                block.citations.0.into_iter().for_each(|citation| source(citation, sink));
            }
            "thinking" => {
                emit(block.thinking.filled(), Piece::Thinking, sink);
                emit(block.signature.filled(), Piece::Signature, sink);
            }
            "redacted_thinking" => emit(block.data.filled(), Piece::Redacted, sink),
            "tool_use" => {
                let input = block.input.map_or("{}", RawValue::get);
                let index = self.call(block, sink);
                sink(Piece::Arguments { index, fragment: Cow::Borrowed(input) });
            }
            _ => {}
        }
    }

    fn call<'a>(&mut self, block: Block<'a>, sink: &mut impl FnMut(Piece<'a>)) -> u32 {
        let index = self.calls;
        self.calls = self.calls.saturating_add(1);
        let id = block.id.filled().unwrap_or_else(|| Cow::Owned(format!("toolu_{}_{index}", self.id)));
        sink(Piece::Call { index, id, name: block.name.0.unwrap_or_default() });
        index
    }

    /// Only the first reason counts.
    pub(super) fn finish<'a>(
        &mut self,
        word: Option<Cow<'a, str>>,
        stop_sequence: Option<Cow<'a, str>>,
        sink: &mut impl FnMut(Piece<'a>),
    ) {
        let Some(word) = word else { return };
        if !std::mem::replace(&mut self.finished, true) {
            sink(Piece::Finished { reason: finish_from_word(&word), stop_sequence });
        }
    }

    /// The provider's count so far, `usage` included.
    pub(super) fn report<'a>(&mut self, usage: Option<&'a RawValue>, sink: &mut impl FnMut(Piece<'a>)) {
        let Some(usage) = usage else { return };
        let Some(report) = Report::read(usage.get()) else {
            return sink(Piece::Usage(ReportedUsage::Unreadable));
        };
        if report.reported().is_none() {
            return;
        }
        self.usage.update(report);
        if let Some(reported) = self.usage.reported() {
            sink(Piece::Usage(reported));
        }
    }

    /// For a whole answer, whose calls may need ids.
    pub(super) fn with_id(id: &str) -> Self {
        Self { id: id.to_owned(), ..Self::default() }
    }
}

/// Data that is no object.
fn read_other<'a>(event: &'a sse::Event, data: &[u8], sink: &mut impl FnMut(Piece<'a>)) -> Result<(), Malformed> {
    match data {
        b"" => {}
        // Imitators end their streams as they do in OpenAI's dialect.
        b"[DONE]" => sink(Piece::Done),
        _ if event.is_named("error") => sink(Piece::Failed(Box::new(FaultSeed::of_text(data)))),
        _ if event.is_named("ping") => {}
        _ => return Err(Malformed { detail: "a stream's data is no JSON object".to_owned() }),
    }
    Ok(())
}

/// An object in another shape than the known events have. Where nobody knows its type, it means
/// nothing.
fn read_odd<'a>(data: &[u8], error: &serde_json::Error, sink: &mut impl FnMut(Piece<'a>)) -> Result<(), Malformed> {
    let kind = serde_json::from_slice::<Kind<'_>>(data).unwrap_or_default().kind;
    match kind.as_str() {
        "error" => sink(Piece::Failed(Box::new(seed_of(data)))),
        ""
        | "message_start"
        | "content_block_start"
        | "content_block_delta"
        | "content_block_stop"
        | "message_delta"
        | "message_stop" => {
            return Err(Malformed { detail: format!("a stream's data is no event: {error}") });
        }
        _ => {}
    }
    Ok(())
}

pub(super) fn seed_of(data: &[u8]) -> FaultSeed {
    FaultSeed::read(data).unwrap_or_else(|| FaultSeed::of_text(data))
}

fn emit<'a>(
    text: Option<Cow<'a, str>>,
    piece: impl FnOnce(Cow<'a, str>) -> Piece<'a>,
    sink: &mut impl FnMut(Piece<'a>),
) {
    if let Some(text) = text {
        sink(piece(text));
    }
}

fn source<'a>(citation: Citation<'a>, sink: &mut impl FnMut(Piece<'a>)) {
    if let Some(url) = citation.url.filled() {
        sink(Piece::Source { url, title: citation.title.filled() });
    }
}
