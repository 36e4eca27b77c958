//! The outbox against receivers that do what a test says, on time that passes by itself.

use super::*;
use crate::chance::SeededEntropy;
use crate::dead_letters::{DeadLetter, GraveBounds};
use bytes::Bytes;
use haltline_ports::{BoxFuture, MemoryDocuments, WebhookFault};
use haltline_types::Name;
use http::HeaderMap;
use prometheus_client::registry::Registry;
use serde_json::json;
use std::collections::VecDeque;
use tokio::time::Instant;

pub(crate) const START: Timestamp = Timestamp::from_secs(1_800_000_000);
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What a receiver saw.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) url: String,
    pub(crate) after: Duration,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Seen {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// All receivers of a test: answers in order, then 200.
pub(crate) struct Receivers {
    documents: Arc<MemoryDocuments>,
    began: Instant,
    answers: Mutex<VecDeque<Result<u16, WebhookFault>>>,
    pub(crate) seen: Mutex<Vec<Seen>>,
    takes: Duration,
    /// Under way now, and at most: in all, and by URL.
    running: Mutex<HashMap<String, usize>>,
    most: Mutex<(usize, usize)>,
}

impl Webhooks for Receivers {
    fn check(&self, url: &str, reach: Reach) -> Result<(), WebhookFault> {
        if url.contains("private") && reach == Reach::Public {
            return Err(WebhookFault::Forbidden("private".to_owned()));
        }
        Ok(())
    }

    fn post(
        &self,
        url: &str,
        reach: Reach,
        headers: HeaderMap,
        body: Bytes,
    ) -> BoxFuture<'_, Result<u16, WebhookFault>> {
        let url = url.to_owned();
        Box::pin(async move {
            self.check(&url, reach)?;
            let id = headers.get("webhook-id").and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
            let written = self.documents.get(Shelf::Delivery, &id, START).await.expect("documents");
            assert!(written.is_some(), "a message is written before it is tried");
            {
                let mut running = self.running.lock();
                *running.entry(url.clone()).or_default() += 1;
                let mut most = self.most.lock();
                most.0 = most.0.max(running.values().sum());
                most.1 = most.1.max(running[&url]);
            }
            tokio::time::sleep(self.takes).await;
            if let Some(running) = self.running.lock().get_mut(&url) {
                *running -= 1;
            }
            let body = serde_json::from_slice(&body).expect("JSON");
            self.seen.lock().push(Seen { url, after: self.began.elapsed(), headers, body });
            self.answers.lock().pop_front().unwrap_or(Ok(200))
        })
    }
}

struct Running(Instant);

impl Clock for Running {
    fn now(&self) -> Timestamp {
        START.saturating_add(self.0.elapsed())
    }
}

/// An outbox and what is around it.
pub(crate) struct Site {
    pub(crate) documents: Arc<MemoryDocuments>,
    pub(crate) receivers: Arc<Receivers>,
    pub(crate) hooks: Hooks,
    pub(crate) metrics: Metrics,
    began: Instant,
}

impl Site {
    pub(crate) fn new(answers: impl IntoIterator<Item = Result<u16, WebhookFault>>) -> Self {
        Self::on(Arc::default(), answers, Duration::ZERO)
    }

    pub(crate) fn on(
        documents: Arc<MemoryDocuments>,
        answers: impl IntoIterator<Item = Result<u16, WebhookFault>>,
        takes: Duration,
    ) -> Self {
        let began = Instant::now();
        let receivers = Arc::new(Receivers {
            documents: Arc::clone(&documents),
            began,
            answers: Mutex::new(answers.into_iter().collect()),
            seen: Mutex::default(),
            takes,
            running: Mutex::default(),
            most: Mutex::default(),
        });
        let metrics = Metrics::new(&mut Registry::default());
        let hooks = Hooks::new(
            Arc::clone(&documents) as Arc<dyn Documents>,
            Arc::clone(&receivers) as Arc<dyn Webhooks>,
            Arc::new(Running(began)),
            Arc::new(SeededEntropy::new(7)),
            Arc::new(Graves::new(Arc::clone(&documents) as Arc<dyn Documents>, GraveBounds::USUAL)),
            &metrics,
        );
        Self { documents, receivers, hooks, metrics, began }
    }

    pub(crate) fn now(&self) -> Timestamp {
        Running(self.began).now()
    }

