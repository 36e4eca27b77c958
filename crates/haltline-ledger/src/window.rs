//! Windows of time: when one begins and ends. Which account that makes is in `shelf`.

use haltline_types::{Timestamp, format_duration, parse_duration};
use jiff::civil::Date;
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use std::fmt;
use std::time::Duration;

/// The time over which a budget counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Window {
    /// Begins and ends by the calendar of a time zone.
    Calendar {
        /// How long.
        span: CalendarSpan,
        /// Whose calendar.
        zone: Zone,
    },
    /// Always the time just past.
    Rolling(Duration),
}

/// A unit of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CalendarSpan {
    /// A minute.
    Minute,
    /// An hour.
    Hour,
    /// A day.
    Day,
    /// A week; it starts on Monday.
    Week,
    /// A month.
    Month,
}

/// A time zone, from a database that is part of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(TimeZone);

/// A window's instants, from `start` until just before `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first instant.
    pub start: Timestamp,
    /// The first instant after it.
    pub end: Timestamp,
}

/// Before 1970 and after the year 9000 there are no windows but one.
const EARLIEST: Timestamp = Timestamp::from_secs(0);
const LATEST: Timestamp = Timestamp::from_secs(221_845_392_000);

impl Zone {
    /// Universal time.
    #[must_use]
    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// A zone by its name in the IANA database, like `Europe/Berlin`.
    ///
    /// # Errors
    /// A sentence that says what a zone looks like.
    pub fn parse(text: &str) -> Result<Self, String> {
        TimeZoneDatabase::bundled()
            .get(text.trim())
            .map(Self)
            .map_err(|_| format!("`{text}` is not a time zone; write one like \"Europe/Berlin\" or \"UTC\""))
    }
}

impl CalendarSpan {
    /// All, shortest first.
    pub const ALL: [Self; 5] = [Self::Minute, Self::Hour, Self::Day, Self::Week, Self::Month];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// Its length when no clock is changed; a month's is that of the longest.
    const fn seconds(self) -> u32 {
        match self {
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
            Self::Week => 7 * 86_400,
            Self::Month => 31 * 86_400,
        }
    }
}

impl Window {
    /// Reads `minute`, `hour`, `day`, `week`, `month`, in `zone`, or a rolling window like `24h`.
    ///
    /// # Errors
    /// A sentence that lists what is possible.
    pub fn parse(text: &str, zone: &Zone) -> Result<Self, String> {
        let trimmed = text.trim();
        if let Some(span) = CalendarSpan::ALL.into_iter().find(|span| span.word() == trimmed) {
            return Ok(Self::Calendar { span, zone: zone.clone() });
        }
        parse_duration(trimmed).map(Self::Rolling).map_err(|_| {
            format!("`{text}` is not a window; use minute, hour, day, week, month, or a rolling one like \"24h\"")
        })
    }

    /// Its length when no clock is changed; for months the longest.
    #[must_use]
    pub fn nominal(&self) -> Duration {
        match self {
            Self::Calendar { span, .. } => Duration::from_secs(u64::from(span.seconds())),
            Self::Rolling(length) => *length,
        }
    }

    /// No window of this kind is longer: the nominal length, and a day more where changes of the
    /// clock can lengthen it.
    #[must_use]
    pub fn longest(&self) -> Duration {
        match self {
            Self::Calendar { span: CalendarSpan::Day | CalendarSpan::Week | CalendarSpan::Month, .. } => {
                self.nominal() + Duration::from_secs(86_400)
            }
            _ => self.nominal(),
        }
    }

    /// The calendar window that `at` lies in; `None` for a rolling one.
    ///
    /// It never goes back: a later `at` never lies in an earlier window, whatever the zone's clock does.
    #[must_use]
    pub fn span_at(&self, at: Timestamp) -> Option<Span> {
        match self {
            Self::Rolling(_) => None,
            Self::Calendar { span, zone } => Some(span.around(zone, at)),
        }
    }
}

impl CalendarSpan {
    fn around(self, zone: &Zone, at: Timestamp) -> Span {
        let at = at.clamp(EARLIEST, LATEST);
        match self {
            // Minutes and hours have the same length on every clock: where a clock is set back,
            // the hour that it shows twice is two windows.
            Self::Minute | Self::Hour => {
                let length = i64::from(self.seconds()) * 1000;
                let offset = zone.offset_millis(at);
                let start = at.as_millis() - (at.as_millis() + offset).rem_euclid(length);
                Span { start: Timestamp::from_millis(start), end: Timestamp::from_millis(start + length) }
            }
            Self::Day | Self::Week | Self::Month => {
                self.by_date(zone, at).unwrap_or(Span { start: EARLIEST, end: LATEST })
            }
        }
    }

    /// By the first instants at which the zone's calendar shows a date or a later one. These never
    /// go back, also where a clock is set back over midnight and shows a date again. `None` only
    /// beyond the calendar's years.
    fn by_date(self, zone: &Zone, at: Timestamp) -> Option<Span> {
        let mut date = self.first_day(zone.date(at)?)?;
        let mut start = zone.first_instant(date)?;
        loop {
            date = self.next_first_day(date)?;
            let end = zone.first_instant(date)?;
            if at < end {
                return Some(Span { start, end });
            }
            start = end;
        }
    }

    fn first_day(self, date: Date) -> Option<Date> {
        match self {
            Self::Month => Some(date.first_of_month()),
            Self::Week => {
                let days = i64::from(date.weekday().to_monday_zero_offset());
                date.checked_sub(jiff::Span::new().days(days)).ok()
            }
            _ => Some(date),
        }
    }

