//! The pool, the OpenAI upstream and the simulated model, against servers written out by hand.

mod answers;
mod cost;
mod faults;
mod load;
mod reuse;
mod simulated;
mod streams;
mod support;
mod tls;
