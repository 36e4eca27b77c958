//! The order in which a strategy prefers a model's targets, before anything is known of what they
//! cannot do at present. Weighted choice is weighted rendezvous hashing: every endpoint draws a
//! number of its own, so that adding, removing or re-weighting one moves only its own share.

use super::{EndpointState, Offer, Strategy, Target};
use haltline_types::{ModelName, NanoUsd};
use std::cmp::Ordering;
use std::time::Duration;

/// One request in so many looks at an endpoint whose speed nobody knows.
const EXPLORE_EVERY: u64 = 16;

/// What decided that an endpoint comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    Strategy(Strategy),
    Affinity,
    Explored,
}

/// Indices of `targets`, each endpoint once, the preferred one first.
pub(super) fn rank(
    targets: &[Target],
    strategy: Strategy,
    affinity: Option<u64>,
    chance: u64,
    state: &dyn Fn(&ModelName) -> EndpointState,
) -> (Vec<usize>, Why) {
    let mut order: Vec<usize> = (0..targets.len()).filter(|index| is_first(targets, *index)).collect();
    let by = Why::Strategy(strategy);
    match strategy {
        Strategy::Ordered => (order, by),
        Strategy::Weighted => {
            let seed = affinity.unwrap_or(chance);
            order.sort_by(|a, b| by_draw(targets.get(*a), targets.get(*b), seed));
            (order, if affinity.is_some() { Why::Affinity } else { by })
        }
        Strategy::Cheapest => {
            let offers = look(targets, &order, |endpoint| ceiling(&state(endpoint).offer));
            order.sort_by_key(|index| {
                offers.get(*index).copied().flatten().map_or((true, NanoUsd::ZERO), |usd| (false, usd))
            });
            (order, by)
        }
        Strategy::Fastest => {
            let speeds = look(targets, &order, |endpoint| state(endpoint).latency);
            let speed = |index: usize| speeds.get(index).copied().flatten();
            let unknown = order.iter().filter(|index| speed(**index).is_none()).count();
            let explores = unknown > 0 && unknown < order.len() && mix(chance).is_multiple_of(EXPLORE_EVERY);
            order.sort_by_key(|index| match speed(*index) {
                None => (!explores, Duration::ZERO),
                Some(latency) => (explores, latency),
            });
            (order, if explores { Why::Explored } else { by })
        }
    }
}

/// What the price of a request is at an endpoint, where there is one.
pub(super) fn ceiling(offer: &Offer) -> Option<NanoUsd> {
    match offer {
        Offer::Ceiling(usd) | Offer::AboveMaxCost { ceiling: usd, .. } => Some(*usd),
        Offer::TooLong | Offer::Unsayable | Offer::Unpriced => None,
    }
}

fn is_first(targets: &[Target], index: usize) -> bool {
    let Some(target) = targets.get(index) else { return false };
    targets.iter().position(|other| other.endpoint == target.endpoint) == Some(index)
}

/// By index of the target, `None` where it is not asked for.
fn look<T: Copy>(targets: &[Target], order: &[usize], value: impl Fn(&ModelName) -> Option<T>) -> Vec<Option<T>> {
    let of = |(index, target): (usize, &Target)| order.contains(&index).then(|| value(&target.endpoint)).flatten();
    targets.iter().enumerate().map(of).collect()
}

/// Which of two drew the smaller number: `-log2(hash) / weight`, an exponential race, which each
/// wins as often as its weight says. Compared crosswise, so that nothing is divided.
fn by_draw(a: Option<&Target>, b: Option<&Target>, seed: u64) -> Ordering {
    let (Some(a), Some(b)) = (a, b) else { return Ordering::Equal };
    let time = |target: &Target| u128::from(minus_log2(draw(&target.endpoint, seed)));
    let left = time(a) * u128::from(b.weight.get());
    let right = time(b) * u128::from(a.weight.get());
    left.cmp(&right).then_with(|| a.endpoint.cmp(&b.endpoint))
}

fn draw(endpoint: &ModelName, seed: u64) -> u64 {
    let mut hash = Fnv::new();
    hash.write(endpoint.provider.as_bytes());
    hash.write(b"/");
    hash.write(endpoint.model.as_bytes());
    mix(mix(hash.0).wrapping_add(seed))
}

/// `-log2(x / 2^64)` in units of 2^-32, by repeated squaring. Integers, so that every machine
/// draws the same.
fn minus_log2(x: u64) -> u64 {
    let x = x.max(1);
    let whole = u64::from(x.leading_zeros());
    // In [1, 2), with 63 bits behind the point.
    let mut mantissa = x << x.leading_zeros();
    let mut fraction = 0_u64;
    for _ in 0..32 {
        let square = (u128::from(mantissa) * u128::from(mantissa)) >> 63;
        fraction <<= 1;
        let two_or_more = square >> 64 != 0;
        fraction |= u64::from(two_or_more);
        mantissa = u64::try_from(square >> u32::from(two_or_more)).unwrap_or(u64::MAX);
    }
    // log2(x) = 63 - whole + fraction; 64 minus that.
    ((whole + 1) << 32).saturating_sub(fraction)
}

/// The number of a session, the same on every machine.
#[must_use]
pub fn affinity(session: &str) -> u64 {
    let mut hash = Fnv::new();
    hash.write(session.as_bytes());
    mix(hash.0)
}

/// FNV-1a, 64 bits.
struct Fnv(u64);

impl Fnv {
    const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

/// The finalizer of SplitMix64: every bit depends on every other.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logarithm_is_one() {
        assert_eq!(minus_log2(1 << 63), 1 << 32);
        assert_eq!(minus_log2(1), 64 << 32);
        assert_eq!(minus_log2(0), 64 << 32);
        assert!(minus_log2(u64::MAX) <= 1);
        // log2(3/4) = -0.41503749927884…
        let three_quarters = minus_log2(3 << 62);
        assert!(three_quarters.abs_diff(1_782_572_490) < 8, "{three_quarters}");
    }
}
