//! Where the line touches sessions: when a request is held, and when it has ended. Both only leave
//! word; the writing is done behind the line's back.

use super::Rules;
use super::kept::Facts;
use super::name::SessionName;
use super::write::{Answered, Arrived, Said, Turn};
use crate::deliver::Outlet;
use crate::gateway::{Gateway, Live};
use crate::incoming::Surface;
use crate::line::{Request, Trip};
use bytes::Bytes;
use haltline_ports::{Outcome, Owner};
use haltline_types::{Code, Name, NanoUsd, RequestId};
use haltline_wire::client::ClientDialect;
use std::sync::Arc;

/// A request whose answer a session waits for.
#[derive(Clone, Debug)]
pub(crate) struct Awaited {
    pub(crate) name: SessionName,
    pub(crate) rules: Rules,
    pub(crate) dialect: ClientDialect,
}

/// A request is held: its new turns belong to its session. Once for each request.
pub(crate) fn arrived(gateway: &Gateway, live: &Live, request: &Request, trip: &mut Trip) {
    let Some(name) = &request.session else { return };
    let dialect = request.asked.dialect();
    if trip.awaited.is_some() || dialect == ClientDialect::Embeddings {
        return;
    }
    let rules = Rules::of(&live.settings.sessions);
    let arrived = Arrived {
        name: name.clone(),
        request: trip.id,
        at: gateway.clock.now(),
        rules,
        model: request.model.clone(),
        surface: trip.surface,
        asked: request.own.clone().unwrap_or_else(|| request.asked.clone()),
        sent: request.sent,
    };
    trip.awaited = Some(Awaited { name: name.clone(), rules, dialect });
    gateway.sessions.push(name, Turn::Arrived(Box::new(arrived)));
}

/// A request has ended, and its client does not know yet. `whole` is the answer where it comes in
/// one piece; a stream is read from the store when it has ended.
pub(crate) fn answered(gateway: &Gateway, trip: &mut Trip, outlet: &Outlet, whole: Option<&Bytes>, outcome: Outcome) {
    let Some(awaited) = trip.awaited.take() else { return };
    let said = match whole {
        Some(body) => Said::Whole(awaited.dialect, body.clone()),
        None if outlet.is_kept() => Said::Stream(awaited.dialect, Arc::clone(outlet.live())),
        None => Said::Nothing,
    };
    let (facts, at) = (facts(trip, outcome), gateway.clock.now());
    let Awaited { name, rules, .. } = awaited;
    let answered = Answered { name: name.clone(), request: trip.id, at, rules, said, facts };
    gateway.sessions.push(&name, Turn::Answered(Box::new(answered)));
}

/// A request that died with an earlier process, and what is known of it. Its stream has ended.
#[derive(Clone, Debug)]
pub(crate) struct Recovered {
    /// Whose it was.
    pub(crate) owner: Owner,
    /// What its client called the session.
    pub(crate) session: Name,
    /// The request, and its stream.
    pub(crate) request: RequestId,
    /// By which way it came.
    pub(crate) surface: Surface,
    /// The model by the name under which it was asked for.
    pub(crate) model: Name,
    /// Attempts, as far as they are known.
    pub(crate) attempts: u8,
    /// What was charged for them.
    pub(crate) cost: NanoUsd,
}

impl Gateway {
    /// Tells a session of a request that died with an earlier process: what its client was told of the
    /// answer is a part of it. A session that does not know the request learns only what it cost.
    pub(crate) fn recovered_in_session(&self, recovered: Recovered) {
        let rules = Rules::of(&self.live.load().settings.sessions);
        if rules.keep_for.is_zero() {
            return;
        }
        let name = SessionName::new(self.keys.as_ref(), recovered.owner, &recovered.session);
        let facts = Facts {
            outcome: word(Outcome::Lost).to_owned(),
            surface: recovered.surface.word().to_owned(),
            model: recovered.model.to_string(),
            attempts: recovered.attempts,
            cost: recovered.cost.get(),
            ..Facts::default()
        };
        let said = Said::Kept(recovered.surface, recovered.request);
        let (request, at) = (recovered.request, self.clock.now());
        let answered = Answered { name: name.clone(), request, at, rules, said, facts };
        self.sessions.push(&name, Turn::Answered(Box::new(answered)));
    }
}

fn facts(trip: &Trip, outcome: Outcome) -> Facts {
    let usages = || trip.attempts.iter().filter_map(|attempt| attempt.usage);
    let has_usage = usages().next().is_some();
    Facts {
        outcome: word(outcome).to_owned(),
        code: outcome.code().map(|code: Code| code.word().to_owned()),
        surface: trip.surface.to_owned(),
        model: trip.model.to_string(),
        endpoint: trip.attempts.last().map(|attempt| attempt.endpoint.to_string()),
        attempts: trip.attempts_made(),
        cost: trip.cost().get(),
        input_tokens: has_usage.then(|| usages().map(|usage| usage.input.get()).fold(0, u64::saturating_add)),
        output_tokens: has_usage.then(|| usages().map(|usage| usage.output.get()).fold(0, u64::saturating_add)),
        finish: None,
        partial: false,
    }
}

/// How an answer ended, in the words that sessions show.
pub(crate) const fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Answered => "answered",
        Outcome::Cancelled => "stopped",
        Outcome::Refused(_) | Outcome::Failed(_) => "failed",
        Outcome::Lost => "lost",
    }
}
