//! All invariants, over everything. The cheap ones are asserted at every change, in `account`.

use crate::Ledger;
use crate::quantity::part;
use std::collections::BTreeMap;

impl Ledger {
    /// Adds up everything again: every account's held amount is the sum of the open holds that
    /// touch it, nothing less than zero is spent, rolling sums are those of their buckets.
    ///
    /// # Errors
    /// What does not add up. Nothing may be spent then.
    pub fn check(&self) -> Result<(), String> {
        for (place, shelf) in self.shelves.iter().enumerate() {
            let mut expected: BTreeMap<_, (i128, u32)> = BTreeMap::new();
            for taken in self.holds.values() {
                let Some(window) = taken.windows.get(place) else {
                    return Err(format!("hold {} does not touch budget \"{}\"", taken.hold.id, shelf.budget().name));
                };
                let subject = taken.hold.subjects.subject(&shelf.budget().scope);
                let (held, open) = expected.entry((subject, *window)).or_default();
                *held += part(&taken.hold.ceiling, shelf.unit());
                *open += 1;
            }
            for (subject, window, account) in shelf.accounts() {
                let (held, open) = expected.remove(&(subject.to_owned(), window)).unwrap_or_default();
                let name = &shelf.budget().name;
                account.check(held, open).map_err(|why| format!("account {name}[{subject}] from {window}: {why}"))?;
            }
            if let Some(((subject, window), _)) = expected.first_key_value() {
                return Err(format!("account {}[{subject}] from {window} is missing", shelf.budget().name));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::{Applied, Budget, Budgets, Hold, Ledger, OnFull, Window};
    use haltline_types::{Amount, AttemptId, Demand, NanoUsd, RequestId, Scope, Subjects, Timestamp};
    use std::sync::Arc;
    use std::time::Duration;

    fn ledger_with_a_hold() -> Ledger {
        let budget = Budget {
            name: "hour".into(),
            scope: Scope::global(),
            limit: Amount::usd(NanoUsd::DOLLAR),
            window: Window::Rolling(Duration::from_secs(3_600)),
            on_full: OnFull::Refuse,
            applies: crate::Applies::ToAll,
        };
        let mut ledger = Ledger::new(Budgets::new(vec![budget]).expect("a budget"));
        let ceiling = Demand { usd: NanoUsd::new(5), requests: 1, ..Demand::ZERO };
        let id = AttemptId { request: RequestId::from_u128(1), number: 1 };
        let (at, subjects) = (Timestamp::from_secs(1), Arc::new(Subjects::default()));
        let entry = ledger.hold(&Hold { id, at, subjects, ceiling, expires: at }).expect("it fits");
        assert!(matches!(ledger.apply(&entry), Ok(Applied::Held(held)) if held.id() == id));
        ledger
    }

    #[test]
    fn what_does_not_add_up_is_found() {
        assert_eq!(ledger_with_a_hold().check(), Ok(()));

        let mut held_twice = ledger_with_a_hold();
        held_twice.shelves[0].open("", Timestamp::default()).hold(5);
        assert!(held_twice.check().is_err_and(|why| why.contains("10 held by 2")));

        let mut hold_gone = ledger_with_a_hold();
        hold_gone.holds.clear();
        assert!(hold_gone.check().is_err());

        let mut account_gone = ledger_with_a_hold();
        account_gone.shelves = Ledger::new(account_gone.budgets().clone()).shelves;
        assert!(account_gone.check().is_err_and(|why| why.contains("is missing")));
    }

    #[test]
    #[should_panic(expected = "a hold was closed that is not here")]
    fn nothing_is_given_back_that_is_not_held() {
        ledger_with_a_hold().shelves[0].open("", Timestamp::default()).close(6, 0, Timestamp::from_secs(1));
    }

    #[test]
    fn a_hold_above_the_limits_in_force_is_counted_and_proves_nothing() {
        let ledger = ledger_with_a_hold();
        let subjects = Arc::new(Subjects::default());
        let id = AttemptId { request: RequestId::from_u128(2), number: 1 };
        let ceiling = Demand { usd: NanoUsd::DOLLAR, ..Demand::ZERO };
        let hold = Hold { id, at: Timestamp::from_secs(1), subjects, ceiling, expires: Timestamp::from_secs(2) };
        let entry = Ledger::new(ledger.budgets().clone()).hold(&hold).expect("alone it fits");
        let mut ledger = ledger;
        assert!(ledger.hold(&hold).is_err());
        assert!(matches!(ledger.apply(&entry), Ok(Applied::Other)));
        assert_eq!(ledger.headroom(&Subjects::default(), hold.at).usd, Some(NanoUsd::ZERO));
        assert_eq!(ledger.check(), Ok(()));
    }
}
