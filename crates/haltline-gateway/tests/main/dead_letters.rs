//! What failed for good: told with its cost, sent again once, and discarded.

use crate::world::{ANSWER, Act, World, money};
use haltline_gateway::{LetterKind, Letters, LostMessage};
use haltline_types::{Code, CodeClass, NanoUsd};
use serde_json::json;

#[test]
fn a_dead_letter_tells_all_and_a_retry_of_it_succeeds() {
    let mut world = World::new();
    world.settings.jobs.max_attempts = 2;
    world.provider.always(Act::Fail);
    let node = world.start();
    let id = node.submit("a", "doomed");
    let job = node.wait_for("a", &id, "failed");
    assert_eq!(world.provider.calls(), 2);
    let letters = node.run(node.gateway.dead_letters(Letters::Open, None, 10)).expect("letters");
    let [letter] = letters.as_slice() else { panic!("one letter, not {letters:?}") };
    assert_eq!(job["error"]["dead_letter"], json!(letter.id));
    assert_eq!((letter.kind, letter.about.as_str(), letter.key()), (LetterKind::Job, id.as_str(), Some("a")));
    assert_eq!((letter.class(), letter.code()), (CodeClass::Permanent, "upstream_failed"));
    assert_eq!((letter.endpoint(), letter.model()), ("/v1/chat/completions", "chat"));
    let attempts = letter.attempts();
    assert_eq!(attempts.len(), 2);
    assert_eq!(attempts[0].endpoint.as_deref(), Some("fake/m"));
    assert_eq!(attempts[0].fault.as_deref(), Some("server_error"));
    let ceiling = letter.ceiling().expect("a ceiling");
    assert_eq!(letter.cost(), NanoUsd::new(2 * ceiling.get()));
    node.assert_balanced(letter.cost());

    let opened = node.run(node.gateway.dead_letter(&letter.id)).expect("a letter");
    assert_eq!(opened.ceiling, Ok(ceiling));
    assert!(opened.body.windows(6).any(|window| window == b"doomed"));

    world.provider.always(Act::Answer);
    let too_dear = node.run(node.gateway.retry_dead_letter(&letter.id, Some(NanoUsd::new(1))));
    assert_eq!(too_dear.expect_err("refused").code, Code::ReservationTooLarge);
    let again = node.run(node.gateway.retry_dead_letter(&letter.id, Some(ceiling))).expect("a job");
    let retried = node.wait_for("a", &again, "succeeded");
    assert_eq!((&retried["retry_of"], money(&retried["cost"])), (&json!(letter.id), ANSWER));
    // Once: a second one would be a second bill.
    assert_eq!(
        node.run(node.gateway.retry_dead_letter(&letter.id, None)).expect_err("once").code,
        Code::InvalidRequest
    );
    assert_eq!(world.provider.calls(), 3);
    assert!(node.run(node.gateway.dead_letters(Letters::Open, None, 10)).expect("letters").is_empty());
    let all = node.run(node.gateway.dead_letters(Letters::All, None, 10)).expect("letters");
    assert_eq!(all[0].retried_as.as_deref(), Some(again.as_str()));
    node.run(node.gateway.discard_dead_letter(&letter.id)).expect("gone");
    assert_eq!(node.run(node.gateway.dead_letter(&letter.id)).expect_err("gone").code, Code::NotFound);
    node.assert_balanced(letter.cost().checked_add(ANSWER).expect("a sum"));
}

#[test]
fn a_retry_of_a_key_that_is_frozen_is_refused_and_stays_a_letter() {
    let mut world = World::new();
    world.settings.jobs.max_attempts = 1;
    world.provider.always(Act::Fail);
    let node = world.start();
    let id = node.submit("a", "doomed");
    node.wait_for("a", &id, "failed");
    let letter = node.run(node.gateway.dead_letters(Letters::Open, None, 1)).expect("letters").remove(0);
    node.freeze("a");
    let opened = node.run(node.gateway.dead_letter(&letter.id)).expect("a letter");
    assert_eq!(opened.ceiling.expect_err("not known").code, Code::KeyFrozen);
    assert_eq!(node.run(node.gateway.retry_dead_letter(&letter.id, None)).expect_err("refused").code, Code::KeyFrozen);
    assert_eq!(node.run(node.gateway.dead_letters(Letters::Open, None, 1)).expect("letters").len(), 1);
}

