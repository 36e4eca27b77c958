//! The decisions against their properties and against simpler models written apart.

mod baseline;
mod breaker;
mod cache;
mod clock;
mod latency;
mod limits;
mod lru;
mod measure;
mod media;
mod meter;
mod once;
mod plan;
mod plan_orders;
mod price;
mod quote;
mod rates;
mod retry;
mod route;

use proptest::test_runner::{Config, RngSeed};

/// The same cases on every run.
pub(crate) fn fixed(cases: u32) -> Config {
    Config { cases, rng_seed: RngSeed::Fixed(0x4861_6c74), failure_persistence: None, ..Config::default() }
}
