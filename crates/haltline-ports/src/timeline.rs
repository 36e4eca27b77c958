//! The timeline of a request: its steps, in order, each with its distance from the arrival. What
//! is kept is small and cheap, because every request has one. Words and sentences for people are
//! in `timeline/told.rs`. No prompts and no answers are in here.

mod steps;
mod told;

pub use steps::{Sampling, Steps};
pub use told::span;

use crate::{Basis, Outcome};
use haltline_types::{FaultKind, ModelName, Name, NanoUsd, RequestId, Tokens, Usage};
use std::borrow::Cow;
use std::time::Duration;

/// The most steps that are kept of one request.
pub const STEPS_MAX: usize = 256;

/// The most endpoints that a plan's step names.
pub const PLANNED_MAX: usize = 16;

/// The most rules that a guard's step names.
pub const GUARD_RULES_MAX: usize = 8;

/// The longest detail of a fault, in bytes.
pub const DETAIL_BYTES_MAX: usize = 200;

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
    /// The store to make a hold durable.
    Store,
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

/// What guards found in one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guarded {
    /// `input`, `output`.
    pub direction: Word,
    /// What followed: `allowed`, `shadow`, `flagged`, `redacted`, `blocked`, `error`.
    pub verdict: Word,
    /// The rules and services that objected, at most `GUARD_RULES_MAX`.
    pub rules: Vec<Name>,
    /// How long looking took, or how long text was held back at most.
    pub took: Duration,
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
    /// Guards looked at its texts, and found something.
    Guarded(Box<Guarded>),
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
