//! Browser sign-ins, seen from outside: granted by a backend, kept by a cookie, ended at once.

mod browser;
mod cross_site;
mod hostile;
mod scope;

use crate::setup::{Setup, code};
use browser::{Browser, PAGE, call, chat, config, grant, grant_answer};
use haltline_testkit::FakeConfig;
use http::Method;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

async fn start(more: &str) -> Setup {
    Setup::start(FakeConfig::default(), &config(more)).await
}

#[tokio::test]
async fn a_backend_grants_a_page_exchanges_refreshes_and_leaves() {
    let setup = start("").await;
    let granted = grant(&setup, &json!({"user": "alice"})).await;
    assert!(granted["token"].as_str().expect("token").starts_with("hl-web-"), "{granted}");
    assert!(granted["code"].as_str().expect("code").starts_with("hl-code-"), "{granted}");
    assert!(granted["expires_at"].as_str() < granted["session_ends_at"].as_str(), "{granted}");
    // The backend's own token works at once.
    assert_eq!(chat(&setup, granted["token"].as_str().expect("token"), "chat").await.status, 200);

    let mut page = Browser::default();
    let entered = page.enter(&setup, &granted["code"]).await;
    assert_eq!(entered.status, 200);
    assert_eq!(entered.headers["cache-control"], "no-store");
    assert_eq!(entered.json().expect("json")["user"], "alice");
    let set = entered.headers["set-cookie"].to_str().expect("text");
    for attribute in ["__Secure-haltline-refresh-", "; Path=/v1/auth;", "; HttpOnly;", "; Secure;", "; SameSite=Strict"]
    {
        assert!(set.contains(attribute), "{set}");
    }
    assert!(!set.contains("Domain"), "{set}");
    assert_eq!(page.chat(&setup).await.status, 200);

    let shown = page.ask_with_cookie(&setup, Method::GET, "/v1/auth/session").send().await.expect("answer").json();
    let shown = shown.expect("json");
    assert_eq!((&shown["user"], &shown["csrf"]), (&json!("alice"), &json!(page.csrf)));

    let before = page.clone();
    assert_eq!(page.refresh(&setup).await.status, 200);
    assert_ne!((&page.token, &page.cookie), (&before.token, &before.cookie));
    assert_eq!(page.csrf, before.csrf);
    // A stream that runs with the token before is not cut.
    assert_eq!(before.chat(&setup).await.status, 200);

    let left = page.ask_with_cookie(&setup, Method::POST, "/v1/auth/logout").send().await.expect("answer");
    assert_eq!(left.status, 204);
    assert!(left.headers["set-cookie"].to_str().expect("text").contains("Max-Age=0"));
    for browser in [&page, &before] {
        assert_eq!(code(&browser.chat(&setup).await), "key_invalid");
    }
    assert_eq!(page.refresh(&setup).await.status, 401);
}

#[tokio::test]
async fn without_a_section_there_are_no_sign_ins_and_no_cross_origin_headers() {
    let setup = Setup::start(FakeConfig::default(), "[models.chat]\ntargets = [\"fake/m\"]\n").await;
    let refused = grant_answer(&setup, &json!({"user": "alice"})).await;
    assert_eq!((refused.status.as_u16(), code(&refused)), (404, "not_found".to_owned()));
    let answer = call(&setup, Method::GET, "/v1/models").bearer(&setup.secret).header("origin", PAGE).send().await;
    let answer = answer.expect("answer");
    assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control") && name != "vary"));
}

#[tokio::test]
async fn a_code_is_good_once_and_a_second_time_ends_the_sign_in() {
    let setup = start("").await;
    let granted = grant(&setup, &json!({"user": "alice"})).await;
    let (mut page, mut thief) = (Browser::default(), Browser::default());
    assert_eq!(page.enter(&setup, &granted["code"]).await.status, 200);
    assert_eq!(thief.enter(&setup, &granted["code"]).await.status, 401);
    assert_eq!(code(&page.chat(&setup).await), "key_invalid");
    assert_eq!(page.refresh(&setup).await.status, 401);
}

