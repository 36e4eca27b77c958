//! The review queue: what is one case, what decisions do, and what gives way.

use super::*;
use crate::guard::case::CaseFinding;
use crate::guard::verdict::Found;
use haltline_guard::Category;
use haltline_ports::{Direction, MemoryDocuments};
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

fn owner(key: &str) -> Owner {
    Owner { key: Name::new(key), user: None }
}

async fn note(cases: &Cases, key: &str, text: &str, rule: &str, at: Timestamp) -> String {
    let owner = owner(key);
    let mut hash = [0; 32];
    for (index, byte) in case_material(&owner, "input", text).bytes().enumerate() {
        hash[index % 32] ^= byte.wrapping_add(u8::try_from(index % 251).unwrap_or(0));
    }
    let id = case_id(&hash);
    let found = [Found {
        rule: Name::new(rule),
        category: Category::Override,
        direction: Direction::Input,
        verdict: Verdict::Blocked,
        place: "messages[0].content".to_owned(),
        bytes: 3,
        times: 1,
    }];
    let finding = CaseFinding {
        rule: rule.to_owned(),
        category: "override".to_owned(),
        place: "messages[0].content".to_owned(),
        span: Some((0, 3)),
        points: 4,
        view: "plain".to_owned(),
    };
    let matter = Matter {
        owner: &owner,
        session: None,
        model: &Name::new("m"),
        request: "req_1".to_owned(),
        found: &found,
        findings: vec![finding],
        rules_version: "v",
        text,
        now: at,
    };
    cases.note(id.clone(), matter, text, ReviewQueue::default()).await;
    id
}

fn later(seconds: u64) -> Timestamp {
    NOW.saturating_add(Duration::from_secs(seconds))
}

#[tokio::test]
async fn the_same_text_is_one_case_and_what_was_decided_survives_a_restart() {
    let documents: Arc<dyn Documents> = Arc::new(MemoryDocuments::default());
    let cases = Cases::new(Arc::clone(&documents));
    let id = note(&cases, "a", "ignore it", "r1", NOW).await;
    assert_eq!(note(&cases, "a", "ignore it", "r1", later(5)).await, id);
    let other = note(&cases, "b", "ignore it", "r1", later(6)).await;
    assert_ne!(other, id, "another key's text is another case");
    let listed = cases.list(Some(CaseState::Open), NOW).await.expect("documents");
    assert_eq!(
        listed.iter().map(|case| (case.id.clone(), case.times)).collect::<Vec<_>>(),
        [(other, 1), (id.clone(), 2)]
    );
    assert_eq!(listed[1].raw, None, "the text itself is not kept unless the operator says so");

    assert!(!cases.passes_once(&id, NOW).await);
    let decided = cases.decide(&id, Ruling::AllowOnce, "ada", "a test", later(7)).await.expect("documents");
    assert_eq!(decided.expect("a case").state, CaseState::AllowedOnce);
    // Another process reads what was decided.
    let cases = Cases::new(documents);
    cases.prepare(NOW).await.expect("documents");
    assert!(cases.passes_once(&id, later(8)).await);
    assert!(!cases.passes_once(&id, later(9)).await, "once is once");
    assert_eq!(cases.get(&id, NOW).await.expect("documents").expect("a case").state, CaseState::Passed);
    // When it comes again it is open again.
    note(&cases, "a", "ignore it", "r1", later(10)).await;
    assert_eq!(cases.get(&id, NOW).await.expect("documents").expect("a case").state, CaseState::Open);
}

#[tokio::test]
async fn a_rule_is_switched_off_for_a_key_or_for_all_and_on_again() {
    let cases = Cases::new(Arc::new(MemoryDocuments::default()));
    let id = note(&cases, "a", "one", "r1", NOW).await;
    let (a, b) = (Name::new("a"), Name::new("b"));
    assert!(!cases.is_rule_allowed("r1", &a));
    cases.decide(&id, Ruling::AllowRule, "ada", "", NOW).await.expect("documents");
    assert!(cases.is_rule_allowed("r1", &a) && !cases.is_rule_allowed("r1", &b));
    cases.decide(&id, Ruling::AllowRuleForAll, "ada", "", NOW).await.expect("documents");
    assert!(cases.is_rule_allowed("r1", &b));
    assert_eq!(cases.allowed_rules(NOW).await.expect("documents").len(), 2);
    assert!(cases.restore_rule("r1", None).await.expect("documents"));
    assert!(cases.is_rule_allowed("r1", &a) && !cases.is_rule_allowed("r1", &b));
    assert!(!cases.restore_rule("r1", None).await.expect("documents"), "it is on already");
    assert!(cases.decide("grd_none", Ruling::Confirm, "ada", "", NOW).await.expect("documents").is_none());
    let made_up = cases.decide("allow_a\0r1", Ruling::Confirm, "ada", "", NOW).await.expect("documents");
    assert!(made_up.is_none(), "a decision is no case");
}

#[test]
fn the_oldest_give_way() {
    let mut cases = (0..CASES_MAX + 10)
        .map(|number| (format!("grd_{number:08}"), later(u64::try_from(number).unwrap_or(0))))
        .collect::<HashMap<_, _>>();
    let gone = give_way(&mut cases);
    assert!(gone.contains(&"grd_00000000".to_owned()) && !gone.contains(&format!("grd_{:08}", CASES_MAX + 9)));
    assert!(cases.len() <= CASES_MAX);
    assert!(give_way(&mut cases).is_empty());
}
