//! What turns do to the documents of their session. One turn of a session is written after the
//! other; each leaves the documents consistent, whenever the process dies.

use super::head::{Head, title};
use super::kept::{Facts, Kept};
use super::name::SessionName;
use super::outline::{Outline, Row, Seen, Sent, Taken, Voice, mark};
use super::{Inner, Rules};
use crate::incoming::Surface;
use crate::line::body_of;
use crate::streams::{Live, assembled};
use bytes::Bytes;
use haltline_ports::{Document, DocumentQuery, DocumentsError, Shelf};
use haltline_types::{Name, RequestId, Timestamp};
use haltline_wire::assemble::{PartialAnswer, whole_answer};
use haltline_wire::canon::{Message, joined};
use haltline_wire::client::{ClientDialect, ClientRequest};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Bodies that are larger are read on a thread for such work.
const READ_HERE: usize = 64 << 10;
/// Documents that are read at once.
const READ_AT_ONCE: usize = 32;
/// Documents that are told to stay at once.
const RENEWED_AT_ONCE: usize = 64;

/// Something that happened in a session.
pub(crate) enum Turn {
    /// A request was held.
    Arrived(Box<Arrived>),
    /// It has ended.
    Answered(Box<Answered>),
    /// Says when everything before it is written.
    Flush(oneshot::Sender<()>),
    /// The session is to be forgotten. A turn like the others: none that is half written can bring
    /// the session back.
    Forget(Box<Forget>),
    /// Says when everything before it is written, and lets nothing be written until the other side
    /// is gone.
    Pause(oneshot::Sender<()>, oneshot::Receiver<()>),
}

/// A session that is to be forgotten.
pub(crate) struct Forget {
    pub(crate) name: SessionName,
    pub(crate) at: Timestamp,
    /// Takes the requests that it was made of; none where there is no such session.
    pub(crate) done: oneshot::Sender<Result<Option<Vec<RequestId>>, DocumentsError>>,
}

/// A request that was held.
pub(crate) struct Arrived {
    pub(crate) name: SessionName,
    pub(crate) request: RequestId,
    pub(crate) at: Timestamp,
    pub(crate) rules: Rules,
    pub(crate) model: Name,
    pub(crate) surface: &'static str,
    /// What the client itself has sent.
    pub(crate) asked: Arc<ClientRequest>,
    pub(crate) sent: Sent,
}

/// A request that has ended.
pub(crate) struct Answered {
    pub(crate) name: SessionName,
    pub(crate) request: RequestId,
    pub(crate) at: Timestamp,
    pub(crate) rules: Rules,
    pub(crate) said: Said,
    pub(crate) facts: Facts,
}

/// What the model said.
pub(crate) enum Said {
    /// All that is in the store, once the stream has ended.
    Stream(ClientDialect, Arc<Live>),
    /// All that is in the store of a stream that has ended.
    Kept(Surface, RequestId),
    /// All of it, in the bytes of a dialect.
    Whole(ClientDialect, Bytes),
    /// Nothing.
    Nothing,
}

impl Turn {
    /// How much memory it holds, about.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Arrived(arrived) => 1024 + body_of(&arrived.asked).len(),
            Self::Answered(answered) => match &answered.said {
                Said::Whole(_, body) => 1024 + body.len(),
                Said::Stream(..) | Said::Kept(..) | Said::Nothing => 1024,
            },
            Self::Flush(_) | Self::Forget(_) | Self::Pause(..) => 0,
        }
    }
}

impl Inner {
    pub(super) async fn write(&self, turn: Turn) {
        let written = match turn {
            Turn::Arrived(arrived) => self.arrived(*arrived).await,
            Turn::Answered(answered) => self.answered(*answered).await,
            Turn::Flush(sender) => {
                // Whoever waited may be gone.
                let _ = sender.send(());
                Ok(())
            }
            Turn::Forget(forget) => {
                let Forget { name, at, done } = *forget;
                let _ = done.send(self.forget(&name, at).await);
                Ok(())
            }
            Turn::Pause(reached, until) => {
                if reached.send(()).is_ok() {
                    // Its other side only ever goes.
                    let _ = until.await;
                }
                Ok(())
            }
        };
        if let Err(error) = written {
            tracing::error!(%error, "a turn of a session is not kept; requests go on");
        }
    }

    /// What a stream said that has ended.
    async fn heard(&self, dialect: ClientDialect, surface: Surface, id: RequestId) -> Option<PartialAnswer> {
        match assembled(self.streams.as_ref(), dialect, surface, id).await {
            Ok(assembler) => Some(assembler.answer()),
            Err(error) => {
                tracing::error!(stream = %id, %error, "an answer is not kept in its session: its stream cannot be read");
                None
            }
        }
    }

