//! Alerts from their sources to the outbox.

use super::*;
use crate::dead_letters::{DeadLetter, LostMessage};
use crate::settings::AlertHook;
use crate::webhooks::tests::{Site, hook};
use haltline_ledger::{AccountId, OnFull};
use haltline_types::{Name, RequestId, Scope};
use std::collections::BTreeMap;
use std::time::Duration;

fn settings(hooks: &[(&str, &[AlertKind])]) -> AlertSettings {
    AlertSettings {
        at: BTreeMap::from([(Name::new("day"), vec![50, 80, 100])]),
        hooks: hooks.iter().map(|(url, on)| AlertHook { hook: hook(url), on: on.to_vec() }).collect(),
    }
}

fn balance(subject: &str, dollars: i64, resets_at: Option<Timestamp>) -> Balance {
    Balance {
        account: AccountId {
            budget: Name::new("day"),
            subject: subject.to_owned(),
            window: resets_at.map_or(Timestamp::default(), |at| at.saturating_sub(Duration::from_secs(86_400))),
        },
        scope: Scope::parse(["user"]).expect("a scope"),
        spent: Amount::usd(NanoUsd::new(dollars * 1_000_000_000)),
        held: Amount::zero(Unit::Usd),
        limit: Amount::usd(NanoUsd::new(100_000_000_000)),
        resets_at,
        window: Duration::from_secs(86_400),
        on_full: OnFull::Refuse,
    }
}

struct Watch {
    site: Site,
    alerts: Alerts,
    tasks: TaskTracker,
}

impl Watch {
    fn on(site: Site) -> Self {
        let alerts = Alerts::new(site.hooks.clone(), Arc::clone(&site.documents) as Arc<dyn Documents>, &site.metrics);
        Self { site, alerts, tasks: TaskTracker::new() }
    }

    /// One tick, and all that follows from it: the events that came to the URL.
    async fn tick(&self, settings: &AlertSettings, balances: &[Balance]) -> Vec<Value> {
        let before = self.site.seen().len();
        self.alerts.tick(settings, balances, self.site.now(), &self.tasks);
        self.tasks.close();
        self.tasks.wait().await;
        self.tasks.reopen();
        self.site.until_all_is_sent().await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        self.site.seen().split_off(before).into_iter().map(|seen| seen.body).collect()
    }

    fn given(&self, kind: AlertKind) -> u64 {
        self.site.metrics.alerts.get_or_create(&AlertLabels { kind: kind.word() }).get()
    }
}

