//! Where text stands in what a client gets, and rewriting it: every event of a stream and every
//! whole answer, in each client dialect.
//!
//! Knows no rule: what may pass is said by a `Scan`. Decides which strings belong together (a
//! channel: the text of one choice, the arguments of one call), gives what was held back before a
//! channel ends, and makes final copies of a text say what its pieces said.
//!
//! Fails closed: an event that cannot be read does not pass. Strings that nobody knows are looked
//! at, each on its own; those right beside a model's text are taken for a text that comes in
//! pieces. What is not looked at: ids and words of the protocol, seals and proofs, the bytes of
//! media, and a client's own settings where a response repeats them.

mod chat;
mod closing;
mod flush;
mod gemini;
mod messages;
mod place;
mod responses;
mod said;
mod template;
mod ui;
mod walk;

pub use place::{Channel, Flow, Kind, Scan};

use crate::chunk::Malformed;
use crate::client::ClientDialect;
use bytes::Bytes;
use flush::Last;
use said::Said;
use serde_json::Value;
use template::Template;
use walk::{Mode, Walk};

/// Channels of one answer. One that opens more is refused.
const CHANNELS_MAX: usize = 4_096;
/// Forms of events that are known by heart: several choices come in turn.
const TEMPLATES_MAX: usize = 8;

/// An event that may go out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Screened {
    /// Its name, where the dialect names events.
    pub event: Option<Bytes>,
    /// Its data.
    pub data: Bytes,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// The answer must end here. What was given out before it may pass.
    pub cut: bool,
    /// It had text, and all of it is held back or was taken out.
    pub emptied: bool,
    /// Some text passed: of it, or of what was held before it.
    pub said: bool,
}

impl Looked {
    const CUT: Self = Self { cut: true, emptied: false, said: false };
}

/// A channel that is open.
struct State {
    channel: Channel,
    /// The last event that had something of it, while some of that is held back.
    last: Option<Last>,
    /// Has the event in hand something of it?
    touched: bool,
    said: Said,
}

/// Screens one stream.
pub struct Screen {
    dialect: ClientDialect,
    templates: Vec<Template>,
    /// The template that matched last.
    favourite: usize,
    states: Vec<State>,
    /// Some channel holds something.
    holds: bool,
    /// Events that were put in, in a dialect that numbers its events.
    shift: u64,
    /// The number that the next event of the stream will have.
    next_number: u64,
    text: String,
    cut: bool,
}

impl Screen {
    /// For one stream of this dialect.
    #[must_use]
    pub fn new(dialect: ClientDialect) -> Self {
        Self {
            dialect,
            templates: Vec::new(),
            favourite: 0,
            states: Vec::new(),
            holds: false,
            shift: 0,
            next_number: 0,
            text: String::new(),
            cut: false,
        }
    }

    /// Another attempt goes on with the same answer: what was held back is not given out, and the
    /// events that come are numbered after those that went out.
    pub fn go_on(&mut self) {
        for state in &mut self.states {
            state.last = None;
            state.said.go_on();
        }
        self.holds = false;
        self.shift = 0;
        self.templates.clear();
    }

