//! A kept answer, and how it is written into a document. The format is our own and has a version:
//! what a later one wrote is not read, and is no loss.

use super::key::{CacheKey, hex};
use bytes::{BufMut, Bytes, BytesMut};
use haltline_policy::cache::{Lifetime, Mark};
use haltline_ports::{Document, Owner, Shelf};
use haltline_types::{ModelName, Name, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The version of the format.
const FORMAT: u8 = 1;
/// What an entry takes besides its bytes, roughly.
const OVERHEAD: usize = 512;
/// What an event takes besides its bytes.
const EVENT_OVERHEAD: usize = 80;

/// One event of a stream, as the client's dialect has it, without its framing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CachedEvent {
    /// The `event` field.
    pub(crate) name: Option<Bytes>,
    /// The data.
    pub(crate) data: Bytes,
}

impl CachedEvent {
    /// The `event` field as text.
    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref().and_then(|name| std::str::from_utf8(name).ok())
    }
}

/// What a client was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// In one go.
    Whole(Bytes),
    /// In events.
    Stream(Vec<CachedEvent>),
}

/// A kept answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// What it is found by.
    pub(crate) key: CacheKey,
    /// What the client was sent.
    pub(crate) said: Said,
    /// Who answered.
    pub(crate) endpoint: Option<ModelName>,
    /// What that provider could not be told.
    pub(crate) dropped: Vec<String>,
    /// Who asked first: what is kept of a user goes when the user is forgotten.
    pub(crate) owner: Owner,
    /// How long it counts.
    pub(crate) lifetime: Lifetime,
    /// The versions of its tags when its request began.
    pub(crate) marks: Vec<(Mark, u64)>,
}

impl Entry {
    /// About what it takes in memory.
    pub(crate) fn size(&self) -> usize {
        let said = match &self.said {
            Said::Whole(body) => body.len(),
            Said::Stream(events) => events.iter().fold(0_usize, |sum, event| {
                sum.saturating_add(event.data.len() + event.name.as_ref().map_or(0, Bytes::len) + EVENT_OVERHEAD)
            }),
        };
        said.saturating_add(OVERHEAD + self.marks.len() * 24)
    }

    /// As a document.
    pub(crate) fn document(&self, now: Timestamp) -> Document {
        Document {
            shelf: Shelf::CachedAnswer,
            id: self.key.document_id(),
            owner: Some(self.owner.clone()),
            labels: Vec::new(),
            changed: now,
            expires: Some(self.lifetime.ends()),
            body: self.write(),
        }
    }

    fn write(&self) -> Bytes {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let head = Head {
            began: self.lifetime.began.as_millis(),
            ttl: millis(self.lifetime.ttl),
            stale_for: millis(self.lifetime.stale_for),
            endpoint: self
                .endpoint
                .as_ref()
                .map(|endpoint| (endpoint.provider.to_string(), endpoint.model.to_string())),
            dropped: self.dropped.clone(),
            marks: self.marks.iter().map(|(mark, version)| (hex(mark), *version)).collect(),
            events: match &self.said {
                Said::Whole(_) => None,
                Said::Stream(events) => {
                    Some(events.iter().map(|event| (event.name().map(str::to_owned), event.data.len())).collect())
                }
            },
        };
        let head = serde_json::to_vec(&head).unwrap_or_default();
        let mut out = BytesMut::with_capacity(head.len() + self.size());
        out.put_u8(FORMAT);
        out.put_u32(u32::try_from(head.len()).unwrap_or(0));
        out.put_slice(&head);
        match &self.said {
            Said::Whole(body) => out.put_slice(body),
            Said::Stream(events) => events.iter().for_each(|event| out.put_slice(&event.data)),
        }
        out.freeze()
    }