    fn next_first_day(self, first: Date) -> Option<Date> {
        match self {
            Self::Month => first.last_of_month().tomorrow().ok(),
            Self::Week => first.checked_add(jiff::Span::new().days(7)).ok(),
            _ => first.tomorrow().ok(),
        }
    }
}

impl Zone {
    fn offset_millis(&self, at: Timestamp) -> i64 {
        instant(at).map_or(0, |at| i64::from(self.0.to_offset(at).seconds()) * 1000)
    }

    fn date(&self, at: Timestamp) -> Option<Date> {
        instant(at).map(|at| self.0.to_datetime(at).date())
    }

    /// The first instant at which a clock of the zone shows `date` or later.
    fn first_instant(&self, date: Date) -> Option<Timestamp> {
        let midnight = self.0.to_ambiguous_timestamp(date.at(0, 0, 0, 0));
        let first = match midnight.offset() {
            AmbiguousOffset::Gap { .. } => {
                let before = midnight.earlier().ok()?;
                let skip = self.0.following(before).next();
                skip.map(|transition| transition.timestamp())?
            }
            _ => midnight.earlier().ok()?,
        };
        Some(Timestamp::from_millis(first.as_millisecond()))
    }
}

fn instant(at: Timestamp) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_millisecond(at.as_millis()).ok()
}

/// As `parse` reads it.
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Calendar { span, .. } => f.write_str(span.word()),
            Self::Rolling(length) => f.write_str(&format_duration(*length)),
        }
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.iana_name().unwrap_or("UTC"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::from_millis(text.parse::<jiff::Timestamp>().expect(text).as_millisecond())
    }

    fn window(text: &str, zone: &str) -> Window {
        Window::parse(text, &Zone::parse(zone).expect(zone)).expect(text)
    }

    #[test]
    fn windows_begin_and_end_by_the_zone() {
        for (name, zone, inside, start, end) in [
            ("minute", "UTC", "2026-11-24T10:00:59.999Z", "2026-11-24T10:00:00Z", "2026-11-24T10:01:00Z"),
            ("hour", "UTC", "2026-11-24T10:00:00Z", "2026-11-24T10:00:00Z", "2026-11-24T11:00:00Z"),
            ("hour", "Asia/Kolkata", "2026-11-24T10:00:00Z", "2026-11-24T09:30:00Z", "2026-11-24T10:30:00Z"),
            ("day", "UTC", "2026-11-24T23:59:59.999Z", "2026-11-24T00:00:00Z", "2026-11-25T00:00:00Z"),
            ("day", "Europe/Berlin", "2026-11-24T23:30:00Z", "2026-11-24T23:00:00Z", "2026-11-25T23:00:00Z"),
            ("week", "UTC", "2026-11-29T23:59:59Z", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"),
            ("month", "UTC", "2028-02-29T12:00:00Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"),
            ("month", "America/New_York", "2026-12-01T04:59:59Z", "2026-11-01T04:00:00Z", "2026-12-01T05:00:00Z"),
            // Days on which the clock is changed.
            ("day", "Europe/Berlin", "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
            ("day", "Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
            // There was no midnight.
            ("day", "Asia/Beirut", "2021-03-28T12:00:00Z", "2021-03-27T22:00:00Z", "2021-03-28T21:00:00Z"),
            // The clock was set back from midnight to 23:00: still the old day.
            ("day", "Asia/Beirut", "2021-10-30T21:30:00Z", "2021-10-29T21:00:00Z", "2021-10-30T22:00:00Z"),
            // It was set back from 00:01 to 23:01: the new day had begun, and begins once.
            ("day", "America/St_Johns", "2006-10-29T02:45:00Z", "2006-10-29T02:30:00Z", "2006-10-30T03:30:00Z"),
            // A whole day was left out.
            ("day", "Pacific/Apia", "2011-12-30T12:00:00Z", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z"),
        ] {
            let span = window(name, zone).span_at(at(inside)).expect("a calendar window");
            assert_eq!((span.start, span.end), (at(start), at(end)), "{name} in {zone} at {inside}");
        }
    }

    #[test]
    fn no_window_opens_twice() {
        for zone in ["UTC", "Europe/Berlin", "Asia/Beirut", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia"] {
            for name in ["minute", "hour", "day", "week", "month"] {
                let window = window(name, zone);
                let mut latest = window.span_at(at("2005-12-31T00:00:00Z")).expect("a calendar window");
                // Every 47 minutes for seven years.
                for step in 0..78_000 {
                    let now = at("2005-12-31T00:00:00Z").saturating_add(Duration::from_secs(step * 47 * 60));
                    let span = window.span_at(now).expect("a calendar window");
                    assert!(span.start <= now && now < span.end, "{name} {zone} {now}");
                    assert!(latest.start <= span.start, "{name} {zone} {now}");
                    assert!(span.end.since(span.start) <= window.longest(), "{name} {zone} {now}");
                    latest = span;
                }
            }
        }
    }

    #[test]
    fn the_ends_of_time_have_windows() {
        for name in ["minute", "hour", "day", "week", "month"] {
            for millis in [i64::MIN, -1, 0, i64::MAX] {
                assert!(window(name, "Asia/Tokyo").span_at(Timestamp::from_millis(millis)).is_some());
            }
        }
    }

    #[test]
    fn windows_and_zones_are_read_and_shown() {
        for text in ["minute", "hour", "day", "week", "month", "36h", "90s"] {
            assert_eq!(window(text, "UTC").to_string(), text);
        }
        assert!(Window::parse("fortnight", &Zone::utc()).is_err());
        assert!(Zone::parse("Europe/Berlim").is_err());
        assert_eq!(Zone::parse("europe/berlin").expect("case does not matter").to_string(), "Europe/Berlin");
    }
}
