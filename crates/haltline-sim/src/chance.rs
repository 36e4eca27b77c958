//! Chance: sequences that one number determines. Each part of a world draws from a sequence of its
//! own, so that a change in one does not shift the others.

use std::ops::Range;
use std::time::Duration;

/// A splitmix64 sequence.
#[derive(Clone, Debug)]
pub struct Chance {
    state: u64,
}

impl Chance {
    /// The sequence of `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The sequence of `seed` for one part of a world, named by `label`.
    #[must_use]
    pub fn of(seed: u64, label: &str) -> Self {
        let mut state = seed;
        for byte in label.bytes() {
            state = mix(state ^ u64::from(byte));
        }
        Self { state }
    }

    /// The sequence of `seed` for a thing with a number of its own.
    #[must_use]
    pub fn of_number(seed: u64, number: u128) -> Self {
        let high = u64::try_from(number >> 64).unwrap_or(0);
        let low = u64::try_from(number & u128::from(u64::MAX)).unwrap_or(0);
        Self { state: mix(mix(seed ^ high) ^ low) }
    }

    /// 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.state)
    }

    /// Evenly from a range; its start when the range is empty.
    pub fn within(&mut self, range: Range<u64>) -> u64 {
        let width = range.end.saturating_sub(range.start);
        range.start + self.bits().checked_rem(width).unwrap_or(0)
    }

    /// True so many times in a thousand.
    pub fn per_mille(&mut self, share: u64) -> bool {
        self.within(0..1000) < share
    }

    /// A duration in whole milliseconds.
    pub fn millis(&mut self, range: Range<u64>) -> Duration {
        Duration::from_millis(self.within(range))
    }

    /// One of several; `None` of none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let place = self.within(0..u64::try_from(items.len()).unwrap_or(u64::MAX));
        usize::try_from(place).ok().and_then(|place| items.get(place))
    }
}

/// The last steps of splitmix64 (Steele, Lea, Flood, OOPSLA 2014).
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