#[tokio::test]
async fn two_tabs_that_refresh_at_once_both_go_on() {
    let setup = start("grace = \"60s\"").await;
    let page = Browser::signed_in(&setup, "alice").await;
    let mut tabs = [page.clone(), page.clone(), page.clone(), page.clone()];
    let [a, b, c, d] = &mut tabs;
    let answers = tokio::join!(a.refresh(&setup), b.refresh(&setup), c.refresh(&setup), d.refresh(&setup));
    for answer in [answers.0, answers.1, answers.2, answers.3] {
        assert_eq!(answer.status, 200, "{:?}", answer.json());
    }
    for tab in &tabs {
        assert_eq!(tab.cookie, tabs[0].cookie, "all have the same successor");
        assert_eq!(tab.chat(&setup).await.status, 200);
    }
    // Whichever cookie the browser has kept, it goes on.
    assert_eq!(tabs[3].refresh(&setup).await.status, 200);
    // Also one of two rotations ago.
    assert_eq!(page.clone().refresh(&setup).await.status, 200);
}

#[tokio::test]
async fn a_refresh_token_that_is_used_again_after_the_grace_ends_the_sign_in() {
    let setup = start("grace = \"1s\"").await;
    let mut page = Browser::signed_in(&setup, "alice").await;
    let mut thief = page.clone();
    assert_eq!(page.refresh(&setup).await.status, 200);
    assert_eq!(page.chat(&setup).await.status, 200);
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let refused = thief.refresh(&setup).await;
    assert_eq!((refused.status.as_u16(), code(&refused)), (401, "key_invalid".to_owned()));
    // Nobody knows which of the two is the thief.
    assert_eq!(code(&page.chat(&setup).await), "key_invalid");
    assert_eq!(page.refresh(&setup).await.status, 401);
    assert!(setup.gateway.log().contains("a refresh token was used twice"));
}

