//! The budgets of keys, as the ledger counts them: one for each kind (window, unit and what a full one
//! does), which lists the keys that have such a limit, so that a thousand keys cost a hold no more than
//! one does. Clients see the account of `web` in the budget `key/day` as `key web/day`.

use super::{KeyBudget, KeyRecord};
use haltline_ledger::{Applies, Budget, BudgetError, Budgets, OnFull};
use haltline_types::{Amount, Dimension, Name, Scope, Subjects};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How the names of such budgets begin; no configured budget may be called so.
pub const KEY_BUDGETS: &str = "key/";
/// Budgets over all keys: so many fit the line of the journal that says which are in force.
pub const KEY_BUDGETS_MAX: usize = 6_000;

/// The budgets in force: the configured ones, then those of keys, by name. The same keys give the same
/// budgets, so that a restart counts what the process before it counted.
///
/// # Errors
/// A sentence about what cannot be: too many, or the names of configured budgets.
pub fn budgets_with_keys<'a>(
    configured: &Budgets,
    keys: impl IntoIterator<Item = &'a KeyRecord>,
) -> Result<Budgets, String> {
    let scope = Scope::of(vec![Dimension::Key]);
    let mut kinds: BTreeMap<String, (&'a KeyBudget, BTreeMap<String, Amount>)> = BTreeMap::new();
    let mut count = 0;
    for key in keys {
        let subject = Subjects { key: Some(key.name.clone()), ..Subjects::default() }.subject(&scope);
        for budget in &key.rules.budgets {
            let (_, limits) = kinds.entry(budget.name()).or_insert_with(|| (budget, BTreeMap::new()));
            limits.insert(subject.clone(), budget.limit);
            count += 1;
        }
    }
    if count > KEY_BUDGETS_MAX {
        return Err(format!("keys would have {count} budgets together, and {KEY_BUDGETS_MAX} is the most"));
    }
    let mut all = configured.to_vec();
    for (name, (budget, limits)) in kinds {
        let largest = limits.values().copied().max_by_key(|limit| limit.value()).unwrap_or(budget.limit);
        all.push(Budget {
            name: Name::new(&format!("{KEY_BUDGETS}{name}")),
            scope: scope.clone(),
            limit: largest,
            window: budget.window.clone(),
            on_full: budget.on_full,
            applies: Applies::Listed(Arc::new(limits)),
        });
    }
    Budgets::new(all).map_err(|errors| errors.iter().map(BudgetError::to_string).collect::<Vec<_>>().join("; "))
}

/// What clients see of a budget's name: `key web/day` for the account of `web` in `key/day`, and any
/// other name as it is.
#[must_use]
pub fn shown_budget(budget: &str, subject: &str) -> String {
    match budget.strip_prefix(KEY_BUDGETS) {
        Some(kind) => format!("key {subject}/{kind}"),
        None => budget.to_owned(),
    }
}

/// What the ledger demands of a budget.
pub(super) fn check(budget: &KeyBudget) -> Result<(), String> {
    let alone = Budget {
        name: Name::new("budget"),
        scope: Scope::global(),
        limit: budget.limit,
        window: budget.window.clone(),
        on_full: OnFull::Refuse,
        applies: Applies::ToAll,
    };
    Budgets::new(vec![alone]).map(drop).map_err(|errors| errors.first().map(ToString::to_string).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KeyRules;

    fn key(name: &str, budgets: &[&str]) -> KeyRecord {
        let budgets = budgets.iter().map(|text| text.parse().expect("a budget")).collect();
        KeyRecord { name: name.into(), rules: KeyRules { budgets, ..KeyRules::default() }, ..KeyRecord::default() }
    }

    #[test]
    fn keys_share_one_budget_of_a_kind_and_order_does_not_matter() {
        let configured = Budgets::none();
        let (web, batch) = (key("web", &["$5/day", "$1/1h"]), key("batch", &["$9/day", "10 requests/day"]));
        let budgets = budgets_with_keys(&configured, [&web, &batch, &key("free", &[])]).expect("budgets");
        let names: Vec<_> = budgets.iter().map(|budget| budget.name.to_string()).collect();
        assert_eq!(names, ["key/1h", "key/day", "key/day/requests"]);
        let Some((_, day)) = budgets.find("key/day") else { panic!("key/day") };
        assert_eq!(day.limit, "$9".parse().expect("an amount"));
        let Applies::Listed(limits) = &day.applies else { panic!("{:?}", day.applies) };
        assert_eq!(limits.keys().collect::<Vec<_>>(), ["batch", "web"]);
        assert_eq!(budgets_with_keys(&configured, [&batch, &web]), Ok(budgets));
    }

    #[test]
    fn there_are_bounds() {
        let many: Vec<_> = (0..751)
            .map(|number| {
                key(&format!("k{number}"), &["$1/1h", "$1/2h", "$1/3h", "$1/4h", "$1/5h", "$1/6h", "$1/7h", "$1/8h"])
            })
            .collect();
        assert!(budgets_with_keys(&Budgets::none(), &many).is_err());
        assert!(budgets_with_keys(&Budgets::none(), &many[..750]).is_ok());
    }

    #[test]
    fn clients_see_whose_budget_it_is() {
        assert_eq!(shown_budget("key/day", "web"), "key web/day");
        assert_eq!(shown_budget("company-day", ""), "company-day");
    }
}
