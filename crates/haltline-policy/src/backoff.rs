//! The arithmetic of waiting: exponential steps, full jitter, jitter upwards. Whether to wait at
//! all is decided in `retry`.

use std::time::Duration;

/// A whole number in `0..=bound`, spread evenly over it by the 64 random bits.
#[must_use]
pub fn pick(random: u64, bound: u64) -> u64 {
    let wide = (u128::from(random) * (u128::from(bound) + 1)) >> 64;
    // The product is below 2^64 * (bound + 1), so the quotient is at most `bound`.
    u64::try_from(wide).unwrap_or(bound)
}

/// The step before the retry number `retry`, counted from 1: base, twice the base, four times, …,
/// never more than `cap`.
#[must_use]
pub fn step(base: Duration, cap: Duration, retry: u8) -> Duration {
    let doublings = u32::from(retry.saturating_sub(1));
    let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
    base.checked_mul(factor).unwrap_or(cap).min(cap)
}

/// Full jitter: anything from nothing to the whole step.
#[must_use]
pub fn full_jitter(step: Duration, random: u64) -> Duration {
    Duration::from_nanos(pick(random, nanos(step)))
}

/// At least `wait`, at most a `part`-th more: who was told to wait must never come early, and a
/// crowd that was told the same must not come together. `part` 0 adds nothing.
#[must_use]
pub fn jitter_upwards(wait: Duration, part: u64, random: u64) -> Duration {
    let room = nanos(wait).checked_div(part).unwrap_or(0);
    wait.saturating_add(Duration::from_nanos(pick(random, room)))
}

/// 2^64 nanoseconds are 584 years; longer waits are as good as that.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
