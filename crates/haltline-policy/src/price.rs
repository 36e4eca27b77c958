//! What usage costs at a price, and the most that it can cost. Which price belongs to which model
//! is the catalogue's matter; what time it is, the caller's.

mod change;
mod error;
mod fees;
mod multiplier;
mod rates;

pub use change::{CEILING_HORIZON, Change, DATE_SLACK, When};
pub use error::PriceError;
pub use fees::ToolFees;
pub use multiplier::Multiplier;
pub use rates::{CacheWrites, Dearest, Rates};

use change::in_force;
use haltline_types::{NanoUsd, PicoUsdPerToken, Timestamp, Tokens, Usage};
use rates::check_rows;
use std::borrow::Cow;

/// What one model costs.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Price {
    /// What is charged, by length of the prompt, where no change is in force.
    pub settle: Vec<Rates>,
    /// The dearest that may apply (doubtful sources), by length of the prompt. Added to `settle`,
    /// so it may be empty.
    pub ceiling: Vec<Rates>,
    /// Other rates from a day on, until a day or at certain hours. Where several are in force, the
    /// last in the list is. Whoever has no time to give gets the dearest of all.
    pub changes: Vec<Change>,
    /// The longest input that the provider takes.
    pub max_input: Option<Tokens>,
    /// The longest output that the model gives.
    pub max_output: Option<Tokens>,
    /// Fees of tools that the provider runs. Not part of any cost here: a report does not count
    /// them.
    pub fees: ToolFees,
    /// The provider's own figure in its usage report is the bill (xAI, OpenRouter).
    pub states_cost: bool,
    /// Costs nothing: one's own machine. Then there are no rates.
    pub free: bool,
}

impl Price {
    /// A price that is one row for all lengths, without cache rates or fee.
    #[must_use]
    pub fn flat(input: PicoUsdPerToken, output: PicoUsdPerToken) -> Self {
        Self { settle: vec![Rates::flat(input, output)], ..Self::default() }
    }

    /// Free of charge.
    #[must_use]
    pub fn free() -> Self {
        Self { free: true, ..Self::default() }
    }

