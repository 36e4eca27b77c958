//! The simulator's tests in one binary.

mod seeds;
