//! Durable streams: watched again from any event on, by whoever may, while they run and after.

use crate::setup::{Setup, ask, code, money};
use haltline_testkit::http_client::Call;
use haltline_testkit::{Answer as BehaviourAnswer, Behaviour, FakeConfig, Pace};
use haltline_types::Tokens;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const MODEL: &str = "[models.chat]\ntargets = [\"fake/m\"]\nmax_output_tokens = 1000\n[[budgets]]\nname = \"day\"\nscope = \"global\"\nlimit = \"$1\"\nwindow = \"day\"\n";

fn stream(text: &str) -> Value {
    let mut body = ask(text);
    body["stream"] = json!(true);
    body
}

fn paced(tokens: u64, interval: Duration) -> Behaviour {
    let pace = Pace { interval, tokens_per_chunk: Tokens::new(1) };
    Behaviour::Answer(BehaviourAnswer { tokens: Some(Tokens::new(tokens)), pace, ..Default::default() })
}

/// The blocks of a stream that are events, with their remarks; signs of life left out.
fn events(text: &str) -> Vec<String> {
    let blocks = text.split_inclusive("\n\n").filter(|block| block.lines().any(|line| line.starts_with("data:")));
    // A sign of life has no blank line of its own.
    blocks.map(|block| block.replace(": waiting\n", "")).collect()
}

fn ids(events: &[String]) -> Vec<u64> {
    let id = |event: &String| event.lines().find_map(|line| line.strip_prefix("id: ")?.parse().ok()).expect("id");
    events.iter().map(id).collect()
}

