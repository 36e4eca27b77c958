//! Screen output: nothing of an answer leaves the line, is kept or is remembered before it was
//! looked at. Not a stop of its own: `relay` hands every event and every whole answer through here.
//!
//! What is held back when a stream breaks is not sent: it may be half a secret. The attempt that
//! goes on with the answer knows what was shown, and the filters know what was held, so that a secret
//! that two attempts say together is found, too.

use crate::deliver::Outlet;
use crate::gateway::{Gateway, Live};
use crate::guard::settings::{Mode, ReviewQueue};
use crate::guard::{CaseFinding, Found, Guarding, Matter, Verdict, case_id, case_material};
use crate::line::accept::Request;
use crate::line::continued::Rest;
use crate::line::trip::Trip;
use crate::metrics::GuardTimeLabels;
use crate::problem::Problem;
use crate::streams::assembled;
use bytes::{Bytes, BytesMut};
use haltline_guard::Category;
use haltline_guard::output::{Action, ArgumentsFilter, Channel as Place, Filter, Hit, OutputRules, Pass, PromptPrint};
use haltline_ports::{Direction, Owner, What};
use haltline_types::{Code, Fault, FaultKind, Name, Origin};
use haltline_wire::assemble::{Assemble, answer_assembler};
use haltline_wire::chunk::Malformed;
use haltline_wire::client::ClientDialect;
use haltline_wire::openai::responses::StoredResponse;
use haltline_wire::screen::{Channel, Flow, Kind, Looked, Scan, Screen, Screened, whole};
use haltline_wire::spoken::{By, Extent, Spoken, spoken};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// As much of what was shown is looked at again before an answer goes on: more than any secret's
/// beginning.
const CONTEXT_BYTES: usize = 256;
/// Findings of one answer that are told apart.
const HITS_MAX: usize = 256;

/// The way of one answer past the rules.
pub(crate) struct Screening {
    screen: Screen,
    scanner: Scanner,
    /// Since when something is held back.
    held_since: Option<Instant>,
    held_longest: Duration,
    /// What went out, where streams are not kept: a cut must be closed.
    memory: Option<Mutex<Box<dyn Assemble>>>,
}

impl Screening {
    /// For an answer in this dialect; none where nothing is looked for.
    fn new(
        dialect: ClientDialect,
        rules: &OutputRules,
        print: Option<Arc<PromptPrint>>,
        is_kept: bool,
    ) -> Option<Box<Self>> {
        if rules.is_empty() && print.is_none() {
            return None;
        }
        Some(Box::new(Self {
            screen: Screen::new(dialect),
            scanner: Scanner {
                rules: rules.clone(),
                print,
                filters: Vec::new(),
                context: String::new(),
                hits: Vec::new(),
            },
            held_since: None,
            held_longest: Duration::ZERO,
            memory: (!is_kept).then(|| Mutex::new(answer_assembler(dialect))),
        }))
    }

    /// An event of the stream, and what may go out for it now.
    pub(crate) fn take(
        &mut self,
        event: Option<&Bytes>,
        data: &Bytes,
        out: &mut Vec<Screened>,
    ) -> Result<Looked, Malformed> {
        let before = out.len();
        let looked = self.screen.take(event, data, &mut self.scanner, out);
        self.note_time();
        if let Some(memory) = &mut self.memory {
            for screened in out.iter().skip(before) {
                let name = screened.event.as_deref().and_then(|name| std::str::from_utf8(name).ok());
                memory.get_mut().take(name, &screened.data);
            }
        }
        looked
    }

    /// The answer is complete: what was held back.
    pub(crate) fn end(&mut self, out: &mut Vec<Screened>) -> Looked {
        let looked = self.screen.end(&mut self.scanner, out);
        self.note_time();
        looked
    }

    /// Another attempt goes on behind `shown`.
    fn go_on(&mut self, shown: &str) {
        self.screen.go_on();
        self.held_since = None;
        self.scanner.go_on(shown);
    }

    /// A clock is looked at only when holding begins or ends.
    fn note_time(&mut self) {
        match (self.screen.holds(), self.held_since) {
            (true, None) => self.held_since = Some(Instant::now()),
            (false, Some(since)) => {
                self.held_longest = self.held_longest.max(since.elapsed());
                self.held_since = None;
            }
            _ => {}
        }
    }

