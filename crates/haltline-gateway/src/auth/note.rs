//! What is written down of an identity with work that outlives its request: jobs, dead letters,
//! streams that a later process goes on with. It charges the work to whom it was done for, whatever
//! the credential was. No secret is in it.

use super::{Identity, OfBrowser};
use crate::gateway::Gateway;
use crate::jobs::Order;
use crate::line;
use crate::problem::Problem;
use haltline_ports::{KeyRecord, KeyRules, UserClaims};
use haltline_types::{Code, Name, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Before the name of an issuer, in the name of the key that stands for it. No API key's name has a
/// colon.
const ISSUER: &str = "jwt:";

/// What an identity consists of besides the name of its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    browser: Option<OfBrowser>,
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
    /// What must be known of a proved user later, beside the name of the key.
    pub(crate) fn of(key: &KeyRecord, user: &Name, tags: &[(Name, Name)], browser: Option<&OfBrowser>) -> Self {
        Self {
            team: key.team.as_ref().map(ToString::to_string),
            tier: key.tier.as_ref().map(ToString::to_string),
            user: user.to_string(),
            models: key.models.iter().map(ToString::to_string).collect(),
            tags: tags.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
            browser: browser.cloned(),
        }
    }

    fn identity(&self, key: KeyRecord) -> Identity {
        let user = Name::new(&self.user);
        let tags = self.tags.iter().map(|(name, value)| (Name::new(name), Name::new(value))).collect();
        let key = KeyRecord { users: UserClaims::Listed(vec![user.clone()]), models: names(&self.models), ..key };
        Identity { key: Arc::new(key), user: Some(user), tags, browser: self.browser.clone(), issued: None }
    }
}

fn names(texts: &[String]) -> Vec<Name> {
    texts.iter().map(|text| Name::new(text)).collect()
}

impl Gateway {
    /// Whom work is for that was written down with this key and this note. The key, or the issuer
    /// that it stands for, must still be one of ours; team, tier, models and tags are those of the
    /// arrival where a token named them.
    ///
    /// # Errors
    /// `key_invalid` when it is not there any more, and as `check_record`.
    pub(crate) fn identity_named(&self, key: &str, note: Option<&IdentityNote>) -> Result<Identity, Problem> {
        let gone = |what: String| Problem::new(Code::KeyInvalid, format!("{what} is not there any more."));
        if let Some(issuer) = issuer_of_key(key) {
            let is_known = self.live.load().settings.auth.jwt.contains_key(issuer);
            let note = note.filter(|_| is_known);
            let note = note.ok_or_else(|| gone(format!("The issuer \"{issuer}\" whose token this was made with")))?;
            let name = |text: &String| Name::new(text);
            let (team, tier) = (note.team.as_ref().map(name), note.tier.as_ref().map(name));
            let record = virtual_key(Name::new(key), team, tier, Name::new(&note.user), Vec::new());
            return Ok(note.identity(record));
        }
        let known = self.keys.list().into_iter().find(|known| *known.name == *key);
        let record = known.ok_or_else(|| gone(format!("The key \"{key}\" that this was made with")))?;
        let record = line::check_record(self, record)?;
        Ok(match note {
            Some(note) => note.identity(KeyRecord::clone(&record)),
            None => Identity::of_key(record),
        })
    }

    /// Whom a job is for.
    ///
    /// # Errors
    /// As `identity_named`.
    pub(crate) fn identity_of(&self, order: &Order) -> Result<Identity, Problem> {
        self.identity_named(&order.key, order.identity.as_ref())
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
        description: String::new(),
        created_by: None,
        old: None,
        rules: KeyRules::default(),
    }
}