fn thresholds(events: &[Value]) -> Vec<u64> {
    events.iter().filter_map(|event| event["data"]["threshold_percent"].as_u64()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_budget_is_told_of_once_at_each_threshold_also_after_a_restart() {
    let watch = Watch::on(Site::new([]));
    let settings = settings(&[("https://a.example/", &AlertKind::ALL)]);
    let resets = Some(watch.site.now().saturating_add(Duration::from_secs(40_000)));
    let of = |dollars| [balance("alice", dollars, resets), balance("bob", 10, resets)];
    assert!(watch.tick(&settings, &of(49)).await.is_empty());
    let events = watch.tick(&settings, &of(85)).await;
    assert_eq!(thresholds(&events), [50, 80], "two were jumped at once");
    let event = &events[0];
    assert_eq!(
        (&event["type"], &event["data"]["budget"], &event["data"]["subject"]),
        (&json!("budget.threshold"), &json!("day"), &json!("alice"))
    );
    assert_eq!(event["data"]["spent"], json!({"value": "85.00", "unit": "usd"}));
    assert_eq!(event["data"]["limit"], json!({"value": "100.00", "unit": "usd"}));
    assert_eq!(event["data"]["spent_percent"], 85);
    assert!(watch.tick(&settings, &of(90)).await.is_empty());

    let next = Watch::on(Site::on(Arc::clone(&watch.site.documents), [], Duration::ZERO));
    assert!(next.tick(&settings, &of(90)).await.is_empty(), "a restart is no news");
    assert_eq!(thresholds(&next.tick(&settings, &of(100)).await), [100]);
    assert_eq!((watch.given(AlertKind::Budget), next.given(AlertKind::Budget)), (2, 1));

    let tomorrow = resets.map(|at| at.saturating_add(Duration::from_secs(86_400)));
    assert_eq!(thresholds(&next.tick(&settings, &[balance("alice", 60, tomorrow)]).await), [50], "another window");
}

#[tokio::test(start_paused = true)]
async fn a_rolling_window_is_told_of_again_after_it_has_emptied() {
    let watch = Watch::on(Site::new([]));
    let settings = settings(&[("https://a.example/", &[AlertKind::Budget])]);
    assert_eq!(thresholds(&watch.tick(&settings, &[balance("alice", 55, None)]).await), [50]);
    // The account is gone when nothing is spent.
    assert!(watch.tick(&settings, &[]).await.is_empty());
    assert_eq!(thresholds(&watch.tick(&settings, &[balance("alice", 55, None)]).await), [50]);
}

#[tokio::test(start_paused = true)]
async fn who_wants_what_gets_that_and_nobody_is_told_twice() {
    let watch = Watch::on(Site::new([]));
    let settings = settings(&[
        ("https://a.example/", &[AlertKind::Breaker]),
        ("https://b.example/", &[AlertKind::PriceBound, AlertKind::Breaker]),
    ]);
    let endpoint = ModelName::parse("p/m").expect("a name");
    watch.alerts.breaker_turned(&endpoint, true, watch.site.now());
    let attempt = AttemptId { request: RequestId::from_parts(0, 1), number: 2 };
    watch.alerts.billed_above_bound(&endpoint, attempt, NanoUsd::new(10_000_000), NanoUsd::new(20_000_000));
    let events = watch.tick(&settings, &[balance("alice", 99, None)]).await;
    let count = |event: &str| events.iter().filter(|body| body["type"] == event).count();
    assert_eq!((count("breaker.opened"), count("price_bound.exceeded"), events.len()), (2, 1, 3));
    let bill = events.iter().find(|body| body["type"] == "price_bound.exceeded").expect("a bill");
    assert_eq!(bill["data"]["cost_usd"], "0.02");
    assert_eq!(watch.given(AlertKind::Budget), 2, "what no webhook wants is in the log and the metrics");
    assert!(watch.tick(&settings, &[balance("alice", 99, None)]).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn dead_letters_are_told_of_once_an_hour_and_make_no_more_of_themselves() {
    let watch = Watch::on(Site::new((0..7).map(|_| Ok(500))));
    let settings = settings(&[("https://a.example/", &[AlertKind::DeadLetters])]);
    assert!(watch.tick(&settings, &[]).await.is_empty());
    tokio::time::sleep(Duration::from_secs(60)).await;
    let lost = LostMessage {
        about: "msg_1".to_owned(),
        owner: None,
        address: String::new(),
        why: String::new(),
        body: bytes::Bytes::from_static(b"{}"),
    };
    let now = watch.site.now();
    let dead = DeadLetter::of_message("dl_1".to_owned(), &lost, None, now);
    watch.site.documents.put(dead.documents(Some(lost.body), now)).await.expect("documents");
    let events = watch.tick(&settings, &[]).await;
    assert_eq!(events.len(), 7, "all attempts fail: {events:?}");
    assert_eq!(events[0]["data"]["count"], 1);
    assert_eq!(watch.site.dead_letters().await.len(), 1);
    // Hours have passed over the attempts.
    assert_eq!(watch.tick(&settings, &[]).await.len(), 1);
    tokio::time::sleep(Duration::from_secs(1_800)).await;
    assert!(watch.tick(&settings, &[]).await.is_empty());
    tokio::time::sleep(Duration::from_secs(1_900)).await;
    assert_eq!(watch.tick(&settings, &[]).await.len(), 1);
    assert_eq!(watch.given(AlertKind::DeadLetters), 3);
}
