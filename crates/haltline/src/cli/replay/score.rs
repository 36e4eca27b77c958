//! The score of a replay: what is shown, in order, and how long after what was shown before. Pure.

use super::Kept;
use super::text::text_of;
use haltline_http::timeline::{StepLine, Timeline};
use std::time::Duration;

/// A longer pause between two requests is cut to this: whoever watches a session does not wait for
/// its user's lunch.
const BETWEEN_MAX: Duration = Duration::from_secs(5);

/// Something to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cue {
    /// After the one before.
    pub(super) pause: Duration,
    /// The request that it is a part of.
    pub(super) request: String,
    /// When it was, in milliseconds since 1970.
    pub(super) at_ms: i64,
    pub(super) show: Show,
}

/// What is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Show {
    /// An event of the stream: its number, its text as a reader saw it, and its bytes.
    Event { number: u64, text: String, raw: String },
    /// A step that a client could feel.
    Status { step: String, text: String },
}

/// The cues of requests, the oldest first.
pub(super) fn score(all: &[(Timeline, Option<Kept>)]) -> Vec<Cue> {
    let mut cues = Vec::new();
    let mut before: Option<i64> = None;
    for (timeline, kept) in all {
        let mut own = of_request(timeline, kept.as_ref());
        // Steps that have the time of an event stand before it: they were the reason.
        own.sort_by_key(|(at, rank, _)| (*at, *rank));
        for (index, (at_ms, _, show)) in own.into_iter().enumerate() {
            let since = before.map_or(0, |before| u64::try_from(at_ms.saturating_sub(before)).unwrap_or(0));
            let most = if index == 0 { BETWEEN_MAX } else { Duration::MAX };
            let pause = Duration::from_millis(since).min(most);
            cues.push(Cue { pause, request: timeline.id.clone(), at_ms, show });
            before = Some(at_ms);
        }
    }
    cues
}

type Timed = (i64, u8, Show);

fn of_request(timeline: &Timeline, kept: Option<&Kept>) -> Vec<Timed> {
    let read = timeline.started_at.parse::<jiff::Timestamp>().map(|at| at.as_millisecond()).ok();
    let started = read.or_else(|| kept.map(|kept| kept.stream.started_ms)).unwrap_or(0);
    let mut own: Vec<Timed> = Vec::new();
    let status = |step: &str, text: String| Show::Status { step: step.to_owned(), text };
    // Without a record it is not known what was asked.
    let is_recorded = !timeline.outcome.is_empty();
    let asked =
        if is_recorded { format!("{} for {}", timeline.surface, timeline.model) } else { "no record".to_owned() };
    own.push((started, 0, status(&timeline.id, asked)));
    for step in timeline.steps.iter().filter(|step| is_felt(step)) {
        let at = started.saturating_add(i64::try_from(step.at_us / 1000).unwrap_or(i64::MAX));
        own.push((at, 1, status(&step.step, step.text.clone())));
    }
    let Some(kept) = kept else {
        own.push((started, 2, status("stream", "not kept".to_owned())));
        return own;
    };
    for batch in &kept.batches {
        for (number, event) in (batch.first..).zip(&batch.events) {
            own.push((batch.at_ms, 2, Show::Event { number, text: text_of(event), raw: event.clone() }));
        }
    }
    let last = kept.batches.last().map_or(started, |batch| batch.at_ms);
    let end = timeline.steps.last().map_or(0, |step| i64::try_from(step.at_us / 1000).unwrap_or(i64::MAX));
    let end = started.saturating_add(end).max(last);
    let events = kept.stream.last;
    let told = if is_recorded {
        format!("{} after {events} events, ${}", timeline.outcome, timeline.cost)
    } else if kept.stream.ended_ms.is_some() {
        format!("ended after {events} events")
    } else {
        format!("{events} events so far: it runs, or its process died")
    };
    own.push((end, 3, status("end", told)));
    own
}

/// Steps that whoever looked at the answer could feel, or would ask about.
fn is_felt(step: &StepLine) -> bool {
    matches!(
        step.step.as_str(),
        "throttled"
            | "waited"
            | "cap_lowered"
            | "fault"
            | "retry"
            | "gave_up"
            | "fallback"
            | "degraded"
            | "breaker_refused"
            | "watcher_left"
            | "resumed"
            | "stopped"
            | "continued"
            | "cut"
            | "cached"
            | "attached"
            | "tool_called"
            | "tool_returned"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use haltline_http::timeline::{BatchLine, StreamLine};

    fn request(id: &str, started_at: &str) -> Timeline {
        let step = |at_us, step: &str| StepLine { at_us, step: step.to_owned(), ..StepLine::default() };
        Timeline {
            id: id.to_owned(),
            started_at: started_at.to_owned(),
            outcome: "answered".to_owned(),
            cost: "0.01".to_owned(),
            steps: vec![step(0, "arrived"), step(300_000, "retry"), step(2_000_000, "ended")],
            ..Timeline::default()
        }
    }

    fn kept(started_ms: i64) -> Kept {
        let batch = |first, at_ms, events: &[&str]| {
            let events = events.iter().map(|event| (*event).to_owned()).collect();
            BatchLine { first, at_ms, events }
        };
        Kept {
            stream: StreamLine { id: "r".to_owned(), started_ms, ended_ms: None, last: 3 },
            batches: vec![
                batch(1, started_ms + 300, &["data: {}\n\n", "data: {\"type\":\"text-delta\",\"delta\":\"Hi\"}\n\n"]),
                batch(3, started_ms + 1_300, &["data: [DONE]\n\n"]),
            ],
        }
    }

    fn told(cues: &[Cue]) -> Vec<(u64, String)> {
        let tell = |cue: &Cue| {
            let show = match &cue.show {
                Show::Event { number, text, .. } => format!("{number} {text}"),
                Show::Status { step, .. } => step.clone(),
            };
            (u64::try_from(cue.pause.as_millis()).expect("short"), show)
        };
        cues.iter().map(tell).collect()
    }

    #[test]
    fn events_and_steps_come_in_the_order_of_time() {
        let cues = score(&[(request("r", "1970-01-01T00:00:10Z"), Some(kept(10_000)))]);
        let row = |pause, show: &str| (pause, show.to_owned());
        assert_eq!(
            told(&cues),
            [row(0, "r"), row(300, "retry"), row(0, "1 "), row(0, "2 Hi"), row(1_000, "3 "), row(700, "end")]
        );
    }

    #[test]
    fn a_long_pause_between_requests_is_cut_and_what_is_not_kept_is_said() {
        let cues = score(&[
            (request("a", "1970-01-01T00:00:10Z"), Some(kept(10_000))),
            (request("b", "1970-01-01T01:00:00Z"), None),
        ]);
        let told = told(&cues);
        assert_eq!(told.get(6), Some(&(5_000, "b".to_owned())));
        assert!(told.iter().any(|(_, show)| show == "stream"));
    }
}
