//! What an operator may say about the output guard, and what is wrong with it.

use super::hit::Action;
use std::collections::BTreeMap;
use std::fmt;

/// Which rules look at answers, and what follows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OutputOptions {
    /// Built-in and own rules for secrets.
    pub secrets: SecretOptions,
    /// Confidential phrases, forbidden topics.
    pub phrases: Vec<Phrase>,
    /// Words that stand in system prompts only to show a leak. Found exactly as they are.
    pub canaries: Vec<String>,
    /// What follows when a canary is found; [`Action::Cut`] is usual.
    pub canary_action: Option<Action>,
    /// Personal data.
    pub pii: PiiOptions,
    /// What follows when the answer repeats the system prompt; [`Action::Flag`] is usual, and
    /// [`Action::Redact`] is read as it.
    pub prompt_leak_action: Option<Action>,
}

/// Which secrets are looked for.
#[derive(Clone, Debug, PartialEq)]
pub struct SecretOptions {
    /// The built-in rules that are on.
    pub rules: RuleSet,
    /// Built-in rules that are off.
    pub except: Vec<String>,
    /// What follows, if `actions` does not say.
    pub action: Action,
    /// What follows, by rule.
    pub actions: BTreeMap<String, Action>,
    /// What follows in the arguments of tools.
    pub in_arguments: InArguments,
    /// The operator's own formats.
    pub own: Vec<SecretPattern>,
}

impl Default for SecretOptions {
    fn default() -> Self {
        Self {
            rules: RuleSet::Default,
            except: Vec::new(),
            action: Action::Redact,
            actions: BTreeMap::new(),
            in_arguments: InArguments::OnlyKeys,
            own: Vec::new(),
        }
    }
}

/// A choice of built-in rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleSet {
    /// None of them.
    None,
    /// All but those that are often wrong.
    Default,
    /// All of them.
    All,
}

/// What follows from a secret in the arguments of a tool. A redacted argument changes what the tool
/// does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InArguments {
    /// Private keys and Haltline's own keys as in text, all others are flagged.
    OnlyKeys,
    /// As in text.
    AsInText,
    /// All are flagged.
    Flagged,
}

/// An operator's own format of a secret: a literal beginning and a run of letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretPattern {
    /// Its name, for placeholders and records: small letters, digits, `_` and `-`.
    pub id: String,
    /// The literal beginning, 3 to 29 bytes of ASCII without spaces.
    pub prefix: String,
    /// The letters that follow it: `A-Za-z0-9_-`.
    pub class: String,
    /// The least number of them; with it the secret is certain. At most 96.
    pub min: u16,
    /// The most that are replaced; what follows passes.
    pub max: Option<u16>,
    /// What follows; as for other secrets if nothing is said.
    pub action: Option<Action>,
}

/// A confidential phrase, or the words of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phrase {
    /// Its name, for placeholders and records.
    pub id: String,
    /// Any of these is found: whole words, whatever the case, the width and the spaces between.
    pub any: Vec<String>,
    /// What follows.
    pub action: Action,
}

/// Personal data that is looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PiiOptions {
    /// The kinds.
    pub kinds: Vec<PiiKind>,
    /// What follows: [`Action::Redact`] if nothing is said.
    pub action: Option<Action>,
    /// Placeholders that stand for others than [`PiiKind::placeholder`].
    pub placeholders: BTreeMap<PiiKind, String>,
}

/// A kind of personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PiiKind {
    /// Payment cards, with their check digit.
    Card,
    /// IBANs, with their check digits.
    Iban,
    /// Addresses of e-mail.
    Email,
    /// Telephone numbers that begin with `+`.
    Phone,
    /// Social security numbers of the United States, in three groups.
    Ssn,
    /// Addresses of IPv4.
    Ipv4,
}

impl PiiKind {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Card, Self::Iban, Self::Email, Self::Phone, Self::Ssn, Self::Ipv4];

    /// The word for configurations and records.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Card => "card",
            Self::Iban => "iban",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Ssn => "ssn",
            Self::Ipv4 => "ipv4",
        }
    }

    /// The kind of a word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// What stands in its place.
    #[must_use]
    pub const fn placeholder(self) -> &'static str {
        match self {
            Self::Card => "[CARD]",
            Self::Iban => "[IBAN]",
            Self::Email => "[EMAIL]",
            Self::Phone => "[PHONE]",
            Self::Ssn => "[SSN]",
            Self::Ipv4 => "[IP]",
        }
    }
}

/// Why options cannot be followed, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputRulesError {
    /// No built-in rule has this name.
    UnknownRule(String),
    /// A name has other letters than it may, or stands twice.
    BadId(String),
    /// A pattern of a secret has no literal beginning: it could not be found while an answer streams.
    NoPrefix(String),
    /// A pattern's run is empty, or longer than can be held.
    BadRun(String),
    /// A phrase or canary has nothing that could be found, or is longer than can be held.
    BadPhrase(String),
    /// There is more than fits into the tables.
    TooMany,
}

impl fmt::Display for OutputRulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownRule(id) => {
                write!(f, "no built-in rule is called {id:?}: the names are in docs/reference/output-guard.md")
            }
            Self::BadId(id) => write!(
                f,
                "{id:?} cannot be the name of a rule: use 1 to 48 small letters, digits, '_' and '-', and each name once"
            ),
            Self::NoPrefix(id) => write!(
                f,
                "the secret {id:?} needs a prefix of 3 to 29 bytes of ASCII without spaces: without one, all text \
                 would have to wait while an answer streams"
            ),
            Self::BadRun(id) => write!(
                f,
                "the secret {id:?} needs a class of ASCII letters such as A-Za-z0-9_- and a min from 4 to 96, not \
                 above max: no more than that is held while an answer streams"
            ),
            Self::BadPhrase(id) => write!(f, "{id:?} needs phrases of 2 to 120 letters each: no more is held"),
            Self::TooMany => f.write_str("there are more rules than can be compiled: remove some phrases or secrets"),
        }
    }
}

impl std::error::Error for OutputRulesError {}
