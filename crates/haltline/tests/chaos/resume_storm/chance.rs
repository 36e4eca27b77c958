//! Dice with a seed, and what a provider does by them.

use haltline_testkit::{Answer, Behaviour, Ending, Pace, Report, Script, Writing};
use haltline_types::Tokens;
use std::time::Duration;

/// SplitMix64: small, well mixed, the same on every machine.
pub(super) struct Chance(u64);

impl Chance {
    /// Dice of their own for each `who` of a seed.
    pub(super) fn new(seed: u64, who: u64) -> Self {
        let mut chance = Self(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ who.rotate_left(32));
        chance.u64();
        chance
    }

    pub(super) fn u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Both ends can come.
    pub(super) fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.u64() % (to - from + 1)
    }

    pub(super) fn one_in(&mut self, many: u64) -> bool {
        self.u64().is_multiple_of(many)
    }

    pub(super) fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(self.between(from, to))
    }

    pub(super) fn one_of<T: Copy>(&mut self, things: &[T]) -> T {
        let number = usize::try_from(self.u64() % things.len() as u64).expect("an index");
        things[number]
    }
}

/// Answers of every length and pace, some of which break off, and some failures before any answer.
/// `slower`: times between chunks are multiplied by it.
pub(super) fn script(seed: u64, slower: u64) -> Script {
    let mut chance = Chance::new(seed, u64::MAX);
    let mut choices = vec![(4, Behaviour::status(500)), (4, Behaviour::status(429)), (3, Behaviour::ResetBeforeHead)];
    choices.extend((0..200).map(|_| (1, Behaviour::Answer(answer(&mut chance, slower)))));
    Script::random(seed, choices)
}

fn answer(chance: &mut Chance, slower: u64) -> Answer {
    let after = chance.between(0, 60);
    let ending = match chance.between(0, 49) {
        0 | 1 => Ending::Truncate { after },
        2 | 3 => Ending::Cut { after },
        4 | 5 => Ending::Reset { after },
        6 | 7 => Ending::ErrorFrame { after },
        8 => Ending::Stall { after },
        _ => Ending::Complete,
    };
    let writing = match chance.between(0, 19) {
        0 => Writing::Drip { bytes: 90, pause_ms: 1 },
        // More than what is kept in memory of a stream.
        1 => Writing::HugeEvent { bytes: 60_000 },
        _ => Writing::Whole,
    };
    Answer {
        // In a large storm nobody is done before all have asked.
        latency: chance.millis(0, 40) + Duration::from_millis(150 * (slower - 1)),
        tokens: Some(Tokens::new(chance.between(1, 180))),
        pace: Pace {
            interval: chance.millis(2, 15) * u32::try_from(slower).expect("a small factor"),
            tokens_per_chunk: Tokens::new(chance.between(1, 3)),
        },
        report: if chance.one_in(30) { Report::Omit } else { Report::True },
        ending,
        writing,
        ..Answer::default()
    }
}
