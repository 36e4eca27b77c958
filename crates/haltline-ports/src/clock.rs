//! The doors to time and chance. Tests and the simulator own both.

use haltline_types::Timestamp;

/// Wall time, guarded against jumps (promise, rule 8).
pub trait Clock: Send + Sync {
    /// The present instant; never earlier than one given before.
    fn now(&self) -> Timestamp;
}

/// Randomness for ids and jitter.
pub trait Entropy: Send + Sync {
    /// 64 random bits.
    fn u64(&self) -> u64;

    /// 128 random bits.
    fn u128(&self) -> u128 {
        (u128::from(self.u64()) << 64) | u128::from(self.u64())
    }
}
