//! `[[budgets]]`, and the budget of retries that `[retry] per_user_per_hour` makes.

use super::codes::ConfigCode;
use super::diagnostic::{Diagnostic, nearest};
use super::reader::{Keys, Section};
use haltline_ledger::{Budget, BudgetError, Budgets, OnFull, Window, Zone};
use haltline_types::{Amount, Name, Scope, Unit};
use std::collections::BTreeMap;
use std::ops::Range;

/// The name of the budget of retries.
pub const RETRIES: &str = "retries";

const KEYS: Keys =
    Keys { known: &["name", "scope", "limit", "window", "timezone", "on_full", "alert_at"], later: &["degrade_to"] };
const SCOPES: [&str; 9] = ["global", "team", "tier", "key", "user", "session", "model", "provider", "endpoint"];

/// A budget with the places that warnings point at.
pub(super) struct Placed {
    pub(super) budget: Budget,
    pub(super) limit_span: Range<usize>,
    pub(super) scope_span: Range<usize>,
    pub(super) on_full_span: Range<usize>,
}

/// What the configuration says of budgets.
pub(super) struct Read {
    pub(super) placed: Vec<Placed>,
    pub(super) alerts: BTreeMap<Name, Vec<u8>>,
}

pub(super) fn budgets(root: &Section<'_>) -> Read {
    let mut read = Read { placed: Vec::new(), alerts: BTreeMap::new() };
    for section in root.list("budgets", &KEYS) {
        let marks = alert_at(&section);
        let Some(placed) = budget(&section) else { continue };
        check(&section, &placed, &read.placed);
        if !marks.is_empty() {
            read.alerts.insert(placed.budget.name.clone(), marks);
        }
        read.placed.push(placed);
    }
    read
}

/// So many attempts beyond the first for every user and hour (promise, rule 10).
pub(super) fn retries(per_user_per_hour: u64) -> Option<Budget> {
    let limit = i64::try_from(per_user_per_hour).ok().filter(|limit| *limit > 0)?;
    Some(Budget {
        name: Name::new(RETRIES),
        scope: Scope::of(vec![haltline_types::Dimension::User]),
        limit: Amount::new(Unit::Retries, limit),
        window: Window::parse("hour", &Zone::utc()).ok()?,
        on_full: OnFull::Refuse,
    })
}

fn budget(section: &Section<'_>) -> Option<Placed> {
    for (key, example) in
        [("name", "name = \"company-day\""), ("limit", "limit = \"$50\""), ("window", "window = \"day\"")]
    {
        if section.value(key).is_none() {
            section.missing(key, example);
        }
    }
    let name = section.text("name");
    let limit = section.parsed("limit", str::parse::<Amount>);
    let zone = match section.value("timezone") {
        None => Some(Zone::utc()),
        Some(_) => section.parsed("timezone", Zone::parse),
    };
    let window = section.parsed("window", |text| Window::parse(text, zone.as_ref().unwrap_or(&Zone::utc())));
    let scope = scope(section);
    let on_full = match section.choice("on_full", &["refuse", "warn"], &["degrade"]) {
        Some("warn") => OnFull::Warn,
        _ => OnFull::Refuse,
    };
    let place = |key| section.value(key).map_or(section.span.clone(), |value| value.span);
    zone?;
    Some(Placed {
        budget: Budget { name: Name::new(&name?.text), scope: scope?, limit: limit?, window: window?, on_full },
        limit_span: place("limit"),
        scope_span: place("scope"),
        on_full_span: place("on_full"),
    })
}

fn check(section: &Section<'_>, placed: &Placed, earlier: &[Placed]) {
    let budget = &placed.budget;
    let name_span = section.value("name").map_or(section.span.clone(), |value| value.span);
    if earlier.iter().any(|other| other.budget.name == budget.name) {
        let message = format!("two budgets are called `{}`", budget.name);
        section.walk.report(Diagnostic::new(ConfigCode::NameTaken, message).at(name_span.clone()));
    }
    if *budget.name == *RETRIES {
        let message = "`retries` is the budget that [retry] per_user_per_hour makes".to_owned();
        let taken = Diagnostic::new(ConfigCode::NameTaken, message).at(name_span.clone());
        section.walk.report(taken.help("choose another name"));
    }
    if matches!(budget.window, Window::Rolling(_)) && section.value("timezone").is_some() {
        let message = "a rolling window has no `timezone`: it is always the time just past".to_owned();
        section.walk.report(Diagnostic::new(ConfigCode::Contradiction, message).at(section.key_span("timezone")));
    }
    if budget.on_full == OnFull::Warn {
        let message = format!("budget `{}` refuses nothing", budget.name);
        section.walk.report(Diagnostic::new(ConfigCode::OnlyWarns, message).at(placed.on_full_span.clone()));
    }
    // What the ledger itself demands of a budget, one at a time so that each has its place.
    for error in Budgets::new(vec![budget.clone()]).err().into_iter().flatten() {
        let span = match error {
            BudgetError::RollingOutOfRange(..) => {
                section.value("window").map_or(section.span.clone(), |value| value.span)
            }
            BudgetError::LimitNotPositive(_) | BudgetError::LimitTooLarge(_) => placed.limit_span.clone(),
            BudgetError::NameTaken(_) | BudgetError::Nameless => name_span.clone(),
        };
        section.walk.report(Diagnostic::new(ConfigCode::OutOfRange, error.to_string()).at(span));
    }
}

/// `scope`, a name or a list of names; `global` when it is absent.
pub(super) fn scope(section: &Section<'_>) -> Option<Scope> {
    if section.value("scope").is_none() {
        return Some(Scope::global());
    }
    let mut names = Vec::new();
    let mut sound = true;
    for text in section.texts("scope")? {
        match Scope::parse([text.text.as_str()]) {
            Ok(_) => names.push(text.text),
            Err(_) => {
                sound = false;
                let message = format!("`{}` is not a scope", text.text);
                let wrong = Diagnostic::new(ConfigCode::NotUnderstood, message).at(text.span);
                let near = nearest(&text.text, SCOPES);
                let wrong = near.map_or(wrong.clone(), |near| wrong.label(format!("did you mean \"{near}\"?")));
                section.walk.report(wrong.allowed(SCOPES.into_iter().chain(["tag:<name>"])));
            }
        }
    }
    sound.then(|| Scope::parse(names.iter().map(String::as_str)).ok())?
}

fn alert_at(section: &Section<'_>) -> Vec<u8> {
    let Some(items) = section.items("alert_at") else { return Vec::new() };
    let marks = items.iter().filter_map(|item| item.integer(1..=100)).filter_map(|mark| u8::try_from(mark).ok());
    marks.collect()
}
