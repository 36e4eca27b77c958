//! The breaker step by step, and against a model that keeps every event.

use crate::fixed;
use haltline_policy::breaker::{Admission, Breaker, BreakerRules, BreakerState, Force};
use haltline_types::{Fault, FaultKind, Origin, Timestamp};
use proptest::prelude::*;
use std::time::Duration;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(1_800_000_000 + seconds)
}

fn fault(kind: FaultKind) -> Fault {
    Fault::new(kind, Origin::Provider, "test")
}

fn opened() -> Breaker {
    let mut breaker = Breaker::new(BreakerRules::default());
    for second in 0..5 {
        assert_eq!(breaker.admit(at(second)), Admission::Closed);
        breaker.on_fault(at(second), &fault(FaultKind::ServerError));
    }
    breaker
}

#[test]
fn five_faults_in_a_minute_open_it_for_thirty_seconds() {
    let mut breaker = opened();
    assert_eq!(breaker.state(at(4)), BreakerState::Open);
    assert_eq!(breaker.admit(at(33)), Admission::Open { until: at(34) });
    assert_eq!(breaker.state(at(34)), BreakerState::HalfOpen);
    assert_eq!(breaker.admit(at(34)), Admission::Probe);
}

#[test]
fn faults_that_are_old_or_not_the_endpoints_do_not_count() {
    let mut breaker = Breaker::new(BreakerRules::default());
    for second in [0, 1, 2, 3, 64, 65, 66] {
        breaker.on_fault(at(second), &fault(FaultKind::ServerError));
        breaker.on_fault(at(second), &fault(FaultKind::ContextLength));
        breaker.on_fault(at(second), &fault(FaultKind::RateLimited));
    }
    assert_eq!(breaker.admit(at(66)), Admission::Closed);
    breaker.on_fault(at(67), &fault(FaultKind::Overloaded));
    breaker.on_fault(at(68), &fault(FaultKind::Overloaded));
    assert_eq!(breaker.state(at(68)), BreakerState::Open);
}

#[test]
fn the_minute_includes_its_ends() {
    let mut breaker = Breaker::new(BreakerRules::default());
    for second in [0, 60, 60, 60, 60] {
        breaker.on_fault(at(second), &fault(FaultKind::ServerError));
    }
    assert_eq!(breaker.state(at(60)), BreakerState::Open);
}

#[test]
fn an_endpoint_that_fails_every_other_time_is_found_out() {
    let mut breaker = Breaker::new(BreakerRules::default());
    for second in 0..5 {
        breaker.on_success(at(second));
        breaker.on_fault(at(second), &fault(FaultKind::ServerError));
    }
    assert_eq!(breaker.state(at(5)), BreakerState::Open);
}

#[test]
fn there_is_one_probe_at_a_time() {
    let mut breaker = opened();
    assert_eq!(breaker.admit(at(40)), Admission::Probe);
    assert_eq!(breaker.admit(at(41)), Admission::Open { until: at(70) });
    assert!(!breaker.would_admit(at(41)));
    // The probe never reports.
    assert!(breaker.would_admit(at(70)));
    assert_eq!(breaker.admit(at(70)), Admission::Probe);
    assert_eq!(breaker.admit(at(70)), Admission::Open { until: at(100) });
}

#[test]
fn the_probe_decides() {
    let mut breaker = opened();
    assert_eq!(breaker.admit(at(40)), Admission::Probe);
    breaker.on_success(at(41));
    assert_eq!(breaker.state(at(41)), BreakerState::Closed);
    breaker.on_fault(at(42), &fault(FaultKind::ServerError));
    assert_eq!(breaker.admit(at(42)), Admission::Closed, "it begins with a clean slate");

    let mut breaker = opened();
    assert_eq!(breaker.admit(at(40)), Admission::Probe);
    breaker.on_fault(at(41), &fault(FaultKind::ConnectFailed));
    assert_eq!(breaker.admit(at(42)), Admission::Open { until: at(71) });

    // An endpoint that understands us well enough to say no is alive.
    let mut breaker = opened();
    assert_eq!(breaker.admit(at(40)), Admission::Probe);
    breaker.on_fault(at(41), &fault(FaultKind::RateLimited));
    assert_eq!(breaker.state(at(41)), BreakerState::Closed);
}