    /// Moves what was found to the request's notebook.
    pub(crate) fn report(&mut self, guarding: &mut Guarding) {
        guarding.looked = true;
        guarding.held_back = guarding.held_back.max(self.held_longest);
        for (channel, hit) in self.scanner.hits.drain(..) {
            guarding.note(found(channel, &hit));
        }
    }
}

fn found(channel: Channel, hit: &Hit) -> Found {
    let kind = match channel.kind {
        Kind::Text => "text",
        Kind::Reasoning => "reasoning",
        Kind::Refusal => "refusal",
        Kind::Arguments | Kind::Value => "arguments",
        Kind::Other => "other",
    };
    // Pages go by names, which are no places.
    let place =
        if channel.place < 1_000 { format!("output[{}].{kind}", channel.place) } else { format!("output.{kind}") };
    Found {
        rule: Name::new(&hit.rule),
        category: hit.category,
        direction: Direction::Output,
        verdict: match hit.action {
            Action::Flag => Verdict::Flagged,
            Action::Redact => Verdict::Redacted,
            Action::Cut => Verdict::Blocked,
        },
        place,
        bytes: hit.length,
        times: 1,
    }
}

/// Asks the rules, channel by channel.
struct Scanner {
    rules: OutputRules,
    /// The system prompt, where an answer must not repeat it.
    print: Option<Arc<PromptPrint>>,
    filters: Vec<Open>,
    /// What the client has of an answer that an earlier process has begun.
    context: String,
    hits: Vec<(Channel, Hit)>,
}

/// A channel that is open.
struct Open {
    channel: Channel,
    filter: AnyFilter,
    /// What came since nothing was held: what is held stands at its end.
    recent: String,
    /// What is held of an attempt before: it was not shown, and is not shown now.
    forgotten: String,
}

enum AnyFilter {
    Text(Box<Filter>),
    Json(Box<ArgumentsFilter>),
}

impl AnyFilter {
    fn of(rules: &OutputRules, kind: Kind, print: Option<&Arc<PromptPrint>>) -> Self {
        match (place_of(kind), print) {
            (Some(place @ (Place::Text | Place::Reasoning)), Some(print)) => {
                Self::Text(Box::new(rules.filter_beside(place, print)))
            }
            (Some(place), _) => Self::Text(Box::new(rules.filter(place))),
            (None, _) => Self::Json(Box::new(rules.arguments())),
        }
    }

    fn push(&mut self, rules: &OutputRules, text: &str, out: &mut String, hits: &mut Vec<Hit>) -> Pass {
        match self {
            Self::Text(filter) => filter.push(rules, text, out, hits),
            Self::Json(filter) => filter.push(rules, text, out, hits),
        }
    }

    fn finish(&mut self, rules: &OutputRules, out: &mut String, hits: &mut Vec<Hit>) -> Pass {
        match self {
            Self::Text(filter) => filter.finish(rules, out, hits),
            Self::Json(filter) => filter.finish(rules, out, hits),
        }
    }

    fn held(&self) -> usize {
        match self {
            Self::Text(filter) => filter.held(),
            Self::Json(filter) => filter.held(),
        }
    }
}

/// What the rules call it; none for JSON, which has a filter of its own.
const fn place_of(kind: Kind) -> Option<Place> {
    match kind {
        Kind::Text | Kind::Other => Some(Place::Text),
        Kind::Reasoning => Some(Place::Reasoning),
        Kind::Refusal => Some(Place::Refusal),
        Kind::Value => Some(Place::Arguments),
        Kind::Arguments => None,
    }
}

const fn flow(pass: Pass) -> Flow {
    match pass {
        Pass::Unchanged => Flow::Same,
        Pass::Changed => Flow::Changed,
        Pass::Cut => Flow::Cut,
    }
}

impl Scanner {
    fn go_on(&mut self, shown: &str) {
        let mut from = shown.len().saturating_sub(CONTEXT_BYTES);
        while !shown.is_char_boundary(from) {
            from += 1;
        }
        shown.get(from..).unwrap_or_default().clone_into(&mut self.context);
        for open in &mut self.filters {
            open.forget_held();
        }
    }

