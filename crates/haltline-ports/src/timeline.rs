//! The timeline of a request: its steps, in order, each with its distance from the arrival. What
//! is kept is small and cheap, because every request has one. Words and sentences for people are
//! in `timeline/told.rs`. No prompts and no answers are in here.

mod told;

pub use told::span;

use crate::{Basis, Outcome};
use haltline_types::{FaultKind, ModelName, Name, NanoUsd, RequestId, Tokens, Usage};
use std::borrow::Cow;
use std::collections::VecDeque;
use std::time::Duration;

/// The most steps that are kept of one request.
pub const STEPS_MAX: usize = 256;

/// The most endpoints that a plan's step names.
pub const PLANNED_MAX: usize = 16;

/// The longest detail of a fault, in bytes.
pub const DETAIL_BYTES_MAX: usize = 200;

/// Steps before the gap, when there are too many.
const FIRST: usize = STEPS_MAX / 2;
/// Steps after it; one place is the mark's.
const LAST: usize = STEPS_MAX - FIRST - 1;

/// A word of a fixed vocabulary; text when it was read back.
pub type Word = Cow<'static, str>;

/// A step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// How long after the request's arrival; never less than the step before, whole microseconds.
    pub at: Duration,
    /// What happened.
    pub what: What,
}

/// What was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitedFor {
    /// A rate limit to let the request through.
    RateLimit,
    /// Money or tokens that were held and might come back.
    Headroom,
    /// A count of tokens, to lower a ceiling.
    Count,
    /// A client that reads more slowly than it is told.
    Client,
}

/// Which connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The one that asked.
    Same,
    /// Another one of the same owner.
    Another,
}

/// An endpoint of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Which.
    pub endpoint: ModelName,
    /// Is it asked, or left out?
    pub used: bool,
    /// Why: the word of `policy::plan::Reason`.
    pub why: Word,
}

/// What a tool gave back, as the conversation shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolReturn {
    /// The tool; empty where the conversation does not say.
    pub name: Name,
    /// The call's id.
    pub id: Name,
    /// It gave nothing at all.
    pub empty: bool,
    /// It said that it failed.
    pub error: bool,
    /// The length of what it gave, in bytes.
    pub bytes: u64,
    /// From the end of the answer that called to the arrival of the request that brings the
    /// result. Not kept with a record: found when a timeline is read.
    pub took: Option<Duration>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The last byte of the request was there.
    Arrived,
    /// The key is known.
    Identified {
        /// The key.
        key: Name,
        /// Whom it is for.
        user: Option<Name>,
    },
    /// It was understood.
    Accepted {
        /// The model as the client asked for it.
        model: Name,
        /// The surface it came by.
        surface: Word,
        /// The length of its body.
        bytes: u64,
    },
    /// A rate limit or concurrency limit refuses it.
    Throttled {
        /// Which.
        limit: Name,
        /// When a repetition may fit.
        retry_after: Duration,
    },
    /// Nothing was done, for so long.
    Waited {
        /// What for.
        on: WaitedFor,
        /// How long.
        took: Duration,
    },
    /// A plan was made; at most `PLANNED_MAX` endpoints.
    Planned(Vec<Planned>),
    /// A ceiling was lowered by a closer look at the input.
    Tightened {
        /// The ceiling now.
        ceiling: NanoUsd,
    },
    /// A budget gave no hold.
    NotHeld {
        /// For which attempt.
        attempt: u8,
        /// The budget; none where a limit of the request itself says no.
        budget: Option<Name>,
        /// The code of the error that a client would be told.
        why: Word,
    },
    /// The cap was lowered to what fits.
    CapLowered {
        /// The cap now.
        to: Tokens,
    },
    /// The ceiling is held, durably.
    Held {
        /// For which attempt.
        attempt: u8,
        /// For which endpoint.
        endpoint: ModelName,
        /// How much.
        ceiling: NanoUsd,
    },
    /// The request goes to the provider.
    Sent {
        /// As which attempt.
        attempt: u8,
        /// To which endpoint.
        endpoint: ModelName,
    },
    /// The head of the provider's answer is there.
    Head {
        /// Of which attempt.
        attempt: u8,
        /// Its HTTP status.
        status: u16,
    },
    /// The hold was lowered to what is still possible.
    TruedUp {
        /// Of which attempt.
        attempt: u8,
        /// What is held now.
        ceiling: NanoUsd,
    },
    /// The first content of the answer is there.
    FirstToken,
    /// So many events are durable. Sampled.
    Checkpoint {
        /// How many.
        events: u64,
    },
    /// An attempt failed.
    Fault {
        /// Which.
        attempt: u8,
        /// How.
        kind: FaultKind,
        /// The provider's HTTP status.
        status: Option<u16>,
        /// May it have cost money?
        may_have_cost: bool,
        /// For operators: may hold the provider's words. At most `DETAIL_BYTES_MAX`.
        detail: Box<str>,
    },
    /// The breaker of an endpoint has opened.
    BreakerOpened {
        /// Whose.
        endpoint: ModelName,
        /// For how long.
        open_for: Duration,
    },
    /// The breaker of an endpoint lets nothing pass.
    BreakerRefused {
        /// Whose.
        endpoint: ModelName,
    },
    /// Another attempt is made after a wait, which begins here.
    Retry {
        /// The wait.
        wait: Duration,
        /// The fault that is answered by it.
        why: FaultKind,
    },
    /// No further attempt is made.
    GaveUp {
        /// Why.
        why: Word,
    },
    /// The next attempt goes to another endpoint.
    Fallback {
        /// Which.
        to: ModelName,
    },
    /// A cheaper model is asked because a budget is short.
    Degraded {
        /// Which.
        to: Name,
    },
    /// The hold was replaced by what the attempt cost.
    Settled {
        /// Which attempt.
        attempt: u8,
        /// What the charge rests on.
        basis: Basis,
        /// The charge.
        cost: NanoUsd,
        /// Input tokens that were reported.
        input: Option<Tokens>,
        /// Output tokens that were reported.
        output: Option<Tokens>,
    },
    /// A connection began to watch.
    WatcherCame {
        /// The number of the first event that it is shown.
        event: u64,
    },
    /// A connection is gone.
    WatcherLeft {
        /// The number of the last event that was given to it.
        event: u64,
    },
    /// Somebody goes on watching where they stopped.
    Resumed {
        /// After this event.
        after: u64,
        /// By which connection.
        by: By,
    },
    /// Somebody stopped it.
    Stopped {
        /// Who: `owner`, `operator`, `drain`, `disconnect`.
        by: Word,
    },
    /// An answer that broke off goes on in a new attempt.
    Continued {
        /// After this event.
        after: u64,
        /// How: `prefill`, `restart`.
        how: Word,
    },
    /// The answer ends before its end.
    Cut {
        /// Why.
        why: Word,
    },
    /// An answer that was kept is given again.
    Cached {
        /// How: `hit`, `stale`.
        how: Word,
        /// How old it is.
        age: Duration,
    },
    /// The request is the same as one that runs or has run: it gets that one's answer.
    Attached {
        /// Which.
        to: RequestId,
    },
    /// The answer calls a tool.
    ToolCalled {
        /// The tool.
        name: Name,
        /// The call's id.
        id: Name,
    },
    /// The request brings what a tool gave.
    ToolReturned(Box<ToolReturn>),
    /// So many steps are left out here.
    LeftOut {
        /// How many.
        steps: u64,
    },
    /// The journey is over.
    Ended {
        /// How.
        outcome: Outcome,
    },
}

