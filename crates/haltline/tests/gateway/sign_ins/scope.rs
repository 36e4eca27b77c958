//! A sign-in is narrower than its key, never wider: models, users, expiry, money.

use super::browser::{Browser, call, chat, grant, grant_answer};
use super::start;
use crate::setup::{Setup, code, money};
use haltline_types::NanoUsd;
use http::Method;
use serde_json::json;

#[tokio::test]
async fn models_are_those_that_were_granted_within_those_of_the_key() {
    let setup = start("").await;
    let granted = grant(&setup, &json!({"user": "alice", "models": ["chat"]})).await;
    let token = granted["token"].as_str().expect("token").to_owned();
    assert_eq!(chat(&setup, &token, "chat").await.status, 200);
    for other in ["other", "fake/m", "m"] {
        assert_eq!(code(&chat(&setup, &token, other).await), "model_not_allowed", "{other}");
    }
    let models =
        call(&setup, Method::GET, "/v1/models").bearer(&token).send().await.expect("answer").json().expect("json");
    assert_eq!(models["data"].as_array().expect("a list").len(), 1, "{models}");
    // A job is narrowed as well.
    let body = json!({"model": "other", "max_tokens": 5, "messages": [{"role": "user", "content": "Hello"}]});
    let job = json!({"endpoint": "/v1/chat/completions", "body": body});
    let made = call(&setup, Method::POST, "/v1/jobs").bearer(&token).json(&job).send().await.expect("answer");
    assert_eq!(code(&made), "model_not_allowed");

    let narrow = setup.gateway.create_key(&["narrow", "--users", "alice", "--models", "chat"]).expect("key");
    let setup = Setup { secret: narrow, ..setup };
    let refused = grant_answer(&setup, &json!({"user": "alice", "models": ["other"]})).await;
    assert_eq!((refused.status.as_u16(), code(&refused).as_str()), (403, "model_not_allowed"));
    let refused = grant_answer(&setup, &json!({"user": "bob"})).await;
    assert_eq!((refused.status.as_u16(), code(&refused).as_str()), (400, "invalid_request"));
    let page = Browser::signed_in(&setup, "alice").await;
    assert_eq!(page.chat(&setup).await.status, 200);
    assert_eq!(code(&chat(&setup, &page.token, "other").await), "model_not_allowed");
}

#[tokio::test]
async fn a_key_that_speaks_for_nobody_grants_nothing() {
    let setup = start("").await;
    let alone = setup.gateway.create_key(&["alone", "--users", "none"]).expect("key");
    let setup = Setup { secret: alone, ..setup };
    let refused = grant_answer(&setup, &json!({"user": "alone"})).await;
    assert_eq!(code(&refused), "invalid_request");
}

#[tokio::test]
async fn tags_are_the_backend_s() {
    let budget = "[[budgets]]\nname = \"plan\"\nscope = \"tag:plan\"\nlimit = \"$1\"\nwindow = \"day\"";
    let setup = start(budget).await;
    let granted = grant(&setup, &json!({"user": "alice", "tags": {"plan": "free"}})).await;
    let body = json!({"model": "chat", "max_tokens": 5, "messages": [{"role": "user", "content": "Hello"}]});
    let asked = call(&setup, Method::POST, "/v1/chat/completions").bearer(granted["token"].as_str().expect("token"));
    let answer = asked.header("x-haltline-tags", "plan=gold,app=web").json(&body).send().await.expect("answer");
    assert_eq!(answer.status, 200);
    let accounts = setup.accounts("plan");
    assert_eq!(accounts.iter().map(|account| &account["subject"]).collect::<Vec<_>>(), ["free"], "{accounts:?}");
}

#[tokio::test]
async fn a_sign_in_s_own_budget_is_a_hard_line_also_for_requests_at_once_and_over_a_restart() {
    let mut setup = start("[headroom]\nwait = \"0s\"").await;
    let limit: NanoUsd = "0.002".parse().expect("money");
    let granted = grant(&setup, &json!({"user": "alice", "budget": "$0.002"})).await;
    let mut page = Browser::default();
    assert_eq!(page.enter(&setup, &granted["code"]).await.status, 200);
    let mut refused = 0;
    for _ in 0..4 {
        let at_once = (0..12).map(|_| page.chat(&setup));
        for answer in futures_util::future::join_all(at_once).await {
            match answer.status.as_u16() {
                200 => {}
                402 | 429 => refused += 1,
                other => panic!("{other}: {:?}", answer.json()),
            }
        }
        assert_eq!(page.refresh(&setup).await.status, 200);
    }
    assert!(refused > 0);
    let account = |setup: &Setup| {
        let accounts = setup.accounts("browser-token");
        assert_eq!(accounts.len(), 1, "{accounts:?}");
        (money(&accounts[0]["spent"]), accounts[0]["limit"].clone())
    };
    let (spent, stated) = account(&setup);
    assert!(spent > NanoUsd::ZERO && spent <= limit, "{spent}");
    assert_eq!(money(&stated), limit);
    // The last of it is used up, and neither another token nor another process changes that.
    let last = loop {
        let answer = page.chat(&setup).await;
        if answer.status != 200 {
            break answer;
        }
    };
    assert_eq!(last.status, 402, "{:?}", last.json());
    assert_eq!(last.json().expect("json")["error"]["haltline"]["budget"], "browser-token");
    setup.gateway.restart().await.expect("ready");
    assert_eq!(page.chat(&setup).await.status, 402);
    assert!(account(&setup).0 <= limit);
    // Nobody else's line is that.
    let other = Browser::signed_in(&setup, "alice").await;
    assert_eq!(other.chat(&setup).await.status, 200);
    assert_eq!(chat(&setup, &setup.secret, "chat").await.status, 200);
}
