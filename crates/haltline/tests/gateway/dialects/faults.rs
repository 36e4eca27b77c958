//! Providers that refuse before any output: what each client is told, how often was asked, and what
//! it cost.

use super::clients::Client;
use super::providers::{Kind, Spoken};
use super::setup::{Journey, Setup};
use haltline_testkit::{RawAnswer, RawEnd};
use haltline_types::NanoUsd;

/// An answer's status, how often it is asked for, whether the hold is given back, and our code.
struct Case {
    status: u16,
    attempts: usize,
    free: fn(Kind) -> bool,
    fault: &'static str,
}

fn always(_: Kind) -> bool {
    true
}

/// Azure is known to reject these for nothing, and no others.
fn but_not_on_azure(kind: Kind) -> bool {
    kind != Kind::Azure
}

/// Google says that a failure of its own is not charged.
fn only_at_google(kind: Kind) -> bool {
    kind == Kind::Google
}

const CASES: [Case; 8] = [
    Case { status: 400, attempts: 1, free: but_not_on_azure, fault: "invalid_request" },
    Case { status: 401, attempts: 1, free: always, fault: "auth" },
    Case { status: 402, attempts: 1, free: but_not_on_azure, fault: "quota_exhausted" },
    Case { status: 403, attempts: 1, free: always, fault: "permission" },
    Case { status: 404, attempts: 1, free: always, fault: "not_found" },
    Case { status: 429, attempts: 4, free: always, fault: "rate_limited" },
    Case { status: 500, attempts: 4, free: only_at_google, fault: "server_error" },
    Case { status: 503, attempts: 4, free: but_not_on_azure, fault: "overloaded" },
];

const KINDS: [Kind; 4] = [Kind::Compatible, Kind::Azure, Kind::Anthropic, Kind::Google];

