//! Bills above their bound (promise, rule 7). Each is in the log and the metrics; an endpoint that
//! does it again is told of once an hour, with how many there were.

use super::Notice;
use crate::settings::AlertKind;
use haltline_types::{AttemptId, ModelName, NanoUsd, Timestamp};
use serde_json::json;
use std::collections::HashMap;
use std::time::Duration;

/// Between two alerts for the same endpoint.
const APART: Duration = Duration::from_secs(3_600);
/// Endpoints that are kept apart; bills of further ones are not told of here.
const ENDPOINTS_MAX: usize = 1_000;

#[derive(Debug, Default)]
struct Seen {
    /// The last one, and how many there were since somebody was told.
    last: Option<(AttemptId, NanoUsd, NanoUsd)>,
    count: u64,
    told_at: Option<Timestamp>,
}

#[derive(Debug, Default)]
pub(super) struct Bills {
    seen: HashMap<ModelName, Seen>,
}

impl Bills {
    pub(super) fn note(&mut self, endpoint: &ModelName, attempt: AttemptId, ceiling: NanoUsd, cost: NanoUsd) {
        if self.seen.len() >= ENDPOINTS_MAX && !self.seen.contains_key(endpoint) {
            return;
        }
        let seen = self.seen.entry(endpoint.clone()).or_default();
        seen.last = Some((attempt, ceiling, cost));
        seen.count = seen.count.saturating_add(1);
    }

    pub(super) fn look(&mut self, now: Timestamp) -> Vec<Notice> {
        let mut notices = Vec::new();
        for (endpoint, seen) in &mut self.seen {
            if seen.told_at.is_some_and(|told| now.since(told) < APART) {
                continue;
            }
            let Some((attempt, ceiling, cost)) = seen.last.take() else { continue };
            notices.push(Notice {
                kind: AlertKind::PriceBound,
                event: "price_bound.exceeded",
                data: json!({
                    "endpoint": endpoint.to_string(),
                    "request_id": attempt.request.to_string(),
                    "attempt": attempt.number,
                    "ceiling_usd": ceiling.to_decimal(),
                    "cost_usd": cost.to_decimal(),
                    "bills": seen.count,
                }),
                text: format!("{endpoint} billed {cost} for an attempt whose ceiling was {ceiling}"),
            });
            seen.count = 0;
            seen.told_at = Some(now);
        }
        self.seen.retain(|_, seen| seen.last.is_some() || seen.told_at.is_some_and(|told| now.since(told) < APART));
        notices
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use haltline_types::RequestId;

    #[test]
    fn an_endpoint_is_told_of_once_an_hour_with_their_number() {
        let endpoint = ModelName::parse("p/m").expect("a name");
        let now = Timestamp::from_secs(1_800_000_000);
        let attempt = AttemptId { request: RequestId::from_parts(0, 7), number: 1 };
        let mut bills = Bills::default();
        let note = |bills: &mut Bills| bills.note(&endpoint, attempt, NanoUsd::new(1), NanoUsd::new(2_000_000_000));
        note(&mut bills);
        let first = bills.look(now);
        assert_eq!((first.len(), &first[0].data["bills"], &first[0].data["cost_usd"]), (1, &json!(1), &json!("2.00")));
        note(&mut bills);
        note(&mut bills);
        assert!(bills.look(now.saturating_add(Duration::from_secs(3_599))).is_empty());
        let later = now.saturating_add(APART);
        assert_eq!(bills.look(later)[0].data["bills"], 2);
        assert!(bills.look(later.saturating_add(APART)).is_empty() && bills.seen.is_empty());
    }
}
