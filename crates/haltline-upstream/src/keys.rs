//! Several keys of one provider: whose turn it is, which calls stay with one key, and which key
//! rests because the provider said so. Time is an argument; nothing here sends anything.

use haltline_ports::Secret;
use haltline_types::{Fault, FaultClass, FaultKind, Name, Timestamp};
use parking_lot::Mutex;
use std::time::Duration;

/// A key that the provider does not accept, or whose credit is used up, is tried again after this:
/// an operator who mends it need not restart anything.
const REST_UNTIL_MENDED: Duration = Duration::from_secs(5 * 60);

/// A key that was limited without word of when it is free again.
const REST_WHEN_LIMITED: Duration = Duration::from_secs(5);

/// A key of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// The key itself.
    pub secret: Secret,
    /// Its share of the calls, compared with the other keys; at least 1.
    pub weight: u32,
}

impl ApiKey {
    /// A key that takes as much as any other.
    #[must_use]
    pub fn new(secret: impl Into<Secret>) -> Self {
        Self { secret: secret.into(), weight: 1 }
    }
}

/// Whose turn it is. Knows keys by their place in the configuration, from 0.
pub(crate) struct KeyRing(Mutex<Vec<Turn>>);

struct Turn {
    weight: i64,
    /// Of smooth weighted round robin: grows by the weight, falls by the sum when chosen.
    credit: i64,
    /// Rests for every model.
    rests: Option<Timestamp>,
    /// Rests for these models: limits are per model at most providers.
    models: Vec<(Name, Timestamp)>,
}

impl Turn {
    /// Until when it rests for `model`; `None` when it can be used at `now`.
    fn rests_until(&self, model: &Name, now: Timestamp) -> Option<Timestamp> {
        let of_model = self.models.iter().find(|(known, _)| known == model).map(|(_, until)| *until);
        self.rests.max(of_model).filter(|until| *until > now)
    }
}

impl KeyRing {
    pub(crate) fn new(weights: impl Iterator<Item = u32>) -> Self {
        let turn = |weight| Turn { weight: i64::from(weight), credit: 0, rests: None, models: Vec::new() };
        Self(Mutex::new(weights.map(turn).collect()))
    }

    /// The key for a call; `None` only where there is no key at all. Where all rest, the one that
    /// rests the shortest: whether an endpoint is left alone as a whole is not decided here.
    pub(crate) fn pick(&self, model: &Name, affinity: Option<u64>, now: Timestamp) -> Option<usize> {
        let mut turns = self.0.lock();
        if turns.len() < 2 {
            return (!turns.is_empty()).then_some(0);
        }
        let awake: Vec<usize> = (0..turns.len())
            .filter(|place| turns.get(*place).is_some_and(|turn| turn.rests_until(model, now).is_none()))
            .collect();
        if awake.is_empty() {
            let ends = turns.iter().map(|turn| turn.rests_until(model, now)).enumerate();
            return ends.min_by_key(|(_, until)| *until).map(|(place, _)| place);
        }
        let Some(affinity) = affinity else {
            return Self::next_of(&mut turns, &awake);
        };
        // Among all keys first, so that a session comes back to its key after a rest.
        let everybody: Vec<usize> = (0..turns.len()).collect();
        let own = Self::by_hash(&turns, &everybody, affinity)?;
        if awake.contains(&own) { Some(own) } else { Self::by_hash(&turns, &awake, affinity.rotate_left(32)) }
    }

    fn next_of(turns: &mut [Turn], awake: &[usize]) -> Option<usize> {
        let mut sum = 0_i64;
        let mut best: Option<(usize, i64)> = None;
        for place in awake {
            let turn = turns.get_mut(*place)?;
            sum = sum.saturating_add(turn.weight);
            turn.credit = turn.credit.saturating_add(turn.weight);
            if best.is_none_or(|(_, credit)| turn.credit > credit) {
                best = Some((*place, turn.credit));
            }
        }
        let (place, _) = best?;
        let turn = turns.get_mut(place)?;
        turn.credit = turn.credit.saturating_sub(sum);
        Some(place)
    }

    fn by_hash(turns: &[Turn], among: &[usize], affinity: u64) -> Option<usize> {
        let weight = |place: &usize| turns.get(*place).map_or(0, |turn| turn.weight.unsigned_abs());
        let sum: u64 = among.iter().map(weight).sum();
        let mut rest = mix(affinity).checked_rem(sum)?;
        for place in among {
            match rest.checked_sub(weight(place)) {
                Some(less) => rest = less,
                None => return Some(*place),
            }
        }
        None
    }

    /// The provider said that nothing is left for this key and model until then.
    pub(crate) fn exhausted(&self, place: usize, model: &Name, until: Timestamp, now: Timestamp) {
        if let Some(turn) = self.0.lock().get_mut(place) {
            turn.models.retain(|(known, end)| known != model && *end > now);
            turn.models.push((model.clone(), until));
        }
    }

    /// Until when every key rests for a model; `None` when one can be used.
    pub(crate) fn all_rest_until(&self, model: &Name, now: Timestamp) -> Option<Timestamp> {
        let turns = self.0.lock();
        let ends: Option<Vec<Timestamp>> = turns.iter().map(|turn| turn.rests_until(model, now)).collect();
        ends?.into_iter().min()
    }