async fn again(setup: &Setup, id: &str, after: u64) -> String {
    let call = setup.get(&format!("/v1/streams/{id}?starting_after={after}"));
    call.open().await.expect("open").read().await.text()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_stream_is_the_same_from_every_position() {
    let setup = Setup::start(FakeConfig::with_script(Behaviour::tokens(12)), MODEL).await;
    let open = setup.post(&stream("hello")).open().await.expect("stream");
    let id = open.headers["x-haltline-stream-id"].to_str().expect("id").to_owned();
    let whole = events(&open.read().await.text());
    assert_eq!(ids(&whole), (1..=whole.len() as u64).collect::<Vec<_>>());
    let bill = setup.provider.bill().total;
    for after in 0..=whole.len() {
        let rest = again(&setup, &id, after as u64).await;
        assert_eq!(events(&rest).concat(), whole[after..].concat(), "after {after}");
        let call = setup.get(&format!("/v1/streams/{id}")).header("last-event-id", &after.to_string());
        let open = call.open().await.expect("open");
        assert_eq!(open.headers["x-haltline-replayed"], "true");
        assert_eq!(events(&open.read().await.text()).concat(), whole[after..].concat(), "after {after}, by header");
    }
    assert_eq!(setup.provider.bill().total, bill, "nothing is asked again");
    for wrong in ["-1", "x", "99999999999999999999999999", "1e3", &(whole.len() + 2).to_string()] {
        let answer = setup.get(&format!("/v1/streams/{id}?starting_after={wrong}")).send().await.expect("answer");
        assert_eq!((answer.status.as_u16(), code(&answer).as_str()), (400, "invalid_request"), "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_stream_is_gone_on_with_after_a_drop_by_several_watchers() {
    let setup = Setup::start(FakeConfig::with_script(paced(60, Duration::from_millis(10))), MODEL).await;
    let mut open = setup.post(&stream("drop me")).open().await.expect("stream");
    let id = open.headers["x-haltline-stream-id"].to_str().expect("id").to_owned();
    let mut seen = String::new();
    while events(&seen).len() < 5 {
        seen.push_str(&String::from_utf8_lossy(&open.piece().await.expect("piece").expect("content")));
    }
    drop(open);
    let mut seen = events(&seen);
    let after = *ids(&seen).last().expect("some");
    let (rest, whole, late) = tokio::join!(again(&setup, &id, after), again(&setup, &id, 0), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        again(&setup, &id, 3).await
    });
    seen.extend(events(&rest));
    let whole = events(&whole);
    assert_eq!(seen.concat(), whole.concat());
    assert_eq!(events(&late).concat(), whole[3..].concat());
    assert!(whole.last().expect("last").contains("[DONE]"));
    assert_eq!(setup.provider.bill().attempts.len(), 1);
    assert_eq!(again(&setup, &id, 0).await, whole.concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_sees_a_stream_and_learns_nothing_of_it() {
    let setup = Setup::start(FakeConfig::with_script(Behaviour::tokens(5)), MODEL).await;
    let other = setup.gateway.create_key(&["other"]).expect("key");
    let open = setup.post(&stream("mine")).header("x-haltline-user", "alice").open().await.expect("stream");
    let id = open.headers["x-haltline-stream-id"].to_str().expect("id").to_owned();
    open.read().await;
    let url = |id: &str| format!("{}/v1/streams/{id}", setup.gateway.origin());
    let mut told = Vec::new();
    for (call, status) in [
        (Call::get(url(&id)).bearer(&setup.secret).header("x-haltline-user", "alice"), 200),
        // The key may speak for whomever it names: without a name it speaks for all.
        (Call::get(url(&id)).bearer(&setup.secret), 200),
        (Call::get(url(&id)).bearer(&setup.secret).header("x-haltline-user", "bob"), 404),
        (Call::get(url(&id)).bearer(&other), 404),
        (Call::get(url(&id)), 401),
        (Call::get(url("req_00000000000000000000000000000000")).bearer(&other), 404),
        (Call::get(url("nonsense")).bearer(&other), 404),
        (Call::post(format!("{}/stop", url(&id))).bearer(&other), 404),
        (Call::post(format!("{}/stop", url(&id))).bearer(&setup.secret).header("x-haltline-user", "alice"), 200),
    ] {
        let answer = call.send().await.expect("answer");
        assert_eq!(answer.status.as_u16(), status);
        if status == 404 {
            let message = answer.json().expect("json")["error"]["message"].as_str().expect("message").to_owned();
            told.push(
                message
                    .split_whitespace()
                    .filter(|word| !word.contains("req_") && *word != "nonsense")
                    .collect::<String>(),
            );
        }
    }
    told.dedup();
    assert_eq!(told.len(), 1, "foreign and unknown are told apart: {told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_the_answer_at_the_provider_and_every_watcher_sees_it() {
    let setup = Setup::start(FakeConfig::with_script(paced(500, Duration::from_millis(10))), MODEL).await;
    let mut open = setup.post(&stream("stop me")).open().await.expect("stream");
    let id = open.headers["x-haltline-stream-id"].to_str().expect("id").to_owned();
    open.piece().await.expect("piece").expect("content");
    let watching = again(&setup, &id, 0);
    let stopping = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let call = Call::post(format!("{}/v1/streams/{id}/stop", setup.gateway.origin())).bearer(&setup.secret);
        call.send().await.expect("stop")
    };
    let (watched, stopped, rest) = tokio::join!(watching, stopping, open.read());
    assert_eq!(stopped.json().expect("json")["stopped"], true);
    for text in [&watched, &rest.text()] {
        assert!(text.contains("\"code\":\"stopped\"") && !text.contains("[DONE]"), "{text}");
    }
    let bill = setup.provider.settled_bill(Duration::from_secs(10)).await.expect("bill");
    assert!(bill.attempts[0].output < Tokens::new(500), "it went on: {:?}", bill.attempts[0].output);
    assert!(setup.spent("day") >= bill.total, "a stop is charged what may be billed");
    setup.assert_nothing_held("day");
    let again = again(&setup, &id, 0).await;
    assert_eq!(events(&again).concat(), events(&watched).concat());
    let call = Call::post(format!("{}/v1/streams/{id}/stop", setup.gateway.origin())).bearer(&setup.secret);
    assert_eq!(call.send().await.expect("stop").json().expect("json")["stopped"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_left_ends_the_answer_after_its_grace_unless_somebody_comes() {
    let rest = format!("{MODEL}[streams]\non_disconnect = \"cancel\"\ngrace = \"400ms\"\n");
    let setup = Setup::start(FakeConfig::with_script(paced(200, Duration::from_millis(10))), &rest).await;
    for comes_back in [true, false] {
        let mut open = setup.post(&stream(&format!("leave {comes_back}"))).open().await.expect("stream");
        let id = open.headers["x-haltline-stream-id"].to_str().expect("id").to_owned();
        open.piece().await.expect("piece").expect("content");
        drop(open);
        if comes_back {
            tokio::time::sleep(Duration::from_millis(200)).await;
            assert!(again(&setup, &id, 0).await.contains("[DONE]"));
        } else {
            tokio::time::sleep(Duration::from_millis(900)).await;
            let text = again(&setup, &id, 0).await;
            assert!(!text.contains("[DONE]") && text.contains("\"error\""), "{text}");
        }
    }
    let bill = setup.provider.settled_bill(Duration::from_secs(10)).await.expect("bill");
    assert!(setup.spent("day") >= bill.total);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_sees_its_answer_again_under_the_same_message_and_stops_it() {
    let setup = Setup::start(FakeConfig::with_script(paced(40, Duration::from_millis(15))), MODEL).await;
    let url = |path: &str| format!("{}/api/chat{path}", setup.gateway.origin());
    let nothing = Call::get(url("/chat-1/stream")).bearer(&setup.secret).send().await.expect("answer");
    assert_eq!(nothing.status, 204);
    let ask = |chat: &str| {
        let body = json!({"id": chat, "trigger": "submit-message", "messages": [
            {"id": "m1", "role": "user", "parts": [{"type": "text", "text": "hello"}]}]});
        Call::post(url("")).bearer(&setup.secret).json(&body)
    };
    let mut open = ask("chat-1").open().await.expect("stream");
    let first = open.piece().await.expect("piece").expect("content");
    drop(open);
    let other = Call::get(url("/chat-1/stream")).bearer(&setup.secret).header("x-haltline-user", "bob");
    assert_eq!(other.send().await.expect("answer").status, 204);
    let text = Call::get(url("/chat-1/stream")).bearer(&setup.secret).open().await.expect("open").read().await.text();
    assert!(text.as_bytes().starts_with(&first[..first.len().min(60)]), "{text}");
    assert!(text.contains("\"type\":\"finish\"") && text.trim_end().ends_with("data: [DONE]"), "{text}");
    // Finished a moment ago: shown again as it was.
    let numbered =
        Call::get(url("/chat-1/stream?starting_after=0")).bearer(&setup.secret).header("x-haltline-event-ids", "1");
    let numbered = numbered.open().await.expect("open").read().await.text();
    let plain: String =
        numbered.lines().filter(|line| !line.starts_with("id: ")).map(|line| format!("{line}\n")).collect();
    assert_eq!(events(&plain).concat(), events(&text).concat());
    let numbered = events(&numbered);
    assert_eq!(ids(&numbered), (1..=numbered.len() as u64).collect::<Vec<_>>());

    let mut open = ask("chat-2").open().await.expect("stream");
    open.piece().await.expect("piece").expect("content");
    let stop = Call::post(url("/chat-2/stop")).bearer(&setup.secret).send().await.expect("stop");
    assert_eq!(stop.json().expect("json")["stopped"], true);
    let rest = open.read().await.text();
    assert!(rest.contains("{\"type\":\"abort\"}") && !rest.contains("\"type\":\"error\""), "{rest}");
    let stop = Call::post(url("/chat-9/stop")).bearer(&setup.secret).send().await.expect("stop");
    assert_eq!(stop.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_mid_stream_leaves_every_event_that_was_seen_and_a_clear_end() {
    let rest = format!("{MODEL}[streams]\non_cut = \"end\"\n");
    let mut setup = Setup::start(FakeConfig::with_script(paced(200, Duration::from_millis(10))), &rest).await;
    let mut open = setup.post(&stream("kill")).open().await.expect("stream");
    let id = open.headers["x-haltline-stream-id"].to_str().expect("id").to_owned();
    let mut seen = String::new();
    while events(&seen).len() < 10 {
        seen.push_str(&String::from_utf8_lossy(&open.piece().await.expect("piece").expect("content")));
    }
    setup.gateway.kill9().expect("killed");
    seen.push_str(&open.read().await.text());
    setup.gateway.serve().await.expect("ready again");
    let kept = again(&setup, &id, 0).await;
    let (seen, kept) = (events(&seen), events(&kept));
    assert!(kept.len() > seen.len(), "{} of {}", kept.len(), seen.len());
    assert_eq!(kept[..seen.len()].concat(), seen.concat());
    let last = kept.last().expect("last");
    assert!(last.contains("\"code\":\"interrupted\""), "{last}");
    assert_eq!(ids(&kept), (1..=kept.len() as u64).collect::<Vec<_>>());
    let record = setup.generation(&id).await;
    assert_eq!(record["outcome"], "lost", "{record}");
    assert_eq!(record["attempts"][0]["basis"], "ceiling", "{record}");
    setup.assert_nothing_held("day");
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_watchers_read_behind_and_get_everything() {
    let setup = Setup::start(FakeConfig::with_script(Behaviour::tokens(900)), MODEL).await;
    let mut open = setup.post(&stream("slow")).open().await.expect("stream");
    let id = open.headers["x-haltline-stream-id"].to_str().expect("id").to_owned();
    open.piece().await.expect("piece").expect("content");
    let whole = again(&setup, &id, 0).await;
    assert!(whole.contains("[DONE]"));
    let began = Instant::now();
    let rest = open.read().await.text();
    assert!(rest.contains("[DONE]"), "after {:?}", began.elapsed());
    assert!(whole.ends_with(&rest));
}

/// The text of a Chat Completions stream, and how often it says why it ended.
fn said(events: &[String]) -> (String, usize) {
    let mut text = String::new();
    let mut finished = 0;
    for event in events {
        let data = event.lines().find_map(|line| line.strip_prefix("data: ")).expect("data");
        let Ok(chunk) = serde_json::from_str::<Value>(data) else { continue };
        let choice = &chunk["choices"][0];
        text.push_str(choice["delta"]["content"].as_str().unwrap_or_default());
        finished += usize::from(choice["finish_reason"].is_string());
    }
    (text, finished)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_provider_cuts_is_gone_on_with_as_one_answer() {
    use haltline_testkit::{Ending, Script};
    let cut = Behaviour::ending(Ending::Cut { after: 20 });
    let config = FakeConfig::with_script(Script::queue([cut.clone(), Behaviour::tokens(15), cut]));
    let rest = format!("{MODEL}[retry]\nbase = \"10ms\"\n");
    let setup = Setup::start(config, &rest).await;
    let open = setup.post(&stream("go on")).open().await.expect("stream");
    let id = open.headers["x-haltline-stream-id"].to_str().expect("id").to_owned();
    let text = open.read().await.text();
    let seen = events(&text);
    assert_eq!(ids(&seen), (1..=seen.len() as u64).collect::<Vec<_>>(), "{text}");
    let (whole, finished) = said(&seen);
    assert_eq!(finished, 1, "{text}");
    assert!(seen.last().expect("last").contains("[DONE]"), "{text}");
    let calls = setup.provider.seen();
    assert_eq!(calls.len(), 2, "{text}");
    assert!(whole.len() > 60, "{whole}");
    assert_eq!(events(&again(&setup, &id, 0).await).concat(), seen.concat());
    let record = setup.generation(&id).await;
    assert_eq!((record["outcome"].as_str(), record["attempts"].as_array().map(Vec::len)), (Some("answered"), Some(2)));
    assert!(setup.spent("day") >= setup.provider.bill().total);
    // Tools could be called twice: such an answer ends with an error.
    let mut tools = stream("tools");
    tools["tools"] = json!([{"type": "function", "function": {"name": "pay", "parameters": {"type": "object"}}}]);
    let text = setup.post(&tools).open().await.expect("stream").read().await.text();
    assert!(text.contains("\"error\"") && !text.contains("[DONE]"), "{text}");
    assert_eq!(setup.provider.seen().len(), 3);
    setup.assert_nothing_held("day");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_mid_stream_is_gone_on_with_by_the_next_process() {
    let mut setup = Setup::start(FakeConfig::with_script(paced(60, Duration::from_millis(10))), MODEL).await;
    let mut open = setup.post(&stream("kill")).open().await.expect("stream");
    let id = open.headers["x-haltline-stream-id"].to_str().expect("id").to_owned();
    let mut seen = String::new();
    while events(&seen).len() < 10 {
        seen.push_str(&String::from_utf8_lossy(&open.piece().await.expect("piece").expect("content")));
    }
    setup.gateway.kill9().expect("killed");
    seen.push_str(&open.read().await.text());
    setup.gateway.serve().await.expect("ready again");
    let mut seen = events(&seen);
    let after = *ids(&seen).last().expect("some");
    let rest = again(&setup, &id, after).await;
    seen.extend(events(&rest));
    assert_eq!(ids(&seen), (1..=seen.len() as u64).collect::<Vec<_>>());
    assert!(seen.last().expect("last").contains("[DONE]"), "{rest}");
    assert_eq!(said(&seen).1, 1, "{rest}");
    assert_eq!(seen.concat(), events(&again(&setup, &id, 0).await).concat());
    let bill = setup.provider.settled_bill(Duration::from_secs(10)).await.expect("bill");
    assert_eq!(bill.attempts.len(), 2);
    assert!(setup.spent("day") >= bill.total);
    setup.assert_nothing_held("day");
    let record = setup.generation(&id).await;
    assert_eq!(record["outcome"], "answered", "{record}");
    assert_eq!(record["attempts"][0]["basis"], "ceiling", "{record}");
    assert_eq!(record["attempts"][1]["basis"], "reported", "{record}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_told_to_end_leaves_its_streams_to_the_next_one() {
    let slow = FakeConfig::with_script(paced(80, Duration::from_millis(20)));
    let mut setup = Setup::start(slow, MODEL).await;
    let config = setup.config(MODEL).replace("[store]", "drain = \"200ms\"\n[store]");
    setup.gateway.term(Duration::from_secs(10)).await.expect("ended");
    setup.gateway.write_config(&config).expect("write");
    setup.gateway.serve().await.expect("ready");
    let mut open = setup.post(&stream("long")).open().await.expect("stream");
    let id = open.headers["x-haltline-stream-id"].to_str().expect("id").to_owned();
    let mut seen = String::from_utf8_lossy(&open.piece().await.expect("piece").expect("content")).into_owned();
    let reading = tokio::spawn(open.read());
    let status = setup.gateway.term(Duration::from_secs(10)).await.expect("ended");
    assert!(status.success(), "{status}: {}", setup.gateway.log());
    let read = reading.await.expect("read");
    assert!(read.error.is_some(), "the connection ended as if the answer were whole");
    seen.push_str(&read.text());
    assert!(!seen.contains("[DONE]") && !seen.contains("\"error\""), "{seen}");
    setup.gateway.serve().await.expect("ready again");
    let mut seen = events(&seen);
    let after = *ids(&seen).last().expect("some");
    seen.extend(events(&again(&setup, &id, after).await));
    assert_eq!(ids(&seen), (1..=seen.len() as u64).collect::<Vec<_>>());
    assert!(seen.last().expect("last").contains("[DONE]"), "{seen:?}");
    assert_eq!(said(&seen).1, 1);
    let bill = setup.provider.settled_bill(Duration::from_secs(10)).await.expect("bill");
    assert!(setup.spent("day") >= bill.total);
    setup.assert_nothing_held("day");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_many_answers_go_on_side_by_side() {
    const STREAMS: u64 = 40;
    // Long enough that none ends before all have begun.
    // The rest of an answer is a further attempt, and counts in the budget of retries.
    let rest = format!("{MODEL}[retry]\nper_user_per_hour = 100\n");
    let mut setup = Setup::start(FakeConfig::with_script(paced(900, Duration::from_millis(200))), &rest).await;
    let mut open = Vec::new();
    for number in 0..STREAMS {
        let mut stream = setup.post(&stream(&format!("many {number}"))).open().await.expect("stream");
        stream.piece().await.expect("piece").expect("content");
        open.push(stream);
    }
    setup.gateway.kill9().expect("killed");
    setup.provider.settled_bill(Duration::from_secs(20)).await.expect("bill");
    setup.gateway.serve().await.expect("ready again");
    let began = Instant::now();
    while setup.provider.calls().in_flight < STREAMS {
        assert!(began.elapsed() < Duration::from_secs(30), "only {} go on", setup.provider.calls().in_flight);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_over_several_processes_has_one_number_for_each_attempt_and_all_of_their_cost() {
    use haltline_testkit::{RetryAfter, Script};
    let busy = Behaviour::status_after(429, RetryAfter::Secs(20));
    let slow = paced(400, Duration::from_millis(10));
    let config = FakeConfig::with_script(Script::queue([slow, busy, Behaviour::tokens(9)]));
    let mut setup = Setup::start(config, MODEL).await;
    let mut open = setup.post(&stream("three lives")).open().await.expect("stream");
    let id = open.headers["x-haltline-stream-id"].to_str().expect("id").to_owned();
    open.piece().await.expect("piece").expect("content");
    // In the answer, and in the pause before the next attempt.
    for calls in 1..=2 {
        let began = Instant::now();
        while setup.provider.calls().chat < calls {
            assert!(began.elapsed() < Duration::from_secs(20), "call {calls} does not come");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        setup.gateway.kill9().expect("killed");
        setup.gateway.serve().await.expect("ready again");
    }
    let text = again(&setup, &id, 0).await;
    assert!(text.contains("[DONE]"), "{text}");
    let bill = setup.provider.settled_bill(Duration::from_secs(10)).await.expect("bill");
    let names: std::collections::BTreeSet<_> = bill.attempts.iter().map(|line| line.attempt.clone()).collect();
    assert_eq!(names.len(), bill.attempts.len(), "{names:?}");
    let record = setup.generation(&id).await;
    let attempts = record["attempts"].as_array().expect("attempts");
    let numbers: Vec<u64> = attempts.iter().filter_map(|attempt| attempt["number"].as_u64()).collect();
    assert!(numbers.len() == 3 && numbers.is_sorted_by(|one, next| one < next), "{record}");
    assert_eq!(record["outcome"], "answered", "{record}");
    let costs = attempts.iter().map(|attempt| money(&attempt["cost"]));
    let sum = costs.fold(haltline_types::NanoUsd::ZERO, |sum, cost| sum.checked_add(cost).expect("a sum"));
    assert_eq!(sum, setup.spent("day"), "{record}");
    setup.assert_nothing_held("day");
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_connections_watch_a_stream_and_no_more() {
    let setup = Setup::start(FakeConfig::with_script(paced(300, Duration::from_millis(20))), MODEL).await;
    let mut open = setup.post(&stream("popular")).open().await.expect("stream");
    let id = open.headers["x-haltline-stream-id"].to_str().expect("id").to_owned();
    open.piece().await.expect("piece").expect("content");
    let watch = || setup.get(&format!("/v1/streams/{id}"));
    let mut watching = Vec::new();
    for _ in 1..64 {
        let watched = watch().open().await.expect("open");
        assert_eq!(watched.status, 200);
        watching.push(watched);
    }
    let refused = watch().send().await.expect("answer");
    assert_eq!((refused.status.as_u16(), code(&refused).as_str()), (429, "rate_limited"));
    drop(watching);
    let began = Instant::now();
    while watch().open().await.expect("open").status != 200 {
        assert!(began.elapsed() < Duration::from_secs(10), "whoever has left still has a place");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_way_of_going_on_makes_no_more_attempts_than_there_may_be() {
    use haltline_testkit::{Ending, Script};
    let cut = Behaviour::ending(Ending::Cut { after: 20 });
    let refused = Behaviour::status(400);
    let script = || Script::queue([cut.clone(), refused.clone(), Behaviour::tokens(15)]);
    let mut setup = Setup::start(FakeConfig::with_script(script()), MODEL).await;
    for (max_retries, attempts) in [(1, 2), (2, 3)] {
        // A server whose models go on behind their own words, until one says no.
        let rest = format!("{MODEL}[retry]\nmax_retries = {max_retries}\nbase = \"10ms\"\n");
        let kind = "kind = \"openai-compatible\"";
        let config = setup.config(&rest).replace(kind, &format!("{kind}\nserver = \"vllm\""));
        setup.gateway.term(Duration::from_secs(10)).await.expect("ended");
        setup.gateway.write_config(&config).expect("write");
        setup.gateway.serve().await.expect("ready");
        setup.provider.set_script(script());
        let before = setup.provider.seen().len();
        let text = setup.post(&stream("refuse")).open().await.expect("stream").read().await.text();
        assert_eq!(setup.provider.seen().len() - before, attempts, "{text}");
        assert_eq!(text.contains("[DONE]"), attempts == 3, "{text}");
        setup.assert_nothing_held("day");
    }
}
