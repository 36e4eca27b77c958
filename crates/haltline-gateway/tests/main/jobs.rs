//! Jobs while the gateway runs: made, run, repeated, stopped, bounded, and nobody else's.

use crate::world::{ANSWER, Act, Fate, Node, World, money, owner};
use haltline_gateway::{JobPage, Letters, Presented};
use haltline_policy::limits::{Algorithm, LimitUnit, RateLimit};
use haltline_types::{Code, Name, NanoUsd, Scope};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

#[test]
fn a_job_is_queued_run_and_its_result_is_what_the_surface_would_have_given() {
    let world = World::new();
    let node = world.start();
    let mut order = node.order("a", "hello");
    order.metadata = Some(json!({"batch": 7}));
    let made = node.run(node.gateway.submit_job(order)).expect("a job");
    let id = made["id"].as_str().expect("an id");
    assert_eq!((&made["status"], &made["metadata"]["batch"]), (&json!("queued"), &json!(7)));
    assert!(money(&made["ceiling"]) > ANSWER);
    let job = node.wait_for("a", id, "succeeded");
    assert_eq!((money(&job["cost"]), &job["attempts"][0]["endpoint"]), (ANSWER, &json!("fake/m")));
    let result = node.run(node.gateway.job_result(&owner("a"), id)).expect("a result");
    let result: Value = serde_json::from_slice(&result).expect("JSON");
    assert_eq!(result["choices"][0]["message"]["content"], "Hello.");
    node.assert_balanced(world.provider.bill());
    // The record of its request is found by the id that the job names.
    let request = job["attempts"][0]["request_id"].as_str().expect("an id").parse().expect("an id");
    let record = node.run(node.gateway.records().generation(request)).expect("records").expect("a record");
    assert_eq!(record.cost(), ANSWER);
}

#[test]
fn a_job_is_refused_at_once_as_its_surface_would_refuse_it() {
    let world = World::new();
    let node = world.start();
    let refused = |body: Value| {
        let mut order = node.order("a", "x");
        order.incoming = node.incoming("a", "/v1/chat/completions", &body);
        node.run(node.gateway.submit_job(order)).expect_err("refused")
    };
    let user = json!([{"role": "user", "content": "x"}]);
    assert_eq!(refused(json!({"model": "nope", "messages": user})).code, Code::UnknownModel);
    assert_eq!(refused(json!({"model": "chat"})).code, Code::InvalidRequest);
    assert_eq!(refused(json!({"model": "chat", "messages": user, "dream": 1})).code, Code::UnknownField);
    let streamed = refused(json!({"model": "chat", "messages": user, "stream": true}));
    assert_eq!(streamed.param.as_deref(), Some("body.stream"));
    let mut order = node.order("a", "x");
    order.incoming.presented = Presented::credential("wrong");
    assert_eq!(node.run(node.gateway.submit_job(order)).expect_err("refused").code, Code::KeyInvalid);
    assert_eq!(world.provider.calls(), 0);
}

#[test]
fn rate_limits_count_jobs_when_they_are_made() {
    let mut world = World::new();
    world.settings.jobs.concurrency = 1;
    world.settings.rate_limits = vec![RateLimit {
        name: Name::new("few"),
        scope: Scope::parse(["key"]).expect("a scope"),
        limit: 4,
        per: Duration::from_secs(3_600),
        algorithm: Algorithm::SlidingWindow,
        burst: None,
        unit: LimitUnit::Requests,
        // Jobs wait for a place.
        concurrency: Some(1),
    }];
    world.provider.always(Act::Hang);
    let node = world.start();
    node.submit("a", "runs");
    node.until("it runs", || world.provider.calls() == 1);
    // One for itself, one for its run; two more may be made.
    for _ in 0..2 {
        node.submit("a", "waits");
    }
    assert_eq!(
        node.run(node.gateway.submit_job(node.order("a", "more"))).expect_err("refused").code,
        Code::RateLimited
    );
    let background = json!({"model": "chat", "input": "more", "background": true});
    assert_eq!(node.respond("a", &background).expect_err("refused").code, Code::RateLimited);
    node.submit("b", "another key");
}

