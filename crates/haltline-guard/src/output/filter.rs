//! A filter over the text of one channel.

use super::core::{Core, Sink};
use super::hit::{Channel, Hit, Pass};
use super::rules::OutputRules;

/// The state of one channel of one answer. Small until something has begun.
pub struct Filter(Core);

impl Filter {
    pub(super) const fn new(channel: Channel) -> Self {
        Self(Core::new(channel))
    }

    /// Takes the next piece of text and appends to `out` what may go out now. After
    /// [`Pass::Unchanged`] that is `text` itself.
    pub fn push(&mut self, rules: &OutputRules, text: &str, out: &mut String, hits: &mut Vec<Hit>) -> Pass {
        self.0.push(rules.compiled(), text.as_bytes(), &mut Text(out), hits)
    }

    /// The channel ends: appends what was held.
    pub fn finish(&mut self, rules: &OutputRules, out: &mut String, hits: &mut Vec<Hit>) -> Pass {
        self.0.finish(rules.compiled(), &mut Text(out), hits)
    }

    /// Bytes that wait for what comes next.
    #[must_use]
    pub fn held(&self) -> usize {
        self.0.held()
    }

    /// Whether the text has been cut: nothing more goes out.
    #[must_use]
    pub const fn is_cut(&self) -> bool {
        self.0.is_cut()
    }
}

impl std::fmt::Debug for Filter {
    /// Never what is held.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Filter").field("held", &self.held()).field("cut", &self.is_cut()).finish()
    }
}

/// Text that goes out.
struct Text<'a>(&'a mut String);

impl Sink for Text<'_> {
    fn keep(&mut self, bytes: &[u8]) {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.0.push_str(text),
            // Pieces are split between characters only; should they not be, nothing is lost but the character.
            Err(_) => self.0.push_str(&String::from_utf8_lossy(bytes)),
        }
    }

    fn leave_out(&mut self, _count: usize) {}

    fn insert(&mut self, placeholder: &str) {
        self.0.push_str(placeholder);
    }
}
