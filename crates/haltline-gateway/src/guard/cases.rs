//! The review queue: cases are written here by the line, and decided by operators. What they allow
//! counts from the next request on.

use super::case::{Case, CaseState, Decision, Matter, RAW_BYTES_MAX, excerpt};
use super::settings::ReviewQueue;
use super::verdict::Verdict;
use haltline_ports::{Document, DocumentQuery, Documents, DocumentsError, Owner, Shelf};
use haltline_types::{Name, Timestamp};
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tokio::sync::Mutex;

/// The most cases that are kept; the oldest give way.
const CASES_MAX: usize = 5_000;
/// Cases that are read at once.
const PAGE: usize = 500;
const CASE: &str = "grd_";
const RULE: &str = "allow_";

/// A rule that is switched off by a decision.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AllowedRule {
    /// The rule.
    pub rule: String,
    /// For this key; none: for everybody.
    pub key: Option<String>,
    /// By which case.
    pub case: String,
    /// By whom.
    pub by: String,
    /// When, in milliseconds since the epoch.
    pub at: i64,
}

/// What is known of decisions without asking the store.
#[derive(Default)]
struct Known {
    /// Cases that may pass once.
    once: HashSet<String>,
    rules: HashMap<String, HashSet<Option<String>>>,
    /// When each case came last.
    cases: HashMap<String, Timestamp>,
}

/// The queue.
pub(crate) struct Cases {
    documents: Arc<dyn Documents>,
    /// Read once, then kept true; none until then.
    known: RwLock<Option<Known>>,
    /// One change at a time.
    changing: Mutex<()>,
}

/// A decision of an operator's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// The same text may pass once.
    AllowOnce,
    /// Its rules are off for the key of the case.
    AllowRule,
    /// Its rules are off for everybody.
    AllowRuleForAll,
    /// The guard was right.
    Confirm,
}

impl Cases {
    pub(crate) fn new(documents: Arc<dyn Documents>) -> Self {
        Self { documents, known: RwLock::default(), changing: Mutex::default() }
    }

    /// Reads what was decided, once. Whoever screens needs it only after something was found.
    pub(crate) async fn prepare(&self, now: Timestamp) -> Result<(), DocumentsError> {
        if self.known.read().is_some() {
            return Ok(());
        }
        let _one = self.changing.lock().await;
        if self.known.read().is_some() {
            return Ok(());
        }
        let mut known = Known::default();
        for document in self.all(RULE, now).await? {
            if let Ok(allowed) = serde_json::from_slice::<AllowedRule>(&document.body) {
                known.rules.entry(allowed.rule).or_default().insert(allowed.key);
            }
        }
        let once = format!("state={}", CaseState::AllowedOnce.word());
        for document in self.all(CASE, now).await? {
            if document.labels.contains(&once) {
                known.once.insert(document.id.clone());
            }
            known.cases.insert(document.id, document.changed);
        }
        *self.known.write() = Some(known);
        Ok(())
    }

    /// Is the rule switched off for this key by a decision?
    pub(crate) fn is_rule_allowed(&self, rule: &str, key: &Name) -> bool {
        let known = self.known.read();
        let keys = known.as_ref().and_then(|known| known.rules.get(rule));
        keys.is_some_and(|keys| keys.contains(&None) || keys.contains(&Some(key.to_string())))
    }

    /// May this text pass once? Takes the permission: it is gone when the answer is yes.
    pub(crate) async fn passes_once(&self, id: &str, now: Timestamp) -> bool {
        if !self.known.read().as_ref().is_some_and(|known| known.once.contains(id)) {
            return false;
        }
        let _one = self.changing.lock().await;
        let Ok(Some(document)) = self.documents.get(Shelf::Case, id, now).await else { return false };
        let Some(mut case) = read(&document) else { return false };
        if case.state != CaseState::AllowedOnce {
            return false;
        }
        case.state = CaseState::Passed;
        let written = self.documents.put(vec![changed(document, &case, now)]).await;
        if let Some(known) = self.known.write().as_mut() {
            known.once.remove(id);
        }
        written.is_ok()
    }

    /// Writes a case, or counts it if it is known.
    pub(crate) async fn note(&self, id: String, matter: Matter<'_>, shown: &str, settings: ReviewQueue) {
        let now = matter.now;
        if let Err(error) = self.try_note(id, matter, shown, settings).await {
            tracing::warn!(%error, %now, "a case for review could not be written");
        }
    }

