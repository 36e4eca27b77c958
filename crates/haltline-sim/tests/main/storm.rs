//! A storm: 200 requests at once, 500 ms each, on one dollar. A request may cost 7 cents and does
//! cost 5. Then waves of 40, until one is served nothing.

use crate::stage::{DOLLAR, Stage, Watched, ask, patient};
use haltline_sim::budgets::{BudgetPlan, WindowPlan};
use haltline_sim::node::in_virtual_time;
use haltline_sim::provider::{Tariff, Temper};
use haltline_sim::workload::{Got, Visit};
use haltline_types::{Name, Scope, Tokens};
use std::time::Duration;

/// $10 and $50 per million tokens: 1,200 tokens of output and the slack of 64 are 6.3 cents, 960
/// are 4.8.
const TARIFF: Tariff = Tariff { input: 10_000_000, cached: 1_000_000, output: 50_000_000 };

#[derive(Clone, Copy)]
enum Shape {
    Cap,
    NoCap,
    Stream,
}

#[test]
fn with_a_cap() {
    storm(Shape::Cap, &one_budget());
}

#[test]
fn without_a_cap() {
    storm(Shape::NoCap, &one_budget());
}

#[test]
fn streaming() {
    storm(Shape::Stream, &one_budget());
}

#[test]
fn with_twenty_budgets_of_different_scopes() {
    storm(Shape::Cap, &twenty_budgets());
}

fn one_budget() -> Vec<BudgetPlan> {
    vec![BudgetPlan::retries(10), BudgetPlan::money("all-day", Scope::global(), DOLLAR, WindowPlan::DAY)]
}

fn twenty_budgets() -> Vec<BudgetPlan> {
    let scopes: [&[&str]; 10] = [
        &["global"],
        &["user"],
        &["key"],
        &["team"],
        &["model"],
        &["provider"],
        &["endpoint"],
        &["tag:env"],
        &["user", "model"],
        &["key", "team", "session"],
    ];
    let windows = [WindowPlan::DAY, WindowPlan::Rolling { seconds: 86_400 }];
    let mut budgets = vec![BudgetPlan::retries(10)];
    for (number, scope) in scopes.iter().enumerate() {
        for (which, window) in windows.into_iter().enumerate() {
            let scope = Scope::parse(scope.iter().copied()).expect("a scope");
            budgets.push(BudgetPlan::money(&format!("budget-{number}-{which}"), scope, DOLLAR, window));
        }
    }
    budgets
}

fn storm(shape: Shape, budgets: &[BudgetPlan]) {
    let used = in_virtual_time(async {
        let temper = Temper::calm(Duration::from_millis(500), 960);
        let stage = Stage::set(TARIFF, temper, budgets.to_vec(), Watched::Yes, |settings| {
            let chat = settings.models.get_mut(&Name::new("chat")).expect("chat");
            chat.max_output_tokens = Tokens::new(1_200);
        })
        .await;
        let crowd = |size| -> Vec<Visit> { (0..size).map(|_| patient(request(shape))).collect() };
        let began = stage.clock.elapsed();
        let mut served = answers(&stage.visits(crowd(200)).await);
        // 14 or 15 fit at once; more are served because they wait for what the first ones give back.
        println!("{served} served of the storm alone");
        // Nobody waits for his patience to end: what comes back wakes the next, and what is spent all.
        let lasted = stage.clock.elapsed() - began;
        assert!(lasted < Duration::from_secs(4), "the storm lasted {lasted:?}");
        assert!(served >= 20, "the storm alone was served {served} times");
        loop {
            let more = answers(&stage.visits(crowd(40)).await);
            if more == 0 {
                break;
            }
            served += more;
        }
        let billed = stage.settled().await;
        println!("{served} served, {} millionths of a dollar billed", billed / 1_000);
        billed
    })
    .expect("a runtime");
    assert!(used <= DOLLAR, "{used} billed on a dollar");
    assert!(used >= DOLLAR * 90 / 100, "only {used} used of a dollar");
}

fn request(shape: Shape) -> haltline_sim::workload::Ask {
    let asked = ask("alice", 100, Some(1_200));
    match shape {
        Shape::Cap => asked,
        Shape::NoCap => haltline_sim::workload::Ask { cap: None, ..asked },
        Shape::Stream => haltline_sim::workload::Ask { stream: true, ..asked },
    }
}

fn answers(got: &[Got]) -> usize {
    got.iter().filter(|got| **got == Got::Answer).count()
}
