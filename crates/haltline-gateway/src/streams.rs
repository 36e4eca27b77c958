//! Durable streams: an answer's events are in the store before a client sees them, so that any
//! connection can look at them again: after a drop, a reload, from another device, while they still
//! come and after they have ended.

mod assembled;
mod ending;
mod head;
mod live;
mod registry;
mod watcher;

pub(crate) use assembled::assembled;
pub use ending::Ending;
pub(crate) use head::{Again, Head};
pub(crate) use live::{Asked, Live, Opened};
pub(crate) use registry::{Other, RecentAnswer, Registry};
pub use watcher::Watcher;

use crate::auth::Presented;
use crate::deliver::{Delivery, Notes};
use crate::gateway::Gateway;
use crate::incoming::{Claims, Surface};
use crate::line::Caller;
use crate::problem::Problem;
use haltline_ports::{By, Owner, StreamRecord, StreamState, StreamsError, UserClaims, What};
use haltline_types::{Code, Name, RequestId, Subjects};
use std::sync::Arc;
use std::time::Duration;

/// For so long after its end a page's stream is shown again when the page asks what became of it.
const PAGE_REPLAY: Duration = Duration::from_secs(600);

/// Connections that may watch one stream at once.
const WATCHERS_MAX: u32 = 64;

/// Where a reader wants to go on, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct From {
    /// After this event; 0 = from the beginning.
    pub after: u64,
    /// As fast as the events once came, instead of at once.
    pub original_timing: bool,
}

/// A stream for a connection.
#[derive(Debug)]
pub struct Watched {
    /// In whose words it is.
    pub surface: Surface,
    /// Facts for the head, and the pieces.
    pub delivery: Delivery,
}

/// What a stop came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It ran, and ends now.
    Stopped,
    /// It had ended.
    HadEnded,
}

impl Gateway {
    /// A stream from some event on.
    ///
    /// # Errors
    /// When the key may not be used, there is no such stream of this caller, or the position is
    /// none of it.
    pub async fn watch(
        self: &Arc<Self>,
        presented: &Presented,
        claims: &Claims,
        id: RequestId,
        from: From,
    ) -> Result<Watched, Problem> {
        let caller = self.caller(presented, claims)?;
        let record = self.stream_of(&caller, id).await?.ok_or_else(|| no_stream(id))?;
        if let Some(live) = self.registry.get(id) {
            live.step(What::Resumed { after: from.after, by: By::Another });
        }
        self.show(record, from).await
    }

    /// The stream of a response of the Responses dialect.
    ///
    /// # Errors
    /// As `watch`.
    pub async fn watch_response(
        self: &Arc<Self>,
        presented: &Presented,
        claims: &Claims,
        response: &str,
        from: From,
    ) -> Result<Watched, Problem> {
        let caller = self.caller(presented, claims)?;
        let missing = || {
            let message = format!(
                "There is no stream of the response `{response}` here. It must have been asked for with `stream`."
            );
            Problem::new(Code::NotFound, message)
        };
        let id = self.response_stream(response).ok_or_else(missing)?;
        let record = self.stream_of(&caller, id).await?.ok_or_else(missing)?;
        self.show(record, from).await
    }

    /// Stops a response that is being streamed. `false` when none of this caller's is.
    ///
    /// # Errors
    /// When the key may not be used.
    pub fn stop_streamed_response(
        &self,
        presented: &Presented,
        claims: &Claims,
        response: &str,
    ) -> Result<bool, Problem> {
        let caller = self.caller(presented, claims)?;
        let live = self.response_stream(response).and_then(|id| self.registry.get(id));
        let own = live.filter(|live| live.asked.get().is_some_and(|asked| caller.may_see(&asked.owner)));
        if let Some(live) = &own {
            live.stop();
        }
        Ok(own.is_some())
    }

    /// Responses of our own making go by the id of their request.
    pub(crate) fn response_stream(&self, response: &str) -> Option<RequestId> {
        let own = response.strip_prefix("resp_").and_then(|digits| format!("req_{digits}").parse().ok());
        self.registry.of_response(response).or(own)
    }

