//! The true bill: what a provider could charge, in integers, one line for each attempt for which
//! inference began. It never looks at what is reported to the client.

use crate::request::ChatRequest;
use crate::units;
use haltline_types::{NanoUsd, PicoUsdPerToken, Tokens};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The two prices of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prices {
    /// Picodollars for each input token.
    pub input: PicoUsdPerToken,
    /// Picodollars for each output token.
    pub output: PicoUsdPerToken,
}

impl Default for Prices {
    /// $0.25 and $2 for a million tokens.
    fn default() -> Self {
        Self { input: PicoUsdPerToken::new(250_000), output: PicoUsdPerToken::new(2_000_000) }
    }
}

impl Prices {
    /// What an attempt costs, rounded up once.
    ///
    /// # Panics
    /// When it does not fit into an `i64` of nanodollars: a bill must not be wrong in silence.
    #[must_use]
    pub fn cost(&self, input: Tokens, output: Tokens) -> NanoUsd {
        let sum = self.input.cost(input).zip(self.output.cost(output)).and_then(|(a, b)| a.checked_add(b));
        match sum.and_then(haltline_types::PicoUsd::ceil_nano) {
            Some(cost) => cost,
            None => panic!("the cost of {input} in and {output} out does not fit"),
        }
    }
}

/// What is billed when an answer is broken off, by either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CutBilling {
    /// The output produced up to then. Output that is not streamed is produced when the latency
    /// has passed.
    #[default]
    Produced,
    /// All output the request would have got, from the moment inference begins: a provider that
    /// runs on without its client.
    Everything,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It runs.
    Running,
    /// The whole answer was handed to the connection.
    Delivered,
    /// The provider broke it off as its behaviour says.
    BrokenOff,
    /// The client closed the connection before the end.
    ClientLeft,
    /// It was billed, and the client was told an error status.
    ErrorStatus,
}

/// One line of the bill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptBill {
    /// The number of the call, from 1, in order of arrival.
    pub call: u64,
    /// What the caller called the attempt, by `x-haltline-attempt`.
    pub attempt: Option<String>,
    /// The model asked for.
    pub model: String,
    /// The cap on output of each choice that the request carried.
    #[serde(with = "units::tokens_opt")]
    pub cap: Option<Tokens>,
    /// Input tokens.
    #[serde(with = "units::tokens")]
    pub input: Tokens,
    /// Output tokens billed so far, all choices together.
    #[serde(with = "units::tokens")]
    pub output: Tokens,
    /// What it costs.
    #[serde(rename = "nanodollars", with = "units::nano_usd")]
    pub cost: NanoUsd,
    /// How it ended.
    pub outcome: Outcome,
}

/// The whole bill at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bill {
    /// The sum of all lines.
    #[serde(rename = "total_nanodollars", with = "units::nano_usd")]
    pub total: NanoUsd,
    /// One line for each attempt, in order of arrival.
    pub attempts: Vec<AttemptBill>,
}

/// Counters of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Calls {
    /// Calls of `/v1/chat/completions`, whatever became of them.
    pub chat: u64,
    /// Calls of `/v1/models`.
    pub models: u64,
    /// Calls for which inference began, and which are on the bill.
    pub billed: u64,
    /// Calls that were rejected before inference.
    pub rejected: u64,
    /// Calls of paths that do not exist here.
    pub unknown: u64,
    /// Chat calls being answered.
    pub in_flight: u64,
    /// The most chat calls that were being answered at once.
    pub in_flight_max: u64,
}

/// The bill and the counters, shared by all connections.
#[derive(Debug, Default)]
pub(crate) struct Book {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    calls: Calls,
    lines: Vec<AttemptBill>,
    /// Counts resets: an attempt that began before a reset finds another line in its place.
    era: u64,
}

impl Book {
    pub(crate) fn bill(&self) -> Bill {
        let inner = self.inner.lock();
        let total = inner.lines.iter().try_fold(NanoUsd::ZERO, |sum, line| sum.checked_add(line.cost));
        match total {
            Some(total) => Bill { total, attempts: inner.lines.clone() },
            None => panic!("the bill of {} attempts does not fit", inner.lines.len()),
        }
    }

