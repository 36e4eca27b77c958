//! What a filter tells about what it found: never the text itself.

use crate::Category;
use std::sync::Arc;

/// What follows when a rule finds something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// The text passes; the hit is told.
    Flag,
    /// A placeholder stands in its place.
    Redact,
    /// The text ends before it.
    Cut,
}

/// Where a text stands in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Channel {
    /// What the model says.
    Text,
    /// What it thinks.
    Reasoning,
    /// Why it refuses.
    Refusal,
    /// The arguments of a call of a tool: another action may hold there, because a changed argument
    /// changes what is done.
    Arguments,
}

/// One find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The rule's name.
    pub rule: Arc<str>,
    /// The kind of what was found.
    pub category: Category,
    /// What followed.
    pub action: Action,
    /// Where it begins: bytes of the channel's text before it.
    pub at: u64,
    /// Bytes of it up to where it was certain. It may go on.
    pub length: usize,
}

/// What became of a piece of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// What goes out is what came in: the caller's bytes may pass as they are.
    Unchanged,
    /// What goes out is something else: less, more, or with placeholders.
    Changed,
    /// The text has ended: what was appended is the last of it.
    Cut,
}

/// What [`whole`](super::OutputRules::whole) says of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Screened {
    /// The text to use instead; `None` if it is unchanged.
    pub text: Option<String>,
    /// What was found.
    pub hits: Vec<Hit>,
    /// Whether the text ends early.
    pub cut: bool,
}
