//! Who and what an attempt is for, and which of that a budget or a rate limit counts apart.

use crate::Name;
use std::fmt;

/// A property of an attempt that a scope can count apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dimension {
    /// The team of the key.
    Team,
    /// The tier of the key or user.
    Tier,
    /// The API key.
    Key,
    /// The user; the key itself where the key names none.
    User,
    /// The conversation.
    Session,
    /// The model as the client asked for it.
    Model,
    /// The provider that is called.
    Provider,
    /// Provider and model that are called.
    Endpoint,
    /// The browser token that an attempt came with, if it is one that is counted apart.
    BrowserToken,
    /// The value of a tag.
    Tag(Name),
}

/// What a budget or rate limit counts apart: nothing (`global`), one dimension, or a combination.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Scope(Vec<Dimension>);

impl Scope {
    /// One account for everything.
    #[must_use]
    pub const fn global() -> Self {
        Self(Vec::new())
    }

    /// One account per combination of the dimensions' values; sorted, so that order does not matter.
    #[must_use]
    pub fn of(mut dimensions: Vec<Dimension>) -> Self {
        dimensions.sort();
        dimensions.dedup();
        Self(dimensions)
    }

    /// The dimensions, sorted.
    #[must_use]
    pub fn dimensions(&self) -> &[Dimension] {
        &self.0
    }

    /// Reads `global`, `user`, `tag:env`, …; a list is parsed name by name.
    ///
    /// # Errors
    /// A sentence that lists the dimensions.
    pub fn parse<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut dimensions = Vec::new();
        for name in names {
            dimensions.push(match name {
                "global" => continue,
                "team" => Dimension::Team,
                "tier" => Dimension::Tier,
                "key" => Dimension::Key,
                "user" => Dimension::User,
                "session" => Dimension::Session,
                "model" => Dimension::Model,
                "provider" => Dimension::Provider,
                "endpoint" => Dimension::Endpoint,
                "browser-token" => Dimension::BrowserToken,
                other => match other.strip_prefix("tag:") {
                    Some(tag) if !tag.is_empty() => Dimension::Tag(Name::new(tag)),
                    _ => return Err(format!("`{other}` is not a scope; use global, team, tier, key, user, session, model, provider, endpoint, browser-token or tag:<name>")),
                },
            });
        }
        Ok(Self::of(dimensions))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("global");
        }
        for (index, dimension) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            match dimension {
                Dimension::Team => f.write_str("team")?,
                Dimension::Tier => f.write_str("tier")?,
                Dimension::Key => f.write_str("key")?,
                Dimension::User => f.write_str("user")?,
                Dimension::Session => f.write_str("session")?,
                Dimension::Model => f.write_str("model")?,
                Dimension::Provider => f.write_str("provider")?,
                Dimension::Endpoint => f.write_str("endpoint")?,
                Dimension::BrowserToken => f.write_str("browser-token")?,
                Dimension::Tag(name) => write!(f, "tag:{name}")?,
            }
        }
        Ok(())
    }
}

/// The values of all dimensions for one attempt. A missing value is a subject of its own, never
/// no subject: what cannot be attributed is counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Subjects {
    /// The team of the key.
    pub team: Option<Name>,
    /// The tier of the key or user.
    pub tier: Option<Name>,
    /// The API key's name.
    pub key: Option<Name>,
    /// The user.
    pub user: Option<Name>,
    /// The conversation.
    pub session: Option<Name>,
    /// The model as the client asked for it.
    pub model: Option<Name>,
    /// The provider that is called.
    pub provider: Option<Name>,
    /// The model's id at the provider that is called.
    pub provider_model: Option<Name>,
    /// The browser token, if it is counted apart.
    pub browser_token: Option<Name>,
    /// Tags, sorted by name, no name twice.
    pub tags: Vec<(Name, Name)>,
}

impl Subjects {
    /// What stands in a subject where a value is missing. No value is written like it.
    pub const MISSING: &'static str = "%-";

    /// Appends the subject of `scope` to `out`: the values joined by `/`, with `%` and `/` inside
    /// a value escaped as in URLs and a missing value as `%-`. No two different combinations give
    /// the same text. For `global` it is empty.
    pub fn write_subject(&self, scope: &Scope, out: &mut String) {
        for (index, dimension) in scope.dimensions().iter().enumerate() {
            if index > 0 {
                out.push('/');
            }
            let value = match dimension {
                Dimension::Team => self.team.as_ref(),
                Dimension::Tier => self.tier.as_ref(),
                Dimension::Key => self.key.as_ref(),
                Dimension::User => self.user.as_ref(),
                Dimension::Session => self.session.as_ref(),
                Dimension::Model => self.model.as_ref(),
                Dimension::Provider => self.provider.as_ref(),
                Dimension::Endpoint => {
                    push_value(self.provider.as_ref(), out);
                    out.push('/');
                    self.provider_model.as_ref()
                }
                Dimension::BrowserToken => self.browser_token.as_ref(),
                Dimension::Tag(name) => self.tags.iter().find(|(tag, _)| tag == name).map(|(_, value)| value),
            };
            push_value(value, out);
        }
    }

    /// The subject of `scope` as text; see `write_subject`.
    #[must_use]
    pub fn subject(&self, scope: &Scope) -> String {
        let mut out = String::new();
        self.write_subject(scope, &mut out);
        out
    }
}

fn push_value(value: Option<&Name>, out: &mut String) {
    let Some(value) = value else {
        out.push_str(Subjects::MISSING);
        return;
    };
    if !value.bytes().any(|byte| byte == b'/' || byte == b'%') {
        out.push_str(value);
        return;
    }
    for c in value.chars() {
        match c {
            '/' => out.push_str("%2F"),
            '%' => out.push_str("%25"),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_value_is_a_subject_of_its_own() {
        let scope = Scope::parse(["user"]).expect("scope");
        let nobody = Subjects::default();
        let dash = Subjects { user: Some("%-".into()), ..Subjects::default() };
        assert_eq!(nobody.subject(&scope), "%-");
        assert_ne!(nobody.subject(&scope), dash.subject(&scope));
    }

    #[test]
    fn values_cannot_be_glued_into_others() {
        let scope = Scope::parse(["team", "user"]).expect("scope");
        let one = Subjects { team: Some("a/b".into()), user: Some("c".into()), ..Subjects::default() };
        let two = Subjects { team: Some("a".into()), user: Some("b/c".into()), ..Subjects::default() };
        assert_ne!(one.subject(&scope), two.subject(&scope));
    }

    #[test]
    fn scopes_are_read_and_shown() {
        let scope = Scope::parse(["user", "tag:env", "team", "user"]).expect("scope");
        assert_eq!(scope.to_string(), "team,user,tag:env");
        assert!(Scope::parse(["usr"]).is_err());
        assert_eq!(Scope::parse(["global"]), Ok(Scope::global()));
    }
}
