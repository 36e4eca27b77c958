//! When all goes well: every client with every kind of provider gets the answer in its own dialect,
//! and the books say to the billionth what the provider's report comes to.

use super::clients::Client;
use super::providers::{Kind, Spoken, TEXT};
use super::setup::{Journey, Setup};
use haltline_testkit::RawAnswer;
use haltline_types::NanoUsd;

fn add(sum: &mut NanoUsd, more: NanoUsd) {
    *sum = sum.checked_add(more).expect("a sum");
}

/// What must hold of every answer that is right.
fn check(what: &str, journey: &Journey, spoken: Spoken) {
    assert_eq!(journey.status, 200, "{what}: {}", journey.body);
    assert!(journey.clean, "{what}");
    assert_eq!(journey.header("x-haltline-attempts"), Some("1"), "{what}");
    assert_eq!(journey.record["outcome"], "answered", "{what}");
    assert_eq!(journey.cost(), spoken.cost(), "{what}");
    assert_eq!(journey.bases(), ["reported"], "{what}");
    let attempt = &journey.attempts()[0];
    let counts = ["input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens"]
        .map(|name| attempt[name].as_u64().expect(name));
    assert_eq!(counts, [153, 100, 17, 5], "{what}");
    journey.assert_charges_are_of_their_basis(what);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_client_streams_from_every_provider_and_the_books_are_exact() {
    let setup = Setup::start("").await;
    let mut spent = NanoUsd::ZERO;
    for kind in Kind::ALL {
        for client in Client::ALL {
            let what = format!("{client:?} from {kind:?}");
            let spoken = kind.spoken(client);
            let journey = setup.ask(client, kind, true, RawAnswer::events(spoken.events())).await;
            check(&what, &journey, spoken);
            let seen = setup.provider.seen().pop().expect("a call");
            assert_eq!(seen.path, kind.path(client, true), "{what}");
            let (name, value) = kind.credential();
            assert_eq!(seen.header(name), Some(value.as_str()), "{what}");
            assert_eq!(journey.header("content-type"), Some(client.stream_type()), "{what}");
            assert!(journey.header("x-haltline-stream-id").is_some(), "{what}");
            let heard = client.hear(&journey.body);
            assert!(heard.complete && heard.error.is_none(), "{what}: {}", journey.body);
            assert_eq!(heard.text, TEXT, "{what}");
            if let Some(usage) = heard.usage {
                assert_eq!(client.counts(&usage), [153, 100, 17], "{what}: {usage}");
            } else {
                assert_eq!(client, Client::Ui, "{what}: no usage in {}", journey.body);
            }
            if matches!(client, Client::Chat | Client::Responses | Client::Messages) {
                let told = format!(": x-haltline-cost: {}, x-haltline-attempts: 1\n", spoken.cost().to_decimal());
                assert!(journey.body.contains(&told), "{what}: {}", journey.body);
            }
            add(&mut spent, spoken.cost());
        }
    }
    setup.assert_balanced(spent);
    setup.assert_no_bound_was_broken().await;
    setup.assert_sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_client_gets_whole_answers_from_every_provider_and_the_books_are_exact() {
    let setup = Setup::start("").await;
    let mut spent = NanoUsd::ZERO;
    for kind in Kind::ALL {
        for client in Client::ALL.into_iter().filter(|client| client.asks_for_whole()) {
            let what = format!("{client:?} from {kind:?}");
            let spoken = kind.spoken(client);
            let journey = setup.ask(client, kind, false, RawAnswer::json(200, spoken.whole())).await;
            check(&what, &journey, spoken);
            assert_eq!(setup.provider.seen().pop().expect("a call").path, kind.path(client, false), "{what}");
            let cost = spoken.cost().to_decimal();
            assert_eq!(journey.header("x-haltline-cost"), Some(cost.as_str()), "{what}");
            assert_eq!(journey.header("content-type"), Some("application/json"), "{what}");
            let body = serde_json::from_str(&journey.body).expect("JSON");
            assert_eq!(client.text_of_whole(&body), TEXT, "{what}: {body}");
            let usage = client.usage_of_whole(&body);
            assert_eq!(client.counts(&usage), [153, 100, 17], "{what}: {usage}");
            add(&mut spent, spoken.cost());
        }
    }
    setup.assert_balanced(spent);
    setup.assert_no_bound_was_broken().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_may_be_cut_anywhere() {
    let setup = Setup::start("").await;
    for (kind, _) in Kind::EACH_DIALECT.into_iter().chain([(Kind::OpenAi, Spoken::Responses)]) {
        for client in [Client::Chat, Client::Responses, Client::Messages, Client::Gemini] {
            let spoken = kind.spoken(client);
            let all = spoken.events().concat().into_bytes();
            // 7 and 1 are no divisors of anything: characters, lines and events are cut in turn.
            for size in [7, 1] {
                let what = format!("{client:?} from {kind:?} in pieces of {size}");
                let pieces = all.chunks(size).map(<[u8]>::to_vec);
                let journey = setup.ask(client, kind, true, RawAnswer::events(pieces)).await;
                check(&what, &journey, spoken);
                assert_eq!(client.hear(&journey.body).text, TEXT, "{what}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_provider_cannot_be_told_is_named() {
    let setup = Setup::start("").await;
    for (kind, body, dropped) in [
        (Kind::Anthropic, serde_json::json!({"seed": 7, "frequency_penalty": 0.5}), "frequency_penalty, seed"),
        (Kind::Google, serde_json::json!({"user": "ann", "verbosity": "low"}), "user, verbosity"),
    ] {
        let mut whole = serde_json::json!({"model": kind.model(), "messages": [{"role": "user", "content": "Hello"}]});
        for (name, value) in body.as_object().expect("fields") {
            whole[name] = value.clone();
        }
        setup.provider.always(RawAnswer::json(200, kind.spoken(Client::Chat).whole()));
        let journey = setup.travel(setup.call(Client::Chat, kind, false).body(whole.to_string())).await;
        let told = journey.header("x-haltline-dropped").unwrap_or_default();
        let mut words: Vec<&str> = told.split(", ").collect();
        words.sort_unstable();
        assert_eq!((journey.status, words.join(", ").as_str()), (200, dropped), "{}", journey.body);
    }
}
