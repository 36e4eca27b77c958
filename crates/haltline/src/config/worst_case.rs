//! The worst case: the most that the whole gateway, one team, one key and one user can spend in an
//! hour and in a day under a configuration. A pure function of the settings; every number is a
//! bound that no sequence of requests exceeds, and none is said to be tighter than it is.
//!
//! A budget bounds a spender when everything that the spender does falls into a known number of its
//! accounts: a `user` budget bounds a user, and a key that speaks for one user, but not the gateway,
//! as the number of users is open. A stretch of time can touch several of a budget's windows:
//! *an* hour that begins at 23:30 touches two days, a *clock* hour one.

use haltline_gateway::settings::Settings;
use haltline_ledger::{Budget, CalendarSpan, OnFull, Window, Zone};
use haltline_types::{Dimension, NanoUsd, PicoUsd, PicoUsdPerToken, Scope, Tokens, Unit};
use std::collections::BTreeSet;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// Who spends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spender {
    /// Everybody together.
    Gateway,
    /// The keys of one team together.
    Team,
    /// One key, whomever it speaks for.
    Key,
    /// One key that speaks for no user but itself (`users = "none"`).
    KeyAlone,
    /// One user, by whatever keys.
    User,
}

impl Spender {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 5] = [Self::Gateway, Self::Team, Self::Key, Self::KeyAlone, Self::User];

    /// As it is shown.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Gateway => "whole gateway",
            Self::Team => "each team",
            Self::Key => "each key that names users",
            Self::KeyAlone => "each key with users = none",
            Self::User => "each user",
        }
    }

    /// Does the spender have only one value of the dimension? A key belongs to one team and tier;
    /// one that names no user is its own user.
    const fn has_one(self, dimension: &Dimension) -> bool {
        match dimension {
            Dimension::Team => matches!(self, Self::Team | Self::Key | Self::KeyAlone),
            Dimension::Tier | Dimension::Key => matches!(self, Self::Key | Self::KeyAlone),
            Dimension::User => matches!(self, Self::User | Self::KeyAlone),
            _ => false,
        }
    }
}

/// A bound and the budget that sets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The most that can be spent.
    pub most: NanoUsd,
    /// The budget that sets it.
    pub by: String,
}

/// The bounds of one spender; `None` = nothing bounds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorstCase {
    /// Whose.
    pub spender: Spender,
    /// From a full hour to the next.
    pub clock_hour: Option<Bound>,
    /// In any 60 minutes.
    pub any_hour: Option<Bound>,
    /// From midnight to midnight.
    pub calendar_day: Option<Bound>,
    /// In any 24 hours.
    pub any_day: Option<Bound>,
}

/// The worst cases of all spenders, and whose clock and calendar is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The zone of clock hours and calendar days: that of the budgets if it is one and the same.
    pub zone: Zone,
    /// One row a spender.
    pub rows: Vec<WorstCase>,
}

/// Said below the table: what the numbers do and do not cover.
pub const NOTES: &str = "An attempt counts once: when it was held or, for rolling windows, settled. Not covered: temporary overrides\n\
of a limit, a provider that bills more than its own rules allow, on_full = \"warn\", pass_fields = [\"*\"],\n\
price = \"unknown-ok\".";

/// Computes all of it.
#[must_use]
pub fn report(settings: &Settings) -> Report {
    let zone = zone_of(settings);
    let rows = Spender::ALL.into_iter().map(|spender| worst_case(settings, &zone, spender)).collect();
    Report { zone, rows }
}

/// The first row.
#[must_use]
pub fn whole_gateway(settings: &Settings) -> WorstCase {
    worst_case(settings, &zone_of(settings), Spender::Gateway)
}

fn worst_case(settings: &Settings, zone: &Zone, spender: Spender) -> WorstCase {
    let least = |stretch: Stretch| {
        settings
            .budgets
            .iter()
            .filter_map(|budget| bound(settings, zone, spender, stretch, budget))
            .min_by_key(|bound| bound.most)
    };
    WorstCase {
        spender,
        clock_hour: least(Stretch { length: HOUR, aligned: true }),
        any_hour: least(Stretch { length: HOUR, aligned: false }),
        calendar_day: least(Stretch { length: DAY, aligned: true }),
        any_day: least(Stretch { length: DAY, aligned: false }),
    }
}

/// A stretch of time, from a full hour or midnight on if it is aligned.
#[derive(Clone, Copy)]
struct Stretch {
    length: Duration,
    aligned: bool,
}

