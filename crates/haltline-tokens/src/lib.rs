//! Exact token counts of public vocabularies, within a guard.
//!
//! Counting takes time (some 4 to 8 MB a second) and a vocabulary takes memory (some 30 to 70 MB
//! from its first use on), so it is for the second stage of a ceiling only: where the byte bound of
//! `haltline-policy` does not fit, or would lower an output cap. `count` works on the caller's
//! thread and must not run on one that serves other requests; `Counter` runs it on threads of its
//! own, with a short queue, and says at once when there is no place. Does not know requests,
//! prices or frames around texts. The feature `exact-tokens`, on by default, brings the vocabularies
//! (47 MB); without it no model has one.

mod counter;
mod guard;
mod vocabulary;

pub use counter::{Busy, Counter, Limits};
pub use guard::{PIECE_MAX, TEXT_MAX, count, exact};
pub use vocabulary::{Vocabulary, vocabulary_of};
