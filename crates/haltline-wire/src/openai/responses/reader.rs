//! Reads a provider's stream or answer, for metering and for decoding alike: both see the same
//! pieces, so they cannot disagree.
//!
//! Servers differ in what they repeat. What was streamed is counted by item and part; a final form
//! of the same gives only what was not streamed.

use super::WITHHELD;
use super::piece::{Came, Kind, Out, Piece, Seen, SeenCall, say};
use super::wire::{self, Incomplete, Item, Part, Raw, Response, index, list, object, text, text_or_json, word};
use crate::Finish;
use crate::canon::ReportedUsage;
use crate::chunk::Malformed;
use crate::fault::FaultSeed;
use crate::openai::usage::{Report, read as read_usage};
use crate::sse;

/// Parts, calls and sources whose repetition is watched for. Beyond that nothing final is taken.
const SEEN_MAX: usize = 4096;

/// Reads one stream or one answer.
#[derive(Default)]
pub(super) struct Reader {
    started: bool,
    done: bool,
    parts: Vec<Seen>,
    calls: Vec<SeenCall>,
    call_count: u32,
    sources: Vec<String>,
    files: Vec<u64>,
    sealed: Vec<u64>,
    /// The number after the last that was seen.
    pub(super) next_number: u64,
}

impl Reader {
    /// Reads one event. Says whether it was the `[DONE]` that some servers add.
    pub(super) fn event(&mut self, event: &sse::Event, out: Out<'_>) -> Result<bool, Malformed> {
        let data = event.data.trim_ascii();
        if data == b"[DONE]" {
            if !self.done {
                self.done = true;
                out(Piece::Done);
            }
            return Ok(true);
        }
        if data.is_empty() {
            // A keep-alive of servers that know no comments.
            return Ok(false);
        }
        if !data.starts_with(b"{") {
            if event.is_named("error") {
                out(Piece::Failed(Box::new(FaultSeed::read(data).unwrap_or_else(|| FaultSeed::of_text(data)))));
                return Ok(false);
            }
            return Err(Malformed { detail: "a stream's data is no JSON object".to_owned() });
        }
        let wire: wire::Event<'_> = serde_json::from_slice(data)
            .map_err(|error| Malformed { detail: format!("a stream's data is no event: {error}") })?;
        if wire.sequence_number.is_some() {
            self.next_number = self.next_number.max(index(wire.sequence_number).saturating_add(1));
        }
        let named = event.event.as_deref().map(String::from_utf8_lossy);
        let kind = word(wire.kind).or(named).unwrap_or_default();
        self.known(&kind, &wire, data, out);
        Ok(false)
    }

    fn known(&mut self, kind: &str, wire: &wire::Event<'_>, data: &[u8], out: Out<'_>) {
        let item = index(wire.output_index);
        let part = index(wire.content_index);
        let summary = index(wire.summary_index);
        match kind.strip_prefix("response.").unwrap_or(kind) {
            "output_text.delta" => self.add(Kind::Text, item, part, wire.delta, out),
            "output_text.done" => self.fill(Kind::Text, item, part, wire.text, out),
            "refusal.delta" => self.add(Kind::Refusal, item, part, wire.delta, out),
            "refusal.done" => self.fill(Kind::Refusal, item, part, wire.refusal, out),
            "reasoning_text.delta" | "reasoning.delta" => self.add(Kind::Reasoning, item, part, wire.delta, out),
            "reasoning_text.done" | "reasoning.done" => self.fill(Kind::Reasoning, item, part, wire.text, out),
            "reasoning_summary_text.delta" | "reasoning_summary.delta" => {
                self.add(Kind::Summary, item, summary, wire.delta, out);
            }
            "reasoning_summary_text.done" | "reasoning_summary.done" => {
                self.fill(Kind::Summary, item, summary, wire.text, out);
            }
            "content_part.done" => self.part(item, part, &object(wire.part), out),
            "reasoning_summary_part.done" => {
                let part: Part<'_> = object(wire.part);
                self.fill(Kind::Summary, item, summary, part.text, out);
            }
            "function_call_arguments.delta" | "custom_tool_call_input.delta" => self.arguments(item, wire.delta, out),
            "function_call_arguments.done" => self.all_arguments(item, None, wire.arguments, out),
            "custom_tool_call_input.done" => self.all_arguments(item, None, wire.input, out),
            "output_text.annotation.added" => self.source(&object(wire.annotation), out),
            "output_item.added" => self.item(item, &object(wire.item), false, out),
            "output_item.done" => self.item(item, &object(wire.item), true, out),
            "completed" | "incomplete" | "failed" | "cancelled" | "canceled" | "done" if wire.response.is_some() => {
                let response: Response<'_> = object(wire.response);
                let body = wire.response.map_or("", |raw| raw.get());
                self.end(kind, &response, body.as_bytes(), out);
            }
            "error" => out(Piece::Failed(Box::new(FaultSeed::read(data).unwrap_or_else(|| FaultSeed::of_text(data))))),
            _ if wire.error.is_some() && wire.response.is_none() && wire.kind.is_none() => {
                let seed = FaultSeed::read(data).unwrap_or_else(|| FaultSeed::of_text(data));
                out(Piece::Failed(Box::new(seed)));
            }
            _ if wire.response.is_some() => {
                let response: Response<'_> = object(wire.response);
                self.start(&response, out);
                usage(&response, out);
            }
            _ => {}
        }
    }

