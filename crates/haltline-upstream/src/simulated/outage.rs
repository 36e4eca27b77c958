//! When and how the simulated provider fails: a draw that depends on seed and attempt only, so
//! that a run can be repeated whatever the order of its calls.

use haltline_types::AttemptId;
use http::StatusCode;

/// A time in which the provider does not work as it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// How calls are answered, each as often as its weight says. Empty: every one with a 503.
    pub mix: Vec<OutageShare>,
    /// What a call costs that fails in a way that may be billed.
    pub billing: FailureBilling,
}

/// One kind of answer and how often it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutageShare {
    /// The answer.
    pub answer: OutageAnswer,
    /// Its share among the weights of the mix.
    pub weight: u32,
}

/// How a call is answered during an outage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutageAnswer {
    /// As always.
    Healthy,
    /// With this status and an error; a status that is none of an error counts as 500.
    Status(u16),
    /// Never: the request was taken and nothing comes.
    Hang,
    /// The connection breaks after the request was taken.
    Reset,
}

/// What the provider bills for a call that failed, where its rules do not say "nothing".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum FailureBilling {
    /// Nothing.
    #[default]
    Nothing,
    /// The input.
    Input,
    /// Input and the whole answer that nobody got: the worst that a provider can do.
    Everything,
}

/// What happens to one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Answer,
    Fail(StatusCode),
    Hang,
    Reset,
}

impl Outage {
    pub(super) fn verdict(&self, seed: u64, attempt: AttemptId) -> Verdict {
        let total: u64 = self.mix.iter().map(|share| u64::from(share.weight)).sum();
        if total == 0 {
            return Verdict::Fail(StatusCode::SERVICE_UNAVAILABLE);
        }
        let mut dice = draw(seed, attempt, total);
        for share in &self.mix {
            match dice.checked_sub(u64::from(share.weight)) {
                Some(rest) => dice = rest,
                None => return share.answer.verdict(),
            }
        }
        Verdict::Fail(StatusCode::SERVICE_UNAVAILABLE)
    }
}

impl OutageAnswer {
    fn verdict(self) -> Verdict {
        match self {
            Self::Healthy => Verdict::Answer,
            Self::Hang => Verdict::Hang,
            Self::Reset => Verdict::Reset,
            Self::Status(status) => Verdict::Fail(
                StatusCode::from_u16(status)
                    .ok()
                    .filter(|status| status.is_client_error() || status.is_server_error())
                    .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            ),
        }
    }
}

/// A number below `sides`, evenly spread over seeds and attempts. Zero when `sides` is zero.
pub(super) fn draw(seed: u64, attempt: AttemptId, sides: u64) -> u64 {
    let [high, low] = halves(attempt.request.as_u128());
    let mixed = mix(mix(mix(seed ^ high) ^ low) ^ u64::from(attempt.number));
    mixed.checked_rem(sides).unwrap_or(0)
}

fn halves(bits: u128) -> [u64; 2] {
    let bytes = bits.to_be_bytes();
    let mut halves = [0_u64; 2];
    for (half, eight) in halves.iter_mut().zip(bytes.chunks_exact(8)) {
        *half = eight.iter().fold(0, |value, byte| (value << 8) | u64::from(*byte));
    }
    halves
}

/// Spreads the bits of a number over all of it, by multiplying and folding (splitmix64's steps).
fn mix(value: u64) -> u64 {
    let mut mixed = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use haltline_types::RequestId;

    fn attempt(request: u128, number: u8) -> AttemptId {
        AttemptId { request: RequestId::from_u128(request), number }
    }

    #[test]
    fn draws_are_even_and_depend_on_every_part() {
        let ones = (0..10_000).filter(|request| draw(7, attempt(*request, 1), 10) == 3).count();
        assert!((900..1100).contains(&ones), "{ones} of 10,000");
        let same = (0..1000).filter(|request| {
            draw(7, attempt(*request, 1), 1000) == draw(7, attempt(*request, 2), 1000)
                || draw(7, attempt(*request, 1), 1000) == draw(8, attempt(*request, 1), 1000)
                || draw(7, attempt(*request, 1), 1000) == draw(7, attempt(*request << 64, 1), 1000)
        });
        assert!(same.count() < 20);
    }

    #[test]
    fn a_mix_is_kept() {
        let outage = Outage {
            mix: vec![
                OutageShare { answer: OutageAnswer::Healthy, weight: 1 },
                OutageShare { answer: OutageAnswer::Hang, weight: 0 },
                OutageShare { answer: OutageAnswer::Status(200), weight: 3 },
            ],
            billing: FailureBilling::Nothing,
        };
        let healthy = (0..4000).filter(|id| outage.verdict(1, attempt(*id, 1)) == Verdict::Answer).count();
        let failing = (0..4000)
            .filter(|id| outage.verdict(1, attempt(*id, 1)) == Verdict::Fail(StatusCode::INTERNAL_SERVER_ERROR))
            .count();
        assert!((850..1150).contains(&healthy), "{healthy} of 4000");
        assert_eq!(healthy + failing, 4000);
    }
}
