//! What a credential has proved besides its key, as it is kept with work that goes on later: jobs, and
//! streams that a restart has cut. No secret; what it allowed is not widened by waiting.

use super::Identity;
use haltline_ports::{KeyRecord, UserClaims};
use haltline_types::Name;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What was proved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Proved {
    pub(crate) user: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tags: Vec<(String, String)>,
    /// Models that it was narrowed to; empty = the key's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) models: Vec<String>,
    /// Its sign-in, where that has a budget of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) browser_token: Option<String>,
    /// Was it a browser's?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_browser: bool,
}

impl Proved {
    /// What an identity has proved; `None` for a key by itself.
    pub(crate) fn by(identity: &Identity) -> Option<Self> {
        let user = identity.user.as_ref()?;
        let sign_in = identity.sign_in.as_ref();
        Some(Self {
            user: user.to_string(),
            tags: identity.tags.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
            models: sign_in.map(|grant| grant.models.clone()).unwrap_or_default(),
            browser_token: sign_in.filter(|grant| grant.budget.is_some()).map(|grant| grant.id.clone()),
            is_browser: sign_in.is_some(),
        })
    }

    /// The key within what was proved.
    pub(crate) fn narrow(&self, key: &Arc<KeyRecord>) -> Arc<KeyRecord> {
        if !self.is_browser {
            return Arc::clone(key);
        }
        let granted = |model: &&Name| self.models.is_empty() || self.models.iter().any(|granted| **granted == ***model);
        let models: Vec<Name> = if key.models.is_empty() {
            self.models.iter().map(|model| Name::new(model)).collect()
        } else if key.models.iter().any(|model| granted(&model)) {
            key.models.iter().filter(granted).cloned().collect()
        } else {
            // Nothing is left, and an empty list would mean all of them.
            vec![Name::new("")]
        };
        Arc::new(KeyRecord { models, users: UserClaims::Listed(vec![Name::new(&self.user)]), ..KeyRecord::clone(key) })
    }
}

impl Identity {
    /// Whom work is for that was begun earlier, by a key as it is now and what was proved then.
    pub(crate) fn of_earlier(key: &Arc<KeyRecord>, proved: Option<&Arc<Proved>>) -> Self {
        let Some(proved) = proved else { return Self::of_key(Arc::clone(key)) };
        Self {
            key: proved.narrow(key),
            user: Some(Name::new(&proved.user)),
            tags: proved.tags.iter().map(|(name, value)| (Name::new(name), Name::new(value))).collect(),
            sign_in: None,
            earlier: Some(Arc::clone(proved)),
        }
    }
}
