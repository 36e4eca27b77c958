//! The orders of the strategies: what is cheap, what is fast, what the weights say, and that a
//! session moves only when it must.

use crate::fixed;
use crate::plan::{FRESH, NOW, States, made, model, words};
use haltline_policy::plan::{EndpointState, Model, Offer, PlanInput, Strategy, affinity, plan};
use haltline_types::{ModelName, NanoUsd};
use proptest::prelude::*;
use std::time::Duration;

fn first(
    models: &[Model],
    affinity: Option<u64>,
    chance: u64,
    look: &dyn Fn(&ModelName) -> EndpointState,
) -> ModelName {
    let input = PlanInput { models, degrade: None, tried: &[], fault: None, affinity, chance, now: NOW };
    plan(&input, look).used().next().expect("a step").endpoint.clone()
}

fn fresh(_: &ModelName) -> EndpointState {
    FRESH
}

#[test]
fn the_cheapest_for_this_request_comes_first() {
    let costs = |usd| EndpointState { offer: Offer::Ceiling(NanoUsd::new(usd)), ..FRESH };
    let states = States::from([
        ("a/one", costs(30)),
        ("b/two", EndpointState { offer: Offer::Unpriced, ..FRESH }),
        ("c/three", costs(20)),
        ("d/four", costs(20)),
    ]);
    let chat = model("chat", Strategy::Cheapest, &[("a/one", 1), ("b/two", 1), ("c/three", 1), ("d/four", 1)]);
    assert_eq!(words(&made(&[chat], &states)), "c/three chosen, d/four standby, a/one standby, b/two skipped_unpriced");
}

#[test]
fn the_fastest_comes_first_and_one_in_sixteen_looks_at_the_unknown() {
    let takes = |millis| EndpointState { latency: Some(Duration::from_millis(millis)), ..FRESH };
    let chat = model("chat", Strategy::Fastest, &[("a/one", 1), ("b/two", 1), ("c/three", 1)]);
    let states = States::from([("b/two", takes(900)), ("c/three", takes(300))]);
    assert_eq!(words(&made(std::slice::from_ref(&chat), &states)), "c/three chosen, b/two standby, a/one standby");
    let look = |endpoint: &ModelName| states.get(endpoint.to_string().as_str()).copied().unwrap_or(FRESH);
    let models = [chat];
    let explored = (0..16_000).filter(|chance| first(&models, None, *chance, &look).to_string() == "a/one").count();
    assert!((850..1_150).contains(&explored), "{explored}");
    let none_known = (0..100).filter(|chance| first(&models, None, *chance, &fresh).to_string() == "a/one").count();
    assert_eq!(none_known, 100, "with nothing known the list decides");
}

#[test]
fn weights_are_what_they_say() {
    let models = [model("chat", Strategy::Weighted, &[("a/one", 1), ("b/two", 3), ("c/three", 6)])];
    let mut counts = [0_u32; 3];
    let draws = 20_000_u32;
    for chance in 0..u64::from(draws) {
        match first(&models, None, chance, &fresh).to_string().as_str() {
            "a/one" => counts[0] += 1,
            "b/two" => counts[1] += 1,
            _ => counts[2] += 1,
        }
    }
    for (count, tenths) in counts.into_iter().zip([1, 3, 6]) {
        let expected = draws / 10 * tenths;
        assert!(count.abs_diff(expected) < draws / 50, "{counts:?}");
    }
    // And among sessions, too.
    let at_one = (0..10_000)
        .filter(|number| first(&models, Some(affinity(&format!("session-{number}"))), 0, &fresh).to_string() == "a/one")
        .count();
    assert!((850..1_150).contains(&at_one), "{at_one}");
}

#[test]
fn a_session_says_so() {
    let models = [model("chat", Strategy::Weighted, &[("a/one", 1), ("b/two", 1)])];
    let input = PlanInput {
        models: &models,
        degrade: None,
        tried: &[],
        fault: None,
        affinity: Some(affinity("s")),
        chance: 3,
        now: NOW,
    };
    assert!(words(&plan(&input, &fresh)).contains(" affinity, "));
}

proptest! {
    #![proptest_config(fixed(2000))]

    #[test]
    fn a_session_moves_only_to_what_is_new_or_away_from_what_is_gone(
        weights in prop::collection::vec(1_u32..9, 2..7), session in any::<u64>(), chances in any::<(u64, u64)>(),
    ) {
        let names: Vec<String> = (0..weights.len()).map(|index| format!("p/{index}")).collect();
        let targets: Vec<(&str, u32)> = names.iter().map(String::as_str).zip(weights.iter().copied()).collect();
        let all = [model("chat", Strategy::Weighted, &targets)];
        let home = first(&all, Some(session), chances.0, &fresh);
        prop_assert_eq!(&home, &first(&all, Some(session), chances.1, &fresh), "chance moves no session");
        let mut turned = targets.clone();
        turned.reverse();
        prop_assert_eq!(&home, &first(&[model("x", Strategy::Weighted, &turned)], Some(session), 0, &fresh));
        for (index, (gone, _)) in targets.iter().enumerate() {
            let mut rest = targets.clone();
            rest.remove(index);
            let moved = first(&[model("chat", Strategy::Weighted, &rest)], Some(session), 0, &fresh);
            prop_assert!(moved == home || home.to_string() == *gone, "moved without need");
            // The same when it is only out of order for a while.
            let look = |endpoint: &ModelName| EndpointState {
                open_until: (endpoint.to_string() == *gone).then_some(NOW),
                ..FRESH
            };
            prop_assert_eq!(first(&all, Some(session), 0, &look), moved);
            let mut heavier = targets.clone();
            heavier[index].1 += 5;
            let moved = first(&[model("chat", Strategy::Weighted, &heavier)], Some(session), 0, &fresh);
            prop_assert!(moved == home || moved.to_string() == *gone, "moved to one that did not grow");
        }
    }
}
