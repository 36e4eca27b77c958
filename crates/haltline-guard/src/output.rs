//! The output guard: finds in what a model says what must not get out, while it streams.
//!
//! A [`Filter`] is the state of one channel of one answer. Pieces of text go in; what may go out
//! comes out, with placeholders; text is held back only while a secret may be in the making. The
//! result is the same however the text is cut. It does not know where text stands in an event, nor
//! what follows for the request.

mod arguments;
mod candidate;
mod class;
mod compiled;
mod core;
mod filter;
mod hit;
mod judge;
mod literals;
mod options;
mod rule;
mod rules;
mod secrets;
mod swallow;

pub use arguments::ArgumentsFilter;
pub use filter::Filter;
pub use hit::{Action, Channel, Hit, Pass, Screened};
pub use options::{
    InArguments, OutputOptions, OutputRulesError, Phrase, PiiKind, PiiOptions, RuleSet, SecretOptions, SecretPattern,
};
pub use rule::{SecretRule, Severity};
pub use rules::OutputRules;
pub use secrets::secret_rules;