#[test]
fn a_job_that_cannot_keep_to_its_max_cost_is_refused_when_it_is_made() {
    let world = World::new();
    let node = world.start();
    let submit = |most: i64| {
        let mut order = node.order("a", "x");
        order.incoming.claims.max_cost = Some(NanoUsd::new(most));
        node.run(node.gateway.submit_job(order))
    };
    assert_eq!(submit(0).expect_err("refused").code, Code::ReservationTooLarge);
    assert_eq!(submit(100_000).expect_err("refused").code, Code::ReservationTooLarge);
    // With fewer tokens of output it fits.
    let made = submit(5_000_000).expect("a job");
    assert!(money(&made["ceiling"]) > NanoUsd::new(5_000_000));
    node.wait_for("a", made["id"].as_str().expect("an id"), "succeeded");
    assert!(node.run(node.gateway.dead_letters(Letters::All, None, 10)).expect("letters").is_empty());
    assert_eq!(world.provider.calls(), 1);
}

#[test]
fn the_same_idempotency_key_is_the_same_job() {
    let world = World::new();
    let node = world.start();
    let submit = |key: &str, text: &str| {
        let mut order = node.order(key, text);
        order.once = Some("once-1".to_owned());
        node.run(node.gateway.submit_job(order))
    };
    let first = submit("a", "one").expect("a job");
    node.wait_for("a", first["id"].as_str().expect("an id"), "succeeded");
    let again = submit("a", "one").expect("the same job");
    assert_eq!((&again["id"], &again["status"]), (&first["id"], &json!("succeeded")));
    assert_eq!(submit("a", "two").expect_err("another body").code, Code::IdempotencyKeyReused);
    // Another key's idempotency keys are its own.
    assert_ne!(submit("b", "one").expect("another job")["id"], first["id"]);
    node.until("the second is answered", || world.provider.calls() == 2);
}

#[test]
fn another_owner_s_job_is_as_absent_as_one_that_never_was() {
    let world = World::new();
    let node = world.start();
    let id = node.submit("a", "secret");
    node.wait_for("a", &id, "succeeded");
    let unknown = "job_00000000000000000000000000000000";
    for id in [&id, unknown, "job_1", &format!("request_{id}"), &format!("result_{id}"), ""] {
        let message = |problem: haltline_gateway::Problem| (problem.code, problem.message.replace(id, "ID"));
        let expected = Code::NotFound;
        assert_eq!(message(node.job("b", id).expect_err("absent")).0, expected, "{id}");
        assert_eq!(node.run(node.gateway.job_result(&owner("b"), id)).expect_err("absent").code, expected);
        assert_eq!(node.run(node.gateway.cancel_job(&owner("b"), id)).expect_err("absent").code, expected);
        assert_eq!(node.run(node.gateway.forget_job(&owner("b"), id)).expect_err("absent").code, expected);
    }
    let said = |id: &str| node.job("b", id).expect_err("absent").message.replace(id, "ID");
    assert_eq!(said(&id), said(unknown));
    // Another user of the same key is another owner.
    let mut alice = owner("a");
    alice.user = Some(haltline_types::Name::new("alice"));
    assert!(node.run(node.gateway.job(&alice, &id)).is_err());
    let theirs = node.run(node.gateway.jobs(&owner("b"), &JobPage::default())).expect("a page");
    assert_eq!(theirs["data"], json!([]));
    let own = node.run(node.gateway.jobs(&owner("a"), &JobPage::default())).expect("a page");
    assert_eq!(own["data"][0]["id"], json!(id));
    node.run(node.gateway.forget_job(&owner("a"), &id)).expect("forgotten");
    assert_eq!(node.job("a", &id).expect_err("gone").code, Code::NotFound);
}

#[test]
fn so_many_run_at_once_and_no_key_has_more_than_half() {
    let mut world = World::new();
    world.settings.jobs.concurrency = 4;
    world.provider.always(Act::Gate);
    let node = world.start();
    let mut jobs: Vec<(&str, String)> = (0..5).map(|number| ("a", node.submit("a", &format!("a{number}")))).collect();
    node.until("two of one key run", || world.provider.calls() == 2);
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert_eq!(world.provider.calls(), 2, "half of four places");
    jobs.extend((0..3).map(|number| ("b", node.submit("b", &format!("b{number}")))));
    node.until("four run", || world.provider.calls() == 4);
    assert_eq!(node.gateway.jobs_standing().running, 4);
    world.provider.gate.add_permits(100);
    for (key, id) in &jobs {
        node.wait_for(key, id, "succeeded");
    }
    assert_eq!(world.provider.most_under_way.load(Ordering::SeqCst), 4);
    assert_eq!(world.provider.calls(), 8);
    node.assert_balanced(world.provider.bill());
    let standing = node.gateway.jobs_standing();
    assert_eq!((standing.waiting, standing.running), (0, 0));
}

