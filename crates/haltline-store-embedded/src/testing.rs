//! What the tests of several modules need: records that look like real ones.

use haltline_ports::{AttemptRecord, Basis, Outcome, RequestRecord, Step, Steps, What};
use haltline_types::{Code, Demand, FaultKind, ModelName, NanoUsd, RequestId, Subjects, Timestamp, Tokens, Usage};
use std::sync::Arc;
use std::time::Duration;

/// An answered request of `user` with one attempt per item of `costs`, in nanodollars.
pub(crate) fn record(id: u128, user: &str, started: Timestamp, costs: &[(&str, i64)]) -> RequestRecord {
    let attempts = (1..).zip(costs).map(|(number, (provider, cost))| AttemptRecord {
        number,
        endpoint: ModelName { provider: (*provider).into(), model: "m".into() },
        started,
        ended: started,
        ceiling: Demand { usd: NanoUsd::new(cost * 2), tokens: Tokens::new(2000), requests: 1, retries: 0 },
        cost: NanoUsd::new(*cost),
        basis: Basis::Reported,
        usage: Some(Usage { input: Tokens::new(100), output: Tokens::new(10), ..Usage::default() }),
        status: Some(200),
        fault: None,
    });
    RequestRecord {
        id: RequestId::from_u128(id),
        trace_id: "0af7651916cd43dd8448eb211c80319c".into(),
        started,
        ended: started.saturating_add(Duration::from_millis(900)),
        subjects: Arc::new(Subjects {
            key: Some("app".into()),
            user: Some(user.into()),
            session: Some("s1".into()),
            tags: vec![("env".into(), "prod".into()), ("feature".into(), "chat".into())],
            ..Subjects::default()
        }),
        surface: "chat.completions".into(),
        model: "chat".into(),
        streamed: true,
        outcome: Outcome::Answered,
        status: 200,
        first_token: Some(Duration::from_millis(120)),
        cap_lowered_to: None,
        degraded_to: None,
        blocked: None,
        attempts: attempts.collect(),
        steps: steps(),
    }
}

/// A request that was refused without an attempt.
pub(crate) fn refused(id: u128, user: &str, started: Timestamp) -> RequestRecord {
    RequestRecord { outcome: Outcome::Refused(Code::BudgetExceeded), status: 402, ..record(id, user, started, &[]) }
}

/// A request that failed because no connection could be made.
pub(crate) fn not_sent(id: u128, user: &str, started: Timestamp) -> RequestRecord {
    let mut record = record(id, user, started, &[("openai", 0)]);
    record.outcome = Outcome::Failed(Code::UpstreamFailed);
    for attempt in &mut record.attempts {
        (attempt.basis, attempt.fault, attempt.usage) = (Basis::Released, Some(FaultKind::ConnectFailed), None);
    }
    record
}

fn steps() -> Vec<Step> {
    let mut steps = Steps::new();
    steps.push(Duration::ZERO, What::Arrived);
    steps.push(Duration::from_micros(140), What::Identified { key: "app".into(), user: None });
    steps.push(Duration::from_millis(120), What::FirstToken);
    steps.push(Duration::from_millis(900), What::Ended { outcome: Outcome::Answered });
    steps.list()
}
