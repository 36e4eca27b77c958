//! Endpoints that billed more than their ceiling. Until someone looks, their ceilings are raised
//! by what was seen and half as much again (promise, rule 7).

use haltline_types::{ModelName, NanoUsd, Tokens};
use parking_lot::RwLock;
use std::collections::HashMap;

/// The factor by which an endpoint's ceilings are raised, in thousandths.
#[derive(Debug, Default)]
pub(crate) struct Quarantine {
    factors: RwLock<HashMap<ModelName, u64>>,
}

impl Quarantine {
    /// Notes that an attempt held `ceiling` and cost `cost`.
    pub(crate) fn note(&self, endpoint: &ModelName, ceiling: NanoUsd, cost: NanoUsd) {
        let ceiling = u128::from(ceiling.get().unsigned_abs()).max(1);
        let cost = u128::from(cost.get().unsigned_abs());
        let seen = (cost * 1500).div_ceil(ceiling).clamp(1500, 1_000_000);
        let seen = u64::try_from(seen).unwrap_or(1_000_000);
        let mut factors = self.factors.write();
        let factor = factors.entry(endpoint.clone()).or_insert(1000);
        *factor = (*factor).max(seen);
    }

    /// Is the endpoint quarantined?
    pub(crate) fn holds(&self, endpoint: &ModelName) -> bool {
        self.factors.read().contains_key(endpoint)
    }

    /// Tokens of an endpoint's ceiling, raised as its money is. `None` when they do not fit.
    pub(crate) fn raise_tokens(&self, endpoint: &ModelName, tokens: Tokens) -> Option<Tokens> {
        let Some(factor) = self.factors.read().get(endpoint).copied() else { return Some(tokens) };
        let raised = (u128::from(tokens.get()) * u128::from(factor)).div_ceil(1000);
        u64::try_from(raised).ok().map(Tokens::new)
    }

    /// The ceiling of an endpoint, raised if it is quarantined. `None` when it does not fit.
    pub(crate) fn raise(&self, endpoint: &ModelName, ceiling: NanoUsd) -> Option<NanoUsd> {
        let factors = self.factors.read();
        if factors.is_empty() {
            return Some(ceiling);
        }
        let Some(factor) = factors.get(endpoint) else { return Some(ceiling) };
        let raised = (i128::from(ceiling.get()) * i128::from(*factor) + 999) / 1000;
        i64::try_from(raised).ok().map(NanoUsd::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bill_above_its_bound_raises_the_next_bounds() {
        let quarantine = Quarantine::default();
        let endpoint = ModelName::parse("p/m").expect("name");
        let cent = NanoUsd::new(10_000_000);
        assert_eq!(quarantine.raise(&endpoint, cent), Some(cent));
        quarantine.note(&endpoint, cent, NanoUsd::new(20_000_000));
        assert_eq!(quarantine.raise(&endpoint, cent), Some(NanoUsd::new(30_000_000)));
        let other = ModelName::parse("p/n").expect("name");
        assert_eq!(quarantine.raise(&other, cent), Some(cent));
    }
}
