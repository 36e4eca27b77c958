//! Budgets: the rules that the configuration states. What they count is in `account`.

use crate::Window;
use haltline_types::{Amount, Name, NanoUsd, Scope, Subjects, Unit, format_duration};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

/// One budget: for every subject of its scope, at most `limit` in every window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Its name; unique. What the journal says of an account is said under this name.
    pub name: Name,
    /// What is counted apart.
    pub scope: Scope,
    /// The most that may be spent and held, and the unit that is counted.
    pub limit: Amount,
    /// The time over which it is counted.
    pub window: Window,
    /// What a full account does.
    pub on_full: OnFull,
    /// Whose limit it is. Every attempt is counted whatever this says.
    pub applies: Applies,
}

/// Whose limit a budget's limit is. A budget counts *every* attempt, so that a subject whose limit
/// is stated later has its whole history, and so that what a power loss took is bounded by each
/// budget of a unit (see `recover`). But not every subject need have a limit.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Applies {
    /// Everybody has the budget's limit.
    #[default]
    ToAll,
    /// These subjects have a limit each, of the budget's unit; nobody else has one. The budget's own limit
    /// is the largest of theirs.
    Listed(Arc<BTreeMap<String, Amount>>),
    /// Who has no value in the scope has no limit. Everybody else has what an override grants, and
    /// without one nothing: a limit that ran out or was lost refuses. The budget's own limit is
    /// the most that is meant to be granted.
    Granted,
}

/// What a full account does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFull {
    /// It refuses the hold.
    Refuse,
    /// It counts, and refuses nothing: outside the promise.
    Warn,
}

/// The budgets in force, in configuration order. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budgets(Arc<[Budget]>);

/// What is wrong with a budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BudgetError {
    /// Two budgets have this name.
    NameTaken(Name),
    /// A budget has no name.
    Nameless,
    /// The limit is zero or negative.
    LimitNotPositive(Name),
    /// The limit is above what every store counts exactly (promise, rule 2).
    LimitTooLarge(Name),
    /// A rolling window is shorter than a minute or longer than 31 days.
    RollingOutOfRange(Name, Duration),
    /// The limit of a listed subject counts another unit, is not above zero, or is too large.
    ListedOutOfRange(Name, String),
}

impl Budgets {
    /// The shortest rolling window.
    pub const ROLLING_MIN: Duration = Duration::from_secs(60);
    /// The longest rolling window.
    pub const ROLLING_MAX: Duration = Duration::from_secs(31 * 86_400);
    /// The largest limit, in the base of any unit: up to it all stores count exactly.
    pub const LIMIT_MAX: i64 = NanoUsd::LIMIT_MAX.get();

    /// Checks all budgets together.
    ///
    /// # Errors
    /// Everything that is wrong, in configuration order.
    pub fn new(budgets: Vec<Budget>) -> Result<Self, Vec<BudgetError>> {
        let mut errors = Vec::new();
        let mut names = BTreeSet::new();
        for budget in &budgets {
            let name = &budget.name;
            if name.is_empty() {
                errors.push(BudgetError::Nameless);
            }
            if !names.insert(name) {
                errors.push(BudgetError::NameTaken(name.clone()));
            }
            if budget.limit.value() <= 0 {
                errors.push(BudgetError::LimitNotPositive(name.clone()));
            }
            if budget.limit.value() > Self::LIMIT_MAX {
                errors.push(BudgetError::LimitTooLarge(name.clone()));
            }
            if let Window::Rolling(length) = budget.window
                && !(Self::ROLLING_MIN..=Self::ROLLING_MAX).contains(&length)
            {
                errors.push(BudgetError::RollingOutOfRange(name.clone(), length));
            }
            if let Applies::Listed(limits) = &budget.applies {
                let unit = budget.unit();
                let is_wrong = |limit: &Amount| limit.unit() != unit || !(1..=Self::LIMIT_MAX).contains(&limit.value());
                let wrong = limits.iter().filter(|(_, limit)| is_wrong(limit));
                errors.extend(wrong.map(|(subject, _)| BudgetError::ListedOutOfRange(name.clone(), subject.clone())));
            }
        }
        if errors.is_empty() { Ok(Self(budgets.into())) } else { Err(errors) }
    }

    /// No budgets: nothing is counted, nothing refused.
    #[must_use]
    pub fn none() -> Self {
        Self(Arc::from([]))
    }

    /// The budgets, in configuration order.
    pub fn iter(&self) -> std::slice::Iter<'_, Budget> {
        self.0.iter()
    }

    /// Do both count the same, so that only limits and what a full account does can differ?
    #[must_use]
    pub fn count_like(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().zip(other).all(|(own, other)| own.counts_like(other))
    }

    /// The budget of this name, and its place in the order.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<(usize, &Budget)> {
        self.0.iter().enumerate().find(|(_, budget)| budget.name.as_str() == name)
    }
}

