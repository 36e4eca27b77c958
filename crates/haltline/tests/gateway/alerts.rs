//! Alerts, from what happens to a webhook that checks their signatures by itself.

use crate::setup::{Setup, ask};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use haltline_testkit::{Behaviour, FakeConfig};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};

const KEY: [u8; 32] = *b"a key that only a test would use";
/// A tick is every 5 s, and the first repetition of a message at most 6 s after it.
const PATIENCE: Duration = Duration::from_secs(30);

/// A message as it arrived.
#[derive(Clone, Debug)]
struct Message {
    id: String,
    body: Value,
}

/// A webhook on this machine. It answers with `status`, and keeps what it gets.
struct Receiver {
    port: u16,
    status: Arc<AtomicU16>,
    messages: Arc<Mutex<Vec<Message>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Receiver {
    async fn start(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let status = Arc::new(AtomicU16::new(status));
        let messages: Arc<Mutex<Vec<Message>>> = Arc::default();
        let (answer, kept) = (Arc::clone(&status), Arc::clone(&messages));
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let message = read(&mut stream).await;
                kept.lock().expect("a lock").push(message);
                let status = answer.load(Ordering::SeqCst);
                let head = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                stream.write_all(head.as_bytes()).await.expect("a client that listens");
            }
        });
        Self { port, status, messages, task }
    }

    fn config(&self, on: &str) -> String {
        format!(
            "[[alerts]]\nwebhook = \"http://127.0.0.1:{}/hook\"\nsecret = \"whsec_{}\"\non = {on}\nallow_private = true\n",
            self.port,
            STANDARD.encode(KEY)
        )
    }

    fn all(&self) -> Vec<Message> {
        self.messages.lock().expect("a lock").clone()
    }

    /// Waits for so many messages.
    async fn heard(&self, count: usize, setup: &Setup) -> Vec<Message> {
        let until = Instant::now() + PATIENCE;
        loop {
            let all = self.all();
            if all.len() >= count {
                return all;
            }
            assert!(Instant::now() < until, "{count} expected: {all:?}\n{}", setup.gateway.log());
            sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads a message, and checks its signature as the specification says.
async fn read(stream: &mut TcpStream) -> Message {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        assert!(stream.read_buf(&mut bytes).await.expect("a request") > 0, "a whole request");
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).expect("text");
    assert!(head.starts_with("POST /hook HTTP/1.1\r\n"), "{head}");
    let headers: HashMap<String, String> = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length: usize = headers["content-length"].parse().expect("a length");
    while bytes.len() < head_end + length {
        assert!(stream.read_buf(&mut bytes).await.expect("a request") > 0, "a whole request");
    }
    let body = String::from_utf8(bytes[head_end..].to_vec()).expect("text");
    let (id, at) = (headers["webhook-id"].clone(), &headers["webhook-timestamp"]);
    let mut mac = Hmac::<Sha256>::new_from_slice(&KEY).expect("a key");
    mac.update(format!("{id}.{at}.{body}").as_bytes());
    let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    assert_eq!(headers["webhook-signature"], signature);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock").as_secs();
    assert!(now.abs_diff(at.parse().expect("seconds")) < 300, "{at}");
    assert!(!headers.contains_key("authorization"));
    Message { id, body: serde_json::from_str(&body).expect("JSON") }
}

const MODEL: &str = "[models.chat]\ntargets = [\"fake/m\"]\nmax_output_tokens = 100\n[retry]\nmax_retries = 0\n[breaker]\nfailures = 3\n\
     [[budgets]]\nname = \"asked\"\nlimit = \"10 requests\"\nwindow = \"day\"\non_full = \"warn\"\nalert_at = [50, 80, 100]\n";

fn thresholds(messages: &[Message]) -> Vec<u64> {
    let mut thresholds: Vec<u64> =
        messages.iter().filter_map(|message| message.body["data"]["threshold_percent"].as_u64()).collect();
    thresholds.sort_unstable();
    thresholds
}

async fn ask_times(setup: &Setup, times: usize, status: u16) {
    for number in 0..times {
        let answer = setup.post(&ask(&format!("{status} {number}"))).send().await.expect("answer");
        assert_eq!(answer.status.as_u16(), status, "{:?}", answer.body);
    }
}

/// Waits until a tick has seen so much spent.
async fn seen_by_a_tick(setup: &Setup, spent: usize) {
    let until = Instant::now() + PATIENCE;
    let line = format!("haltline_account_spent{{budget=\"asked\",unit=\"requests\"}} {spent}.0");
    loop {
        let metrics = setup.get("/metrics").send().await.expect("metrics");
        if String::from_utf8_lossy(&metrics.body).contains(&line) {
            return;
        }
        assert!(Instant::now() < until, "no `{line}`");
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_threshold_of_a_budget_reaches_a_receiver_once_also_one_that_was_down() {
    let receiver = Receiver::start(503).await;
    let config = format!("{MODEL}{}", receiver.config("[\"budget\"]"));
    let setup = Setup::start(FakeConfig::default(), &config).await;
    ask_times(&setup, 10, 200).await;
    let refused = receiver.heard(1, &setup).await;
    receiver.status.store(204, Ordering::SeqCst);
    let until = Instant::now() + PATIENCE;
    let taken = loop {
        // What came after the receiver was up again was taken.
        let all = receiver.all();
        let ids: std::collections::HashSet<&str> = all.iter().map(|message| message.id.as_str()).collect();
        if ids.len() >= 3 && all.len() >= 3 + refused.len() {
            break all;
        }
        assert!(Instant::now() < until, "{all:?}\n{}", setup.gateway.log());
        sleep(Duration::from_millis(50)).await;
    };
    let again: Vec<&Message> = taken.iter().filter(|message| message.id == refused[0].id).collect();
    assert!(again.len() >= 2 && again.iter().all(|message| message.body == refused[0].body), "{taken:?}");
    let mut once: Vec<Message> = taken.clone();
    once.sort_by(|a, b| a.id.cmp(&b.id));
    once.dedup_by(|a, b| a.id == b.id);
    assert_eq!(thresholds(&once), [50, 80, 100], "{once:?}");
    let body = &once[0].body;
    assert_eq!((body["type"].as_str(), body["data"]["budget"].as_str()), (Some("budget.threshold"), Some("asked")));
    assert_eq!(body["data"]["limit"], serde_json::json!({"value": "10", "unit": "requests"}));

    ask_times(&setup, 5, 200).await;
    seen_by_a_tick(&setup, 15).await;
    let metrics = setup.get("/metrics").send().await.expect("metrics");
    let metrics = String::from_utf8_lossy(&metrics.body).into_owned();
    assert!(metrics.contains("haltline_alerts_total{kind=\"budget\"} 3\n"), "{metrics}");
    assert!(metrics.contains("haltline_deliveries_total{outcome=\"delivered\"} 3\n"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_gone_is_left_alone_and_the_others_are_told_that_a_breaker_opened() {
    let (gone, there) = (Receiver::start(410).await, Receiver::start(200).await);
    let config = format!(
        "{}{}{}",
        MODEL.replace("[50, 80, 100]", "[50]"),
        gone.config("[\"budget\", \"breaker\"]"),
        there.config("[\"breaker\", \"budget\", \"dead-letters\"]")
    );
    let setup = Setup::start(FakeConfig::default(), &config).await;
    ask_times(&setup, 5, 200).await;
    assert_eq!(thresholds(&there.heard(1, &setup).await), [50]);
    gone.heard(1, &setup).await;
    setup.provider.set_script(Behaviour::status(500));
    ask_times(&setup, 3, 502).await;
    let told = there.heard(2, &setup).await;
    let opened = told.iter().find(|message| message.body["type"] == "breaker.opened").expect("an alert");
    assert_eq!(opened.body["data"]["endpoint"], "fake/m");
    assert_eq!(gone.all().len(), 1, "after 410 nothing is sent");
}
