//! Steps in words: a stable one for each kind, and a line for people. The words are a contract.

use super::{By, Planned, Step, ToolReturn, WaitedFor, What};
use crate::{Basis, Outcome};
use haltline_types::Tokens;
use std::fmt;
use std::time::Duration;

impl WaitedFor {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::RateLimit, Self::Store, Self::Headroom, Self::Count, Self::Client];

    /// The word: a contract.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::RateLimit => "rate_limit",
            Self::Store => "store",
            Self::Headroom => "headroom",
            Self::Count => "count",
            Self::Client => "client",
        }
    }
}

impl By {
    /// The word: a contract.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Another => "another",
        }
    }
}

impl What {
    /// The word of the step: a contract.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Arrived => "arrived",
            Self::Identified { .. } => "identified",
            Self::Accepted { .. } => "accepted",
            Self::Throttled { .. } => "throttled",
            Self::Waited { .. } => "waited",
            Self::Planned(_) => "planned",
            Self::Tightened { .. } => "tightened",
            Self::NotHeld { .. } => "not_held",
            Self::CapLowered { .. } => "cap_lowered",
            Self::Held { .. } => "held",
            Self::Sent { .. } => "sent",
            Self::Head { .. } => "head",
            Self::TruedUp { .. } => "trued_up",
            Self::FirstToken => "first_token",
            Self::Checkpoint { .. } => "checkpoint",
            Self::Fault { .. } => "fault",
            Self::BreakerOpened { .. } => "breaker_opened",
            Self::BreakerRefused { .. } => "breaker_refused",
            Self::Retry { .. } => "retry",
            Self::GaveUp { .. } => "gave_up",
            Self::Fallback { .. } => "fallback",
            Self::Degraded { .. } => "degraded",
            Self::Settled { .. } => "settled",
            Self::WatcherCame { .. } => "watcher_came",
            Self::WatcherLeft { .. } => "watcher_left",
            Self::Resumed { .. } => "resumed",
            Self::Stopped { .. } => "stopped",
            Self::Continued { .. } => "continued",
            Self::Cut { .. } => "cut",
            Self::Cached { .. } => "cached",
            Self::Attached { .. } => "attached",
            Self::ToolCalled { .. } => "tool_called",
            Self::ToolReturned(_) => "tool_returned",
            Self::Guarded(_) => "guarded",
            Self::LeftOut { .. } => "left_out",
            Self::Ended { .. } => "ended",
        }
    }

    /// The attempt that the step is a part of.
    #[must_use]
    pub const fn attempt(&self) -> Option<u8> {
        match self {
            Self::NotHeld { attempt, .. }
            | Self::Held { attempt, .. }
            | Self::Sent { attempt, .. }
            | Self::Head { attempt, .. }
            | Self::TruedUp { attempt, .. }
            | Self::Fault { attempt, .. }
            | Self::Settled { attempt, .. } => Some(*attempt),
            _ => None,
        }
    }

    /// How long it took, or takes, where it is a wait.
    #[must_use]
    pub fn took(&self) -> Option<Duration> {
        match self {
            Self::Waited { took, .. } => Some(*took),
            Self::Retry { wait, .. } => Some(*wait),
            Self::ToolReturned(tool) => tool.took,
            Self::Guarded(guarded) => Some(guarded.took),
            _ => None,
        }
    }
}

/// A time as people read it: three digits and a unit.
struct Span(Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.as_micros();
        match micros {
            0..1_000 => write!(f, "{micros} µs"),
            1_000..1_000_000 => write!(f, "{}.{} ms", micros / 1_000, micros % 1_000 / 100),
            1_000_000..120_000_000 => write!(f, "{}.{:02} s", micros / 1_000_000, micros % 1_000_000 / 10_000),
            _ => write!(f, "{} min {} s", micros / 60_000_000, micros % 60_000_000 / 1_000_000),
        }
    }
}

/// A time as people read it: `830 µs`, `12.4 ms`, `3.05 s`, `4 min 10 s`.
#[must_use]
pub fn span(duration: Duration) -> String {
    Span(duration).to_string()
}

