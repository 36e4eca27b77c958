//! Not a stage of the line: what external guard services think of the texts of a request before it
//! is held for, and of its answer once that is out. A service that has no opinion is a verdict of its
//! own, never a passed one.

use crate::deliver::Outlet;
use crate::gateway::Gateway;
use crate::guard::settings::{Mode, OnError};
use crate::guard::{Asker, Consultation, Consulted, Found, Verdict};
use crate::line::accept::Request;
use crate::line::trip::Trip;
use crate::problem::Problem;
use crate::streams::{Opened, assembled};
use haltline_guard::Category;
use haltline_ports::{Direction, GuardAsk, GuardText, Speaker, What};
use haltline_types::{Code, Name};
use haltline_wire::assemble::whole_answer;
use haltline_wire::spoken::{By, Spoken};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What services object to.
pub(super) struct Objection {
    /// What follows.
    pub(super) verdict: Verdict,
    /// Who objects, and by which words.
    pub(super) found: Vec<Found>,
}

/// Asks about the texts of a request. `flagged`: have local rules flagged any of them?
///
/// # Errors
/// When a service that must not be missing has no opinion.
pub(super) async fn about_input(
    gateway: &Arc<Gateway>,
    request: &Request,
    trip: &mut Trip,
    texts: &[&Spoken],
    flagged: bool,
) -> Result<Option<Objection>, Problem> {
    if texts.is_empty() || !gateway.consults(Direction::Input) {
        return Ok(None);
    }
    let texts = texts.iter().map(|text| GuardText {
        speaker: speaker(text.by),
        place: text.place.clone(),
        text: text.text.clone(),
    });
    let ask = GuardAsk {
        request: trip.id,
        direction: Direction::Input,
        model: request.model.clone(),
        texts: texts.collect(),
    };
    let began = Instant::now();
    let all = asked(gateway, request, trip, &ask, flagged).await;
    trip.waited += began.elapsed();
    let missing = all.iter().find_map(|one| match one.consulted {
        Consulted::Error { on_error: OnError::Block, .. } => Some(one.service.clone()),
        _ => None,
    });
    let objection = judged(gateway, trip, &ask, &all);
    match missing {
        None => Ok(objection),
        Some(service) => {
            let message = format!(
                "The guard \"{service}\" has to look at this request first, and cannot be asked at present. Try again in a moment."
            );
            let wait = Duration::from_secs(2 + gateway.entropy.u64() % 4);
            Err(Problem::new(Code::GuardUnavailable, message).retry_after(wait))
        }
    }
}

/// Asks about an answer that its client has. What services object to is noted.
pub(super) async fn about_output(gateway: &Arc<Gateway>, request: &Request, trip: &mut Trip, outlet: &Outlet) {
    if !gateway.consults(Direction::Output) || request.surface() == crate::incoming::Surface::Guard {
        return;
    }
    let live = outlet.live();
    let dialect = request.asked.dialect();
    let text = match live.opened_now() {
        Some(Opened::Whole(_, body)) => whole_answer(dialect, &body).text(),
        Some(Opened::Stream(_)) if outlet.is_kept() => {
            match assembled(gateway.streams.as_ref(), dialect, live.surface, live.id).await {
                Ok(assembler) => assembler.answer().text(),
                Err(error) => {
                    tracing::warn!(request = %trip.id, %error, "an answer cannot be read again; no guard service is asked about it");
                    return;
                }
            }
        }
        _ => return,
    };
    if text.trim().is_empty() {
        return;
    }
    let text = GuardText { speaker: Speaker::Assistant, place: "output[0].text".to_owned(), text };
    let ask =
        GuardAsk { request: trip.id, direction: Direction::Output, model: request.model.clone(), texts: vec![text] };
    let began = Instant::now();
    let flagged = trip.guard.output >= Verdict::Flagged;
    let all = asked(gateway, request, trip, &ask, flagged).await;
    trip.waited += began.elapsed();
    if judged(gateway, trip, &ask, &all).is_some()
        && let Some(step) = trip.guard.step(Direction::Output)
    {
        trip.step(What::Guarded(Box::new(step)));
    }
}

async fn asked(
    gateway: &Arc<Gateway>,
    request: &Request,
    trip: &mut Trip,
    ask: &GuardAsk,
    flagged: bool,
) -> Vec<Consultation> {
    let Some(identity) = trip.identity.clone() else { return Vec::new() };
    let left = request.max_cost.map(|most| trip.left_of(most));
    let asker = Asker { identity, subjects: request.subjects.clone(), max_cost: left, cut: trip.cut.clone() };
    trip.guard.looked = true;
    let all = gateway.consult(&asker, ask, flagged).await;
    for one in &all {
        trip.guard_cost = trip.guard_cost.checked_add(one.cost).unwrap_or(trip.guard_cost);
    }
    all
}

fn judged(gateway: &Gateway, trip: &mut Trip, ask: &GuardAsk, all: &[Consultation]) -> Option<Objection> {
    let mut objection = Objection { verdict: Verdict::Allowed, found: Vec::new() };
    for one in all {
        let (verdict, categories) = match &one.consulted {
            Consulted::Passed => continue,
            Consulted::Objects(categories) | Consulted::Masks { categories, .. } => {
                (verdict_of(one.mode, ask.direction), categories.join(","))
            }
            Consulted::Error { kind, .. } => (Verdict::Error, kind.word().to_owned()),
        };
        let place = ask.texts.first().map(|text| text.place.clone()).unwrap_or_default();
        let found = Found {
            rule: Name::new(&format!("service:{}", one.service)),
            category: Category::External,
            direction: ask.direction,
            verdict,
            place: if categories.is_empty() { place } else { format!("{place} ({categories})") },
            bytes: 0,
            times: 1,
        };
        trip.guard.note(found.clone());
        gateway.metrics.note_guard(&found);
        if verdict != Verdict::Error {
            objection.verdict = objection.verdict.max(verdict);
        }
        objection.found.push(found);
    }
    (!objection.found.is_empty()).then_some(objection)
}

/// Input is never rewritten: what a service would mend is refused. An answer is out already.
const fn verdict_of(mode: Mode, direction: Direction) -> Verdict {
    match (mode, direction) {
        (Mode::Off | Mode::Shadow, _) => Verdict::Shadow,
        (Mode::Flag, _) | (Mode::Redact | Mode::Block, Direction::Output) => Verdict::Flagged,
        (Mode::Redact | Mode::Block, Direction::Input) => Verdict::Blocked,
    }
}

const fn speaker(by: By) -> Speaker {
    match by {
        By::System => Speaker::System,
        By::User => Speaker::User,
        By::Assistant => Speaker::Assistant,
        By::Tool => Speaker::Tool,
        By::Document | By::ToolDescription => Speaker::Document,
    }
}
