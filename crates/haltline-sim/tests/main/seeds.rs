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
    assert!(
        failures.is_empty(),
        "{} of {} worlds break the promise; keep their seeds in seeds/failing.txt",
        failures.len(),
        count
    );
    println!("{}", summary(&reports));
    // Worlds in which nothing happens prove nothing.
    let met = |part: fn(&Report) -> u64| reports.iter().map(part).sum::<u64>() >= count / 4;
    assert!(count < 20 || met(|report| report.seen.repeated), "too few repetitions");
    assert!(count < 20 || met(|report| report.seen.ceilings), "too few unknown outcomes");
    assert!(count < 20 || met(|report| report.seen.released), "too few rejections");
    assert!(count < 20 || met(|report| report.seen.lowered), "too few reports before the end");
    assert!(count < 20 || met(|report| report.seen.refusals), "too few refusals");
    assert!(count < 20 || met(|report| u64::from(report.kills + report.power_losses)), "too few crashes");
    assert!(count < 20 || met(|report| u64::from(report.rebudgets)), "too few changes of budgets");
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

/// A seed that ever showed something is run for ever.
#[test]
fn no_world_breaks_it_again() {
    let text = include_str!("../../seeds/failing.txt");
    let mut count = 0;
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        let (seed, why) = line.split_once('#').expect("a seed and what it showed");
        let seed = seed.trim().parse().expect("a number");
        if let Err(failure) = world::run(seed) {
            panic!("it showed before: {why}\n{failure}");
        }
        count += 1;
    }
    assert!(count > 0, "no seeds in seeds/failing.txt");
}

#[test]
fn the_same_seed_gives_the_same_world() {
    for seed in (1..=10).chain(360..=400) {
        let (first, second) = (world::run(seed).expect("sound"), world::run(seed).expect("sound"));
        assert_eq!(first, second, "seed {seed}");
        assert!(first.lines > 50);
    }
    assert_ne!(world::run(1).expect("sound").hash, world::run(2).expect("sound").hash);
}
