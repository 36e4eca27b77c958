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

    /// What it was then, within what the key allows now; `None` where that is nothing.
    fn identity(&self, key: &KeyRecord) -> Option<Identity> {
        let user = Name::new(&self.user);
        let tags = self.tags.iter().map(|(name, value)| (Name::new(name), Name::new(value))).collect();
        let key = Arc::new(within(key, &user, &self.models)?);
        Some(Identity { key, user: Some(user), tags, browser: self.browser.clone(), issued: None })
    }
}

/// A key's record as one of its users has it who was granted these models, or all; `None` where the key may not speak
/// for the user, or use any of them.
pub(super) fn within(key: &KeyRecord, user: &Name, granted: &[String]) -> Option<KeyRecord> {
    let may_speak = match &key.users {
        UserClaims::Any => true,
        UserClaims::Listed(users) => users.contains(user),
        UserClaims::None => false,
    };
    let is_granted = |model: &&Name| granted.iter().any(|granted| *granted == ***model);
    let models = match (granted.is_empty(), key.models.is_empty()) {
        (true, _) => key.models.clone(),
        (false, true) => names(granted),
        (false, false) => {
            let both: Vec<Name> = key.models.iter().filter(is_granted).cloned().collect();
            // An empty list would mean all of them.
            if both.is_empty() {
                return None;
            }
            both
        }
    };
    may_speak.then(|| KeyRecord { models, users: UserClaims::Listed(vec![user.clone()]), ..key.clone() })
}

fn names(texts: &[String]) -> Vec<Name> {
    texts.iter().map(|text| Name::new(text)).collect()
}

impl Gateway {
    /// Whom work is for that was written down with this key and this note. The key, or the issuer
    /// that it stands for, must still be one of ours; team, tier, models and tags are those of the
    /// arrival where a token named them, within what a key allows now.
    ///
    /// # Errors
    /// `key_invalid` when it is not there any more, and as `check_record`.
    pub(crate) fn identity_named(&self, key: &str, note: Option<&IdentityNote>) -> Result<Identity, Problem> {
        let gone = |what: String| Problem::new(Code::KeyInvalid, format!("{what} is not there any more."));
        let narrower = |key: &str| {
            let message = format!("The key \"{key}\" does not allow its user any of this now.");
            Problem::new(Code::KeyInvalid, message)
        };
        if let Some(issuer) = issuer_of_key(key) {
            let is_known = self.live.load().settings.auth.jwt.contains_key(issuer);
            let note = note.filter(|_| is_known);
            let note = note.ok_or_else(|| gone(format!("The issuer \"{issuer}\" whose token this was made with")))?;
            let name = |text: &String| Name::new(text);
            let (team, tier) = (note.team.as_ref().map(name), note.tier.as_ref().map(name));
            let record = virtual_key(Name::new(key), team, tier, Name::new(&note.user), Vec::new());
            return note.identity(&record).ok_or_else(|| narrower(key));
        }
        let known = self.keys.list().into_iter().find(|known| *known.name == *key);
        let record = known.ok_or_else(|| gone(format!("The key \"{key}\" that this was made with")))?;
        let record = line::check_record(self, record)?;
        match note {
            Some(note) => note.identity(&record).ok_or_else(|| narrower(key)),
            None => Ok(Identity::of_key(record)),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_key_allows_now_bounds_what_was_ordered_then() {
        let key = |models: &[&str], users| KeyRecord {
            name: "web".into(),
            models: models.iter().map(|model| Name::new(model)).collect(),
            users,
            ..KeyRecord::default()
        };
        let alice = Name::new("alice");
        let then = |models: &[&str]| IdentityNote::of(&key(models, UserClaims::Any), &alice, &[], None);
        let now = |note: IdentityNote, key: &KeyRecord| {
            let identity = note.identity(key)?;
            assert_eq!(identity.key.users, UserClaims::Listed(vec![alice.clone()]));
            Some(identity.key.models.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        let only = |model: &str| Some(vec![model.to_owned()]);
        assert_eq!(now(then(&[]), &key(&["a"], UserClaims::Any)), only("a"));
        assert_eq!(now(then(&["a", "b"]), &key(&["b", "c"], UserClaims::Any)), only("b"));
        assert_eq!(now(then(&["a"]), &key(&["b"], UserClaims::Any)), None);
        assert_eq!(now(then(&["a"]), &key(&[], UserClaims::Listed(vec![alice.clone()]))), only("a"));
        assert_eq!(now(then(&["a"]), &key(&[], UserClaims::Listed(vec!["bob".into()]))), None);
        assert_eq!(now(then(&["a"]), &key(&[], UserClaims::None)), None);
    }
}
