//! Budgets as the simulator plans them: plain numbers, from which the ledger's budgets are made and
//! which the auditor reads with arithmetic of its own.

use haltline_ledger::{Applies, Budget, BudgetError, Budgets, OnFull, Window, Zone};
use haltline_types::{Amount, Name, Scope, Unit};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetPlan {
    /// Its name.
    pub name: String,
    /// What is counted apart.
    pub scope: Scope,
    /// The limit, in the unit's base.
    pub limit: i64,
    /// What is counted.
    pub unit: Unit,
    /// Over which time.
    pub window: WindowPlan,
    /// What happens when it is full.
    pub on_full: OnFull,
    /// Subjects that have a limit each, where nobody else has one.
    pub listed: Option<BTreeMap<String, i64>>,
}

/// A window of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowPlan {
    /// So many seconds, aligned to a clock that is so many minutes ahead of universal time.
    Aligned {
        /// A minute, an hour or a day.
        seconds: i64,
        /// 0 or 330 (`Asia/Kolkata`, which never changes its clock).
        offset_minutes: i64,
    },
    /// The last so many seconds.
    Rolling {
        /// At least a minute.
        seconds: i64,
    },
}

impl WindowPlan {
    /// An hour of universal time.
    pub const HOUR: Self = Self::Aligned { seconds: 3_600, offset_minutes: 0 };
    /// A day of universal time.
    pub const DAY: Self = Self::Aligned { seconds: 86_400, offset_minutes: 0 };

    /// The millisecond at which the window of `millis` begins; 0 for a rolling one.
    #[must_use]
    pub fn start(self, millis: i64) -> i64 {
        match self {
            Self::Aligned { seconds, offset_minutes } => {
                let (length, offset) = (seconds * 1_000, offset_minutes * 60_000);
                (millis + offset).div_euclid(length) * length - offset
            }
            Self::Rolling { .. } => 0,
        }
    }

    fn window(self) -> Result<Window, String> {
        match self {
            Self::Aligned { seconds, offset_minutes } => {
                let zone = if offset_minutes == 0 { Zone::utc() } else { Zone::parse("Asia/Kolkata")? };
                let word = match seconds {
                    60 => "minute",
                    3_600 => "hour",
                    _ => "day",
                };
                Window::parse(word, &zone)
            }
            Self::Rolling { seconds } => Window::parse(&format!("{seconds}s"), &Zone::utc()),
        }
    }
}

impl BudgetPlan {
    /// A refusing budget for money, in nanodollars.
    #[must_use]
    pub fn money(name: &str, scope: Scope, nanodollars: i64, window: WindowPlan) -> Self {
        Self {
            name: name.to_owned(),
            scope,
            limit: nanodollars,
            unit: Unit::Usd,
            window,
            on_full: OnFull::Refuse,
            listed: None,
        }
    }

    /// The budget for retries that every configuration has: per user and hour.
    #[must_use]
    pub fn retries(per_user_hour: i64) -> Self {
        Self {
            name: "retries".to_owned(),
            scope: Scope::of(vec![haltline_types::Dimension::User]),
            limit: per_user_hour,
            unit: Unit::Retries,
            window: WindowPlan::HOUR,
            on_full: OnFull::Refuse,
            listed: None,
        }
    }

    fn applies(&self) -> Applies {
        let amounts = |listed: &BTreeMap<String, i64>| {
            let amounts = listed.iter().map(|(subject, limit)| (subject.clone(), Amount::new(self.unit, *limit)));
            Applies::Listed(Arc::new(amounts.collect()))
        };
        self.listed.as_ref().map_or(Applies::ToAll, amounts)
    }

    /// The limit of a subject; `None` if it has none.
    #[must_use]
    pub fn limit_of(&self, subject: &str) -> Option<i64> {
        match &self.listed {
            None => Some(self.limit),
            Some(listed) => listed.get(subject).copied(),
        }
    }
}

/// The ledger's budgets.
///
/// # Errors
/// What is wrong with a plan.
pub fn to_ledger(plans: &[BudgetPlan]) -> Result<Budgets, String> {
    let mut budgets = Vec::new();
    for plan in plans {
        budgets.push(Budget {
            name: Name::new(&plan.name),
            scope: plan.scope.clone(),
            limit: Amount::new(plan.unit, plan.limit),
            window: plan.window.window()?,
            on_full: plan.on_full,
            applies: plan.applies(),
        });
    }
    Budgets::new(budgets).map_err(|errors| errors.iter().map(BudgetError::to_string).collect::<Vec<_>>().join("; "))
}