    /// Takes one event, and appends what may go out for it now: what was held before it, and the
    /// event itself, as it is where nothing in it changes. After a cut nothing is given.
    ///
    /// # Errors
    /// When it cannot be read: it must not pass.
    pub fn take(
        &mut self,
        event: Option<&Bytes>,
        data: &Bytes,
        scan: &mut dyn Scan,
        out: &mut Vec<Screened>,
    ) -> Result<Looked, Malformed> {
        if self.cut {
            return Ok(Looked::CUT);
        }
        // Names of events are words of the protocol; anything else there would be a text.
        let event = event.filter(|name| name.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'_' | b'.')));
        if let Some(looked) = self.by_heart(event, data, scan, out)? {
            return Ok(looked);
        }
        match data.trim_ascii() {
            b"" => {
                out.push(Screened { event: event.cloned(), data: data.clone() });
                return Ok(Looked::default());
            }
            b"[DONE]" => {
                let looked = self.end(scan, out);
                if !self.cut {
                    out.push(Screened { event: event.cloned(), data: data.clone() });
                }
                return Ok(looked);
            }
            // Imitators of Anthropic write what they like into a ping, which says nothing.
            text if !text.starts_with(b"{") && event.is_some_and(|name| &**name == b"ping") => {
                return Ok(Looked::default());
            }
            _ => {}
        }
        self.read(event, data, scan, out)
    }

    /// The answer is complete: appends what is held back of every channel.
    pub fn end(&mut self, scan: &mut dyn Scan, out: &mut Vec<Screened>) -> Looked {
        if self.cut {
            return Looked::CUT;
        }
        let number = self.next_number;
        let before = out.len();
        self.finish(|_| true, number, scan, out);
        Looked { cut: self.cut, emptied: false, said: out.len() > before }
    }

    /// Is something held back?
    #[must_use]
    pub const fn holds(&self) -> bool {
        self.holds
    }

    /// An event of a form that is known: everything but its text stands where it stood before.
    fn by_heart(
        &mut self,
        event: Option<&Bytes>,
        data: &Bytes,
        scan: &mut dyn Scan,
        out: &mut Vec<Screened>,
    ) -> Result<Option<Looked>, Malformed> {
        let count = self.templates.len();
        let favourite = self.favourite;
        let order = (0..count).map(|step| (favourite + step) % count);
        let Some((place, found)) =
            order.filter_map(|place| Some((place, self.templates.get(place)?.find(event, data)?))).next()
        else {
            return Ok(None);
        };
        self.favourite = place;
        let Some(template) = self.templates.get(place) else { return Ok(None) };
        let channel = template.channel;
        let Some(raw) = data.get(found.text.clone()) else { return Ok(None) };
        let text = walk::decoded(raw)?;
        if let Some(number) = found.number {
            self.next_number = self.next_number.max(number.saturating_add(1));
        }
        let mut passes = std::mem::take(&mut self.text);
        passes.clear();
        let flow = if text.is_empty() { Flow::Same } else { scan.push(channel, &text, &mut passes) };
        let mut looked = Looked::default();
        if flow == Flow::Same && self.shift == 0 {
            if self.holds || self.keeps_copies() {
                self.note(channel, &text, flow, &text, None)?;
            }
            looked.said = !text.is_empty();
            out.push(Screened { event: event.cloned(), data: data.clone() });
        } else {
            let shown = if flow == Flow::Same { &text } else { passes.as_str() };
            let path = template.path.clone();
            let written = template.write(data, &found, shown, self.shift);
            looked.emptied = !text.is_empty() && shown.is_empty();
            looked.said = !shown.is_empty();
            let last = Last { event: event.cloned(), data: data.clone(), path };
            if flow == Flow::Cut {
                self.cut = true;
                looked.cut = true;
                if !shown.is_empty() {
                    out.extend(last.event_of(shown, found.number.map(|number| number.saturating_add(self.shift))));
                }
            } else {
                self.note(channel, &text, flow, shown, Some(last))?;
                out.push(Screened { event: event.cloned(), data: Bytes::from(written) });
            }
        }
        self.text = passes;
        Ok(Some(looked))
    }

    /// An event of any form.
    fn read(
        &mut self,
        event: Option<&Bytes>,
        data: &Bytes,
        scan: &mut dyn Scan,
        out: &mut Vec<Screened>,
    ) -> Result<Looked, Malformed> {
        let mut value: Value = serde_json::from_slice(data).map_err(|error| walk::unreadable(&error))?;
        let number = value.get("sequence_number").and_then(Value::as_u64).unwrap_or(self.next_number);
        self.next_number = self.next_number.max(number.saturating_add(1));
        for state in &mut self.states {
            state.touched = false;
        }
        let before = out.len();
        let ends_first =
            matches!(self.dialect, ClientDialect::Responses | ClientDialect::Messages | ClientDialect::UiStream);
        let ends = self.ends(event, &value);
        if ends_first && self.holds {
            self.finish(|channel| ends.hits(channel), number, scan, out);
            if self.cut {
                return Ok(Looked::CUT);
            }
        }
        let mut walk = Walk::new(self, scan, Mode::Stream, event, data);
        walk.event(&mut value);
        let done = walk.done();
        if let Some(error) = done.error {
            return Err(error);
        }
        if let Some((path, passes)) = done.cut {
            self.cut = true;
            if !passes.is_empty() {
                let last = Last { event: event.cloned(), data: data.clone(), path };
                out.extend(last.event_of(&passes, Some(number.saturating_add(self.shift))));
            }
            return Ok(Looked::CUT);
        }
        let mut changed = done.changed;
        if !ends_first && self.holds {
            changed |= self.finish_into(&ends, &mut value, number, scan, out);
            if self.cut {
                return Ok(Looked::CUT);
            }
        }
        if self.shift > 0
            && let Some(own) = value.get_mut("sequence_number")
        {
            *own = Value::from(number.saturating_add(self.shift));
            changed = true;
        }
        // Of two members of one name a client may read the one that was not looked at.
        changed = changed || crate::json::check(data).is_err();
        if let (1, Some((channel, path)), false) = (done.texts, done.only, changed || ends.any())
            && let Some(template) = Template::of(event, data, channel, path)
        {
            if self.templates.len() == TEMPLATES_MAX {
                self.templates.remove(0);
            }
            self.templates.push(template);
            self.favourite = self.templates.len() - 1;
        }
        let passing = if changed { Bytes::from(value.to_string()) } else { data.clone() };
        out.push(Screened { event: event.cloned(), data: passing });
        Ok(Looked { cut: false, emptied: done.emptied && !ends.any(), said: done.said || out.len() > before + 1 })
    }

    /// Which channels end with this event.
    fn ends(&self, event: Option<&Bytes>, value: &Value) -> Ends {
        match self.dialect {
            ClientDialect::Chat | ClientDialect::Embeddings => chat::ends(value),
            ClientDialect::Responses => responses::ends(event, value),
            ClientDialect::Messages => messages::ends(event, value),
            ClientDialect::Gemini => gemini::ends(value),
            ClientDialect::UiStream => ui::ends(value),
        }
    }

    /// Does the dialect tell a text again when it is whole?
    const fn keeps_copies(&self) -> bool {
        matches!(self.dialect, ClientDialect::Responses | ClientDialect::UiStream)
    }

    /// Notes what came of a channel, and what of it passed.
    fn note(
        &mut self,
        channel: Channel,
        text: &str,
        flow: Flow,
        shown: &str,
        last: Option<Last>,
    ) -> Result<(), Malformed> {
        let copies = self.keeps_copies();
        let place = match self.states.iter().rposition(|state| state.channel == channel) {
            Some(place) => place,
            None if self.states.len() >= CHANNELS_MAX => {
                return Err(Malformed { detail: format!("an answer has more than {CHANNELS_MAX} texts") });
            }
            None => {
                self.states.push(State { channel, last: None, touched: false, said: Said::default() });
                self.states.len() - 1
            }
        };
        if let Some(state) = self.states.get_mut(place) {
            state.touched = true;
            state.last = if flow == Flow::Same { None } else { last };
            self.holds |= state.last.is_some();
            if copies {
                state.said.add(text, shown);
            }
        }
        Ok(())
    }

    /// Gives what is held of the channels that `hits` names, as events of their own.
    fn finish(&mut self, hits: impl Fn(&Channel) -> bool, number: u64, scan: &mut dyn Scan, out: &mut Vec<Screened>) {
        let copies = self.keeps_copies();
        let numbered = self.dialect == ClientDialect::Responses;
        for state in &mut self.states {
            if self.cut || !hits(&state.channel) {
                continue;
            }
            let Some(last) = state.last.take() else { continue };
            let mut rest = String::new();
            self.cut |= scan.finish(state.channel, &mut rest) == Flow::Cut;
            if rest.is_empty() {
                continue;
            }
            if copies {
                state.said.add("", &rest);
            }
            let own = numbered.then(|| number.saturating_add(self.shift));
            out.extend(last.event_of(&rest, own));
            if numbered {
                self.shift = self.shift.saturating_add(1);
            }
        }
        self.holds = self.states.iter().any(|state| state.last.is_some());
    }

    /// The same where one event has both the last text and the end: what is held is put behind the
    /// text that the event has.
    fn finish_into(
        &mut self,
        ends: &Ends,
        value: &mut Value,
        number: u64,
        scan: &mut dyn Scan,
        out: &mut Vec<Screened>,
    ) -> bool {
        let mut changed = false;
        for state in &mut self.states {
            if !state.touched || !ends.hits(&state.channel) {
                continue;
            }
            let Some(last) = state.last.take() else { continue };
            let mut rest = String::new();
            if scan.finish(state.channel, &mut rest) == Flow::Cut {
                self.cut = true;
                let begin = flush::at(value, &last.path).and_then(|text| text.as_str().map(str::to_owned));
                let passes = begin.unwrap_or_default() + &rest;
                if !passes.is_empty() {
                    out.extend(last.event_of(&passes, None));
                }
                return true;
            }
            if let Some(Value::String(text)) = flush::at(value, &last.path) {
                text.push_str(&rest);
                changed |= !rest.is_empty();
            }
        }
        self.finish(|channel| ends.hits(channel), number, scan, out);
        changed
    }
}

