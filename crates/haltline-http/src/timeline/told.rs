//! From a record to its timeline. What a client may not see, a provider's words, is left out here
//! and nowhere else.

use super::{Audience, PlanLine, StepLine, Timeline, Timelines, ToolLine};
use haltline_ports::{Order, Planned, RequestRecord, RequestsQuery, Step, Together, What, Whose};
use haltline_types::{Code, FaultKind, ModelName, NanoUsd, RequestId, Timestamp, Tokens};
use std::time::Duration;

/// A request's timeline.
#[must_use]
pub fn timeline(record: &RequestRecord, audience: Audience) -> Timeline {
    let text = |name: &Option<haltline_types::Name>| name.as_ref().map(ToString::to_string);
    let tokens = |of: fn(&haltline_types::Usage) -> Tokens| {
        let usages = record.attempts.iter().filter_map(|attempt| attempt.usage.as_ref());
        usages.fold(0_u64, |sum, usage| sum.saturating_add(of(usage).get()))
    };
    let took = record.steps.last().map_or_else(|| record.ended.since(record.started), |last| last.at);
    Timeline {
        id: record.id.to_string(),
        trace_id: record.trace_id.clone(),
        key: text(&record.subjects.key),
        user: text(&record.subjects.user),
        session: text(&record.subjects.session),
        surface: record.surface.to_string(),
        model: record.model.to_string(),
        streamed: record.streamed,
        started_at: record.started.to_string(),
        ended_at: record.ended.to_string(),
        took_us: micros(took),
        outcome: record.outcome.word().to_owned(),
        code: record.outcome.code().map(|code| Code::word(code).to_owned()),
        status: record.status,
        cost: record.cost().to_decimal(),
        attempts: record.attempts.len(),
        input_tokens: tokens(|usage| usage.input),
        output_tokens: tokens(|usage| usage.output),
        steps: record.steps.iter().filter(|step| shows(step, audience)).map(|step| line(step, audience)).collect(),
    }
}

/// Timelines of a page of `limit` records.
#[must_use]
pub fn timelines(records: &[RequestRecord], limit: usize, audience: Audience) -> Timelines {
    let next = records.last().filter(|_| records.len() >= limit).map(|last| last.id.to_string());
    Timelines { requests: records.iter().map(|record| timeline(record, audience)).collect(), next }
}

/// How far back the answer is looked for that has called a tool.
const BEFORE_MAX: usize = 8;

/// The question for the requests before this one in its session; none where no tool's time is to
/// be found.
#[must_use]
pub fn before(record: &RequestRecord) -> Option<RequestsQuery> {
    let session = record.subjects.session.clone()?;
    let key = record.subjects.key.clone()?;
    record.steps.iter().any(|step| matches!(step.what, What::ToolReturned(_))).then(|| RequestsQuery {
        together: Together::Session(session),
        whose: Whose::Owner(haltline_ports::Owner { key, user: record.subjects.user.clone() }),
        order: Order::NewestFirst,
        after: Some(record.id),
        limit: BEFORE_MAX,
    })
}

/// Finds how long tools took: from the end of the answer that called them, the one that names the
/// call or else the last one before, to the arrival of the request that brings the result.
pub fn time_tools<'a>(record: &mut RequestRecord, before: impl Iterator<Item = &'a RequestRecord> + Clone) {
    let started = record.started;
    let before = before.filter(|earlier| earlier.ended <= started);
    for step in &mut record.steps {
        let What::ToolReturned(tool) = &mut step.what else { continue };
        let calls = |earlier: &&RequestRecord| {
            earlier.steps.iter().any(|step| matches!(&step.what, What::ToolCalled { id, .. } if *id == tool.id))
        };
        let latest = |records: &mut dyn Iterator<Item = &'a RequestRecord>| records.map(|earlier| earlier.ended).max();
        let named: Option<Timestamp> = latest(&mut before.clone().filter(calls));
        tool.took = named.or_else(|| latest(&mut before.clone())).map(|ended| started.since(ended));
    }
}

