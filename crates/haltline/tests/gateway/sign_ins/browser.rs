//! A browser as a test has it: one cookie jar, one page, and what the page keeps in memory.

use crate::setup::Setup;
use haltline_testkit::http_client::{Answer, Call};
use http::Method;
use serde_json::{Value, json};

/// The page that the configuration lists.
pub(crate) const PAGE: &str = "https://app.example.com";
/// Another one that it lists.
pub(crate) const OTHER_PAGE: &str = "http://localhost:3000";

/// What the tests write into the configuration.
pub(crate) fn config(more: &str) -> String {
    format!(
        "[models.chat]\ntargets = [\"fake/m\"]\nmax_output_tokens = 1000\n[models.other]\ntargets = [\"fake/m\"]\n\
         [auth.browser]\norigins = [\"{PAGE}\", \"{OTHER_PAGE}\"]\n{more}\n"
    )
}

/// A browser.
#[derive(Clone, Debug, Default)]
pub(crate) struct Browser {
    /// `name=value`.
    pub(crate) cookie: Option<String>,
    pub(crate) csrf: String,
    pub(crate) token: String,
}

impl Browser {
    /// One that has signed in.
    pub(crate) async fn signed_in(setup: &Setup, user: &str) -> Self {
        let granted = grant(setup, &json!({"user": user})).await;
        let mut browser = Self::default();
        let answer = browser.enter(setup, &granted["code"]).await;
        assert_eq!(answer.status, 200, "{:?}", answer.json());
        browser
    }

    /// Exchanges a code, as the page does.
    pub(crate) async fn enter(&mut self, setup: &Setup, code: &Value) -> Answer {
        let call = call(setup, Method::POST, "/v1/auth/session").header("origin", PAGE).json(&json!({"code": code}));
        let answer = call.send().await.expect("answer");
        self.take(&answer);
        answer
    }

    /// Refreshes, as the page does.
    pub(crate) async fn refresh(&mut self, setup: &Setup) -> Answer {
        let answer = self.ask_with_cookie(setup, Method::POST, "/v1/auth/refresh").send().await.expect("answer");
        self.take(&answer);
        answer
    }

    /// A request with all that a page of this browser sends.
    pub(crate) fn ask_with_cookie(&self, setup: &Setup, method: Method, path: &str) -> Call {
        let call = call(setup, method, path).header("origin", PAGE).header("x-haltline-csrf", &self.csrf);
        let call = call.header("sec-fetch-site", "same-site").header("sec-fetch-mode", "cors");
        match &self.cookie {
            Some(cookie) => call.header("cookie", cookie),
            None => call,
        }
    }

    /// A question, with the access token.
    pub(crate) async fn chat(&self, setup: &Setup) -> Answer {
        chat(setup, &self.token, "chat").await
    }

    fn take(&mut self, answer: &Answer) {
        for set in answer.headers.get_all("set-cookie") {
            let text = set.to_str().expect("text");
            let pair = text.split(';').next().unwrap_or_default();
            self.cookie = (!text.contains("Max-Age=0")).then(|| pair.to_owned());
        }
        if answer.status == 200 {
            let body = answer.json().expect("json");
            self.csrf = body["csrf"].as_str().expect("csrf").to_owned();
            self.token = body["token"].as_str().expect("token").to_owned();
        }
    }
}

pub(crate) fn call(setup: &Setup, method: Method, path: &str) -> Call {
    Call::new(method, format!("{}{path}", setup.gateway.origin()))
}

/// What the backend asks for.
pub(crate) async fn grant_answer(setup: &Setup, wanted: &Value) -> Answer {
    call(setup, Method::POST, "/v1/auth/tokens").bearer(&setup.secret).json(wanted).send().await.expect("answer")
}

/// What the backend gets.
pub(crate) async fn grant(setup: &Setup, wanted: &Value) -> Value {
    let answer = grant_answer(setup, wanted).await;
    assert_eq!(answer.status, 201, "{:?}", answer.json());
    answer.json().expect("json")
}

/// A question with a token.
pub(crate) async fn chat(setup: &Setup, token: &str, model: &str) -> Answer {
    let body = json!({"model": model, "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}]});
    call(setup, Method::POST, "/v1/chat/completions").bearer(token).json(&body).send().await.expect("answer")
}
