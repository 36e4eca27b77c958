//! The configuration: reads it, checks all of it, and says everything that is wrong at once. What
//! comes out is plain data; nothing here starts anything.

mod alerts;
mod auth;
mod budgets;
mod cache;
mod codes;
mod diagnostic;
mod find;
mod guard;
mod guard_output;
mod guard_services;
mod jobs;
mod like;
mod models;
mod outside;
mod place;
mod price_lists;
mod prices;
mod provider_keys;
mod providers;
mod rate_limits;
mod reader;
mod redact;
mod render;
mod rules;
mod safe_default;
mod sessions;
#[cfg(test)]
mod tests;
mod tls;
mod value;
mod warnings;
pub mod worst_case;

pub use budgets::RETRIES;
pub use codes::ConfigCode;
pub use diagnostic::{Diagnostic, Diagnostics};
pub use find::{Found, find, load_fetching, load_found};
pub use outside::{FetchResult, Outside, Secrets};
pub use place::{ServerSettings, StoreSettings};
pub use price_lists::check_list;
pub use redact::{Redacted, ShownLine};
pub use render::Paint;
pub use safe_default::{Address, Detected, detect, safe_default};

use haltline_gateway::settings::{DegradeSettings, Settings};
use haltline_ledger::Budgets;
use haltline_ports::UserClaims;
use haltline_store_embedded::Encryption;
use haltline_types::Name;
use reader::{Keys, Section, Walk};
use std::cell::RefCell;
use std::time::Duration;
use toml::de::DeTable;

const SECTIONS: Keys = Keys {
    known: &[
        "server",
        "store",
        "providers",
        "models",
        "prices",
        "budgets",
        "rate_limits",
        "retry",
        "breaker",
        "deadlines",
        "streams",
        "sessions",
        "headroom",
        "bounds",
        "keys",
        "guard",
        "alerts",
        "auth",
        "cache",
        "jobs",
        "responses",
    ],
    later: &["telemetry"],
};

/// A configuration without errors.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What the line is told to do.
    pub settings: Settings,
    /// Where to listen.
    pub server: ServerSettings,
    /// Where to keep things.
    pub store: StoreSettings,
    /// What the store encrypts with; none = what clients say lies there in the clear.
    pub encryption: Option<Encryption>,
    /// What a new key may claim when nothing is said of it.
    pub users: UserClaims,
    /// How long a stream can be resumed after its end.
    pub streams_keep_for: Duration,
    /// What is questionable.
    pub warnings: Diagnostics,
}

/// Reads a configuration. `file` is its name in messages.
///
/// # Errors
/// Everything that is wrong, warnings included, in the order of the file.
pub fn load(file: &str, text: &str, outside: &Outside<'_>, secrets: Secrets) -> Result<Loaded, Box<Diagnostics>> {
    let walk = Walk { outside, secrets, found: RefCell::default(), secret_spans: RefCell::default() };
    let (document, syntax) = DeTable::parse_recoverable(text);
    let root = Section::root(&walk, document.get_ref(), &SECTIONS);
    let read = read(&root);
    let mut items = walk.found.into_inner();
    if !syntax.is_empty() {
        // What could not be parsed is missing only seemingly.
        items.retain(|item| {
            !item.code.is_warning()
                && !matches!(item.code, ConfigCode::MissingKey | ConfigCode::UnknownReference | ConfigCode::Empty)
        });
        items.extend(syntax.iter().map(|error| {
            let item = Diagnostic::new(ConfigCode::Syntax, error.message().trim());
            match error.span() {
                Some(span) => item.at(span),
                None => item,
            }
        }));
    }
    if items.iter().any(|item| !item.code.is_warning()) {
        // What could not be read is missing only seemingly.
        items.retain(|item| !matches!(item.code, ConfigCode::Unpriced | ConfigCode::UnboundedMoney));
    }
    items.sort_by_key(|item| (item.span.as_ref().map_or(usize::MAX, |span| span.start), item.code));
    items.dedup();
    let source = Redacted::new(text, &walk.secret_spans.borrow());
    let found = Diagnostics { file: file.to_owned(), source, items };
    match read {
        Some(read) if found.counts().0 == 0 => Ok(Loaded { warnings: found, ..read }),
        _ => Err(Box::new(found)),
    }
}

/// `None` only after an error was reported.
fn read(root: &Section<'_>) -> Option<Loaded> {
    let walk = root.walk;
    let server = place::server(root);
    let store = place::store(root, &walk.outside.base);
    let encryption = place::encryption(root);
    let headroom = rules::headroom(root);
    let (retry, per_user_per_hour) = rules::retry(root);
    let (streams, streams_keep_for) = rules::streams(root);
    let sessions = sessions::sessions(root);
    let breaker = rules::breaker(root);
    let deadlines = rules::deadlines(root);
    let bounds = rules::bounds(root);
    let users = rules::users(root);
    let names = root.keys_of("providers");
    let providers = providers::providers(root);
    let models = models::models(root, &names, headroom.default_output_tokens);
    let lists = price_lists::lists(root, &providers, &store);
    let budgets = budgets::budgets(root);
    models::check_degrades(root, &models, &names, budgets.degrade_to.as_ref());
    let targets = models::endpoints(&models, budgets.degrade_to.as_ref());
    let shipped = price_lists::shipped(&providers, targets.iter(), &lists);
    let prices = prices::prices(root, &names, shipped);
    price_lists::grown_old(root, &lists, &models, &prices.alike);
    let rate_limits = rate_limits::rate_limits(root);
    let auth = auth::auth(root);
    let all_budgets = budgets.placed.iter().map(|placed| placed.budget.clone());
    let all_budgets = all_budgets.chain(budgets::retries(per_user_per_hour)).chain(budgets::sign_ins(&auth)).collect();
    let guard = guard::guard(root, &models, &names);
    let settings = Settings {
        auth,
        providers,
        models: models.iter().map(|(name, model)| (name.clone(), model.settings.clone())).collect(),
        prices: prices.all.clone(),
        budgets: Budgets::new(all_budgets).ok()?,
        degrade: degrade(&budgets),
        review: guard::provider_reviews(&guard),
        alerts: alerts::alerts(root, &budgets),
        rate_limits: rate_limits.iter().map(|placed| placed.limit.clone()).collect(),
        retry,
        breaker,
        deadlines,
        streams,
        sessions,
        headroom,
        bounds,
        cache: cache::cache(root, &models.keys()),
        jobs: jobs::jobs(root),
        responses: jobs::responses(root),
        guard,
    };
    warnings::report(root, &settings, &users, &models, &prices, &budgets, &rate_limits);
    let source = Redacted::new("", &[]);
    Some(Loaded {
        settings,
        server,
        store,
        encryption,
        users,
        streams_keep_for,
        warnings: Diagnostics { file: String::new(), source, items: Vec::new() },
    })
}

fn degrade(budgets: &budgets::Read) -> DegradeSettings {
    let degrading = |placed: &budgets::Placed| Some((placed.budget.name.clone(), placed.degrade_at?));
    DegradeSettings {
        budgets: budgets.placed.iter().filter_map(degrading).collect(),
        to: budgets.degrade_to.as_ref().map(|text| Name::new(&text.text)),
    }
}
