//! What the gateway is told about credentials that are no API keys: whose tokens it takes, where
//! their keys are, and what their claims mean. Plain data.

use super::Identity;
use super::browser::BrowserSettings;
use super::jwt::mapping;
use super::note::key_of_issuer;
use haltline_jwt::{ClaimPath, KeySet, Rules, Verified};
use haltline_ports::Reach;
use haltline_types::Name;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Who may come in besides the bearers of API keys.
#[derive(Clone, Debug, Default)]
pub struct AuthSettings {
    /// Issuers of JSON Web Tokens, by the names that the operator gives them. No two have the same
    /// `iss`.
    pub jwt: BTreeMap<Name, IssuerSettings>,
    /// How browsers sign in; none where they cannot.
    pub browser: Option<BrowserSettings>,
}

/// An issuer whose tokens are taken.
#[derive(Clone, Debug)]
pub struct IssuerSettings {
    /// What its tokens must fulfil.
    pub rules: Rules,
    /// Where its keys are.
    pub keys: KeySource,
    /// What their claims mean here.
    pub mapping: Mapping,
}

impl IssuerSettings {
    /// Who a token is that was verified, to the issuer of this name.
    ///
    /// # Errors
    /// Which claim is wrong and how; a sentence without a full stop.
    pub fn identity(&self, name: &Name, token: &Verified) -> Result<Identity, String> {
        mapping::identity(&self.mapping, &key_of_issuer(name), token)
    }
}

/// Where an issuer's keys are.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// Read with the configuration, and with each reload of it.
    Fixed(Arc<KeySet>),
    /// Fetched in the background.
    Fetched(FetchSettings),
}

/// How an issuer's keys are fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchSettings {
    /// From where.
    pub from: KeysFrom,
    /// How far the way may lead.
    pub reach: Reach,
    /// The longest time between two fetches.
    pub refresh: Duration,
    /// For how long after that keys serve on while they cannot be fetched.
    pub stale_for: Duration,
}

impl FetchSettings {
    /// Between two fetches, when nothing is said.
    pub const REFRESH: Duration = Duration::from_secs(3600);
    /// For an outage of the identity provider, when nothing is said.
    pub const STALE_FOR: Duration = Duration::from_secs(86_400);

    /// The usual times.
    #[must_use]
    pub fn from(from: KeysFrom, reach: Reach) -> Self {
        Self { from, reach, refresh: Self::REFRESH, stale_for: Self::STALE_FOR }
    }
}

/// From where keys are fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeysFrom {
    /// From this URL.
    Url(String),
    /// From where the issuer's `/.well-known/openid-configuration` says.
    Discovery,
}

/// What the claims of an issuer's tokens mean. A claim that is named must be in the token, unless a
/// fixed value is there to stand in for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The user.
    pub user: ClaimPath,
    /// Before the user's name, so that equal names of two issuers are two users to budgets.
    pub user_prefix: String,
    /// The team.
    pub team: Said,
    /// The tier.
    pub tier: Said,
    /// Tags, by name.
    pub tags: BTreeMap<Name, Said>,
    /// A list of models, or one string with spaces between them.
    pub models: Option<ClaimPath>,
    /// Models where the token names none; empty = all.
    pub models_are: Vec<Name>,
}

impl Default for Mapping {
    fn default() -> Self {
        Self {
            user: ClaimPath::SUBJECT,
            user_prefix: String::new(),
            team: Said::default(),
            tier: Said::default(),
            tags: BTreeMap::new(),
            models: None,
            models_are: Vec::new(),
        }
    }
}

/// Who says something of a user: the token, the operator, both or nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// The claim that says it.
    pub claim: Option<ClaimPath>,
    /// What holds where no claim says it.
    pub fixed: Option<Name>,
}
