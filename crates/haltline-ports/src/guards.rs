//! The door to external guard services: one text or a few, and what a service thinks of them.

use crate::{BoxFuture, Permit};
use haltline_types::{Billing, Name, NanoUsd, RequestId};
use std::fmt;

/// Which way a text goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// To the model.
    Input,
    /// From the model.
    Output,
}

impl Direction {
    /// The word for configuration, records and metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
        }
    }
}

/// Who says a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Speaker {
    /// The operator, in the system prompt.
    System,
    /// The user.
    User,
    /// The model.
    Assistant,
    /// A tool, in its result.
    Tool,
    /// A document.
    Document,
}

/// A text that a service is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardText {
    /// Who says it.
    pub speaker: Speaker,
    /// Where it stands: `messages[3].content[0]`.
    pub place: String,
    /// What it says.
    pub text: String,
}

/// What a service is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardAsk {
    /// For this request.
    pub request: RequestId,
    /// Which way the texts go.
    pub direction: Direction,
    /// The model as the client asked for it.
    pub model: Name,
    /// The texts, in order. Never empty.
    pub texts: Vec<GuardText>,
}

/// What a service thinks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GuardOpinion {
    /// Nothing is wrong.
    Passed,
    /// Something is wrong: its own categories for it, a few short words.
    Objects(Vec<String>),
    /// Something is wrong and can be mended: the texts as they may pass, in the order of those
    /// asked about, and its categories.
    Masks {
        /// The texts to use instead.
        texts: Vec<String>,
        /// Its own categories.
        categories: Vec<String>,
    },
}

/// What a service answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardAnswer {
    /// What it thinks.
    pub opinion: GuardOpinion,
    /// What the call cost, where the service reports what it bills; else what is held for it.
    pub cost: Option<NanoUsd>,
}

impl GuardAnswer {
    /// An answer that says nothing of its cost.
    #[must_use]
    pub const fn of(opinion: GuardOpinion) -> Self {
        Self { opinion, cost: None }
    }
}

/// Why a service has no opinion. An outage is never "passed".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardFault {
    /// Which kind.
    pub kind: GuardFaultKind,
    /// May the call have cost money? Anything but `NotSent` and `Rejected` costs what is held.
    pub billing: Billing,
    /// For operators; without texts and keys.
    pub detail: String,
}

/// The kinds of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GuardFaultKind {
    /// No answer in time.
    Timeout,
    /// Nobody there, or the connection broke.
    Unreachable,
    /// It answered with an error, or refuses our access.
    Refused,
    /// It answered something that cannot be read.
    Malformed,
}

impl GuardFaultKind {
    /// The word for records and metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
            Self::Refused => "refused",
            Self::Malformed => "malformed",
        }
    }
}

impl GuardFault {
    /// Nothing was sent.
    #[must_use]
    pub fn not_sent(kind: GuardFaultKind, detail: impl Into<String>) -> Self {
        Self { kind, billing: Billing::NotSent, detail: detail.into() }
    }

    /// It was sent, and refused in a way that no service bills.
    #[must_use]
    pub fn rejected(detail: impl Into<String>) -> Self {
        Self { kind: GuardFaultKind::Refused, billing: Billing::Rejected, detail: detail.into() }
    }

    /// It was sent, and what became of it is unknown.
    #[must_use]
    pub fn unknown(kind: GuardFaultKind, detail: impl Into<String>) -> Self {
        Self { kind, billing: Billing::Unknown, detail: detail.into() }
    }
}

impl fmt::Display for GuardFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.word(), self.detail)
    }
}

impl std::error::Error for GuardFault {}

/// External guard services, by the names that the configuration gives them.
pub trait GuardServices: Send + Sync {
    /// Asks one service once, within its deadline. A service whose calls cost money needs a permit,
    /// and consumes it; without one it is not called.
    fn ask<'a>(
        &'a self,
        service: &'a Name,
        ask: &'a GuardAsk,
        permit: Option<Permit>,
    ) -> BoxFuture<'a, Result<GuardAnswer, GuardFault>>;
}

/// No services: for gateways that have none configured.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoGuardServices;

impl GuardServices for NoGuardServices {
    fn ask<'a>(
        &'a self,
        service: &'a Name,
        _ask: &'a GuardAsk,
        _permit: Option<Permit>,
    ) -> BoxFuture<'a, Result<GuardAnswer, GuardFault>> {
        let detail = format!("there is no guard service \"{service}\"");
        Box::pin(std::future::ready(Err(GuardFault::not_sent(GuardFaultKind::Unreachable, detail))))
    }
}