    /// The price as it can be within `CEILING_HORIZON` from `now` on: what an attempt that begins
    /// now is quoted with. Borrowed when no change is known.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> Cow<'_, Self> {
        if self.changes.is_empty() {
            return Cow::Borrowed(self);
        }
        let mut schedules = in_force(&self.changes, now, now.saturating_add(CEILING_HORIZON));
        let settle = if schedules.base_applies { self.settle.clone() } else { schedules.take_first() };
        let changes = schedules.into_changes();
        Cow::Owned(Self { settle, changes, ..self.clone() })
    }

    /// The price of a request that carries sound, pictures or film, where their tokens have rates
    /// of their own: no report tells them from those of text, so all input has the dearer rate.
    #[must_use]
    pub fn with_media(&self) -> Cow<'_, Self> {
        if self.rows().all(|row| row.media.is_none()) {
            return Cow::Borrowed(self);
        }
        Cow::Owned(self.each_row(Rates::with_media))
    }

    /// The price of a request that can write no more than this to the provider's cache, to be
    /// quoted with. What is settled is what was reported, so it is settled with the whole price.
    #[must_use]
    pub fn with_writes(&self, most: CacheWrites) -> Cow<'_, Self> {
        let narrowed = |row: &Rates| row.with_writes(most);
        if self.rows().all(|row| narrowed(row) == *row) {
            return Cow::Borrowed(self);
        }
        Cow::Owned(self.each_row(narrowed))
    }

    /// The price of a request whose inputs are read apart (embeddings), each of them as long as the
    /// model takes: to be quoted with, as `max_input` bounds one of them and not their sum.
    #[must_use]
    pub fn with_inputs(&self, inputs: u32) -> Cow<'_, Self> {
        let Some(each) = self.max_input.filter(|_| inputs > 1) else { return Cow::Borrowed(self) };
        // What does not fit is no bound.
        Cow::Owned(Self { max_input: each.checked_mul(u64::from(inputs)), ..self.clone() })
    }

    /// What `usage` costs, rounded up once: the provider's own figure where that is the bill, else
    /// the dearest of all rates that have ever a time. `None` when there is no rate or it does not
    /// fit.
    #[must_use]
    pub fn cost(&self, usage: &Usage) -> Option<NanoUsd> {
        self.cost_times(usage, Multiplier::ONE)
    }

    /// What `usage` costs times a factor, rounded up once more before that. A stated cost has the
    /// factor in it.
    #[must_use]
    pub fn cost_times(&self, usage: &Usage, multiplier: Multiplier) -> Option<NanoUsd> {
        match self.known_cost(usage) {
            Some(cost) => Some(cost),
            None => {
                let schedules = self.changes.iter().map(|change| change.settle.as_slice());
                dearest_cost(std::iter::once(self.settle.as_slice()).chain(schedules), usage, multiplier)
            }
        }
    }

    /// What `usage` of an attempt that ran from `began` to `ended` costs: by the dearest of the
    /// rates that were in force meanwhile.
    #[must_use]
    pub fn cost_between(
        &self,
        usage: &Usage,
        multiplier: Multiplier,
        (began, ended): (Timestamp, Timestamp),
    ) -> Option<NanoUsd> {
        match self.known_cost(usage) {
            Some(cost) => Some(cost),
            None => {
                let schedules = in_force(&self.changes, began, ended.max(began));
                let base = schedules.base_applies.then_some(self.settle.as_slice());
                let rest = schedules.changes.iter().map(|change| change.settle.as_slice());
                dearest_cost(base.into_iter().chain(rest), usage, multiplier)
            }
        }
    }

    /// The most that so much input and output can cost. `None` when there is no rate or it does
    /// not fit. Never falls when either grows.
    #[must_use]
    pub fn ceiling(&self, input: Tokens, output: Tokens) -> Option<NanoUsd> {
        self.ceiling_times(input, output, Multiplier::ONE)
    }

    /// The most that so much input and output can cost, times a factor.
    #[must_use]
    pub fn ceiling_times(&self, input: Tokens, output: Tokens, multiplier: Multiplier) -> Option<NanoUsd> {
        if self.free {
            return Some(NanoUsd::ZERO);
        }
        multiplier.of(self.dearest(input)?.cost(input, output)?)?.ceil_nano()
    }

    /// The dearest of every rate that can apply to a prompt of at most `input` tokens.
    #[must_use]
    pub fn dearest(&self, input: Tokens) -> Option<Dearest> {
        self.rows().filter(|row| row.applies(input)).map(Dearest::of).reduce(Dearest::max)
    }

    /// The dearest base rates of input and output that can apply: those of a short prompt, caches
    /// aside. `None` where there are none.
    #[must_use]
    pub fn base_rates(&self) -> Option<(PicoUsdPerToken, PicoUsdPerToken)> {
        let base = self.rows().filter(|row| row.over_prompt_tokens == Tokens::ZERO);
        base.map(|row| (row.input, row.output)).reduce(|a, b| (a.0.max(b.0), a.1.max(b.1)))
    }

    /// Is the price fit to hold and settle money by?
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn check(&self) -> Result<(), PriceError> {
        if self.free {
            let empty = self.settle.is_empty() && self.ceiling.is_empty() && self.changes.is_empty();
            return if empty { Ok(()) } else { Err(PriceError::FreeWithRates) };
        }
        if self.settle.is_empty() {
            return Err(PriceError::NoRates);
        }
        let no_output = self.max_output == Some(Tokens::ZERO);
        check_rows(&self.settle, no_output)?;
        if !self.ceiling.is_empty() {
            check_rows(&self.ceiling, no_output)?;
        }
        self.fees.check()?;
        self.changes.iter().try_for_each(|change| {
            change.when.check()?;
            check_rows(&change.settle, no_output)
        })
    }

    fn rows(&self) -> impl Iterator<Item = &Rates> {
        self.settle.iter().chain(&self.ceiling).chain(self.changes.iter().flat_map(|change| &change.settle))
    }

    fn each_row(&self, change: impl Fn(&Rates) -> Rates) -> Self {
        let rows = |rows: &[Rates]| rows.iter().map(&change).collect::<Vec<_>>();
        let changes = self.changes.iter().map(|other| Change { when: other.when, settle: rows(&other.settle) });
        Self { settle: rows(&self.settle), ceiling: rows(&self.ceiling), changes: changes.collect(), ..self.clone() }
    }

    /// A cost that needs no rates. A stated one of zero or less is no bill, whatever was promised.
    fn known_cost(&self, usage: &Usage) -> Option<NanoUsd> {
        if self.free {
            return Some(NanoUsd::ZERO);
        }
        usage.stated_cost.filter(|stated| self.states_cost && *stated > NanoUsd::ZERO)
    }
}

fn dearest_cost<'a>(
    schedules: impl Iterator<Item = &'a [Rates]>,
    usage: &Usage,
    multiplier: Multiplier,
) -> Option<NanoUsd> {
    // One that is unknown makes all unknown: the known ones may be the cheaper.
    let costs = schedules.map(|rows| {
        let row = rows.iter().filter(|row| row.applies(usage.input)).max_by_key(|row| row.over_prompt_tokens)?;
        multiplier.of(row.cost(usage)?)?.ceil_nano()
    });
    costs.reduce(|a, b| Some(a?.max(b?))).flatten()
}
