//! Claims that were verified, and how one of them is named.

use haltline_types::Timestamp;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt;

/// Dots within the name of a claim.
const DOTS_MAX: usize = 16;
/// The longest name of a claim.
const NAME_BYTES_MAX: usize = 256;

/// What a token says, its signature, times, issuer and audience being right.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    pub(crate) claims: Map<String, Value>,
    /// From then on it says nothing any more: `exp` and the leeway.
    pub expires: Timestamp,
    /// When it was made, if it says so.
    pub issued: Option<Timestamp>,
}

impl Verified {
    /// A claim.
    #[must_use]
    pub fn claim(&self, path: &ClaimPath) -> Option<&Value> {
        path.find(&self.claims)
    }
}

/// Where a claim is: `sub`, `app_metadata.plan`, `https://example.com/team`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClaimPath(Cow<'static, str>);

/// Why a text names no claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimPathError;

impl fmt::Display for ClaimPathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the name of a claim has 1 to {NAME_BYTES_MAX} bytes and at most {DOTS_MAX} dots")
    }
}

impl std::error::Error for ClaimPathError {}

impl ClaimPath {
    /// `aud`.
    pub const AUDIENCE: Self = Self(Cow::Borrowed("aud"));
    /// `sub`.
    pub const SUBJECT: Self = Self(Cow::Borrowed("sub"));

    /// From its text.
    ///
    /// # Errors
    /// When it is empty or too long.
    pub fn parse(text: &str) -> Result<Self, ClaimPathError> {
        let fits = !text.is_empty() && text.len() <= NAME_BYTES_MAX;
        let fits = fits && text.bytes().filter(|byte| *byte == b'.').count() <= DOTS_MAX;
        fits.then(|| Self(Cow::Owned(text.to_owned()))).ok_or(ClaimPathError)
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The claim. A dot leads into an object, unless a member's name has the dot itself: the longest
    /// name that is there counts, so that `https://example.com/team` is found as it stands.
    pub(crate) fn find<'c>(&self, claims: &'c Map<String, Value>) -> Option<&'c Value> {
        let mut members = claims;
        let mut rest: &str = &self.0;
        loop {
            let whole = std::iter::once(rest.len());
            let mut ends = whole.chain(rest.rmatch_indices('.').map(|(at, _)| at));
            let (end, value) = ends.find_map(|end| Some((end, members.get(rest.get(..end)?)?)))?;
            if end == rest.len() {
                return Some(value);
            }
            rest = rest.get(end + 1..)?;
            members = value.as_object()?;
        }
    }
}

impl fmt::Display for ClaimPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_claim_is_found_by_its_path_or_its_whole_name() {
        let claims = json!({
            "sub": "u1",
            "app_metadata": {"plan": "pro", "a.b": 7},
            "https://example.com/team": "web",
            "https://example.com/claims": {"plan": "free"},
            "x.y": {"z": 1},
        });
        let claims = claims.as_object().expect("an object");
        let find = |text: &str| ClaimPath::parse(text).expect(text).find(claims).cloned();
        assert_eq!(find("sub"), Some(json!("u1")));
        assert_eq!(find("app_metadata.plan"), Some(json!("pro")));
        assert_eq!(find("app_metadata.a.b"), Some(json!(7)));
        assert_eq!(find("https://example.com/team"), Some(json!("web")));
        assert_eq!(find("https://example.com/claims.plan"), Some(json!("free")));
        assert_eq!(find("x.y.z"), Some(json!(1)));
        for absent in ["team", "sub.x", "app_metadata.", ".", "app_metadata.plan.x", "app_metadata..plan"] {
            assert_eq!(find(absent), None, "{absent}");
        }
        assert_eq!(ClaimPath::parse(""), Err(ClaimPathError));
        assert_eq!(ClaimPath::parse(&".".repeat(17)), Err(ClaimPathError));
    }
}
