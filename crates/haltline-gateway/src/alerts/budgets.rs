//! Budgets that reach a percentage of their limit. Each account, window and percentage is told of
//! once, also across restarts: what was told is written together with the messages.

use super::{Alerts, Notice, amount, memory_id};
use crate::settings::{AlertKind, AlertSettings};
use haltline_ledger::{AccountId, Balance};
use haltline_ports::{Document, Shelf};
use haltline_types::{Name, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

const EVENT: &str = "budget.threshold";
/// An account of a rolling window is told of again once it was so many points below.
const BELOW: u8 = 5;
/// How long the memory of a window outlives it.
const KEEP: Duration = Duration::from_secs(7 * 86_400);

/// What was told of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Told {
    /// Against this limit, in the budget's unit.
    limit: i64,
    /// These percentages.
    thresholds: Vec<u8>,
}

impl Told {
    /// What is to be told now, and what is told after that. `spent` and `limit` are in one unit.
    fn next(&self, thresholds: &[u8], spent: i64, limit: i64, is_rolling: bool) -> (Vec<u8>, Self) {
        let reaches = |threshold: u8| i128::from(spent) * 100 >= i128::from(limit) * i128::from(threshold);
        // Another limit, by an override or a new configuration, makes other thresholds of the same
        // percentages; those that are still reached are no news.
        let stays = |threshold: u8| match (self.limit == limit, is_rolling) {
            (false, _) => reaches(threshold),
            (true, true) => reaches(threshold.saturating_sub(BELOW)),
            (true, false) => true,
        };
        let mut told: Vec<u8> = self.thresholds.iter().copied().filter(|threshold| stays(*threshold)).collect();
        let fresh: Vec<u8> =
            thresholds.iter().copied().filter(|threshold| reaches(*threshold) && !told.contains(threshold)).collect();
        told.extend(&fresh);
        told.sort_unstable();
        (fresh, Self { limit, thresholds: told })
    }
}

/// An account to look at closely: what is remembered of it decides.
#[derive(Clone, Debug)]
pub(super) struct Due {
    balance: Balance,
    thresholds: Vec<u8>,
}

#[derive(Debug)]
enum Known {
    /// Somebody reads or writes what was told.
    Asked,
    Told(Told, Balance),
}

/// What is known of accounts that have reached a threshold, or had in this process.
#[derive(Debug, Default)]
pub(super) struct Budgets {
    known: HashMap<AccountId, Known>,
}

impl Budgets {
    /// Finds the accounts of which something may have to be told.
    pub(super) fn look(&mut self, at: &BTreeMap<Name, Vec<u8>>, balances: &[Balance]) -> Vec<Due> {
        if at.is_empty() {
            self.known.clear();
            return Vec::new();
        }
        let mut due = Vec::new();
        for balance in balances {
            let Some(thresholds) = at.get(&balance.account.budget) else { continue };
            let (spent, limit) = (balance.spent.value(), balance.limit.value());
            let told = match self.known.get(&balance.account) {
                Some(Known::Asked) => continue,
                Some(Known::Told(told, _)) => told.clone(),
                None => Told { limit, thresholds: Vec::new() },
            };
            if told.next(thresholds, spent, limit, is_rolling(balance)).1 != told {
                self.known.insert(balance.account.clone(), Known::Asked);
                due.push(Due { balance: balance.clone(), thresholds: thresholds.clone() });
            }
        }
        due.extend(self.gone(at, balances));
        due
    }

    /// Accounts that are gone: a window that has ended is forgotten, and a rolling one
    /// has nothing spent.
    fn gone(&mut self, at: &BTreeMap<Name, Vec<u8>>, balances: &[Balance]) -> Vec<Due> {
        if self.known.is_empty() {
            return Vec::new();
        }
        let there: HashSet<&AccountId> = balances.iter().map(|balance| &balance.account).collect();
        let mut due = Vec::new();
        self.known.retain(|account, known| match known {
            Known::Told(told, balance) if !there.contains(account) => {
                if is_rolling(balance) && !told.thresholds.is_empty() {
                    let spent = haltline_types::Amount::zero(balance.spent.unit());
                    let thresholds = at.get(&account.budget).cloned().unwrap_or_default();
                    due.push(Due { balance: Balance { spent, ..balance.clone() }, thresholds });
                }
                false
            }
            _ => true,
        });
        for account in &due {
            self.known.insert(account.balance.account.clone(), Known::Asked);
        }
        due
    }

    fn now_known(&mut self, account: &AccountId, told: Option<(Told, Balance)>) {
        match told {
            Some((told, balance)) => self.known.insert(account.clone(), Known::Told(told, balance)),
            None => self.known.remove(account),
        };
    }
}

