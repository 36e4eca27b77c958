//! The worst case in numbers.

use super::load_text;
use crate::config::worst_case::{Bound, Spender, WorstCase, report};
use haltline_types::NanoUsd;

const PROVIDER: &str = "[providers.p]\nkind = \"openai-compatible\"\nbase_url = \"http://127.0.0.1:1/v1\"\n\
                        [prices.\"p/m\"]\ninput = \"10\"\noutput = \"100\"\n";

/// Clock hour, any hour, calendar day, any day, in dollars, of one spender.
fn most(budgets: &str, spender: Spender) -> [Option<String>; 4] {
    let loaded = load_text(&format!("{PROVIDER}{budgets}")).expect("no errors");
    let report = report(&loaded.settings);
    let row = report.rows.into_iter().find(|row| row.spender == spender).expect("a row");
    let shown = |bound: Option<Bound>| bound.map(|bound| bound.most.to_string());
    let WorstCase { clock_hour, any_hour, calendar_day, any_day, .. } = row;
    [shown(clock_hour), shown(any_hour), shown(calendar_day), shown(any_day)]
}

fn budget(scope: &str, limit: &str, window: &str, more: &str) -> String {
    format!(
        "[[budgets]]\nname = \"{scope}-{window}\"\nscope = \"{scope}\"\nlimit = \"{limit}\"\nwindow = \"{window}\"\n{more}\n"
    )
}

fn dollars(amounts: [&str; 4]) -> [Option<String>; 4] {
    amounts.map(|amount| Some(amount.to_owned()))
}

#[test]
fn a_stretch_touches_more_windows_than_a_clock_hour_does() {
    for (window, expected) in [
        ("minute", ["$60.00", "$61.00", "$1440.00", "$1441.00"]),
        ("hour", ["$1.00", "$2.00", "$24.00", "$25.00"]),
        ("day", ["$1.00", "$2.00", "$1.00", "$2.00"]),
        ("week", ["$1.00", "$2.00", "$1.00", "$2.00"]),
        ("month", ["$1.00", "$2.00", "$1.00", "$2.00"]),
        ("24h", ["$1.00", "$1.00", "$1.00", "$1.00"]),
        ("45m", ["$2.00", "$2.00", "$32.00", "$32.00"]),
    ] {
        assert_eq!(most(&budget("global", "$1", window, ""), Spender::Gateway), dollars(expected), "{window}");
    }
}

#[test]
fn a_zone_whose_clocks_change_has_a_day_of_25_hours() {
    let berlin = "timezone = \"Europe/Berlin\"";
    let hourly = most(&budget("global", "$1", "hour", berlin), Spender::Gateway);
    assert_eq!(hourly, dollars(["$1.00", "$2.00", "$25.00", "$25.00"]));
    // A day of 23 hours lies within 24 hours with a part of both neighbours.
    let daily = most(&budget("global", "$1", "day", berlin), Spender::Gateway);
    assert_eq!(daily, dollars(["$1.00", "$2.00", "$1.00", "$3.00"]));
    // Two zones: no clock hour is that of both.
    let both = format!("{}{}", budget("global", "$1", "day", berlin), budget("global", "$9", "hour", ""));
    assert_eq!(most(&both, Spender::Gateway)[0], Some("$2.00".to_owned()));
}

#[test]
fn a_budget_bounds_only_whom_it_counts() {
    let none: [Option<String>; 4] = [None, None, None, None];
    let user = budget("user", "$1", "day", "");
    assert_eq!(most(&user, Spender::Gateway), none);
    assert_eq!(most(&user, Spender::Key), none);
    assert_eq!(most(&user, Spender::KeyAlone)[2], Some("$1.00".to_owned()));
    assert_eq!(most(&user, Spender::User)[2], Some("$1.00".to_owned()));
    let team = budget("team", "$1", "day", "");
    assert_eq!(most(&team, Spender::User), none);
    assert_eq!(most(&team, Spender::Key)[2], Some("$1.00".to_owned()));
    assert_eq!(most(&budget("session", "$1", "day", ""), Spender::User), none);
    // There is one provider that bills.
    assert_eq!(most(&budget("provider", "$1", "day", ""), Spender::Gateway)[2], Some("$1.00".to_owned()));
    assert_eq!(most(&budget("global", "$1", "day", "on_full = \"warn\""), Spender::Gateway), none);
    assert_eq!(most(&budget("global", "5 requests", "day", ""), Spender::Gateway), none);
}

#[test]
fn the_smallest_bound_counts_and_names_its_budget() {
    let budgets = format!("{}{}", budget("global", "$20", "day", ""), budget("global", "$1", "hour", ""));
    assert_eq!(most(&budgets, Spender::User), dollars(["$1.00", "$2.00", "$20.00", "$25.00"]));
    let loaded = load_text(&format!("{PROVIDER}{budgets}")).expect("no errors");
    let row = &report(&loaded.settings).rows[0];
    assert_eq!(row.calendar_day, Some(Bound { most: NanoUsd::new(20_000_000_000), by: "global-day".to_owned() }));
    assert_eq!(row.any_day.as_ref().map(|bound| bound.by.as_str()), Some("global-hour, 25 windows"));
}

#[test]
fn tokens_are_money_at_the_dearest_rate() {
    let tokens = budget("global", "1_000 tokens", "day", "");
    // 1,000 tokens at $100 per million, and a nanodollar of rounding for each attempt.
    assert_eq!(most(&tokens, Spender::Gateway)[2], Some("$0.100001".to_owned()));
    let fee = format!("[prices.\"p/fee\"]\ninput = \"1\"\noutput = \"1\"\nrequest_fee = \"0.01\"\n{tokens}");
    assert_eq!(most(&fee, Spender::Gateway)[2], None);
}
