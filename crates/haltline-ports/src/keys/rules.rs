//! What a key may do, besides the models that it may ask for: where, from where, how fast, for how much.
//! Each rule is written as people write it, in files and on the command line alike.

use super::network::Network;
use haltline_ledger::{OnFull, Window, Zone};
use haltline_policy::limits::LimitUnit;
use haltline_types::{Amount, format_duration, parse_duration};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

/// How many budgets, limits or networks one key has at most.
pub const RULES_MAX: usize = 8;
/// The longest stretch of a rate limit; what is longer is a budget.
const PER_MAX: Duration = Duration::from_secs(86_400);

/// The rules of one key.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct KeyRules {
    /// Budgets of its own; the configuration's hold besides.
    pub budgets: Vec<KeyBudget>,
    /// Rate limits of its own; the configuration's hold besides.
    pub limits: Vec<KeyLimit>,
    /// Groups of routes that it may use; empty = all.
    pub routes: Vec<RouteGroup>,
    /// Where its clients are; empty = anywhere.
    pub networks: Vec<Network>,
}

/// A budget of one key: `$5/day`, `100000 tokens/1h`, `$50/month warn`. Calendar windows are in UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyBudget {
    /// The most that may be spent and held.
    pub limit: Amount,
    /// The time over which it is counted.
    pub window: Window,
    /// What a full account does.
    pub on_full: OnFull,
}

/// A rate limit of one key: `10/10s`, `5000 tokens/1m`, `3 at once`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyLimit {
    /// So much in any stretch of time.
    Rate {
        /// How much.
        limit: u64,
        /// Of what.
        unit: LimitUnit,
        /// In which time.
        per: Duration,
    },
    /// So many requests at the same time.
    AtOnce(u32),
}

/// Routes that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the word that it has on the wire, and `about` says what it is")]
pub enum RouteGroup {
    Chat,
    Responses,
    Messages,
    Embeddings,
    Gemini,
    Ui,
    Jobs,
    Sessions,
    Streams,
    Cache,
    Models,
    Records,
    Auth,
}

impl RouteGroup {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Chat,
        Self::Responses,
        Self::Messages,
        Self::Embeddings,
        Self::Gemini,
        Self::Ui,
        Self::Jobs,
        Self::Sessions,
        Self::Streams,
        Self::Cache,
        Self::Models,
        Self::Records,
        Self::Auth,
    ];

    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Responses => "responses",
            Self::Messages => "messages",
            Self::Embeddings => "embeddings",
            Self::Gemini => "gemini",
            Self::Ui => "ui",
            Self::Jobs => "jobs",
            Self::Sessions => "sessions",
            Self::Streams => "streams",
            Self::Cache => "cache",
            Self::Models => "models",
            Self::Records => "records",
            Self::Auth => "auth",
        }
    }
}

impl KeyRules {
    /// Whether the key may use these routes.
    #[must_use]
    pub fn allows_route(&self, route: RouteGroup) -> bool {
        self.routes.is_empty() || self.routes.contains(&route)
    }

    /// Whether its clients may be there. Who restricts addresses lets nobody in of whom none is known.
    #[must_use]
    pub fn allows_address(&self, from: Option<IpAddr>) -> bool {
        self.networks.is_empty() || from.is_some_and(|from| self.networks.iter().any(|network| network.contains(from)))
    }

    /// Whether the rules can be kept: not too many, no two budgets that count the same.
    ///
    /// # Errors
    /// A sentence that says what to change.
    pub fn check(&self) -> Result<(), String> {
        let too_many = |what: &str| Err(format!("a key has at most {RULES_MAX} {what}"));
        if self.budgets.len() > RULES_MAX {
            return too_many("budgets");
        }
        if self.limits.len() > RULES_MAX {
            return too_many("rate limits");
        }
        if self.networks.len() > RULES_MAX {
            return too_many("networks");
        }
        for (place, budget) in self.budgets.iter().enumerate() {
            let same = |other: &&KeyBudget| other.name() == budget.name();
            if self.budgets.iter().take(place).any(|other| same(&other)) {
                return Err(format!("a key has one budget of a kind, but `{budget}` is another of the same"));
            }
        }
        for (place, limit) in self.limits.iter().enumerate() {
            if self.limits.iter().take(place).any(|other| other.name() == limit.name()) {
                return Err(format!("a key has one rate limit of a kind, but `{limit}` is another of the same"));
            }
        }
        Ok(())
    }
}

impl KeyBudget {
    /// What the part of a budget's name after the key is called: `day`, `1h/tokens`, `day/warn`.
    #[must_use]
    pub fn name(&self) -> String {
        let mut name = self.window.to_string();
        if self.limit.unit() != haltline_types::Unit::Usd {
            name.push('/');
            name.push_str(self.limit.unit().word());
        }
        if self.on_full == OnFull::Warn {
            name.push_str("/warn");
        }
        name
    }
}

impl KeyLimit {
    /// What the part of a limit's name after the key is called: `10s`, `1m/tokens`, `at-once`.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Rate { unit: LimitUnit::Requests, per, .. } => format_duration(*per),
            Self::Rate { unit: LimitUnit::Tokens, per, .. } => format!("{}/tokens", format_duration(*per)),
            Self::AtOnce(_) => "at-once".to_owned(),
        }
    }
}