    /// Stops the answer of a stream.
    ///
    /// # Errors
    /// When the key may not be used, or there is no such stream of this caller.
    pub async fn stop_stream(&self, presented: &Presented, claims: &Claims, id: RequestId) -> Result<Stop, Problem> {
        let caller = self.caller(presented, claims)?;
        // A journey that has no stream yet can be stopped as well.
        if let Some(live) = self.registry.get(id)
            && live.asked.get().is_some_and(|asked| caller.may_see(&asked.owner))
        {
            live.stop();
            return Ok(Stop::Stopped);
        }
        self.stream_of(&caller, id).await?.ok_or_else(|| no_stream(id))?;
        // One that a restart has cut, and that waits for its turn to go on, is known by its id only.
        match self.registry.get(id) {
            Some(live) => {
                live.stop();
                Ok(Stop::Stopped)
            }
            None => Ok(Stop::HadEnded),
        }
    }

    /// The newest stream of a conversation: the one that runs, or has ended a few minutes ago.
    ///
    /// # Errors
    /// When the key may not be used.
    pub async fn watch_conversation(
        self: &Arc<Self>,
        presented: &Presented,
        claims: &Claims,
        session: &str,
        from: From,
    ) -> Result<Option<Watched>, Problem> {
        let caller = self.caller(presented, claims)?;
        let Some(record) = self.newest_of(&caller, session).await? else { return Ok(None) };
        self.show(record, from).await.map(Some)
    }

    /// Stops the newest answer of a conversation; `None` when it has no recent one.
    ///
    /// # Errors
    /// When the key may not be used.
    pub async fn stop_conversation(
        &self,
        presented: &Presented,
        claims: &Claims,
        session: &str,
    ) -> Result<Option<Stop>, Problem> {
        let caller = self.caller(presented, claims)?;
        // The stream of an answer that is only asked for is not in the store yet.
        let name = Name::new(session);
        if let Some(live) = self.registry.of_session(&name, |owner| caller.may_see(owner)) {
            live.stop();
            return Ok(Some(Stop::Stopped));
        }
        let Some(record) = self.newest_of(&caller, session).await? else { return Ok(None) };
        match self.registry.get(record.begin.id) {
            Some(live) => {
                live.stop();
                Ok(Some(Stop::Stopped))
            }
            None => Ok(Some(Stop::HadEnded)),
        }
    }

    async fn newest_of(&self, caller: &Caller, session: &str) -> Result<Option<StreamRecord>, Problem> {
        let owner = Owner { key: caller.key.name.clone(), user: caller.user.clone() };
        let Some(id) = self.streams.newest(&owner, &Name::new(session)) else { return Ok(None) };
        let record = self.streams.find(id).await.map_err(|error| unreadable(&error))?;
        let now = self.clock.now();
        Ok(record.filter(|record| match &record.state {
            StreamState::Running => true,
            StreamState::Ended { at, .. } => now.since(*at) < PAGE_REPLAY,
        }))
    }

    async fn stream_of(&self, caller: &Caller, id: RequestId) -> Result<Option<StreamRecord>, Problem> {
        let record = self.streams.find(id).await.map_err(|error| unreadable(&error))?;
        Ok(record.filter(|record| caller.may_see(&record.begin.owner)))
    }

