//! `[[rate_limits]]`.

use super::budgets::scope;
use super::codes::ConfigCode;
use super::diagnostic::Diagnostic;
use super::reader::{Keys, Section};
use haltline_policy::limits::{Algorithm, LimitUnit, RateLimit};
use haltline_types::{Name, Scope, format_duration};
use std::ops::Range;
use std::time::Duration;

const KEYS: Keys = Keys::of(&["name", "scope", "limit", "per", "algorithm", "burst", "unit", "concurrency"]);
/// The rate of a limit that bounds only how many run at once: none that is ever reached.
const NO_RATE: (u64, Duration) = (4_000_000_000, Duration::from_secs(1));
const PER: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(86_400));

/// A limit with the place that warnings point at.
pub(super) struct Placed {
    pub(super) limit: RateLimit,
    pub(super) scope_span: Range<usize>,
}

pub(super) fn rate_limits(root: &Section<'_>) -> Vec<Placed> {
    let mut limits: Vec<Placed> = Vec::new();
    for section in root.list("rate_limits", &KEYS) {
        let Some(mut limit) = rate_limit(&section) else { continue };
        let is_taken = |name: &Name| limits.iter().any(|other| other.limit.name == *name);
        if is_taken(&limit.name) {
            if let Some(name) = section.value("name") {
                let message = format!("two rate limits are called `{}`", limit.name);
                section.walk.report(Diagnostic::new(ConfigCode::NameTaken, message).at(name.span));
            }
            let base = limit.name.clone();
            let free = (2_u32..).map(|number| Name::new(&format!("{base}-{number}"))).find(|name| !is_taken(name));
            limit.name = free.unwrap_or(base);
        }
        let scope_span = section.value("scope").map_or(section.span.clone(), |value| value.span);
        limits.push(Placed { limit, scope_span });
    }
    limits
}

fn rate_limit(section: &Section<'_>) -> Option<RateLimit> {
    let concurrency = section.integer("concurrency", 1..=1_000_000).and_then(|number| u32::try_from(number).ok());
    let only_concurrency =
        section.value("concurrency").is_some() && section.value("limit").is_none() && section.value("per").is_none();
    let (limit, per) = if only_concurrency {
        (Some(NO_RATE.0), Some(NO_RATE.1))
    } else {
        for (key, example) in [("limit", "limit = 10"), ("per", "per = \"10s\"")] {
            if section.value(key).is_none() {
                section.missing(key, example);
            }
        }
        (section.integer("limit", 1..=NO_RATE.0), section.duration("per", PER.0..=PER.1))
    };
    let algorithm = match section.choice("algorithm", &["sliding-window", "token-bucket"], &[]) {
        Some("token-bucket") => Algorithm::TokenBucket,
        _ => Algorithm::SlidingWindow,
    };
    let unit = match section.choice("unit", &["requests", "tokens"], &[]) {
        Some("tokens") => LimitUnit::Tokens,
        _ => LimitUnit::Requests,
    };
    let burst = section.integer("burst", 1..=NO_RATE.0);
    if burst.is_some() && algorithm == Algorithm::SlidingWindow {
        let message = "`burst` belongs to a token bucket; a sliding window has none".to_owned();
        let wrong = Diagnostic::new(ConfigCode::Contradiction, message).at(section.key_span("burst"));
        section.walk.report(wrong.help("write algorithm = \"token-bucket\", or remove `burst`"));
    }
    let scope = scope(section)?;
    let name = section.text("name").map(|name| name.text).filter(|name| !name.is_empty());
    let per = per?;
    let name = name.unwrap_or_else(|| own_name(&scope, per, only_concurrency));
    Some(RateLimit { name: Name::new(&name), scope, limit: limit?, per, algorithm, burst, unit, concurrency })
}

/// `user-10s`, `key-concurrency`.
fn own_name(scope: &Scope, per: Duration, only_concurrency: bool) -> String {
    let scope = scope.to_string().replace(',', "-");
    if only_concurrency { format!("{scope}-concurrency") } else { format!("{scope}-{}", format_duration(per)) }
}
