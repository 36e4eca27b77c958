//! `[[budgets]]`, and the budget of retries that `[retry] per_user_per_hour` makes.

use super::codes::ConfigCode;
use super::diagnostic::{Diagnostic, nearest};
use super::reader::{Keys, Section};
use super::value::Text;
use haltline_gateway::settings::{AuthSettings, BROWSER_BUDGET};
use haltline_ledger::{Applies, Budget, BudgetError, Budgets, OnFull, Window, Zone};
use haltline_ports::KEY_BUDGETS;
use haltline_types::{Amount, Name, Scope, Unit};
use std::collections::BTreeMap;
use std::ops::Range;

/// The name of the budget of retries.
pub const RETRIES: &str = "retries";

const KEYS: Keys =
    Keys::of(&["name", "scope", "limit", "window", "timezone", "on_full", "degrade_at", "degrade_to", "alert_at"]);
/// From this percentage of its limit on a budget that degrades leads to the cheaper model.
const DEGRADE_AT: u64 = 90;
const SCOPES: [&str; 9] = ["global", "team", "tier", "key", "user", "session", "model", "provider", "endpoint"];

/// A budget with the places that warnings point at.
pub(super) struct Placed {
    pub(super) budget: Budget,
    pub(super) limit_span: Range<usize>,
    pub(super) scope_span: Range<usize>,
    pub(super) on_full_span: Range<usize>,
    /// From which percentage on it leads to a cheaper model, if it does.
    pub(super) degrade_at: Option<u8>,
}

/// What the configuration says of budgets.
pub(super) struct Read {
    pub(super) placed: Vec<Placed>,
    pub(super) alerts: BTreeMap<Name, Vec<u8>>,
    /// The cheaper model of models that name none of their own.
    pub(super) degrade_to: Option<Text>,
}

pub(super) fn budgets(root: &Section<'_>) -> Read {
    let mut read = Read { placed: Vec::new(), alerts: BTreeMap::new(), degrade_to: None };
    for section in root.list("budgets", &KEYS) {
        let marks = alert_at(&section);
        let Some(placed) = budget(&section) else { continue };
        check(&section, &placed, &read.placed);
        degrade_to(&section, &placed, &mut read.degrade_to);
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
        applies: Applies::ToAll,
    })
}

/// What sign-ins may have as budgets of their own: nothing but what is granted to each.
pub(super) fn sign_ins(auth: &AuthSettings) -> Option<Budget> {
    let rules = auth.browser.as_ref()?;
    Some(Budget {
        name: Name::new(BROWSER_BUDGET),
        scope: Scope::of(vec![haltline_types::Dimension::BrowserToken]),
        limit: Amount::usd(rules.budget_max),
        // No sign-in lives longer, so that nothing of what it has spent is forgotten before its end.
        window: Window::Rolling(Budgets::ROLLING_MAX),
        on_full: OnFull::Refuse,
        applies: Applies::Granted,
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
    let on_full = section.choice("on_full", &["refuse", "degrade", "warn"], &[]);
    let degrades = on_full == Some("degrade");
    let degrade_at = section.integer("degrade_at", 1..=100).unwrap_or(DEGRADE_AT);
    if !degrades && section.value("degrade_at").is_some() {
        let message = "`degrade_at` belongs to `on_full = \"degrade\"`".to_owned();
        section.walk.report(Diagnostic::new(ConfigCode::Contradiction, message).at(section.key_span("degrade_at")));
    }
    // To the ledger a budget that degrades is one that refuses.
    let on_full = if on_full == Some("warn") { OnFull::Warn } else { OnFull::Refuse };
    let place = |key| section.value(key).map_or(section.span.clone(), |value| value.span);
    zone?;
    Some(Placed {
        budget: Budget {
            name: Name::new(&name?.text),
            scope: scope?,
            limit: limit?,
            window: window?,
            on_full,
            applies: Applies::ToAll,
        },
        limit_span: place("limit"),
        scope_span: place("scope"),
        on_full_span: place("on_full"),
        degrade_at: u8::try_from(degrade_at).ok().filter(|_| degrades),
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
    if *budget.name == *BROWSER_BUDGET {
        let message = format!("`{BROWSER_BUDGET}` is the budget that [auth.browser] makes");
        let taken = Diagnostic::new(ConfigCode::NameTaken, message).at(name_span.clone());
        section.walk.report(taken.help("choose another name"));
    }
    if budget.name.starts_with(KEY_BUDGETS) {
        let message = format!("`{}` is a name of budgets that keys have", budget.name);
        let taken = Diagnostic::new(ConfigCode::NameTaken, message).at(name_span.clone());
        section.walk.report(taken.help(format!("choose a name that does not begin with `{KEY_BUDGETS}`")));
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
            BudgetError::NameTaken(_) | BudgetError::Nameless | BudgetError::ListedOutOfRange(..) => name_span.clone(),
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

/// Where models without a `degrade_to` of their own degrade to; the same for all budgets.
fn degrade_to(section: &Section<'_>, placed: &Placed, chosen: &mut Option<Text>) {
    let Some(text) = section.text("degrade_to") else { return };
    let wrong = if placed.degrade_at.is_none() {
        "`degrade_to` belongs to `on_full = \"degrade\"`".to_owned()
    } else if let Some(other) = chosen.as_ref().filter(|other| other.text != text.text) {
        format!("`degrade_to` is `{}` in another budget; name it in the models if it differs", other.text)
    } else {
        *chosen = Some(text);
        return;
    };
    section.walk.report(Diagnostic::new(ConfigCode::Contradiction, wrong).at(text.span));
}

fn alert_at(section: &Section<'_>) -> Vec<u8> {
    let Some(items) = section.items("alert_at") else { return Vec::new() };
    let marks = items.iter().filter_map(|item| item.integer(1..=100)).filter_map(|mark| u8::try_from(mark).ok());
    marks.collect()
}