    pub(crate) fn calls(&self) -> Calls {
        self.inner.lock().calls
    }

    /// Forgets the bill and the counters. Attempts that still run stay unbilled.
    pub(crate) fn reset(&self) {
        let mut inner = self.inner.lock();
        let in_flight = inner.calls.in_flight;
        inner.calls = Calls { in_flight, in_flight_max: in_flight, ..Calls::default() };
        inner.lines.clear();
        inner.era += 1;
    }

    pub(crate) fn count_models(&self) {
        self.inner.lock().calls.models += 1;
    }

    pub(crate) fn count_unknown(&self) {
        self.inner.lock().calls.unknown += 1;
    }

    /// Counts a chat call and gives its number; it is in flight until the visit is dropped.
    pub(crate) fn arrive(self: &Arc<Self>) -> Visit {
        let mut inner = self.inner.lock();
        inner.calls.chat += 1;
        inner.calls.in_flight += 1;
        inner.calls.in_flight_max = inner.calls.in_flight_max.max(inner.calls.in_flight);
        Visit { book: Arc::clone(self), call: inner.calls.chat }
    }

    pub(crate) fn count_rejected(&self) {
        self.inner.lock().calls.rejected += 1;
    }
}

/// A chat call being answered.
#[derive(Debug)]
pub(crate) struct Visit {
    book: Arc<Book>,
    call: u64,
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut inner = self.book.inner.lock();
        inner.calls.in_flight = inner.calls.in_flight.saturating_sub(1);
    }
}

/// What the billing of one attempt needs to know when inference begins.
pub(crate) struct Start<'a> {
    pub(crate) request: &'a ChatRequest,
    pub(crate) attempt: Option<String>,
    /// All output that the attempt would produce, all choices together.
    pub(crate) planned: Tokens,
    pub(crate) prices: Prices,
    pub(crate) cut: CutBilling,
}

/// A line of the bill that is being written. When it is dropped unfinished the client has left.
#[derive(Debug)]
pub(crate) struct Line {
    visit: Visit,
    index: usize,
    era: u64,
    prices: Prices,
    cut: CutBilling,
    planned: Tokens,
}

impl Line {
    /// Inference begins: the input is billed from here on.
    pub(crate) fn begin(visit: Visit, start: Start<'_>) -> Self {
        let output = match start.cut {
            CutBilling::Produced => Tokens::ZERO,
            CutBilling::Everything => start.planned,
        };
        let input = start.request.input;
        let bill = AttemptBill {
            call: visit.call,
            attempt: start.attempt,
            model: start.request.model.clone(),
            cap: start.request.cap,
            input,
            output,
            cost: start.prices.cost(input, output),
            outcome: Outcome::Running,
        };
        let mut inner = visit.book.inner.lock();
        inner.calls.billed += 1;
        inner.lines.push(bill);
        let (index, era) = (inner.lines.len() - 1, inner.era);
        drop(inner);
        Self { visit, index, era, prices: start.prices, cut: start.cut, planned: start.planned }
    }

    /// The number of the call.
    pub(crate) fn call(&self) -> u64 {
        self.visit.call
    }

    /// The output produced so far, all choices together.
    pub(crate) fn produced(&self, output: Tokens) {
        if self.cut == CutBilling::Everything {
            return;
        }
        self.with(|line, prices| {
            line.output = output;
            line.cost = prices.cost(line.input, output);
        });
    }

    /// All planned output is produced.
    pub(crate) fn produced_all(&self) {
        self.produced(self.planned);
    }

    /// The attempt ends so, unless it has ended.
    pub(crate) fn end(&self, outcome: Outcome) {
        self.with(|line, _| {
            if line.outcome == Outcome::Running {
                line.outcome = outcome;
            }
        });
    }

    fn with(&self, change: impl FnOnce(&mut AttemptBill, &Prices)) {
        let mut inner = self.visit.book.inner.lock();
        if inner.era == self.era
            && let Some(line) = inner.lines.get_mut(self.index)
        {
            change(line, &self.prices);
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.end(Outcome::ClientLeft);
    }
}
