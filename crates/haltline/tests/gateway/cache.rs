//! The response cache, seen from outside: what is given again, to whom, and what never is.

use crate::setup::{Setup, ask, code, money};
use haltline_testkit::http_client::{Answer, Call};
use haltline_testkit::{Answer as BehaviourAnswer, Behaviour, Ending, FakeConfig, Pace, Script, Shape};
use haltline_types::{NanoUsd, Tokens};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const MODEL: &str = "[models.chat]\ntargets = [\"fake/m\"]\nmax_output_tokens = 100\n[[budgets]]\nname = \"day\"\nscope = \"global\"\nlimit = \"$1\"\nwindow = \"day\"\n[retry]\nmax_retries = 0\nbase = \"1ms\"\n[breaker]\nfailures = 1000\n";

fn with(rest: &str) -> String {
    format!("{MODEL}{rest}\n")
}

async fn setup(rest: &str) -> Setup {
    Setup::start(FakeConfig::default(), &with(rest)).await
}

fn streamed(text: &str) -> Value {
    let mut body = ask(text);
    body["stream"] = json!(true);
    body
}

async fn cached(setup: &Setup, body: &Value, headers: &[(&str, &str)]) -> Answer {
    let call = setup.post(body).header("x-haltline-cache", "on");
    headers.iter().fold(call, |call, (name, value)| call.header(name, value)).send().await.expect("answer")
}

fn result(answer: &Answer) -> &str {
    answer.header("x-haltline-cache").unwrap_or("none")
}

/// Without the remarks, which tell what this very request cost.
fn events(answer: &Answer) -> String {
    let text = String::from_utf8(answer.body.to_vec()).expect("utf-8");
    text.lines().filter(|line| !line.starts_with(':')).map(|line| format!("{line}\n")).collect()
}