/// Screens an answer in one piece: gives it as it is where nothing in it changes, and none where it
/// must not pass.
///
/// # Errors
/// When it cannot be read: it must not pass.
pub fn whole(dialect: ClientDialect, body: &Bytes, scan: &mut dyn Scan) -> Result<Option<Bytes>, Malformed> {
    // Vectors say nothing.
    if dialect == ClientDialect::Embeddings {
        return Ok(Some(body.clone()));
    }
    let mut value: Value = serde_json::from_slice(body).map_err(|error| walk::unreadable(&error))?;
    if let Value::Array(events) = &value {
        return pieces(dialect, events, body, scan);
    }
    let mut screen = Screen::new(dialect);
    let mut walk = Walk::new(&mut screen, scan, Mode::Whole, None, body);
    walk.whole(&mut value);
    let done = walk.done();
    if let Some(error) = done.error {
        return Err(error);
    }
    if done.cut.is_some() {
        return Ok(None);
    }
    // Parts of one text may say a secret together: what was held behind them is put there now.
    let restored = screen.finish_into(&Ends::All, &mut value, 0, scan, &mut Vec::new());
    if screen.cut {
        return Ok(None);
    }
    let is_same = !(done.changed || restored) || serde_json::from_slice::<Value>(body).is_ok_and(|came| came == value);
    let is_clear = crate::json::check(body).is_ok();
    Ok(Some(if is_same && is_clear { body.clone() } else { Bytes::from(value.to_string()) }))
}