    /// Reads a whole answer.
    pub(super) fn answer(&mut self, body: &[u8], out: Out<'_>) -> Result<(), Malformed> {
        if !body.trim_ascii_start().starts_with(b"{") {
            return Err(Malformed { detail: "the answer is no JSON object".to_owned() });
        }
        let response: Response<'_> = serde_json::from_slice(body)
            .map_err(|error| Malformed { detail: format!("the answer is not in the shape of a response: {error}") })?;
        let is_response = text(response.object).as_deref() == Some("response")
            || response.output.is_some_and(|output| output.get().starts_with('['));
        if !is_response {
            let seed = FaultSeed::read(body)
                .ok_or_else(|| Malformed { detail: "the answer has neither output nor an error".to_owned() })?;
            out(Piece::Failed(Box::new(seed)));
            return Ok(());
        }
        self.end("", &response, body, out);
        Ok(())
    }

    fn start(&mut self, response: &Response<'_>, out: Out<'_>) {
        if self.started {
            return;
        }
        self.started = true;
        let id = text(response.id).unwrap_or_default();
        let model = text(response.model).unwrap_or_default();
        out(Piece::Started { id: &id, model: &model });
    }

    /// The last event of a stream, or the whole of an answer.
    fn end(&mut self, kind: &str, response: &Response<'_>, body: &[u8], out: Out<'_>) {
        self.start(response, out);
        self.fill_from_output(response, out);
        usage(response, out);
        let status = word(response.status);
        let status = match status.as_deref() {
            Some(status @ ("completed" | "incomplete" | "failed" | "cancelled" | "queued" | "in_progress")) => status,
            _ => kind.strip_prefix("response.").unwrap_or(kind),
        };
        let finish = match status {
            "completed" | "done" if self.call_count > 0 => Finish::ToolCalls,
            "completed" | "done" => Finish::Stop,
            "incomplete" => {
                let details: Incomplete<'_> = object(response.incomplete_details);
                match text(details.reason).as_deref() {
                    Some("max_output_tokens" | "max_tokens" | "length") => Finish::Length,
                    Some("content_filter") => Finish::ContentFilter,
                    _ => Finish::Other,
                }
            }
            // Of a response that runs on in the background nothing is known yet.
            "queued" | "in_progress" => return,
            // An answer that says neither, but has output.
            "" if response.error.is_none() => {
                if self.call_count > 0 {
                    Finish::ToolCalls
                } else {
                    Finish::Stop
                }
            }
            other => {
                let seed = FaultSeed::read(body).filter(|_| response.error.is_some());
                let said = || FaultSeed { message: format!("the response is {other}"), ..FaultSeed::default() };
                out(Piece::Failed(Box::new(seed.unwrap_or_else(said))));
                return;
            }
        };
        out(Piece::Finished(finish));
        if !self.done {
            self.done = true;
            out(Piece::Done);
        }
    }

    /// The output of a final response, as far as nothing of its kind was streamed: indices there
    /// need not be those of the stream.
    fn fill_from_output(&mut self, response: &Response<'_>, out: Out<'_>) {
        let streamed = |kinds: &[Kind]| self.parts.iter().any(|seen| kinds.contains(&seen.kind) && seen.came.bytes > 0);
        let text_came = streamed(&[Kind::Text, Kind::Refusal]);
        let thoughts_came = streamed(&[Kind::Reasoning, Kind::Summary]) || !self.sealed.is_empty();
        for (place, raw) in list(response.output).into_iter().enumerate() {
            // Beyond the indices of the stream, so that its items are not mistaken for these.
            let place = FINAL + u64::try_from(place).unwrap_or(0);
            let item: Item<'_> = object(Some(raw));
            match text(item.kind).as_deref() {
                Some("message") if text_came => {
                    for raw in list(item.content) {
                        self.sources(&object(Some(raw)), out);
                    }
                }
                Some("reasoning") if thoughts_came => {}
                Some("image_generation_call") if !self.files.is_empty() => {}
                _ => self.item(place, &item, true, out),
            }
        }
    }

