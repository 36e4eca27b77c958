//! The journeys that run, by id, by idempotency key, and by what they ask, so that a repetition of
//! one can be told from a new request. And, for a short time, those that have just ended.

use crate::line::Fingerprint;
use crate::streams::live::{Asked, Live, Opened};
use haltline_ports::Owner;
use haltline_types::{Name, RequestId};
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long an answer is remembered for a client that repeats its request because it did not get it.
const RECENT: Duration = Duration::from_secs(60);
/// All that is remembered so, in bytes of requests and answers.
const RECENT_BYTES_MAX: usize = 32 << 20;

/// Responses whose streams are found by a provider's id.
const RESPONSES_MAX: usize = 10_000;

/// Journeys that run or have just ended.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    live: HashMap<RequestId, Arc<Live>>,
    once: HashMap<[u8; 16], Arc<Live>>,
    /// By key and length of the body: cheap to keep, and few are the same.
    alike: HashMap<(Name, usize), Vec<Arc<Live>>>,
    recent: VecDeque<Recent>,
    recent_bytes: usize,
    /// Responses of providers by their ids, the oldest first: their streams go by ours.
    responses: VecDeque<(String, RequestId)>,
}

#[derive(Debug)]
struct Recent {
    id: RequestId,
    owner: Owner,
    ended: Instant,
    fingerprint: Fingerprint,
    answer: RecentAnswer,
    bytes: usize,
}

/// An answer that was given a moment ago.
#[derive(Clone, Debug)]
pub(crate) enum RecentAnswer {
    /// In one piece.
    Whole(Opened),
    /// As a stream, which the store has.
    Stream(RequestId),
}

/// Another journey for the same request.
#[derive(Debug)]
pub(crate) enum Other {
    /// It runs.
    Runs(Arc<Live>),
    /// It has ended.
    Ended(RecentAnswer),
}

impl Registry {
    /// A journey that runs.
    pub(crate) fn get(&self, id: RequestId) -> Option<Arc<Live>> {
        self.inner.lock().live.get(&id).cloned()
    }

    /// The stream of a response that goes by a provider's id.
    pub(crate) fn of_response(&self, id: &str) -> Option<RequestId> {
        let inner = self.inner.lock();
        let live = inner.live.values().find(|live| live.response.get().is_some_and(|known| known == id));
        let ended = || inner.responses.iter().rev().find(|(known, _)| known == id).map(|(_, stream)| *stream);
        live.map(|live| live.id).or_else(ended)
    }

    /// The newest journey of a conversation among those of whoever `is_theirs`.
    pub(crate) fn of_session(&self, session: &Name, is_theirs: impl Fn(&Owner) -> bool) -> Option<Arc<Live>> {
        let inner = self.inner.lock();
        let of_it = |live: &&Arc<Live>| {
            live.asked.get().is_some_and(|asked| asked.session.as_ref() == Some(session) && is_theirs(&asked.owner))
        };
        inner.live.values().filter(of_it).max_by_key(|live| live.id).cloned()
    }

    /// The journeys that run for whom it concerns.
    pub(crate) fn all_of(&self, concerns: impl Fn(RequestId, &Asked) -> bool) -> Vec<Arc<Live>> {
        let inner = self.inner.lock();
        let concerned = |live: &&Arc<Live>| live.asked.get().is_some_and(|asked| concerns(live.id, asked));
        inner.live.values().filter(concerned).cloned().collect()
    }

    /// Forgets answers that were given a moment ago.
    pub(crate) fn forget(&self, concerns: impl Fn(RequestId, &Owner) -> bool) {
        let mut inner = self.inner.lock();
        inner.recent.retain(|recent| !concerns(recent.id, &recent.owner));
        inner.recent_bytes = inner.recent.iter().map(|recent| recent.bytes).sum();
    }

