//! Days of price lists: `2026-11-23`, read and compared. No clock.

use haltline_types::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Midnight in UTC of a day; `None` when it is no day.
#[must_use]
pub fn midnight(day: &str) -> Option<Timestamp> {
    let date: Date = day.parse().ok()?;
    let at = TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok()?;
    Some(Timestamp::from_millis(at.as_millisecond()))
}

/// The day of an instant in UTC.
#[must_use]
pub fn day_of(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.as_millis())
        .map_or_else(|_| at.to_string(), |at| TimeZone::UTC.to_datetime(at).date().to_string())
}

/// Whole days from one instant to a later one; 0 when it is not later.
#[must_use]
pub fn days_between(earlier: Timestamp, later: Timestamp) -> u64 {
    later.since(earlier).as_secs() / 86_400
}
