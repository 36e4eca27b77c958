//! Responses that are kept: read, gone on from and made in the background, also after a restart.

use crate::world::{ANSWER, Act, Node, World, owner};
use haltline_gateway::Letters;
use haltline_types::{Code, NanoUsd};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

fn asked(text: &str) -> Value {
    json!({"model": "chat", "input": text})
}

fn in_background(text: &str) -> Value {
    json!({"model": "chat", "input": text, "background": true})
}

fn kept(node: &Node, key: &str, id: &str) -> Result<Value, haltline_gateway::Problem> {
    let body = node.run(node.gateway.kept_response(&owner(key), id))?;
    Ok(serde_json::from_slice(&body).expect("JSON"))
}

fn wait_for(node: &Node, id: &str, status: &str) -> Value {
    let last = || kept(node, "a", id).expect("a response");
    node.until(status, || last()["status"] == status);
    last()
}

fn id_of(response: &Value) -> String {
    response["id"].as_str().expect("an id").to_owned()
}

#[test]
fn a_conversation_goes_on_after_a_restart() {
    let world = World::new();
    let node = world.start();
    let first = id_of(&node.respond("a", &asked("The first.")).expect("a response"));
    node.kill();
    let node = world.start();
    assert_eq!(kept(&node, "a", &first).expect("kept")["id"], json!(first));
    assert_eq!(kept(&node, "b", &first).expect_err("nobody else's").code, Code::NotFound);
    let items = node.run(node.gateway.kept_input(&owner("a"), &first, None, 10, false)).expect("items");
    assert!(items["data"][0].to_string().contains("The first."), "{items}");
    let mut second = asked("The second.");
    second["previous_response_id"] = json!(first);
    assert_eq!(node.respond("b", &second).expect_err("nobody else's").code, Code::InvalidRequest);
    node.respond("a", &second).expect("a response");
    let sent = world.provider.bodies.lock().expect("unpoisoned").last().cloned().expect("a call");
    let sent = String::from_utf8(sent.to_vec()).expect("utf-8");
    assert!(sent.contains("The first.") && sent.contains("Hello.") && sent.contains("The second."), "{sent}");
    node.run(node.gateway.forget_response(&owner("a"), &first)).expect("forgotten");
    node.kill();
    let node = world.start();
    assert_eq!(kept(&node, "a", &first).expect_err("gone").code, Code::NotFound);
}

#[test]
fn a_response_in_the_background_survives_its_gateway() {
    let world = World::new();
    world.provider.always(Act::Hang);
    let node = world.start();
    let begun = node.respond("a", &in_background("long")).expect("a response");
    assert_eq!(begun["status"], "queued");
    let id = id_of(&begun);
    wait_for(&node, &id, "in_progress");
    node.until("it is sent", || world.provider.calls() == 1);
    node.kill();
    world.provider.always(Act::Answer);
    let node = world.start();
    let ready = wait_for(&node, &id, "completed");
    assert_eq!((&ready["background"], &ready["id"]), (&json!(true), &json!(id)));
    assert_eq!(world.provider.calls(), 2);
    // It can be gone on from, and is no job of `/v1/jobs`.
    let mut next = asked("Next.");
    next["previous_response_id"] = json!(id);
    node.respond("a", &next).expect("a response");
    assert_eq!(node.job("a", &id).expect_err("no job").code, Code::NotFound);
}

#[test]
fn a_finished_response_is_not_made_twice() {
    let world = World::new();
    let node = world.start();
    // The document of a response begins with its key.
    node.documents.dies_after("never");
    world.provider.always(Act::Gate);
    let id = id_of(&node.respond("a", &in_background("paid")).expect("a response"));
    node.until("it is sent", || world.provider.calls() == 1);
    node.documents.dies_after("a:resp_");
    world.provider.gate.add_permits(1);
    node.until("the response is written", || node.documents.is_dead.load(Ordering::SeqCst));
    node.kill();
    world.provider.always(Act::Answer);
    let node = world.start();
    assert_eq!(wait_for(&node, &id, "completed")["output"][0]["type"], "message");
    assert_eq!(world.provider.calls(), 1);
    node.assert_balanced(ANSWER);
}