    fn item(&mut self, place: u64, item: &Item<'_>, is_final: bool, out: Out<'_>) {
        match text(item.kind).as_deref() {
            Some("function_call" | "custom_tool_call") => self.call(place, item, is_final, out),
            Some("message") if is_final => {
                for (number, raw) in list(item.content).into_iter().enumerate() {
                    self.part(place, u64::try_from(number).unwrap_or(0), &object(Some(raw)), out);
                }
            }
            Some("reasoning") if is_final => self.reasoning(place, item, out),
            // Tools of the client that are no functions: their action stands for the arguments.
            Some(kind @ ("local_shell_call" | "apply_patch_call" | "shell_call")) if is_final => {
                let environment: Part<'_> = object(item.environment);
                let hosted = word(environment.kind).is_some_and(|kind| kind != "local");
                if !hosted {
                    let name = kind.strip_suffix("_call").unwrap_or(kind);
                    self.client_call(place, item, name, item.action.or(item.operation), out);
                }
            }
            Some("tool_search_call") if is_final && text(item.execution).as_deref() == Some("client") => {
                self.client_call(place, item, "tool_search", item.arguments, out);
            }
            Some("image_generation_call") if is_final => self.file(place, item, out),
            _ => {}
        }
    }

    /// A piece of a part.
    fn add(&mut self, kind: Kind, item: u64, part: u64, delta: Raw<'_>, out: Out<'_>) {
        let Some(delta) = word(delta) else { return };
        if let Some(seen) = self.seen(kind, item, part) {
            seen.came.add(&delta);
        }
        say(kind, &delta, out);
    }

    /// The final form of a part: what did not come of it comes now.
    fn fill(&mut self, kind: Kind, item: u64, part: u64, whole: Raw<'_>, out: Out<'_>) {
        let Some(whole) = word(whole) else { return };
        if let Some(seen) = self.seen(kind, item, part)
            && let Some(rest) = seen.came.rest(&whole)
        {
            seen.came.add(rest);
            say(kind, rest, out);
        }
    }

    /// What came of a part so far; `None` when too many parts are open to tell.
    fn seen(&mut self, kind: Kind, item: u64, part: u64) -> Option<&mut Seen> {
        let is_it = |seen: &Seen| seen.kind == kind && seen.item == item && seen.part == part;
        let place = match self.parts.iter().rposition(is_it) {
            Some(place) => place,
            None if self.parts.len() >= SEEN_MAX => return None,
            None => {
                self.parts.push(Seen { kind, item, part, came: Came::NOTHING });
                self.parts.len() - 1
            }
        };
        self.parts.get_mut(place)
    }

    fn part(&mut self, item: u64, number: u64, part: &Part<'_>, out: Out<'_>) {
        match text(part.kind).as_deref() {
            Some("output_text" | "text") => self.fill(Kind::Text, item, number, part.text, out),
            Some("refusal") => self.fill(Kind::Refusal, item, number, part.refusal, out),
            Some("reasoning_text") => self.fill(Kind::Reasoning, item, number, part.text, out),
            _ => {}
        }
        self.sources(part, out);
    }

    fn reasoning(&mut self, place: u64, item: &Item<'_>, out: Out<'_>) {
        for (number, raw) in list(item.summary).into_iter().enumerate() {
            let part: Part<'_> = object(Some(raw));
            self.fill(Kind::Summary, place, u64::try_from(number).unwrap_or(0), part.text, out);
        }
        for (number, raw) in list(item.content).into_iter().enumerate() {
            let part: Part<'_> = object(Some(raw));
            self.fill(Kind::Reasoning, place, u64::try_from(number).unwrap_or(0), part.text, out);
        }
        let Some(sealed) = word(item.encrypted_content) else { return };
        if self.sealed.contains(&place) || self.sealed.len() >= SEEN_MAX {
            return;
        }
        self.sealed.push(place);
        if let Some(withheld) = sealed.strip_prefix(WITHHELD) {
            out(Piece::Withheld(withheld));
            return;
        }
        let visible = |seen: &Seen| {
            seen.item == place && seen.came.bytes > 0 && matches!(seen.kind, Kind::Summary | Kind::Reasoning)
        };
        if !self.parts.iter().any(visible) {
            // The seal is of an item of its own, not of the thoughts before it.
            out(Piece::Reasoning(""));
        }
        out(Piece::Sealed(&sealed));
    }