    async fn try_note(
        &self,
        id: String,
        matter: Matter<'_>,
        shown: &str,
        settings: ReviewQueue,
    ) -> Result<(), DocumentsError> {
        let now = matter.now;
        self.prepare(now).await?;
        let _one = self.changing.lock().await;
        let known = self.documents.get(Shelf::Case, &id, now).await?.as_ref().and_then(read);
        let direction = matter.found.first().map_or("input", |found| found.direction.word());
        let verdict = matter.found.iter().map(|found| found.verdict).max().unwrap_or(Verdict::Flagged);
        let about = matter.findings.iter().find_map(|finding| finding.span);
        let mut case = Case {
            id: id.clone(),
            direction: direction.to_owned(),
            verdict: verdict.word().to_owned(),
            first: now.as_millis(),
            last: now.as_millis(),
            times: 1,
            request: matter.request,
            key: matter.owner.key.to_string(),
            user: matter.owner.user.as_ref().map(ToString::to_string),
            session: matter.session.map(ToString::to_string),
            model: matter.model.to_string(),
            findings: matter.findings,
            rules_version: matter.rules_version.to_owned(),
            bytes: matter.text.len(),
            excerpt: excerpt(shown, about.filter(|_| shown.len() == matter.text.len())),
            raw: settings.raw.then(|| {
                matter.text.get(..matter.text.floor_char_boundary(RAW_BYTES_MAX)).unwrap_or_default().to_owned()
            }),
            state: CaseState::Open,
            decision: None,
        };
        if let Some(known) = known {
            case.first = known.first;
            case.times = known.times.saturating_add(1);
            // What was decided stands, until another rule finds something else.
            let same = known.findings.iter().map(|one| &one.rule).eq(case.findings.iter().map(|one| &one.rule));
            if same && known.state != CaseState::Passed {
                (case.state, case.decision) = (known.state, known.decision);
            }
        }
        let document = Document {
            shelf: Shelf::Case,
            id: id.clone(),
            owner: Some(matter.owner.clone()),
            labels: vec![label(case.state)],
            changed: now,
            expires: Some(now.saturating_add(settings.keep_for)),
            body: body(&case),
        };
        self.documents.put(vec![document]).await?;
        let gone = self.known.write().as_mut().map(|known| {
            known.cases.insert(id, now);
            give_way(&mut known.cases)
        });
        match gone {
            Some(gone) if !gone.is_empty() => self.documents.remove(Shelf::Case, gone).await.map(|_| ()),
            _ => Ok(()),
        }
    }

    /// Cases, those that came last first.
    pub(crate) async fn list(&self, state: Option<CaseState>, now: Timestamp) -> Result<Vec<Case>, DocumentsError> {
        let mut cases: Vec<Case> = self.all(CASE, now).await?.iter().filter_map(read).collect();
        cases.retain(|case| state.is_none_or(|state| case.state == state));
        cases.sort_by(|a, b| (b.last, &b.id).cmp(&(a.last, &a.id)));
        Ok(cases)
    }

    /// One case.
    pub(crate) async fn get(&self, id: &str, now: Timestamp) -> Result<Option<Case>, DocumentsError> {
        if !id.starts_with(CASE) {
            return Ok(None);
        }
        Ok(self.documents.get(Shelf::Case, id, now).await?.as_ref().and_then(read))
    }

    /// Rules that decisions have switched off.
    pub(crate) async fn allowed_rules(&self, now: Timestamp) -> Result<Vec<AllowedRule>, DocumentsError> {
        let documents = self.all(RULE, now).await?;
        Ok(documents.iter().filter_map(|document| serde_json::from_slice(&document.body).ok()).collect())
    }