impl FromStr for KeyBudget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: String| format!("`{text}` is not a budget ({why}); write it like $5/day or 100000 tokens/1h");
        let (rest, on_full) = match text.trim().strip_suffix(" warn") {
            Some(rest) => (rest, OnFull::Warn),
            None => (text, OnFull::Refuse),
        };
        let (limit, window) = rest.rsplit_once('/').ok_or_else(|| wrong("no window".to_owned()))?;
        let limit: Amount = limit.trim().parse().map_err(wrong)?;
        let window = Window::parse(window.trim(), &Zone::utc()).map_err(wrong)?;
        let budget = Self { limit, window, on_full };
        super::budgets::check(&budget).map_err(wrong)?;
        Ok(budget)
    }
}

impl fmt::Display for KeyBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.limit, self.window)?;
        if self.on_full == OnFull::Warn { f.write_str(" warn") } else { Ok(()) }
    }
}

impl FromStr for KeyLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is not a rate limit; write it like 10/10s, 5000 tokens/1m or 3 at once, up to a day");
        if let Some(count) = text.trim().strip_suffix(" at once") {
            let count = count.trim().parse().ok().filter(|count: &u32| *count > 0);
            return count.map(Self::AtOnce).ok_or_else(wrong);
        }
        let (amount, per) = text.trim().rsplit_once('/').ok_or_else(wrong)?;
        let (count, unit) = match amount.split_once(' ') {
            None => (amount, LimitUnit::Requests),
            Some((count, "requests")) => (count, LimitUnit::Requests),
            Some((count, "tokens")) => (count, LimitUnit::Tokens),
            Some(_) => return Err(wrong()),
        };
        let limit = count.trim().parse().ok().filter(|limit: &u64| *limit > 0).ok_or_else(wrong)?;
        let per = parse_duration(per.trim()).ok().filter(|per| !per.is_zero() && *per <= PER_MAX).ok_or_else(wrong)?;
        Ok(Self::Rate { limit, unit, per })
    }
}

impl fmt::Display for KeyLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate { limit, unit: LimitUnit::Requests, per } => write!(f, "{limit}/{}", format_duration(*per)),
            Self::Rate { limit, unit: LimitUnit::Tokens, per } => write!(f, "{limit} tokens/{}", format_duration(*per)),
            Self::AtOnce(count) => write!(f, "{count} at once"),
        }
    }
}

impl FromStr for RouteGroup {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|group| group.word() == text).ok_or_else(|| {
            let words: Vec<_> = Self::ALL.into_iter().map(Self::word).collect();
            format!("`{text}` is no group of routes; there are {}", words.join(", "))
        })
    }
}

impl fmt::Display for RouteGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_shown_as_they_are_read() {
        for text in ["$5.00/day", "100000 tokens/1h", "$0.50/month warn", "7 requests/90s"] {
            assert_eq!(text.parse::<KeyBudget>().map(|budget| budget.to_string()), Ok(text.to_owned()));
        }
        for text in ["10/10s", "5000 tokens/1m", "3 at once"] {
            assert_eq!(text.parse::<KeyLimit>().map(|limit| limit.to_string()), Ok(text.to_owned()));
        }
        for group in RouteGroup::ALL {
            assert_eq!(group.word().parse(), Ok(group));
        }
    }

    #[test]
    fn what_is_no_rule_is_refused_with_an_example() {
        for text in ["$5", "$0/day", "-$5/day", "$5/year", "five/day", "$5/30s", "$99999999999/day", "$5/32d"] {
            assert!(text.parse::<KeyBudget>().is_err_and(|why| why.contains("write it like")), "{text}");
        }
        for text in ["10", "0/10s", "-1/10s", "10/0s", "10/2d", "0 at once", "5 dollars/1m", "tokens/1m"] {
            assert!(text.parse::<KeyLimit>().is_err_and(|why| why.contains("write it like")), "{text}");
        }
        assert!("chats".parse::<RouteGroup>().is_err_and(|why| why.contains("embeddings")));
    }

    #[test]
    fn one_budget_of_a_kind() {
        let rules = |budgets: &[&str]| KeyRules {
            budgets: budgets.iter().map(|text| text.parse().expect("a budget")).collect(),
            ..KeyRules::default()
        };
        assert_eq!(rules(&["$5/day", "$5/month", "5 requests/day", "$3/day warn"]).check(), Ok(()));
        assert!(rules(&["$5/day", "$6/day"]).check().is_err());
        assert!(rules(&["$1/1h"; 9]).check().is_err());
    }

    #[test]
    fn who_restricts_addresses_lets_nobody_in_of_whom_none_is_known() {
        let rules = KeyRules { networks: vec!["10.0.0.0/8".parse().expect("a network")], ..KeyRules::default() };
        assert!(rules.allows_address(Some("10.1.2.3".parse().expect("an address"))));
        assert!(!rules.allows_address(Some("11.1.2.3".parse().expect("an address"))));
        assert!(!rules.allows_address(None));
        assert!(KeyRules::default().allows_address(None));
    }
}