    fn call(&mut self, place: u64, item: &Item<'_>, is_final: bool, out: Out<'_>) {
        let id = word(item.call_id).or_else(|| word(item.id)).unwrap_or_default();
        let name = text(item.name).unwrap_or_default();
        // A name may be missing when the item begins.
        if is_final || !name.is_empty() {
            self.open_call(place, &id, &name, out);
        }
        if is_final {
            self.all_arguments(place, Some(&id), item.arguments.or(item.input), out);
        }
    }

    fn client_call(&mut self, place: u64, item: &Item<'_>, name: &str, action: Raw<'_>, out: Out<'_>) {
        let id = word(item.call_id).or_else(|| word(item.id)).unwrap_or_default();
        self.open_call(place, &id, name, out);
        self.all_arguments(place, Some(&id), action, out);
    }

    fn open_call(&mut self, place: u64, id: &str, name: &str, out: Out<'_>) {
        // Some servers give all calls one place: another id is another call.
        let is_same = |call: &mut SeenCall| id.is_empty() || call.id.is_empty() || call.id == id;
        if self.known_call(place, Some(id)).is_some_and(is_same) || self.calls.len() >= SEEN_MAX {
            return;
        }
        let index = self.call_count;
        self.call_count += 1;
        self.calls.push(SeenCall { item: place, id: id.to_owned(), index, came: Came::NOTHING });
        out(Piece::Call { index, id, name });
    }

    /// The call at `place`; in a final response, where places differ, the streamed one with this id.
    fn known_call(&mut self, place: u64, id: Option<&str>) -> Option<&mut SeenCall> {
        let id = id.filter(|id| !id.is_empty());
        let by_place = |call: &SeenCall| call.item == place;
        let by_id = |call: &SeenCall| place >= FINAL && call.item < FINAL && id == Some(call.id.as_str());
        self.calls.iter_mut().rev().find(|call| by_place(call) || by_id(call))
    }

    fn arguments(&mut self, place: u64, delta: Raw<'_>, out: Out<'_>) {
        let Some(fragment) = word(delta) else { return };
        // Without its call the fragment has no place; the item's end repeats it.
        if let Some(call) = self.known_call(place, None) {
            call.came.add(&fragment);
            out(Piece::Arguments { index: call.index, fragment: &fragment });
        }
    }

    fn all_arguments(&mut self, place: u64, id: Option<&str>, whole: Raw<'_>, out: Out<'_>) {
        let Some(whole) = text_or_json(whole).filter(|whole| !whole.is_empty()) else { return };
        if let Some(call) = self.known_call(place, id)
            && let Some(rest) = call.came.rest(&whole)
        {
            call.came.add(rest);
            out(Piece::Arguments { index: call.index, fragment: rest });
        }
    }

    fn sources(&mut self, part: &Part<'_>, out: Out<'_>) {
        for raw in list(part.annotations) {
            self.source(&object(Some(raw)), out);
        }
    }

    fn source(&mut self, annotation: &Part<'_>, out: Out<'_>) {
        let Some(url) = word(annotation.url) else { return };
        if self.sources.len() >= SEEN_MAX || self.sources.iter().any(|known| *known == url) {
            return;
        }
        self.sources.push(url.clone().into_owned());
        let title = word(annotation.title);
        out(Piece::Source { url: &url, title: title.as_deref() });
    }

    fn file(&mut self, place: u64, item: &Item<'_>, out: Out<'_>) {
        let Some(data) = word(item.result) else { return };
        if data.starts_with("http") || self.files.contains(&place) || self.files.len() >= SEEN_MAX {
            return;
        }
        self.files.push(place);
        let format = word(item.output_format).unwrap_or_else(|| "png".into());
        out(Piece::File { media_type: &format!("image/{format}"), data: &data });
    }
}

/// Where the places of a final response begin.
const FINAL: u64 = 1 << 32;

fn usage(response: &Response<'_>, out: Out<'_>) {
    match response.usage.map_or(Report::Absent, |usage| read_usage(usage.get())) {
        Report::Absent => {}
        Report::Read(usage) => out(Piece::Usage(ReportedUsage::Read(usage))),
        Report::Unreadable => out(Piece::Usage(ReportedUsage::Unreadable)),
    }
}