    /// Decides a case. `None`: there is none.
    pub(crate) async fn decide(
        &self,
        id: &str,
        ruling: Ruling,
        by: &str,
        note: &str,
        now: Timestamp,
    ) -> Result<Option<Case>, DocumentsError> {
        self.prepare(now).await?;
        let _one = self.changing.lock().await;
        let Some(document) = self.documents.get(Shelf::Case, id, now).await?.filter(|found| found.id.starts_with(CASE))
        else {
            return Ok(None);
        };
        let Some(mut case) = read(&document) else { return Ok(None) };
        case.state = match ruling {
            Ruling::AllowOnce => CaseState::AllowedOnce,
            Ruling::AllowRule | Ruling::AllowRuleForAll => CaseState::RuleAllowed,
            Ruling::Confirm => CaseState::Confirmed,
        };
        case.decision = Some(Decision { by: by.to_owned(), at: now.as_millis(), note: note.to_owned() });
        let mut documents = vec![changed(document, &case, now)];
        let mut rules = Vec::new();
        if matches!(ruling, Ruling::AllowRule | Ruling::AllowRuleForAll) {
            let key = (ruling == Ruling::AllowRule).then(|| case.key.clone());
            for finding in &case.findings {
                let rule = finding.rule.clone();
                let allowed = AllowedRule {
                    rule,
                    key: key.clone(),
                    case: case.id.clone(),
                    by: by.to_owned(),
                    at: now.as_millis(),
                };
                documents.push(rule_document(&allowed, now));
                rules.push(allowed);
            }
        }
        self.documents.put(documents).await?;
        if let Some(known) = self.known.write().as_mut() {
            if case.state == CaseState::AllowedOnce {
                known.once.insert(case.id.clone());
            } else {
                known.once.remove(&case.id);
            }
            for allowed in rules {
                known.rules.entry(allowed.rule).or_default().insert(allowed.key);
            }
        }
        Ok(Some(case))
    }

    /// Switches a rule on again that a decision had switched off. `false`: none had.
    pub(crate) async fn restore_rule(&self, rule: &str, key: Option<&str>) -> Result<bool, DocumentsError> {
        let _one = self.changing.lock().await;
        let gone = self.documents.remove(Shelf::Case, vec![rule_id(rule, key)]).await?;
        if let Some(keys) = self.known.write().as_mut().and_then(|known| known.rules.get_mut(rule)) {
            keys.remove(&key.map(str::to_owned));
        }
        Ok(gone > 0)
    }

    async fn all(&self, prefix: &str, now: Timestamp) -> Result<Vec<Document>, DocumentsError> {
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let query =
                DocumentQuery { prefix: Some(prefix.to_owned()), after, ..DocumentQuery::of(Shelf::Case, PAGE) };
            let page = self.documents.list(query, now).await?;
            let is_last = page.len() < PAGE;
            after = page.last().map(|last| last.id.clone());
            found.extend(page);
            if is_last {
                return Ok(found);
            }
        }
    }
}

/// The id of a case: the same text of the same key has the same. `hash` is keyed, so that nobody
/// finds out by trying which texts there were.
pub(crate) fn case_id(hash: &[u8; 32]) -> String {
    use std::fmt::Write;
    hash.iter().take(16).fold(String::from(CASE), |mut id, byte| {
        let _ = write!(id, "{byte:02x}");
        id
    })
}

/// What is hashed for it.
pub(crate) fn case_material(owner: &Owner, direction: &str, text: &str) -> String {
    format!("guard:{direction}\0{}\0{}\0{text}", owner.key, owner.user.as_deref().unwrap_or_default())
}

fn give_way(cases: &mut HashMap<String, Timestamp>) -> Vec<String> {
    let surplus = cases.len().saturating_sub(CASES_MAX);
    if surplus == 0 {
        return Vec::new();
    }
    let mut by_age: Vec<(Timestamp, String)> = cases.iter().map(|(id, at)| (*at, id.clone())).collect();
    // Some more than must go, so that this is not done for every case.
    by_age.sort_unstable();
    let gone: Vec<String> = by_age.into_iter().take(surplus + CASES_MAX / 20).map(|(_, id)| id).collect();
    for id in &gone {
        cases.remove(id);
    }
    gone
}

fn label(state: CaseState) -> String {
    format!("state={}", state.word())
}

fn read(document: &Document) -> Option<Case> {
    serde_json::from_slice(&document.body).ok()
}

fn body(case: &Case) -> bytes::Bytes {
    serde_json::to_vec(case).unwrap_or_default().into()
}

fn changed(document: Document, case: &Case, now: Timestamp) -> Document {
    Document { labels: vec![label(case.state)], changed: now, body: body(case), ..document }
}

fn rule_id(rule: &str, key: Option<&str>) -> String {
    format!("{RULE}{}\0{rule}", key.unwrap_or_default())
}

fn rule_document(allowed: &AllowedRule, now: Timestamp) -> Document {
    Document {
        shelf: Shelf::Case,
        id: rule_id(&allowed.rule, allowed.key.as_deref()),
        owner: None,
        labels: Vec::new(),
        changed: now,
        expires: None,
        body: serde_json::to_vec(allowed).unwrap_or_default().into(),
    }
}

#[cfg(test)]
mod tests;