#[tokio::test]
async fn a_thief_who_refreshes_first_is_found_out_as_well() {
    let setup = start("grace = \"0s\"").await;
    let mut page = Browser::signed_in(&setup, "alice").await;
    let mut thief = page.clone();
    for _ in 0..40 {
        assert_eq!(thief.refresh(&setup).await.status, 200);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(page.refresh(&setup).await.status, 401);
    assert_eq!(thief.refresh(&setup).await.status, 401);
    assert_eq!(code(&thief.chat(&setup).await), "key_invalid");
}

#[tokio::test]
async fn a_restart_keeps_who_is_signed_in_and_how_their_tokens_stand() {
    let mut setup = start("grace = \"60s\"").await;
    let mut page = Browser::signed_in(&setup, "alice").await;
    let before = page.clone();
    assert_eq!(page.refresh(&setup).await.status, 200);
    let waiting = grant(&setup, &json!({"user": "bob"})).await;
    let mut gone = Browser::signed_in(&setup, "carol").await;
    let left = gone.ask_with_cookie(&setup, Method::POST, "/v1/auth/logout").send().await.expect("answer");
    assert_eq!(left.status, 204);

    setup.gateway.restart().await.expect("ready");
    assert_eq!(page.chat(&setup).await.status, 200);
    assert_eq!(before.clone().refresh(&setup).await.status, 200, "a moment ago is a moment ago");
    assert_eq!(page.refresh(&setup).await.status, 200);
    assert_eq!(Browser::default().enter(&setup, &waiting["code"]).await.status, 200);
    assert_eq!(gone.refresh(&setup).await.status, 401);
    assert_eq!(code(&gone.chat(&setup).await), "key_invalid");
}

#[tokio::test]
async fn tokens_and_sign_ins_end_in_time() {
    let setup = start("expires_in = \"1s\"\nidle_for = \"2s\"").await;
    let mut page = Browser::signed_in(&setup, "alice").await;
    assert_eq!(page.chat(&setup).await.status, 200);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(code(&page.chat(&setup).await), "key_invalid");
    assert_eq!(page.refresh(&setup).await.status, 200);
    assert_eq!(page.chat(&setup).await.status, 200);
    tokio::time::sleep(Duration::from_millis(2200)).await;
    assert_eq!(page.refresh(&setup).await.status, 401, "nobody refreshed for too long");
    assert_eq!(page.cookie, None);

    let granted = grant(&setup, &json!({"user": "alice", "session_for": "2s", "expires_in": "1s"})).await;
    let mut short = Browser::default();
    assert_eq!(short.enter(&setup, &granted["code"]).await.status, 200);
    tokio::time::sleep(Duration::from_millis(1300)).await;
    assert_eq!(short.refresh(&setup).await.status, 200);
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(code(&short.chat(&setup).await), "key_invalid", "it cannot outlive its sign-in");
    assert_eq!(short.refresh(&setup).await.status, 401);
}

#[tokio::test]
async fn sign_ins_are_revoked_by_user_by_key_and_all_at_once() {
    let setup = start("").await;
    let (alice, bob) = (Browser::signed_in(&setup, "alice").await, Browser::signed_in(&setup, "bob").await);
    let revoke = |body: Value| {
        let call = call(&setup, Method::POST, "/v1/auth/revoke").bearer(&setup.secret).json(&body);
        async move { call.send().await.expect("answer").json().expect("json") }
    };
    assert_eq!(revoke(json!({"user": "alice"})).await, json!({"revoked": 1}));
    assert_eq!(code(&alice.chat(&setup).await), "key_invalid");
    assert_eq!(bob.chat(&setup).await.status, 200);
    assert_eq!(revoke(json!({})).await, json!({"revoked": 1}));
    assert_eq!(code(&bob.chat(&setup).await), "key_invalid");

    let (alice, bob) = (Browser::signed_in(&setup, "alice").await, Browser::signed_in(&setup, "bob").await);
    let listed = setup.gateway.command_line(&["sign-ins", "list", "--format", "json"]).expect("runs");
    let listed = String::from_utf8(listed.stdout).expect("text");
    let listed: Vec<Value> = listed.lines().map(|line| serde_json::from_str(line).expect("json")).collect();
    assert_eq!(listed.len(), 2, "{listed:?}");
    assert!(listed.iter().all(|one| one["key"] == "test" && one["origin"] == PAGE && one["entered"] == true));
    for (arguments, gone, stays) in [
        (&["sign-ins", "revoke", "--user", "alice"][..], &alice, Some(&bob)),
        (&["sign-ins", "revoke", "--key", "test"], &bob, None),
    ] {
        let done = setup.gateway.command_line(arguments).expect("runs");
        assert!(done.status.success(), "{done:?}");
        assert!(String::from_utf8_lossy(&done.stdout).contains("1 browser sign-ins are ended"), "{done:?}");
        assert_eq!(code(&gone.chat(&setup).await), "key_invalid");
        if let Some(stays) = stays {
            assert_eq!(stays.chat(&setup).await.status, 200);
        }
    }
    let carol = Browser::signed_in(&setup, "carol").await;
    assert!(setup.gateway.command_line(&["sign-ins", "revoke", "--all"]).expect("runs").status.success());
    assert_eq!(code(&carol.chat(&setup).await), "key_invalid");
    assert!(!setup.gateway.command_line(&["sign-ins", "revoke"]).expect("runs").status.success(), "nobody is named");
    let whose: Vec<String> = revocations(&setup).into_iter().map(|(_, on, _)| on).collect();
    assert_eq!(whose, ["user alice", "key test", "all"]);
}

/// Who has ended whose sign-ins, as the audit log has it.
fn revocations(setup: &Setup) -> Vec<(String, String, String)> {
    let listed = setup.gateway.command_line(&["audit", "list", "--format", "json"]).expect("runs");
    assert!(listed.status.success(), "{listed:?}");
    let listed = String::from_utf8(listed.stdout).expect("utf-8");
    let acts = listed.lines().map(|line| serde_json::from_str::<Value>(line).expect(line));
    let acts = acts.filter(|act| act["what"] == "sign-in.revoke" && act["outcome"] == "done");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    acts.map(|act| (text(&act["by"]), text(&act["on"]), text(&act["detail"]))).collect()
}

#[tokio::test]
async fn who_was_revoked_while_nobody_ran_stays_out() {
    let mut setup = start("").await;
    let (alice, bob) = (Browser::signed_in(&setup, "alice").await, Browser::signed_in(&setup, "bob").await);
    setup.gateway.kill9().expect("killed");
    let done = setup.gateway.command_line(&["sign-ins", "revoke", "--user", "alice"]).expect("runs");
    assert!(done.status.success(), "{done:?}");
    assert_eq!(revocations(&setup), [("local".to_owned(), "user alice".to_owned(), "1 ended".to_owned())]);
    setup.gateway.serve().await.expect("ready");
    assert_eq!(code(&alice.chat(&setup).await), "key_invalid");
    assert_eq!(bob.chat(&setup).await.status, 200);
}

#[tokio::test]
async fn what_becomes_of_the_key_becomes_of_its_sign_ins() {
    let setup = start("").await;
    let mut page = Browser::signed_in(&setup, "alice").await;
    let run = |arguments: &[&str]| {
        let done = setup.gateway.command_line(arguments).expect("runs");
        assert!(done.status.success(), "{done:?}");
    };
    run(&["key", "freeze", "test"]);
    let frozen = page.chat(&setup).await;
    assert_eq!((frozen.status.as_u16(), code(&frozen)), (403, "key_frozen".to_owned()));
    assert!(!String::from_utf8_lossy(&frozen.body).contains("test"), "a browser does not learn the key's name");
    assert_eq!(code(&page.refresh(&setup).await), "key_frozen");
    run(&["key", "freeze", "test", "--undo"]);
    assert_eq!(page.chat(&setup).await.status, 200);
    assert_eq!(page.refresh(&setup).await.status, 200);
    run(&["key", "rotate", "test"]);
    assert_eq!(code(&page.chat(&setup).await), "key_invalid");
    assert_eq!(page.refresh(&setup).await.status, 401);

    let other = setup.gateway.create_key(&["second", "--users", "any"]).expect("key");
    let setup = Setup { secret: other, ..setup };
    let page = Browser::signed_in(&setup, "alice").await;
    assert_eq!(page.chat(&setup).await.status, 200);
    let removed = setup.gateway.command_line(&["key", "rm", "second"]).expect("runs");
    assert!(removed.status.success(), "{removed:?}");
    assert_eq!(code(&page.chat(&setup).await), "key_invalid");
}

#[tokio::test]
async fn no_token_stands_in_a_log_or_in_the_store() {
    let setup = start("grace = \"0s\"").await;
    let granted = grant(&setup, &json!({"user": "alice"})).await;
    let mut page = Browser::default();
    page.enter(&setup, &granted["code"]).await;
    let mut old = page.clone();
    page.refresh(&setup).await;
    page.chat(&setup).await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    old.refresh(&setup).await;
    chat(&setup, "hl-web-forged", "chat").await;
    let refresh = |browser: &Browser| browser.cookie.clone().unwrap_or_default();
    let value = |pair: String| pair.split_once('=').map(|(_, value)| value.to_owned()).unwrap_or_default();
    let mut secrets: Vec<String> =
        [&granted["token"], &granted["code"]].map(|text| text.as_str().expect("text").to_owned()).into();
    secrets.extend([page.token.clone(), page.csrf.clone(), value(refresh(&page))]);
    secrets.retain(|secret| !secret.is_empty());
    assert!(secrets.len() >= 4);
    for secret in secrets {
        assert!(!setup.gateway.log().contains(&secret));
        assert!(!is_in_files(setup.gateway.directory(), secret.as_bytes()), "{} stands in a file", &secret[..8]);
    }
}

fn is_in_files(dir: &Path, word: &[u8]) -> bool {
    std::fs::read_dir(dir).expect("readable").map(|entry| entry.expect("entry").path()).any(|path| {
        if path.is_dir() {
            return is_in_files(&path, word);
        }
        std::fs::read(&path).is_ok_and(|bytes| bytes.windows(word.len()).any(|window| window == word))
    })
}
