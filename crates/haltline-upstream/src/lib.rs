//! HTTP to providers: the pool that knows what was written, and the simulated model.
//!
//! `HttpUpstream` speaks to every provider, over HTTP/2 or HTTP/1.1; `SimulatedUpstream` is a model
//! for demos and tests that needs no network. Both stand behind `haltline_ports::Upstream`, and
//! both take a permit by value for each call.
//!
//! ```
//! use haltline_ports::{Answer, Call, Permit, Upstream};
//! use haltline_types::Fault;
//!
//! async fn once(upstream: &dyn Upstream, permit: Permit, call: Call) -> Result<Answer, Fault> {
//!     upstream.call(permit, call.clone()).await
//! }
//! ```
//!
//! There is no second call on one permit:
//!
//! ```compile_fail,E0382
//! use haltline_ports::{Call, Permit, Upstream};
//!
//! async fn twice(upstream: &dyn Upstream, permit: Permit, call: Call) {
//!     let _ = upstream.call(permit, call.clone()).await;
//!     let _ = upstream.call(permit, call).await;
//! }
//! ```

mod body;
mod connect;
mod connection;
mod download;
mod fault;
mod guards;
mod http2;
mod key_sets;
mod keys;
mod pool;
mod provider;
mod shared;
mod simulated;
mod socket;
mod spread;
mod tls;
mod upstream;
mod webhooks;

pub use download::{Download, download};
pub use guards::{BedrockAccess, GuardConfig, GuardSecret, GuardService, HttpGuards, UnitPrices, check_guard_url};
pub use key_sets::{HttpKeySets, check_key_set_url};
pub use keys::ApiKey;
pub use pool::{PoolSettings, PoolStats};
pub use provider::Provider;
pub use simulated::{
    FailureBilling, Outage, OutageAnswer, OutageShare, SimulatedBill, SimulatedConfig, SimulatedPrices,
    SimulatedUpstream,
};
pub use spread::Http2Settings;
pub use upstream::{HttpConfig, HttpUpstream};
pub use webhooks::{HttpWebhooks, check_webhook};

use haltline_ports::{Clock, Upstream};
use std::fmt;
use std::sync::Arc;

/// A provider as the configuration describes it.
#[derive(Clone, Debug)]
pub enum UpstreamConfig {
    /// A provider behind HTTP.
    Http(HttpConfig),
    /// The built-in model.
    Simulated(SimulatedConfig),
}

/// Makes the upstream that a configuration describes. `clock` serves to read dates in answers.
///
/// # Errors
/// A sentence for the operator.
pub fn build(config: UpstreamConfig, clock: Arc<dyn Clock>) -> Result<Arc<dyn Upstream>, ConfigError> {
    Ok(match config {
        UpstreamConfig::Http(config) => Arc::new(HttpUpstream::new(config, clock)?),
        UpstreamConfig::Simulated(config) => Arc::new(SimulatedUpstream::new(config)),
    })
}

/// Why a provider's configuration cannot be used; a sentence for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(pub String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}
