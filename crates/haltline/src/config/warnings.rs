//! What is allowed but questionable, and what is wrong only when sections are seen together.

use super::codes::ConfigCode;
use super::diagnostic::Diagnostic;
use super::reader::Section;
use super::{budgets, models, prices, rate_limits, worst_case};
use haltline_gateway::settings::Settings;
use haltline_ledger::OnFull;
use haltline_policy::quote::OUTPUT_SLACK;
use haltline_ports::UserClaims;
use haltline_types::{Amount, Dimension, ModelName, Name, Scope, Tokens, Unit};
use std::collections::BTreeMap;
use std::ops::Range;

pub(super) fn report(
    root: &Section<'_>,
    settings: &Settings,
    users: &UserClaims,
    models: &BTreeMap<Name, models::Placed>,
    prices: &prices::Prices,
    budgets: &budgets::Read,
    rate_limits: &[rate_limits::Placed],
) {
    let all = Warnings { root, settings };
    all.no_provider();
    all.unpriced(models);
    all.long_chains(models);
    all.unknown_prices(prices);
    all.small_budgets(models, budgets);
    all.minted(users, budgets, rate_limits);
    all.degrades(models, budgets);
    all.unbounded();
}

struct Warnings<'a, 'w> {
    root: &'a Section<'w>,
    settings: &'a Settings,
}

impl Warnings<'_, '_> {
    fn say(&self, code: ConfigCode, message: String, span: Range<usize>) {
        self.root.walk.report(Diagnostic::new(code, message).at(span));
    }

    fn no_provider(&self) {
        if self.root.keys_of("providers").is_empty() {
            let message = "no provider is configured, so there is nothing to call".to_owned();
            self.root.walk.report(Diagnostic::new(ConfigCode::NoProvider, message));
        }
    }

    fn unpriced(&self, models: &BTreeMap<Name, models::Placed>) {
        let mut said: Vec<&ModelName> = Vec::new();
        for model in models.values() {
            for (target, place) in model.endpoints() {
                let is_read = self.settings.providers.contains_key(&target.provider);
                if !is_read || self.settings.prices.contains_key(target) || said.contains(&target) {
                    continue;
                }
                said.push(target);
                let message = format!("`{target}` has no price: requests for it are refused");
                let unpriced = Diagnostic::new(ConfigCode::Unpriced, message).at(place.clone());
                self.root.walk.report(
                    unpriced.help(format!("add [prices.\"{target}\"] with `input` and `output`, or `free = true`")),
                );
            }
        }
    }

    fn long_chains(&self, models: &BTreeMap<Name, models::Placed>) {
        let attempts = usize::from(self.settings.retry.max_retries) + 1;
        for (name, model) in models {
            if let Some(beyond) = model.targets.get(attempts) {
                let message = format!(
                    "`{name}` has {} targets, and a request has at most {attempts} attempts",
                    model.targets.len()
                );
                self.say(ConfigCode::LongChain, message, beyond.span.clone());
            }
        }
    }

    /// A price that nobody knows is possible only where no money budget would count it as nothing.
    fn unknown_prices(&self, prices: &prices::Prices) {
        let money = self.settings.budgets.iter().find(|budget| budget.unit() == Unit::Usd);
        for (name, span) in &prices.unknown_ok {
            match money {
                Some(budget) => {
                    let message =
                        format!("`{name}` cannot have an unknown price: budget `{}` counts money", budget.name);
                    let wrong = Diagnostic::new(ConfigCode::Contradiction, message).at(span.clone());
                    self.root.walk.report(wrong.help("give it a price, or `free = true` if it costs nothing"));
                }
                None => self.say(
                    ConfigCode::UnknownPriceAccepted,
                    format!("`{name}` counts as costing nothing"),
                    span.clone(),
                ),
            }
        }
    }

    fn small_budgets(&self, models: &BTreeMap<Name, models::Placed>, budgets: &budgets::Read) {
        for placed in budgets.placed.iter().filter(|placed| placed.budget.on_full == OnFull::Refuse) {
            let dearest = models
                .iter()
                .flat_map(|(name, model)| model.settings.targets.iter().map(move |target| (name, model, target)))
                .filter_map(|(name, model, target)| Some((self.least(model, target, placed.budget.unit())?, name)))
                .max_by_key(|(cost, _)| cost.value());
            if let Some((cost, model)) = dearest.filter(|(cost, _)| cost.value() > placed.budget.limit.value()) {
                let message = format!(
                    "budget `{}` holds {}, and one answer of `{model}` at its cap can take {cost}",
                    placed.budget.name, placed.budget.limit
                );
                self.say(ConfigCode::SmallBudget, message, placed.limit_span.clone());
            }
        }
    }

