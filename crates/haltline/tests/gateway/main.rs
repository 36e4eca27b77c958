//! The real binary in front of the billing fake provider: what the promise says, seen from outside.

mod alerts;
mod answers;
mod bad_input;
mod cache;
mod counts;
mod dialects;
mod failures;
mod forgetting;
mod guard_input;
mod idempotency;
mod jobs;
mod limits;
mod operator;
mod protection;
mod restart;
mod resume;
mod routes;
mod secrets;
mod sellers;
mod sessions;
mod setup;
mod stage_two;
mod storm;
mod streams;
mod timeline;
mod tls;
