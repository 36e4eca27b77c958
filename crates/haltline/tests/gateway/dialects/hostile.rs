//! Providers that mean harm, or are broken beyond belief: the gateway neither crashes nor grows nor
//! waits for ever, the client gets an error that it understands, and the books add up.

use super::clients::Client;
use super::providers::{Kind, Spoken, TEXT, THOUGHT};
use super::setup::{Journey, Setup};
use bytes::Bytes;
use futures_util::future::join_all;
use haltline_testkit::{RawAnswer, RawEnd, Step};
use haltline_types::NanoUsd;
use std::time::{Duration, Instant};

const DEADLINES: &str = "[deadlines]\nfirst_token = \"1s\"\nidle = \"700ms\"\ntotal = \"1500ms\"\n";
const FOR_EVER: u64 = u64::MAX;
/// Sixteen streams at once, each bounded by the largest event; the attacks send far more.
const GROWTH_MAX: u64 = 128 << 20;

const CLIENTS: [Client; 5] = [Client::Chat, Client::Responses, Client::Messages, Client::GeminiArray, Client::Ui];
const KINDS: [Kind; 4] = [Kind::Compatible, Kind::OpenAi, Kind::Anthropic, Kind::Google];

fn text(text: &str) -> Step {
    Step::Bytes(Bytes::copy_from_slice(text.as_bytes()))
}

/// The events up to the first content.
fn begun(spoken: Spoken) -> Step {
    text(&spoken.events()[..=spoken.silent_events()].concat())
}

/// The error that a client gets, whether the head was out or not.
fn error_of(client: Client, journey: &Journey, what: &str) -> String {
    let error = if journey.status == 200 {
        let heard = client.hear(&journey.body);
        assert!(!heard.complete, "{what}: a clean end in {}", journey.body);
        heard.error.unwrap_or_else(|| panic!("{what}: no error in {}", journey.body))
    } else {
        client.error_of(journey.status, &journey.body)
    };
    client.code(&error).to_owned()
}

