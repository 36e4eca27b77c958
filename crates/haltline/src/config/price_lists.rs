//! Which price lists a configuration uses: those of the program, or `[prices] source` in their
//! place; what they say of its providers; and what has grown old in them.

use super::codes::ConfigCode;
use super::diagnostic::{Diagnostic, Diagnostics};
use super::models;
use super::place::StoreSettings;
use super::prices::insert_or_remove;
use super::reader::Section;
use super::redact::Redacted;
use super::value::Text;
use crate::prices::days::{day_of, days_between, midnight};
use crate::prices::remote::{Fetched, is_remote};
use crate::prices::{
    Catalogue, CatalogueError, MAX_AGE_DAYS, RETIRES_SOON_DAYS, Shipped, read, shipped_for, simulated,
};
use haltline_gateway::settings::{ProviderKind, ProviderSettings};
use haltline_policy::price::Price;
use haltline_types::{ModelName, Name, Timestamp};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

/// The key of `[prices]` that is no model.
pub(super) const SOURCE: &str = "source";

/// Checks a price list as a configuration is checked: with all that is wrong, or what is
/// questionable in a sound one. `file` is its name in messages.
///
/// # Errors
/// Everything that is wrong with it.
pub fn check_list(file: &str, text: &str, now: Timestamp) -> Result<(Catalogue, Diagnostics), Box<Diagnostics>> {
    let found = |items| Diagnostics { file: file.to_owned(), source: Redacted::new(text, &[]), items };
    let at = |diagnostic: Diagnostic, span: Option<Range<usize>>| match span {
        Some(span) => diagnostic.at(span),
        None => diagnostic,
    };
    match read(text) {
        Ok(catalogue) => {
            let age = age_of(&catalogue, now);
            let message = format!("the prices of `{}` are {age} days old", catalogue.provider);
            let place = text.find(&catalogue.as_of).map(|start| start..start + catalogue.as_of.len());
            let is_old = age > MAX_AGE_DAYS;
            let stale = is_old.then(|| at(Diagnostic::new(ConfigCode::StalePrices, message), place));
            Ok((catalogue, found(stale.into_iter().collect())))
        }
        Err(CatalogueError::Models(wrong)) => {
            let items = wrong.into_iter().map(|wrong| {
                // The fields of a table begin after its header, which is what names the model.
                let header = format!("[models.\"{}\"]", wrong.model);
                let place = text.find(&header).map_or(wrong.span, |start| start..start + header.len());
                Diagnostic::new(ConfigCode::Price, format!("{}: {}", wrong.model, wrong.why)).at(place)
            });
            Err(Box::new(found(items.collect())))
        }
        Err(CatalogueError::Shape(why, place)) => {
            Err(Box::new(found(vec![at(Diagnostic::new(ConfigCode::PriceList, why.trim_end()), place)])))
        }
        Err(CatalogueError::Absent) => Err(Box::new(found(Vec::new()))),
    }
}

fn age_of(catalogue: &Catalogue, now: Timestamp) -> u64 {
    midnight(&catalogue.as_of).map_or(u64::MAX, |as_of| days_between(as_of, now))
}

/// The list of one configured provider.
pub(super) struct List {
    catalogue: Cow<'static, Catalogue>,
    /// How its prices depend on the address; `None` where they do not.
    shipped: Option<Shipped>,
    /// Where it is named; `None` when it is the program's own.
    place: Option<Range<usize>>,
}

/// What providers cost before the configuration says anything of it.
#[derive(Default)]
pub(super) struct ShippedPrices {
    /// With the factors of regions.
    pub(super) prices: BTreeMap<ModelName, Price>,
    /// Without them: what an operator's own factor multiplies.
    pub(super) unraised: BTreeMap<ModelName, Price>,
}

/// The lists of the providers that have one.
pub(super) fn lists(
    root: &Section<'_>,
    providers: &BTreeMap<Name, ProviderSettings>,
    store: &StoreSettings,
) -> BTreeMap<Name, List> {
    let own = sources(root, store);
    let mut lists = BTreeMap::new();
    for (name, provider) in providers {
        let shipped = shipped_for(provider);
        let is_of = |list: &&(Catalogue, Range<usize>)| {
            list.0.provider == name.as_str() || shipped.is_some_and(|shipped| shipped.word() == list.0.provider)
        };
        // The last one named goes before the others.
        if let Some((catalogue, place)) = own.iter().rev().find(is_of) {
            let list = List { catalogue: Cow::Owned(catalogue.clone()), shipped, place: Some(place.clone()) };
            lists.insert(name.clone(), list);
            continue;
        }
        let Some(shipped) = shipped else { continue };
        match shipped.catalogue() {
            Ok(catalogue) => {
                let list = List { catalogue: Cow::Borrowed(catalogue), shipped: Some(shipped), place: None };
                lists.insert(name.clone(), list);
            }
            Err(error) => {
                let message = format!("the shipped price list `{}` is damaged: {error}", shipped.word());
                root.walk.report(Diagnostic::new(ConfigCode::PriceList, message));
            }
        }
    }
    lists
}

