//! Streams that break: an error in the client's own words at their end, never a clean end, and a
//! charge that covers what the provider may bill.

use super::clients::Client;
use super::providers::{Kind, Spoken, TEXT, data};
use super::setup::{Journey, Setup};
use haltline_testkit::{RawAnswer, RawEnd};
use haltline_types::NanoUsd;
use serde_json::json;

/// The stream has begun, so its status stands; it ends with an error and says so in its dialect.
fn check_broken(what: &str, client: Client, journey: &Journey, codes: &[&str]) {
    assert_eq!(journey.status, 200, "{what}: {}", journey.body);
    assert!(journey.clean, "{what}: the connection broke, too");
    let heard = client.hear(&journey.body);
    assert!(!heard.complete, "{what}: a clean end in {}", journey.body);
    assert!(TEXT.starts_with(&heard.text), "{what}: {:?}", heard.text);
    let error = heard.error.unwrap_or_else(|| panic!("{what}: no error in {}", journey.body));
    let code = client.code(&error);
    assert!(codes.contains(&code), "{what}: {error}");
    assert!(!journey.body.contains("own words"), "{what}: {}", journey.body);
    assert_eq!(journey.record["code"], code, "{what}");
    assert_eq!(journey.attempts().len(), 1, "{what}: a stream that was begun was repeated");
}

const KINDS: [Kind; 4] = [Kind::Compatible, Kind::OpenAi, Kind::Anthropic, Kind::Google];

/// The ways in which a stream of this dialect breaks after its first content.
fn breaks(spoken: Spoken) -> Vec<(&'static str, RawAnswer)> {
    let events = spoken.events();
    let begun: Vec<String> = events.iter().take(spoken.silent_events() + 1).cloned().collect();
    let with = |more: String| begun.iter().cloned().chain([more]).collect::<Vec<_>>();
    let next = events.get(begun.len()).expect("a next event");
    let half: String = next.chars().take(next.chars().count() / 2).collect();
    vec![
        ("an error event", RawAnswer::events(with(spoken.error_event()))),
        ("an error event and a cut", RawAnswer::events(with(spoken.error_event())).end(RawEnd::Cut)),
        (
            "an error event that is named",
            RawAnswer::events(with(format!(
                "event: error\n{}",
                data(&json!({"error": {"message": "own words", "code": 500}}))
            ))),
        ),
        ("a clean end without a finish", RawAnswer::events(begun.clone())),
        ("a cut between events", RawAnswer::events(begun.clone()).end(RawEnd::Cut)),
        ("a reset between events", RawAnswer::events(begun.clone()).end(RawEnd::Reset)),
        ("a cut inside an event", RawAnswer::events(with(half.clone())).end(RawEnd::Cut)),
        ("a clean end inside an event", RawAnswer::events(with(half))),
        ("no JSON", RawAnswer::events(with("data: {\"choices\":[{]\n\n".to_owned()))),
        ("a page", RawAnswer::events(with("data: <html>own words</html>\n\n".to_owned()))),
        (
            "half a character in a string",
            RawAnswer::steps(vec![
                haltline_testkit::Step::Bytes(begun.concat().into()),
                haltline_testkit::Step::Bytes(bytes::Bytes::from_static(b"data: {\"id\":\"\xc3\"}\n\n")),
            ])
            .end(RawEnd::Cut),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_break_is_an_error_in_the_clients_words_and_costs_the_ceiling() {
    let setup = Setup::start("").await;
    let mut spent = NanoUsd::ZERO;
    for kind in KINDS {
        for client in Client::ALL {
            // OpenAI is asked in its two dialects; the chat one is that of compatible servers.
            if kind == Kind::OpenAi && kind.spoken(client) == Spoken::Chat {
                continue;
            }
            for (name, answer) in breaks(kind.spoken(client)) {
                let what = format!("{name} for {client:?} from {kind:?}");
                let journey = setup.ask(client, kind, true, answer).await;
                check_broken(&what, client, &journey, &["upstream_failed"]);
                assert_eq!(journey.bases(), ["ceiling"], "{what}");
                journey.assert_charges_are_of_their_basis(&what);
                spent = spent.checked_add(journey.cost()).expect("a sum");
            }
        }
    }
    setup.assert_balanced(spent);
    setup.assert_no_bound_was_broken().await;
    setup.assert_sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_break_before_any_content_leaves_no_trace_and_is_repeated() {
    let setup = Setup::start("").await;
    let mut spent = NanoUsd::ZERO;
    for kind in KINDS {
        for client in Client::ALL {
            let spoken = kind.spoken(client);
            let events = spoken.events();
            let silent: Vec<String> = events.iter().take(spoken.silent_events()).cloned().collect();
            let with_error = silent.iter().cloned().chain([spoken.error_event()]);
            for (name, answer) in [
                ("a cut", RawAnswer::events(silent.clone()).end(RawEnd::Cut)),
                ("an error event", RawAnswer::events(with_error)),
                ("an error document", RawAnswer::json(200, spoken.error(500))),
            ] {
                let what = format!("{name} for {client:?} from {kind:?}");
                setup.provider.always(RawAnswer::events(events.clone()));
                setup.provider.next([answer]);
                let journey = setup.travel(setup.call(client, kind, true)).await;
                let heard = client.hear(&journey.body);
                assert!(heard.complete, "{what}: {}", journey.body);
                assert_eq!(heard.text, TEXT, "{what}");
                assert_eq!(journey.bases(), ["ceiling", "reported"], "{what}");
                journey.assert_charges_are_of_their_basis(&what);
                spent = spent.checked_add(journey.cost()).expect("a sum");
            }
        }
    }
    setup.assert_balanced(spent);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_between_events_does_no_harm() {
    let setup = Setup::start("").await;
    for kind in KINDS {
        for client in Client::ALL {
            let spoken = kind.spoken(client);
            let between = match spoken {
                Spoken::Messages => "event: ping\ndata: {\"type\": \"ping\"}\n\n",
                Spoken::Responses => "event: response.something_new\ndata: {\"type\":\"response.something_new\"}\n\n",
                Spoken::Chat | Spoken::Gemini => ": OPENROUTER PROCESSING\n\n",
            };
            // A keep-alive of servers that know no comments: an event with empty data.
            let noise = format!("{between}retry: 5\n\ndata:\n\n: x\n\r\ndata: \n\n");
            let noise = if spoken == Spoken::Responses { noise.replace(between, "") } else { noise };
            let events = spoken.events().into_iter().map(|event| format!("{noise}{event}"));
            let journey = setup.ask(client, kind, true, RawAnswer::events(events)).await;
            let what = format!("{client:?} from {kind:?}");
            let heard = client.hear(&journey.body);
            assert!(heard.complete, "{what}: {}", journey.body);
            assert_eq!(heard.text, TEXT, "{what}");
            assert_eq!(journey.cost(), spoken.cost(), "{what}");
        }
    }
}