    /// A stream that is this caller's.
    pub(crate) async fn show(&self, record: StreamRecord, from: From) -> Result<Watched, Problem> {
        let id = record.begin.id;
        let head = Head::of_bytes(id, &record.begin.head).ok_or_else(|| {
            tracing::error!(stream = %id, "the head of a stream cannot be read");
            Problem::new(Code::Internal, "The stream cannot be shown again: what is kept of it cannot be read.")
        })?;
        let mut notes = head.notes;
        notes.replayed = true;
        let live = self.registry.get(id);
        let (last, ending) = match (&live, &record.state) {
            (Some(live), _) => (live.last(), None),
            (None, StreamState::Ended { note, .. }) => (record.last, Some(Ending::of_note(note))),
            // Its journey ended between the two looks, or it is about to be taken up after a restart.
            (None, StreamState::Running) => {
                let again = self.streams.find(id).await.map_err(|error| unreadable(&error))?;
                match again.map(|again| (again.last, again.state)) {
                    Some((last, StreamState::Ended { note, .. })) => (last, Some(Ending::of_note(&note))),
                    _ => return Err(self.not_taken_up(id)),
                }
            }
        };
        // The event of an error has the number after the last one.
        if from.after > last.saturating_add(1) {
            let message = format!("Stream {id} has {last} events so far; there is none after number {}.", from.after);
            return Err(Problem::new(Code::InvalidRequest, message).about("starting_after"));
        }
        if let Some(live) = &live {
            room_for_another(live)?;
        }
        let streams = Arc::clone(&self.streams);
        if head.whole {
            return self.show_whole(id, head.surface, notes).await;
        }
        let watcher = match (live, ending) {
            (Some(live), _) => Watcher::of_live(streams, live, from.after),
            (None, Some(ending)) => Watcher::of_kept(streams, id, last, ending, from.after),
            (None, None) => return Err(self.not_taken_up(id)),
        };
        let watcher = if from.original_timing { watcher.with_original_timing() } else { watcher };
        Ok(Watched { surface: head.surface, delivery: Delivery::Stream { notes: Box::new(notes), watcher } })
    }

    async fn show_whole(&self, id: RequestId, surface: Surface, notes: Notes) -> Result<Watched, Problem> {
        let batches = self.streams.read(id, 0, usize::MAX).await.map_err(|error| unreadable(&error))?;
        let body = batches.into_iter().next().map(|batch| batch.bytes).unwrap_or_default();
        Ok(Watched { surface, delivery: Delivery::Whole { notes: Box::new(notes), body } })
    }

    fn not_taken_up(&self, id: RequestId) -> Problem {
        let message = format!("Stream {id} was cut by a restart and is being taken up again. Ask again in a moment.");
        Problem::new(Code::Overloaded, message).retry_after(Duration::from_secs(1 + self.entropy.u64() % 3))
    }

    /// Who looks at what is kept, and for whom.
    ///
    /// # Errors
    /// When the key may not be used, or not speak for the user that is claimed.
    pub fn viewer(&self, presented: &Presented, claims: &Claims) -> Result<Viewer, Problem> {
        self.caller(presented, claims).map(Viewer)
    }

    /// Who calls, and for whom.
    pub(crate) fn caller(&self, presented: &Presented, claims: &Claims) -> Result<Caller, Problem> {
        crate::line::identify(self, presented, claims)
    }
}

/// A caller that looks at what is kept.
#[derive(Clone, Debug)]
pub struct Viewer(Caller);

impl Viewer {
    /// May it see what a request of these subjects was?
    #[must_use]
    pub fn sees(&self, subjects: &Subjects) -> bool {
        let Some(key) = subjects.key.clone() else { return false };
        self.0.may_see(&Owner { key, user: subjects.user.clone() })
    }
}

impl Caller {
    /// Is this the caller's? A key that may speak for a user and names none speaks for all of them.
    pub(crate) fn may_see(&self, owner: &Owner) -> bool {
        if owner.key != self.key.name {
            return false;
        }
        owner.user == self.user
            || (self.user.is_none()
                && match (&self.key.users, &owner.user) {
                    (UserClaims::Any, _) => true,
                    (UserClaims::Listed(users), Some(user)) => users.contains(user),
                    (UserClaims::Listed(_) | UserClaims::None, _) => false,
                })
    }
}

/// May one more connection watch it?
pub(crate) fn room_for_another(live: &Live) -> Result<(), Problem> {
    if live.watchers() < WATCHERS_MAX {
        return Ok(());
    }
    let message = format!("{WATCHERS_MAX} connections watch this stream, which is as many as may.");
    Err(Problem::new(Code::RateLimited, message).retry_after(Duration::from_secs(5)))
}

fn no_stream(id: RequestId) -> Problem {
    Problem::new(
        Code::NotFound,
        format!("There is no stream {id} here. Streams are kept for a day, unless configured otherwise."),
    )
}

fn unreadable(error: &StreamsError) -> Problem {
    tracing::error!(%error, "a stream cannot be read");
    Problem::new(Code::StoreUnavailable, "The gateway's store cannot be read at present.")
}
