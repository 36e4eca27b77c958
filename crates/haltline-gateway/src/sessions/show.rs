//! What owners see of their sessions, page by page, and how sessions are forgotten.

use super::head::Head;
use super::name::{SessionName, shelf_of};
use super::outline::Row;
use super::unreadable;
use crate::auth::Presented;
use crate::forget::still_running;
use crate::gateway::Gateway;
use crate::incoming::Claims;
use crate::line::identify;
use crate::problem::Problem;
use crate::streams::Asked;
use haltline_ports::{DocumentQuery, Shelf};
use haltline_types::{Code, Name};
use haltline_wire::ui_stream::ui_messages;
use serde_json::{Value, json};

/// The longest page of sessions.
const SESSIONS_MAX: usize = 100;
/// The longest page of messages.
const MESSAGES_MAX: usize = 500;
/// The most bytes of messages in one page, unless a single one is larger.
const PAGE_BYTES_MAX: u64 = 8 << 20;

/// In which order messages are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Oldest first.
    #[default]
    Oldest,
    /// Newest first.
    Newest,
}

/// What messages are shown as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// In no dialect, with what is known of each.
    #[default]
    Canonical,
    /// As UI messages, for `useChat`'s `messages`.
    Ui,
}

/// A page of messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Behind this message.
    pub after: Option<String>,
    /// At most so many.
    pub limit: Option<usize>,
    /// In this order.
    pub order: Order,
    /// As what.
    pub shape: Shape,
}