async fn invalidate(setup: &Setup, tags: &[&str]) -> Answer {
    let url = format!("{}/v1/cache/invalidate", setup.gateway.origin());
    Call::post(url).bearer(&setup.secret).json(&json!({"tags": tags})).send().await.expect("answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_question_is_answered_once_and_costs_nothing_again() {
    let setup = setup("[cache]\nper = \"tenant\"").await;
    let first = cached(&setup, &ask("what is new?"), &[]).await;
    assert_eq!((first.status.as_u16(), result(&first)), (200, "miss"));
    let spent = setup.spent("day");
    // Another order of keys, other spaces, another end user: the same question.
    let other = r#"{ "user":"somebody", "messages":[{"content":"what is new?", "role":"user"}], "model":"chat" }"#;
    let again = setup.post_bytes(other).header("x-haltline-cache", "on").send().await.expect("answer");
    assert_eq!((again.status.as_u16(), result(&again)), (200, "hit"));
    assert_eq!(again.body, first.body);
    assert_eq!(again.header("x-haltline-cost"), Some("0.00"));
    assert!(again.header("age").and_then(|age| age.parse::<u64>().ok()).is_some_and(|age| age < 60));
    assert_eq!(again.header("x-haltline-provider"), Some("fake"));
    assert_ne!(again.header("x-request-id"), first.header("x-request-id"));
    assert_eq!((setup.spent("day"), setup.provider.calls().chat), (spent, 1));
    // Another question, another temperature: another answer.
    assert_eq!(result(&cached(&setup, &ask("what is old?"), &[]).await), "miss");
    let mut warm = ask("what is new?");
    warm["temperature"] = json!(0.5);
    assert_eq!(result(&cached(&setup, &warm, &[]).await), "miss");
    assert_eq!(setup.provider.calls().chat, 3);
    let metrics = setup.get("/metrics").send().await.expect("metrics");
    let text = String::from_utf8(metrics.body.to_vec()).expect("utf-8");
    assert!(text.contains("haltline_cache_total{result=\"hit\"} 1"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_cached_who_has_not_asked_for_it() {
    let setup = setup("").await;
    for _ in 0..2 {
        let answer = setup.post(&ask("plain")).send().await.expect("answer");
        assert_eq!(result(&answer), "none");
    }
    let off = setup.post(&ask("plain")).header("x-haltline-cache", "off").send().await.expect("answer");
    assert_eq!(result(&off), "bypass");
    assert_eq!(setup.provider.calls().chat, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_covers_its_models_and_a_request_may_leave_it() {
    let rest =
        "[models.other]\ntargets = [\"fake/m\"]\n[cache]\nenabled = true\nmodels = [\"chat\"]\nby_header = false";
    let setup = setup(rest).await;
    let send = |body: Value| setup.post(&body);
    assert_eq!(result(&send(ask("rule")).send().await.expect("answer")), "miss");
    assert_eq!(result(&send(ask("rule")).send().await.expect("answer")), "hit");
    let off = send(ask("rule")).header("x-haltline-cache", "off").send().await.expect("answer");
    assert_eq!(result(&off), "bypass");
    let fresh = send(ask("rule")).header("x-haltline-cache", "refresh").send().await.expect("answer");
    assert_eq!(result(&fresh), "miss");
    let after = send(ask("rule")).send().await.expect("answer");
    assert_eq!((result(&after), &after.body), ("hit", &fresh.body));
    let mut other = ask("rule");
    other["model"] = json!("other");
    assert_eq!(result(&send(other.clone()).send().await.expect("answer")), "none");
    let asked = send(other).header("x-haltline-cache", "on").send().await.expect("answer");
    assert_eq!(result(&asked), "bypass", "the operator has not allowed it by header");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_request_says_is_understood_or_refused() {
    let setup = setup("").await;
    for (name, value) in [
        ("x-haltline-cache", "sometimes"),
        ("x-haltline-cache", "per=everyone"),
        ("x-haltline-cache", "ttl=soon"),
        ("x-haltline-cache-tags", "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q"),
        ("x-haltline-cache-tags", &"t".repeat(200)),
    ] {
        let answer = setup.post(&ask("bad")).header(name, value).send().await.expect("answer");
        assert_eq!((answer.status.as_u16(), code(&answer).as_str()), (400, "invalid_request"), "{name}: {value}");
        let body = String::from_utf8(answer.body.to_vec()).expect("utf-8");
        assert!(body.contains(name), "{body}");
    }
    let none = setup.post(&ask("none")).header("x-haltline-cache", "only-if-cached").send().await.expect("answer");
    assert_eq!((none.status.as_u16(), code(&none).as_str()), (404, "not_found"));
    assert_eq!(setup.provider.calls().chat, 0);
    cached(&setup, &ask("none"), &[]).await;
    let some = setup.post(&ask("none")).header("x-haltline-cache", "only-if-cached").send().await.expect("answer");
    assert_eq!(result(&some), "hit");
    // Younger than it can be: asked for anew, and kept for just as long.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let young = setup.post(&ask("none")).header("x-haltline-cache", "ttl=1").send().await.expect("answer");
    assert_eq!(result(&young), "miss");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_given_again_as_a_stream() {
    let pace = Pace { interval: Duration::from_millis(20), tokens_per_chunk: Tokens::new(1) };
    let script = Behaviour::Answer(BehaviourAnswer { pace, tokens: Some(Tokens::new(30)), ..Default::default() });
    let setup = Setup::start(FakeConfig::with_script(script), &with("")).await;
    let first = cached(&setup, &streamed("stream"), &[]).await;
    assert_eq!(result(&first), "miss");
    let began = Instant::now();
    let again = cached(&setup, &streamed("stream"), &[]).await;
    let took = began.elapsed();
    assert_eq!((result(&again), again.header("x-haltline-cost")), ("hit", Some("0.00")));
    assert_eq!(events(&again), events(&first));
    assert!(took < Duration::from_millis(300), "as fast as it is read, not as it was made: {took:?}");
    assert!(String::from_utf8_lossy(&again.body).contains("x-haltline-cache: hit"));
    // Whole answers are kept apart, and so are streams that tell the usage.
    assert_eq!(result(&cached(&setup, &ask("stream"), &[]).await), "miss");
    let mut with_usage = streamed("stream");
    with_usage["stream_options"] = json!({"include_usage": true});
    let told = cached(&setup, &with_usage, &[]).await;
    assert_eq!(result(&told), "miss");
    assert!(events(&told).contains("\"usage\":{"));
    assert_eq!(events(&cached(&setup, &with_usage, &[]).await), events(&told));
    assert_eq!(setup.provider.calls().chat, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_gets_the_same_message_again() {
    let setup = setup("").await;
    let body = |id: &str| {
        json!({"id": id, "model": "chat", "trigger": "submit-message",
            "messages": [{"id": format!("m-{id}"), "role": "user", "parts": [{"type": "text", "text": "hello"}]}]})
    };
    let post = |body: Value| {
        let url = format!("{}/api/chat", setup.gateway.origin());
        Call::post(url).bearer(&setup.secret).json(&body).header("x-haltline-cache", "on").send()
    };
    let first = post(body("one")).await.expect("answer");
    assert_eq!((first.status.as_u16(), result(&first)), (200, "miss"));
    let again = post(body("two")).await.expect("answer");
    assert_eq!(result(&again), "hit");
    // What passes while an answer is on its way is no part of it.
    let lasting = |text: String| {
        text.split_inclusive("\n\n").filter(|event| !event.contains("\"transient\":true")).collect::<String>()
    };
    assert_eq!(lasting(events(&again)), lasting(events(&first)));
    assert!(events(&again).contains("\"messageId\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_shares_its_answers_and_others_get_none_of_them() {
    let mut setup = setup("[cache]\nper = \"tenant\"").await;
    setup.gateway.kill9().expect("stopped");
    let key = |name: &str, rest: &[&str]| setup.gateway.create_key(&[&[name], rest].concat()).expect("key");
    let (red, blue) = (key("red", &["--team", "shop"]), key("blue", &["--team", "shop", "--users", "any"]));
    let green = key("green", &["--team", "other"]);
    setup.gateway.serve().await.expect("ready");
    let url = format!("{}/v1/chat/completions", setup.gateway.origin());
    let send = |secret: &str, cache: &str, user: Option<&str>| {
        let call = Call::post(&url).bearer(secret).json(&ask("shared?")).header("x-haltline-cache", cache);
        user.map_or(call.clone(), |user| call.header("x-haltline-user", user)).send()
    };
    assert_eq!(result(&send(&red, "on", None).await.expect("answer")), "miss");
    assert_eq!(result(&send(&blue, "on", Some("alice")).await.expect("answer")), "hit");
    assert_eq!(result(&send(&green, "on", None).await.expect("answer")), "miss");
    assert_eq!(result(&send(&setup.secret, "on", None).await.expect("answer")), "miss");
    // A request may share with fewer.
    assert_eq!(result(&send(&blue, "per=user", Some("alice")).await.expect("answer")), "miss");
    assert_eq!(result(&send(&blue, "per=user", Some("alice")).await.expect("answer")), "hit");
    assert_eq!(result(&send(&blue, "per=user", Some("bob")).await.expect("answer")), "miss");
    // Nobody invalidates what is another's.
    let tagged = |secret: String| {
        Call::post(&url)
            .bearer(&secret)
            .json(&ask("tagged"))
            .header("x-haltline-cache", "on")
            .header("x-haltline-cache-tags", "t")
            .send()
    };
    tagged(red.clone()).await.expect("answer");
    tagged(green.clone()).await.expect("answer");
    let invalidate = format!("{}/v1/cache/invalidate", setup.gateway.origin());
    let done = Call::post(&invalidate).bearer(&green).json(&json!({"tags": ["t"]})).send().await.expect("answer");
    assert_eq!(done.status, 200);
    assert_eq!(result(&tagged(red).await.expect("answer")), "hit");
    assert_eq!(result(&tagged(green).await.expect("answer")), "miss");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_does_not_learn_what_other_users_of_its_key_have_asked() {
    let setup = setup("").await;
    let send = async |cache: &str, user: Option<&str>| {
        let call = setup.post(&ask("am I ill?")).header("x-haltline-cache", cache);
        let answer = user.map_or(call.clone(), |user| call.header("x-haltline-user", user)).send().await;
        let answer = answer.expect("answer");
        (answer.status.as_u16(), result(&answer).to_owned())
    };
    assert_eq!(send("on", Some("alice")).await, (200, "miss".to_owned()));
    assert_eq!(send("on", Some("alice")).await, (200, "hit".to_owned()));
    for other in [Some("bob"), None] {
        assert_eq!(send("only-if-cached", other).await.0, 404, "{other:?}");
        assert_eq!(send("only-if-cached, per=tenant", other).await.0, 404, "{other:?} asks for more than its own");
    }
    assert_eq!(send("on", Some("bob")).await, (200, "miss".to_owned()));
    assert_eq!(send("only-if-cached", Some("alice")).await, (200, "hit".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalidated_tag_is_gone_when_the_call_returns_also_from_answers_under_way() {
    let slow = Behaviour::slow(Duration::from_millis(600));
    let script = Script::queue([Behaviour::default(), Behaviour::default(), slow]);
    let setup = Setup::start(FakeConfig::with_script(script), &with("")).await;
    let tags = [("x-haltline-cache-tags", "page:/a, all")];
    cached(&setup, &ask("one"), &tags).await;
    cached(&setup, &ask("two"), &[("x-haltline-cache-tags", "page:/b")]).await;
    let done = invalidate(&setup, &["page:/a", "page:/a"]).await;
    assert_eq!((done.status.as_u16(), done.json().expect("json")), (200, json!({"invalidated": 1})));
    assert_eq!(result(&cached(&setup, &ask("two"), &[]).await), "hit");
    // This one is slow: its tag is invalidated while it is being made.
    let question = ask("one");
    let (under_way, ()) = tokio::join!(cached(&setup, &question, &tags), async {
        while setup.provider.calls().chat < 3 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(invalidate(&setup, &["all"]).await.status, 200);
    });
    assert_eq!((under_way.status.as_u16(), result(&under_way)), (200, "miss"));
    assert_eq!(result(&cached(&setup, &ask("one"), &tags).await), "miss", "it had begun before the invalidation");
    assert_eq!(result(&cached(&setup, &ask("one"), &tags).await), "hit");
    for bad in [json!({"tags": []}), json!({"tags": ["x".repeat(500)]}), json!({"tag": "a"}), json!([])] {
        let url = format!("{}/v1/cache/invalidate", setup.gateway.origin());
        let answer = Call::post(url).bearer(&setup.secret).json(&bad).send().await.expect("answer");
        assert_eq!((answer.status.as_u16(), code(&answer).as_str()), (400, "invalid_request"), "{bad}");
    }
    let url = format!("{}/v1/cache/invalidate", setup.gateway.origin());
    let stranger = Call::post(url).bearer("hl-live-nobody").json(&json!({"tags": ["a"]})).send().await.expect("answer");
    assert_eq!(stranger.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_equal_questions_at_once_are_one_call() {
    let setup = Setup::start(FakeConfig::with_script(Behaviour::slow(Duration::from_millis(400))), &with("")).await;
    for body in [ask("all at once"), streamed("all at once")] {
        let before = setup.provider.calls().chat;
        let all = futures(50, || cached(&setup, &body, &[])).await;
        let misses = all.iter().filter(|answer| result(answer) == "miss").count();
        assert_eq!((setup.provider.calls().chat - before, misses), (1, 1));
        let first = all.first().map(events);
        assert!(all.iter().all(|answer| answer.status == 200 && Some(events(answer)) == first));
    }
    assert_eq!(setup.spent("day"), setup.provider.bill().total);
    setup.assert_nothing_held("day");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_shared_and_kept_by_nobody() {
    let late = Behaviour::Answer(BehaviourAnswer {
        latency: Duration::from_millis(400),
        ending: Ending::Truncate { after: 3 },
        ..Default::default()
    });
    let setup = Setup::start(FakeConfig::with_script(late), &with("")).await;
    let body = ask("broken");
    let all = futures(20, || cached(&setup, &body, &[])).await;
    assert!(all.iter().all(|answer| answer.status == 502), "{:?}", all.first());
    assert_eq!(setup.provider.calls().chat, 1);
    setup.provider.set_script(Behaviour::default());
    let other = cached(&setup, &ask("broken in another way"), &[]).await;
    assert_eq!(result(&other), "miss");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_calls_tools_or_is_cut_short_is_never_given_again() {
    let calls = Behaviour::Answer(BehaviourAnswer { shape: Shape::ToolCall, ..Default::default() });
    let setup = Setup::start(FakeConfig::with_script(calls), &with("")).await;
    let mut tools = ask("use the tool");
    tools["tools"] = json!([{"type": "function", "function": {"name": "pay", "parameters": {"type": "object"}}}]);
    for body in [tools.clone(), {
        let mut body = tools;
        body["stream"] = json!(true);
        body
    }] {
        for _ in 0..2 {
            assert_eq!(result(&cached(&setup, &body, &[]).await), "miss");
        }
    }
    setup.provider.set_script(Behaviour::default());
    let mut short = ask("a long story");
    short["max_tokens"] = json!(3);
    for _ in 0..2 {
        let answer = cached(&setup, &short, &[]).await;
        assert_eq!(result(&answer), "miss");
        assert_eq!(answer.json().expect("json")["choices"][0]["finish_reason"], "length");
    }
    assert_eq!(setup.provider.calls().chat, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_answer_stands_in_for_one_that_fails() {
    let setup = setup("[cache]\nttl = \"1s\"\nstale_for = \"1h\"").await;
    let first = cached(&setup, &ask("old"), &[]).await;
    let stream = cached(&setup, &streamed("old"), &[]).await;
    assert_eq!((result(&first), result(&stream)), ("miss", "miss"));
    tokio::time::sleep(Duration::from_millis(1100)).await;
    setup.provider.set_script(Behaviour::status(500));
    for (body, expected) in [(ask("old"), &first), (streamed("old"), &stream)] {
        let before = setup.provider.calls().chat;
        for _ in 0..3 {
            let stale = cached(&setup, &body, &[]).await;
            assert_eq!((stale.status.as_u16(), result(&stale)), (200, "stale"));
            assert_eq!(stale.header("x-haltline-degraded"), Some("cache"));
            assert!(stale.header("age").and_then(|age| age.parse::<u64>().ok()).is_some_and(|age| age >= 1));
            assert_eq!(events(&stale), events(expected));
        }
        assert_eq!(setup.provider.calls().chat - before, 1, "for a moment nobody else tries");
    }
    // What was never answered cannot stand in, and what was invalidated must not.
    assert_eq!(cached(&setup, &ask("new"), &[]).await.status, 502);
    assert_eq!(setup.gateway.command_line(&["cache", "purge", "--all"]).expect("purge").status.code(), Some(0));
    assert_eq!(cached(&setup, &ask("old"), &[]).await.status, 502);
    setup.assert_nothing_held("day");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_told_that_its_answer_is_an_old_one() {
    let setup = setup("[cache]\nttl = \"1s\"").await;
    let post = || {
        let body = json!({"id": "c", "model": "chat", "messages": [{"id": "m", "role": "user", "parts": [{"type": "text", "text": "hello"}]}]});
        let url = format!("{}/api/chat", setup.gateway.origin());
        Call::post(url).bearer(&setup.secret).json(&body).header("x-haltline-cache", "on").send()
    };
    let first = post().await.expect("answer");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    setup.provider.set_script(Behaviour::status(500));
    let stale = post().await.expect("answer");
    let text = events(&stale);
    assert!(text.contains(r#""data":{"state":"cached","age":1},"transient":true"#), "{text}");
    assert_eq!(text.matches(r#""type":"start","#).count(), 1, "one message: {text}");
    let deltas =
        |text: &str| text.lines().filter(|line| line.contains("text-delta")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(deltas(&text), deltas(&events(&first)));
    assert!(text.trim_end().ends_with("data: [DONE]"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_answer_stands_in_for_a_budget_only_where_the_operator_wants_it() {
    for (rest, status) in [("", 402), ("stale_on_budget = true", 200)] {
        let config = with(&format!("[cache]\nttl = \"1s\"\n{rest}"));
        let setup = Setup::start(FakeConfig::default(), &config).await;
        cached(&setup, &ask("old"), &[]).await;
        tokio::time::sleep(Duration::from_millis(1100)).await;
        setup.gateway.write_config(&setup.config(&config.replace("$1", "$0.0012"))).expect("write");
        setup.gateway.hup().expect("hup");
        let mut last = 0;
        for _ in 0..200 {
            let answer = setup.post(&ask("other")).send().await.expect("answer");
            last = answer.status.as_u16();
            if last == 402 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(last, 402, "{}", setup.gateway.log());
        let answer = cached(&setup, &ask("old"), &[]).await;
        assert_eq!(answer.status.as_u16(), status, "{rest}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cache_has_no_more_than_its_room_and_the_operator_sees_it() {
    let setup = setup("[cache]\nmax_bytes = \"20KiB\"\nmax_entry = \"2KiB\"").await;
    for number in 0..60 {
        assert_eq!(result(&cached(&setup, &ask(&format!("question {number}")), &[]).await), "miss");
    }
    assert_eq!(result(&cached(&setup, &ask("question 59"), &[]).await), "hit");
    assert_eq!(result(&cached(&setup, &ask("question 0"), &[]).await), "miss");
    let stats = || {
        let output = setup.gateway.command_line(&["cache", "stats", "--format", "json"]).expect("stats");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).expect("json")
    };
    let full = stats();
    assert!(full["bytes"].as_u64().expect("bytes") <= 20 << 10, "{full}");
    assert!(full["entries"].as_u64().expect("entries") > 5, "{full}");
    assert_eq!((&full["hits"], &full["misses"]), (&json!(1), &json!(61)));
    let tagged = [("x-haltline-cache-tags", "t")];
    cached(&setup, &ask("tagged"), &tagged).await;
    let purged = setup.gateway.command_line(&["cache", "purge", "--tag", "t"]).expect("purge");
    assert!(purged.status.success(), "{}", String::from_utf8_lossy(&purged.stderr));
    assert_eq!(result(&cached(&setup, &ask("tagged"), &[]).await), "miss");
    assert_eq!(result(&cached(&setup, &ask("question 59"), &[]).await), "hit");
    assert!(setup.gateway.command_line(&["cache", "purge", "--key", "test"]).expect("purge").status.success());
    assert_eq!(result(&cached(&setup, &ask("question 59"), &[]).await), "miss");
    assert_eq!(
        setup.gateway.command_line(&["cache", "purge", "--key", "nobody"]).expect("purge").status.code(),
        Some(2)
    );
    // Too large to be kept at all.
    let large = Behaviour::tokens(90);
    setup.provider.set_script(large);
    let mut many = ask("many");
    many["n"] = json!(16);
    for _ in 0..2 {
        assert_eq!(result(&cached(&setup, &many, &[]).await), "miss");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_outlive_a_restart_and_invalidations_a_kill() {
    let mut setup = setup("").await;
    let tags = [("x-haltline-cache-tags", "t")];
    let first = cached(&setup, &ask("kept"), &[]).await;
    let stream = cached(&setup, &streamed("kept"), &tags).await;
    setup.gateway.term(Duration::from_secs(10)).await.expect("ended");
    setup.gateway.serve().await.expect("ready again");
    let again = cached(&setup, &ask("kept"), &[]).await;
    assert_eq!((result(&again), &again.body), ("hit", &first.body));
    let again = cached(&setup, &streamed("kept"), &[]).await;
    assert_eq!((result(&again), events(&again)), ("hit", events(&stream)));
    assert_eq!(invalidate(&setup, &["t"]).await.status, 200);
    setup.gateway.kill9().expect("killed");
    setup.gateway.serve().await.expect("ready again");
    assert_eq!(result(&cached(&setup, &ask("kept"), &[]).await), "hit");
    assert_eq!(result(&cached(&setup, &streamed("kept"), &[]).await), "miss");
    assert_eq!(setup.provider.calls().chat, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hit_counts_for_rate_limits() {
    let setup = setup("[[rate_limits]]\nname = \"few\"\nscope = \"key\"\nlimit = 3\nper = \"1h\"").await;
    for expected in ["miss", "hit", "hit"] {
        assert_eq!(result(&cached(&setup, &ask("limited"), &[]).await), expected);
    }
    assert_eq!(cached(&setup, &ask("limited"), &[]).await.status, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hit_is_quick() {
    const ROUNDS: u32 = 200;
    let setup = setup("").await;
    cached(&setup, &ask("quick"), &[]).await;
    let mut overheads: Vec<f64> = Vec::new();
    let began = Instant::now();
    for _ in 0..ROUNDS {
        let answer = cached(&setup, &ask("quick"), &[]).await;
        assert_eq!(result(&answer), "hit");
        overheads.extend(answer.header("x-haltline-overhead-ms").and_then(|ms| ms.parse::<f64>().ok()));
    }
    overheads.sort_by(f64::total_cmp);
    let at = |share: usize| overheads.get(overheads.len() * share / 100).copied().unwrap_or_default();
    println!(
        "a hit: {:?} each with its connection; in the gateway p50 {} ms, p99 {} ms",
        began.elapsed() / ROUNDS,
        at(50),
        at(99)
    );
    assert!(at(50) < 5.0, "{}", at(50));
    assert_eq!(setup.provider.calls().chat, 1);
    let spend = setup.gateway.command_line(&["spend", "--by", "key", "--format", "json"]).expect("spend");
    let line: Value = serde_json::from_slice(&spend.stdout).expect("json");
    assert!(setup.spent("day") > NanoUsd::ZERO && money(&line["cost"]) == setup.spent("day"));
}

/// All at once, to the end.
async fn futures<T: Send + 'static, F: Future<Output = T>>(number: usize, make: impl Fn() -> F) -> Vec<T> {
    let mut all: Vec<_> = (0..number).map(|_| Box::pin(make())).collect();
    let mut done: Vec<Option<T>> = (0..number).map(|_| None).collect();
    std::future::poll_fn(|context| {
        let mut is_ready = true;
        for (place, future) in all.iter_mut().enumerate() {
            if done[place].is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => done[place] = Some(value),
                    std::task::Poll::Pending => is_ready = false,
                }
            }
        }
        if is_ready { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}
