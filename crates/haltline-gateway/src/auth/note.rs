//! What is written down of an identity with work that outlives its request: jobs, dead letters,
//! streams that a later process goes on with. It charges the work to whom it was done for, whatever
//! the credential was. No secret is in it.

use super::Identity;
use super::settings::AuthSettings;
use haltline_ports::{KeyRecord, UserClaims};
use haltline_types::{Name, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Before the name of an issuer, in the name of the key that stands for it. No API key's name has a
/// colon.
const ISSUER: &str = "jwt:";

/// What an identity consists of besides the name of its key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IdentityNote {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    team: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tier: Option<String>,
    user: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    models: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<(String, String)>,
}

/// The key that stands for an issuer.
pub(crate) fn key_of_issuer(issuer: &Name) -> Name {
    Name::from(format!("{ISSUER}{issuer}"))
}

/// The issuer that a key stands for, if it stands for one.
pub(crate) fn issuer_of_key(key: &str) -> Option<&str> {
    key.strip_prefix(ISSUER)
}

impl IdentityNote {
    /// What must be known of it later; `None` where the key's record says it all.
    pub(crate) fn of(key: &KeyRecord, user: Option<&Name>, proved: &[(Name, Name)]) -> Option<Self> {
        issuer_of_key(&key.name)?;
        Some(Self {
            team: key.team.as_ref().map(ToString::to_string),
            tier: key.tier.as_ref().map(ToString::to_string),
            user: user?.to_string(),
            models: key.models.iter().map(ToString::to_string).collect(),
            tags: proved.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
        })
    }

    /// The identity again, as it was; `None` when its issuer's tokens are not taken any more.
    pub(crate) fn identity(&self, key: &str, settings: &AuthSettings) -> Option<Identity> {
        let issuer = issuer_of_key(key)?;
        settings.jwt.get(issuer)?;
        let name = |text: &String| Name::new(text);
        let user = Name::new(&self.user);
        let record = virtual_key(
            Name::new(key),
            self.team.as_ref().map(name),
            self.tier.as_ref().map(name),
            user.clone(),
            self.models.iter().map(name).collect(),
        );
        let tags = self.tags.iter().map(|(name, value)| (Name::new(name), Name::new(value))).collect();
        Some(Identity { key: Arc::new(record), user: Some(user), tags })
    }
}

/// The record of a key that nobody holds: it stands for an issuer, as one of its users sees it. It
/// speaks for that user alone.
pub(crate) fn virtual_key(
    name: Name,
    team: Option<Name>,
    tier: Option<Name>,
    user: Name,
    models: Vec<Name>,
) -> KeyRecord {
    KeyRecord {
        name,
        // Found by nothing: no secret is hashed to zeros.
        hash: [0; 32],
        hint: String::new(),
        team,
        tier,
        users: UserClaims::Listed(vec![user]),
        models,
        created: Timestamp::from_millis(0),
        expires: None,
        frozen: false,
    }
}
