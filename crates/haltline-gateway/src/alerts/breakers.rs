//! Breakers that open, and close again. One that flutters is told of at most once in ten minutes.

use super::Notice;
use crate::settings::AlertKind;
use haltline_types::{ModelName, Timestamp};
use serde_json::json;
use std::collections::HashMap;
use std::time::Duration;

/// Between two alerts that the same breaker has opened.
const APART: Duration = Duration::from_secs(600);
/// Endpoints that are kept apart; breakers of further ones are not told of.
const ENDPOINTS_MAX: usize = 1_000;

#[derive(Debug, Default)]
struct Turns {
    is_open: bool,
    /// Has it opened since somebody looked?
    opened: Option<Timestamp>,
    /// What people believe.
    told_open: bool,
    told_at: Option<Timestamp>,
}

#[derive(Debug, Default)]
pub(super) struct Breakers {
    turns: HashMap<ModelName, Turns>,
}

impl Breakers {
    pub(super) fn turned(&mut self, endpoint: &ModelName, is_open: bool, at: Timestamp) {
        if self.turns.len() >= ENDPOINTS_MAX && !self.turns.contains_key(endpoint) {
            return;
        }
        let turns = self.turns.entry(endpoint.clone()).or_default();
        turns.is_open = is_open;
        if is_open {
            turns.opened = Some(at);
        }
    }

    pub(super) fn all_closed(&mut self) {
        for turns in self.turns.values_mut() {
            turns.is_open = false;
        }
    }

    pub(super) fn look(&mut self, now: Timestamp) -> Vec<Notice> {
        let mut notices = Vec::new();
        for (endpoint, turns) in &mut self.turns {
            let rests = turns.told_at.is_some_and(|told| now.since(told) < APART);
            if let Some(at) = turns.opened.filter(|_| !turns.told_open && !rests) {
                turns.told_open = true;
                turns.told_at = Some(now);
                notices.push(notice(endpoint, "breaker.opened", at, "fails too often and is left alone"));
            }
            if !turns.is_open {
                turns.opened = None;
                if turns.told_open {
                    turns.told_open = false;
                    notices.push(notice(endpoint, "breaker.closed", now, "answers again"));
                }
            }
        }
        self.turns.retain(|_, turns| turns.is_open || turns.told_at.is_some_and(|told| now.since(told) < APART));
        notices
    }
}

fn notice(endpoint: &ModelName, event: &'static str, at: Timestamp, what: &str) -> Notice {
    Notice {
        kind: AlertKind::Breaker,
        event,
        data: json!({"endpoint": endpoint.to_string(), "at": at.to_string()}),
        text: format!("{endpoint} {what}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opening_and_closing_are_told_of_and_fluttering_is_not() {
        let endpoint = ModelName::parse("p/m").expect("a name");
        let start = Timestamp::from_secs(1_800_000_000);
        // Seconds, the turn that came just before, and what is said.
        let rows: [(u64, Option<bool>, &[&str]); 10] = [
            (0, None, &[]),
            (5, Some(true), &["breaker.opened"]),
            (10, None, &[]),
            (40, Some(false), &["breaker.closed"]),
            (60, Some(true), &[]),
            (90, Some(false), &[]),
            (120, Some(true), &[]),
            (600, None, &[]),
            (605, None, &["breaker.opened"]),
            (700, Some(false), &["breaker.closed"]),
        ];
        let mut breakers = Breakers::default();
        for (seconds, turn, expected) in rows {
            let now = start.saturating_add(Duration::from_secs(seconds));
            if let Some(is_open) = turn {
                breakers.turned(&endpoint, is_open, now);
            }
            let said: Vec<&str> = breakers.look(now).iter().map(|notice| notice.event).collect();
            assert_eq!(said, expected, "{seconds} s");
        }
        let later = start.saturating_add(Duration::from_secs(2_000));
        assert!(breakers.look(later).is_empty() && breakers.turns.is_empty());
        breakers.turned(&endpoint, true, later);
        breakers.turned(&endpoint, false, later);
        assert_eq!(breakers.look(later).len(), 2, "one that opened between two looks is told of");
    }
}