    fn open(&mut self, channel: Channel) -> usize {
        if let Some(place) = self.filters.iter().rposition(|open| open.channel == channel) {
            return place;
        }
        let mut open = Open {
            channel,
            filter: AnyFilter::of(&self.rules, channel.kind, self.print.as_ref()),
            recent: String::new(),
            forgotten: String::new(),
        };
        if channel.kind == Kind::Text && !self.context.is_empty() {
            let context = std::mem::take(&mut self.context);
            // What is found in it was found when it was shown.
            open.push(&self.rules, &context, &mut String::new(), &mut Vec::new());
            open.forget_held();
        }
        self.filters.push(open);
        self.filters.len() - 1
    }

    fn note(&mut self, channel: Channel, hits: Vec<Hit>) {
        if !channel.echo {
            let room = HITS_MAX.saturating_sub(self.hits.len());
            self.hits.extend(hits.into_iter().take(room).map(|hit| (channel, hit)));
        }
    }

    /// A text that stands alone.
    fn alone(&mut self, channel: Channel, text: &str, out: &mut String, is_whole: bool) -> Flow {
        let mut hits = Vec::new();
        let mut filter = AnyFilter::of(&self.rules, channel.kind, self.print.as_ref());
        let first = filter.push(&self.rules, text, out, &mut hits);
        let last = if is_whole && first == Pass::Changed { filter.finish(&self.rules, out, &mut hits) } else { first };
        self.note(channel, hits);
        match (first, last) {
            (Pass::Cut, _) | (_, Pass::Cut) => Flow::Cut,
            (Pass::Unchanged, _) => Flow::Same,
            _ if out == text => Flow::Same,
            _ => Flow::Changed,
        }
    }
}

impl Open {
    fn push(&mut self, rules: &OutputRules, text: &str, out: &mut String, hits: &mut Vec<Hit>) -> Flow {
        let before = out.len();
        let pass = self.filter.push(rules, text, out, hits);
        if pass == Pass::Unchanged {
            self.recent.clear();
            return Flow::Same;
        }
        self.remember(text);
        self.without_forgotten(before, out);
        flow(pass)
    }

    fn finish(&mut self, rules: &OutputRules, out: &mut String, hits: &mut Vec<Hit>) -> Flow {
        let before = out.len();
        let pass = self.filter.finish(rules, out, hits);
        self.recent.clear();
        self.without_forgotten(before, out);
        flow(pass)
    }

    /// Keeps what is held, as text.
    fn remember(&mut self, text: &str) {
        self.recent.push_str(text);
        let mut from = self.recent.len().saturating_sub(self.filter.held());
        while !self.recent.is_char_boundary(from) {
            from += 1;
        }
        self.recent.drain(..from);
    }

    /// What is held now is not to be shown when it passes.
    fn forget_held(&mut self) {
        self.forgotten.clone_from(&self.recent);
    }

    /// Leaves out of what passes what was forgotten. Where something else passes instead, it is the
    /// rest of what was found.
    fn without_forgotten(&mut self, before: usize, out: &mut String) {
        if self.forgotten.is_empty() {
            return;
        }
        let passes = out.get(before..).unwrap_or_default();
        if passes.is_empty() {
            return;
        }
        if passes.starts_with(&self.forgotten) {
            let end = before.saturating_add(self.forgotten.len());
            out.replace_range(before..end, "");
            self.forgotten.clear();
        } else if self.forgotten.starts_with(passes) {
            self.forgotten.drain(..passes.len());
            out.truncate(before);
        } else {
            self.forgotten.clear();
        }
    }
}

impl Scan for Scanner {
    fn push(&mut self, channel: Channel, text: &str, out: &mut String) -> Flow {
        let place = self.open(channel);
        let mut hits = Vec::new();
        let Some(open) = self.filters.get_mut(place) else { return Flow::Cut };
        let flow = open.push(&self.rules, text, out, &mut hits);
        if !hits.is_empty() {
            self.note(channel, hits);
        }
        flow
    }

