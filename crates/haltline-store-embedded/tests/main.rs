//! The embedded store from outside: what survives which end, and what is refused.

mod books;
mod crash;
mod faults;
mod scenarios;
mod support;
