//! The real binary in front of the billing fake provider: what the promise says, seen from outside.

mod alerts;
mod answers;
mod bad_input;
mod cache;
mod counts;
mod dialects;
mod failures;
mod forgetting;
mod idempotency;
mod jobs;
mod keys;
mod operator;
mod restart;
mod resume;
mod routes;
mod sellers;
mod sessions;
mod setup;
mod stage_two;
mod storm;
mod streams;
mod tenancy;
mod timeline;
