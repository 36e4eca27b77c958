//! Rates that hold from a day on, until a day, or at certain hours; and which of them are in force
//! at some time of a span. Never a clock.

use super::error::PriceError;
use super::rates::Rates;
use haltline_types::Timestamp;
use std::time::Duration;

/// A hold is computed with every rate that begins within this time: longer than any attempt lives,
/// and long enough for a hold that is settled late.
pub const CEILING_HORIZON: Duration = Duration::from_secs(31 * 86_400);
/// A list gives a day, not its time zone: within this time of the change both rates may be billed.
pub const DATE_SLACK: Duration = Duration::from_secs(86_400);

const MINUTES_A_DAY: u16 = 24 * 60;

/// Other rates at some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The time.
    pub when: When,
    /// What is charged then, by length of the prompt.
    pub settle: Vec<Rates>,
}

/// When a change is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// From one day (included; always when absent) until another (not included; for ever when
    /// absent), at midnight in an unknown time zone.
    Days {
        /// The first.
        from: Option<Timestamp>,
        /// The end.
        until: Option<Timestamp>,
    },
    /// Every day between two times in UTC, in minutes since midnight, the second not included; it
    /// may be of the next day. Weekends that are exempt are not modelled: then this is too dear.
    Hours {
        /// The first minute.
        from: u16,
        /// The end.
        until: u16,
    },
}

impl When {
    pub(super) fn check(self) -> Result<(), PriceError> {
        let is_sound = match self {
            Self::Days { from: Some(from), until: Some(until) } => from < until,
            Self::Days { from: None, until: None } => false,
            Self::Days { .. } => true,
            Self::Hours { from, until } => from < MINUTES_A_DAY && until <= MINUTES_A_DAY && from != until,
        };
        if is_sound { Ok(()) } else { Err(PriceError::ImplausibleTime) }
    }

    /// May it be in force at some time from `began` to `ended`?
    #[must_use]
    pub fn may_touch(self, began: Timestamp, ended: Timestamp) -> bool {
        match self {
            Self::Days { from, until } => {
                from.is_none_or(|from| from.saturating_sub(DATE_SLACK) <= ended)
                    && until.is_none_or(|until| began < until.saturating_add(DATE_SLACK))
            }
            Self::Hours { from, until } => {
                let minutes = minutes_between(began, ended);
                let wraps = until <= from;
                let inside = |minute: u16| {
                    if wraps { minute >= from || minute < until } else { minute >= from && minute < until }
                };
                // Either the span begins inside, or the window begins within the span.
                let to_begin = (from + MINUTES_A_DAY - minute_of_day(began)) % MINUTES_A_DAY;
                inside(minute_of_day(began)) || u64::from(to_begin) <= minutes
            }
        }
    }

    /// Is it certainly in force all the time from `began` to `ended`?
    #[must_use]
    pub fn covers(self, began: Timestamp, ended: Timestamp) -> bool {
        match self {
            Self::Days { from, until } => {
                from.is_none_or(|from| from.saturating_add(DATE_SLACK) <= began)
                    && until.is_none_or(|until| ended < until.saturating_sub(DATE_SLACK))
            }
            // Hours never displace the rates around them for sure: weekends may be exempt.
            Self::Hours { .. } => false,
        }
    }
}

/// Which schedules may be in force in a span.
pub(super) struct InForce<'p> {
    /// The price's own rows may be.
    pub(super) base_applies: bool,
    /// And these, the last in the list first.
    pub(super) changes: Vec<&'p Change>,
}

impl InForce<'_> {
    /// The rows of one of them, which is removed: some schedule is always in force.
    pub(super) fn take_first(&mut self) -> Vec<Rates> {
        self.changes.pop().map(|change| change.settle.clone()).unwrap_or_default()
    }

    pub(super) fn into_changes(self) -> Vec<Change> {
        self.changes.into_iter().rev().cloned().collect()
    }
}

pub(super) fn in_force(changes: &[Change], began: Timestamp, ended: Timestamp) -> InForce<'_> {
    let mut found = InForce { base_applies: true, changes: Vec::new() };
    for change in changes.iter().rev().filter(|change| change.when.may_touch(began, ended)) {
        found.changes.push(change);
        if change.when.covers(began, ended) {
            found.base_applies = false;
            break;
        }
    }
    found
}

/// Whole minutes begun in the span.
fn minutes_between(began: Timestamp, ended: Timestamp) -> u64 {
    ended.since(began).as_secs().div_ceil(60).saturating_add(1)
}

fn minute_of_day(at: Timestamp) -> u16 {
    let minute = at.as_millis().div_euclid(60_000).rem_euclid(i64::from(MINUTES_A_DAY));
    u16::try_from(minute).unwrap_or_default()
}
