//! A provider that always fails, and users who never stop: what is sent to it is bounded by the
//! attempts of a request and by the retries of a user and hour.

use crate::stage::{DOLLAR, Stage, Watched, ask};
use haltline_sim::budgets::{BudgetPlan, WindowPlan};
use haltline_sim::node::in_virtual_time;
use haltline_sim::provider::{Script, Tariff, Temper};
use haltline_sim::workload::{Manners, Visit};
use haltline_types::Scope;
use std::time::Duration;

const TARIFF: Tariff = Tariff { input: 2_500_000, cached: 250_000, output: 10_000_000 };
const USERS: u64 = 5;

#[test]
fn errors_are_repeated_ten_times_per_user_and_hour() {
    repeated(&[(Script::FailsAfterInput, 1_000)]);
}

/// What is rejected costs no money, and its repetitions count all the same.
#[test]
fn rejections_are_repeated_ten_times_per_user_and_hour() {
    repeated(&[(Script::LimitsRate(None), 1_000)]);
}

#[test]
fn connections_that_fail_are_repeated_ten_times_per_user_and_hour() {
    in_virtual_time(async {
        let stage = stage(&[(Script::RefusesConnection, 1_000)]).await;
        let most = ask_on(&stage).await;
        assert_eq!(most, 10 * i64::try_from(USERS).expect("small"));
        stage.settled().await;
    })
    .expect("a runtime");
}

fn repeated(faults: &[(Script, u64)]) {
    in_virtual_time(async {
        let stage = stage(faults).await;
        for hour in 1..=3 {
            ask_on(&stage).await;
            let seen = stage.auditor.seen();
            assert_eq!(seen.repeated, 10 * USERS * hour, "after {hour} hours: {seen:?}");
            assert!(seen.arrivals > seen.repeated, "the first attempts go on");
            next_hour(&stage).await;
        }
        stage.settled().await;
    })
    .expect("a runtime");
}

async fn stage(faults: &[(Script, u64)]) -> Stage {
    let budgets =
        vec![BudgetPlan::retries(10), BudgetPlan::money("all-day", Scope::global(), 1_000 * DOLLAR, WindowPlan::DAY)];
    let temper = Temper { faults: faults.to_vec(), ..Temper::calm(Duration::from_millis(200), 20) };
    // A breaker would hide what is to be seen here.
    Stage::set(TARIFF, temper, budgets, Watched::Yes, |settings| settings.breaker.failures = 0).await
}

/// Everybody asks again a minute after each failure, until an hour is nearly over. Returns what
/// the ledger then counts as repetitions of it.
async fn ask_on(stage: &Stage) -> i64 {
    let visits = (0..USERS).map(|user| Visit {
        ask: ask(&format!("user-{user}"), 100, Some(100)),
        manners: Manners::Naive { times: u32::MAX, pause: Duration::from_secs(61) },
        seed: 1,
    });
    let visits = stage.visits(visits.collect());
    assert!(tokio::time::timeout(Duration::from_secs(3_200), visits).await.is_err(), "they never stop");
    assert_eq!(stage.node.quiet(Duration::from_secs(390)).await, 0);
    stage.spent("retries")
}

/// Goes on to the next hour.
async fn next_hour(stage: &Stage) {
    let elapsed = stage.clock.elapsed().as_millis();
    let rest = 3_600_000 - elapsed % 3_600_000;
    tokio::time::sleep(Duration::from_millis(u64::try_from(rest).expect("small") + 1)).await;
}