/// `[prices] source`: one file or address, or several.
fn sources(root: &Section<'_>, store: &StoreSettings) -> Vec<(Catalogue, Range<usize>)> {
    let Some(value) = root.value("prices") else { return Vec::new() };
    let section = value.into_section("[prices]".to_owned(), root.key_span("prices"));
    let texts = section.texts(SOURCE).unwrap_or_default();
    texts.iter().filter_map(|text| Some((source(root, text, store)?, text.span.clone()))).collect()
}

fn source(root: &Section<'_>, text: &Text, store: &StoreSettings) -> Option<Catalogue> {
    let report = |code, message: String, help: &str| {
        root.walk.report(Diagnostic::new(code, message).at(text.span.clone()).help(help));
    };
    let (name, content) = if is_remote(&text.text) {
        let data = match store {
            StoreSettings::File(path) => Some(path.as_path()),
            StoreSettings::Memory => None,
        };
        match (root.walk.outside.fetch)(&text.text, data) {
            Ok(Fetched { text: content, warning }) => {
                if let Some(warning) = warning {
                    root.walk.report(Diagnostic::new(ConfigCode::NotFetched, warning).at(text.span.clone()));
                }
                (text.text.clone(), content?)
            }
            Err(why) => {
                report(ConfigCode::PriceList, why, "check the address, or name a file");
                return None;
            }
        }
    } else {
        let path = root.walk.outside.base.join(&text.text);
        match (root.walk.outside.read)(&path) {
            Ok(content) => (path.display().to_string(), content),
            Err(error) => {
                let message = format!("the price list {} cannot be read: {error}", path.display());
                report(ConfigCode::PriceList, message, "check the path; it begins at the configuration's folder");
                return None;
            }
        }
    };
    match read(&content) {
        Ok(catalogue) => Some(catalogue),
        Err(error) => {
            let message = format!("{name}: {error}");
            report(ConfigCode::PriceList, message, "`haltline prices check FILE` shows the places");
            None
        }
    }
}

pub(super) fn shipped<'m>(
    providers: &BTreeMap<Name, ProviderSettings>,
    targets: impl Iterator<Item = &'m ModelName>,
    lists: &BTreeMap<Name, List>,
) -> ShippedPrices {
    let mut found = ShippedPrices::default();
    for (name, list) in lists {
        let base_url = providers.get(name).map(|provider| provider.base_url.as_str()).unwrap_or_default();
        for (model, listed) in &list.catalogue.models {
            let model = ModelName { provider: name.clone(), model: Name::new(model) };
            let raised = match list.shipped {
                Some(shipped) => shipped.price(listed, base_url),
                None => Some(listed.price.clone()),
            };
            insert_or_remove(&mut found.prices, &model, raised);
            found.unraised.insert(model, listed.price.clone());
        }
    }
    for target in targets {
        let kind = providers.get(&target.provider).map(|provider| provider.kind);
        if kind == Some(ProviderKind::Simulated) {
            found.prices.insert(target.clone(), simulated());
        }
    }
    found
}

/// Warns of lists that are old, and of targets that are shut down.
pub(super) fn grown_old(
    root: &Section<'_>,
    lists: &BTreeMap<Name, List>,
    models: &BTreeMap<Name, models::Placed>,
    alike: &BTreeMap<ModelName, ModelName>,
) {
    let now = root.walk.outside.now;
    let report = |code, message: String, place: Option<Range<usize>>| {
        let diagnostic = Diagnostic::new(code, message);
        root.walk.report(match place {
            Some(place) => diagnostic.at(place),
            None => diagnostic,
        });
    };
    let mut said = Vec::new();
    for list in lists.values() {
        let age = age_of(&list.catalogue, now);
        let key = (&list.catalogue.provider, &list.place);
        if age > MAX_AGE_DAYS && !said.contains(&key) {
            said.push(key);
            let message = format!("the prices of `{}` are {age} days old", list.catalogue.provider);
            report(ConfigCode::StalePrices, message, list.place.clone());
        }
    }
    let soon = day_of(now.saturating_add(Duration::from_secs(RETIRES_SOON_DAYS * 86_400)));
    let today = day_of(now);
    for model in models.values() {
        for (target, place) in model.settings.targets.iter().zip(&model.targets) {
            let of = alike.get(target).unwrap_or(target);
            let listed = lists.get(&of.provider).and_then(|list| list.catalogue.models.get(of.model.as_str()));
            // Days in this form sort as they follow each other.
            let Some(day) = listed.and_then(|listed| listed.retires.as_ref()).filter(|day| **day <= soon) else {
                continue;
            };
            let verb = if *day <= today { "was shut down on" } else { "is shut down on" };
            report(
                ConfigCode::Retires,
                format!("`{target}` {verb} {day}, the price list says"),
                Some(place.span.clone()),
            );
        }
    }
}