impl Budget {
    /// What it counts.
    #[must_use]
    pub fn unit(&self) -> Unit {
        self.limit.unit()
    }

    /// Would the same entries make the same accounts?
    fn counts_like(&self, other: &Self) -> bool {
        self.name == other.name
            && self.scope == other.scope
            && self.unit() == other.unit()
            && self.window == other.window
    }

    /// The limit that is configured for a subject, overrides aside; `None` if it has none.
    pub(crate) fn limit_of(&self, subject: &str) -> Option<i128> {
        let limit = match &self.applies {
            Applies::ToAll => self.limit.value(),
            Applies::Listed(limits) => limits.get(subject)?.value(),
            Applies::Granted if subject.split('/').any(|value| value == Subjects::MISSING) => return None,
            Applies::Granted => 0,
        };
        Some(i128::from(limit))
    }
}

impl Deref for Budgets {
    type Target = [Budget];
    fn deref(&self) -> &[Budget] {
        &self.0
    }
}

impl<'a> IntoIterator for &'a Budgets {
    type Item = &'a Budget;
    type IntoIter = std::slice::Iter<'a, Budget>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for BudgetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameTaken(name) => write!(f, "two budgets are called \"{name}\"; give each a name of its own"),
            Self::Nameless => write!(f, "a budget has no name"),
            Self::LimitNotPositive(name) => write!(f, "budget \"{name}\": the limit must be above zero"),
            Self::LimitTooLarge(name) => write!(
                f,
                "budget \"{name}\": the limit is too large; the most is {}, or 2^53 of any other unit",
                NanoUsd::LIMIT_MAX
            ),
            Self::RollingOutOfRange(name, length) => write!(
                f,
                "budget \"{name}\": a rolling window is from \"1m\" to \"31d\" long, not {}",
                format_duration(*length)
            ),
            Self::ListedOutOfRange(name, subject) => write!(
                f,
                "budget \"{name}\": the limit of \"{subject}\" must be of the budget's unit, above zero, and at most {} or 2^53 of any other unit",
                NanoUsd::LIMIT_MAX
            ),
        }
    }
}

impl std::error::Error for BudgetError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(name: &str, limit: Amount, window: Window) -> Budget {
        Budget {
            name: name.into(),
            scope: Scope::global(),
            limit,
            window,
            on_full: OnFull::Refuse,
            applies: Applies::ToAll,
        }
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let minute = Window::Rolling(Duration::from_secs(60));
        let short = Window::Rolling(Duration::from_millis(59_999));
        let errors = Budgets::new(vec![
            budget("a", Amount::new(Unit::Tokens, 1), minute.clone()),
            budget("a", Amount::new(Unit::Tokens, 0), short),
            budget("b", Amount::new(Unit::Usd, Budgets::LIMIT_MAX + 1), minute),
        ])
        .expect_err("three budgets with four mistakes");
        assert_eq!(
            errors,
            [
                BudgetError::NameTaken("a".into()),
                BudgetError::LimitNotPositive("a".into()),
                BudgetError::RollingOutOfRange("a".into(), Duration::from_millis(59_999)),
                BudgetError::LimitTooLarge("b".into()),
            ]
        );
    }

    #[test]
    fn listed_limits_are_checked_like_others() {
        let listed = |limit: Amount| {
            let limits = BTreeMap::from([("alice".to_owned(), limit), ("bob".to_owned(), Amount::new(Unit::Usd, 1))]);
            let window = Window::Rolling(Duration::from_secs(60));
            let of_unit = budget("keys", Amount::new(Unit::Usd, 5), window);
            Budgets::new(vec![Budget { applies: Applies::Listed(Arc::new(limits)), ..of_unit }])
        };
        assert!(listed(Amount::new(Unit::Usd, Budgets::LIMIT_MAX)).is_ok());
        for limit in
            [Amount::new(Unit::Usd, 0), Amount::new(Unit::Usd, Budgets::LIMIT_MAX + 1), Amount::new(Unit::Tokens, 5)]
        {
            assert_eq!(listed(limit), Err(vec![BudgetError::ListedOutOfRange("keys".into(), "alice".to_owned())]));
        }
    }

    #[test]
    fn who_has_no_value_needs_no_grant_and_everybody_else_does() {
        let window = Window::Rolling(Duration::from_secs(60));
        let granted = Budget { applies: Applies::Granted, ..budget("b", Amount::new(Unit::Usd, 5), window) };
        assert_eq!([granted.limit_of("%-"), granted.limit_of("alice/%-")], [None, None]);
        assert_eq!([granted.limit_of("alice"), granted.limit_of("%25-"), granted.limit_of("")], [Some(0); 3]);
    }

    #[test]
    fn the_ends_of_every_range_are_allowed() {
        let longest = Window::Rolling(Budgets::ROLLING_MAX);
        assert!(Budgets::new(vec![budget("a", Amount::new(Unit::Usd, Budgets::LIMIT_MAX), longest)]).is_ok());
    }
}
