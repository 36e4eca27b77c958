//! What does not let in: forged, foreign, cut, ended; and what a browser may not do.

use super::browser::{Browser, PAGE, call, chat, grant, grant_answer};
use super::start;
use crate::setup::code;
use http::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn whatever_is_wrong_with_a_token_the_answer_is_the_same() {
    let setup = start("expires_in = \"1s\"").await;
    let mut page = Browser::signed_in(&setup, "alice").await;
    let ended = page.token.clone();
    let granted = grant(&setup, &json!({"user": "alice"})).await;
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    page.refresh(&setup).await;
    let good = page.token.clone();
    assert_eq!(chat(&setup, &good, "chat").await.status, 200);
    let mut other = good.clone();
    other.pop();
    let tokens = [
        ended,
        granted["token"].as_str().expect("token").to_owned(),
        other.clone(),
        format!("{other}x"),
        format!("{good}x"),
        "hl-web-".to_owned(),
        format!("hl-web-{}", "A".repeat(43)),
        format!("hl-web-{}", "A".repeat(20_000)),
        "hl-web-../../etc/passwd".to_owned(),
        good.replace("hl-web-", "hl-web-hl-web-"),
    ];
    let mut answers = Vec::new();
    for token in tokens {
        let answer = chat(&setup, &token, "chat").await;
        assert_eq!(answer.status, 401, "{token}");
        let error = answer.json().expect("json")["error"].clone();
        answers.push((error["code"].clone(), error["message"].clone(), error["type"].clone()));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(chat(&setup, &good, "chat").await.status, 200);
    // What is good for one thing is good for nothing else.
    let refresh = page.cookie.as_deref().and_then(|pair| pair.split_once('=')).expect("cookie").1.to_owned();
    for wrong in [refresh.as_str(), granted["code"].as_str().expect("code"), page.csrf.as_str(), "sgn_1"] {
        assert_eq!(chat(&setup, wrong, "chat").await.status, 401);
    }
    for wrong in [good.as_str(), refresh.as_str(), &setup.secret, "", "hl-code-"] {
        assert_eq!(Browser::default().enter(&setup, &json!(wrong)).await.status, 401, "{wrong}");
    }
}

#[tokio::test]
async fn a_cookie_that_is_none_signs_nobody_in() {
    let setup = start("").await;
    let page = Browser::signed_in(&setup, "alice").await;
    let pair = page.cookie.clone().expect("cookie");
    let (name, value) = pair.split_once('=').expect("pair");
    let handle = &value[.."hl-refresh-".len() + 22];
    for wrong in [
        format!("{name}="),
        format!("{name}=hl-refresh-"),
        format!("{name}={}", &value[..value.len() - 1]),
        format!("{name}={value}A"),
        format!("{name}=hl-refresh-{}", "B".repeat(65)),
        format!("{name}=\"{value}\""),
        format!("other={value}"),
    ] {
        let mut forged = Browser { cookie: Some(wrong.clone()), ..page.clone() };
        let answer = forged.refresh(&setup).await;
        assert!(matches!(answer.status.as_u16(), 401 | 403), "{wrong}: {}", answer.status);
    }
    assert_eq!(page.chat(&setup).await.status, 200, "whoever knows nothing ends nothing");
    // Whoever names this sign-in has had one of its tokens.
    let mut forged = Browser { cookie: Some(format!("{name}={handle}{}", "C".repeat(43))), ..page.clone() };
    assert_eq!(forged.refresh(&setup).await.status, 401);
    assert_eq!(code(&page.chat(&setup).await), "key_invalid");
}

#[tokio::test]
async fn what_only_backends_may_do() {
    let setup = start("").await;
    let page = Browser::signed_in(&setup, "alice").await;
    let chat = json!({"model": "chat", "max_tokens": 5, "messages": [{"role": "user", "content": "Hello"}]});
    let job = json!({"endpoint": "/v1/chat/completions", "body": chat, "webhook": {"url": "https://example.com/hook"}});
    let rows = [
        (Method::POST, "/v1/auth/tokens", json!({"user": "bob"}), 403),
        (Method::POST, "/v1/auth/revoke", json!({}), 403),
        (Method::POST, "/v1/cache/invalidate", json!({"tags": ["a"]}), 403),
        (Method::GET, "/v1/jobs/webhook-secret", Value::Null, 403),
        (Method::POST, "/v1/jobs", job, 403),
        (Method::GET, "/admin/v1/keys", Value::Null, 401),
        (Method::GET, "/admin/v1/sign-ins", Value::Null, 401),
        (Method::POST, "/admin/v1/sign-ins/revoke", json!({"all": true}), 401),
        (Method::POST, "/admin/v1/users/bob/forget", json!({}), 401),
    ];
    for (method, path, body, status) in rows {
        let asked = call(&setup, method, path).bearer(&page.token).header("origin", PAGE);
        let asked = if body.is_null() { asked } else { asked.json(&body) };
        let answer = asked.send().await.expect("answer");
        assert_eq!(answer.status, status, "{path}: {:?}", answer.json());
        if status == 403 {
            assert_eq!(code(&answer), "not_for_browsers", "{path}");
        }
    }
    let plain = json!({"endpoint": "/v1/chat/completions", "body": chat});
    let made = call(&setup, Method::POST, "/v1/jobs").bearer(&page.token).json(&plain).send().await.expect("answer");
    assert_eq!(made.status, 202, "{:?}", made.json());
}

#[tokio::test]
async fn a_browser_is_its_user_whatever_it_says() {
    let setup = start("").await;
    let (alice, bob) = (Browser::signed_in(&setup, "alice").await, Browser::signed_in(&setup, "bob").await);
    let body =
        json!({"model": "chat", "max_tokens": 5, "user": "bob", "messages": [{"role": "user", "content": "Hello"}]});
    let asked = call(&setup, Method::POST, "/v1/chat/completions").bearer(&alice.token);
    let asked = asked.header("x-haltline-user", "bob").header("x-haltline-session", "s1").json(&body);
    let answer = asked.send().await.expect("answer");
    assert_eq!(answer.status, 200);
    let id = answer.headers["x-request-id"].to_str().expect("text").to_owned();
    assert_eq!(setup.generation(&id).await["user"], "alice");
    let session = |token: String, user: Option<&'static str>| {
        let asked = call(&setup, Method::GET, "/v1/sessions/s1").bearer(&token);
        let asked = user.map_or(asked.clone(), |user| asked.header("x-haltline-user", user));
        async move { asked.send().await.expect("answer").status.as_u16() }
    };
    assert_eq!(session(alice.token.clone(), None).await, 200);
    assert_eq!(session(bob.token.clone(), None).await, 404);
    assert_eq!(session(bob.token.clone(), Some("alice")).await, 404);
    assert_eq!(session(setup.secret.clone(), Some("alice")).await, 200, "the key that speaks for her has the same");
    assert_eq!(session(setup.secret.clone(), Some("bob")).await, 404);
}