    /// Learns from a fault. A key that is limited or not accepted rests; when another is free, the
    /// advice to wait is taken out of the fault, for it speaks of this key only, and the same
    /// request may be repeated at once.
    pub(crate) fn learn(&self, place: usize, model: &Name, fault: &mut Fault, now: Timestamp) {
        let stated = fault.retry.after;
        match fault.kind {
            FaultKind::RateLimited => {
                self.exhausted(place, model, now.saturating_add(stated.unwrap_or(REST_WHEN_LIMITED)), now);
            }
            FaultKind::Auth | FaultKind::QuotaExhausted => {
                let until = now.saturating_add(stated.unwrap_or(REST_UNTIL_MENDED));
                if let Some(turn) = self.0.lock().get_mut(place) {
                    turn.rests = turn.rests.max(Some(until));
                }
            }
            _ => return,
        }
        if self.0.lock().len() > 1 {
            tracing::warn!(key = place, kind = fault.kind.word(), "a key of the provider rests");
            if self.all_rest_until(model, now).is_none() {
                fault.class = FaultClass::Retryable;
                fault.retry.after = None;
            }
        }
    }
}

/// Spreads similar hashes: the finalizer of SplitMix64 (Steele, Lea, Flood 2014).
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use haltline_types::Origin;

    const NOW: Timestamp = Timestamp::from_secs(1_000);

    fn ring(weights: &[u32]) -> KeyRing {
        KeyRing::new(weights.iter().copied())
    }

    fn model(name: &str) -> Name {
        Name::new(name)
    }

    fn later(seconds: u64) -> Timestamp {
        NOW.saturating_add(Duration::from_secs(seconds))
    }

    #[test]
    fn turns_are_smooth_and_follow_the_weights() {
        let ring = ring(&[5, 1, 1]);
        let taken: Vec<usize> = (0..7).filter_map(|_| ring.pick(&model("m"), None, NOW)).collect();
        assert_eq!(taken, [0, 0, 1, 0, 2, 0, 0]);
    }

    #[test]
    fn one_key_or_none_needs_no_choice() {
        assert_eq!(ring(&[]).pick(&model("m"), Some(1), NOW), None);
        let ring = ring(&[3]);
        ring.exhausted(0, &model("m"), later(9), NOW);
        assert_eq!(ring.pick(&model("m"), None, NOW), Some(0));
    }

    #[test]
    fn a_session_stays_with_its_key_and_comes_back_to_it() {
        let ring = ring(&[1, 1, 2]);
        let mut counts = [0_u32; 3];
        for session in 0..4_000 {
            let own = ring.pick(&model("m"), Some(session), NOW).expect("a key");
            counts[own] += 1;
            assert_eq!(ring.pick(&model("m"), Some(session), NOW), Some(own));
        }
        assert!(counts[0].abs_diff(1_000) < 150 && counts[2].abs_diff(2_000) < 150, "{counts:?}");
        let own = ring.pick(&model("m"), Some(7), NOW).expect("a key");
        ring.exhausted(own, &model("m"), later(10), NOW);
        let other = ring.pick(&model("m"), Some(7), NOW).expect("a key");
        assert_ne!(other, own);
        assert_eq!(ring.pick(&model("m"), Some(7), NOW), Some(other), "also while it rests");
        assert_eq!(ring.pick(&model("m"), Some(7), later(10)), Some(own));
        assert_eq!(ring.pick(&model("another"), Some(7), NOW), Some(own), "limits are per model");
    }

    #[test]
    fn a_limited_key_rests_as_long_as_was_said() {
        let ring = ring(&[1, 1]);
        let mut fault = Fault::new(FaultKind::RateLimited, Origin::Provider, "");
        fault.retry.after = Some(Duration::from_secs(30));
        ring.learn(0, &model("m"), &mut fault, NOW);
        assert_eq!(fault.retry.after, None, "the other key can be used at once");
        assert_eq!(ring.pick(&model("m"), None, later(29)), Some(1));
        assert_eq!(ring.pick(&model("m"), None, later(29)), Some(1));
        assert_eq!(ring.all_rest_until(&model("m"), NOW), None);

        let mut fault = Fault::new(FaultKind::RateLimited, Origin::Provider, "");
        fault.retry.after = Some(Duration::from_secs(60));
        ring.learn(1, &model("m"), &mut fault, NOW);
        assert_eq!(fault.retry.after, Some(Duration::from_secs(60)), "nobody is left");
        assert_eq!(ring.all_rest_until(&model("m"), NOW), Some(later(30)));
        assert_eq!(ring.pick(&model("m"), None, NOW), Some(0), "the one that is free first");
        assert_eq!(ring.all_rest_until(&model("m"), later(30)), None);
    }

    #[test]
    fn a_key_that_is_not_accepted_rests_for_every_model() {
        let ring = ring(&[1, 1]);
        let mut fault = Fault::new(FaultKind::Auth, Origin::Provider, "");
        assert_eq!(fault.class, FaultClass::OperatorActionable);
        ring.learn(0, &model("m"), &mut fault, NOW);
        assert_eq!(fault.class, FaultClass::Retryable, "with the other key");
        for name in ["m", "n"] {
            assert_eq!(ring.pick(&model(name), None, later(299)), Some(1));
        }
        let mut last = Fault::new(FaultKind::QuotaExhausted, Origin::Provider, "");
        ring.learn(1, &model("m"), &mut last, NOW);
        assert_eq!(last.class, FaultClass::OperatorActionable, "there is no other key");
    }

    #[test]
    fn other_faults_change_nothing() {
        let ring = ring(&[1, 1]);
        let mut fault = Fault::new(FaultKind::ServerError, Origin::Provider, "");
        let before = fault.clone();
        ring.learn(0, &model("m"), &mut fault, NOW);
        assert_eq!(fault, before);
        assert_eq!(ring.pick(&model("m"), None, NOW), Some(0));
    }

    #[test]
    fn a_secret_is_not_printed() {
        assert!(!format!("{:?}", ApiKey::new("sk-very-secret")).contains("sk-very"));
    }
}