    /// From a document; `None` when it is not understood.
    pub(crate) fn read(document: &Document) -> Option<Self> {
        let body = &document.body;
        let key = CacheKey::from_document_id(&document.id)?;
        if body.first() != Some(&FORMAT) {
            return None;
        }
        let length = u32::from_be_bytes(body.get(1..5)?.try_into().ok()?);
        let rest = 5_usize.checked_add(usize::try_from(length).ok()?)?;
        let head: Head = serde_json::from_slice(body.get(5..rest)?).ok()?;
        let mut at = rest;
        let said = match head.events {
            None => Said::Whole(body.slice(at..)),
            Some(events) => {
                let mut said = Vec::with_capacity(events.len().min(4096));
                for (name, length) in events {
                    let end = at.checked_add(length).filter(|end| *end <= body.len())?;
                    said.push(CachedEvent { name: name.map(Bytes::from), data: body.slice(at..end) });
                    at = end;
                }
                Said::Stream(said)
            }
        };
        let marks = head.marks.iter().map(|(mark, version)| Some((read_mark(mark)?, *version)));
        Some(Self {
            key,
            said,
            endpoint: head
                .endpoint
                .map(|(provider, model)| ModelName { provider: Name::from(provider), model: Name::from(model) }),
            dropped: head.dropped,
            owner: document.owner.clone()?,
            lifetime: Lifetime {
                began: Timestamp::from_millis(head.began),
                ttl: Duration::from_millis(head.ttl),
                stale_for: Duration::from_millis(head.stale_for),
            },
            marks: marks.collect::<Option<_>>()?,
        })
    }
}

/// What stands before the bytes.
#[derive(Serialize, Deserialize)]
struct Head {
    began: i64,
    ttl: u64,
    stale_for: u64,
    endpoint: Option<(String, String)>,
    dropped: Vec<String>,
    marks: Vec<(String, u64)>,
    /// Name and length of each event; none for a whole answer.
    events: Option<Vec<(Option<String>, usize)>>,
}

fn read_mark(text: &str) -> Option<Mark> {
    let number = u128::from_str_radix(text, 16).ok().filter(|_| text.len() == 32)?;
    Some(number.to_be_bytes())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::cache) fn entry(number: u8, said: Said) -> Entry {
        Entry {
            key: CacheKey([number; 32]),
            said,
            endpoint: ModelName::parse("fake/m"),
            dropped: vec!["seed".to_owned()],
            owner: Owner { key: Name::new("web"), user: Some(Name::new("alice")) },
            lifetime: Lifetime {
                began: Timestamp::from_millis(1_800_000_000_000),
                ttl: Duration::from_secs(60),
                stale_for: Duration::from_secs(600),
            },
            marks: vec![([0; 16], 0), ([0xfe; 16], u64::MAX)],
        }
    }

    #[test]
    fn what_was_written_is_read_again() {
        let event = |name: Option<&'static str>, data: &'static str| CachedEvent {
            name: name.map(|name| Bytes::from_static(name.as_bytes())),
            data: Bytes::from_static(data.as_bytes()),
        };
        for said in [
            Said::Whole(Bytes::from_static(b"{\"a\":1}")),
            Said::Whole(Bytes::new()),
            Said::Stream(vec![event(Some("message_start"), "{}"), event(None, ""), event(None, "[DONE]")]),
        ] {
            let entry = entry(7, said);
            let document = entry.document(Timestamp::from_millis(5));
            assert_eq!(document.expires, Some(Timestamp::from_millis(1_800_000_660_000)));
            assert_eq!(Entry::read(&document), Some(entry));
        }
    }

    #[test]
    fn what_is_broken_is_no_entry() {
        let whole = entry(7, Said::Stream(vec![CachedEvent { name: None, data: Bytes::from_static(b"abc") }]));
        let document = whole.document(Timestamp::from_millis(5));
        for length in 0..document.body.len() {
            let cut = Document { body: document.body.slice(..length), ..document.clone() };
            assert_eq!(Entry::read(&cut), None, "{length}");
        }
        assert_eq!(Entry::read(&Document { id: "x".to_owned(), ..document }), None);
    }
}
