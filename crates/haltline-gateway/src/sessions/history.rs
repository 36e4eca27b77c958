//! What a session has said so far, for the model to go on from.

use super::kept::Kept;
use super::name::SessionName;
use super::outline::{Outline, Row, Seen, Sent, Voice, mark};
use super::write::messages;
use super::{Inner, unreadable};
use crate::gateway::Gateway;
use crate::problem::Problem;
use haltline_ports::{DocumentsError, Owner};
use haltline_types::Timestamp;
use haltline_wire::canon::{Message, joined};
use haltline_wire::client::ClientRequest;
use std::collections::HashMap;

/// Documents that are read at once.
const READ_AT_ONCE: usize = 256;

/// The turns of a session.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// Oldest first.
    pub messages: Vec<Message>,
    /// Not all of them, or not as they were said: dropped, cut, or beyond what was asked for.
    pub partial: bool,
}

impl Gateway {
    /// What was said in a session, as much of its end as `bytes_max` allows. Everything that ended
    /// before the call is in it.
    ///
    /// # Errors
    /// When documents cannot be read.
    pub async fn session_history(&self, owner: Owner, session: &str, bytes_max: usize) -> Result<History, Problem> {
        let name = SessionName::new(self.keys.as_ref(), owner, session);
        self.sessions.flush(&name).await?;
        let now = self.clock.now();
        let outline = self.sessions.inner.outline(&name, now).await.map_err(|error| unreadable(&error))?;
        self.read_history(&name, &outline, outline.live.len(), bytes_max, now).await
    }

    /// The same, up to where the turns that the client has sent begin.
    pub(super) async fn history_before(
        &self,
        name: &SessionName,
        own: &ClientRequest,
        sent: Sent,
        bytes_max: usize,
    ) -> Result<History, Problem> {
        self.sessions.flush(name).await?;
        let now = self.clock.now();
        let outline = self.sessions.inner.outline(name, now).await.map_err(|error| unreadable(&error))?;
        let own = joined(&own.new_messages().unwrap_or_default());
        let seen: Vec<Seen> = own.iter().map(|turn| Seen { mark: mark(turn), voice: Voice::of(turn) }).collect();
        let plan = outline.plan(&seen, sent);
        let keep = plan.keep.saturating_sub(plan.from);
        self.read_history(name, &outline, keep, bytes_max, now).await
    }

    async fn read_history(
        &self,
        name: &SessionName,
        outline: &Outline,
        keep: usize,
        bytes_max: usize,
        now: Timestamp,
    ) -> Result<History, Problem> {
        let rows = outline.live.get(..keep).unwrap_or(&outline.live);
        let tail = tail(rows, u64::try_from(bytes_max).unwrap_or(u64::MAX));
        let mut partial = outline.dropped > 0 || tail.len() < rows.len();
        let read = self.sessions.inner.read(name, tail, now).await.map_err(|error| unreadable(&error))?;
        partial |= read.len() < tail.len();
        let mut messages = Vec::with_capacity(read.len());
        for (_, kept) in &read {
            partial |= kept.cut;
            match kept.message() {
                Some(message) => messages.push(message),
                None => partial = true,
            }
        }
        Ok(History { messages, partial })
    }
}

impl Inner {
    /// The messages of `rows`, in their order; those that are gone are left out.
    pub(super) async fn read(
        &self,
        name: &SessionName,
        rows: &[Row],
        now: Timestamp,
    ) -> Result<Vec<(u64, Kept)>, DocumentsError> {
        let mut found = HashMap::with_capacity(rows.len());
        let prefix = name.messages();
        for (first, count) in Outline::runs(rows) {
            let mut next = first;
            let end = first.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
            while next < end {
                let limit = usize::try_from(end - next).unwrap_or(READ_AT_ONCE).min(READ_AT_ONCE);
                for document in self.documents.list(messages(name, next, limit), now).await? {
                    let number = document.id.strip_prefix(&prefix).and_then(|number| number.parse::<u64>().ok());
                    if let (Some(number), Some(kept)) = (number, Kept::read(&document.body)) {
                        found.insert(number, kept);
                    }
                }
                next = next.saturating_add(u64::try_from(limit).unwrap_or(u64::MAX));
            }
        }
        Ok(rows.iter().filter_map(|row| found.remove(&row.number).map(|kept| (row.number, kept))).collect())
    }
}

/// The end of a thread that fits, from a turn of the user on.
fn tail(rows: &[Row], bytes_max: u64) -> &[Row] {
    let mut bytes = 0_u64;
    let mut begin = rows.len();
    for (at, row) in rows.iter().enumerate().rev() {
        bytes = bytes.saturating_add(row.bytes);
        if bytes > bytes_max {
            break;
        }
        begin = at;
    }
    if begin > 0 {
        let from_user = rows.iter().skip(begin).position(|row| row.voice == Voice::User);
        begin = from_user.map_or(rows.len(), |more| begin + more);
    }
    rows.get(begin..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_that_fits_begins_with_the_user() {
        let row = |number, voice| Row { number, bytes: 10, mark: number, voice };
        let rows = [
            row(0, Voice::User),
            row(1, Voice::Model),
            row(2, Voice::Tools),
            row(3, Voice::Model),
            row(4, Voice::User),
            row(5, Voice::Model),
        ];
        for (most, begin) in [(60, 0), (59, 4), (20, 4), (10, 6), (0, 6)] {
            assert_eq!(tail(&rows, most), &rows[begin..], "{most}");
        }
    }
}
