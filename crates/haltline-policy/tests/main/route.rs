//! Which target comes next; and whole journeys of a request with `retry` and `route` together.

use crate::fixed;
use haltline_policy::breaker::Admission;
use haltline_policy::plan::{EndpointState, Model, Offer, Plan, PlanInput, Strategy, Target, plan};
use haltline_policy::retry::{Rest, RetryRules, RetrySituation, RetryVerdict, decide, rest};
use haltline_policy::route::{FallbackOn, RouteRules, RouteVerdict, Tried, next as walk};
use haltline_types::{Fault, FaultKind, ModelName, NanoUsd, Origin, Timestamp, Tokens};
use proptest::prelude::*;
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

fn targets() -> Vec<ModelName> {
    ["a/one", "b/two", "c/three"].into_iter().map(|text| ModelName::parse(text).expect("name")).collect()
}

fn fault(kind: FaultKind) -> Fault {
    Fault::new(kind, Origin::Provider, "test")
}

fn tried(index: usize, rest: Rest) -> Tried {
    Tried { endpoint: targets()[index].clone(), class: None, rest, avoid_next: false }
}

/// Endpoints of which nothing bad is known; each takes more input than the one before.
fn fresh(endpoint: &ModelName) -> EndpointState {
    let place = targets().iter().position(|target| target == endpoint).expect("a target");
    EndpointState {
        open_until: None,
        exhausted_until: None,
        latency: None,
        offer: Offer::Ceiling(NanoUsd::new(1)),
        max_input: Some(Tokens::new(1_000 * (1 + u64::try_from(place).expect("few")))),
    }
}

fn planned(
    targets: &[ModelName],
    tried: &[Tried],
    fault: Option<&Fault>,
    rules: &RouteRules,
    now: Timestamp,
    look: &dyn Fn(&ModelName) -> EndpointState,
) -> Plan {
    let model = Model {
        name: "chat".into(),
        targets: targets.iter().cloned().map(Target::new).collect(),
        strategy: Strategy::Ordered,
        rules: rules.clone(),
    };
    let models = [model];
    plan(&PlanInput { models: &models, degrade: None, tried, fault, affinity: None, chance: 7, now }, look)
}

/// The index of the target that is asked next.
fn next(
    targets: &[ModelName],
    tried: &[Tried],
    fault: Option<&Fault>,
    rules: &RouteRules,
    now: Timestamp,
    admissions: &mut dyn FnMut(&ModelName) -> Admission,
) -> RouteVerdict {
    let plan = planned(targets, tried, fault, rules, now, &fresh);
    match walk(&plan, admissions) {
        RouteVerdict::Use(step) => {
            let endpoint = &plan.steps[step].endpoint;
            RouteVerdict::Use(targets.iter().position(|target| target == endpoint).expect("a target"))
        }
        other => other,
    }
}

fn all_closed(_: &ModelName) -> Admission {
    Admission::Closed
}

fn route(tried: &[Tried], fault: Option<&Fault>, rules: &RouteRules) -> RouteVerdict {
    next(&targets(), tried, fault, rules, NOW, &mut all_closed)
}

#[test]
fn the_first_target_whose_breaker_lets_pass_is_used() {
    let rules = RouteRules::default();
    assert_eq!(route(&[], None, &rules), RouteVerdict::Use(0));
    let mut asked = Vec::new();
    let mut first_open = |target: &ModelName| {
        asked.push(target.to_string());
        if target.to_string() == "a/one" { Admission::Open { until: NOW } } else { Admission::Probe }
    };
    assert_eq!(next(&targets(), &[], None, &rules, NOW, &mut first_open), RouteVerdict::Use(1));
    assert_eq!(asked, ["a/one", "b/two"], "no breaker is asked in vain: it might give a probe away");
    let later = |seconds| NOW.saturating_add(Duration::from_secs(seconds));
    let mut open =
        |target: &ModelName| Admission::Open { until: later(if target.to_string() == "b/two" { 5 } else { 9 }) };
    assert_eq!(next(&targets(), &[], None, &rules, NOW, &mut open), RouteVerdict::AllOpen { until: later(5) });
    let stay = RouteRules::on(vec![FallbackOn::ContextLength]);
    assert_eq!(next(&targets(), &[], None, &stay, NOW, &mut open), RouteVerdict::AllOpen { until: later(9) });
    assert_eq!(next(&[], &[], None, &rules, NOW, &mut open), RouteVerdict::Exhausted);
}

#[test]
fn untried_targets_come_first_and_then_the_one_tried_longest_ago() {
    let rules = RouteRules::default();
    let error = fault(FaultKind::ServerError);
    assert_eq!(route(&[tried(0, Rest::No)], Some(&error), &rules), RouteVerdict::Use(1));
    let two = [tried(0, Rest::No), tried(1, Rest::No)];
    assert_eq!(route(&two, Some(&error), &rules), RouteVerdict::Use(2));
    let again = [tried(0, Rest::No), tried(1, Rest::No), tried(0, Rest::No)];
    let verdict = next(&targets()[..2], &again, Some(&error), &rules, NOW, &mut all_closed);
    assert_eq!(verdict, RouteVerdict::Use(1), "the last attempt of each counts");
    let three = [tried(2, Rest::No), tried(0, Rest::No), tried(1, Rest::No)];
    assert_eq!(route(&three, Some(&error), &rules), RouteVerdict::Use(2));
}