#[test]
fn what_fails_is_repeated_each_time_under_a_hold_of_its_own() {
    let world = World::new();
    world.provider.then([Act::Fail, Act::Fail]);
    let node = world.start();
    let id = node.submit("a", "again");
    let job = node.wait_for("a", &id, "succeeded");
    assert_eq!((world.provider.calls(), &job["attempts_made"]), (3, &json!(3)));
    let costs: Vec<NanoUsd> = (0..3).map(|number| money(&job["attempts"][number]["cost"])).collect();
    let ceiling = money(&job["ceiling"]);
    // What became of the failed ones is unknown, so that they cost what was held.
    assert_eq!(costs, [ceiling, ceiling, ANSWER]);
    assert_eq!(job["attempts"][0]["fault"], "server_error");
    node.assert_balanced(money(&job["cost"]));
}

#[test]
fn a_job_that_runs_is_stopped_and_charged_once() {
    let world = World::new();
    world.provider.always(Act::Hang);
    let node = world.start();
    let id = node.submit("a", "never");
    node.until("it runs", || world.provider.calls() == 1);
    assert_eq!(node.job("a", &id).expect("a job")["status"], "running");
    let stopped = node.run(node.gateway.cancel_job(&owner("a"), &id)).expect("a job");
    assert_eq!(stopped["status"], "cancelled");
    node.until("nothing is held", || node.account().1 == NanoUsd::ZERO);
    node.until("what it cost is known", || {
        node.job("a", &id).is_ok_and(|job| money(&job["cost"]) == money(&job["ceiling"]))
    });
    node.assert_balanced(money(&stopped["ceiling"]));
    let again = node.run(node.gateway.cancel_job(&owner("a"), &id)).expect("a job");
    assert_eq!((&again["status"], world.provider.calls()), (&json!("cancelled"), 1));
    assert_eq!(node.run(node.gateway.job_result(&owner("a"), &id)).expect_err("none").code, Code::NotFound);
}

#[test]
fn a_job_that_waits_is_stopped_and_never_sent() {
    let mut world = World::new();
    world.settings.jobs.concurrency = 1;
    world.provider.always(Act::Gate);
    let node = world.start();
    let first = node.submit("a", "first");
    let second = node.submit("a", "second");
    node.until("the first runs", || world.provider.calls() == 1);
    node.run(node.gateway.cancel_job(&owner("a"), &second)).expect("stopped");
    world.provider.gate.add_permits(10);
    node.wait_for("a", &first, "succeeded");
    assert_eq!(node.job("a", &second).expect("a job")["status"], "cancelled");
    assert_eq!(world.provider.calls(), 1);
    node.assert_balanced(ANSWER);
}

#[test]
fn a_key_that_is_frozen_has_no_jobs_run() {
    let mut world = World::new();
    world.settings.jobs.concurrency = 1;
    world.provider.always(Act::Gate);
    let node = world.start();
    let first = node.submit("b", "first");
    let second = node.submit("a", "second");
    node.until("the first runs", || world.provider.calls() == 1);
    node.freeze("a");
    world.provider.gate.add_permits(10);
    node.wait_for("b", &first, "succeeded");
    let failed = node.wait_for("a", &second, "failed");
    assert_eq!((&failed["error"]["code"], money(&failed["cost"])), (&json!("key_frozen"), NanoUsd::ZERO));
    assert_eq!(world.provider.calls(), 1);
}

#[test]
fn the_end_of_a_job_is_told_to_its_webhook() {
    let world = World::new();
    world.provider.then([Act::Answer, Act::Fail]);
    let node = world.start();
    let submit = |url: &str| {
        let mut order = node.order("a", url);
        order.webhook = Some(url.to_owned());
        order.max_attempts = Some(1);
        node.run(node.gateway.submit_job(order))
    };
    assert_eq!(submit("http://127.0.0.1/").expect_err("refused").param.as_deref(), Some("webhook.url"));
    for (url, status, kind) in
        [("https://x.test/1", "succeeded", "job.completed"), ("https://x.test/2", "failed", "job.failed")]
    {
        let id = submit(url).expect("a job")["id"].as_str().expect("an id").to_owned();
        node.wait_for("a", &id, status);
        node.until("it is told", || !world.ear.of(url).is_empty());
        let notes = world.ear.of(url);
        assert_eq!((notes.len(), notes[0].kind), (1, kind));
        assert_eq!((&notes[0].job["id"], &notes[0].job["status"]), (&json!(id), &json!(status)));
    }
}

