//! Randomness that is cheap: a splitmix64 sequence from one seed. Good for ids and jitter, not
//! for secrets.

use haltline_ports::Entropy;
use std::sync::atomic::{AtomicU64, Ordering};

/// A sequence that its seed determines, and that many threads may share.
#[derive(Debug)]
pub struct SeededEntropy {
    state: AtomicU64,
}

impl SeededEntropy {
    /// Starts the sequence.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { state: AtomicU64::new(seed) }
    }
}

/// The constants are those of splitmix64 (Steele, Lea, Flood, OOPSLA 2014).
impl Entropy for SeededEntropy {
    fn u64(&self) -> u64 {
        let mut z = self.state.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
