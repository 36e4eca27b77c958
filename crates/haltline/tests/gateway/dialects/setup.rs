//! A gateway in front of one scripted server that plays providers of every kind.

use super::clients::Client;
use super::providers::Kind;
use crate::setup::money;
use haltline_testkit::http_client::{Answer, Call};
use haltline_testkit::{GatewayOptions, RawAnswer, RawProvider, TestGateway};
use haltline_types::NanoUsd;
use http::HeaderMap;
use serde_json::Value;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Nothing takes this long unless it hangs.
const LIMIT: Duration = Duration::from_secs(20);

pub(super) struct Setup {
    pub(super) provider: RawProvider,
    gateway: TestGateway,
    secret: String,
    asked: AtomicU32,
}

/// What a client got, and what the gateway wrote down about it.
pub(super) struct Journey {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
    /// The connection ended as HTTP wants it.
    pub(super) clean: bool,
    /// `/v1/generation`.
    pub(super) record: Value,
}

impl Setup {
    /// Quick to repeat, slow to give an endpoint up.
    pub(super) async fn start(rest: &str) -> Self {
        let provider = RawProvider::start().await.expect("provider");
        let mut config = String::from(
            "[server]\nlisten = \"{listen}\"\n[store]\nurl = \"file:{dir}/data\"\n\
             [retry]\nbase = \"1ms\"\ncap = \"2ms\"\nrate_limit_wait = \"1ms\"\nper_user_per_hour = 1000000\n\
             [breaker]\nfailures = 100000\n[headroom]\ndefault_output_tokens = 1000\n\
             [[budgets]]\nname = \"day\"\nscope = \"global\"\nlimit = \"$1000\"\nwindow = \"day\"\n",
        );
        for kind in Kind::ALL {
            config.push_str(&kind.config(&provider.origin()));
        }
        config.push_str(rest);
        let mut gateway = TestGateway::prepare(GatewayOptions::find().expect("binary"), &config).expect("gateway");
        let secret = gateway.create_key(&["test", "--users", "any"]).expect("key");
        gateway.serve().await.expect("ready");
        Self { provider, gateway, secret, asked: AtomicU32::new(0) }
    }

    /// A question that nobody has asked before: the gateway remembers failures of the same one.
    pub(super) fn call(&self, client: Client, kind: Kind, stream: bool) -> Call {
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        // Long enough that the usage reports of the scripts are within what is held.
        let text = format!("{} Question {number}.", "Some words. ".repeat(80));
        client.call(&self.gateway.origin(), kind.model(), &text, stream).bearer(&self.secret).limit(LIMIT)
    }

    /// One request to its end.
    pub(super) async fn ask(&self, client: Client, kind: Kind, stream: bool, answer: RawAnswer) -> Journey {
        self.provider.always(answer);
        self.travel(self.call(client, kind, stream)).await
    }

    pub(super) async fn travel(&self, call: Call) -> Journey {
        let open = call.open().await.expect("an answer's head");
        let (status, headers) = (open.status.as_u16(), open.headers.clone());
        let read = open.read().await;
        let body = String::from_utf8(read.bytes.to_vec()).expect("a client gets UTF-8");
        let record = self.record(&headers).await;
        Journey { status, headers, body, clean: read.error.is_none(), record }
    }

