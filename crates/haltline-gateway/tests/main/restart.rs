//! Jobs whose gateway dies: in every state, and between any two writes.

use crate::world::{ANSWER, Act, Fate, World, money, owner};
use haltline_gateway::{Delivery, Letters};
use haltline_types::{Code, NanoUsd};
use serde_json::json;
use std::sync::atomic::Ordering;

#[test]
fn a_job_that_waits_goes_on_after_a_restart() {
    let mut world = World::new();
    world.settings.jobs.concurrency = 1;
    world.provider.always(Act::Hang);
    let node = world.start();
    let first = node.submit("a", "first");
    let second = node.submit("a", "second");
    node.until("the first runs", || world.provider.calls() == 1);
    node.kill();
    world.provider.always(Act::Answer);
    let node = world.start();
    let waited = node.wait_for("a", &second, "succeeded");
    assert_eq!(waited["attempts_made"], 1);
    // What became of the other one is unknown: its ceiling is charged, and it is sent again.
    let lost = node.wait_for("a", &first, "succeeded");
    assert_eq!((lost["attempts_made"].clone(), lost["attempts"][0]["fault"].clone()), (json!(2), json!("lost")));
    let ceiling = money(&lost["ceiling"]);
    assert_eq!(money(&lost["attempts"][0]["cost"]), ceiling);
    assert_eq!(world.provider.calls(), 3);
    node.assert_balanced(NanoUsd::new(ceiling.get() + 2 * ANSWER.get()));
}

#[test]
fn an_answer_that_was_kept_before_the_end_is_the_result_and_is_not_paid_twice() {
    let world = World::new();
    let node = world.start();
    node.documents.dies_after("result_");
    let id = node.submit("a", "finished");
    node.until("the result is written", || node.documents.is_dead.load(Ordering::SeqCst));
    assert_eq!(node.job("a", &id).expect("a job")["status"], "running");
    node.kill();
    let node = world.start();
    let job = node.wait_for("a", &id, "succeeded");
    assert_eq!((world.provider.calls(), money(&job["cost"])), (1, ANSWER));
    assert!(node.run(node.gateway.job_result(&owner("a"), &id)).is_ok());
    node.assert_balanced(ANSWER);
    // Nor by yet another restart.
    node.kill();
    let node = world.start();
    assert_eq!(node.job("a", &id).expect("a job")["status"], "succeeded");
    assert_eq!(world.provider.calls(), 1);
}

#[test]
fn an_answer_that_is_only_in_the_streams_is_the_result_and_is_not_paid_twice() {
    let world = World::new();
    let node = world.start();
    // It is settled, and the process dies before the result is a document.
    node.documents.at("result_", Fate::DiesBefore);
    let id = node.submit("a", "settled");
    node.until("it is to be written", || node.documents.is_dead.load(Ordering::SeqCst));
    node.assert_balanced(ANSWER);
    assert!(node.run(node.gateway.job_result(&owner("a"), &id)).is_err(), "there is no result yet");
    node.kill();
    let node = world.start();
    let job = node.wait_for("a", &id, "succeeded");
    assert_eq!((world.provider.calls(), money(&job["cost"])), (1, ANSWER));
    let result = node.run(node.gateway.job_result(&owner("a"), &id)).expect("a result");
    let result: serde_json::Value = serde_json::from_slice(&result).expect("JSON");
    assert_eq!(result["choices"][0]["message"]["content"], "Hello.");
    node.assert_balanced(ANSWER);
}

