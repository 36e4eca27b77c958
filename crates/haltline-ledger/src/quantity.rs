//! Between what the outside counts in (`Amount`, `Demand`) and what the ledger sums in: `i128`, in
//! the unit's base. Sums of `i64` cannot leave an `i128`, so no sum needs an answer for overflow.

use haltline_types::{Amount, Demand, Unit};

/// Can every part of it be counted?
pub(crate) fn well_formed(demand: &Demand) -> bool {
    Unit::ALL.into_iter().all(|unit| demand.of(unit).is_some_and(|amount| amount.value() >= 0))
}

/// The part of a well-formed demand that a budget of `unit` counts.
pub(crate) fn part(demand: &Demand, unit: Unit) -> i128 {
    let value = demand.of(unit).map_or(-1, Amount::value);
    assert!(value >= 0, "a demand that is not well-formed came past the guards: {demand:?}");
    i128::from(value)
}

/// Is any part of `left` larger than that of `right`? Both well-formed.
pub(crate) fn exceeds(left: &Demand, right: &Demand) -> bool {
    Unit::ALL.into_iter().any(|unit| part(left, unit) > part(right, unit))
}

/// For showing: the most or the least that an amount holds where it does not fit.
pub(crate) fn amount(unit: Unit, value: i128) -> Amount {
    let nearest = if value < 0 { i64::MIN } else { i64::MAX };
    Amount::new(unit, i64::try_from(value).unwrap_or(nearest))
}
