//! What a plan says: each reason in a situation that calls for it, and what no plan does.

use crate::fixed;
use haltline_policy::plan::{Degrade, EndpointState, Model, Offer, Plan, PlanInput, Reason, Strategy, Target, plan};
use haltline_policy::retry::Rest;
use haltline_policy::route::{FallbackOn, RouteRules, Tried};
use haltline_types::{Fault, FaultKind, ModelName, NanoUsd, Origin, Timestamp, Tokens};
use proptest::prelude::{Just, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::strategy::Strategy as Making;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::time::Duration;

pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

pub(crate) fn later(seconds: u64) -> Timestamp {
    NOW.saturating_add(Duration::from_secs(seconds))
}

pub(crate) fn name(text: &str) -> ModelName {
    ModelName::parse(text).expect("a name")
}

pub(crate) fn model(called: &str, strategy: Strategy, targets: &[(&str, u32)]) -> Model {
    let target = |(text, weight): &(&str, u32)| Target {
        endpoint: name(text),
        weight: NonZeroU32::new(*weight).expect("a weight"),
    };
    Model { name: called.into(), targets: targets.iter().map(target).collect(), strategy, rules: RouteRules::default() }
}

/// Nothing bad is known.
pub(crate) const FRESH: EndpointState = EndpointState {
    open_until: None,
    exhausted_until: None,
    latency: None,
    offer: Offer::Ceiling(NanoUsd::new(1_000)),
    max_input: None,
};

pub(crate) type States = BTreeMap<&'static str, EndpointState>;

pub(crate) fn made(models: &[Model], states: &States) -> Plan {
    made_after(models, states, &[], None)
}

fn made_after(models: &[Model], states: &States, tried: &[Tried], fault: Option<&Fault>) -> Plan {
    let look = |endpoint: &ModelName| states.get(endpoint.to_string().as_str()).copied().unwrap_or(FRESH);
    plan(&PlanInput { models, degrade: None, tried, fault, affinity: None, chance: 1, now: NOW }, &look)
}

/// `a/one chosen, …`
pub(crate) fn words(plan: &Plan) -> String {
    let step = |step: &haltline_policy::plan::Step| format!("{} {}", step.endpoint, step.reason.word());
    plan.steps.iter().map(step).collect::<Vec<_>>().join(", ")
}

fn fault(kind: FaultKind) -> Fault {
    Fault::new(kind, Origin::Provider, "test")
}

fn failed(text: &str, kind: FaultKind) -> Tried {
    Tried { endpoint: name(text), class: FallbackOn::of(&fault(kind)), rest: Rest::RestOfRequest, avoid_next: true }
}

fn three() -> Model {
    model("chat", Strategy::Ordered, &[("a/one", 1), ("b/two", 1), ("c/three", 1)])
}

fn takes(tokens: u64) -> EndpointState {
    EndpointState { max_input: Some(Tokens::new(tokens)), ..FRESH }
}

#[test]
fn what_cannot_be_asked_says_why_and_the_rest_stands_by() {
    let states = States::from([
        ("a/one", EndpointState { open_until: Some(later(9)), ..FRESH }),
        ("b/two", EndpointState { exhausted_until: Some(later(5)), ..FRESH }),
    ]);
    let plan = made(&[three()], &states);
    assert_eq!(words(&plan), "a/one skipped_breaker_open, b/two skipped_exhausted, c/three standby");
    assert_eq!(plan.until(), Some(later(5)));
    let gone_by = States::from([("a/one", EndpointState { exhausted_until: Some(NOW), ..FRESH })]);
    assert_eq!(words(&made(&[three()], &gone_by)), "a/one chosen, b/two standby, c/three standby");
    let dear = Offer::AboveMaxCost { ceiling: NanoUsd::new(9), most: NanoUsd::new(8) };
    let states = States::from([
        ("a/one", EndpointState { offer: Offer::Unpriced, ..FRESH }),
        ("b/two", EndpointState { offer: dear, ..FRESH }),
        ("c/three", EndpointState { offer: Offer::TooLong, ..FRESH }),
    ]);
    assert_eq!(
        words(&made(&[three()], &states)),
        "a/one skipped_unpriced, b/two skipped_price, c/three skipped_context"
    );
}

#[test]
fn an_endpoint_without_capacity_is_asked_when_there_is_nothing_else() {
    let states = States::from([
        ("a/one", EndpointState { exhausted_until: Some(later(9)), ..FRESH }),
        ("b/two", EndpointState { exhausted_until: Some(later(5)), ..FRESH }),
        ("c/three", EndpointState { open_until: Some(later(1)), ..FRESH }),
    ]);
    assert_eq!(
        words(&made(&[three()], &states)),
        "a/one skipped_exhausted, b/two last_resort, c/three skipped_breaker_open"
    );
    let only = Model { rules: RouteRules::on(vec![FallbackOn::Unavailable]), ..three() };
    assert_eq!(words(&made(&[only], &states)), "a/one chosen, b/two standby, c/three skipped_breaker_open");
}

#[test]
fn without_leave_nothing_goes_around_a_hindrance() {
    let stays = Model { rules: RouteRules::on(vec![FallbackOn::RateLimited]), ..three() };
    let states = States::from([("a/one", EndpointState { open_until: Some(later(9)), ..FRESH })]);
    let plan = made(std::slice::from_ref(&stays), &states);
    assert_eq!(words(&plan), "a/one skipped_breaker_open, b/two skipped_no_leave, c/three skipped_no_leave");
    assert!(plan.stays);
    let error = fault(FaultKind::ServerError);
    let tried = [Tried { rest: Rest::No, avoid_next: false, ..failed("a/one", FaultKind::ServerError) }];
    let plan = made_after(&[stays], &States::new(), &tried, Some(&error));
    assert_eq!(words(&plan), "b/two skipped_no_leave, c/three skipped_no_leave, a/one again");
    let invalid = fault(FaultKind::InvalidRequest);
    let plan = made_after(&[three()], &States::new(), &[failed("a/one", invalid.kind)], Some(&invalid));
    assert_eq!(words(&plan), "b/two skipped_hopeless, c/three skipped_hopeless, a/one skipped_failed");
}

#[test]
fn what_one_policy_forbids_goes_to_the_named_endpoints_only() {
    let mut model = three();
    model.rules.content_policy_to = vec![name("c/three"), name("d/open")];
    let policy = fault(FaultKind::ContentPolicy);
    let tried = [failed("a/one", FaultKind::ContentPolicy)];
    let plan = made_after(std::slice::from_ref(&model), &States::new(), &tried, Some(&policy));
    let expected = "c/three less_restrictive, d/open less_restrictive, a/one skipped_failed, b/two skipped_policy";
    assert_eq!(words(&plan), expected);
    // What was proved of the request holds when the next one fails for another reason.
    let tried = [failed("a/one", FaultKind::ContentPolicy), failed("c/three", FaultKind::ServerError)];
    let error = fault(FaultKind::ServerError);
    let plan = made_after(std::slice::from_ref(&model), &States::new(), &tried, Some(&error));
    assert_eq!(
        words(&plan),
        "d/open less_restrictive, c/three skipped_failed, a/one skipped_failed, b/two skipped_policy"
    );
    model.rules.content_policy_to.clear();
    let plan = made_after(&[model], &States::new(), &tried[..1], Some(&policy));
    assert_eq!(words(&plan), "b/two fallback, c/three standby, a/one skipped_failed");
}

#[test]
fn input_that_is_too_long_goes_only_where_more_fits() {
    let states = States::from([("a/one", takes(2_000)), ("b/two", takes(2_000)), ("c/three", takes(9_000))]);
    let length = fault(FaultKind::ContextLength);
    let tried = [failed("a/one", FaultKind::ContextLength)];
    let plan = made_after(&[three()], &states, &tried, Some(&length));
    assert_eq!(words(&plan), "b/two skipped_context, c/three fallback, a/one skipped_failed");
    let plan = made_after(&[three()], &States::new(), &tried, Some(&length));
    assert_eq!(words(&plan), "b/two skipped_context, c/three skipped_context, a/one skipped_failed");
    let mut named = three();
    named.rules.context_length_to = vec![name("d/unknown"), name("b/two"), name("e/long")];
    let states = States::from([("a/one", takes(2_000)), ("b/two", takes(1_000)), ("e/long", takes(3_000))]);
    let plan = made_after(&[named], &states, &tried, Some(&length));
    assert_eq!(
        words(&plan),
        "d/unknown longer_context, b/two skipped_context, e/long longer_context, a/one skipped_failed, c/three skipped_context"
    );
}

#[test]
fn input_that_cannot_fit_goes_to_the_longer_context_without_a_call() {
    let mut model = model("chat", Strategy::Ordered, &[("a/one", 1)]);
    model.rules.context_length_to = vec![name("e/long")];
    let states = States::from([("a/one", EndpointState { offer: Offer::TooLong, ..FRESH })]);
    assert_eq!(words(&made(std::slice::from_ref(&model), &states)), "a/one skipped_context, e/long longer_context");
    model.rules.fallback_on = vec![FallbackOn::Unavailable];
    assert_eq!(words(&made(&[model], &states)), "a/one skipped_context");
}

#[test]
fn a_short_budget_leads_to_the_cheaper_model() {
    let small = model("small", Strategy::Ordered, &[("b/two", 1), ("s/small", 1)]);
    let models = [three(), small];
    let look = |_: &ModelName| FRESH;
    let degrade = Degrade { level: 1, budget: "day".into() };
    let input = PlanInput {
        models: &models,
        degrade: Some(&degrade),
        tried: &[],
        fault: None,
        affinity: None,
        chance: 1,
        now: NOW,
    };
    let plan = plan(&input, &look);
    assert_eq!(words(&plan), "b/two degraded, s/small standby, a/one skipped_degraded, c/three skipped_degraded");
    assert_eq!(&*plan.model, "small");
    assert_eq!(plan.steps[0].reason.to_string(), "instead of `chat`: budget \"day\" is short");
}

fn states() -> impl Making<Value = Vec<EndpointState>> {
    let offer = prop_oneof![
        4 => (1_i64..1_000).prop_map(|usd| Offer::Ceiling(NanoUsd::new(usd))),
        1 => Just(Offer::TooLong),
        1 => Just(Offer::Unpriced),
        1 => Just(Offer::AboveMaxCost { ceiling: NanoUsd::new(9), most: NanoUsd::new(8) }),
    ];
    let time = || prop::option::weighted(0.3, (0_u64..100).prop_map(later));
    let latency = prop::option::of((1_u64..5_000).prop_map(Duration::from_millis));
    let state = (time(), time(), latency, offer, prop::option::of((1_u64..4).prop_map(Tokens::new))).prop_map(
        |(open_until, exhausted_until, latency, offer, max_input)| EndpointState {
            open_until,
            exhausted_until,
            latency,
            offer,
            max_input,
        },
    );
    prop::collection::vec(state, 8)
}

proptest! {
    #![proptest_config(fixed(4000))]

    #[test]
    fn a_plan_is_a_permutation_and_the_same_again(
        strategy in prop::sample::select(Strategy::ALL.to_vec()),
        picks in prop::collection::vec((0_usize..8, 1_u32..9), 0..7),
        cheaper in prop::collection::vec(0_usize..8, 1..4),
        special in (prop::collection::vec(0_usize..8, 0..3), prop::collection::vec(0_usize..8, 0..3)),
        states in states(),
        leave in prop::sample::subsequence(FallbackOn::ALL.to_vec(), 0..=4),
        tried in prop::collection::vec((0_usize..8, prop::sample::select(FaultKind::ALL.to_vec())), 0..4),
        level in 0_usize..3,
        affinity in any::<Option<u64>>(),
        chance in any::<u64>(),
    ) {
        let endpoint = |index: usize| name(&format!("p/{index}"));
        let target = |(index, weight): &(usize, u32)| Target {
            endpoint: endpoint(*index),
            weight: NonZeroU32::new(*weight).expect("a weight"),
        };
        let rules = RouteRules {
            fallback_on: leave,
            content_policy_to: special.0.iter().copied().map(endpoint).collect(),
            context_length_to: special.1.iter().copied().map(endpoint).collect(),
        };
        let small = cheaper.iter().map(|index| target(&(*index, 1))).collect();
        let models = [
            Model { name: "chat".into(), targets: picks.iter().map(target).collect(), strategy, rules },
            Model { name: "small".into(), targets: small, strategy, rules: RouteRules::default() },
        ];
        let tries: Vec<Tried> = tried.iter().map(|(index, kind)| failed(&format!("p/{index}"), *kind)).collect();
        let last = tried.last().map(|(_, kind)| fault(*kind));
        let degrade = Degrade { level, budget: "day".into() };
        let input = PlanInput {
            models: &models,
            degrade: Some(&degrade),
            tried: &tries,
            fault: last.as_ref(),
            affinity,
            chance,
            now: NOW,
        };
        let place = |endpoint: &ModelName| endpoint.model.parse::<usize>().expect("a place");
        let look = |endpoint: &ModelName| states[place(endpoint)];
        let made = plan(&input, &look);
        prop_assert_eq!(&made, &plan(&input, &look));
        let set: BTreeSet<&ModelName> = made.steps.iter().map(|step| &step.endpoint).collect();
        prop_assert_eq!(set.len(), made.steps.len(), "an endpoint twice");
        let asked = &models[level.min(1)];
        let known: BTreeSet<&ModelName> = models.iter().take(level.min(1) + 1).flat_map(|model| &model.targets).map(|target| &target.endpoint).collect();
        prop_assert!(known.is_subset(&set), "a target is missing");
        for step in &made.steps {
            let named = asked.rules.content_policy_to.iter().chain(&asked.rules.context_length_to);
            prop_assert!(known.contains(&step.endpoint) || named.clone().any(|named| *named == step.endpoint));
            let state = states[place(&step.endpoint)];
            if step.reason.is_used() {
                prop_assert!(state.open_until.is_none());
                prop_assert!(matches!(state.offer, Offer::Ceiling(_)));
                prop_assert!(tries.iter().all(|tried| tried.endpoint != step.endpoint), "ruled out");
                prop_assert!(last.as_ref().is_none_or(|fault| asked.rules.allows(fault)));
            }
            prop_assert!(step.reason.is_used() != step.reason.word().starts_with("skipped_"));
        }
        let resorts = made.steps.iter().filter(|step| matches!(step.reason, Reason::LastResort { .. })).count();
        prop_assert!(resorts == 0 || made.used().count() == 1);
    }
}