/// No client reads the provider's words, and none is invited to repeat what may have cost money.
fn check_told(what: &str, client: Client, journey: &Journey, code: &str) {
    // What is wrong with the client's own request is said as the provider says it.
    assert_eq!(journey.body.contains("own words"), code == "invalid_request", "{what}: {}", journey.body);
    assert_eq!(journey.record["code"], code, "{what}");
    if client == Client::Ui {
        // A page's stream began with the hold.
        assert_eq!(journey.status, 200, "{what}");
        let error = client.hear(&journey.body).error.unwrap_or_else(|| panic!("{what}: {}", journey.body));
        assert_eq!(client.code(&error), code, "{what}: {}", journey.body);
        return;
    }
    let error = client.error_of(journey.status, &journey.body);
    assert_eq!(client.code(&error), code, "{what}: {}", journey.body);
    assert_eq!(journey.header("x-should-retry"), Some("false"), "{what}");
    assert_eq!(journey.header("retry-after"), None, "{what}");
    assert_eq!(journey.header("content-type"), Some("application/json"), "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_rejection_is_told_in_the_clients_words_and_charged_as_the_provider_bills() {
    let setup = Setup::start("").await;
    let mut spent = NanoUsd::ZERO;
    for case in &CASES {
        for kind in KINDS {
            for (number, client) in Client::ALL.into_iter().enumerate() {
                // Rejections of streams and of whole answers take turns.
                let stream = !client.asks_for_whole() || (number + usize::from(case.status)) % 2 == 0;
                let what = format!("{} for {client:?} from {kind:?}, stream {stream}", case.status);
                let answer = RawAnswer::json(case.status, kind.spoken(client).error(case.status));
                let before = setup.provider.count();
                let journey = setup.ask(client, kind, stream, answer).await;
                assert_eq!(setup.provider.count() - before, case.attempts, "{what}");
                if client != Client::Ui {
                    assert_eq!(
                        journey.header("x-haltline-attempts"),
                        Some(case.attempts.to_string().as_str()),
                        "{what}"
                    );
                }
                assert_eq!(journey.fault(), Some(case.fault), "{what}");
                let basis = if (case.free)(kind) { "released" } else { "ceiling" };
                assert_eq!(journey.bases(), vec![basis; case.attempts], "{what}");
                journey.assert_charges_are_of_their_basis(&what);
                let (status, code) =
                    if case.status == 400 { (400, "invalid_request") } else { (502, "upstream_failed") };
                check_told(&what, client, &journey, code);
                if client != Client::Ui {
                    assert_eq!(journey.status, status, "{what}: {}", journey.body);
                    assert_eq!(journey.header("x-haltline-cost"), Some(journey.cost().to_decimal().as_str()), "{what}");
                }
                spent = spent.checked_add(journey.cost()).expect("a sum");
            }
        }
    }
    setup.assert_balanced(spent);
    setup.assert_sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn overload_in_anthropics_own_way_is_free_and_repeated() {
    let setup = Setup::start("").await;
    let rejection = RawAnswer::json(529, Spoken::Messages.error(529)).header("x-should-retry", "true");
    setup.provider.always(RawAnswer::events(Spoken::Messages.events()));
    setup.provider.next([rejection.clone(), rejection]);
    let journey = setup.travel(setup.call(Client::Messages, Kind::Anthropic, true)).await;
    assert!(Client::Messages.hear(&journey.body).complete, "{}", journey.body);
    assert_eq!(journey.bases(), ["released", "released", "reported"]);
    assert_eq!(journey.cost(), Spoken::Messages.cost());
    setup.assert_balanced(Spoken::Messages.cost());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_told_where_its_answer_comes_from() {
    let setup = Setup::start("").await;
    setup.provider.always(RawAnswer::events(Spoken::Messages.events()));
    setup.provider.next([RawAnswer::json(529, Spoken::Messages.error(529))]);
    let journey = setup.travel(setup.call(Client::Ui, Kind::Anthropic, true)).await;
    assert!(Client::Ui.hear(&journey.body).complete, "{}", journey.body);
    assert!(journey.body.contains(r#""data":{"state":"fallback","attempt":2,"provider":"#), "{}", journey.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn stated_waits_are_obeyed_in_every_dialects_way_of_stating_them() {
    let setup = Setup::start("").await;
    let google = r#"{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"0.4s"}]}}"#;
    for (kind, rejection) in [
        (Kind::Compatible, RawAnswer::json(429, Spoken::Chat.error(429)).header("retry-after-ms", "400")),
        (Kind::Anthropic, RawAnswer::json(429, Spoken::Messages.error(429)).header("retry-after", "1")),
        (Kind::Google, RawAnswer::json(429, google)),
    ] {
        for client in [Client::Chat, Client::Messages, Client::Ui] {
            setup.provider.always(RawAnswer::events(kind.spoken(client).events()));
            setup.provider.next([rejection.clone()]);
            let began = std::time::Instant::now();
            let journey = setup.travel(setup.call(client, kind, true)).await;
            assert!(began.elapsed().as_millis() >= 400, "{client:?} from {kind:?} after {:?}", began.elapsed());
            assert_eq!(journey.bases(), ["released", "reported"], "{client:?} from {kind:?}");
            assert!(client.hear(&journey.body).complete, "{client:?} from {kind:?}: {}", journey.body);
        }
        let long = RawAnswer::json(429, kind.spoken(Client::Chat).error(429)).header("retry-after", "3600");
        let journey = setup.ask(Client::Chat, kind, false, long).await;
        assert_eq!((journey.status, journey.attempts().len()), (502, 1), "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_answer_of_the_dialect_costs_the_ceiling_and_is_never_passed_on() {
    let setup = Setup::start("").await;
    let mut spent = NanoUsd::ZERO;
    let page = "<html>You are not logged in. own words</html>";
    for (kind, spoken) in Kind::EACH_DIALECT.into_iter().chain([(Kind::OpenAi, Spoken::Responses)]) {
        let whole = spoken.whole();
        let half = whole[..whole.len() / 2].rsplit_once('"').expect("a quote").0.to_owned();
        let wrong = |name: &str, answer: RawAnswer| (name.to_owned(), answer);
        let cases = [
            wrong("a page", RawAnswer::of_kind(200, "text/html", page)),
            wrong("a page said to be JSON", RawAnswer::json(200, page)),
            wrong("nothing", RawAnswer::json(200, "")),
            wrong("half an answer that ends well", RawAnswer::json(200, half.clone())),
            wrong("half an answer", RawAnswer::json(200, half.clone()).end(RawEnd::Cut)),
            wrong("half an answer and a reset", RawAnswer::json(200, half).end(RawEnd::Reset)),
            wrong("an array", RawAnswer::json(200, "[]")),
            wrong("an empty object", RawAnswer::json(200, "{}")),
            wrong("a number", RawAnswer::json(200, "7")),
            wrong(
                "an answer that says it is gzip",
                RawAnswer::json(200, whole.clone()).header("content-encoding", "gzip"),
            ),
            wrong(
                "gzip that does not say so",
                RawAnswer::json(200, b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xabV\x02\0".to_vec()),
            ),
            wrong("half a character", RawAnswer::json(200, b"{\"id\":\"\xc3".to_vec())),
            wrong("an error with status 200", RawAnswer::json(200, spoken.error(500))),
            wrong("a redirect", RawAnswer::json(302, "{}").header("location", "http://127.0.0.1:1/")),
        ];
        for (name, answer) in cases {
            for client in Client::ALL.into_iter().filter(|client| kind.spoken(*client) == spoken) {
                let stream = !client.asks_for_whole();
                let what = format!("{name} for {client:?} from {kind:?}");
                setup.provider.always(answer.clone());
                let call = setup.call(client, kind, stream).header("x-haltline-no-retry", "true");
                let journey = setup.travel(call).await;
                assert_eq!(journey.status, if client == Client::Ui { 200 } else { 502 }, "{what}: {}", journey.body);
                check_told(&what, client, &journey, "upstream_failed");
                assert_eq!(journey.bases(), ["ceiling"], "{what}");
                journey.assert_charges_are_of_their_basis(&what);
                spent = spent.checked_add(journey.cost()).expect("a sum");
            }
        }
    }
    setup.assert_balanced(spent);
    setup.assert_sound();
}