    /// Enters a journey whose `asked` is known.
    pub(crate) fn enter(&self, live: &Arc<Live>) {
        let mut inner = self.inner.lock();
        inner.live.insert(live.id, Arc::clone(live));
        if let Some(asked) = live.asked.get() {
            let place = asked.place();
            inner.alike.entry(place).or_default().push(Arc::clone(live));
        }
    }

    /// Enters a journey under its idempotency key, unless another one that runs has it.
    pub(crate) fn enter_once(&self, hash: [u8; 16], live: &Arc<Live>) -> Option<Arc<Live>> {
        let mut inner = self.inner.lock();
        if let Some(other) = inner.once.get(&hash) {
            return Some(Arc::clone(other));
        }
        inner.once.insert(hash, Arc::clone(live));
        None
    }

    /// Another journey of the same caller that asks just the same.
    pub(crate) fn same(&self, of: &Live) -> Option<Other> {
        let asked = of.asked.get()?;
        let inner = self.inner.lock();
        let asks_the_same = |other: &&Arc<Live>| other.id != of.id && other.asks_the_same(of);
        let alike = inner.alike.get(&asked.place());
        if let Some(runs) = alike.and_then(|alike| alike.iter().find(asks_the_same)) {
            return Some(Other::Runs(Arc::clone(runs)));
        }
        let now = Instant::now();
        let recent = inner
            .recent
            .iter()
            .rev()
            .find(|recent| now.duration_since(recent.ended) < RECENT && recent.fingerprint == asked.fingerprint);
        recent.map(|recent| Other::Ended(recent.answer.clone()))
    }

    /// Takes a journey out that has ended; `answer`: what it gave, if it was an answer.
    pub(crate) fn leave(&self, live: &Arc<Live>, once: Option<[u8; 16]>, answer: Option<RecentAnswer>) {
        let mut inner = self.inner.lock();
        inner.live.remove(&live.id);
        if let Some(hash) = once
            && inner.once.get(&hash).is_some_and(|there| there.id == live.id)
        {
            inner.once.remove(&hash);
        }
        if let Some(response) = live.response.get() {
            inner.responses.push_back((response.clone(), live.id));
            if inner.responses.len() > RESPONSES_MAX {
                inner.responses.pop_front();
            }
        }
        let Some(asked) = live.asked.get() else { return };
        let place = asked.place();
        if let Some(alike) = inner.alike.get_mut(&place) {
            alike.retain(|other| other.id != live.id);
            if alike.is_empty() {
                inner.alike.remove(&place);
            }
        }
        // What nobody will ask for would only keep its memory from being used again.
        if let Some(answer) = answer.filter(|_| asked.may_come_again) {
            inner.remember(live.id, asked, answer);
        }
    }
}

impl Asked {
    fn place(&self) -> (Name, usize) {
        (self.owner.key.clone(), self.fingerprint.body_len())
    }
}

impl Inner {
    fn remember(&mut self, id: RequestId, asked: &Asked, answer: RecentAnswer) {
        let (now, owner, fingerprint) = (Instant::now(), asked.owner.clone(), asked.fingerprint.clone());
        let of_answer = match &answer {
            RecentAnswer::Whole(Opened::Whole(_, body)) => body.len(),
            RecentAnswer::Whole(_) | RecentAnswer::Stream(_) => 0,
        };
        let bytes = fingerprint.body_len().saturating_add(of_answer).saturating_add(512);
        if bytes <= RECENT_BYTES_MAX / 4 {
            self.recent_bytes = self.recent_bytes.saturating_add(bytes);
            self.recent.push_back(Recent { id, owner, ended: now, fingerprint, answer, bytes });
        }
        while let Some(oldest) = self.recent.front()
            && (self.recent_bytes > RECENT_BYTES_MAX || now.duration_since(oldest.ended) >= RECENT)
        {
            self.recent_bytes = self.recent_bytes.saturating_sub(oldest.bytes);
            self.recent.pop_front();
        }
    }
}