    async fn arrived(&self, arrived: Arrived) -> Result<(), DocumentsError> {
        let Arrived { name, request, at, rules, model, surface, asked, sent } = arrived;
        let is_large = body_of(&asked).len() > READ_HERE;
        let turns = aside(is_large, move || read(&asked)).await.unwrap_or_else(|| Err("reading it failed".to_owned()));
        let (found, mut outline) = self.load(&name, at).await?;
        let mut head = found.unwrap_or_else(|| Head::new(&name, at, rules.content));
        if head.take_over(request, self.process) {
            // A process before has written its turns: it is the same request, gone on with.
            return self.put(&name, head, outline, Vec::new(), at, rules).await;
        }
        head.content = rules.content;
        let mut documents = Vec::new();
        match turns {
            Ok((turns, seen)) => {
                if rules.content && head.title.is_none() {
                    head.title = title(&turns);
                }
                let plan = outline.plan(&seen, sent);
                outline.cut(plan.keep);
                let taken = outline.take(seen.get(plan.from..).unwrap_or_default());
                let new = turns.into_iter().skip(plan.from).zip(taken);
                let new: Vec<(Message, u64)> = new
                    .filter_map(
                        |(turn, taken)| if let Taken::New(number) = taken { Some((turn, number)) } else { None },
                    )
                    .collect();
                let bodies = aside(is_large, move || {
                    let kept = |turn: &Message| Kept::new(turn, at, request.to_string(), rules.content, None).write();
                    new.iter().map(|(turn, number)| (*number, kept(turn))).collect::<Vec<_>>()
                });
                let failed = || DocumentsError("writing the messages of a session failed".to_owned());
                for (number, body) in bodies.await.ok_or_else(failed)? {
                    outline.weigh(number, u64::try_from(body.len()).unwrap_or(u64::MAX));
                    documents.push(message(&name, number, at, rules, body));
                }
            }
            Err(why) => {
                head.gaps += 1;
                tracing::debug!(%request, %why, "turns that only their own dialect can say are not kept in the session");
            }
        }
        head.begin(request, self.process, outline.live.last().map(|row| row.number));
        head.model = model.to_string();
        surface.clone_into(&mut head.surface);
        self.put(&name, head, outline, documents, at, rules).await
    }

    async fn answered(&self, answered: Answered) -> Result<(), DocumentsError> {
        let Answered { name, request, at, rules, said, mut facts } = answered;
        let (Some(mut head), mut outline) = self.load(&name, at).await? else {
            // Deleted meanwhile: nothing of it comes back.
            return Ok(());
        };
        head.cost = head.cost.saturating_add(facts.cost);
        let mut documents = Vec::new();
        let answer = match said {
            Said::Stream(dialect, live) => {
                live.until_ended().await;
                self.heard(dialect, live.surface, live.id).await
            }
            Said::Kept(surface, id) => self.heard(surface.dialect(), surface, id).await,
            Said::Whole(dialect, body) => aside(body.len() > READ_HERE, move || whole_answer(dialect, &body)).await,
            Said::Nothing => None,
        };
        let open = head.end(request);
        let answer = answer.filter(|answer| !answer.message.parts.is_empty());
        if open.is_some() && answer.is_none() && facts.outcome == "lost" {
            head.lost += 1;
        }
        if let (Some(open), Some(answer)) = (open, answer) {
            facts.partial = answer.cut || answer.open_call;
            facts.finish = answer.finish.map(|finish| finish.word().to_owned());
            let is_whole = facts.outcome == "answered" && !facts.partial;
            let voice = if is_whole { Voice::Model } else { Voice::Broken };
            let number = outline.next;
            outline.next += 1;
            let body = Kept::new(&answer.message, at, request.to_string(), rules.content, Some(facts)).write();
            let bytes = u64::try_from(body.len()).unwrap_or(u64::MAX);
            let row = Row { number, bytes, mark: mark(&answer.message), voice };
            // The thread may have gone another way while this was being answered.
            if outline.live.last().map(|row| row.number) == open.after {
                outline.live.push(row);
            } else {
                outline.replaced.push(row);
            }
            documents.push(message(&name, number, at, rules, body));
        }
        self.put(&name, head, outline, documents, at, rules).await
    }

    /// Removes a session with its messages. Gives the requests that it was made of.
    async fn forget(&self, name: &SessionName, at: Timestamp) -> Result<Option<Vec<RequestId>>, DocumentsError> {
        let Some(head) = self.head(name.key(), at).await? else { return Ok(None) };
        let mut requests: BTreeSet<String> = head.open.into_iter().map(|open| open.request).collect();
        let mut query = messages(name, 0, READ_AT_ONCE);
        loop {
            let page = self.documents.list(query.clone(), at).await?;
            requests.extend(page.iter().filter_map(|message| Kept::read(&message.body)).map(Kept::request));
            let Some(last) = page.last().filter(|_| page.len() == READ_AT_ONCE) else { break };
            query.after = Some(last.id.clone());
        }
        // The head first: without it the rest is never seen, whenever the process dies.
        let mut ids = vec![name.key().to_owned(), name.outline(), head.place];
        ids.extend(head.place_before);
        self.documents.remove(Shelf::Session, ids).await?;
        self.documents.remove_prefix(Shelf::Message, &name.messages()).await?;
        Ok(Some(requests.iter().filter_map(|request| request.parse().ok()).collect()))
    }

