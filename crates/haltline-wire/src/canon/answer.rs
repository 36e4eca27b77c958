//! A whole answer: what its events add up to.

use super::{Call, Event, Part, ReportedUsage};
use crate::Finish;
use haltline_types::Usage;

/// A whole answer.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Answer {
    /// The provider's id of it.
    pub id: String,
    /// The model that answered.
    pub model: String,
    /// What it said: text, reasoning, refusals and calls, in order; files as images.
    pub parts: Vec<Part>,
    /// Sources: address and title.
    pub sources: Vec<(String, Option<String>)>,
    /// Why it stopped; `None` when nobody said.
    pub finish: Option<Finish>,
    /// The stop sequence that was met.
    pub stop_sequence: Option<String>,
    /// The provider's count; `None` also when it cannot be relied on.
    pub usage: Option<Usage>,
    /// A usage report came and cannot be relied on.
    pub usage_unreadable: bool,
    /// The protocol said that it is complete.
    pub done: bool,
}

impl Answer {
    /// Adds up events. Failures are for the caller: they are left out here.
    #[must_use]
    pub fn of(events: impl IntoIterator<Item = Event>) -> Self {
        let mut sum = Sum::default();
        for event in events {
            sum.add(event);
        }
        sum.answer
    }

    /// All text, joined.
    #[must_use]
    pub fn text(&self) -> String {
        self.joined(|part| if let Part::Text(text) = part { Some(&text.text) } else { None })
    }

    /// All visible reasoning, joined.
    #[must_use]
    pub fn reasoning(&self) -> String {
        self.joined(|part| if let Part::Reasoning { text, .. } = part { Some(text) } else { None })
    }

    /// All refusals, joined.
    #[must_use]
    pub fn refusal(&self) -> String {
        self.joined(|part| if let Part::Refusal(text) = part { Some(text) } else { None })
    }

    /// The calls, in order.
    pub fn calls(&self) -> impl Iterator<Item = &Call> {
        self.parts.iter().filter_map(|part| if let Part::Call(call) = part { Some(call) } else { None })
    }

    /// The events that add up to it, each block in one piece.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        let mut events = vec![Event::Started { id: self.id.clone(), model: self.model.clone() }];
        let mut calls = 0;
        for part in &self.parts {
            part_events(part, &mut calls, &mut events);
        }
        let sources = self.sources.iter();
        events.extend(sources.map(|(url, title)| Event::Source { url: url.clone(), title: title.clone() }));
        if let Some(reason) = self.finish {
            events.push(Event::Finished { reason, stop_sequence: self.stop_sequence.clone() });
        }
        if let Some(usage) = self.usage {
            events.push(Event::Usage(ReportedUsage::Read(usage)));
        } else if self.usage_unreadable {
            events.push(Event::Usage(ReportedUsage::Unreadable));
        }
        if self.done {
            events.push(Event::Done);
        }
        events
    }

    fn joined<'a>(&'a self, pick: impl Fn(&'a Part) -> Option<&'a String>) -> String {
        self.parts.iter().filter_map(pick).map(String::as_str).collect()
    }
}

fn part_events(part: &Part, calls: &mut u32, events: &mut Vec<Event>) {
    match part {
        Part::Text(text) => events.push(Event::Text(text.text.clone())),
        Part::Refusal(text) => events.push(Event::Refusal(text.clone())),
        Part::Reasoning { text, signature, redacted, .. } => {
            if let Some(data) = redacted {
                events.push(Event::RedactedReasoning(data.clone()));
            } else {
                events.push(Event::Reasoning(text.clone()));
            }
            events.extend(signature.clone().map(Event::ReasoningSignature));
        }
        Part::Call(call) => {
            let (index, id, name) = (*calls, call.id.clone(), call.name.clone());
            events.push(Event::Call { index, id, name, signature: call.signature.clone() });
            if !call.arguments.is_empty() {
                events.push(Event::Arguments { index, fragment: call.arguments.clone() });
            }
            *calls += 1;
        }
        Part::Image(media) | Part::Document(media) | Part::Audio(media) => {
            if let super::MediaSource::Base64 { media_type, data } = &media.source {
                events.push(Event::File { media_type: media_type.clone(), data: data.clone() });
            }
        }
        Part::Result(_) => {}
    }
}

/// An answer that grows event by event.
#[derive(Debug, Default)]
pub(crate) struct Sum {
    pub(crate) answer: Answer,
    /// Where each call stands among the parts: its index on the wire and its place.
    calls: Vec<(u32, usize)>,
}

impl Sum {
    /// Adds an event. Failures are for the caller: they are left out here.
    pub(crate) fn add(&mut self, event: Event) {
        let answer = &mut self.answer;
        match event {
            Event::Started { id, model } => {
                answer.id = id;
                answer.model = model;
            }
            Event::Text(more) => match answer.parts.last_mut() {
                Some(Part::Text(text)) => text.text.push_str(&more),
                _ => answer.parts.push(Part::text(more)),
            },
            Event::Reasoning(more) => match answer.parts.last_mut() {
                Some(Part::Reasoning { text, signature: None, redacted: None, .. }) => text.push_str(&more),
                _ => answer.parts.push(reasoning(more, None, None)),
            },
            Event::ReasoningSignature(more) => match answer.parts.last_mut() {
                Some(Part::Reasoning { signature, redacted: None, .. }) => match signature {
                    Some(known) => known.push_str(&more),
                    None => *signature = Some(more),
                },
                _ => answer.parts.push(reasoning(String::new(), Some(more), None)),
            },
            Event::RedactedReasoning(data) => answer.parts.push(reasoning(String::new(), None, Some(data))),
            Event::Refusal(more) => match answer.parts.last_mut() {
                Some(Part::Refusal(text)) => text.push_str(&more),
                _ => answer.parts.push(Part::Refusal(more)),
            },
            Event::Call { index, id, name, signature } => {
                self.calls.push((index, answer.parts.len()));
                let call = Call { id, name, arguments: String::new(), signature, cache: None };
                answer.parts.push(Part::Call(call));
            }
            Event::Arguments { index, fragment } => {
                let place = self.calls.iter().rev().find(|(known, _)| *known == index).map(|(_, place)| *place);
                if let Some(Part::Call(call)) = place.and_then(|place| answer.parts.get_mut(place)) {
                    call.arguments.push_str(&fragment);
                }
            }
            Event::Source { url, title } => answer.sources.push((url, title)),
            Event::File { media_type, data } => {
                let source = super::MediaSource::Base64 { media_type, data };
                answer.parts.push(Part::Image(super::Media { source, detail: None, name: None, cache: None }));
            }
            Event::Usage(ReportedUsage::Read(usage)) => {
                answer.usage = Some(usage);
                answer.usage_unreadable = false;
            }
            Event::Usage(ReportedUsage::Unreadable) => {
                answer.usage = None;
                answer.usage_unreadable = true;
            }
            Event::Finished { reason, stop_sequence } => {
                answer.finish = answer.finish.or(Some(reason));
                answer.stop_sequence = answer.stop_sequence.take().or(stop_sequence);
            }
            Event::Done => answer.done = true,
            Event::Failed(_) => {}
        }
    }
}

fn reasoning(text: String, signature: Option<String>, redacted: Option<String>) -> Part {
    Part::Reasoning { text, signature, redacted, id: None }
}