#[test]
fn a_client_that_leaves_at_once_leaves_a_response_that_is_kept() {
    let world = World::new();
    world.provider.always(Act::Answer);
    let node = world.start();
    let incoming = node.incoming("a", "/v1/responses", &in_background("left"));
    let gateway = node.gateway.clone();
    node.run(async move {
        // The connection is gone before there is any answer.
        let asked = tokio::spawn(async move { gateway.submit(incoming).await });
        tokio::task::yield_now().await;
        asked.abort();
    });
    node.until("it is answered, or was never begun", || {
        let standing = node.gateway.jobs_standing();
        standing.waiting == 0 && standing.running == 0
    });
    std::thread::sleep(std::time::Duration::from_millis(50));
    // Whatever was paid is kept.
    let bill = world.provider.bill();
    node.assert_balanced(bill);
    let kept = node.run(async {
        use haltline_ports::{DocumentQuery, Documents, Shelf};
        let query = DocumentQuery::of(Shelf::Response, 10);
        node.documents.list(query, haltline_ports::Clock::now(&crate::world::WallClock)).await.expect("documents").len()
    });
    assert_eq!(i64::try_from(kept).expect("few") * ANSWER.get(), bill.get());
}

#[test]
fn a_response_in_the_background_is_stopped_and_stays_stopped() {
    let world = World::new();
    world.provider.always(Act::Hang);
    let node = world.start();
    let id = id_of(&node.respond("a", &in_background("never")).expect("a response"));
    node.until("it is sent", || world.provider.calls() == 1);
    let stopped = node.run(node.gateway.stop_response(&owner("a"), &id)).expect("stopped");
    assert!(stopped.windows(9).any(|window| window == b"cancelled"));
    node.until("nothing is held", || node.account().1 == NanoUsd::ZERO);
    assert!(node.account().0 > NanoUsd::ZERO);
    node.kill();
    let node = world.start();
    assert_eq!(kept(&node, "a", &id).expect("kept")["status"], "cancelled");
    assert_eq!(world.provider.calls(), 1);
}

#[test]
fn a_response_that_fails_for_good_says_so_and_is_a_dead_letter() {
    let mut world = World::new();
    world.settings.jobs.max_attempts = 1;
    world.provider.always(Act::Fail);
    let node = world.start();
    let id = id_of(&node.respond("a", &in_background("doomed")).expect("a response"));
    let failed = wait_for(&node, &id, "failed");
    assert_eq!(failed["error"]["code"], "server_error");
    let letters = node.run(node.gateway.dead_letters(Letters::Open, None, 10)).expect("letters");
    assert_eq!(letters[0].about, id);
    // What would be refused is refused at once.
    let refused = node.respond("a", &json!({"model": "nope", "input": "x", "background": true}));
    assert_eq!(refused.expect_err("refused").code, Code::UnknownModel);
}

#[test]
fn a_key_s_responses_are_bounded_and_the_oldest_give_way() {
    let mut world = World::new();
    world.settings.responses.bytes_per_key = 40_000;
    let node = world.start();
    let long = "word ".repeat(3_000);
    let ids: Vec<String> =
        (0..4).map(|number| id_of(&node.respond("a", &asked(&format!("{number} {long}"))).expect("ok"))).collect();
    let theirs = id_of(&node.respond("b", &asked("short")).expect("a response"));
    node.kill();
    let node = world.start();
    let there: Vec<bool> = ids.iter().map(|id| kept(&node, "a", id).is_ok()).collect();
    assert_eq!(there, [false, false, true, true]);
    assert!(kept(&node, "b", &theirs).is_ok());
}

#[test]
fn no_key_waits_for_the_count_of_another_one() {
    let world = World::new();
    let node = world.start();
    *node.documents.hangs_at.lock().expect("unpoisoned") = Some("a:");
    node.begin("a", "/v1/responses", &asked("Counted for ever."));
    node.until("it is answered", || world.provider.calls() == 1);
    std::thread::sleep(std::time::Duration::from_millis(50));
    node.respond("b", &asked("Not counted with it.")).expect("a response");
}
