//! The embedded store from outside: what survives which end, and what is refused.

mod books;
mod crash;
mod documents;
mod faults;
mod gate;
mod process;
mod scenarios;
mod sealed;
mod streams;
mod streams_crash;
mod support;
