//! The post-mortem's night, as shipped.

use haltline_sim::incident::{Scenario, run};
use haltline_types::NanoUsd;

#[test]
fn the_night_costs_thousands_without_and_fifty_dollars_at_most_with() {
    let scenario = Scenario::parse(Scenario::POST_MORTEM).expect("the shipped scenario");
    let report = run(&scenario, None).expect("a run");
    println!("{}", report.render());
    assert_eq!(report.upstream_calls_without, 240_000);
    assert_eq!(report.asked, 240_000);
    let dollars = |count: i64| NanoUsd::new(count * NanoUsd::DOLLAR.get());
    assert!(report.without_haltline > dollars(2_300) && report.without_haltline < dollars(2_500));
    assert!(report.billed_with <= dollars(50), "{} billed", report.billed_with);
    assert!(report.billed_with >= dollars(45), "healthy answers are still served: {} billed", report.billed_with);
    assert!(report.charged >= report.billed_with);
    assert_eq!(report.over, Some(NanoUsd::ZERO));
    assert!(report.upstream_calls < 10_000);
    assert_eq!(report.answered + report.refused + report.failed, report.asked);
    assert!(report.render().lines().last().is_some_and(|line| line.contains("$0.00 over the line")));
}

#[test]
fn the_same_scenario_gives_the_same_numbers() {
    let small = Scenario::POST_MORTEM.replace("calls_per_user = 1200", "calls_per_user = 100");
    let scenario = Scenario::parse(&small).expect("a scenario");
    assert_eq!(run(&scenario, None).expect("a run"), run(&scenario, None).expect("a run"));
}
