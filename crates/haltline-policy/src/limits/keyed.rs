//! The limits of all, and besides them those of single keys. All let a request through, or none counts it.

use super::{LimitKind, LimitRefusal, LimitReport, Limiter, RateLimit, Running};
use haltline_types::{Name, Subjects, Timestamp, Tokens};
use std::collections::BTreeMap;

/// The limits of all and those of keys.
#[derive(Clone, Debug)]
pub struct KeyedLimiter {
    all: Limiter,
    /// Only keys that have limits. Their scope is the whole key, so each keeps one subject.
    keys: BTreeMap<Name, Limiter>,
}

/// The proof that a request runs, for the limits of all and those of its key.
#[derive(Debug, Default)]
#[must_use = "give it to `KeyedLimiter::leave`"]
pub struct KeyedRunning {
    all: Running,
    key: Option<(Name, Running)>,
}

impl KeyedLimiter {
    /// Nothing counted, and no limits of keys.
    #[must_use]
    pub fn new(rules: Vec<RateLimit>, subjects_max: usize) -> Self {
        Self { all: Limiter::new(rules, subjects_max), keys: BTreeMap::new() }
    }

    /// Takes one request of `tokens` from every limit, or nothing from any.
    ///
    /// # Errors
    /// The limit that has to be waited for longest.
    pub fn admit(
        &mut self,
        now: Timestamp,
        subjects: &Subjects,
        tokens: Tokens,
    ) -> Result<(LimitReport, KeyedRunning), LimitRefusal> {
        self.take(now, subjects, tokens, |_| true)
    }

    /// The same for what is made now and runs at another time: how many run at once is no matter.
    ///
    /// # Errors
    /// As `admit`, but for `Concurrency`.
    pub fn note(&mut self, now: Timestamp, subjects: &Subjects, tokens: Tokens) -> Result<(), LimitRefusal> {
        let (_, running) = self.take(now, subjects, tokens, |refusal| refusal.kind != LimitKind::Concurrency)?;
        self.leave(running);
        Ok(())
    }

    fn take(
        &mut self,
        now: Timestamp,
        subjects: &Subjects,
        tokens: Tokens,
        counts: impl Fn(&LimitRefusal) -> bool,
    ) -> Result<(LimitReport, KeyedRunning), LimitRefusal> {
        let own = subjects.key.as_ref().and_then(|name| Some((name, self.keys.get_mut(name)?)));
        let of_all = self.all.check(now, subjects, tokens, &counts);
        let Some((name, own)) = own else {
            of_all?;
            return Ok(split(self.all.count(now, subjects, tokens), None));
        };
        match (of_all, own.check(now, subjects, tokens, &counts)) {
            (Ok(()), Ok(())) => {}
            (Err(all), Err(own)) => return Err(if own.weight() > all.weight() { own } else { all }),
            (Err(refusal), Ok(())) | (Ok(()), Err(refusal)) => return Err(refusal),
        }
        let of_key = own.count(now, subjects, tokens);
        Ok(split(self.all.count(now, subjects, tokens), Some((name.clone(), of_key))))
    }

    /// A request has ended.
    pub fn leave(&mut self, running: KeyedRunning) {
        self.all.leave(running.all);
        if let Some((name, running)) = running.key
            && let Some(own) = self.keys.get_mut(&name)
        {
            own.leave(running);
        }
    }

    /// Other limits of all from here on.
    pub fn reconfigure(&mut self, rules: Vec<RateLimit>) {
        self.all.reconfigure(rules);
    }

    /// Other limits of keys from here on; one that is the same keeps what it counted.
    pub fn set_keys(&mut self, rules: BTreeMap<Name, Vec<RateLimit>>) {
        let mut old = std::mem::take(&mut self.keys);
        for (name, rules) in rules {
            let own = match old.remove(&name) {
                Some(mut own) => {
                    own.reconfigure(rules);
                    own
                }
                None => Limiter::new(rules, 1),
            };
            self.keys.insert(name, own);
        }
    }

    /// How many subjects are remembered, over all limits.
    #[must_use]
    pub fn subjects(&self) -> usize {
        self.all.subjects() + self.keys.values().map(Limiter::subjects).sum::<usize>()
    }
}