/// An attack on every client by every dialect, all at once: what one costs in memory, they cost
/// together. Gives what was spent.
async fn attack(
    setup: &Setup,
    name: &str,
    answer: impl Fn(Spoken) -> RawAnswer + Send + 'static,
    codes: &[&str],
) -> NanoUsd {
    setup.provider.answer_by(move |seen| answer(Spoken::at(&seen.path)));
    let each = KINDS.into_iter().flat_map(|kind| CLIENTS.map(|client| (client, kind)));
    // OpenAI's chat is that of compatible servers.
    let each = each.filter(|(client, kind)| *kind != Kind::OpenAi || *client == Client::Responses);
    let travels = each.map(|(client, kind)| async move {
        let began = Instant::now();
        let call = setup.call(client, kind, true).header("x-haltline-no-retry", "true");
        let journey = setup.travel(call).await;
        (client, kind, journey, began.elapsed())
    });
    let mut spent = NanoUsd::ZERO;
    for (client, kind, journey, took) in join_all(travels).await {
        let what = format!("{name} for {client:?} from {kind:?}");
        assert!(took < Duration::from_secs(10), "{what}: {took:?}");
        let code = error_of(client, &journey, &what);
        assert!(codes.contains(&code.as_str()), "{what}: {code}");
        assert_eq!(journey.bases(), ["ceiling"], "{what}");
        journey.assert_charges_are_of_their_basis(&what);
        spent = spent.checked_add(journey.cost()).expect("a sum");
    }
    spent
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_are_cut_off_and_cost_no_memory() {
    let setup = Setup::start(&format!("{DEADLINES}[bounds]\nanswer_bytes = 1000000\n")).await;
    setup.ask(Client::Chat, Kind::Compatible, true, RawAnswer::events(Spoken::Chat.events())).await;
    let mut spent = Spoken::Chat.cost();
    let (before, _) = setup.memory();
    let block = || Bytes::from(vec![b'x'; 64 * 1024]);
    let flood = |first: &str, block: Bytes, times: u64| {
        let first = text(first);
        move |spoken: Spoken| RawAnswer::steps(vec![begun(spoken), first.clone(), Step::Repeat(block.clone(), times)])
    };
    let mut add = |more: NanoUsd| spent = spent.checked_add(more).expect("a sum");
    add(attack(&setup, "50 MB in one event", flood("data: {\"id\":\"", block(), 800), &["upstream_failed"]).await);
    add(attack(&setup, "a line without end", flood("", block(), FOR_EVER), &["upstream_failed"]).await);
    let lines = Bytes::from(format!("data: {}\n", "x".repeat(200)).repeat(300));
    add(attack(&setup, "an event of lines without end", flood("", lines, FOR_EVER), &["upstream_failed"]).await);
    let names = Bytes::from("event: content_block_delta\n".repeat(2000));
    add(attack(&setup, "names without end", flood("", names, FOR_EVER), &["upstream_failed"]).await);
    let late = ["stream_deadline"];
    let comments = Bytes::from(": ping\n\n".repeat(8000));
    add(attack(&setup, "comments without end", flood("", comments, FOR_EVER), &late).await);
    let empty = Bytes::from("data:\n\n".repeat(8000));
    add(attack(&setup, "empty events without end", flood("", empty, FOR_EVER), &late).await);
    let unknown = Bytes::from("future: field\nid: 7\n\n".repeat(2000));
    add(attack(&setup, "unknown fields without end", flood("", unknown, FOR_EVER), &late).await);
    let (_, most) = setup.memory();
    assert!(most < before + GROWTH_MAX, "from {before} to {most} bytes");
    setup.assert_balanced(spent);
    setup.assert_no_bound_was_broken().await;
    setup.assert_sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_answers_without_end_are_cut_off_and_cost_no_memory() {
    let setup = Setup::start(&format!("{DEADLINES}[bounds]\nanswer_bytes = 1000000\n")).await;
    setup.ask(Client::Chat, Kind::Compatible, false, RawAnswer::json(200, Spoken::Chat.whole())).await;
    let mut spent = Spoken::Chat.cost();
    let (before, _) = setup.memory();
    let kinds = [("application/json", 200), ("text/html", 200), ("application/json", 500), ("text/html", 503)];
    for kind in KINDS {
        for client in Client::ALL {
            for (content, status) in kinds {
                let mut answer = RawAnswer::of_kind(status, content, "{\"id\":\"");
                answer.body.push(Step::Repeat(Bytes::from(vec![b'x'; 64 * 1024]), 800));
                setup.provider.always(answer);
                let what = format!("{status} {content} for {client:?} from {kind:?}");
                let stream = !client.asks_for_whole();
                let call = setup.call(client, kind, stream).header("x-haltline-no-retry", "true");
                let journey = setup.travel(call).await;
                assert_eq!(journey.status, if client == Client::Ui { 200 } else { 502 }, "{what}: {}", journey.body);
                assert_eq!(error_of(client, &journey, &what), "upstream_failed", "{what}");
                assert_eq!(journey.bases(), ["ceiling"], "{what}");
                spent = spent.checked_add(journey.cost()).expect("a sum");
            }
        }
    }
    let (_, most) = setup.memory();
    assert!(most < before + GROWTH_MAX, "from {before} to {most} bytes");
    setup.assert_balanced(spent);
    setup.assert_sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_drips_past_a_deadline() {
    let setup = Setup::start(DEADLINES).await;
    let mut spent = NanoUsd::ZERO;
    let drip = |bytes: &str| -> Vec<Step> {
        let each = |byte: u8| [Step::Bytes(Bytes::copy_from_slice(&[byte])), Step::Pause(Duration::from_millis(40))];
        bytes.bytes().flat_map(each).collect()
    };
    for (name, codes) in [
        ("a head and silence", &["upstream_timeout"][..]),
        ("a slow beginning", &["upstream_timeout"]),
        ("silence after content", &["stream_deadline"]),
        ("a slow event after content", &["stream_deadline"]),
        ("slow comments after content", &["stream_deadline"]),
    ] {
        let answer = move |spoken: Spoken| {
            let rest = spoken.events()[spoken.silent_events() + 1..].concat();
            let body = match name {
                "a head and silence" => Vec::new(),
                "a slow beginning" => drip(&spoken.events().concat()),
                "silence after content" => vec![begun(spoken)],
                "a slow event after content" => std::iter::once(begun(spoken)).chain(drip(&rest)).collect(),
                _ => std::iter::once(begun(spoken)).chain(drip(&": x\n\n".repeat(20))).collect(),
            };
            RawAnswer::steps(body).end(RawEnd::Silence)
        };
        let more = attack(&setup, name, answer, codes).await;
        spent = spent.checked_add(more).expect("a sum");
    }
    for kind in KINDS {
        let whole = kind.spoken(Client::Chat).whole();
        let mut answer = RawAnswer::json(200, "");
        answer.body = drip(&whole);
        setup.provider.always(answer);
        let call = setup.call(Client::Chat, kind, false).header("x-haltline-no-retry", "true");
        let journey = setup.travel(call).await;
        assert_eq!(journey.status, 504, "{kind:?}: {}", journey.body);
        assert_eq!(error_of(Client::Chat, &journey, "a slow whole answer"), "stream_deadline");
        assert_eq!(journey.bases(), ["ceiling"]);
        spent = spent.checked_add(journey.cost()).expect("a sum");
    }
    setup.assert_balanced(spent);
    setup.assert_sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_after_ten_thousand_empty_events_and_a_megabyte_of_pings_is_an_answer() {
    let setup = Setup::start("").await;
    let mut spent = NanoUsd::ZERO;
    setup.ask(Client::Chat, Kind::Compatible, true, RawAnswer::events(Spoken::Chat.events())).await;
    spent = spent.checked_add(Spoken::Chat.cost()).expect("a sum");
    let (before, _) = setup.memory();
    let pings = Bytes::from("event: ping\ndata: {\"type\": \"ping\"}\n\n".repeat(700));
    for kind in KINDS {
        for client in CLIENTS {
            let spoken = kind.spoken(client);
            for (name, noise, times) in [
                ("empty events", Bytes::from("data:\n\n".repeat(1000)), 10),
                ("comments", Bytes::from(": ping\n\n".repeat(3000)), 45),
                ("pings", pings.clone(), 45),
            ] {
                if name == "pings" && spoken != Spoken::Messages {
                    continue;
                }
                let what = format!("{name} for {client:?} from {kind:?}");
                let body = vec![Step::Repeat(noise, times), text(&spoken.events().concat())];
                let journey = setup.ask(client, kind, true, RawAnswer::steps(body)).await;
                let heard = client.hear(&journey.body);
                assert!(heard.complete, "{what}");
                assert_eq!(heard.text, TEXT, "{what}");
                assert_eq!(journey.cost(), spoken.cost(), "{what}");
                spent = spent.checked_add(journey.cost()).expect("a sum");
            }
        }
    }
    let (_, most) = setup.memory();
    assert!(most < before + GROWTH_MAX, "from {before} to {most} bytes");
    setup.assert_balanced(spent);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_output_than_was_asked_for_is_cut_and_charged() {
    let setup = Setup::start("").await;
    for kind in KINDS {
        for client in CLIENTS {
            let spoken = kind.spoken(client);
            let events = spoken.events();
            let content = events[spoken.silent_events()].replace(THOUGHT, &"much more ".repeat(200));
            // Responses numbers its events, and its clients look at the numbers.
            let number = spoken.silent_events();
            let again = |more: usize| {
                content.replace(
                    &format!("\"sequence_number\":{number}"),
                    &format!("\"sequence_number\":{}", number + more),
                )
            };
            let more = (1..2000).map(|more| text(&again(more)));
            let body = std::iter::once(begun(spoken)).chain(more).collect();
            let what = format!("{client:?} from {kind:?}");
            let journey = setup.ask(client, kind, true, RawAnswer::steps(body)).await;
            assert_eq!(error_of(client, &journey, &what), "ceiling_reached", "{what}");
            assert_eq!(journey.attempts().len(), 1, "{what}");
        }
    }
    setup.assert_sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_reports_that_cannot_be_true_cost_the_ceiling() {
    let setup = Setup::start("").await;
    let mut spent = NanoUsd::ZERO;
    for kind in KINDS {
        for client in Client::ALL {
            let spoken = kind.spoken(client);
            for (name, number) in [("negative", "-1"), ("half", "0.5"), ("a word", "\"many\""), ("huge", "1e300")] {
                let what = format!("{name} for {client:?} from {kind:?}");
                let events = spoken.events().concat();
                let spoilt =
                    ["\"prompt_tokens\":153", "\"input_tokens\":153", "\"input_tokens\":3", "\"promptTokenCount\":153"]
                        .iter()
                        .fold(events, |events, count| {
                            let field = count.split(':').next().expect("a field");
                            events.replace(count, &format!("{field}:{number}"))
                        });
                let journey = setup.ask(client, kind, true, RawAnswer::events([spoilt])).await;
                let heard = client.hear(&journey.body);
                assert!(heard.complete && heard.text == TEXT, "{what}: {}", journey.body);
                assert_eq!(journey.bases(), ["ceiling"], "{what}");
                spent = spent.checked_add(journey.cost()).expect("a sum");
            }
        }
    }
    setup.assert_balanced(spent);
}