impl What {
    /// A fault's step; of its detail as much as is kept.
    #[must_use]
    pub fn fault(attempt: u8, fault: &haltline_types::Fault, detail: &str) -> Self {
        use haltline_types::Billing;
        let may_have_cost = match fault.billing {
            Billing::NotSent | Billing::Rejected => false,
            Billing::Known(Usage { .. }) | Billing::Unknown => true,
        };
        let detail = shortened(detail, DETAIL_BYTES_MAX).into();
        Self::Fault { attempt, kind: fault.kind, status: fault.status, may_have_cost, detail }
    }
}

/// As much of the beginning as `bytes_max` bytes hold.
#[must_use]
pub fn shortened(text: &str, bytes_max: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or(text)
}

/// The steps of one request as they come in: the first and the last ones are kept, and how many
/// are left out between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Steps {
    first: Vec<Step>,
    last: VecDeque<Step>,
    left_out: u64,
}

impl Steps {
    /// None yet, with room for as many as most requests have.
    #[must_use]
    pub fn new() -> Self {
        Self { first: Vec::with_capacity(16), last: VecDeque::new(), left_out: 0 }
    }

    /// Adds one. A time before that of the last step is that of the last step.
    pub fn push(&mut self, at: Duration, what: What) {
        let at = Duration::from_micros(u64::try_from(at.as_micros()).unwrap_or(u64::MAX));
        let before = self.last.back().or_else(|| self.first.last()).map_or(Duration::ZERO, |step| step.at);
        let step = Step { at: at.max(before), what };
        if self.first.len() < FIRST {
            self.first.push(step);
            return;
        }
        if self.last.len() >= LAST {
            self.last.pop_front();
            self.left_out = self.left_out.saturating_add(1);
        }
        self.last.push_back(step);
    }