/// The same for all records of a session, whatever their order.
pub fn time_tools_of(records: &mut [RequestRecord]) {
    let all: Vec<RequestRecord> = records.to_vec();
    for record in records {
        let id: RequestId = record.id;
        time_tools(record, all.iter().filter(move |earlier| earlier.id < id));
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// What guards note in silence is for operators.
fn shows(step: &Step, audience: Audience) -> bool {
    match (&step.what, audience) {
        (What::Guarded(guarded), Audience::Owner) => !matches!(&*guarded.verdict, "shadow" | "allowed"),
        _ => true,
    }
}

fn line(step: &Step, audience: Audience) -> StepLine {
    let what = &step.what;
    let text = match (what, audience) {
        (What::Fault { attempt, kind, status, may_have_cost, .. }, Audience::Owner) => What::Fault {
            attempt: *attempt,
            kind: *kind,
            status: *status,
            may_have_cost: *may_have_cost,
            detail: "".into(),
        }
        .to_string(),
        // Which rule a text has met is a lesson in how to get around it; what is watched in silence
        // stays so.
        (What::Guarded(guarded), Audience::Owner) => format!("guard on {}: {}", guarded.direction, guarded.verdict),
        _ => what.to_string(),
    };
    let line = StepLine {
        at_us: micros(step.at),
        step: what.word().to_owned(),
        text,
        attempt: what.attempt(),
        took_us: what.took().map(micros),
        ..StepLine::default()
    };
    more(line, what)
}

/// What a step says besides.
fn more(line: StepLine, what: &What) -> StepLine {
    let endpoint = |endpoint: &ModelName| Some(endpoint.to_string());
    let money = |money: &NanoUsd| Some(money.to_decimal());
    let word = |word: &str| Some(word.to_owned());
    match what {
        What::Arrived | What::FirstToken => line,
        What::Waited { on, .. } => StepLine { why: word(on.word()), ..line },
        What::Identified { key, .. } => StepLine { about: word(key), ..line },
        What::Accepted { model, bytes, .. } => StepLine { about: word(model), bytes: Some(*bytes), ..line },
        What::Throttled { limit, .. } => StepLine { about: word(limit), ..line },
        What::Planned(endpoints) => StepLine { plan: endpoints.iter().map(planned).collect(), ..line },
        What::Tightened { ceiling } | What::TruedUp { ceiling, .. } => StepLine { ceiling: money(ceiling), ..line },
        What::NotHeld { budget, why, .. } => {
            StepLine { about: budget.as_ref().map(ToString::to_string), why: word(why), ..line }
        }
        What::CapLowered { to } => StepLine { output_tokens: Some(to.get()), ..line },
        What::Held { endpoint: held, ceiling, .. } => {
            StepLine { endpoint: endpoint(held), ceiling: money(ceiling), ..line }
        }
        What::Sent { endpoint: to, .. } | What::Fallback { to } | What::BreakerRefused { endpoint: to } => {
            StepLine { endpoint: endpoint(to), ..line }
        }
        What::BreakerOpened { endpoint: to, open_for } => {
            StepLine { endpoint: endpoint(to), took_us: Some(micros(*open_for)), ..line }
        }
        What::Head { status, .. } => StepLine { status: Some(*status), ..line },
        What::Fault { kind, status, may_have_cost, .. } => StepLine {
            fault: word(FaultKind::word(*kind)),
            status: *status,
            may_have_cost: Some(*may_have_cost),
            ..line
        },
        What::Retry { why, .. } => StepLine { why: word(why.word()), ..line },
        What::GaveUp { why } | What::Cut { why } => StepLine { why: word(why), ..line },
        What::Degraded { to } => StepLine { about: word(to), ..line },
        What::Settled { basis, cost, input, output, .. } => StepLine {
            basis: word(basis.word()),
            cost: money(cost),
            input_tokens: input.map(Tokens::get),
            output_tokens: output.map(Tokens::get),
            ..line
        },
        What::Checkpoint { events: event } | What::WatcherCame { event } | What::WatcherLeft { event } => {
            StepLine { event: Some(*event), ..line }
        }
        What::Resumed { after, by } => StepLine { event: Some(*after), why: word(by.word()), ..line },
        What::Stopped { by } => StepLine { why: word(by), ..line },
        What::Continued { after, how } => StepLine { event: Some(*after), why: word(how), ..line },
        What::Cached { how, age } => StepLine { why: word(how), took_us: Some(micros(*age)), ..line },
        What::Attached { to } => StepLine { about: Some(to.to_string()), ..line },
        What::ToolCalled { name, id } => {
            let tool = ToolLine { name: name.to_string(), id: id.to_string(), ..ToolLine::default() };
            StepLine { tool: Some(tool), ..line }
        }
        What::ToolReturned(tool) => {
            let (name, id) = (tool.name.to_string(), tool.id.to_string());
            let told = ToolLine { name, id, empty: tool.empty, error: tool.error };
            StepLine { tool: Some(told), bytes: Some(tool.bytes), ..line }
        }
        What::Guarded(guarded) => StepLine { about: word(&guarded.direction), why: word(&guarded.verdict), ..line },
        What::LeftOut { steps } => StepLine { event: Some(*steps), ..line },
        What::Ended { outcome } => {
            StepLine { why: word(outcome.code().map_or_else(|| outcome.word(), Code::word)), ..line }
        }
    }
}

fn planned(planned: &Planned) -> PlanLine {
    PlanLine { endpoint: planned.endpoint.to_string(), used: planned.used, why: planned.why.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use haltline_ports::{Basis, Outcome, Steps, ToolReturn};
    use haltline_types::{Fault, Origin, Subjects};
    use std::sync::Arc;

    fn record(id: u128, started: i64, ended: i64, steps: &[What]) -> RequestRecord {
        let mut kept = Steps::new();
        for what in steps {
            kept.push(Duration::from_micros(7), what.clone());
        }
        RequestRecord {
            id: RequestId::from_u128(id),
            trace_id: "0af7651916cd43dd8448eb211c80319c".to_owned(),
            started: Timestamp::from_millis(started),
            ended: Timestamp::from_millis(ended),
            subjects: Arc::new(Subjects { key: Some("web".into()), session: Some("s".into()), ..Subjects::default() }),
            surface: "chat.completions".into(),
            model: "chat".into(),
            streamed: true,
            outcome: Outcome::Answered,
            status: 200,
            first_token: None,
            cap_lowered_to: None,
            degraded_to: None,
            blocked: None,
            attempts: Vec::new(),
            steps: kept.list(),
        }
    }

    fn returned(id: &str) -> What {
        let (name, id) = ("weather".into(), id.into());
        What::ToolReturned(Box::new(ToolReturn { name, id, empty: true, error: false, bytes: 0, took: None }))
    }

    fn took(record: &RequestRecord) -> Vec<Option<u64>> {
        timeline(record, Audience::Owner).steps.iter().map(|step| step.took_us).collect()
    }

    #[test]
    fn a_providers_words_are_for_operators() {
        let fault = Fault::new(FaultKind::Auth, Origin::Provider, "");
        let record = record(1, 0, 5, &[What::fault(1, &fault, "account acme-7 is suspended")]);
        let shown = |audience| serde_json::to_string(&timeline(&record, audience)).expect("JSON");
        assert!(shown(Audience::Operator).contains("acme-7"));
        assert!(!shown(Audience::Owner).contains("acme-7"));
        assert!(shown(Audience::Owner).contains("attempt 1: auth, may have cost money"));
    }

    #[test]
    fn a_step_says_what_belongs_to_it_and_no_more() {
        let settled = What::Settled {
            attempt: 2,
            basis: Basis::Reported,
            cost: NanoUsd::new(1_500_000),
            input: Some(Tokens::new(10)),
            output: None,
        };
        let shown = timeline(&record(1, 0, 5, &[settled]), Audience::Owner);
        assert_eq!(
            serde_json::to_string(&shown.steps).expect("JSON"),
            r#"[{"at_us":7,"step":"settled","text":"attempt 2: cost $0.0015, 10 tokens in, ? out","attempt":2,"cost":"0.0015","basis":"reported","input_tokens":10}]"#
        );
        assert_eq!((shown.took_us, shown.outcome.as_str()), (7, "answered"));
    }

    #[test]
    fn tools_are_timed_from_the_answer_that_called_them() {
        let called = What::ToolCalled { name: "weather".into(), id: "c1".into() };
        let mut session = [
            record(1, 0, 1_000, &[called]),
            record(2, 1_100, 1_200, &[]),
            record(3, 3_000, 4_000, &[returned("c1"), returned("c2")]),
            // Runs beside the third: its end says nothing of tools.
            record(4, 2_900, 3_500, &[returned("c3")]),
        ];
        time_tools_of(&mut session);
        assert_eq!(took(&session[2]), [Some(2_000_000), Some(1_800_000)]);
        assert_eq!(took(&session[3]), [Some(1_700_000)]);
        let mut alone = record(3, 3_000, 4_000, &[returned("c1")]);
        time_tools(&mut alone, std::iter::empty());
        assert_eq!(took(&alone), [None]);
    }

    #[test]
    fn what_came_before_is_asked_for_only_where_a_tool_has_answered() {
        assert_eq!(before(&record(3, 0, 1, &[What::FirstToken])), None);
        let asked = before(&record(3, 0, 1, &[returned("c1")])).expect("a question");
        assert_eq!((asked.after, asked.order), (Some(RequestId::from_u128(3)), Order::NewestFirst));
    }

    #[test]
    fn a_full_page_says_where_the_next_one_begins() {
        let records = [record(1, 0, 1, &[]), record(2, 0, 1, &[])];
        assert_eq!(timelines(&records, 2, Audience::Owner).next, Some(records[1].id.to_string()));
        assert_eq!(timelines(&records, 3, Audience::Owner).next, None);
    }
}