    /// What a request with next to no input takes at the model's cap.
    fn least(&self, model: &models::Placed, target: &ModelName, unit: Unit) -> Option<Amount> {
        let price = self.settings.prices.get(target)?;
        let cap = model.settings.max_output_tokens;
        let cap = price.max_output.map_or(cap, |most| cap.min(most)).checked_add(OUTPUT_SLACK)?;
        match unit {
            Unit::Usd => price.ceiling(Tokens::new(1), cap).map(Amount::usd),
            Unit::Tokens => i64::try_from(cap.get()).ok().map(|tokens| Amount::new(Unit::Tokens, tokens)),
            Unit::Requests | Unit::Retries => None,
        }
    }

    fn minted(&self, users: &UserClaims, budgets: &budgets::Read, rate_limits: &[rate_limits::Placed]) {
        let scopes = budgets
            .placed
            .iter()
            .map(|placed| (format!("budget `{}`", placed.budget.name), &placed.budget.scope, &placed.scope_span))
            .chain(rate_limits.iter().map(|placed| {
                (format!("rate limit `{}`", placed.limit.name), &placed.limit.scope, &placed.scope_span)
            }));
        for (what, scope, span) in scopes {
            if let Some(word) = minted_by_clients(scope, users) {
                let message = format!("{what} counts per {word}, which the client names itself");
                self.say(ConfigCode::MintedSubjects, message, span.clone());
            }
        }
    }

    /// A budget that degrades and a model that says where to need each other.
    fn degrades(&self, models: &BTreeMap<Name, models::Placed>, budgets: &budgets::Read) {
        let is_named = budgets.degrade_to.is_some() || models.values().any(|model| model.degrade_to.is_some());
        for placed in budgets.placed.iter().filter(|placed| placed.degrade_at.is_some() && !is_named) {
            let message = format!("no model names a `degrade_to`: budget `{}` refuses", placed.budget.name);
            self.say(ConfigCode::NoEffect, message, placed.on_full_span.clone());
        }
        for (name, model) in models {
            let Some(text) = &model.degrade_to else { continue };
            if self.settings.degrade.budgets.is_empty() {
                let message = "`degrade_to` has no effect: no budget has `on_full = \"degrade\"`".to_owned();
                self.say(ConfigCode::NoEffect, message, text.span.clone());
            }
            let cheaper = Name::new(&text.text);
            let theirs = match models.get(&cheaper) {
                Some(model) => model.settings.targets.clone(),
                None => ModelName::parse(&cheaper).into_iter().collect(),
            };
            let cost = |endpoint: &ModelName| {
                self.settings.prices.get(endpoint)?.ceiling(Tokens::new(1_000), Tokens::new(1_000))
            };
            let dearest = model.settings.targets.iter().filter_map(cost).max();
            let cheapest = theirs.iter().filter_map(cost).min();
            if let (Some(dearest), Some(cheapest)) = (dearest, cheapest)
                && cheapest >= dearest
            {
                let message = format!("`{cheaper}` costs {cheapest} where `{name}` costs {dearest}");
                self.say(ConfigCode::NotCheaper, message, text.span.clone());
            }
        }
    }

    fn unbounded(&self) {
        let bills = self.settings.prices.values().any(|price| !price.free);
        if bills && worst_case::whole_gateway(self.settings).calendar_day.is_none() {
            let message = "no budget bounds what the whole gateway can spend".to_owned();
            let missing = Diagnostic::new(ConfigCode::UnboundedMoney, message);
            let help = "add [[budgets]] with name = \"day\", scope = \"global\", limit = \"$10\", window = \"day\"";
            self.root.walk.report(missing.help(help));
        }
    }
}

/// The dimension of a scope whose values a client makes up.
fn minted_by_clients(scope: &Scope, users: &UserClaims) -> Option<&'static str> {
    scope.dimensions().iter().find_map(|dimension| match dimension {
        Dimension::Session => Some("session"),
        Dimension::Tag(_) => Some("tag"),
        Dimension::User if *users == UserClaims::Any => Some("user"),
        _ => None,
    })
}
