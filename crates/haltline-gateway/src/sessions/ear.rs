//! Hears what a client is told, to keep it.

use haltline_wire::assemble::{Assemble, PartialAnswer, answer_assembler};
use haltline_wire::client::ClientDialect;
use std::fmt;

/// Puts an answer together while it passes.
pub(crate) struct Ear(Box<dyn Assemble>);

impl Ear {
    pub(crate) fn new(dialect: ClientDialect) -> Self {
        Self(answer_assembler(dialect))
    }

    /// Hears an event.
    pub(crate) fn hear(&mut self, event: Option<&str>, data: &[u8]) {
        self.0.take(event, data);
    }

    /// All that was said.
    pub(crate) fn answer(&self) -> PartialAnswer {
        self.0.answer()
    }
}

impl fmt::Debug for Ear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ear")
    }
}
