//! The guard against corpora, against hostile texts, and against the fuzz corpus.

mod corpora;
mod fuzzed;
mod hostile;
mod input;
