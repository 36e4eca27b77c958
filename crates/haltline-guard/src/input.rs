//! The input guard: does a text try to make a model drop its instructions, play somebody without
//! limits, give away its system prompt, or send data elsewhere?
//!
//! Rules are data (`rules/injection.toml`, and the operator's own file in the same format). A text is
//! first made readable in several ways ([`normalise`]), each of which is a *view*: what is written in
//! look-alike letters, hidden characters, markup or base64 becomes plain. Every rule is tried on every
//! view. What is forwarded is always the original.
//!
//! # Points
//! Each rule that fires gives its points once, however often and in however many views it fires:
//! 4 for severity high, 2 for medium, 1 for low, unless the rule names its own. Of rules that share a
//! `group` only the one with most points counts, because they are several ways to see the same thing.
//! A rule that fires only inside a decoded text (base64, hidden characters, a shifted alphabet) gives
//! one point more: somebody hid it. A match that stands in quotation marks within a longer text gives
//! at most one point less than a block needs, because it is talk about an attack more often than one.
//! The sum is compared with a [`Threshold`]: 2 points flag, 4 block, unless the operator says otherwise.
//! So one rule of severity high blocks, two independent ones of medium do, and one of medium flags.
//!
//! # Bounds
//! A text is read in windows of [`WINDOW`] bytes that overlap, at most [`WINDOWS`] of them; of a longer
//! text its beginning and its end are read, and [`Findings::unread`] says how much was left out. The
//! views of a window hold at most four times its bytes. No pattern may match without bound, and the
//! engine takes time linear in the text.

mod allow;
mod compile;
mod findings;
mod normalise;
mod rules_file;
mod ruleset;
mod scan;

pub use allow::Allow;
pub use findings::{Finding, Findings, Reach, Threshold};
pub use normalise::{ViewKind, WINDOW, WINDOWS};
pub use rules_file::{RulesError, Severity};
pub use ruleset::{Rule, Ruleset};