    /// Adds something that the request itself says and that was found out later: it stands behind
    /// the acceptance and what was found out before. There may be no room for it.
    pub fn push_of_request(&mut self, what: What) {
        let belongs = |step: &Step| matches!(step.what, What::Accepted { .. } | What::ToolReturned(_));
        let Some((index, before)) = self.first.iter().enumerate().rfind(|(_, step)| belongs(step)) else { return };
        if self.first.len() < FIRST {
            let at = before.at;
            self.first.insert(index + 1, Step { at, what });
        }
    }

    /// All that are kept, in order, with a mark where some are left out.
    #[must_use]
    pub fn list(self) -> Vec<Step> {
        let Self { mut first, last, left_out } = self;
        if let (true, Some(at)) = (left_out > 0, first.last().map(|step| step.at)) {
            first.push(Step { at, what: What::LeftOut { steps: left_out } });
        }
        first.extend(last);
        first
    }
}

/// Which counts of events become steps: the first one, and then whenever the count has doubled, so
/// that a stream of any length has few.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    next: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { next: 1 }
    }
}

impl Sampling {
    /// The most steps of one stream.
    pub const STEPS_MAX: u32 = 32;

    /// Is this count of events a step?
    pub const fn is_due(&mut self, events: u64) -> bool {
        let is_due = events >= self.next && events < 1 << Self::STEPS_MAX;
        if is_due {
            self.next = (events + 1).next_power_of_two();
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(micros: u64) -> Duration {
        Duration::from_micros(micros)
    }

    #[test]
    fn the_middle_is_left_out_and_marked() {
        let mut steps = Steps::new();
        for events in 0..1000 {
            steps.push(micros(events), What::Checkpoint { events });
        }
        let kept = steps.list();
        assert_eq!(kept.len(), STEPS_MAX);
        let number = |index: usize| match &kept[index].what {
            What::Checkpoint { events } => *events,
            other => panic!("{other:?}"),
        };
        assert_eq!((number(0), number(FIRST - 1)), (0, FIRST as u64 - 1));
        assert_eq!(kept[FIRST].what, What::LeftOut { steps: 1000 - STEPS_MAX as u64 + 1 });
        assert_eq!((number(FIRST + 1), number(STEPS_MAX - 1)), (1000 - LAST as u64, 999));
        assert!(kept.is_sorted_by_key(|step| step.at));
    }

    #[test]
    fn as_many_as_fit_have_no_gap() {
        let mut steps = Steps::new();
        for events in 0..STEPS_MAX as u64 - 1 {
            steps.push(micros(events), What::Checkpoint { events });
        }
        let kept = steps.list();
        assert_eq!(kept.len(), STEPS_MAX - 1);
        assert!(kept.iter().all(|step| !matches!(step.what, What::LeftOut { .. })));
    }

    #[test]
    fn time_never_runs_backwards_and_has_whole_microseconds() {
        let mut steps = Steps::new();
        steps.push(Duration::from_nanos(5_999), What::Arrived);
        steps.push(micros(2), What::FirstToken);
        assert_eq!(steps.list().iter().map(|step| step.at).collect::<Vec<_>>(), [micros(5), micros(5)]);
    }

    #[test]
    fn what_the_request_says_stands_behind_its_acceptance() {
        let tool = |id: &str| {
            let (name, id) = ("t".into(), id.into());
            What::ToolReturned(Box::new(ToolReturn { name, id, empty: false, error: false, bytes: 1, took: None }))
        };
        let mut steps = Steps::new();
        steps.push_of_request(tool("too early"));
        steps.push(micros(0), What::Arrived);
        steps.push(micros(7), What::Accepted { model: "m".into(), surface: "chat".into(), bytes: 1 });
        steps.push(micros(9), What::FirstToken);
        steps.push_of_request(tool("1"));
        steps.push_of_request(tool("2"));
        let listed: Vec<_> = steps.list().into_iter().map(|step| (step.at, step.what)).collect();
        assert_eq!(listed[2..4], [(micros(7), tool("1")), (micros(7), tool("2"))]);
        assert_eq!((listed.len(), &listed[4].1), (5, &What::FirstToken));
    }

    #[test]
    fn a_long_stream_has_few_checkpoints() {
        let count = |events: &mut dyn Iterator<Item = u64>| {
            let mut sampling = Sampling::default();
            events.filter(|events| sampling.is_due(*events)).count()
        };
        assert_eq!(count(&mut (0..100_000)), 17);
        assert_eq!(count(&mut (0..100_000).step_by(7)), 15, "batches do not hide a doubling");
        assert_eq!(count(&mut (0..64).map(|power| 1 << power)), 32);
    }

    #[test]
    fn details_are_cut_between_characters() {
        assert_eq!(shortened("aéb", 2), "a");
        assert_eq!(shortened("aéb", 3), "aé");
        assert_eq!(shortened("ab", 200), "ab");
    }
}