    /// The record is written right after the last byte.
    async fn record(&self, headers: &HeaderMap) -> Value {
        let id = headers.get("x-request-id").and_then(|id| id.to_str().ok()).expect("an id").to_owned();
        let began = Instant::now();
        loop {
            let answer = self.get(&format!("/v1/generation?id={id}")).await;
            if answer.status == 200 {
                return answer.json().expect("a record")["data"].clone();
            }
            assert!(began.elapsed() < LIMIT, "no record of {id}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn get(&self, path: &str) -> Answer {
        Call::get(format!("{}{path}", self.gateway.origin())).bearer(&self.secret).send().await.expect(path)
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.gateway.origin())
    }

    pub(super) fn authorized(&self, call: Call) -> Call {
        call.bearer(&self.secret).limit(LIMIT)
    }

    /// The secret of a further key.
    pub(super) fn another_key(&self, name: &str) -> String {
        self.gateway.create_key(&[name]).expect("key")
    }

    pub(super) async fn assert_nothing_is_held(&self) {
        let began = Instant::now();
        while money(&self.account()["held"]) != NanoUsd::ZERO {
            assert!(began.elapsed() < Duration::from_secs(5), "{}", self.account());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(money(&self.account()["spent"]) > NanoUsd::ZERO, "{}", self.account());
    }

    /// Every account adds up: what is spent is the sum of these costs, and nothing is held.
    pub(super) fn assert_balanced(&self, spent: NanoUsd) {
        let began = Instant::now();
        loop {
            let account = self.account();
            let (found, held) = (money(&account["spent"]), money(&account["held"]));
            if found == spent && held == NanoUsd::ZERO {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(5), "{account}, and the records say {spent}");
        }
    }

    fn account(&self) -> Value {
        let output = self.gateway.command_line(&["budget", "list", "--format", "json"]).expect("budget list");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let lines = String::from_utf8(output.stdout).expect("utf-8");
        let first = lines.lines().next().expect("an account");
        serde_json::from_str(first).expect("an account")
    }

    /// No endpoint ever billed more than was held for it.
    pub(super) async fn assert_no_bound_was_broken(&self) {
        let text = String::from_utf8(self.get("/metrics").await.body.to_vec()).expect("utf-8");
        let broken = text.lines().find(|line| line.starts_with("haltline_bound_violations_total{"));
        assert_eq!(broken, None);
    }

    /// The process is alive, and nothing in it panicked.
    pub(super) fn assert_sound(&self) {
        assert!(self.gateway.pid().is_some());
        let log = self.gateway.log();
        assert!(!log.contains("panicked"), "{log}");
    }

    /// Resident memory in bytes: now, and the most since the process began.
    pub(super) fn memory(&self) -> (u64, u64) {
        let pid = self.gateway.pid().expect("it runs");
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("status");
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect(name);
            line.trim().trim_end_matches(" kB").parse::<u64>().expect(name) * 1024
        };
        (field("VmRSS:"), field("VmHWM:"))
    }
}

impl Journey {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(super) fn cost(&self) -> NanoUsd {
        money(&self.record["total_cost"])
    }

    pub(super) fn attempts(&self) -> &[Value] {
        self.record["attempts"].as_array().map(Vec::as_slice).unwrap_or_default()
    }

    /// What the attempts' charges rest on, in their order.
    pub(super) fn bases(&self) -> Vec<&str> {
        self.attempts().iter().filter_map(|attempt| attempt["basis"].as_str()).collect()
    }

    /// The only, or last, attempt's fault.
    pub(super) fn fault(&self) -> Option<&str> {
        self.attempts().last()?["fault"].as_str()
    }

    /// Charges are what their basis says: a ceiling whole, a release nothing.
    pub(super) fn assert_charges_are_of_their_basis(&self, what: &str) {
        let mut sum = NanoUsd::ZERO;
        for attempt in self.attempts() {
            let (cost, ceiling) = (money(&attempt["cost"]), money(&attempt["ceiling"]));
            match attempt["basis"].as_str() {
                Some("ceiling") => assert_eq!(cost, ceiling, "{what}: {attempt}"),
                Some("released") => assert_eq!(cost, NanoUsd::ZERO, "{what}: {attempt}"),
                Some("reported") => assert!(cost <= ceiling, "{what}: {attempt}"),
                other => panic!("{what}: {other:?}"),
            }
            assert!(ceiling > NanoUsd::ZERO, "{what}");
            sum = sum.checked_add(cost).expect("a sum");
        }
        assert_eq!(sum, self.cost(), "{what}");
    }
}
