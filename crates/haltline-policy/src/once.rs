//! Final answers for a short while: the same request gets the same failure without a call. What
//! makes requests the same is the fingerprint's matter, computed elsewhere.

use haltline_types::Timestamp;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// How long a final answer is kept (contract: 10 s).
pub const KEEP: Duration = Duration::from_secs(10);

/// Answers by fingerprint, bounded in number and age.
#[derive(Clone, Debug)]
pub struct FinalAnswers<T> {
    keep: Duration,
    capacity: usize,
    answers: HashMap<u128, Kept<T>>,
    /// In the order of expiry; an entry whose number is not the map's was replaced.
    order: VecDeque<(Timestamp, u128, u64)>,
    next_number: u64,
}

#[derive(Clone, Debug)]
struct Kept<T> {
    until: Timestamp,
    number: u64,
    answer: T,
}

impl<T> FinalAnswers<T> {
    /// Keeps at most `capacity` answers for `keep` each; the oldest goes first.
    #[must_use]
    pub fn new(keep: Duration, capacity: usize) -> Self {
        Self { keep, capacity, answers: HashMap::new(), order: VecDeque::new(), next_number: 0 }
    }

    /// The answer that was given for this fingerprint, if it is still good.
    #[must_use]
    pub fn get(&self, now: Timestamp, fingerprint: u128) -> Option<&T> {
        self.answers.get(&fingerprint).filter(|kept| now < kept.until).map(|kept| &kept.answer)
    }

    /// Keeps an answer in place of an earlier one.
    pub fn put(&mut self, now: Timestamp, fingerprint: u128, answer: T) {
        if self.capacity == 0 {
            return;
        }
        let until = now.saturating_add(self.keep);
        let number = self.next_number;
        self.next_number = self.next_number.wrapping_add(1);
        self.answers.insert(fingerprint, Kept { until, number, answer });
        self.order.push_back((until, fingerprint, number));
        self.shrink(now);
    }

    /// Forgets an answer, when the request has been let through on purpose.
    pub fn forget(&mut self, fingerprint: u128) {
        self.answers.remove(&fingerprint);
    }

    /// How many answers are kept, expired ones not yet dropped included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.answers.len()
    }

    /// Is none kept?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }

    /// Drops what is expired or too many. Replaced entries leave the queue as their time comes, or
    /// at once when the queue is twice as long as the map may be.
    fn shrink(&mut self, now: Timestamp) {
        while let Some((until, fingerprint, number)) = self.order.front().copied() {
            let crowded = self.answers.len() > self.capacity || self.order.len() > self.capacity.saturating_mul(2);
            if until > now && !crowded {
                return;
            }
            self.order.pop_front();
            if self.answers.get(&fingerprint).is_some_and(|kept| kept.number == number) {
                self.answers.remove(&fingerprint);
            }
        }
    }
}
