//! What a token must fulfil besides its signature, as an operator configures it.

use crate::{Algorithm, ClaimPath, Refused, Verified};
use haltline_types::Timestamp;
use serde_json::{Map, Value};
use std::time::Duration;

/// The last second that is taken for a time: the end of the year 9999.
const LAST_SECOND: i64 = 253_402_300_799;

/// What a token must fulfil.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// `iss`, exactly.
    pub issuer: String,
    /// One of these must be in the audience. Never empty: a token for another service is no key to
    /// this one.
    pub audience: Vec<String>,
    /// The claim that holds the audience: `aud`, or `client_id` for issuers that have no `aud` in
    /// access tokens (Cognito).
    pub audience_claim: ClaimPath,
    /// The algorithms that are allowed; empty = all that the issuer's keys are for.
    pub algorithms: Vec<Algorithm>,
    /// How far clocks may be apart.
    pub leeway: Duration,
    /// Claims that must have exactly this value.
    pub required: Vec<(ClaimPath, Value)>,
    /// Whom the token must have been given to (`azp`), where that matters; empty = anybody.
    pub authorized_party: Vec<String>,
}

impl Rules {
    /// The usual: a minute of leeway, the audience in `aud`.
    #[must_use]
    pub fn new(issuer: &str, audience: &[&str]) -> Self {
        Self {
            issuer: issuer.to_owned(),
            audience: audience.iter().map(|&one| one.to_owned()).collect(),
            audience_claim: ClaimPath::AUDIENCE,
            algorithms: Vec::new(),
            leeway: Duration::from_secs(60),
            required: Vec::new(),
            authorized_party: Vec::new(),
        }
    }

    pub(crate) fn allow(&self, algorithm: Algorithm) -> bool {
        self.algorithms.is_empty() || self.algorithms.contains(&algorithm)
    }

    /// Checks the claims of a token whose signature is right.
    pub(crate) fn check(&self, claims: Map<String, Value>, now: Timestamp) -> Result<Verified, Refused> {
        match claims.get("iss") {
            Some(Value::String(issuer)) if *issuer == self.issuer => {}
            _ => return Err(Refused::Issuer),
        }
        let audience = self.audience_claim.find(&claims);
        if !names_one_of(audience, &self.audience) {
            return Err(Refused::Audience(self.audience_claim.to_string()));
        }
        if !self.authorized_party.is_empty() {
            let is_known =
                matches!(claims.get("azp"), Some(Value::String(party)) if self.authorized_party.contains(party));
            if !is_known {
                return Err(Refused::Claim("azp".to_owned(), "names nobody whom this gateway accepts tokens of"));
            }
        }
        let expires = time(&claims, "exp")?.ok_or_else(|| Refused::Claim("exp".to_owned(), "is missing"))?;
        if now >= expires.saturating_add(self.leeway) {
            return Err(Refused::Expired);
        }
        let latest = now.saturating_add(self.leeway);
        let issued = time(&claims, "iat")?;
        for from in [time(&claims, "nbf")?, issued].into_iter().flatten() {
            if from > latest {
                return Err(Refused::NotYet);
            }
        }
        for (path, wanted) in &self.required {
            match path.find(&claims) {
                Some(found) if found == wanted => {}
                Some(_) => return Err(Refused::Claim(path.to_string(), "is not as this gateway requires it")),
                None => return Err(Refused::Claim(path.to_string(), "is missing")),
            }
        }
        Ok(Verified { claims, expires: expires.saturating_add(self.leeway), issued })
    }
}

/// A string, or a list of nothing but strings.
fn names_one_of(found: Option<&Value>, wanted: &[String]) -> bool {
    match found {
        Some(Value::String(one)) => wanted.contains(one),
        Some(Value::Array(items)) => {
            items.iter().all(Value::is_string)
                && items.iter().any(|item| matches!(item, Value::String(one) if wanted.contains(one)))
        }
        _ => false,
    }
}

/// A whole number of seconds since 1970. RFC 7519 allows fractions; no issuer writes them, and what
/// is written with a point or an exponent is read in more than one way.
fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<Timestamp>, Refused> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    match value.as_i64() {
        Some(seconds) if (0..=LAST_SECOND).contains(&seconds) => Ok(Some(Timestamp::from_secs(seconds))),
        _ => Err(Refused::Claim(name.to_owned(), "is not a time: a whole number of seconds since 1970")),
    }
}