#[test]
fn an_end_that_was_not_told_is_told_later_and_once() {
    for (act, status) in [(Act::Fail, "failed"), (Act::Answer, "succeeded")] {
        let world = World::new();
        world.provider.always(act);
        let node = world.start();
        world.ear.is_deaf.store(true, Ordering::SeqCst);
        let url = "https://x.test/late";
        let submit = |node: &Node| {
            let mut order = node.order("a", "heard later");
            (order.webhook, order.max_attempts) = (Some(url.to_owned()), Some(1));
            let made = node.run(node.gateway.submit_job(order)).expect("a job");
            let id = made["id"].as_str().expect("an id").to_owned();
            node.wait_for("a", &id, status);
            id
        };
        submit(&node);
        node.kill();
        assert!(world.ear.of(url).is_empty());
        world.ear.is_deaf.store(false, Ordering::SeqCst);
        for _ in 0..2 {
            world.start().kill();
            assert_eq!(world.ear.of(url).len(), 1, "{status}");
        }
        // Nor need the process end for it.
        let node = world.start();
        world.ear.is_deaf.store(true, Ordering::SeqCst);
        submit(&node);
        world.ear.is_deaf.store(false, Ordering::SeqCst);
        node.until("it is told", || {
            node.tick();
            world.ear.of(url).len() == 2
        });
    }
}

#[test]
fn a_process_that_dies_while_it_tells_loses_nothing_and_says_the_same_again() {
    for (act, status, kind) in [(Act::Fail, "failed", "job.failed"), (Act::Answer, "succeeded", "job.completed")] {
        let world = World::new();
        world.provider.always(act);
        let node = world.start();
        *world.ear.kills.lock().expect("unpoisoned") = Some(Arc::clone(&node.documents));
        let url = "https://x.test/dies";
        let mut order = node.order("a", "told");
        (order.webhook, order.max_attempts) = (Some(url.to_owned()), Some(1));
        let made = node.run(node.gateway.submit_job(order)).expect("a job");
        let id = made["id"].as_str().expect("an id").to_owned();
        node.until("it is told", || node.documents.is_dead.load(Ordering::SeqCst));
        node.kill();
        let node = world.start();
        node.wait_for("a", &id, status);
        node.kill();
        world.start().kill();
        let notes = world.ear.of(url);
        assert_eq!((notes.len(), notes[0].kind, notes[1].kind), (2, kind, kind));
        assert_eq!(notes[0].id, notes[1].id, "a receiver knows it by its id");
        assert_eq!(world.provider.calls(), 1);
    }
}

#[test]
fn a_job_whose_run_breaks_does_not_stay_so() {
    // Its answer is safe: that is the result.
    let world = World::new();
    let node = world.start();
    node.documents.at("result_", Fate::Panics);
    let id = node.submit("a", "breaks at its end");
    let job = node.wait_for("a", &id, "succeeded");
    assert_eq!((world.provider.calls(), &job["attempts_made"]), (1, &json!(1)));
    node.assert_balanced(ANSWER);
    // Nothing is known of it: the attempt is lost, and it fails.
    let mut world = World::new();
    world.settings.jobs.max_attempts = 1;
    world.provider.always(Act::Fail);
    let node = world.start();
    node.documents.at("dl_", Fate::Panics);
    let id = node.submit("a", "breaks in the middle");
    let job = node.wait_for("a", &id, "failed");
    assert_eq!((&job["error"]["code"], world.provider.calls()), (&json!("internal"), 1));
    node.assert_balanced(money(&job["ceiling"]));
    assert_eq!(node.gateway.jobs_standing().running, 0);
}

#[test]
fn what_waits_for_its_time_keeps_nothing_busy_while_the_gateway_drains() {
    let mut world = World::new();
    world.settings.jobs.retry_base = Duration::from_millis(100);
    world.provider.always(Act::Fail);
    let node = world.start();
    let id = node.submit("a", "again");
    node.until("it waits for its time", || {
        node.job("a", &id).is_ok_and(|job| job["status"] == "queued" && !job["waits_for"].is_null())
    });
    node.gateway.stop_accepting();
    std::thread::sleep(Duration::from_millis(150));
    let before = world.looks.load(Ordering::SeqCst);
    std::thread::sleep(Duration::from_millis(200));
    let looks = world.looks.load(Ordering::SeqCst) - before;
    assert!(looks < 100, "{looks} looks at the clock in 200 ms");
}