/// A whole answer that is the list of a stream's events.
fn pieces(
    dialect: ClientDialect,
    events: &[Value],
    body: &Bytes,
    scan: &mut dyn Scan,
) -> Result<Option<Bytes>, Malformed> {
    let mut screen = Screen::new(dialect);
    let mut out = Vec::new();
    let mut same = crate::json::check(body).is_ok();
    for event in events {
        let data = Bytes::from(event.to_string());
        let before = out.len();
        if screen.take(None, &data, scan, &mut out)?.cut {
            return Ok(None);
        }
        same &= out.len() == before + 1 && out.last().is_some_and(|screened| screened.data == data);
    }
    let before = out.len();
    if screen.end(scan, &mut out).cut {
        return Ok(None);
    }
    if same && out.len() == before {
        return Ok(Some(body.clone()));
    }
    let mut list = vec![b'['];
    for (place, event) in out.iter().enumerate() {
        if place > 0 {
            list.push(b',');
        }
        list.extend_from_slice(&event.data);
    }
    list.push(b']');
    Ok(Some(Bytes::from(list)))
}

/// The channels that end with an event.
enum Ends {
    None,
    All,
    /// Those of these choices, items or blocks.
    Of(Vec<u64>),
    /// Those of one part of an item.
    Part(u64, u64),
    /// One.
    One(Channel),
}

impl Ends {
    fn hits(&self, channel: &Channel) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Of(places) => places.contains(&channel.place),
            Self::Part(place, part) => channel.place == *place && channel.part == *part,
            Self::One(one) => one == channel,
        }
    }

    const fn any(&self) -> bool {
        !matches!(self, Self::None)
    }
}

/// A name as a number: parts of pages go by names.
fn number_of(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