/// One line for people. Says what clients may not see as well: a fault's detail.
impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arrived => f.write_str("the request is there"),
            Self::Identified { key, user: Some(user) } if user != key => write!(f, "key {key}, for {user}"),
            Self::Identified { key, .. } => write!(f, "key {key}"),
            Self::Accepted { model, surface, bytes } => write!(f, "{surface} for {model}, {bytes} bytes"),
            Self::Throttled { limit, retry_after } => {
                write!(f, "the limit {limit} is reached; the next request fits in {}", Span(*retry_after))
            }
            Self::Waited { on, took } => match on {
                WaitedFor::RateLimit => write!(f, "waited {} for a rate limit", Span(*took)),
                WaitedFor::Store => write!(f, "waited {} for the store to keep the hold", Span(*took)),
                WaitedFor::Headroom => write!(f, "waited {} for headroom", Span(*took)),
                WaitedFor::Count => write!(f, "waited {} for a count of tokens", Span(*took)),
                WaitedFor::Client => write!(f, "waited {} for the client to read", Span(*took)),
            },
            Self::Planned(endpoints) => planned(f, endpoints),
            Self::Tightened { ceiling } => write!(f, "counted exactly: at most {ceiling}"),
            Self::NotHeld { attempt, budget: Some(budget), why } => {
                write!(f, "attempt {attempt}: no hold, the budget {budget} says {why}")
            }
            Self::NotHeld { attempt, budget: None, why } => write!(f, "attempt {attempt}: no hold, {why}"),
            Self::CapLowered { to } => write!(f, "at most {} output tokens, to fit", to.get()),
            Self::Held { attempt, endpoint, ceiling } => write!(f, "attempt {attempt}: {ceiling} held for {endpoint}"),
            Self::Sent { attempt, endpoint } => write!(f, "attempt {attempt}: sent to {endpoint}"),
            Self::Head { attempt, status } => write!(f, "attempt {attempt}: answers with HTTP {status}"),
            Self::TruedUp { attempt, ceiling } => write!(f, "attempt {attempt}: hold lowered to {ceiling}"),
            Self::FirstToken => f.write_str("first content"),
            Self::Checkpoint { events } => write!(f, "{events} events so far"),
            Self::Fault { attempt, kind, status, may_have_cost, detail } => {
                write!(f, "attempt {attempt}: {}", kind.word())?;
                if let Some(status) = status {
                    write!(f, " (HTTP {status})")?;
                }
                f.write_str(if *may_have_cost { ", may have cost money" } else { ", cost nothing" })?;
                if detail.is_empty() { Ok(()) } else { write!(f, ": {detail}") }
            }
            Self::BreakerOpened { endpoint, open_for } => {
                write!(f, "the breaker of {endpoint} opens for {}", Span(*open_for))
            }
            Self::BreakerRefused { endpoint } => write!(f, "the breaker of {endpoint} is open"),
            Self::Retry { wait, why } => write!(f, "again in {} because of {}", Span(*wait), why.word()),
            Self::GaveUp { why } => write!(f, "no further attempt: {why}"),
            Self::Fallback { to } => write!(f, "goes to {to} instead"),
            Self::Degraded { to } => write!(f, "asks the cheaper model {to}: a budget is short"),
            Self::Settled { attempt, basis, cost, input, output } => {
                match basis {
                    Basis::Reported => write!(f, "attempt {attempt}: cost {cost}")?,
                    Basis::Ceiling => write!(f, "attempt {attempt}: cost {cost}, the ceiling")?,
                    Basis::Released => write!(f, "attempt {attempt}: released, cost nothing")?,
                }
                let count =
                    |tokens: &Option<Tokens>| tokens.map_or_else(|| "?".to_owned(), |count| count.get().to_string());
                match (input, output) {
                    (None, None) => Ok(()),
                    _ => write!(f, ", {} tokens in, {} out", count(input), count(output)),
                }
            }
            Self::WatcherCame { event } => write!(f, "a connection watches from event {event}"),
            Self::WatcherLeft { event } => write!(f, "a connection is gone after event {event}"),
            Self::Resumed { after, by: By::Same } => write!(f, "resumed after event {after}"),
            Self::Resumed { after, by: By::Another } => {
                write!(f, "resumed after event {after} by another connection")
            }
            Self::Stopped { by } => write!(f, "stopped by {by}"),
            Self::Continued { after, how } => write!(f, "goes on after event {after} by {how}"),
            Self::Cut { why } => write!(f, "cut: {why}"),
            Self::Cached { how, age } => write!(f, "cache {how}, {} old", Span(*age)),
            Self::Attached { to } => write!(f, "gets the answer of {to}"),
            Self::ToolCalled { name, id } => write!(f, "calls the tool {name} ({id})"),
            Self::ToolReturned(tool) => returned(f, tool),
            Self::Guarded(guarded) => {
                write!(f, "guard on {}: {}", guarded.direction, guarded.verdict)?;
                for (index, rule) in guarded.rules.iter().enumerate() {
                    write!(f, "{}{rule}", if index == 0 { " by " } else { ", " })?;
                }
                Ok(())
            }
            Self::LeftOut { steps } => write!(f, "{steps} steps are left out"),
            Self::Ended { outcome } => ended(f, *outcome),
        }
    }
}

