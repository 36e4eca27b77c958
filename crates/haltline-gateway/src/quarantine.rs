//! Endpoints that billed more than their ceiling. Until someone looks, their ceilings are raised
//! by what was seen and half as much again (promise, rule 7).

use haltline_types::{Demand, ModelName, NanoUsd, Tokens};
use parking_lot::RwLock;
use std::collections::HashMap;

/// The factor by which an endpoint's ceilings are raised, in thousandths.
#[derive(Debug, Default)]
pub(crate) struct Quarantine {
    factors: RwLock<HashMap<ModelName, u64>>,
}

impl Quarantine {
    /// Notes that an attempt whose ceiling was `base`, before any raise, cost `cost`.
    pub(crate) fn note(&self, endpoint: &ModelName, base: Demand, cost: Demand) {
        let ratio = |base: u128, cost: u128| (cost * 1500).div_ceil(base.max(1));
        let money = ratio(u128::from(base.usd.get().unsigned_abs()), u128::from(cost.usd.get().unsigned_abs()));
        let tokens = ratio(u128::from(base.tokens.get()), u128::from(cost.tokens.get()));
        let seen = u64::try_from(money.max(tokens)).unwrap_or(u64::MAX).clamp(1500, 1_000_000);
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
        let demand =
            |usd: i64, tokens: u64| Demand { usd: NanoUsd::new(usd), tokens: Tokens::new(tokens), ..Demand::ZERO };
        quarantine.note(&endpoint, demand(10_000_000, 100), demand(20_000_000, 100));
        assert_eq!(quarantine.raise(&endpoint, cent), Some(NanoUsd::new(30_000_000)));
        quarantine.note(&endpoint, demand(10_000_000, 100), demand(10_000_000, 1_000));
        assert_eq!(
            quarantine.raise_tokens(&endpoint, Tokens::new(100)),
            Some(Tokens::new(1_500)),
            "an overrun in tokens counts too"
        );
        let other = ModelName::parse("p/n").expect("name");
        assert_eq!(quarantine.raise(&other, cent), Some(cent));
    }
}