const fn is_rolling(balance: &Balance) -> bool {
    balance.resets_at.is_none()
}

impl Alerts {
    /// Tells of the thresholds of an account that nobody was told of.
    pub(super) async fn tell_of_budget(&self, settings: &AlertSettings, due: Due, now: Timestamp) {
        let balance = due.balance;
        let id = id(&balance.account);
        let told: Told = match self.0.documents.get(Shelf::Alert, &id, now).await {
            Ok(found) => found.and_then(|found| serde_json::from_slice(&found.body).ok()).unwrap_or_default(),
            Err(error) => {
                tracing::error!(account = %balance.account, %error, "what was told of a budget cannot be read");
                self.0.budgets.lock().now_known(&balance.account, None);
                return;
            }
        };
        let (spent, limit) = (balance.spent.value(), balance.limit.value());
        let (fresh, next) = told.next(&due.thresholds, spent, limit, is_rolling(&balance));
        let notices: Vec<Notice> = fresh.iter().map(|threshold| notice(&balance, *threshold)).collect();
        let written = if next == told {
            Ok(())
        } else {
            let remember = Document {
                shelf: Shelf::Alert,
                id,
                owner: None,
                labels: Vec::new(),
                changed: now,
                expires: Some(balance.resets_at.unwrap_or(now.saturating_add(balance.window)).saturating_add(KEEP)),
                body: serde_json::to_vec(&next).unwrap_or_default().into(),
            };
            self.write(settings, &notices, vec![remember]).await
        };
        match written {
            Ok(()) => {
                notices.iter().for_each(|notice| self.say(notice));
                self.0.budgets.lock().now_known(&balance.account.clone(), Some((next, balance)));
            }
            Err(error) => {
                tracing::error!(account = %balance.account, %error, "an alert could not be written; it is tried again");
                self.0.budgets.lock().now_known(&balance.account, None);
            }
        }
    }
}

fn id(account: &AccountId) -> String {
    let window = account.window.as_millis().to_string();
    memory_id(AlertKind::Budget, &[account.budget.as_str(), &window, &account.subject])
}

fn notice(balance: &Balance, threshold: u8) -> Notice {
    let account = &balance.account;
    let percent = (i128::from(balance.spent.value()) * 100).checked_div(i128::from(balance.limit.value()));
    let begins = (!is_rolling(balance)).then(|| account.window.to_string());
    Notice {
        kind: AlertKind::Budget,
        event: EVENT,
        data: json!({
            "budget": account.budget.as_str(),
            "scope": balance.scope.to_string(),
            "subject": account.subject,
            "threshold_percent": threshold,
            "spent_percent": percent.and_then(|percent| i64::try_from(percent).ok()),
            "spent": amount(balance.spent),
            "held": amount(balance.held),
            "limit": amount(balance.limit),
            "window_begins": begins,
            "resets_at": balance.resets_at.map(|at| at.to_string()),
        }),
        text: format!("budget {account} has reached {threshold} %: {} of {}", balance.spent, balance.limit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_threshold_is_told_of_once() {
        let all = [50, 80, 100];
        type Row = (&'static str, bool, &'static [(i64, i64, &'static [u8])]);
        let rows: &[Row] = &[
            (
                "one after the other",
                false,
                &[
                    (49, 100, &[]),
                    (50, 100, &[50]),
                    (79, 100, &[]),
                    (80, 100, &[80]),
                    (100, 100, &[100]),
                    (130, 100, &[]),
                ],
            ),
            ("several at once", false, &[(10, 100, &[]), (95, 100, &[50, 80]), (200, 100, &[100])]),
            ("a refund does not tell again", false, &[(85, 100, &[50, 80]), (40, 100, &[]), (85, 100, &[])]),
            (
                "a raised limit: its own thresholds, without those that are passed",
                false,
                &[(85, 100, &[50, 80]), (85, 160, &[]), (130, 160, &[80])],
            ),
            ("a lowered limit", false, &[(50, 100, &[50]), (50, 60, &[80]), (60, 60, &[100])]),
            (
                "a rolling window that empties",
                true,
                &[(55, 100, &[50]), (46, 100, &[]), (55, 100, &[]), (44, 100, &[]), (55, 100, &[50])],
            ),
            ("nothing spent", true, &[(0, 100, &[])]),
        ];
        for (name, is_rolling, steps) in rows {
            let mut told = Told::default();
            for (spent, limit, expected) in *steps {
                let (fresh, next) = told.next(&all, *spent, *limit, *is_rolling);
                assert_eq!(fresh, *expected, "{name}: {spent} of {limit}");
                told = next;
            }
        }
    }
}