fn planned(f: &mut fmt::Formatter<'_>, endpoints: &[Planned]) -> fmt::Result {
    f.write_str("plan:")?;
    for (index, Planned { endpoint, used, why }) in endpoints.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        if *used {
            write!(f, "{comma} {endpoint} ({why})")?;
        } else {
            write!(f, "{comma} not {endpoint} ({why})")?;
        }
    }
    if endpoints.is_empty() { f.write_str(" no endpoint") } else { Ok(()) }
}

fn returned(f: &mut fmt::Formatter<'_>, tool: &ToolReturn) -> fmt::Result {
    let ToolReturn { name, id, empty, error, bytes, took } = tool;
    let name = if name.is_empty() { "?" } else { name };
    write!(f, "the tool {name} ({id}) ")?;
    match (error, empty) {
        (true, _) => write!(f, "failed, {bytes} bytes")?,
        (false, true) => f.write_str("gave nothing")?,
        (false, false) => write!(f, "gave {bytes} bytes")?,
    }
    match took {
        Some(took) => write!(f, " after {}", Span(*took)),
        None => Ok(()),
    }
}

fn ended(f: &mut fmt::Formatter<'_>, outcome: Outcome) -> fmt::Result {
    f.write_str(outcome.word())?;
    match outcome.code() {
        Some(code) => write!(f, ": {}", code.word()),
        None => Ok(()),
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{} {}: {}", Span(self.at), self.what.word(), self.what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use haltline_types::{Fault, FaultKind, ModelName, NanoUsd, Origin};

    #[test]
    fn steps_are_told_in_a_line() {
        let endpoint = ModelName { provider: "openai".into(), model: "gpt-5-mini".into() };
        let fault = Fault { status: Some(500), ..Fault::new(FaultKind::ServerError, Origin::Provider, "") };
        let tool = |empty, error, took| {
            What::ToolReturned(Box::new(ToolReturn {
                name: "weather".into(),
                id: "c1".into(),
                empty,
                error,
                bytes: if empty { 0 } else { 12 },
                took,
            }))
        };
        for (what, told) in [
            (
                What::Held { attempt: 1, endpoint: endpoint.clone(), ceiling: NanoUsd::new(20_000_000) },
                "attempt 1: $0.02 held for openai/gpt-5-mini",
            ),
            (
                What::fault(1, &fault, "overheated"),
                "attempt 1: server_error (HTTP 500), may have cost money: overheated",
            ),
            (What::fault(1, &fault, ""), "attempt 1: server_error (HTTP 500), may have cost money"),
            (
                What::Planned(vec![
                    Planned { endpoint: endpoint.clone(), used: true, why: "chosen".into() },
                    Planned { endpoint, used: false, why: "skipped_context".into() },
                ]),
                "plan: openai/gpt-5-mini (chosen), not openai/gpt-5-mini (skipped_context)",
            ),
            (
                What::Settled {
                    attempt: 2,
                    basis: Basis::Reported,
                    cost: NanoUsd::new(1_500_000),
                    input: Some(Tokens::new(10)),
                    output: Some(Tokens::new(20)),
                },
                "attempt 2: cost $0.0015, 10 tokens in, 20 out",
            ),
            (tool(true, false, None), "the tool weather (c1) gave nothing"),
            (
                tool(false, true, Some(Duration::from_millis(1_250))),
                "the tool weather (c1) failed, 12 bytes after 1.25 s",
            ),
            (What::Ended { outcome: Outcome::Answered }, "answered"),
        ] {
            assert_eq!(what.to_string(), told);
        }
    }

    #[test]
    fn spans_have_three_digits_and_a_unit() {
        for (micros, shown) in [
            (0, "0 µs"),
            (999, "999 µs"),
            (1_000, "1.0 ms"),
            (12_449, "12.4 ms"),
            (3_050_000, "3.05 s"),
            (250_000_000, "4 min 10 s"),
        ] {
            assert_eq!(span(Duration::from_micros(micros)), shown);
        }
    }
}
