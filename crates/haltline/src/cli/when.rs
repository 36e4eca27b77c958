//! Points in time as people write them on a command line.

use super::exit::CliError;
use haltline_types::{Timestamp, parse_duration};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::time::SystemTime;

/// Where a duration without a date points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// `7d` is seven days ago.
    Past,
    /// `7d` is in seven days.
    Future,
}

/// The present instant by the machine's clock.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Reads a duration, a date (midnight in UTC) or an instant.
pub(crate) fn when(text: &str, now: Timestamp, direction: Direction) -> Result<Timestamp, CliError> {
    if let Ok(duration) = parse_duration(text) {
        return Ok(match direction {
            Direction::Past => now.saturating_sub(duration),
            Direction::Future => now.saturating_add(duration),
        });
    }
    let midnight = |date: Date| TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0));
    let instant = text.parse::<jiff::Timestamp>().or_else(|_| text.parse::<Date>().and_then(midnight));
    instant.map(|at| Timestamp::from_millis(at.as_millisecond())).map_err(|_| {
        CliError::usage(format!("`{text}` is not a time"))
            .help("write a duration like 7d, a date like 2026-11-24, or 2026-11-24T18:00:00Z")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        let now = Timestamp::from_secs(1_795_478_400);
        let read = |text, direction| when(text, now, direction).map(|at| at.to_string()).ok();
        assert_eq!(read("1d", Direction::Past).as_deref(), Some("2026-11-23T00:00:00Z"));
        assert_eq!(read("2h", Direction::Future).as_deref(), Some("2026-11-24T02:00:00Z"));
        assert_eq!(read("2026-11-01", Direction::Past).as_deref(), Some("2026-11-01T00:00:00Z"));
        assert_eq!(read("2026-11-01T01:00:00+01:00", Direction::Past).as_deref(), Some("2026-11-01T00:00:00Z"));
        assert_eq!(read("yesterday", Direction::Past), None);
    }
}
