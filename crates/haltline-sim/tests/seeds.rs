//! Worlds from seeds: many new ones, and every one that ever broke the promise.

use haltline_sim::world::{self, Report};

/// `HALTLINE_SIM_SEEDS` sets how many seeds are run, `HALTLINE_SIM_FIRST` which is the first.
#[test]
fn no_world_breaks_the_promise() {
    let number = |name: &str, default| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let (count, first): (u64, u64) = (number("HALTLINE_SIM_SEEDS", 50), number("HALTLINE_SIM_FIRST", 1));
    let mut failures = Vec::new();
    let mut reports = Vec::new();
    for seed in first..first + count {
        match world::run(seed) {
            Ok(report) => reports.push(report),
            Err(failure) => failures.push(failure),
        }
        if failures.len() >= 3 {
            break;
        }
    }
    for failure in &failures {
        println!("{failure}");
    }
    assert!(failures.is_empty(), "{} of {} worlds break the promise; keep their seeds in seeds/failing.txt", failures.len(), count);
    println!("{}", summary(&reports));
}

fn summary(reports: &[Report]) -> String {
    let sum = |part: fn(&Report) -> u64| reports.iter().map(part).sum::<u64>();
    format!(
        "{} worlds, {} events, {} holds, {} refusals, {} calls, {} repeated, {} bills, {} reported, {} ceilings, {} released, {} kills, {} power losses, {} rebudgets",
        reports.len(),
        sum(|report| report.lines),
        sum(|report| report.seen.holds),
        sum(|report| report.seen.refusals),
        sum(|report| report.seen.arrivals),
        sum(|report| report.seen.repeated),
        sum(|report| report.seen.bills),
        sum(|report| report.seen.reported),
        sum(|report| report.seen.ceilings),
        sum(|report| report.seen.released),
        sum(|report| u64::from(report.kills)),
        sum(|report| u64::from(report.power_losses)),
        sum(|report| u64::from(report.rebudgets)),
    )
}