    fn finish(&mut self, channel: Channel, out: &mut String) -> Flow {
        let Some(open) = self.filters.iter_mut().rev().find(|open| open.channel == channel) else { return Flow::Same };
        let mut hits = Vec::new();
        let flow = open.finish(&self.rules, out, &mut hits);
        self.note(channel, hits);
        flow
    }

    fn whole(&mut self, channel: Channel, text: &str, out: &mut String) -> Flow {
        self.alone(channel, text, out, true)
    }

    fn begun(&mut self, channel: Channel, text: &str, out: &mut String) -> Flow {
        self.alone(channel, text, out, false)
    }
}

/// Readies the screening of the next attempt: the answer begins anew, or goes on.
pub(super) fn begin(live: &Live, whole: &Request, rest: Option<&Rest>, trip: &mut Trip) {
    let rules = live.settings.guard.output.rules(whole.strict);
    let anew = || Screening::new(whole.asked.dialect(), rules, print_of(live, whole), live.settings.streams.kept);
    trip.screening = match (trip.screening.take(), rest) {
        (Some(mut known), Some(rest)) => {
            known.go_on(rest.from.text());
            Some(known)
        }
        (None, Some(rest)) => anew().map(|mut screening| {
            screening.go_on(rest.from.text());
            screening
        }),
        (known, None) => {
            // What was found is told, though nobody has seen it.
            if let Some(mut known) = known {
                known.report(&mut trip.guard);
            }
            anew()
        }
    };
    trip.guard.looked |= trip.screening.is_some();
}

/// The system prompt of a request, where an answer must not repeat it. What others have said in it
/// may be repeated.
fn print_of(live: &Live, whole: &Request) -> Option<Arc<PromptPrint>> {
    if live.settings.guard.output.settings.prompt_leak == Mode::Off {
        return None;
    }
    let texts = spoken(whole.asked.dialect(), whole.asked.material(), Extent::All, false);
    let (system, others): (Vec<&Spoken>, Vec<&Spoken>) = texts.iter().partition(|text| text.by == By::System);
    let prompt: Vec<&str> = system.iter().map(|text| text.text.as_str()).collect();
    let print = PromptPrint::new(&prompt.join("\n"), others.iter().map(|text| text.text.as_str()));
    (!print.is_empty()).then(|| Arc::new(print))
}

/// An answer in one piece, as it may go out.
pub(super) fn in_one_piece(trip: &mut Trip, dialect: ClientDialect, body: Bytes) -> Result<Bytes, Fault> {
    let Some(screening) = &mut trip.screening else { return Ok(body) };
    let looked = whole(dialect, &body, &mut screening.scanner);
    screening.report(&mut trip.guard);
    match looked {
        Ok(Some(body)) => Ok(body),
        Ok(None) => Err(forbidden()),
        Err(error) => Err(malformed(&error)),
    }
}

/// Tells what was found in the answer so far, once.
pub(super) fn tell(trip: &mut Trip) {
    let before = trip.guard.output;
    if let Some(screening) = &mut trip.screening {
        screening.report(&mut trip.guard);
    }
    if trip.guard.output > before
        && let Some(step) = trip.guard.step(Direction::Output)
    {
        trip.step(What::Guarded(Box::new(step)));
    }
}

pub(super) fn malformed(error: &Malformed) -> Fault {
    Fault::new(FaultKind::Malformed, Origin::Provider, error.to_string())
}

/// The answer must end: nothing of it is asked for again, here or elsewhere, and nobody's health
/// suffers. What it has cost is not known before the provider says so.
pub(super) fn forbidden() -> Fault {
    let mut fault = Fault::new(FaultKind::ContentPolicy, Origin::Gateway, "a guard has found what must not be said");
    fault.fallback = false;
    fault
}

/// Was the answer ended here?
pub(super) fn is_forbidden(fault: &Fault) -> bool {
    fault.kind == FaultKind::ContentPolicy && fault.origin == Origin::Gateway
}

