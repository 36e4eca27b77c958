//! Tokens a minute of each endpoint: counted where attempts settle, judged once a minute.

use super::Notice;
use crate::settings::AlertKind;
use haltline_policy::baseline::{Baseline, BaselineRules, BurnRate, BurnTurn};
use haltline_types::{ModelName, Timestamp, Tokens};
use parking_lot::{Mutex, RwLock};
use serde_json::json;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

const MINUTE: i64 = 60_000;
/// Endpoints that are counted apart; further ones are not watched.
const ENDPOINTS_MAX: usize = 1_000;

#[derive(Debug, Default)]
pub(super) struct Burn {
    counts: RwLock<HashMap<ModelName, AtomicU64>>,
    past: Mutex<Past>,
}

#[derive(Debug, Default)]
struct Past {
    /// The minute that is being counted, since the epoch.
    minute: Option<i64>,
    baselines: HashMap<ModelName, Baseline>,
}

impl Burn {
    pub(super) fn add(&self, endpoint: &ModelName, tokens: Tokens) {
        if let Some(count) = self.counts.read().get(endpoint) {
            count.fetch_add(tokens.get(), Ordering::Relaxed);
            return;
        }
        let mut counts = self.counts.write();
        if counts.len() < ENDPOINTS_MAX || counts.contains_key(endpoint) {
            counts.entry(endpoint.clone()).or_default().fetch_add(tokens.get(), Ordering::Relaxed);
        }
    }

    /// Judges the minutes that are over.
    pub(super) fn look(&self, now: Timestamp) -> Vec<Notice> {
        let minute = now.as_millis().div_euclid(MINUTE);
        let mut past = self.past.lock();
        let Some(counted) = past.minute.replace(minute) else { return Vec::new() };
        // Minutes in which nobody looked are empty: what they held is in the first.
        let over = minute.saturating_sub(counted);
        let over = usize::try_from(over).unwrap_or(0).min(BaselineRules::default().minutes);
        if over == 0 {
            return Vec::new();
        }
        let mut notices = Vec::new();
        for (endpoint, count) in self.counts.read().iter() {
            let rules = BaselineRules::default();
            let baseline = past.baselines.entry(endpoint.clone()).or_insert_with(|| Baseline::new(rules));
            let first = Tokens::new(count.swap(0, Ordering::Relaxed));
            let minutes = std::iter::once(first).chain(std::iter::repeat_n(Tokens::ZERO, over - 1));
            notices.extend(minutes.filter_map(|tokens| baseline.observe(tokens)).map(|turn| notice(endpoint, turn)));
        }
        let Past { baselines, .. } = &mut *past;
        if baselines.values().any(Baseline::is_idle) {
            self.counts.write().retain(|endpoint, count| {
                count.load(Ordering::Relaxed) > 0 || baselines.get(endpoint).is_some_and(|past| !past.is_idle())
            });
            baselines.retain(|_, past| !past.is_idle());
        }
        notices
    }
}

fn notice(endpoint: &ModelName, turn: BurnTurn) -> Notice {
    let (event, rate, what) = match turn {
        BurnTurn::High(rate) => ("burn_rate.high", rate, "burns more than twice its usual tokens"),
        BurnTurn::Usual(rate) => ("burn_rate.usual", rate, "burns its usual tokens again"),
    };
    let BurnRate { now, baseline } = rate;
    Notice {
        kind: AlertKind::BurnRate,
        event,
        data: json!({
            "endpoint": endpoint.to_string(),
            "tokens_per_minute": now.get(),
            "baseline_tokens_per_minute": baseline.get(),
        }),
        text: format!("{endpoint} {what}: {} a minute, usually {}", now.get(), baseline.get()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_storm_after_an_ordinary_hour_is_told_of_once_and_so_is_its_end() {
        let burn = Burn::default();
        let endpoint = ModelName::parse("p/m").expect("a name");
        let mut now = Timestamp::from_secs(1_800_000_000);
        let mut told = Vec::new();
        // Two ticks in a minute: the second has nothing to judge.
        let minutes = [(70, 5_000), (10, 50_000), (10, 5_000)];
        for tokens in minutes.into_iter().flat_map(|(count, tokens)| std::iter::repeat_n(tokens, count)) {
            for _ in 0..2 {
                burn.add(&endpoint, Tokens::new(tokens / 2));
                told.extend(burn.look(now));
                now = now.saturating_add(Duration::from_secs(30));
            }
        }
        let events: Vec<&str> = told.iter().map(|notice| notice.event).collect();
        assert_eq!(events, ["burn_rate.high", "burn_rate.usual"]);
        assert_eq!(told[0].data["baseline_tokens_per_minute"], 5_000);
    }
}