fn bound(settings: &Settings, zone: &Zone, spender: Spender, stretch: Stretch, budget: &Budget) -> Option<Bound> {
    if budget.on_full != OnFull::Refuse {
        return None;
    }
    let (limit, how) = in_money(settings, budget)?;
    let accounts = accounts(settings, spender, &budget.scope)?;
    let windows = windows(zone, stretch, &budget.window);
    let most = u64::try_from(limit.get()).ok()?.checked_mul(accounts)?.checked_mul(windows)?;
    let mut by = format!("{}{how}", budget.name);
    for (count, word) in [(accounts, "accounts"), (windows, "windows")] {
        if count > 1 {
            by.push_str(&format!(", {count} {word}"));
        }
    }
    Some(Bound { most: NanoUsd::new(i64::try_from(most).ok()?), by })
}

/// The limit in dollars. Tokens are turned into money at the dearest rate of any model that can be
/// called; a fee per request makes that impossible.
fn in_money(settings: &Settings, budget: &Budget) -> Option<(NanoUsd, String)> {
    match budget.unit() {
        Unit::Usd => Some((NanoUsd::new(budget.limit.value()), String::new())),
        Unit::Tokens => {
            let rate = dearest(settings)?;
            let tokens = Tokens::new(u64::try_from(budget.limit.value()).ok()?);
            // Each attempt rounds up once, and has a token at least.
            let cost = rate.cost(tokens).and_then(PicoUsd::ceil_nano)?;
            let rounding = NanoUsd::new(budget.limit.value());
            let per_million = NanoUsd::new(i64::try_from(u128::from(rate.get()).checked_mul(1000)?).ok()?);
            Some((cost.checked_add(rounding)?, format!(", {} at {per_million} per million", budget.limit)))
        }
        Unit::Requests | Unit::Retries => None,
    }
}

/// `None` when a model charges per request.
fn dearest(settings: &Settings) -> Option<PicoUsdPerToken> {
    let mut most = PicoUsdPerToken::default();
    for price in settings.prices.values().filter(|price| !price.free) {
        let rates = price.dearest(Tokens::new(u64::MAX))?;
        if rates.request_fee > NanoUsd::ZERO {
            return None;
        }
        most = most.max(rates.input).max(rates.output);
    }
    Some(most)
}

/// How many accounts of a scope a spender can touch; `None` when the number is open.
fn accounts(settings: &Settings, spender: Spender, scope: &Scope) -> Option<u64> {
    let billed = || settings.prices.iter().filter(|(_, price)| !price.free).map(|(endpoint, _)| endpoint);
    let mut accounts: u64 = 1;
    for dimension in scope.dimensions() {
        let values = match dimension {
            own if spender.has_one(own) => 1,
            Dimension::Provider => billed().map(|endpoint| &endpoint.provider).collect::<BTreeSet<_>>().len(),
            Dimension::Endpoint => billed().count(),
            _ => return None,
        };
        accounts = accounts.checked_mul(u64::try_from(values.max(1)).ok()?)?;
    }
    Some(accounts)
}

/// How many windows a stretch can touch.
fn windows(zone: &Zone, stretch: Stretch, window: &Window) -> u64 {
    let per = |length: u64| stretch.length.as_secs().div_ceil(length.max(1));
    match window {
        // What is settled within any stretch of a rolling window's length is within its limit.
        Window::Rolling(length) => {
            let millis = length.as_millis().max(1);
            u64::try_from(stretch.length.as_millis().div_ceil(millis)).unwrap_or(u64::MAX)
        }
        Window::Calendar { span, zone: own } => {
            let changes = *own != Zone::utc();
            if stretch.aligned && own == zone {
                return aligned(*span, stretch, changes);
            }
            // The shortest that a window of the kind can be: a day on which clocks are set forward
            // has 23 hours, a month 28 days. A stretch that begins inside one ends inside another.
            let shortest = match span {
                CalendarSpan::Minute => 60,
                CalendarSpan::Hour => 3600,
                CalendarSpan::Day if changes => 23 * 3600,
                CalendarSpan::Day => 86_400,
                CalendarSpan::Week => 7 * 86_400 - 3600,
                CalendarSpan::Month => 28 * 86_400 - 3600,
            };
            per(shortest).saturating_add(1)
        }
    }
}

/// In its own zone a clock hour or calendar day lies within one longer window. The day on which
/// clocks are set back has 25 hours.
fn aligned(span: CalendarSpan, stretch: Stretch, changes: bool) -> u64 {
    let hours = match (stretch.length == DAY, changes) {
        (false, _) => 1,
        (true, false) => 24,
        (true, true) => 25,
    };
    match span {
        CalendarSpan::Minute => hours * 60,
        CalendarSpan::Hour => hours,
        CalendarSpan::Day | CalendarSpan::Week | CalendarSpan::Month => 1,
    }
}

fn zone_of(settings: &Settings) -> Zone {
    let mut zones = settings.budgets.iter().filter_map(|budget| match (&budget.window, budget.unit()) {
        (Window::Calendar { zone, .. }, Unit::Usd | Unit::Tokens) => Some(zone),
        _ => None,
    });
    match zones.next() {
        Some(first) if zones.all(|zone| zone == first) => first.clone(),
        _ => Zone::utc(),
    }
}