impl Gateway {
    /// A page of the owner's sessions, the last changed first, as JSON. `after` is a page's `next`.
    ///
    /// # Errors
    /// When the key may not be used, `after` is none of ours, or documents cannot be read.
    pub async fn sessions(
        &self,
        presented: &Presented,
        claims: &Claims,
        after: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Value, Problem> {
        let owner = identify(self, presented, claims)?.owner();
        self.sessions.flush_all().await?;
        let now = self.clock.now();
        let shelf = shelf_of(self.keys.as_ref(), &owner);
        let limit = limit.unwrap_or(20).clamp(1, SESSIONS_MAX);
        let after = after.map(|after| read_cursor(&shelf, after)).transpose()?;
        let query = DocumentQuery {
            prefix: Some(shelf.clone()),
            after,
            backwards: true,
            ..DocumentQuery::of(Shelf::Session, limit + 1)
        };
        let inner = &self.sessions.inner;
        let mut places = inner.documents.list(query, now).await.map_err(|error| unreadable(&error))?;
        let has_more = places.len() > limit;
        places.truncate(limit);
        let next = places.last().filter(|_| has_more).map(|place| write_cursor(&shelf, &place.id));
        let mut data = Vec::with_capacity(places.len());
        for place in &places {
            let key = std::str::from_utf8(&place.body).unwrap_or_default();
            let head = inner.head(key, now).await.map_err(|error| unreadable(&error))?;
            // A place that a process died before removing shows nothing.
            if let Some(head) = head.filter(|head| head.place == place.id) {
                data.push(head.shown(inner.process));
            }
        }
        Ok(json!({"object": "list", "data": data, "has_more": has_more, "next": next}))
    }

    /// A session and a page of its messages, as JSON.
    ///
    /// # Errors
    /// When the key may not be used, this owner has no such session, `after` is no message of it,
    /// or documents cannot be read.
    pub async fn session(
        &self,
        presented: &Presented,
        claims: &Claims,
        id: &str,
        page: &Page,
    ) -> Result<Value, Problem> {
        let (name, head) = self.find_session(presented, claims, id).await?;
        let now = self.clock.now();
        let inner = &self.sessions.inner;
        let outline = inner.outline(&name, now).await.map_err(|error| unreadable(&error))?;
        let mut rows = outline.live;
        if page.order == Order::Newest {
            rows.reverse();
        }
        let begin = match &page.after {
            None => 0,
            Some(after) => {
                let number = after.parse::<u64>().ok();
                let at = rows.iter().position(|row| Some(row.number) == number);
                at.ok_or_else(|| {
                    let message =
                        format!("`{after}` is no message of this session's thread; take the `last_id` of a page.");
                    Problem::new(Code::InvalidRequest, message).about("after")
                })? + 1
            }
        };
        let rest = rows.get(begin..).unwrap_or_default();
        let shown = page_of(rest, page.limit.unwrap_or(100).clamp(1, MESSAGES_MAX));
        let read = inner.read(&name, shown, now).await.map_err(|error| unreadable(&error))?;
        let data: Vec<Value> = match page.shape {
            Shape::Canonical => read.iter().map(|(number, kept)| kept.shown(*number)).collect(),
            Shape::Ui => {
                let messages: Vec<_> = read.iter().filter_map(|(_, kept)| kept.message()).collect();
                ui_messages(&messages, &format!("{begin}-"))
            }
        };
        let mut answer = head.shown(inner.process);
        if let Some(answer) = answer.as_object_mut() {
            answer.insert("data".to_owned(), data.into());
            answer.insert("has_more".to_owned(), (rest.len() > shown.len()).into());
            answer.insert("first_id".to_owned(), shown.first().map(|row| row.number.to_string()).into());
            answer.insert("last_id".to_owned(), shown.last().map(|row| row.number.to_string()).into());
        }
        Ok(answer)
    }

    /// Removes a session with all its messages, and the streams of its requests; those that still
    /// run are stopped.
    ///
    /// # Errors
    /// When the key may not be used, this owner has no such session, or not everything could be
    /// removed.
    pub async fn forget_session(&self, presented: &Presented, claims: &Claims, id: &str) -> Result<(), Problem> {
        let (name, _) = self.find_session(presented, claims, id).await?;
        let session = Name::new(id);
        // What runs would leave a stream behind.
        let is_of_it = |_, asked: &Asked| asked.owner == name.owner && asked.session.as_ref() == Some(&session);
        let newest: Vec<_> = self.streams.newest(&name.owner, &session).into_iter().collect();
        let (_, is_over) = self.stop_and_wait(&newest, is_of_it).await;
        let mut requests = self.sessions.forget(&name, self.clock.now()).await?.unwrap_or_default();
        requests.extend(newest.into_iter().chain(self.streams.newest(&name.owner, &session)));
        self.forget_streams(&name.owner, requests).await?;
        if is_over { Ok(()) } else { Err(still_running()) }
    }

    async fn find_session(
        &self,
        presented: &Presented,
        claims: &Claims,
        id: &str,
    ) -> Result<(SessionName, Head), Problem> {
        let owner = identify(self, presented, claims)?.owner();
        let name = SessionName::new(self.keys.as_ref(), owner, id);
        self.sessions.flush(&name).await?;
        let found = self.sessions.inner.head(name.key(), self.clock.now()).await;
        match found.map_err(|error| unreadable(&error))? {
            Some(head) => Ok((name, head)),
            None => Err(Problem::new(Code::NotFound, "There is no such session of this key and user.")),
        }
    }
}

/// As many as fit into a page, and at least one.
fn page_of(rows: &[Row], limit: usize) -> &[Row] {
    let mut bytes = 0_u64;
    let fitting = rows.iter().take(limit).take_while(|row| {
        let is_first = bytes == 0;
        bytes = bytes.saturating_add(row.bytes);
        is_first || bytes <= PAGE_BYTES_MAX
    });
    rows.get(..fitting.count()).unwrap_or_default()
}

fn write_cursor(shelf: &str, place: &str) -> String {
    place.strip_prefix(shelf).unwrap_or_default().replace('/', ".")
}

fn read_cursor(shelf: &str, cursor: &str) -> Result<String, Problem> {
    let parts = cursor.split_once('.').filter(|(time, key)| {
        let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        time.len() == 15 && key.len() == 32 && time.bytes().all(|byte| byte.is_ascii_digit()) && is_hex(key)
    });
    match parts {
        Some((time, key)) => Ok(format!("{shelf}{time}/{key}")),
        None => {
            Err(Problem::new(Code::InvalidRequest, "`after` is not the `next` of a page of sessions.").about("after"))
        }
    }
}
