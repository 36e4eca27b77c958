//! The auditor itself: it must be able to say no.

use haltline_ports::Basis;
use haltline_sim::auditor::Auditor;
use haltline_sim::budgets::{BudgetPlan, WindowPlan};
use haltline_sim::clock::SimClock;
use haltline_sim::log::EventLog;
use haltline_sim::provider::{Bill, Ending, Observer};
use haltline_types::{AttemptId, Demand, ModelName, NanoUsd, RequestId, Scope, Subjects, Timestamp};
use std::sync::Arc;
use std::time::Duration;

const NOON: Timestamp = Timestamp::from_secs(1_795_521_600);

fn auditor(plans: &[BudgetPlan]) -> (Auditor, Arc<SimClock>) {
    let clock = Arc::new(SimClock::new(NOON));
    let auditor = Auditor::new(Arc::clone(&clock), Arc::new(EventLog::default()));
    auditor.budgets(plans);
    (auditor, clock)
}

fn id(request: u128, number: u8) -> AttemptId {
    AttemptId { request: RequestId::from_u128(request), number }
}

fn hold(auditor: &Auditor, id: AttemptId, at: Timestamp) {
    auditor.held(id, at, &Arc::new(Subjects::default()), Demand::ZERO);
}

fn arrive(auditor: &Auditor, id: AttemptId, nano: i64) {
    auditor.arrived(id, &ModelName::parse("p/m").expect("name"), Bill { nano, tokens: 10 });
}

fn day(limit: i64) -> BudgetPlan {
    BudgetPlan::money("day", Scope::global(), limit, WindowPlan::DAY)
}

fn rolling(limit: i64) -> BudgetPlan {
    BudgetPlan::money("rolling", Scope::global(), limit, WindowPlan::Rolling { seconds: 60 })
}

#[track_caller]
fn says(auditor: &Auditor, words: &str) {
    let violations = auditor.violations();
    assert!(violations.iter().any(|violation| violation.contains(words)), "{violations:?}");
}

#[test]
fn more_than_the_limit_can_be_billed() {
    for plan in [day(100), rolling(100)] {
        let (auditor, _) = auditor(&[plan]);
        hold(&auditor, id(1, 1), NOON);
        arrive(&auditor, id(1, 1), 60);
        hold(&auditor, id(2, 1), NOON);
        assert_eq!(auditor.violations(), Vec::<String>::new());
        arrive(&auditor, id(2, 1), 41);
        says(&auditor, "providers can bill 101");
    }
}

#[test]
fn a_window_that_is_over_does_not_count() {
    let later = NOON.saturating_add(Duration::from_secs(86_400));
    for plan in [day(100), rolling(100)] {
        let (auditor, _) = auditor(&[plan]);
        for (number, at) in [(1, NOON), (2, later)] {
            hold(&auditor, id(number, 1), at);
            arrive(&auditor, id(number, 1), 60);
            auditor.billed(id(number, 1), Bill { nano: 60, tokens: 10 });
            auditor.ended(id(number, 1), Ending::Complete);
        }
        assert_eq!(auditor.violations(), Vec::<String>::new());
    }
}

#[test]
fn an_open_attempt_counts_in_a_rolling_window_however_old() {
    let (auditor, _) = auditor(&[rolling(100)]);
    hold(&auditor, id(1, 1), NOON);
    arrive(&auditor, id(1, 1), 60);
    hold(&auditor, id(2, 1), NOON.saturating_add(Duration::from_secs(86_400)));
    arrive(&auditor, id(2, 1), 60);
    says(&auditor, "providers can bill 120");
}

#[test]
fn a_lowered_limit_binds_from_the_next_hold_on() {
    let (auditor, _) = auditor(&[day(100)]);
    hold(&auditor, id(1, 1), NOON);
    arrive(&auditor, id(1, 1), 60);
    auditor.budgets(&[day(50)]);
    auditor.billed(id(1, 1), Bill { nano: 60, tokens: 10 });
    assert_eq!(auditor.violations(), Vec::<String>::new());
    hold(&auditor, id(2, 1), NOON);
    says(&auditor, "the limit at the latest hold was 50");
}

#[test]
fn balances_below_the_bill() {
    let (auditor, _) = auditor(&[day(100)]);
    hold(&auditor, id(1, 1), NOON);
    arrive(&auditor, id(1, 1), 60);
    auditor.billed(id(1, 1), Bill { nano: 60, tokens: 10 });
    auditor.compare(&[], NOON);
    says(&auditor, "shows 0, and 60");
}

#[test]
fn charges_that_are_not_the_bill() {
    for (basis, nano, ending) in [
        (Basis::Released, 0, Ending::Abandoned),
        (Basis::Reported, 59, Ending::Complete),
        (Basis::Reported, 61, Ending::Complete),
        (Basis::Ceiling, 59, Ending::Abandoned),
        (Basis::Ceiling, 90, Ending::Complete),
    ] {
        let (auditor, _) = auditor(&[day(100)]);
        hold(&auditor, id(1, 1), NOON);
        arrive(&auditor, id(1, 1), 90);
        auditor.billed(id(1, 1), Bill { nano: 60, tokens: 10 });
        auditor.ended(id(1, 1), ending);
        auditor.charged(id(1, 1), NOON, basis, Demand { usd: NanoUsd::new(nano), ..Demand::ZERO });
        says(&auditor, "its bill is 60");
    }
}

#[test]
fn calls_that_may_not_be() {
    let (auditor, _) = auditor(&[day(1_000)]);
    arrive(&auditor, id(1, 1), 1);
    says(&auditor, "without a hold");
    for number in 1..=5 {
        hold(&auditor, id(2, number), NOON);
        arrive(&auditor, id(2, number), 1);
    }
    says(&auditor, "has called 5 times");
}

#[test]
fn a_stated_wait_that_is_not_waited_for() {
    let (auditor, clock) = auditor(&[day(1_000)]);
    hold(&auditor, id(1, 1), NOON);
    arrive(&auditor, id(1, 1), 1);
    auditor.ended(id(1, 1), Ending::Rejected(Some(Duration::from_secs(5))));
    hold(&auditor, id(1, 2), NOON);
    clock.pass(Duration::from_secs(4));
    arrive(&auditor, id(1, 2), 1);
    says(&auditor, "which said not before");
}

#[test]
fn too_many_repetitions() {
    let (auditor, _) = auditor(&[BudgetPlan::retries(2)]);
    for request in 0..3 {
        hold(&auditor, id(request, 2), NOON);
        arrive(&auditor, id(request, 2), 1);
    }
    says(&auditor, "providers can bill 3 retries");
}

#[test]
fn a_balance_that_is_not_the_sum_of_its_charges() {
    let (auditor, _) = auditor(&[day(100)]);
    let ceiling = Demand { usd: NanoUsd::new(10), ..Demand::ZERO };
    auditor.held(id(1, 1), NOON, &Arc::new(Subjects::default()), ceiling);
    auditor.compare(&[], NOON);
    says(&auditor, "its attempts took 10");
}

#[test]
fn a_time_that_has_not_come() {
    let (auditor, _) = auditor(&[day(100)]);
    auditor.asked(NOON.saturating_add(Duration::from_secs(60)));
    assert_eq!(auditor.violations(), Vec::<String>::new());
    auditor.asked(NOON.saturating_add(Duration::from_secs(61)));
    says(&auditor, "the ledger is told");
}
