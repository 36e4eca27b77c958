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
