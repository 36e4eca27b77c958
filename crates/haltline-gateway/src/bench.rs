//! What benchmarks need of the inside. Not for anything else.

use crate::auth::Identity;
use crate::auth::jwt::Issuers;
use crate::auth::settings::AuthSettings;
use crate::line;
use crate::metrics::Metrics;
use crate::problem::Problem;
use haltline_ports::Keys;
use haltline_types::Timestamp;
use prometheus_client::registry::Registry;

/// The checks of credentials, without a gateway around them.
#[derive(Debug)]
pub struct Credentials {
    issuers: Issuers,
    metrics: Metrics,
}

impl Credentials {
    /// With these issuers.
    #[must_use]
    pub fn new(settings: &AuthSettings) -> Self {
        Self { issuers: Issuers::new(settings, None), metrics: Metrics::new(&mut Registry::default()) }
    }

    /// What a credential proves.
    ///
    /// # Errors
    /// As a client would be told.
    pub fn prove(&self, keys: &dyn Keys, text: &str, now: Timestamp) -> Result<Identity, Problem> {
        if haltline_jwt::looks_like_a_token(text) {
            return self.issuers.prove(text, now, &self.metrics);
        }
        line::of_key(keys, text, now)
    }
}
