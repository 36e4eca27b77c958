//! Providers that do not keep to their own rules are outside the promise. All that they bill, or
//! all that was held, is charged, and the alarm sounds.

use crate::stage::{CENT, DOLLAR, Stage, Watched, ask, patient};
use haltline_sim::budgets::{BudgetPlan, WindowPlan};
use haltline_sim::node::in_virtual_time;
use haltline_sim::provider::{Honesty, Tariff, Temper};
use haltline_sim::workload::{Ask, Got};
use haltline_types::{Code, Scope};
use std::time::Duration;

const TARIFF: Tariff = Tariff { input: 2_500_000, cached: 250_000, output: 10_000_000 };

struct Measured {
    billed: i64,
    charged: i64,
    got: Vec<Got>,
    metrics: String,
}

/// Twenty requests with a cap of 400, of which 300 are used.
fn run(honesty: Honesty, stream: bool, limit: i64) -> Measured {
    in_virtual_time(async {
        let budgets =
            vec![BudgetPlan::retries(10), BudgetPlan::money("all-day", Scope::global(), limit, WindowPlan::DAY)];
        let temper = Temper { honesty, ..Temper::calm(Duration::from_millis(200), 300) };
        let stage = Stage::set(TARIFF, temper, budgets, Watched::No, |_| {}).await;
        let visits = (0..20).map(|number| patient(Ask { stream, ..ask(&format!("user-{number}"), 100, Some(400)) }));
        let got = stage.visits(visits.collect()).await;
        assert_eq!(stage.node.quiet(Duration::from_secs(1_000)).await, 0);
        Measured {
            billed: stage.provider.totals().nano,
            charged: stage.spent("all-day"),
            got,
            metrics: stage.node.metrics(),
        }
    })
    .expect("a runtime")
}

/// The value of a counter over all its labels.
fn counter(metrics: &str, name: &str) -> u64 {
    let lines = metrics.lines().filter(|line| line.starts_with(&format!("{name}{{")));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

#[test]
fn an_honest_provider_sounds_no_alarm() {
    let measured = run(Honesty::Honest, true, DOLLAR);
    assert_eq!(measured.billed, measured.charged);
    assert_eq!(counter(&measured.metrics, "haltline_underreported_total"), 0);
    assert_eq!(counter(&measured.metrics, "haltline_bound_violations_total"), 0);
    assert!(measured.got.iter().all(|got| *got == Got::Answer));
}

#[test]
fn what_is_reported_too_low_is_charged_at_the_ceiling() {
    let measured = run(Honesty::UnderReports(10), true, DOLLAR);
    assert!(measured.charged >= measured.billed, "{} charged, {} billed", measured.charged, measured.billed);
    assert!(measured.charged <= DOLLAR);
    assert_eq!(counter(&measured.metrics, "haltline_underreported_total"), 20);
}

#[test]
fn what_is_reported_above_the_ceiling_is_charged_in_full() {
    let measured = run(Honesty::OverReports(5), false, 5 * CENT);
    assert_eq!(measured.charged, measured.billed, "no overrun is dropped");
    assert!(measured.charged > 5 * CENT, "it is the one way above a limit");
    assert!(counter(&measured.metrics, "haltline_bound_violations_total") > 0);
    // Once it has lied, its ceilings are raised, and what is over the limit stays shut.
    assert!(measured.got.iter().any(|got| matches!(got, Got::Problem(_))));
}

#[test]
fn a_stream_beyond_its_cap_is_cut_and_charged_at_the_ceiling() {
    let measured = run(Honesty::IgnoresCap(3), true, DOLLAR);
    let cut = measured.got.iter().filter(|got| **got == Got::Problem(Code::CeilingReached)).count();
    assert_eq!(cut, 20, "{:?}", measured.got);
    // It is cut a token after what was held: what it billed until then is that token over.
    let over = measured.billed - measured.charged;
    assert!(over <= 20 * 10_000, "{over} more billed than charged");
}
