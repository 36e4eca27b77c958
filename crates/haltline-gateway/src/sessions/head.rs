//! The head of a session: what is shown of it in a list, and which of its requests are under way.

use haltline_ports::{Document, Shelf};
use haltline_types::{NanoUsd, RequestId, Timestamp};
use haltline_wire::canon::{Message, Part, Role};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::name::SessionName;

/// As much of the first words of the user is the title.
const TITLE_CHARS: usize = 80;
/// The most requests of a session that are remembered as being under way.
const OPEN_MAX: usize = 64;

/// The head. Members that are added later must have a default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Head {
    /// What the client calls the session.
    pub(crate) id: String,
    /// Milliseconds since 1970, as all times here.
    pub(crate) created: i64,
    pub(crate) changed: i64,
    pub(crate) title: Option<String>,
    pub(crate) messages: u64,
    /// Requests that were held.
    pub(crate) requests: u64,
    /// Nanodollars.
    pub(crate) cost: i64,
    pub(crate) model: String,
    pub(crate) surface: String,
    /// Under which id it is listed.
    pub(crate) place: String,
    /// Under which it was listed before: removed after the next write at the latest.
    pub(crate) place_before: Option<String>,
    pub(crate) open: Vec<Open>,
    /// Messages that were dropped from its begin.
    pub(crate) dropped: u64,
    /// Messages that are no part of the thread any more.
    pub(crate) replaced: u64,
    /// Requests whose answers nobody knows: a process died under them.
    pub(crate) lost: u64,
    /// Turns could not be kept, because more came than could be written.
    pub(crate) gaps: u64,
    /// Is what was said kept?
    pub(crate) content: bool,
}

/// A request that is under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Open {
    pub(crate) request: String,
    /// Which process made it.
    pub(crate) process: u64,
    /// The message that its answer follows.
    pub(crate) after: Option<u64>,
}

impl Head {
    pub(crate) fn new(name: &SessionName, at: Timestamp, content: bool) -> Self {
        Self { id: name.id.clone(), created: at.as_millis(), content, ..Self::default() }
    }

    pub(crate) fn read(document: &Document) -> Option<Self> {
        serde_json::from_slice(&document.body).ok()
    }

    /// A request comes under way. Those of another process that nobody closed are lost.
    pub(crate) fn begin(&mut self, request: RequestId, process: u64, after: Option<u64>) {
        let before = self.open.len();
        self.open.retain(|open| open.process == process);
        while self.open.len() >= OPEN_MAX {
            self.open.remove(0);
        }
        self.lost += u64::try_from(before - self.open.len()).unwrap_or(0);
        self.open.push(Open { request: request.to_string(), process, after });
        self.requests += 1;
    }

    /// A request that a process before has begun is gone on with by this one. `false` when it is not
    /// known as one that is under way.
    pub(crate) fn take_over(&mut self, request: RequestId, process: u64) -> bool {
        let id = request.to_string();
        let open = self.open.iter_mut().find(|open| open.request == id);
        open.map(|open| open.process = process).is_some()
    }

    /// A request ends. `None` when it is not known.
    pub(crate) fn end(&mut self, request: RequestId) -> Option<Open> {
        let id = request.to_string();
        let at = self.open.iter().position(|open| open.request == id)?;
        Some(self.open.remove(at))
    }

    /// The head as a document that is listed at a new place, and the document of that place.
    pub(crate) fn documents(&mut self, name: &SessionName, at: Timestamp, until: Timestamp) -> [Document; 2] {
        self.changed = at.as_millis();
        let place = name.place(self.changed);
        if place != self.place {
            self.place_before = Some(std::mem::replace(&mut self.place, place)).filter(|place| !place.is_empty());
        }
        let document = |id: String, body: Vec<u8>| Document {
            shelf: Shelf::Session,
            id,
            owner: Some(name.owner.clone()),
            labels: Vec::new(),
            changed: at,
            expires: Some(until),
            body: body.into(),
        };
        let body = serde_json::to_vec(self).unwrap_or_default();
        [document(name.key().to_owned(), body), document(self.place.clone(), name.key().as_bytes().to_vec())]
    }

    /// As its owner sees it.
    pub(crate) fn shown(&self, process: u64) -> Value {
        let lost = self.open.iter().filter(|open| open.process != process).count();
        let under_way: Vec<&str> =
            self.open.iter().filter(|open| open.process == process).map(|open| open.request.as_str()).collect();
        json!({
            "object": "session",
            "id": self.id,
            "created_at": Timestamp::from_millis(self.created).to_string(),
            "changed_at": Timestamp::from_millis(self.changed).to_string(),
            "title": self.title,
            "messages": self.messages,
            "requests": self.requests,
            "under_way": under_way,
            "total_cost": NanoUsd::new(self.cost).to_decimal(),
            "model": self.model,
            "surface": self.surface,
            "messages_dropped": self.dropped,
            "messages_replaced": self.replaced,
            "requests_lost": self.lost + u64::try_from(lost).unwrap_or(0),
            "gaps": self.gaps,
            "content_kept": self.content,
        })
    }
}

/// The beginning of what the user says first.
pub(crate) fn title(turns: &[Message]) -> Option<String> {
    let words = turns.iter().filter(|turn| turn.role == Role::User).find_map(|turn| {
        let text = turn.parts.iter().find_map(|part| match part {
            Part::Text(text) => Some(text.text.trim()),
            _ => None,
        });
        text.filter(|text| !text.is_empty())
    })?;
    let line: String = words.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut title: String = line.chars().take(TITLE_CHARS).collect();
    if title.len() < line.len() {
        title.push('…');
    }
    Some(title)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_the_first_words_of_the_user_on_one_line() {
        let turn = |role, text: &str| Message { role, name: None, parts: vec![Part::text(text.to_owned())] };
        let turns = [turn(Role::Assistant, "no"), turn(Role::User, "  "), turn(Role::User, " how\n is  it? ")];
        assert_eq!(title(&turns).as_deref(), Some("how is it?"));
        let long = title(&[turn(Role::User, &"ä".repeat(200))]).expect("a title");
        assert_eq!(long.chars().count(), TITLE_CHARS + 1);
        assert_eq!(title(&[]), None);
    }

    #[test]
    fn what_another_process_left_open_is_lost() {
        let mut head = Head::default();
        head.begin(RequestId::from_u128(1), 7, None);
        head.begin(RequestId::from_u128(2), 7, Some(4));
        assert_eq!(head.end(RequestId::from_u128(1)).map(|open| open.after), Some(None));
        assert_eq!(head.shown(8)["requests_lost"], 1, "seen from the next process");
        head.begin(RequestId::from_u128(3), 8, None);
        assert_eq!((head.lost, head.requests, head.open.len()), (1, 3, 1));
        assert_eq!(head.end(RequestId::from_u128(2)), None);
    }
}
