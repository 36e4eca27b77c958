//! What a screen asks of whoever knows the rules.

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// What the model says.
    Text,
    /// What it thinks.
    Reasoning,
    /// What it says instead of an answer.
    Refusal,
    /// Arguments of a call, as the JSON that the model writes.
    Arguments,
    /// A string of a call's arguments, or the free text of a call.
    Value,
    /// Anything else: names, sources, extras of a provider.
    Other,
}

/// One text that comes in pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Channel {
    /// What it is.
    pub kind: Kind,
    /// The choice, output item or block.
    pub place: u64,
    /// Which text of its kind there.
    pub part: u64,
    /// It repeats what another channel says: what is found in it is known already.
    pub echo: bool,
}

impl Channel {
    /// A text of a choice, item or block.
    #[must_use]
    pub const fn new(kind: Kind, place: u64, part: u64) -> Self {
        Self { kind, place, part, echo: false }
    }

    /// The same, as a repetition of another.
    pub(super) const fn echoing(self) -> Self {
        Self { echo: true, ..self }
    }
}

/// What may pass of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// All of it, and nothing is held back.
    Same,
    /// What was appended to `out`, which may be nothing.
    Changed,
    /// What was appended to `out`, and nothing after it: the answer ends.
    Cut,
}

/// Says what may pass.
pub trait Scan {
    /// The next piece of a channel. What may go out for it, and for what was held back before, is
    /// appended to `out`, except where the answer is `Flow::Same`.
    fn push(&mut self, channel: Channel, text: &str, out: &mut String) -> Flow;

    /// The channel ends: what was held back may pass now, or says what it is.
    fn finish(&mut self, channel: Channel, out: &mut String) -> Flow;

    /// A text that stands alone and is whole. `channel` tells what it is.
    fn whole(&mut self, channel: Channel, text: &str, out: &mut String) -> Flow;

    /// The begin of a text that stands alone and may be told again, longer: what is undecided at its
    /// end is left out.
    fn begun(&mut self, channel: Channel, text: &str, out: &mut String) -> Flow;
}