#[test]
fn a_retry_is_one_attempt_and_costs_no_more_than_was_agreed_to() {
    let mut world = World::new();
    world.settings.jobs.max_attempts = 3;
    world.settings.retry.max_retries = 3;
    world.settings.retry.base = std::time::Duration::from_millis(1);
    world.provider.always(Act::Fail);
    let node = world.start();
    let mut order = node.order("a", "doomed");
    // What the client was willing to pay is not what the operator agrees to.
    order.incoming.claims.max_cost = Some(NanoUsd::new(20_000_000));
    let made = node.run(node.gateway.submit_job(order)).expect("a job");
    node.wait_for("a", made["id"].as_str().expect("an id"), "failed");
    let (calls, (spent, _)) = (world.provider.calls(), node.account());
    let letter = node.run(node.gateway.dead_letters(Letters::Open, None, 1)).expect("letters").remove(0);
    let most = node.run(node.gateway.dead_letter(&letter.id)).expect("a letter").ceiling.expect("a ceiling");
    let again = node.run(node.gateway.retry_dead_letter(&letter.id, Some(most))).expect("a job");
    let job = node.wait_for("a", &again, "failed");
    assert_eq!((&job["max_attempts"], money(&job["cost"])), (&json!(1), most));
    assert_eq!(world.provider.calls(), calls + 1);
    node.assert_balanced(spent.checked_add(most).expect("a sum"));
}

#[test]
fn what_is_large_is_not_kept_and_the_letter_says_so() {
    let mut world = World::new();
    world.settings.jobs.max_attempts = 1;
    world.provider.always(Act::Fail);
    let node = world.start();
    let letter_of = |id: &str| {
        let letters = node.run(node.gateway.dead_letters(Letters::All, None, 200)).expect("letters");
        let letter = letters.into_iter().find(|letter| letter.about == id).expect("a letter");
        node.run(node.gateway.dead_letter(&letter.id)).expect("a letter")
    };
    let is_kept = |opened: &haltline_gateway::OpenedLetter| {
        assert_eq!(opened.body.is_empty(), opened.ceiling.is_err(), "{:?}", opened.ceiling);
        !opened.body.is_empty()
    };
    let ends = |text: &str| {
        let id = node.submit("a", text);
        node.wait_for("a", &id, "failed");
        letter_of(&id)
    };
    assert!(is_kept(&ends(&"x".repeat(100_000))), "it was sent, and may have cost something");
    let large = ends(&"x".repeat(1 << 20));
    assert!(!is_kept(&large));
    let refused = node.run(node.gateway.retry_dead_letter(&large.letter.id, None)).expect_err("not kept");
    assert!(refused.message.contains("was not kept"), "{}", refused.message);
}

#[test]
fn a_request_that_was_never_sent_is_kept_only_where_it_is_small() {
    let mut world = World::new();
    world.settings.jobs.concurrency = 1;
    world.provider.always(Act::Gate);
    let node = world.start();
    let first = node.submit("b", "first");
    node.until("the first runs", || world.provider.calls() == 1);
    let jobs = [100, 100_000].map(|size| node.submit("a", &"x".repeat(size)));
    node.freeze("a");
    world.provider.gate.add_permits(10);
    node.wait_for("b", &first, "succeeded");
    for (id, is_kept) in jobs.iter().zip([true, false]) {
        let job = node.wait_for("a", id, "failed");
        let letter = job["error"]["dead_letter"].as_str().expect("a letter");
        let opened = node.run(node.gateway.dead_letter(letter)).expect("a letter");
        assert_eq!(!opened.body.is_empty(), is_kept, "{id}");
    }
}

#[test]
fn messages_are_letters_too_and_are_not_sent_from_here() {
    let world = World::new();
    let node = world.start();
    let lost = LostMessage {
        about: "msg_1".to_owned(),
        owner: None,
        address: "https://x.test/hook".to_owned(),
        why: "nobody answered".to_owned(),
        body: "{}".into(),
    };
    let id = node.run(node.gateway.bury_message(lost)).expect("a letter");
    let letter = node.run(node.gateway.dead_letter(&id)).expect("a letter").letter;
    assert_eq!(
        (letter.kind, letter.endpoint(), letter.message()),
        (LetterKind::Webhook, "https://x.test/hook", "nobody answered")
    );
    assert_eq!(node.run(node.gateway.retry_dead_letter(&id, None)).expect_err("refused").code, Code::InvalidRequest);
}