#[tokio::test]
async fn a_grant_that_cannot_be_is_refused_in_words() {
    let setup = start("sign_ins_max = 3\nsign_ins_per_key = 2").await;
    let rows = [
        (json!({}), "user"),
        (json!({"user": ""}), "1 to 256 bytes"),
        (json!({"user": "u".repeat(300)}), "1 to 256 bytes"),
        (json!({"user": "alice", "expires_in": "16m"}), "from 1s to 15m"),
        (json!({"user": "alice", "expires_in": "0s"}), "from 1s to 15m"),
        (json!({"user": "alice", "expires_in": "soon"}), "soon"),
        (json!({"user": "alice", "session_for": "9h"}), "from 1s to 8h"),
        (json!({"user": "alice", "budget": "$0"}), "above zero"),
        (json!({"user": "alice", "budget": "-1"}), "above zero"),
        (json!({"user": "alice", "budget": "$1000000"}), "at most $100"),
        (json!({"user": "alice", "origin": "https://evil.example"}), "[auth.browser] origins"),
        (json!({"user": "alice", "admin": true}), "JSON like"),
        (json!("alice"), "JSON like"),
    ];
    for (wanted, words) in rows {
        let answer = grant_answer(&setup, &wanted).await;
        assert_eq!(answer.status, 400, "{wanted}");
        let message = answer.json().expect("json")["error"]["message"].as_str().unwrap_or_default().to_owned();
        assert!(message.contains(words), "{wanted}: {message}");
    }
    for user in ["a", "b"] {
        grant(&setup, &json!({"user": user})).await;
    }
    let full = grant_answer(&setup, &json!({"user": "c"})).await;
    assert_eq!((full.status.as_u16(), code(&full).as_str()), (503, "overloaded"));
    let message = full.json().expect("json")["error"]["message"].as_str().unwrap_or_default().to_owned();
    assert!(message.contains("sign_ins_per_key"), "{message}");
}