#[test]
fn an_endpoint_that_must_rest_is_left_alone() {
    let rules = RouteRules::default();
    let error = fault(FaultKind::ServerError);
    let later = NOW.saturating_add(Duration::from_secs(3));
    let spent = |last: Tried| [tried(0, Rest::RestOfRequest), tried(1, Rest::Until(later)), last];
    assert_eq!(route(&spent(tried(2, Rest::No)), Some(&error), &rules), RouteVerdict::Use(2));
    let avoid = Tried { avoid_next: true, ..tried(2, Rest::No) };
    assert_eq!(route(&spent(avoid), Some(&error), &rules), RouteVerdict::AllOpen { until: later });
    let only = [tried(0, Rest::RestOfRequest), tried(1, Rest::RestOfRequest), tried(2, Rest::RestOfRequest)];
    assert_eq!(route(&only, Some(&error), &rules), RouteVerdict::Exhausted);
}

#[test]
fn without_leave_to_fall_back_the_endpoint_stays() {
    let rules = RouteRules::on(vec![FallbackOn::RateLimited]);
    assert_eq!(route(&[tried(0, Rest::No)], Some(&fault(FaultKind::ServerError)), &rules), RouteVerdict::Use(0));
    assert_eq!(route(&[tried(0, Rest::No)], Some(&fault(FaultKind::RateLimited)), &rules), RouteVerdict::Use(1));
    let policy = fault(FaultKind::ContentPolicy);
    assert_eq!(route(&[tried(0, Rest::RestOfRequest)], Some(&policy), &rules), RouteVerdict::Exhausted);
}

#[test]
fn every_fault_that_another_endpoint_may_cure_has_a_kind() {
    for kind in FaultKind::ALL {
        assert_eq!(FallbackOn::of(&fault(kind)).is_some(), fault(kind).fallback, "{kind:?}");
    }
    for kind in FallbackOn::ALL {
        assert_eq!(FallbackOn::from_word(kind.word()), Some(kind));
    }
    assert_eq!(FallbackOn::from_word("anything"), None);
}

proptest! {
    #![proptest_config(fixed(3000))]

    #[test]
    fn a_journey_is_short_patient_and_pays_no_place_twice(
        faults in prop::collection::vec((prop::sample::select(FaultKind::ALL.to_vec()), prop::option::of(1_u64..90)), 6),
        randoms in prop::collection::vec(any::<u64>(), 6),
        count in 1_usize..=3,
        fallback_on in prop::sample::subsequence(FallbackOn::ALL.to_vec(), 0..=4),
        open in prop::collection::vec(any::<bool>(), 3),
    ) {
        let targets = &targets()[..count];
        let (rules, routes) = (RetryRules::default(), RouteRules::on(fallback_on));
        let is_open = |name: &ModelName| targets.iter().position(|target| target == name).is_some_and(|at| open[at]);
        let mut admissions = |name: &ModelName| {
            if is_open(name) { Admission::Open { until: NOW } } else { Admission::Closed }
        };
        let deadline = NOW.saturating_add(Duration::from_secs(300));
        let mut now = NOW;
        let mut tried: Vec<Tried> = Vec::new();
        let mut history: Vec<(usize, Fault, Timestamp)> = Vec::new();
        for (&(kind, after), &random) in faults.iter().zip(&randoms) {
            let last = history.last().map(|(_, fault, _)| fault);
            let RouteVerdict::Use(index) = next(targets, &tried, last, &routes, now, &mut admissions) else { break };
            prop_assert!(!is_open(&targets[index]));
            // Looked at apart from the rests that `route` was given.
            for (at, fault, then) in &history {
                let moved = *at != index;
                if let Some(stated) = fault.retry.after {
                    prop_assert!(moved || now.since(*then) >= stated, "came back early");
                }
                let timed_out = matches!(
                    fault.kind,
                    FaultKind::FirstTokenTimeout | FaultKind::IdleTimeout | FaultKind::TotalTimeout
                );
                prop_assert!(moved || !timed_out, "would pay twice");
                let unstated = fault.kind == FaultKind::RateLimited && fault.retry.after.is_none();
                prop_assert!(moved || !unstated || now.since(*then) >= rules.rate_limit_wait);
            }
            if let Some((at, fault, _)) = history.last() {
                prop_assert!(*at == index || routes.allows(fault));
            }
            let mut fault = fault(kind);
            fault.retry.after = after.map(Duration::from_secs);
            let mut attempt = Tried {
                endpoint: targets[index].clone(),
                class: FallbackOn::of(&fault),
                rest: rest(&rules, &fault, now),
                avoid_next: false,
            };
            history.push((index, fault.clone(), now));
            tried.push(attempt.clone());
            let look = |name: &ModelName| EndpointState { open_until: is_open(name).then_some(NOW), ..fresh(name) };
            let after = planned(targets, &tried, Some(&fault), &routes, now, &look);
            let others = after.leads_elsewhere(&attempt.endpoint);
            let situation = RetrySituation {
                attempts_made: u8::try_from(history.len()).expect("few"),
                first_byte_delivered: false,
                client_forbids: false,
                now,
                deadline,
                other_endpoints: others,
                fallback_allowed: routes.allows(&fault),
            };
            let RetryVerdict::Again { wait, avoid_endpoint } = decide(&rules, &fault, &situation, random) else { break };
            attempt.avoid_next = avoid_endpoint;
            *tried.last_mut().expect("just pushed") = attempt;
            now = now.saturating_add(wait);
            // A verdict to go on is never a dead end.
            let verdict = next(targets, &tried, Some(&fault), &routes, now, &mut admissions);
            prop_assert!(matches!(verdict, RouteVerdict::Use(_)), "{:?}", verdict);
        }
        prop_assert!(history.len() <= 4);
    }
}