    async fn load(&self, name: &SessionName, now: Timestamp) -> Result<(Option<Head>, Outline), DocumentsError> {
        let Some(head) = self.head(name.key(), now).await? else { return Ok((None, Outline::default())) };
        Ok((Some(head), self.outline(name, now).await?))
    }

    pub(super) async fn head(&self, key: &str, now: Timestamp) -> Result<Option<Head>, DocumentsError> {
        let document = self.documents.get(Shelf::Session, key, now).await?;
        Ok(document.as_ref().and_then(Head::read))
    }

    pub(super) async fn outline(&self, name: &SessionName, now: Timestamp) -> Result<Outline, DocumentsError> {
        let document = self.documents.get(Shelf::Session, &name.outline(), now).await?;
        Ok(document.and_then(|document| serde_json::from_slice(&document.body).ok()).unwrap_or_default())
    }

    /// Writes a session: its new messages, its outline and head at once; then what goes.
    async fn put(
        &self,
        name: &SessionName,
        mut head: Head,
        mut outline: Outline,
        mut documents: Vec<Document>,
        at: Timestamp,
        rules: Rules,
    ) -> Result<(), DocumentsError> {
        let gone: Vec<String> = outline.bound().into_iter().map(|number| name.message(number)).collect();
        documents.retain(|document| !gone.contains(&document.id));
        if at.since(outline.renewed) >= rules.keep_for / 10 {
            self.renew(name, &outline, at, rules).await?;
            outline.renewed = at;
        }
        head.messages = u64::try_from(outline.live.len()).unwrap_or(u64::MAX);
        head.replaced = u64::try_from(outline.replaced.len()).unwrap_or(u64::MAX);
        head.dropped = outline.dropped;
        documents.push(Document {
            shelf: Shelf::Session,
            body: serde_json::to_vec(&outline).unwrap_or_default().into(),
            id: name.outline(),
            ..message(name, 0, at, rules, Vec::new())
        });
        documents.extend(head.documents(name, at, at.saturating_add(rules.keep_for)));
        self.documents.put(documents).await?;
        if let Some(place) = head.place_before {
            self.documents.remove(Shelf::Session, vec![place]).await?;
        }
        if !gone.is_empty() {
            self.documents.remove(Shelf::Message, gone).await?;
        }
        Ok(())
    }

    /// Tells all messages of a thread to stay: they were written with an end of their own.
    async fn renew(
        &self,
        name: &SessionName,
        outline: &Outline,
        at: Timestamp,
        rules: Rules,
    ) -> Result<(), DocumentsError> {
        for (first, count) in Outline::runs(&outline.live) {
            let mut next = first;
            let mut left = count;
            while left > 0 {
                let limit = left.min(RENEWED_AT_ONCE);
                let mut page = self.documents.list(messages(name, next, limit), at).await?;
                for document in &mut page {
                    document.expires = Some(stays_until(at, rules));
                }
                self.documents.put(page).await?;
                next += u64::try_from(limit).unwrap_or(0);
                left -= limit;
            }
        }
        Ok(())
    }
}

/// The messages from a number on.
pub(super) fn messages(name: &SessionName, first: u64, limit: usize) -> DocumentQuery {
    DocumentQuery {
        prefix: Some(name.messages()),
        after: first.checked_sub(1).map(|before| name.message(before)),
        ..DocumentQuery::of(Shelf::Message, limit)
    }
}

/// A little longer than the session is seen, so that a session which is seen is whole, although its
/// messages are not told to stay at each turn.
fn stays_until(at: Timestamp, rules: Rules) -> Timestamp {
    at.saturating_add(rules.keep_for + rules.keep_for / 10)
}

fn message(name: &SessionName, number: u64, at: Timestamp, rules: Rules, body: Vec<u8>) -> Document {
    Document {
        shelf: Shelf::Message,
        id: name.message(number),
        owner: Some(name.owner.clone()),
        labels: Vec::new(),
        changed: at,
        expires: Some(stays_until(at, rules)),
        body: body.into(),
    }
}

/// The client's own turns.
fn read(asked: &ClientRequest) -> Result<(Vec<Message>, Vec<Seen>), String> {
    let turns = joined(&asked.new_messages().map_err(|error| error.message)?);
    let seen = turns.iter().map(|turn| Seen { mark: mark(turn), voice: Voice::of(turn) }).collect();
    Ok((turns, seen))
}

/// Does work here, or on a thread for such work when it is much. `None` when it failed.
async fn aside<T: Send + 'static>(is_much: bool, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    if is_much { tokio::task::spawn_blocking(work).await.ok() } else { Some(work()) }
}
