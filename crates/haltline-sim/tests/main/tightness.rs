//! Tightness, measured like soundness: what a budget refuses that it could have paid, and how much
//! of it can be used.

use crate::stage::{Stage, Watched, ask, patient};
use haltline_sim::budgets::{BudgetPlan, WindowPlan};
use haltline_sim::chance::Chance;
use haltline_sim::node::in_virtual_time;
use haltline_sim::provider::{Tariff, Temper};
use haltline_sim::workload::{self, Ask, Got, Visit};
use haltline_types::Scope;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;

const TARIFF: Tariff = Tariff { input: 2_500_000, cached: 250_000, output: 10_000_000 };
const CONCURRENCY: i64 = 8;
const REQUESTS: u64 = 1_200;
/// The largest request: 800 bytes of text and their frame, 400 tokens of output with the slack.
const CEILING_MAX: i64 = (900 + 16 + 8) * 2_500 + (400 + 64) * 10_000;

#[test]
fn a_budget_that_holds_the_workload_refuses_nothing() {
    let whole = run(i64::MAX >> 12);
    assert_eq!(whole.refused, 0);
    let enough = whole.billed + CONCURRENCY * CEILING_MAX;
    let tight = run(enough);
    println!("{REQUESTS} requests, {} refused, {} of {enough} used", tight.refused, tight.billed);
    assert_eq!(tight.refused, 0, "false refusals with a budget of {enough}");
    assert_eq!(tight.billed, whole.billed);

    let half = enough / 2;
    assert!(half >= 100 * CEILING_MAX, "{half} are fewer than 100 ceilings");
    let short = run(half);
    println!(
        "with half of it {} of {half} used, {} at the first refusal, {} refused",
        short.billed, short.at_first_refusal, short.refused
    );
    assert!(short.billed <= half);
    assert!(short.billed * 100 >= half * 95, "only {} of {half} used", short.billed);
    assert!(short.at_first_refusal * 100 >= half * 95, "{} of {half} at the first refusal", short.at_first_refusal);
}

struct Measured {
    billed: i64,
    refused: u64,
    at_first_refusal: i64,
}

fn run(limit: i64) -> Measured {
    in_virtual_time(async {
        let budgets =
            vec![BudgetPlan::retries(10), BudgetPlan::money("all-day", Scope::global(), limit, WindowPlan::DAY)];
        let temper = Temper::calm(Duration::from_millis(400), 250);
        let stage = Arc::new(Stage::set(TARIFF, temper, budgets, Watched::Yes, |_| {}).await);
        let queue = Arc::new(Mutex::new(workload()));
        let measured = Arc::new(Mutex::new(Measured { billed: 0, refused: 0, at_first_refusal: 0 }));
        let mut workers = tokio::task::JoinSet::new();
        for _ in 0..CONCURRENCY {
            let (stage, queue, measured) = (Arc::clone(&stage), Arc::clone(&queue), Arc::clone(&measured));
            workers.spawn(async move {
                loop {
                    let next = queue.lock().pop();
                    let Some(visit) = next else { break };
                    let gateway = Arc::clone(&stage.node.gateway);
                    workload::visit(&gateway, &visit, |got| {
                        if got != Got::Answer {
                            let mut measured = measured.lock();
                            if measured.refused == 0 {
                                measured.at_first_refusal = stage.provider.totals().nano;
                            }
                            measured.refused += 1;
                        }
                    })
                    .await;
                }
            });
        }
        workers.join_all().await;
        let billed = stage.settled().await;
        let measured = measured.lock();
        Measured { billed, ..*measured }
    })
    .expect("a runtime")
}

fn workload() -> Vec<Visit> {
    let mut chance = Chance::new(7);
    (0..REQUESTS)
        .map(|number| {
            let text = usize::try_from(chance.within(20..800)).expect("small");
            let asked = ask(&format!("user-{}", number % 9), text, Some(chance.within(50..400)));
            patient(Ask { stream: chance.per_mille(500), ..asked })
        })
        .collect()
}