/// The nearest limit of both, and what runs.
fn split(all: LimitReport, own: Option<(Name, LimitReport)>) -> (LimitReport, KeyedRunning) {
    let mut report = LimitReport { nearest: all.nearest, running: Running::default() };
    let mut running = KeyedRunning { all: all.running, key: None };
    if let Some((name, own)) = own {
        let is_nearer = match (&own.nearest, &report.nearest) {
            (Some(own), Some(all)) => own.is_nearer_than(all),
            (own, _) => own.is_some(),
        };
        if is_nearer {
            report.nearest = own.nearest;
        }
        running.key = Some((name, own.running));
    }
    (report, running)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{Algorithm, LimitUnit};
    use haltline_types::Scope;
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_secs(1_000);

    fn limit(name: &str, scope: &str, limit: u64, concurrency: Option<u32>) -> RateLimit {
        RateLimit {
            name: name.into(),
            scope: Scope::parse([scope]).expect("a scope"),
            limit,
            per: Duration::from_secs(10),
            algorithm: Algorithm::SlidingWindow,
            burst: None,
            unit: LimitUnit::Requests,
            concurrency,
        }
    }

    fn of(key: &str) -> Subjects {
        Subjects { key: Some(key.into()), ..Subjects::default() }
    }

    fn limiter() -> KeyedLimiter {
        let mut limiter = KeyedLimiter::new(vec![limit("all", "global", 4, None)], 10);
        limiter.set_keys(BTreeMap::from([("web".into(), vec![limit("key web/10s", "global", 2, Some(1))])]));
        limiter
    }

    fn pass(limiter: &mut KeyedLimiter, key: &str) -> Result<KeyedRunning, String> {
        let admitted = limiter.admit(NOW, &of(key), Tokens::ZERO);
        admitted.map(|(_, running)| running).map_err(|refusal| refusal.limit.to_string())
    }

    #[test]
    fn a_key_has_its_own_limits_and_those_of_all() {
        let mut limiter = limiter();
        let running = pass(&mut limiter, "web").expect("the first");
        assert_eq!(pass(&mut limiter, "web").map(drop), Err("key web/10s".to_owned()), "one at once");
        limiter.leave(running);
        let running = pass(&mut limiter, "web").expect("the second");
        limiter.leave(running);
        assert_eq!(pass(&mut limiter, "web").map(drop), Err("key web/10s".to_owned()), "two in ten seconds");
        // What its own limit refused was not counted by that of all: two more fit.
        for _ in 0..2 {
            let running = pass(&mut limiter, "batch").expect("another key");
            limiter.leave(running);
        }
        assert_eq!(pass(&mut limiter, "batch").map(drop), Err("all".to_owned()));
    }

    #[test]
    fn what_the_limit_of_all_refuses_is_not_counted_for_the_key() {
        let mut limiter = limiter();
        for _ in 0..4 {
            let running = pass(&mut limiter, "batch").expect("it fits");
            limiter.leave(running);
        }
        assert_eq!(pass(&mut limiter, "web").map(drop), Err("all".to_owned()));
        limiter.reconfigure(vec![limit("all", "global", 100, None)]);
        for _ in 0..2 {
            let running = pass(&mut limiter, "web").expect("nothing was counted");
            limiter.leave(running);
        }
    }

    #[test]
    fn other_limits_of_a_key_keep_what_is_the_same() {
        let mut limiter = limiter();
        let running = pass(&mut limiter, "web").expect("the first");
        limiter.leave(running);
        let same = vec![limit("key web/10s", "global", 2, Some(1))];
        limiter.set_keys(BTreeMap::from([("web".into(), same), ("lab".into(), vec![limit("l", "global", 1, None)])]));
        let running = pass(&mut limiter, "web").expect("the second");
        limiter.leave(running);
        assert!(pass(&mut limiter, "web").is_err());
        limiter.set_keys(BTreeMap::new());
        let running = pass(&mut limiter, "web").expect("no limit of its own");
        limiter.leave(running);
        assert_eq!(limiter.subjects(), 1);
    }
}
