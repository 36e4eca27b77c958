//! What a kept answer is found by, and what its tags are known by: SHA-256 over parts that cannot
//! be mistaken for each other, each with its length before it.

use crate::settings::CachePer;
use haltline_policy::cache::Mark;
use haltline_types::Name;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// Names a kept answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CacheKey(pub(crate) [u8; 32]);

impl CacheKey {
    /// The id of its document.
    pub(crate) fn document_id(&self) -> String {
        hex(&self.0)
    }

    /// From the id of a document.
    pub(crate) fn from_document_id(id: &str) -> Option<Self> {
        if id.len() != 64 || !id.is_ascii() {
            return None;
        }
        let mut key = [0_u8; 32];
        for (place, byte) in key.iter_mut().enumerate() {
            *byte = u8::from_str_radix(id.get(place * 2..place * 2 + 2)?, 16).ok()?;
        }
        Some(Self(key))
    }
}

/// Among whom answers and tags are shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tenant {
    /// All who have a key.
    Everyone,
    /// The keys of a team.
    Team(Name),
    /// A key without a team.
    Key(Name),
}

impl Tenant {
    /// Whom a key belongs to.
    pub(crate) fn of(team: Option<&Name>, key: &Name) -> Self {
        team.map_or_else(|| Self::Key(key.clone()), |team| Self::Team(team.clone()))
    }

    /// Whom a request shares its answer with.
    pub(crate) fn sharing(per: CachePer, team: Option<&Name>, key: &Name) -> Self {
        match per {
            CachePer::Everyone => Self::Everyone,
            CachePer::Tenant | CachePer::User => Self::of(team, key),
        }
    }

    fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::Everyone => ("everyone", ""),
            Self::Team(team) => ("team", team),
            Self::Key(key) => ("key", key),
        }
    }

    /// For people.
    pub(crate) fn shown(&self) -> String {
        match self.parts() {
            (kind, "") => kind.to_owned(),
            (kind, name) => format!("{kind} {name}"),
        }
    }
}

/// What invalidates an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marked<'a> {
    /// Everything there is.
    All,
    /// Everything of a tenant.
    Tenant(&'a Tenant),
    /// A tenant's tag.
    Tag(&'a Tenant, &'a str),
    /// A tag, whosever.
    AnyTag(&'a str),
}

impl Marked<'_> {
    /// Its name.
    pub(crate) fn mark(&self) -> Mark {
        let mut hash = Parts::new("haltline cache mark");
        match self {
            Self::All => hash.add(b"all"),
            Self::Tenant(tenant) => {
                hash.add(b"tenant");
                hash.tenant(tenant);
            }
            Self::Tag(tenant, tag) => {
                hash.add(b"tag");
                hash.tenant(tenant);
                hash.add(tag.as_bytes());
            }
            Self::AnyTag(tag) => {
                hash.add(b"any");
                hash.add(tag.as_bytes());
            }
        }
        let whole = hash.end();
        let mut mark = Mark::default();
        mark.copy_from_slice(&whole[..16]);
        mark
    }
}

/// All marks of an answer of this tenant with these tags.
pub(crate) fn marks_of(tenant: &Tenant, tags: &[String]) -> Vec<Mark> {
    let mut marks = vec![Marked::All.mark(), Marked::Tenant(tenant).mark()];
    for tag in tags {
        marks.push(Marked::Tag(tenant, tag).mark());
        marks.push(Marked::AnyTag(tag).mark());
    }
    marks
}

/// Adds parts up to one hash.
pub(crate) struct Parts(Sha256);

impl Parts {
    /// For one purpose.
    pub(crate) fn new(purpose: &str) -> Self {
        let mut parts = Self(Sha256::new());
        parts.add(purpose.as_bytes());
        parts
    }

    /// Adds a part.
    pub(crate) fn add(&mut self, part: &[u8]) {
        self.0.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        self.0.update(part);
    }

    /// Adds a part that may be absent, which is not the same as empty.
    pub(crate) fn add_optional(&mut self, part: Option<&str>) {
        self.add(if part.is_some() { b"1" } else { b"0" });
        self.add(part.unwrap_or_default().as_bytes());
    }

    /// Adds a tenant.
    pub(crate) fn tenant(&mut self, tenant: &Tenant) {
        let (kind, name) = tenant.parts();
        self.add(kind.as_bytes());
        self.add(name.as_bytes());
    }

    /// The hash.
    pub(crate) fn end(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_back_from_its_documents_id() {
        let key = CacheKey(Parts::new("test").end());
        assert_eq!(CacheKey::from_document_id(&key.document_id()), Some(key));
        assert_eq!(CacheKey::from_document_id("00"), None);
        assert_eq!(CacheKey::from_document_id(&"zz".repeat(32)), None);
        assert_eq!(CacheKey::from_document_id(&"é".repeat(32)), None);
    }

    #[test]
    fn marks_of_different_things_differ() {
        let (team, key) = (Tenant::Team(Name::new("a")), Tenant::Key(Name::new("a")));
        let all = [
            Marked::All.mark(),
            Marked::Tenant(&team).mark(),
            Marked::Tenant(&key).mark(),
            Marked::Tenant(&Tenant::Everyone).mark(),
            Marked::Tag(&team, "t").mark(),
            Marked::Tag(&key, "t").mark(),
            Marked::Tag(&key, "u").mark(),
            Marked::AnyTag("t").mark(),
        ];
        let different: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len());
    }
}