/// Ends an answer that must not go on. A client that has some of it is told in its dialect that
/// content was filtered, before it is told the problem.
pub(super) async fn close(gateway: &Gateway, request: &Request, trip: &mut Trip, outlet: &mut Outlet) -> Problem {
    let what = if outlet.has_begun() { "The rest of this answer" } else { "This answer" };
    let mut problem = Problem::new(
        Code::ContentBlocked,
        format!("{what} is withheld by the policy of this gateway. Ask for something else."),
    );
    problem.spent = trip.spent;
    let memory = trip.screening.as_mut().and_then(|screening| screening.memory.take());
    // Of a stream that the store has lost a part of, nobody knows how it stands.
    if outlet.is_open() && (outlet.is_kept() || memory.is_some() || !outlet.has_begun()) {
        let surface = outlet.live().surface;
        let assembler = match memory {
            Some(memory) if !outlet.is_kept() => Ok(memory.into_inner()),
            _ => assembled(gateway.streams.as_ref(), request.asked.dialect(), surface, trip.id).await,
        };
        match assembler {
            Ok(assembler) => {
                let frames = request.asked.cut_frames(&trip.shown(), &assembler.resumption());
                let mut out = BytesMut::new();
                for frame in &frames {
                    outlet.event(&mut out, frame.event, &frame.data);
                }
                outlet.publish(out.freeze());
                let last = frames.last().and_then(|frame| StoredResponse::of_event(&frame.data));
                if let (Some(response), Some(keeping)) = (last, trip.keeping.take()) {
                    let id = response.id().to_owned();
                    gateway.keep(keeping, &response.clone(), response.under_id(&id)).await;
                }
            }
            Err(error) => tracing::error!(request = %trip.id, %error, "the end of a withheld answer cannot be written"),
        }
    }
    problem
}

/// Counts what was found in an answer, and writes a case where something followed. Of the answer
/// nothing is kept but where it was: what was found must not be found again in the queue.
pub(super) async fn review(gateway: &Gateway, trip: &Trip) {
    if trip.guard.held_back > Duration::ZERO {
        let labels = GuardTimeLabels { what: "held_back" };
        gateway.metrics.guard_time.get_or_create(&labels).observe(trip.guard.held_back.as_secs_f64());
    }
    let found: Vec<Found> =
        trip.guard.found.iter().filter(|found| found.direction == Direction::Output).cloned().collect();
    // What services say was counted when they said it.
    for one in found.iter().filter(|found| found.category != Category::External) {
        gateway.metrics.note_guard(one);
    }
    if trip.guard.output < Verdict::Flagged || found.iter().all(|one| one.verdict < Verdict::Flagged) {
        return;
    }
    let Some(key) = trip.subjects.key.clone() else { return };
    let owner = Owner { key, user: trip.subjects.user.clone() };
    let said: Vec<String> = found
        .iter()
        .map(|one| {
            format!("{} ({}) in {}, {} bytes, {}", one.rule, one.category, one.place, one.bytes, one.verdict.word())
        })
        .collect();
    let text = format!("of the answer to {}: {}", trip.id, said.join("; "));
    let findings = found.iter().map(|one| CaseFinding {
        rule: one.rule.to_string(),
        category: one.category.word().to_owned(),
        place: one.place.clone(),
        span: None,
        points: 0,
        view: "plain".to_owned(),
    });
    let live = gateway.live.load_full();
    let id = case_id(&gateway.keys.hash(&case_material(&owner, Direction::Output.word(), &text)));
    let matter = Matter {
        owner: &owner,
        session: trip.subjects.session.as_ref(),
        model: &trip.model,
        request: trip.id.to_string(),
        found: &found,
        findings: findings.collect(),
        rules_version: live.settings.guard.output.rules(false).version(),
        text: &text,
        now: gateway.clock.now(),
    };
    let settings = ReviewQueue { raw: false, ..live.settings.guard.review };
    gateway.cases.note(id, matter, &text, settings).await;
}

/// What a client is told in the last remark of a stream; none where nothing followed.
pub(super) fn remark(trip: &Trip) -> Option<&'static str> {
    (trip.guard.output >= Verdict::Flagged).then(|| trip.guard.verdict().told())
}

/// What a page shows people of it.
pub(super) const fn for_people(verdict: Verdict) -> Option<&'static str> {
    match verdict {
        Verdict::Redacted => {
            Some("Parts of this answer were taken out: they look like credentials or confidential data.")
        }
        Verdict::Flagged => Some("This answer was flagged by the policy of this gateway."),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
