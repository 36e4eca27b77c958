//! The simulator's tests in one binary.

mod auditor;
mod failing_provider;
mod incident;
mod lying;
mod seeds;
mod stage;
mod storm;
mod tightness;
