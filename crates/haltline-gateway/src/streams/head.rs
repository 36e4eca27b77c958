//! What is kept with a stream so that it can be shown again by another process: the facts of its
//! head, what identifies the request, and, where it may be gone on with, the request itself.

use crate::deliver::{Degraded, Notes};
use crate::incoming::Surface;
use bytes::Bytes;
use haltline_types::{ModelName, Name, NanoUsd, RequestId, Tokens};
use serde::{Deserialize, Serialize};

/// The head of a stream.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) surface: Surface,
    pub(crate) notes: Notes,
    /// A keyed hash of the request, for streams that are found by an idempotency key.
    pub(crate) fingerprint: Option<String>,
    /// Is the answer in one piece?
    pub(crate) whole: bool,
    /// What is needed to go on with the answer.
    pub(crate) again: Option<(Again, Bytes)>,
}

/// What a request says besides its body, for a process that goes on with its answer. The key is the
/// owner's, by name: no secret is kept.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Again {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) leave_hosted_tools_out: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tags: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) max_cost_nano_usd: Option<i64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) no_retry: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) strict: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) pass_headers: Vec<(String, String)>,
}

#[derive(Serialize, Deserialize)]
struct Written {
    surface: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    array: bool,
    trace_id: String,
    #[serde(default)]
    attempts: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cost_nano_usd: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cap_lowered_to: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    dropped: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    degraded: Option<(String, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fingerprint: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    whole: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    again: Option<Again>,
}

impl Head {
    /// The words for the store.
    pub(crate) fn to_bytes(&self) -> Bytes {
        let notes = &self.notes;
        let written = Written {
            surface: self.surface.word().to_owned(),
            array: self.surface == Surface::GenerateContent { array: true },
            trace_id: notes.trace_id.clone(),
            attempts: notes.attempts,
            endpoint: notes.endpoint.as_ref().map(ToString::to_string),
            cost_nano_usd: notes.cost.map(NanoUsd::get),
            cap_lowered_to: notes.cap_lowered_to.map(Tokens::get),
            dropped: notes.dropped.clone(),
            degraded: notes.degraded.as_ref().map(|degraded| (degraded.from.to_string(), degraded.to.to_string())),
            fingerprint: self.fingerprint.clone(),
            whole: self.whole,
            again: self.again.as_ref().map(|(again, _)| again.clone()),
        };
        let mut bytes = serde_json::to_vec(&written).unwrap_or_default();
        if let Some((_, body)) = &self.again {
            // JSON on one line ends where the body begins.
            bytes.push(b'\n');
            bytes.extend_from_slice(body);
        }
        Bytes::from(bytes)
    }

    /// From the words of the store; `None` when they are not ours.
    pub(crate) fn of_bytes(id: RequestId, bytes: &[u8]) -> Option<Self> {
        let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
        let (written, body) = bytes.split_at_checked(end)?;
        let written: Written = serde_json::from_slice(written).ok()?;
        let body = Bytes::copy_from_slice(body.strip_prefix(b"\n").unwrap_or_default());
        let mut notes = Notes::new(id, written.trace_id);
        notes.attempts = written.attempts;
        notes.endpoint = written.endpoint.as_deref().and_then(ModelName::parse);
        notes.cost = written.cost_nano_usd.map(NanoUsd::new);
        notes.cap_lowered_to = written.cap_lowered_to.map(Tokens::new);
        notes.dropped = written.dropped;
        notes.degraded = written.degraded.map(|(from, to)| Degraded { from: Name::new(&from), to: Name::new(&to) });
        Some(Self {
            surface: Surface::from_word(&written.surface, written.array)?,
            notes,
            fingerprint: written.fingerprint,
            whole: written.whole,
            again: written.again.map(|again| (again, body)),
        })
    }
}