#[test]
fn documents_that_cannot_be_read_do_not_keep_the_gateway_from_serving() {
    let mut world = World::new();
    world.provider.then([Act::Hang]);
    let node = world.start();
    let id = node.submit("a", "goes on later");
    node.until("it runs", || world.provider.calls() == 1);
    node.kill();
    world.is_damaged = true;
    let node = world.start();
    let chat = node.incoming("a", "/v1/chat/completions", &crate::world::question("served"));
    assert!(matches!(node.run(node.gateway.submit(chat)), Delivery::Whole { .. }));
    let refused = node.run(node.gateway.submit_job(node.order("a", "new"))).expect_err("refused");
    assert_eq!(refused.code, Code::StoreUnavailable);
    node.documents.is_damaged.store(false, Ordering::SeqCst);
    // New jobs wait for those of the last process.
    node.until("the jobs are taken up", || {
        node.tick();
        node.run(node.gateway.submit_job(node.order("b", "new"))).is_ok()
    });
    let job = node.wait_for("a", &id, "succeeded");
    assert_eq!((job["attempts_made"].clone(), job["attempts"][0]["fault"].clone()), (json!(2), json!("lost")));
    node.until("all are answered", || world.provider.calls() == 4);
}

#[test]
fn a_job_that_has_no_attempts_left_is_a_dead_letter_after_a_restart() {
    let mut world = World::new();
    world.settings.jobs.max_attempts = 1;
    world.provider.always(Act::Hang);
    let node = world.start();
    let id = node.submit("a", "once");
    node.until("it runs", || world.provider.calls() == 1);
    node.kill();
    world.provider.always(Act::Answer);
    let node = world.start();
    let job = node.wait_for("a", &id, "failed");
    assert_eq!((job["error"]["code"].clone(), world.provider.calls()), (json!("internal"), 1));
    let letters = node.run(node.gateway.dead_letters(Letters::Open, None, 10)).expect("letters");
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].cost(), money(&job["ceiling"]));
    node.assert_balanced(money(&job["ceiling"]));
    let again = node.run(node.gateway.retry_dead_letter(&letters[0].id, None)).expect("a job");
    node.wait_for("a", &again, "succeeded");
}

#[test]
fn what_ended_stays_ended_and_what_was_cancelled_is_not_sent() {
    let mut world = World::new();
    world.settings.jobs.concurrency = 1;
    let node = world.start();
    let done = node.submit("a", "done");
    node.wait_for("a", &done, "succeeded");
    world.provider.always(Act::Hang);
    let running = node.submit("a", "running");
    node.until("it runs", || world.provider.calls() == 2);
    let queued = node.submit("a", "queued");
    for id in [&running, &queued] {
        node.run(node.gateway.cancel_job(&owner("a"), id)).expect("stopped");
    }
    node.kill();
    let node = world.start();
    for (id, status) in [(&done, "succeeded"), (&running, "cancelled"), (&queued, "cancelled")] {
        assert_eq!(node.job("a", id).expect("a job")["status"], status);
    }
    assert_eq!(world.provider.calls(), 2);
    assert_eq!(node.account().1, NanoUsd::ZERO);
}

#[test]
fn an_orderly_end_puts_a_job_back_and_the_next_gateway_finishes_it() {
    let world = World::new();
    world.provider.then([Act::Hang]);
    let node = world.start();
    let id = node.submit("a", "long");
    node.until("it runs", || world.provider.calls() == 1);
    node.end();
    let node = world.start();
    let job = node.wait_for("a", &id, "succeeded");
    assert_eq!((job["attempts_made"].clone(), world.provider.calls()), (json!(2), 2));
    node.assert_balanced(money(&job["cost"]));
}

#[test]
fn the_idempotency_key_of_a_job_outlives_its_gateway() {
    let world = World::new();
    let node = world.start();
    let order = |node: &crate::world::Node| {
        let mut order = node.order("a", "once");
        order.once = Some("k".to_owned());
        order
    };
    let first = node.run(node.gateway.submit_job(order(&node))).expect("a job");
    node.wait_for("a", first["id"].as_str().expect("an id"), "succeeded");
    node.kill();
    let node = world.start();
    let again = node.run(node.gateway.submit_job(order(&node))).expect("a job");
    assert_eq!((&again["id"], world.provider.calls()), (&first["id"], 1));
}