    pub(crate) async fn until_all_is_sent(&self) {
        while self.hooks.waiting() > 0 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    pub(crate) async fn on_shelf(&self, shelf: Shelf) -> Vec<Document> {
        self.documents.list(DocumentQuery::of(shelf, 100), self.now()).await.expect("documents")
    }

    pub(crate) async fn dead_letters(&self) -> Vec<DeadLetter> {
        self.on_shelf(Shelf::DeadLetter).await.iter().filter_map(DeadLetter::read).collect()
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.receivers.seen.lock().clone()
    }
}

pub(crate) fn hook(url: &str) -> Hook {
    Hook { url: url.to_owned(), secrets: vec![Secret::new(SECRET.to_owned())], allow_private: false }
}

fn unreachable() -> Result<u16, WebhookFault> {
    Err(WebhookFault::Unreachable("nobody answers".to_owned()))
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_is_down_for_a_while_gets_the_message_then() {
    let site = Site::new([Ok(503), unreachable(), Ok(302), Ok(204)]);
    let id = site.hooks.send(&hook("https://a.example/x"), "test.event", &json!({"n": 1})).await.expect("taken");
    site.until_all_is_sent().await;
    let seen = site.seen();
    assert_eq!(seen.len(), 4);
    for (seen, (from, to)) in seen.iter().zip([(0, 0), (4, 6), (52, 78), (292, 438)]) {
        assert!((from..=to).contains(&seen.after.as_secs()), "{:?}", seen.after);
        assert_eq!(seen.header("webhook-id"), id);
        let at: i64 = seen.header("webhook-timestamp").parse().expect("seconds");
        assert_eq!(at, START.as_millis() / 1000 + i64::try_from(seen.after.as_secs()).expect("small"));
        let signed = signature::sign(&hook("").secrets, &id, Timestamp::from_secs(at), &seen.body.to_string());
        assert_eq!(Some(seen.header("webhook-signature")), signed.as_deref());
        assert_eq!(seen.header("content-type"), "application/json");
        assert_eq!(seen.body["type"], "test.event");
        assert_eq!(seen.body["timestamp"], START.to_string());
        assert_eq!(seen.body["data"], json!({"n": 1}));
    }
    assert!(site.on_shelf(Shelf::Delivery).await.is_empty() && site.on_shelf(Shelf::DeadLetter).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_fails_for_good_is_a_dead_letter_and_can_be_tried_again() {
    let site = Site::new((0..7).map(|_| Ok(500)));
    let url = "https://a.example/x";
    let id = site.hooks.send(&hook(url), "test.event", &json!({})).await.expect("taken");
    site.until_all_is_sent().await;
    let hours = site.began.elapsed().as_secs() / 3_600;
    assert!((7..11).contains(&hours), "{hours} h");
    assert_eq!(site.seen().len(), 7);
    let dead = site.dead_letters().await;
    let letter = &dead[0];
    assert_eq!((dead.len(), letter.about.as_str(), letter.endpoint()), (1, id.as_str(), url));
    assert_eq!(letter.message(), "the receiver answered with status 500");
    let again = letter.message.clone().expect("what a retry needs");
    assert_eq!((&again["event"], &again["attempts"]), (&json!("test.event"), &json!(7)));
    assert!(!again.to_string().contains(&SECRET[6..]), "no secret lies on a shelf");
    let shelf = site.on_shelf(Shelf::DeadLetter).await;
    let body = shelf.iter().find(|document| document.id.starts_with("body_")).map(|document| document.body.clone());
    let again = site.hooks.revive(&again, &letter.about, None, &body.expect("a body")).expect("a message");
    site.hooks.post(vec![again], Vec::new()).await.expect("taken");
    site.until_all_is_sent().await;
    assert_eq!(site.seen().len(), 8);
    assert_eq!(site.seen()[7].header("webhook-id"), id);
    assert_eq!(site.seen()[7].body, site.seen()[0].body);
}

#[tokio::test(start_paused = true)]
async fn gone_turns_a_hook_off_until_the_configuration_is_read_again() {
    let site = Site::new([Ok(410)]);
    let gone = hook("https://a.example/x");
    site.hooks.send(&gone, "test.event", &json!({})).await.expect("taken");
    site.until_all_is_sent().await;
    assert_eq!(site.seen().len(), 1);
    assert_eq!(site.dead_letters().await.len(), 1);
    assert_eq!(site.hooks.send(&gone, "test.event", &json!({})).await, Err(HookError::Off));
    site.hooks.send(&hook("https://b.example/x"), "test.event", &json!({})).await.expect("another is not off");
    site.hooks.all_on();
    site.hooks.send(&gone, "test.event", &json!({})).await.expect("taken");
    site.until_all_is_sent().await;
    assert_eq!(site.seen().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_next_process_sends_what_the_last_one_did_not() {
    let first = Site::new((0..2).map(|_| Ok(500)));
    first.hooks.send(&hook("https://a.example/x"), "test.event", &json!({"n": 1})).await.expect("taken");
    tokio::time::sleep(Duration::from_secs(20)).await;
    first.hooks.close(Duration::from_secs(1)).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(first.seen().len(), 2, "a closed outbox begins nothing");

    let second = Site::on(Arc::clone(&first.documents), [], Duration::ZERO);
    second.hooks.know(hook("").secrets);
    assert_eq!(second.hooks.take_up().await, Ok(1));
    second.until_all_is_sent().await;
    assert_eq!(second.seen().len(), 1);
    assert_eq!(second.seen()[0].header("webhook-id"), first.seen()[0].header("webhook-id"));
    assert!(second.seen()[0].header("webhook-signature").starts_with("v1,"));
    assert!(second.on_shelf(Shelf::Delivery).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_unsigned_because_its_secret_is_gone() {
    let first = Site::new([Ok(500)]);
    first.hooks.send(&hook("https://a.example/x"), "test.event", &json!({})).await.expect("taken");
    tokio::time::sleep(Duration::from_secs(1)).await;
    first.hooks.close(Duration::from_secs(1)).await;
    let second = Site::on(Arc::clone(&first.documents), [], Duration::ZERO);
    second.hooks.take_up().await.expect("documents");
    second.until_all_is_sent().await;
    assert!(second.seen().is_empty());
    assert_eq!(second.dead_letters().await.len(), 1);
    // A hook without a secret is another matter.
    let bare = Hook { secrets: Vec::new(), ..hook("https://b.example/x") };
    second.hooks.send(&bare, "test.event", &json!({})).await.expect("taken");
    second.until_all_is_sent().await;
    assert_eq!(second.seen()[0].header("webhook-signature"), "");
}

#[tokio::test(start_paused = true)]
async fn each_keys_messages_are_signed_with_its_own_secret_also_by_the_next_process() {
    let configured = Secret::new(SECRET.to_owned());
    let of = |key: &str| signature::derive(&configured, &Name::new(key)).expect("a secret");
    let first = Site::new([Ok(500), Ok(500)]);
    first.hooks.know_root(configured.clone());
    for key in ["a", "b"] {
        let hook = Hook { secrets: vec![of(key)], ..hook(&format!("https://{key}.example/")) };
        let owner = Owner { key: Name::new(key), user: None };
        first.hooks.send_of(Some(owner), &hook, "job.completed", &json!({})).await.expect("taken");
    }
    assert!(first.hooks.0.state.lock().secrets.is_empty(), "they take no room");
    tokio::time::sleep(Duration::from_secs(1)).await;
    first.hooks.close(Duration::from_secs(1)).await;
    let second = Site::on(Arc::clone(&first.documents), [], Duration::ZERO);
    second.hooks.know_root(configured.clone());
    second.hooks.take_up().await.expect("documents");
    second.until_all_is_sent().await;
    let seen: Vec<Seen> = first.seen().into_iter().chain(second.seen()).collect();
    assert_eq!(seen.len(), 4);
    for seen in seen {
        let key = if seen.url.contains("//a.") { "a" } else { "b" };
        let at = Timestamp::from_secs(seen.header("webhook-timestamp").parse().expect("seconds"));
        let signed = |secret| signature::sign(&[secret], seen.header("webhook-id"), at, &seen.body.to_string());
        assert_eq!(signed(of(key)).as_deref(), Some(seen.header("webhook-signature")));
        let others = [configured.clone(), of(if key == "a" { "b" } else { "a" })];
        assert!(others.into_iter().all(|other| signed(other).as_deref() != Some(seen.header("webhook-signature"))));
    }
}

#[tokio::test(start_paused = true)]
async fn few_are_under_way_at_once_and_fewer_to_one_host() {
    let site = Site::on(Arc::default(), [], Duration::from_secs(1));
    for number in 0..60 {
        let url = format!("https://{}.example/x", if number < 40 { "busy".to_owned() } else { format!("h{number}") });
        site.hooks.send(&hook(&url), "test.event", &json!({"n": number})).await.expect("taken");
    }
    site.until_all_is_sent().await;
    assert_eq!(*site.receivers.most.lock(), (8, 2));
    let seen = site.seen();
    assert_eq!(seen.len(), 60);
    let last = seen.iter().filter(|seen| !seen.url.contains("busy")).map(|seen| seen.after).max();
    assert!(last <= Some(Duration::from_secs(5)), "one busy host keeps nobody waiting: {last:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_allowed_too_large_or_too_much_is_not_taken() {
    let site = Site::on(Arc::default(), [], Duration::from_secs(3_600));
    let refused = site.hooks.send(&hook("https://private.example/"), "test.event", &json!({})).await;
    assert_eq!(refused, Err(HookError::Forbidden("private".to_owned())));
    let large = json!({"text": "x".repeat(256 * 1024)});
    let refused = site.hooks.send(&hook("https://a.example/"), "test.event", &large).await;
    assert_eq!(refused, Err(HookError::TooLarge(256 * 1024)));
    for _ in 0..1_000 {
        site.hooks.send(&hook("https://a.example/"), "test.event", &json!({})).await.expect("taken");
    }
    assert_eq!(site.hooks.send(&hook("https://a.example/"), "test.event", &json!({})).await, Err(HookError::Full));
    site.hooks.send(&hook("https://b.example/"), "test.event", &json!({})).await.expect("another host has room");
}

#[tokio::test(start_paused = true)]
async fn clients_that_fill_the_outbox_do_not_silence_the_operator() {
    let site = Site::on(Arc::default(), [], Duration::from_secs(8));
    let alerts = hook("https://alerts.example/");
    let owner = |key: &str| Some(Owner { key: Name::new(key), user: None });
    for key in 0..40 {
        for number in 0..200 {
            let url = if number % 2 == 0 { alerts.url.clone() } else { format!("https://h{key}-{number}.example/") };
            let sent = site.hooks.send_of(owner(&format!("k{key}")), &hook(&url), "job.completed", &json!({})).await;
            assert!(matches!(sent, Ok(_) | Err(HookError::Full)), "{sent:?}");
        }
    }
    let first = site.hooks.send_of(owner("k0"), &hook("https://x.example/"), "job.completed", &json!({})).await;
    assert_eq!(first, Err(HookError::Full), "a key has its share");
    assert_eq!(site.hooks.waiting(), 5_000);
    let began = site.began.elapsed();
    site.hooks.send(&alerts, "budget.threshold", &json!({})).await.expect("the operator has room");
    tokio::time::sleep(Duration::from_secs(9)).await;
    let alert = site.seen().into_iter().find(|seen| seen.body["type"] == "budget.threshold").expect("sent");
    assert!(alert.after - began < Duration::from_secs(9));
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_users_messages_are_not_sent() {
    let site = Site::new([Ok(500)]);
    let owner = Owner { key: Name::new("k"), user: Some(Name::new("alice")) };
    let hook = hook("https://a.example/x");
    site.hooks.send_of(Some(owner), &hook, "job.completed", &json!({})).await.expect("taken");
    tokio::time::sleep(Duration::from_secs(1)).await;
    site.documents.forget_user(&Name::new("alice")).await.expect("documents");
    site.until_all_is_sent().await;
    assert_eq!(site.seen().len(), 1, "only the attempt before she was forgotten");
}

#[tokio::test(start_paused = true)]
async fn an_attempt_under_way_does_not_bring_a_forgotten_users_message_back() {
    let status = |status: u16| Ok(status);
    // Tried again later, given up because the hook is gone, and given up because it may not be called.
    for answer in [status(500), unreachable(), status(410), Err(WebhookFault::Forbidden("private".to_owned()))] {
        let site = Site::on(Arc::default(), [answer.clone()], Duration::from_secs(10));
        let owner = Owner { key: Name::new("k"), user: Some(Name::new("alice")) };
        let hook = hook("https://a.example/x");
        site.hooks.send_of(Some(owner), &hook, "job.completed", &json!({"secret": 1})).await.expect("taken");
        tokio::time::sleep(Duration::from_secs(5)).await;
        site.documents.forget_user(&Name::new("alice")).await.expect("documents");
        site.until_all_is_sent().await;
        assert_eq!(site.seen().len(), 1, "{answer:?}");
        for shelf in [Shelf::Delivery, Shelf::DeadLetter] {
            assert_eq!(site.on_shelf(shelf).await, [], "{answer:?}");
        }
    }
}
