//! `[prices."azure/my-deployment"] like = "azure/gpt-5-mini"`: the listed price of another model, for
//! names that an operator has given: deployments, aliases, models behind a proxy.

use super::codes::ConfigCode;
use super::diagnostic::Diagnostic;
use super::prices::{RATES, limit, multiplier};
use super::reader::Section;
use super::value::Text;
use crate::prices::{Shipped, times};
use haltline_policy::price::Price;
use haltline_types::{ModelName, Tokens};
use std::collections::BTreeMap;

pub(super) const KEY: &str = "like";

/// The model that is named, and its price: as the lists say for a configured provider, else by the
/// shipped list of that name. `listed` is with the factors of regions, `unraised` without them,
/// for an operator's own factor.
pub(super) fn price(
    section: &Section<'_>,
    names: &[String],
    listed: &BTreeMap<ModelName, Price>,
    unraised: &BTreeMap<ModelName, Price>,
) -> Option<(ModelName, Price)> {
    for key in RATES.into_iter().chain(["free", "price"]).filter(|key| section.value(key).is_some()) {
        let message = format!("{}: `{KEY}` and `{key}` exclude each other", section.title);
        section.walk.report(Diagnostic::new(ConfigCode::Contradiction, message).at(section.key_span(key)));
    }
    let text = section.text(KEY)?;
    let factor = match section.value("multiplier") {
        Some(_) => Some(multiplier(section)?),
        None => None,
    };
    let of = ModelName::parse(&text.text);
    let is_configured = of.as_ref().is_some_and(|of| names.iter().any(|name| name == of.provider.as_str()));
    let known = of.and_then(|of| {
        let found = match (is_configured, factor) {
            (true, None) => listed.get(&of).cloned(),
            (true, Some(factor)) => unraised.get(&of).and_then(|price| times(price, factor)),
            (false, _) => {
                let list = Shipped::from_word(of.provider.as_str())?;
                let model = list.catalogue().ok()?.models.get(of.model.as_str())?;
                match factor {
                    // Where it is served is not known: with the factor of regions, if it may have one.
                    None => list.price(model, ""),
                    Some(factor) => times(&model.price, factor),
                }
            }
        };
        Some((of, found?))
    });
    let Some((of, price)) = known else {
        absent(section, &text, is_configured);
        return None;
    };
    let states_cost = section.boolean("states_cost").unwrap_or(price.states_cost);
    let max: [Option<Tokens>; 2] = ["max_input", "max_output"].map(|key| limit(section, key, Some(&price)));
    let [max_input, max_output] = max;
    Some((of, Price { max_input, max_output, states_cost, ..price }))
}

fn absent(section: &Section<'_>, text: &Text, is_configured: bool) {
    let message = format!("{}: `{}` has no listed price to copy", section.title, text.text);
    let wrong = Diagnostic::new(ConfigCode::UnknownReference, message).at(text.span.clone());
    section.walk.report(wrong.help(if is_configured {
        "name a model of the provider's list; `haltline prices list` shows them"
    } else {
        "write PROVIDER/MODEL with a configured provider, or a list and its model: `haltline prices list` shows them"
    }));
}