#[test]
fn a_probe_that_tells_nothing_makes_room_for_another() {
    let mut breaker = opened();
    assert_eq!(breaker.admit(at(40)), Admission::Probe);
    breaker.on_fault(at(41), &Fault::new(FaultKind::Cancelled, Origin::Client, "stop"));
    assert_eq!(breaker.state(at(41)), BreakerState::HalfOpen);
    assert_eq!(breaker.admit(at(41)), Admission::Probe);
    breaker.on_abandoned(at(42));
    assert_eq!(breaker.admit(at(42)), Admission::Probe);
    assert_eq!(breaker.admit(at(42)), Admission::Open { until: at(72) });
}

#[test]
fn stragglers_do_not_keep_it_open() {
    let mut breaker = opened();
    for second in 5..34 {
        breaker.on_fault(at(second), &fault(FaultKind::ServerError));
        breaker.on_success(at(second));
    }
    assert_eq!(breaker.admit(at(34)), Admission::Probe);
}

#[test]
fn an_operator_decides_over_it() {
    let mut breaker = opened();
    breaker.force(Force::Closed);
    assert_eq!(breaker.admit(at(5)), Admission::Closed);
    assert_eq!(breaker.state(at(5)), BreakerState::Closed);
    breaker.force(Force::Open);
    assert_eq!(breaker.admit(at(1000)), Admission::Open { until: at(1030) });
    breaker.force(Force::Automatic);
    assert_eq!(breaker.admit(at(1000)), Admission::Closed);
}

#[test]
fn no_failures_allowed_means_no_breaker() {
    let mut breaker = Breaker::new(BreakerRules { failures: 0, ..BreakerRules::default() });
    for second in 0..50 {
        breaker.on_fault(at(second), &fault(FaultKind::ServerError));
        assert_eq!(breaker.admit(at(second)), Admission::Closed);
    }
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Attempt,
    Success,
    Fault,
    ClientFault,
    Abandoned,
}

fn events() -> impl Strategy<Value = Vec<(u64, Event)>> {
    let event = prop_oneof![
        4 => Just(Event::Attempt),
        1 => Just(Event::Success),
        4 => Just(Event::Fault),
        1 => Just(Event::ClientFault),
        1 => Just(Event::Abandoned),
    ];
    prop::collection::vec((0_u64..20_000, event), 1..120)
}

proptest! {
    #![proptest_config(fixed(600))]

    #[test]
    fn probes_and_openings_follow_from_the_events(events in events()) {
        let rules = BreakerRules::default();
        let mut breaker = Breaker::new(rules);
        let mut now = at(0);
        let mut closed_faults: Vec<Timestamp> = Vec::new();
        let mut open_until: Option<Timestamp> = None;
        let mut probe: Option<Timestamp> = None;
        for (pause, event) in events {
            now = now.saturating_add(Duration::from_millis(pause));
            match event {
                Event::Attempt => {
                    let would = breaker.would_admit(now);
                    let admission = breaker.admit(now);
                    prop_assert_eq!(would, !matches!(admission, Admission::Open { .. }));
                    match admission {
                        Admission::Closed => prop_assert!(open_until.is_none()),
                        Admission::Probe => {
                            prop_assert!(open_until.is_some_and(|until| now >= until));
                            prop_assert!(probe.is_none_or(|since| now.since(since) >= rules.open_for));
                            probe = Some(now);
                        }
                        Admission::Open { until } => {
                            prop_assert!(until > now);
                            prop_assert!(open_until.is_some_and(|open| now < open) || probe.is_some());
                        }
                    }
                }
                Event::Success => {
                    breaker.on_success(now);
                    if open_until.is_some() && probed(open_until, probe) {
                        (open_until, probe) = (None, None);
                        closed_faults.clear();
                    }
                }
                Event::ClientFault | Event::Abandoned => {
                    if matches!(event, Event::Abandoned) {
                        breaker.on_abandoned(now);
                    } else {
                        breaker.on_fault(now, &Fault::new(FaultKind::Cancelled, Origin::Client, "left"));
                    }
                    // The slot is free again, as if the probe had been given up.
                    if probe.is_some() {
                        probe = Some(at(-1_000_000));
                    }
                }
                Event::Fault => {
                    breaker.on_fault(now, &fault(FaultKind::ServerError));
                    if open_until.is_none() {
                        closed_faults.push(now);
                        let recent = closed_faults.iter().filter(|then| now.since(**then) <= rules.within).count();
                        if recent >= 5 {
                            open_until = Some(now.saturating_add(rules.open_for));
                        }
                    } else if probed(open_until, probe) {
                        open_until = Some(now.saturating_add(rules.open_for));
                        probe = None;
                    }
                }
            }
        }
    }
}

/// Has there been a probe since it opened?
fn probed(open_until: Option<Timestamp>, probe: Option<Timestamp>) -> bool {
    open_until.is_some() && probe.is_some()
}
